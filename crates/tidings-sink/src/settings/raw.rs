//! The settings of a tracer as they are written, and their checks.

use std::str::FromStr;
use std::time::Duration;

use tidings_event::Level;

use super::{
    Compression, Console, DEFAULT_GRPC_ENDPOINT, EventSelection, EventsPolicy, HttpAuth, Journal,
    LogFile, Otel, Rotate, Secret, SecretKey, SettingsError, Tracer, Variant,
};
use crate::cursors::MAX_NAME_BYTES;

/// Headers that say how a request is carried; the transports set them.
const OUR_HEADERS: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The fields of a `Tracer` as they were written; nothing where one was left out.
///
/// Names are those of the management API in snake case, times are milliseconds, sizes bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawTracer {
    /// `name`, required.
    pub name: String,
    /// `@type` or `type`: `log`, `console` (or `stdout`), `journal`, `otelHttp`, `otelGrpc`, in any
    /// case, with or without `-` or `_`.
    pub variant: String,
    /// `enable`.
    pub enable: Option<bool>,
    /// `level`.
    pub level: Option<String>,
    /// `lossy`.
    pub lossy: Option<bool>,
    /// `events`.
    pub events: Vec<String>,
    /// `eventsPolicy`.
    pub events_policy: Option<String>,
    /// `path` of a log.
    pub path: Option<String>,
    /// `prefix` of a log.
    pub prefix: Option<String>,
    /// `rotate` of a log.
    pub rotate: Option<String>,
    /// `rotateBytes` of a log.
    pub rotate_bytes: Option<u64>,
    /// `keep` of a log, in milliseconds.
    pub keep_ms: Option<u64>,
    /// `keepFiles` of a log.
    pub keep_files: Option<u64>,
    /// `keepBytes` of a log.
    pub keep_bytes: Option<u64>,
    /// `compression` of a log.
    pub compression: Option<String>,
    /// `fullTime` of a log.
    pub full_time: Option<bool>,
    /// `ansi` of a log or the console.
    pub ansi: Option<bool>,
    /// `multiline` of a log or the console.
    pub multiline: Option<bool>,
    /// `buffered` of the console.
    pub buffered: Option<bool>,
    /// `socket` of the journal.
    pub socket: Option<String>,
    /// `endpoint` of OpenTelemetry.
    pub endpoint: Option<String>,
    /// `enableLogExporter` of OpenTelemetry.
    pub enable_log_exporter: Option<bool>,
    /// `enableSpanExporter` of OpenTelemetry.
    pub enable_span_exporter: Option<bool>,
    /// `throttle` of OpenTelemetry, in milliseconds.
    pub throttle_ms: Option<u64>,
    /// `timeout` of OpenTelemetry, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// `httpAuth` of OpenTelemetry.
    pub http_auth: Option<RawHttpAuth>,
    /// `httpHeaders` of OpenTelemetry.
    pub http_headers: Vec<(String, String)>,
    /// `gzip` of OpenTelemetry.
    pub gzip: Option<bool>,
}

/// `httpAuth` as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawHttpAuth {
    /// `@type` or `type`: `unauthenticated`, `basic`, `bearer`, in any case.
    pub variant: String,
    /// `username` of `basic`.
    pub username: Option<String>,
    /// `secret` of `basic`, `bearerToken` of `bearer`.
    pub secret: Option<RawSecret>,
}

/// A secret as it was written: exactly one of the three.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RawSecret {
    /// `secret`: the secret itself.
    pub value: Option<String>,
    /// `variableName`: an environment variable.
    pub variable_name: Option<String>,
    /// `filePath`: a file.
    pub file_path: Option<String>,
}

impl std::fmt::Debug for RawSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSecret")
            .field("value", &self.value.as_ref().map(|_| "…"))
            .field("variable_name", &self.variable_name)
            .field("file_path", &self.file_path)
            .finish()
    }
}

impl Tracer {
    /// Makes checked settings of raw ones.
    ///
    /// # Errors
    /// Names the first field that is wrong, missing, or not one of this kind of tracer.
    pub fn check(raw: &RawTracer) -> Result<Tracer, SettingsError> {
        let name = raw.name.trim();
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
            let allowed =
                format!("a name of 1 to {MAX_NAME_BYTES} bytes without control characters");
            return Err(SettingsError::new("Tracer", "name", name, &allowed));
        }
        let check = Check {
            object: format!("Tracer {name:?}"),
            raw,
        };
        let policy = check.policy()?;
        if policy == EventsPolicy::Include && raw.events.is_empty() {
            let allowed = "at least one event, as it is to get none but those that stand here";
            return check.wrong("events", "", allowed);
        }
        let variant = check.variant()?;
        check.no_foreign_fields(&variant)?;
        Ok(Tracer {
            name: name.to_owned(),
            enable: raw.enable.unwrap_or(true),
            level: check.level()?,
            lossy: raw.lossy.unwrap_or(false),
            selection: EventSelection::new(
                &check.object,
                policy,
                raw.events.iter().map(String::as_str),
            )?,
            variant,
        })
    }
}

/// A raw tracer with the name for errors.
struct Check<'r> {
    object: String,
    raw: &'r RawTracer,
}

impl Check<'_> {
    fn wrong<T>(&self, field: &str, value: &str, allowed: &str) -> Result<T, SettingsError> {
        Err(SettingsError::new(&self.object, field, value, allowed))
    }

    /// One of some words; the first if nothing is written.
    fn word<T: Copy>(
        &self,
        field: &str,
        value: Option<&str>,
        words: &[(&str, T)],
    ) -> Result<T, SettingsError> {
        let Some(value) = value else {
            return Ok(words[0].1);
        };
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == value) {
            return Ok(*found);
        }
        let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.wrong(field, value, &format!("one of {}", allowed.join(", ")))
    }

    fn level(&self) -> Result<Level, SettingsError> {
        let Some(text) = self.raw.level.as_deref() else {
            return Ok(Level::Info);
        };
        match Level::from_str(text) {
            Ok(level) if level != Level::Disable => Ok(level),
            _ => self.wrong("level", text, "one of error, warn, info, debug, trace"),
        }
    }

    fn policy(&self) -> Result<EventsPolicy, SettingsError> {
        let words = [
            ("exclude", EventsPolicy::Exclude),
            ("include", EventsPolicy::Include),
        ];
        self.word("eventsPolicy", self.raw.events_policy.as_deref(), &words)
    }

    fn variant(&self) -> Result<Variant, SettingsError> {
        let word: String = self
            .raw
            .variant
            .to_ascii_lowercase()
            .replace(['-', '_'], "");
        match word.as_str() {
            "log" => Ok(Variant::Log(self.log()?)),
            "console" | "stdout" => Ok(Variant::Console(self.console())),
            "journal" => Ok(Variant::Journal(self.journal()?)),
            "otelhttp" => Ok(Variant::OtelHttp(self.otel(None)?)),
            "otelgrpc" => Ok(Variant::OtelGrpc(self.otel(Some(DEFAULT_GRPC_ENDPOINT))?)),
            _ => self.wrong(
                "type",
                &self.raw.variant,
                "one of log, console, journal, otelHttp, otelGrpc",
            ),
        }
    }

    fn log(&self) -> Result<LogFile, SettingsError> {
        let raw = self.raw;
        let path = raw.path.as_deref().unwrap_or_default().trim();
        if path.is_empty() || path.contains('\0') {
            return self.wrong("path", path, "a directory");
        }
        let mut log = LogFile::new(path);
        if let Some(prefix) = raw.prefix.as_deref().map(str::trim) {
            let is_name =
                !prefix.is_empty() && !prefix.contains(['/', '\0']) && prefix.len() <= 128;
            if !is_name || prefix == "." || prefix == ".." {
                let allowed = "the beginning of a file name, 1 to 128 bytes without /";
                return self.wrong("prefix", prefix, allowed);
            }
            log.prefix = prefix.to_owned();
        }
        let rotations = [
            ("daily", Rotate::Daily),
            ("hourly", Rotate::Hourly),
            ("minutely", Rotate::Minutely),
            ("never", Rotate::Never),
        ];
        log.rotate = self.word("rotate", raw.rotate.as_deref(), &rotations)?;
        let compressions = [
            ("none", Compression::None),
            ("gzip", Compression::Gzip),
            ("zstd", Compression::Zstd),
        ];
        log.compression = self.word("compression", raw.compression.as_deref(), &compressions)?;
        log.ansi = raw.ansi.unwrap_or(log.ansi);
        log.multiline = raw.multiline.unwrap_or(log.multiline);
        log.full_time = raw.full_time.unwrap_or(log.full_time);
        log.rotate_bytes = self.at_least("rotateBytes", raw.rotate_bytes, 1024)?;
        log.keep = self
            .at_least("keep", raw.keep_ms, 1)?
            .map(Duration::from_millis);
        log.keep_files = self.at_least("keepFiles", raw.keep_files, 1)?;
        log.keep_bytes = self.at_least("keepBytes", raw.keep_bytes, 1)?;
        Ok(log)
    }

    fn console(&self) -> Console {
        let default = Console::default();
        Console {
            buffered: self.raw.buffered.unwrap_or(default.buffered),
            ansi: self.raw.ansi.unwrap_or(default.ansi),
            multiline: self.raw.multiline.unwrap_or(default.multiline),
        }
    }

    fn journal(&self) -> Result<Journal, SettingsError> {
        match self.raw.socket.as_deref() {
            None => Ok(Journal::default()),
            Some(path) if path.starts_with('/') && !path.contains('\0') && path.len() < 108 => {
                Ok(Journal {
                    socket: path.into(),
                })
            }
            Some(path) => self.wrong("socket", path, "an absolute path of less than 108 bytes"),
        }
    }

    fn otel(&self, default_endpoint: Option<&str>) -> Result<Otel, SettingsError> {
        let raw = self.raw;
        let endpoint = raw.endpoint.as_deref().map(str::trim);
        let endpoint = endpoint.or(default_endpoint).unwrap_or_default();
        let after_scheme = ["http://", "https://"]
            .iter()
            .find_map(|scheme| endpoint.strip_prefix(scheme));
        let is_plain = !endpoint.contains(|c: char| c.is_whitespace() || c.is_control());
        if !is_plain || after_scheme.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            return self.wrong(
                "endpoint",
                endpoint,
                "a URL that begins with http:// or https://",
            );
        }
        #[cfg(feature = "otlp")]
        crate::otlp::check_endpoint(&self.object, endpoint)?;
        let mut otel = Otel::new(endpoint);
        otel.logs = raw.enable_log_exporter.unwrap_or(otel.logs);
        otel.spans = raw.enable_span_exporter.unwrap_or(otel.spans);
        if !otel.logs && !otel.spans {
            let allowed = "true, or the exporter of logs must be on: this one would send nothing";
            return self.wrong("enableSpanExporter", "false", allowed);
        }
        otel.gzip = raw.gzip.unwrap_or(otel.gzip);
        if let Some(millis) = self.at_least("throttle", raw.throttle_ms, 1)? {
            otel.throttle = Duration::from_millis(millis);
        }
        if let Some(millis) = self.at_least("timeout", raw.timeout_ms, 1)? {
            otel.timeout = Duration::from_millis(millis);
        }
        otel.auth = self.auth()?;
        for (name, value) in &raw.http_headers {
            self.header(name, value, otel.auth != HttpAuth::Unauthenticated)?;
        }
        otel.headers.clone_from(&raw.http_headers);
        Ok(otel)
    }

    /// The value may be a secret and is not shown.
    fn header(&self, name: &str, value: &str, has_auth: bool) -> Result<(), SettingsError> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let field = format!("httpHeaders.{name}");
        if name.is_empty() || !name.bytes().all(is_token) {
            let field = format!("httpHeaders.{name:?}");
            let allowed = "under a name of letters, digits and hyphens";
            return self.wrong(&field, "…", allowed);
        }
        let lower = name.to_ascii_lowercase();
        if OUR_HEADERS.contains(&lower.as_str()) || lower.starts_with("grpc-") {
            let allowed = "left out, as this header belongs to the transport";
            return self.wrong(&field, "…", allowed);
        }
        if lower == "authorization" && has_auth {
            return self.wrong(&field, "…", "left out where httpAuth says how we sign in");
        }
        let is_text = value
            .bytes()
            .all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        if value.trim().is_empty() || !is_text || value.trim() != value {
            let allowed = "visible ASCII characters, with blanks only between them";
            return self.wrong(&field, "…", allowed);
        }
        Ok(())
    }

    fn auth(&self) -> Result<HttpAuth, SettingsError> {
        let Some(raw) = &self.raw.http_auth else {
            return Ok(HttpAuth::Unauthenticated);
        };
        match raw.variant.to_ascii_lowercase().as_str() {
            "unauthenticated" => Ok(HttpAuth::Unauthenticated),
            "basic" => {
                let username = raw.username.clone().unwrap_or_default();
                if username.is_empty() || username.contains(':') {
                    let allowed = "a name without a colon";
                    return self.wrong("httpAuth.username", &username, allowed);
                }
                Ok(HttpAuth::Basic {
                    username,
                    secret: self.secret("httpAuth.secret", raw.secret.as_ref())?,
                })
            }
            "bearer" => Ok(HttpAuth::Bearer {
                token: self.secret("httpAuth.bearerToken", raw.secret.as_ref())?,
            }),
            _ => self.wrong(
                "httpAuth.type",
                &raw.variant,
                "one of unauthenticated, basic, bearer",
            ),
        }
    }

    fn secret(&self, field: &str, raw: Option<&RawSecret>) -> Result<SecretKey, SettingsError> {
        let allowed = "exactly one of secret, variableName and filePath, not empty";
        let Some(raw) = raw else {
            return self.wrong(field, "", allowed);
        };
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (
            given(&raw.value),
            given(&raw.variable_name),
            given(&raw.file_path),
        ) {
            (Some(value), None, None) => Ok(SecretKey::Value(Secret::new(value))),
            (None, Some(name), None) => Ok(SecretKey::EnvironmentVariable(name)),
            (None, None, Some(path)) => Ok(SecretKey::File(path.into())),
            _ => self.wrong(field, "…", allowed),
        }
    }

    fn at_least(
        &self,
        field: &str,
        value: Option<u64>,
        least: u64,
    ) -> Result<Option<u64>, SettingsError> {
        match value {
            Some(value) if value < least => {
                self.wrong(field, &value.to_string(), &format!("at least {least}"))
            }
            value => Ok(value),
        }
    }

    /// A field that this kind of tracer does not have is a mistake that would stay unseen.
    fn no_foreign_fields(&self, variant: &Variant) -> Result<(), SettingsError> {
        let raw = self.raw;
        let (log, console) = (
            matches!(variant, Variant::Log(_)),
            matches!(variant, Variant::Console(_)),
        );
        let journal = matches!(variant, Variant::Journal(_));
        let otel = matches!(variant, Variant::OtelHttp(_) | Variant::OtelGrpc(_));
        fn given(value: Option<&impl ToString>) -> Option<String> {
            value.map(ToString::to_string)
        }
        let fields = [
            ("path", log, given(raw.path.as_ref())),
            ("prefix", log, given(raw.prefix.as_ref())),
            ("rotate", log, given(raw.rotate.as_ref())),
            ("rotateBytes", log, given(raw.rotate_bytes.as_ref())),
            ("keep", log, given(raw.keep_ms.as_ref())),
            ("keepFiles", log, given(raw.keep_files.as_ref())),
            ("keepBytes", log, given(raw.keep_bytes.as_ref())),
            ("compression", log, given(raw.compression.as_ref())),
            ("fullTime", log, given(raw.full_time.as_ref())),
            ("ansi", log || console, given(raw.ansi.as_ref())),
            ("multiline", log || console, given(raw.multiline.as_ref())),
            ("buffered", console, given(raw.buffered.as_ref())),
            ("socket", journal, given(raw.socket.as_ref())),
            ("endpoint", otel, given(raw.endpoint.as_ref())),
            (
                "enableLogExporter",
                otel,
                given(raw.enable_log_exporter.as_ref()),
            ),
            (
                "enableSpanExporter",
                otel,
                given(raw.enable_span_exporter.as_ref()),
            ),
            ("throttle", otel, given(raw.throttle_ms.as_ref())),
            ("timeout", otel, given(raw.timeout_ms.as_ref())),
            (
                "httpAuth",
                otel,
                raw.http_auth.as_ref().map(|_| "…".to_owned()),
            ),
            (
                "httpHeaders",
                otel,
                (!raw.http_headers.is_empty()).then(|| "…".to_owned()),
            ),
            ("gzip", otel, given(raw.gzip.as_ref())),
        ];
        for (field, is_known, value) in fields {
            if let Some(value) = value.filter(|_| !is_known) {
                let allowed = format!("left out in a tracer of type {}", variant.word());
                return self.wrong(field, &value, &allowed);
            }
        }
        Ok(())
    }
}
