//! What stands in the settings file, as managed objects: they can be looked at, and changed there only.

use serde_json::{Map, Value, json};
use tidings_admin::describe::Object;
use tidings_admin::{TYPE, complete, defaults};
use tidings_engine::Schedule;
use tidings_event::{Id, MetricInfo, stable_hash};
use tidings_sink::settings::{
    Compression, EventSelection, EventsPolicy, HttpAuth, Otel, Rotate, SecretKey, Tracer, Variant,
};

use super::jmap::Item;
use crate::settings::{self, Settings, SourceSettings};

/// An object of the settings file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pinned {
    pub(crate) object: &'static str,
    /// Its id; that of a singleton for one.
    pub(crate) id: Id,
    pub(crate) value: Map<String, Value>,
    /// Where it stands: `[[tracer]] main`.
    pub(crate) place: String,
}

/// Every object that a settings file has.
pub(crate) fn objects(settings: &Settings) -> Vec<Pinned> {
    let mut all = Vec::new();
    for tracer in &settings.tracers {
        all.push(pin(
            "Tracer",
            &tracer.name,
            "[[tracer]]",
            tracer_object(tracer),
        ));
    }
    for (kind, level) in settings.levels.iter() {
        let value = json!({ "event": kind.name(), "level": level.as_str() });
        all.push(pin(
            "EventTracingLevel",
            kind.name(),
            "[[event_level]]",
            value,
        ));
    }
    for source in &settings.sources {
        let name = source.patterns.join(", ");
        all.push(pin("Source", &name, "[[source]]", source_object(source)));
    }
    all
}

impl From<Pinned> for Item {
    fn from(pinned: Pinned) -> Item {
        Item {
            id: pinned.id.to_string(),
            order: pinned.id.0,
            value: pinned.value,
        }
    }
}

/// The usual logs, which are followed where there is no source at all.
pub(crate) fn usual_source(settings: &Settings) -> Option<Pinned> {
    let usual = (!settings.demo).then(settings::usual_source)?;
    let name = usual.patterns.join(", ");
    Some(pin(
        "Source",
        &name,
        "the usual logs",
        source_object(&usual),
    ))
}

fn pin(object: &'static str, name: &str, section: &str, value: Value) -> Pinned {
    // The name alone says which it is, so that the id stays when anything else is changed. Above what a
    // clock gives.
    let hash = stable_hash(&[object.as_bytes(), name.as_bytes()]) | 1 << 63;
    let value = match (value, Object::named(object)) {
        (Value::Object(value), Some(object)) => complete(object.form, &value),
        _ => Map::new(),
    };
    Pinned {
        object,
        id: Id(hash),
        value,
        place: format!("{section} {name}"),
    }
}

fn source_object(source: &SourceSettings) -> Value {
    let paths: Map<String, Value> = source
        .patterns
        .iter()
        .map(|path| (path.clone(), true.into()))
        .collect();
    json!({
        "paths": paths,
        "enable": source.is_enabled,
        "start": if source.from_beginning { "beginning" } else { "end" },
        "timezone": source.timezone,
        "year": source.year,
    })
}

fn tracer_object(tracer: &Tracer) -> Value {
    let mut object = json!({
        "name": tracer.name,
        "enable": tracer.enable,
        "level": tracer.level.as_str(),
        "lossy": tracer.lossy,
        "events": events(&tracer.selection),
        "eventsPolicy": policy(&tracer.selection),
    });
    let (kind, more) = match &tracer.variant {
        Variant::Log(log) => (
            "Log",
            json!({
                "path": log.path.to_string_lossy(),
                "prefix": log.prefix,
                "rotate": match log.rotate {
                    Rotate::Daily => "daily",
                    Rotate::Hourly => "hourly",
                    Rotate::Minutely => "minutely",
                    Rotate::Never => "never",
                },
                "ansi": log.ansi,
                "multiline": log.multiline,
                "fullTime": log.full_time,
                "rotateBytes": log.rotate_bytes,
                "keep": log.keep.map(millis),
                "keepFiles": log.keep_files,
                "keepBytes": log.keep_bytes,
                "compression": match log.compression {
                    Compression::None => "none",
                    Compression::Gzip => "gzip",
                    Compression::Zstd => "zstd",
                },
            }),
        ),
        Variant::Console(console) => (
            "Stdout",
            json!({
                "buffered": console.buffered,
                "ansi": console.ansi,
                "multiline": console.multiline,
            }),
        ),
        Variant::Journal(journal) => (
            "Journal",
            json!({ "socket": journal.socket.to_string_lossy() }),
        ),
        Variant::OtelHttp(otel) => ("OtelHttp", otel_object(otel)),
        Variant::OtelGrpc(otel) => ("OtelGrpc", otel_object(otel)),
    };
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
        object.insert(TYPE.to_owned(), kind.into());
    }
    object
}

fn otel_object(otel: &Otel) -> Value {
    let headers: Map<String, Value> = otel
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    json!({
        "endpoint": otel.endpoint,
        "enableLogExporter": otel.logs,
        "enableSpanExporter": otel.spans,
        "throttle": millis(otel.throttle),
        "timeout": millis(otel.timeout),
        "httpAuth": auth_object(&otel.auth),
        "httpHeaders": headers,
        "gzip": otel.gzip,
    })
}

fn auth_object(auth: &HttpAuth) -> Value {
    match auth {
        HttpAuth::Unauthenticated => json!({ TYPE: "Unauthenticated" }),
        HttpAuth::Basic { username, secret } => {
            json!({ TYPE: "Basic", "username": username, "secret": secret_object(secret) })
        }
        HttpAuth::Bearer { token } => {
            json!({ TYPE: "Bearer", "bearerToken": secret_object(token) })
        }
    }
}

fn secret_object(secret: &SecretKey) -> Value {
    match secret {
        // It is hidden when it is shown; what it is does not matter.
        SecretKey::Value(_) => json!({ TYPE: "Value", "secret": tidings_admin::HIDDEN }),
        SecretKey::EnvironmentVariable(name) => {
            json!({ TYPE: "EnvironmentVariable", "variableName": name })
        }
        SecretKey::File(path) => json!({ TYPE: "File", "filePath": path.to_string_lossy() }),
    }
}

fn events(selection: &EventSelection) -> Map<String, Value> {
    let names = selection.events.iter().map(|pattern| pattern.as_str());
    names.map(|name| (name.to_owned(), true.into())).collect()
}

fn policy(selection: &EventSelection) -> &'static str {
    match selection.policy {
        EventsPolicy::Include => "include",
        EventsPolicy::Exclude => "exclude",
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The defaults of a singleton.
pub(crate) fn singleton_defaults(object: &Object) -> Map<String, Value> {
    defaults(object.form, None).unwrap_or_default()
}

/// `[metrics]` and `[otel_metrics]` as `Metrics`.
pub(crate) fn metrics_object(settings: &Settings) -> Map<String, Value> {
    let mut object = Object::named("Metrics")
        .map(singleton_defaults)
        .unwrap_or_default();
    // A selection is kept as what it selects.
    let hidden = MetricInfo::all()
        .iter()
        .filter(|metric| !settings.metrics.selection.includes(metric));
    let hidden: Map<String, Value> = hidden
        .map(|metric| (metric.name.to_owned(), true.into()))
        .collect();
    object.insert("metrics".to_owned(), hidden.into());
    let prometheus = match (&settings.metrics.is_scraped, &settings.metrics.user) {
        (false, _) => json!({ TYPE: "Disabled" }),
        (true, None) => {
            json!({ "authUsername": null, "authSecret": { TYPE: "None" }, TYPE: "Enabled" })
        }
        (true, Some(user)) => json!({
            "authUsername": user.name(),
            "authSecret": { "secret": tidings_admin::HIDDEN, TYPE: "Value" },
            TYPE: "Enabled",
        }),
    };
    object.insert("prometheus".to_owned(), prometheus);
    if let Some(push) = &settings.pushed {
        let headers: Map<String, Value> = push
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        let mut pushed = json!({
            "endpoint": push.endpoint,
            "interval": millis(push.interval),
            "timeout": millis(push.timeout),
        });
        pushed[TYPE] = if push.grpc { "Grpc" } else { "Http" }.into();
        if !push.grpc {
            pushed["httpAuth"] = auth_object(&push.auth);
            pushed["httpHeaders"] = headers.into();
        }
        object.insert("openTelemetry".to_owned(), pushed);
    }
    object
}

/// `[history]` as `DataRetention`.
pub(crate) fn retention_object(settings: &Settings) -> Map<String, Value> {
    let mut object = Object::named("DataRetention")
        .map(singleton_defaults)
        .unwrap_or_default();
    let rules = &settings.retention;
    let ms = |ns: Option<i64>| ns.map(|ns| ns / 1_000_000);
    object.insert("holdTracesFor".to_owned(), ms(rules.live_ns).into());
    object.insert("holdImportedFor".to_owned(), ms(rules.imported_ns).into());
    object.insert("holdBytes".to_owned(), rules.max_bytes.into());
    let scheduled = ms(settings.samples.scheduled_ns);
    object.insert("holdMetricsFor".to_owned(), scheduled.into());
    let cron = match settings.metrics.collect {
        Schedule::Hourly { minute } => json!({ "minute": minute, TYPE: "Hourly" }),
        Schedule::Daily { hour, minute } => {
            json!({ "hour": hour, "minute": minute, TYPE: "Daily" })
        }
        Schedule::Weekly { day, hour, minute } => {
            json!({ "day": day, "hour": hour, "minute": minute, TYPE: "Weekly" })
        }
    };
    object.insert("metricsCollectionInterval".to_owned(), cron);
    object
}
