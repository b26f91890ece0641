//! The settings of outputs: tracers, levels of events, and metrics that are pushed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tidings_cli::Failure;
use tidings_event::{EventType, Level};
use tidings_sink::LevelOverrides;
use tidings_sink::otlp::MetricsPushSettings;
use tidings_sink::settings::{
    RawHttpAuth, RawSecret, RawTracer, Secret, SecretKey, Tracer, Variant, check_together,
};
use tidings_wire::otlp::Temporality;

use super::read::Table;
use super::told::{SECRETS, told};
use super::value::Given;

/// Name of the tracer that stands for `[console]`.
pub(crate) const USUAL_CONSOLE: &str = "stderr";

/// The tracers of a file, in its order.
pub(super) fn tracers(tables: &[Table], path: &Path) -> Result<Vec<Tracer>, Failure> {
    let mut tracers: Vec<Tracer> = Vec::new();
    for table in tables {
        let raw = raw_tracer(table, path)?;
        let tracer = Tracer::check(&raw).map_err(|error| told(table, path, &error))?;
        if tracer.name == USUAL_CONSOLE {
            let why = format!(
                "the tracer {USUAL_CONSOLE} is that of [console]; give this one another name"
            );
            return Err(table.wrong(path, "name", &why));
        }
        tracers.push(tracer);
        // With each one, so that an error is of the one that came last.
        check_together(&tracers).map_err(|error| told(table, path, &error))?;
    }
    Ok(tracers)
}

/// The levels that differ from the catalogue's.
pub(super) fn levels(tables: &[Table], path: &Path) -> Result<LevelOverrides, Failure> {
    let mut levels = BTreeMap::new();
    for table in tables {
        let Some(name) = text(table, "event") else {
            return Err(table.wrong(
                path,
                "event",
                "an [[event_level]] has no event; write event = \"auth.failed\"",
            ));
        };
        let kind = EventType::from_name(&name).unwrap_or(EventType::CUSTOM_OTHER);
        let word = match table.get("level") {
            Some(Given::Text(word)) => word,
            _ => String::new(),
        };
        let level = word.parse().unwrap_or(Level::Info);
        if levels.insert(kind.id(), (kind, level)).is_some() {
            let why = format!("{} has two [[event_level]]; keep one", kind.name());
            return Err(table.wrong(path, "event", &why));
        }
    }
    Ok(levels.into_values().collect())
}

/// How metrics are pushed, if they are.
pub(super) fn pushed(table: &Table, path: &Path) -> Result<Option<MetricsPushSettings>, Failure> {
    let protocol = text(table, "protocol").unwrap_or_default();
    if !matches!(protocol.as_str(), "http" | "grpc") {
        return Ok(None);
    }
    // It is reached as a tracer's collector is.
    let raw = RawTracer {
        name: table.name().to_owned(),
        variant: format!("otel-{protocol}"),
        endpoint: text(table, "endpoint"),
        timeout_ms: whole(table, "timeout"),
        http_auth: auth(table, path)?,
        http_headers: headers(table),
        gzip: flag(table, "gzip"),
        ..RawTracer::default()
    };
    let tracer = Tracer::check(&raw).map_err(|error| told(table, path, &error))?;
    let (Variant::OtelHttp(otel) | Variant::OtelGrpc(otel)) = tracer.variant else {
        return Ok(None);
    };
    let usual = MetricsPushSettings::http(otel.endpoint);
    Ok(Some(MetricsPushSettings {
        grpc: protocol == "grpc",
        interval: whole(table, "interval").map_or(usual.interval, Duration::from_millis),
        timeout: otel.timeout,
        auth: otel.auth,
        headers: otel.headers,
        gzip: otel.gzip,
        temporality: match text(table, "temporality").as_deref() {
            Some("delta") => Temporality::Delta,
            _ => Temporality::Cumulative,
        },
        ..usual
    }))
}

fn raw_tracer(table: &Table, path: &Path) -> Result<RawTracer, Failure> {
    let Some(variant) = text(table, "type") else {
        let why = "a [[tracer]] has no type; write type = \"log\", \"console\", \"journal\", \
                   \"otel-http\" or \"otel-grpc\"";
        return Err(table.wrong(path, "type", why));
    };
    // A file is read with a pager as often as with a terminal.
    let is_text = matches!(variant.as_str(), "log" | "console");
    let ansi = flag(table, "ansi").or(is_text.then_some(false));
    Ok(RawTracer {
        name: text(table, "name").unwrap_or_else(|| variant.clone()),
        variant,
        enable: flag(table, "enable"),
        level: text(table, "level"),
        lossy: flag(table, "lossy"),
        events: match table.given("events") {
            Some(Given::Texts(events)) => events,
            _ => Vec::new(),
        },
        events_policy: text(table, "events_policy"),
        path: text(table, "path"),
        prefix: text(table, "prefix"),
        rotate: text(table, "rotate"),
        rotate_bytes: whole(table, "rotate_bytes"),
        keep_ms: whole(table, "keep"),
        keep_files: whole(table, "keep_files"),
        keep_bytes: whole(table, "keep_bytes"),
        compression: text(table, "compression"),
        full_time: flag(table, "full_time"),
        ansi,
        multiline: flag(table, "multiline"),
        buffered: flag(table, "buffered"),
        socket: text(table, "socket"),
        endpoint: text(table, "endpoint"),
        enable_log_exporter: flag(table, "enable_log_exporter"),
        enable_span_exporter: flag(table, "enable_span_exporter"),
        throttle_ms: whole(table, "throttle"),
        timeout_ms: whole(table, "timeout"),
        http_auth: auth(table, path)?,
        http_headers: headers(table),
        gzip: flag(table, "gzip"),
    })
}

/// How an exporter shows who it is.
pub(super) fn auth(table: &Table, path: &Path) -> Result<Option<RawHttpAuth>, Failure> {
    let variant = text(table, "http_auth");
    let username = text(table, "username");
    let secret = RawSecret {
        value: text(table, "secret"),
        variable_name: text(table, "secret_env"),
        file_path: text(table, "secret_file"),
    };
    let is_secret = secret != RawSecret::default();
    check_auth(table, path, variant.as_deref())?;
    Ok(variant.map(|variant| RawHttpAuth {
        variant,
        username,
        secret: is_secret.then_some(secret),
    }))
}

/// Whether what is given fits how we sign in, in the words of the file.
fn check_auth(table: &Table, path: &Path, variant: Option<&str>) -> Result<(), Failure> {
    let section = table.name();
    let given = |name: &&&str| table.given(name).is_some();
    let secrets: Vec<&&str> = SECRETS.iter().filter(given).collect();
    let username = table.given("username").is_some();
    let (key, why) = match (variant, secrets.as_slice()) {
        (Some("basic"), _) if !username => (
            "http_auth",
            format!("{section}.http_auth is \"basic\" without a username; set username too"),
        ),
        (Some("bearer"), _) if username => (
            "username",
            format!(
                "{section}.username is set, but http_auth is \"bearer\"; take one of them away"
            ),
        ),
        (Some(word @ ("basic" | "bearer")), []) => (
            "http_auth",
            format!("{section}.http_auth is {word:?} without a secret; set secret_file too"),
        ),
        (Some("basic" | "bearer"), [_]) => return Ok(()),
        (Some("basic" | "bearer"), [_, second, ..]) => (**second, too_many(section)),
        (_, [secret, ..]) => (**secret, unused_auth(section)),
        (_, []) if username => ("username", unused_auth(section)),
        (_, []) => return Ok(()),
    };
    Err(table.wrong(path, key, &why))
}

fn too_many(section: &str) -> String {
    format!("{section} has more than one of secret, secret_file and secret_env; keep one")
}

fn unused_auth(section: &str) -> String {
    format!(
        "{section} has a username or secret without http_auth; set it to \"basic\" or \"bearer\""
    )
}

pub(super) fn headers(table: &Table) -> Vec<(String, String)> {
    match table.given("http_headers") {
        Some(Given::Map(headers)) => headers.into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The secret of a section, from the one of its three places that is given.
pub(super) fn secret(table: &Table, path: &Path) -> Result<Option<Secret>, Failure> {
    let section = table.name();
    let places = SECRETS.map(|name| text(table, name));
    let (field, key) = match places {
        [None, None, None] => return Ok(None),
        [Some(secret), None, None] => ("secret", SecretKey::Value(Secret::new(secret))),
        [None, Some(file), None] => ("secret_file", SecretKey::File(file.into())),
        [None, None, Some(name)] => ("secret_env", SecretKey::EnvironmentVariable(name)),
        _ => {
            return Err(table.wrong(path, "secret_env", &too_many(section)));
        }
    };
    let secret = key.resolve(section, field);
    secret.map(Some).map_err(|error| told(table, path, &error))
}

fn text(table: &Table, name: &str) -> Option<String> {
    match table.given(name)? {
        Given::Text(text) => Some(text),
        Given::Path(path) => Some(path.to_string_lossy().into_owned()),
        _ => None,
    }
}

fn flag(table: &Table, name: &str) -> Option<bool> {
    match table.given(name)? {
        Given::Flag(flag) => Some(flag),
        _ => None,
    }
}

/// A number, a size in bytes, or a time in milliseconds.
fn whole(table: &Table, name: &str) -> Option<u64> {
    match table.given(name)? {
        Given::Number(number) => u64::try_from(number).ok(),
        Given::Size(bytes) => Some(bytes),
        Given::Time(time) => Some(millis(time)),
        _ => None,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
