//! What an operator sets about an output, checked: the `Tracer` object with all its variants.
//!
//! Raw values, from wherever they come, go into a [`RawTracer`]; [`Tracer::check`] makes checked types of
//! them or says which field is wrong, what stands there, and what may. All defaults are in this file.

mod error;
mod raw;
mod secret;
mod select;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use tidings_event::{EventType, Level};

pub use self::error::SettingsError;
pub use self::raw::{RawHttpAuth, RawSecret, RawTracer};
pub use self::secret::{Secret, SecretKey, read_regular};
pub use self::select::{EventPattern, EventSelection, EventsPolicy};

/// One configured tracer: an output of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracer {
    /// Its name: unique among the outputs; names its cursor, its counters and its reports.
    pub name: String,
    /// Whether it runs. Default true.
    pub enable: bool,
    /// Events below are left out. Default info.
    pub level: Level,
    /// Whether it skips to the end when it is too far behind. Default false.
    pub lossy: bool,
    /// Which types it gets. Default all: an empty list under the policy `exclude`.
    pub selection: EventSelection,
    /// What kind it is, with the settings of that kind.
    pub variant: Variant,
}

/// The kinds of tracers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variant {
    /// `log`: text into files.
    Log(LogFile),
    /// `console`, also `stdout` as the reference calls it: text to the standard error.
    Console(Console),
    /// `journal`: the systemd journal.
    Journal(Journal),
    /// `otelHttp`: OpenTelemetry over HTTP.
    OtelHttp(Otel),
    /// `otelGrpc`: OpenTelemetry over gRPC.
    OtelGrpc(Otel),
}

/// A log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// The directory; created if it is missing.
    pub path: PathBuf,
    /// Beginning of the files' names. Default `tidings`.
    pub prefix: String,
    /// When a new file is begun by time. Default daily.
    pub rotate: Rotate,
    /// A file that has grown to this many bytes is set aside. Default none: no limit.
    pub rotate_bytes: Option<u64>,
    /// Colours. Default true, as the reference has it.
    pub ansi: bool,
    /// One line for the event and one for each pair. Default false.
    pub multiline: bool,
    /// Times with nanoseconds. Default false.
    pub full_time: bool,
    /// Old files are removed when they were last written longer ago. Default none: kept.
    pub keep: Option<Duration>,
    /// Most old files. Default none.
    pub keep_files: Option<u64>,
    /// Most bytes of old files together. Default none.
    pub keep_bytes: Option<u64>,
    /// What old files are compressed with. Default nothing.
    pub compression: Compression,
}

/// How often a log file begins anew, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    /// `prefix.2026-02-03`.
    #[default]
    Daily,
    /// `prefix.2026-02-03T04`.
    Hourly,
    /// `prefix.2026-02-03T04:05`.
    Minutely,
    /// `prefix`.
    Never,
}

/// What old log files are compressed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// They stay as they are.
    #[default]
    None,
    /// `.gz`.
    Gzip,
    /// `.zst`.
    Zstd,
}

/// The console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// Whether events are written in blocks, each batch's last at its end, instead of one by one.
    /// Default true.
    pub buffered: bool,
    /// Colours. Default false.
    pub ansi: bool,
    /// One line for the event and one for each pair. Default false.
    pub multiline: bool,
}

/// The systemd journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The socket of journald. Default `/run/systemd/journal/socket`.
    pub socket: PathBuf,
}

/// OpenTelemetry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otel {
    /// URL of the collector. For HTTP required; for gRPC default `http://localhost:4317`.
    pub endpoint: String,
    /// Whether events go out as log records. Default true.
    pub logs: bool,
    /// Whether spans go out. Default true.
    pub spans: bool,
    /// Least time between two exports. Default 1 s.
    pub throttle: Duration,
    /// Longest time that a request may take. Default 10 s.
    pub timeout: Duration,
    /// How we sign in. Default not at all.
    pub auth: HttpAuth,
    /// Headers, or metadata, of every request, in order.
    pub headers: Vec<(String, String)>,
    /// Whether requests are compressed. Default true.
    pub gzip: bool,
}

/// How an output signs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HttpAuth {
    /// Not at all.
    #[default]
    Unauthenticated,
    /// With name and password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        secret: SecretKey,
    },
    /// With a token.
    Bearer {
        /// The token.
        token: SecretKey,
    },
}

pub(crate) const DEFAULT_PREFIX: &str = "tidings";
pub(crate) const DEFAULT_SOCKET: &str = "/run/systemd/journal/socket";
pub(crate) const DEFAULT_GRPC_ENDPOINT: &str = "http://localhost:4317";
pub(crate) const DEFAULT_THROTTLE: Duration = Duration::from_secs(1);
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

impl LogFile {
    /// A log in this directory, with the defaults.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            prefix: DEFAULT_PREFIX.to_owned(),
            rotate: Rotate::Daily,
            rotate_bytes: None,
            ansi: true,
            multiline: false,
            full_time: false,
            keep: None,
            keep_files: None,
            keep_bytes: None,
            compression: Compression::None,
        }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self {
            buffered: true,
            ansi: false,
            multiline: false,
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            socket: DEFAULT_SOCKET.into(),
        }
    }
}

impl Otel {
    /// An exporter to this URL, with the defaults.
    #[must_use]
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            logs: true,
            spans: true,
            throttle: DEFAULT_THROTTLE,
            timeout: DEFAULT_TIMEOUT,
            auth: HttpAuth::Unauthenticated,
            headers: Vec::new(),
            gzip: true,
        }
    }
}

impl Variant {
    /// The word for it in settings: `log`, `console`, `journal`, `otelHttp`, `otelGrpc`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Console(_) => "console",
            Self::Journal(_) => "journal",
            Self::OtelHttp(_) => "otelHttp",
            Self::OtelGrpc(_) => "otelGrpc",
        }
    }

    /// The event by which it reports its failures, and which it therefore never carries.
    #[must_use]
    pub fn error_kind(&self) -> EventType {
        match self {
            Self::Log(_) => EventType::TELEMETRY_LOG_ERROR,
            Self::Console(_) => EventType::TELEMETRY_CONSOLE_ERROR,
            Self::Journal(_) => EventType::TELEMETRY_JOURNAL_ERROR,
            Self::OtelHttp(_) | Self::OtelGrpc(_) => EventType::TELEMETRY_OTEL_EXPORTER_ERROR,
        }
    }
}

/// Checks what holds among all tracers: names are unique, only one enabled tracer prints to the
/// console and one writes to the journal, and no two enabled ones write the same log files, however
/// their paths are written.
///
/// # Errors
/// Names the later one of two that exclude each other.
pub fn check_together(tracers: &[Tracer]) -> Result<(), SettingsError> {
    let object = |tracer: &Tracer| format!("Tracer {:?}", tracer.name);
    for (at, tracer) in tracers.iter().enumerate() {
        for before in &tracers[..at] {
            if before.name == tracer.name {
                let allowed = "a name that no other output has";
                return Err(SettingsError::new("Tracer", "name", &tracer.name, allowed));
            }
            let is_single = matches!(tracer.variant, Variant::Console(_) | Variant::Journal(_));
            let word = tracer.variant.word();
            if is_single && tracer.enable && before.enable && before.variant.word() == word {
                return Err(SettingsError::new(
                    &object(tracer),
                    "enable",
                    "true",
                    &format!(
                        "false, as {:?} is an enabled tracer of type {word}",
                        before.name
                    ),
                ));
            }
            if let (Variant::Log(log), Variant::Log(other)) = (&tracer.variant, &before.variant)
                && tracer.enable
                && before.enable
                && crate::file::is_same_place(log, other)
            {
                let allowed = format!(
                    "another directory, or another prefix than {:?}, as the tracer {:?} writes the \
                     files {} there: each would take the other's away",
                    log.prefix,
                    before.name,
                    other.path.join(&other.prefix).display()
                );
                return Err(SettingsError::new(
                    &object(tracer),
                    "path",
                    log.path.display(),
                    &allowed,
                ));
            }
        }
    }
    Ok(())
}
