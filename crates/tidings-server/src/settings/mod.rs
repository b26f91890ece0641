//! The settings file: TOML, checked once and completely when the server starts.
//!
//! [`load`] gives the typed settings or one sentence that names file, line, setting, value, and what
//! is allowed. Everything is declared in [`declare`]; the reference page is made from that.

mod declare;
#[cfg(test)]
mod docs;
mod network;
mod outputs;
mod read;
#[cfg(test)]
mod tests;
mod told;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tidings::meters::{Policy, Selection};
use tidings_cli::Failure;
use tidings_engine::{RetentionRules, SampleRules, Schedule};
use tidings_event::Level;
use tidings_sink::LevelOverrides;
use tidings_sink::otlp::MetricsPushSettings;
use tidings_sink::settings::{Tracer, read_regular};

use crate::live::LiveOptions;
use crate::upkeep::Rules;

pub(crate) use network::Network;
pub(crate) use outputs::USUAL_CONSOLE;
use read::{File, Table, Tables};
pub(crate) use told::in_words_of_the_file;
pub(crate) use value::is_log_pattern;
use value::{Given, is_secret};

/// Longest settings file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Longest token file.
const TOKEN_FILE_BYTES_MAX: u64 = 4 << 10;

/// The checked settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Logs to follow; empty for the usual ones.
    pub(crate) sources: Vec<SourceSettings>,
    pub(crate) http: HttpSettings,
    pub(crate) ingest: IngestSettings,
    /// Live streams.
    pub(crate) live: LiveOptions,
    /// How long what is kept.
    pub(crate) retention: RetentionRules,
    /// How long samples of metrics are kept.
    pub(crate) samples: SampleRules,
    /// Events go into the history; only the management API says otherwise.
    pub(crate) is_recording: bool,
    /// Least important events to print.
    pub(crate) console_level: Level,
    /// Outputs of events.
    pub(crate) tracers: Vec<Tracer>,
    /// Metrics that are pushed.
    pub(crate) pushed: Option<MetricsPushSettings>,
    /// Levels of events, where they are not the catalogue's.
    pub(crate) levels: LevelOverrides,
    /// What is measured, and who may see it.
    pub(crate) metrics: MetricsSettings,
    /// Replay the bundled sample.
    pub(crate) demo: bool,
    /// What the file says something of, so that it cannot be changed elsewhere.
    pub(crate) pins: Pins,
}

/// Sections that stand in the settings file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pins {
    /// `[metrics]` or `[otel_metrics]`.
    pub(crate) metrics: bool,
    /// `[history]`.
    pub(crate) retention: bool,
}

impl Settings {
    /// How long what is kept.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            history: self.retention,
            samples: self.samples,
        }
    }

    /// The logs to follow: the configured ones, and the sample if it is replayed; the usual ones if there
    /// are none.
    pub(crate) fn followed(&self, demo_log: Option<&Path>) -> Vec<SourceSettings> {
        let mut sources = self.sources.clone();
        match demo_log {
            Some(log) => sources.push(demo_source(log)),
            None if sources.is_empty() => sources.push(usual_source()),
            None => {}
        }
        sources
    }

    /// Whether these differ from others in nothing but what can change while the server runs.
    pub(crate) fn differs_only_in_changeable(&self, others: &Settings) -> bool {
        let Settings {
            sources,
            console_level,
            tracers,
            pushed,
            levels,
            metrics,
            retention,
            samples,
            pins,
            ..
        } = others.clone();
        let like = Settings {
            sources,
            console_level,
            tracers,
            pushed,
            levels,
            metrics,
            retention,
            samples,
            pins,
            ..self.clone()
        };
        like == *others
    }
}

/// Metrics for scrapers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetricsSettings {
    /// Which of the catalogue's metrics are exported.
    pub(crate) selection: Selection,
    /// When samples are taken for the long history.
    pub(crate) collect: Schedule,
    /// Scrapes are answered.
    pub(crate) is_scraped: bool,
    /// Samples are kept; only the management API says otherwise.
    pub(crate) is_sampled: bool,
    /// What a scraper must show, `user:password`, if not what other clients show.
    pub(crate) user: Option<Token>,
}

/// Logs that are followed in one way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceSettings {
    /// Their paths, with wildcards.
    pub(crate) patterns: Vec<String>,
    /// They are followed; only the management API says otherwise.
    pub(crate) is_enabled: bool,
    /// Begin with a log that was never read before at its beginning, instead of at its end.
    pub(crate) from_beginning: bool,
    /// A file that a pattern names without wildcards is waited for, and complained about, where it
    /// does not exist.
    pub(crate) is_awaited: bool,
    /// Zone of times without one, by its name.
    pub(crate) timezone: String,
    /// Year of the first line.
    pub(crate) year: Option<i32>,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HttpSettings {
    pub(crate) listen: Vec<SocketAddr>,
    /// Speak TLS on `listen`.
    pub(crate) tls: Option<TlsSettings>,
    /// A proxy in front speaks TLS.
    pub(crate) plain: bool,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) oauth_redirects: Vec<String>,
    pub(crate) token: Option<Token>,
    /// Answer searches on `listen`.
    pub(crate) api: bool,
    pub(crate) connections_max: usize,
    pub(crate) searches_max: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) stall_timeout: Duration,
}

/// Where the certificate is, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The limits of `POST /ingest`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct IngestSettings {
    pub(crate) body_bytes_max: usize,
    pub(crate) unpacked_bytes_max: usize,
    pub(crate) waiting_bytes_max: usize,
}

/// A secret that is never printed.
#[derive(Clone, PartialEq)]
pub(crate) struct Token(String);

impl Token {
    /// Takes the text.
    pub(crate) fn of(text: String) -> Token {
        Token(text)
    }

    /// What stands before the colon of a user with a password.
    pub(crate) fn name(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// Whether this is the token; takes the same time however much of it is right.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_bytes(), shown).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The settings of a file, or the defaults where there is none.
pub(crate) fn load(path: Option<&Path>) -> Result<Settings, Failure> {
    match path {
        Some(path) => {
            let text = read_text(path, FILE_BYTES_MAX, "the settings file")?;
            parse(path, &text)
        }
        None => checked(Tables::default(), Path::new("defaults")),
    }
}

/// The settings of a file with this text; `path` is for messages.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Settings, Failure> {
    checked(File::new(path, text).read()?, path)
}

fn checked(mut tables: Tables, path: &Path) -> Result<Settings, Failure> {
    let sources = tables
        .list("source")
        .iter()
        .map(|table| source(table, path))
        .collect::<Result<_, _>>()?;
    let level = text(&tables.one("console"), "level").unwrap_or_default();
    let pins = Pins {
        metrics: tables.has("metrics") || tables.has("otel_metrics"),
        retention: tables.has("history"),
    };
    let history = tables.one("history");
    Ok(Settings {
        pins,
        sources,
        http: http(&tables.one("http"), path)?,
        ingest: ingest(&tables.one("ingest"), path)?,
        live: live(&tables.one("live")),
        retention: retention(&history),
        is_recording: true,
        samples: SampleRules {
            scheduled_ns: hold(&history, "keep_metrics"),
            ..SampleRules::default()
        },
        console_level: if level == "off" {
            Level::Disable
        } else {
            level.parse().unwrap_or(Level::Info)
        },
        tracers: outputs::tracers(&tables.list("tracer"), path)?,
        pushed: outputs::pushed(&tables.one("otel_metrics"), path)?,
        levels: outputs::levels(&tables.list("event_level"), path)?,
        metrics: metrics(&tables.one("metrics"), path)?,
        demo: flag(&tables.one("demo"), "replay"),
    })
}

fn source(table: &Table, path: &Path) -> Result<SourceSettings, Failure> {
    let Some(Given::Texts(patterns)) = table.get("paths") else {
        return Err(table.wrong(
            path,
            "paths",
            "a [[source]] has no paths; write paths = [\"/var/log/mail.log\"]",
        ));
    };
    Ok(SourceSettings {
        patterns,
        is_enabled: true,
        from_beginning: text(table, "start").is_some_and(|start| start == "beginning"),
        is_awaited: true,
        timezone: text(table, "timezone").unwrap_or_default(),
        year: number(table, "year").and_then(|year| i32::try_from(year).ok()),
    })
}

fn http(table: &Table, path: &Path) -> Result<HttpSettings, Failure> {
    let listen = match table.get("listen") {
        Some(Given::Addresses(addresses)) => addresses,
        _ => Vec::new(),
    };
    let tls = tls(table, path)?;
    let plain = flag(table, "plain");
    let open = listen.iter().find(|address| !address.ip().is_loopback());
    if let (Some(open), None, false) = (open, &tls, plain) {
        return Err(table.wrong(
            path,
            "listen",
            &format!(
                "http.listen has {open}, which other machines can reach; that needs TLS: set \
                 http.tls_certificate and http.tls_key, or http.plain = true behind a proxy that has TLS, or \
                 listen on 127.0.0.1 or [::1] only"
            ),
        ));
    }
    let networks = texts(table, "trusted_proxies");
    Ok(HttpSettings {
        listen,
        tls,
        plain,
        trusted_proxies: networks
            .iter()
            .filter_map(|text| Network::parse(text))
            .collect(),
        cors_origins: texts(table, "cors_origins"),
        oauth_redirects: texts(table, "oauth_redirects"),
        token: token(table, path)?,
        api: flag(table, "api"),
        connections_max: count(table, "connections"),
        searches_max: count(table, "searches"),
        head_timeout: time(table, "head_timeout"),
        body_timeout: time(table, "body_timeout"),
        stall_timeout: time(table, "stall_timeout"),
    })
}

fn tls(table: &Table, path: &Path) -> Result<Option<TlsSettings>, Failure> {
    match (table.get("tls_certificate"), table.get("tls_key")) {
        (Some(Given::Path(certificate)), Some(Given::Path(key))) => {
            Ok(Some(TlsSettings { certificate, key }))
        }
        (None, None) => Ok(None),
        (Some(_), _) => Err(table.wrong(
            path,
            "tls_certificate",
            "http.tls_certificate is set without its key; set http.tls_key too",
        )),
        (None, Some(_)) => Err(table.wrong(
            path,
            "tls_key",
            "http.tls_key is set without a certificate; set http.tls_certificate too",
        )),
    }
}

fn token(table: &Table, path: &Path) -> Result<Option<Token>, Failure> {
    let given = text(table, "token");
    match (given, table.get("token_file")) {
        (Some(_), Some(_)) => Err(table.wrong(
            path,
            "token_file",
            "http.token and http.token_file are both set; keep one",
        )),
        (None, Some(Given::Path(file))) => read_token(&file).map(Some),
        (given, _) => Ok(given.map(Token)),
    }
}

fn read_token(file: &Path) -> Result<Token, Failure> {
    let text = read_regular(file, TOKEN_FILE_BYTES_MAX).map_err(|error| {
        Failure::usage(format!("cannot read http.token_file {}", file.display())).because(error)
    })?;
    let token = text.lines().next().unwrap_or_default().trim();
    if is_secret(token) {
        return Ok(Token(token.to_owned()));
    }
    Err(Failure::usage(format!(
        "http.token_file {}: its first line must be at least 16 visible ASCII characters without blanks",
        file.display()
    )))
}

fn ingest(table: &Table, path: &Path) -> Result<IngestSettings, Failure> {
    let ingest = IngestSettings {
        body_bytes_max: size(table, "body"),
        unpacked_bytes_max: size(table, "unpacked"),
        waiting_bytes_max: size(table, "waiting"),
    };
    if ingest.waiting_bytes_max < ingest.body_bytes_max {
        return Err(table.wrong(
            path,
            "waiting",
            "ingest.waiting is less than ingest.body; it must be at least as much",
        ));
    }
    Ok(ingest)
}

fn live(table: &Table) -> LiveOptions {
    LiveOptions {
        streams_max: count(table, "clients"),
        buffer_bytes: size(table, "buffer"),
    }
}

fn metrics(table: &Table, path: &Path) -> Result<MetricsSettings, Failure> {
    let policy = match text(table, "metrics_policy").as_deref() {
        Some("include") => Policy::Include,
        _ => Policy::Exclude,
    };
    let names = texts(table, "metrics");
    let selection = Selection::new(policy, names.iter().map(String::as_str))
        .map_err(|error| table.wrong(path, "metrics", &format!("metrics.metrics: {error}")))?;
    let secret = outputs::secret(table, path)?;
    let user = match (text(table, "username"), secret) {
        (Some(name), Some(_)) if name.contains(':') => {
            let why = format!("metrics.username = {name:?}: it must be a name without a colon");
            return Err(table.wrong(path, "username", &why));
        }
        (Some(name), Some(secret)) => Some(Token(format!("{name}:{}", secret.reveal()))),
        (None, None) => None,
        (Some(_), None) => {
            let why = "metrics.username is set without a secret; set metrics.secret_file too";
            return Err(table.wrong(path, "username", why));
        }
        (None, Some(_)) => {
            let why = "metrics has a secret without a user; set metrics.username too";
            return Err(table.wrong(path, "secret_file", why));
        }
    };
    Ok(MetricsSettings {
        selection,
        collect: text(table, "collect")
            .and_then(|text| text.parse().ok())
            .unwrap_or_default(),
        is_scraped: flag(table, "prometheus"),
        is_sampled: true,
        user,
    })
}

fn retention(table: &Table) -> RetentionRules {
    let max_bytes = match table.get("size") {
        Some(Given::Size(bytes)) => Some(bytes),
        _ => None,
    };
    RetentionRules {
        live_ns: hold(table, "keep"),
        imported_ns: hold(table, "keep_imported"),
        max_bytes,
    }
}

/// How long something is kept, in nanoseconds.
fn hold(table: &Table, name: &str) -> Option<i64> {
    match table.get(name) {
        Some(Given::Time(time)) => Some(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)),
        _ => None,
    }
}

/// Reads a small text file.
fn read_text(path: &Path, bytes_max: u64, what: &str) -> Result<String, Failure> {
    let cannot = |why: std::io::Error| {
        Failure::usage(format!("cannot read {what} {}", path.display())).because(why)
    };
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file, bytes_max + 1), &mut text)
        .map_err(cannot)?;
    if text.len() as u64 > bytes_max {
        return Err(Failure::usage(format!(
            "{what} {} is longer than the {} KiB allowed",
            path.display(),
            bytes_max >> 10
        )));
    }
    Ok(text)
}

fn text(table: &Table, name: &str) -> Option<String> {
    match table.get(name) {
        Some(Given::Text(text)) => Some(text),
        _ => None,
    }
}

fn texts(table: &Table, name: &str) -> Vec<String> {
    match table.get(name) {
        Some(Given::Texts(texts)) => texts,
        _ => Vec::new(),
    }
}

fn number(table: &Table, name: &str) -> Option<i64> {
    match table.get(name) {
        Some(Given::Number(number)) => Some(number),
        _ => None,
    }
}

fn count(table: &Table, name: &str) -> usize {
    number(table, name)
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(1)
}

fn flag(table: &Table, name: &str) -> bool {
    table.get(name) == Some(Given::Flag(true))
}

fn time(table: &Table, name: &str) -> Duration {
    match table.get(name) {
        Some(Given::Time(time)) => time,
        _ => Duration::from_secs(60),
    }
}

fn size(table: &Table, name: &str) -> usize {
    match table.get(name) {
        Some(Given::Size(bytes)) => usize::try_from(bytes).unwrap_or(usize::MAX),
        _ => 0,
    }
}

/// The logs of mail servers at their usual places.
const USUAL_LOGS: [&str; 5] = [
    "/var/log/mail.log",
    "/var/log/maillog",
    "/var/log/mail",
    "/var/log/mail/mail.log",
    "/var/log/mail/info",
];

/// Where to follow the usual logs: those that exist, now or later.
pub(crate) fn usual_source() -> SourceSettings {
    SourceSettings {
        patterns: USUAL_LOGS.map(str::to_owned).to_vec(),
        is_enabled: true,
        from_beginning: false,
        is_awaited: false,
        timezone: "local".to_owned(),
        year: None,
    }
}

/// Where to follow the replayed sample.
fn demo_source(log: &Path) -> SourceSettings {
    SourceSettings {
        patterns: vec![glob::Pattern::escape(&log.to_string_lossy())],
        is_enabled: true,
        from_beginning: true,
        is_awaited: true,
        timezone: "UTC".to_owned(),
        year: None,
    }
}
