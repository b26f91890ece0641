//! Managed objects as settings: what the program goes by.

use serde_json::{Map, Value};
use tidings::meters::{Policy, Selection};
use tidings_admin::TYPE;
use tidings_engine::{RetentionRules, SampleRules, Schedule, zone};
use tidings_event::{EventType, Id, Level};
use tidings_sink::otlp::MetricsPushSettings;
use tidings_sink::settings::{
    RawHttpAuth, RawSecret, RawTracer, Secret, SecretKey, SettingsError, Tracer, Variant,
};

use crate::settings::{MetricsSettings, SourceSettings, Token, is_log_pattern};

/// An object that is whole: every property is there.
type Object = Map<String, Value>;

/// What is wrong with an object: the property, and why.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) property: String,
    pub(crate) why: String,
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Problem {
        Problem {
            property: error.field.replace('.', "/"),
            why: error.to_string(),
        }
    }
}

/// A `Tracer`.
pub(crate) fn tracer(id: Id, object: &Object) -> Result<Tracer, Problem> {
    if let Some(path) = text(object, "path").filter(|path| !path.starts_with('/')) {
        return Err(Problem {
            property: "path".to_owned(),
            why: format!("{path:?} must be an absolute path"),
        });
    }
    let raw = RawTracer {
        name: text(object, "name").unwrap_or_else(|| id.to_string()),
        variant: text(object, TYPE).unwrap_or_default(),
        enable: flag(object, "enable"),
        level: text(object, "level"),
        lossy: flag(object, "lossy"),
        events: members(object, "events"),
        events_policy: text(object, "eventsPolicy"),
        path: text(object, "path"),
        prefix: text(object, "prefix"),
        rotate: text(object, "rotate"),
        rotate_bytes: number(object, "rotateBytes"),
        keep_ms: number(object, "keep"),
        keep_files: number(object, "keepFiles"),
        keep_bytes: number(object, "keepBytes"),
        compression: text(object, "compression"),
        full_time: flag(object, "fullTime"),
        ansi: flag(object, "ansi"),
        multiline: flag(object, "multiline"),
        buffered: flag(object, "buffered"),
        socket: text(object, "socket"),
        endpoint: text(object, "endpoint"),
        enable_log_exporter: flag(object, "enableLogExporter"),
        enable_span_exporter: flag(object, "enableSpanExporter"),
        throttle_ms: number(object, "throttle"),
        timeout_ms: number(object, "timeout"),
        http_auth: auth(object),
        http_headers: headers(object),
        gzip: flag(object, "gzip"),
    };
    Ok(Tracer::check(&raw)?)
}

/// A `Source`.
pub(crate) fn source(object: &Object) -> Result<SourceSettings, Problem> {
    let patterns = members(object, "paths");
    if let Some(wrong) = patterns.iter().find(|pattern| !is_log_pattern(pattern)) {
        return Err(Problem {
            property: "paths".to_owned(),
            why: format!(
                "{wrong:?} must be an absolute path such as /var/log/mail.log or /srv/*/mail.log"
            ),
        });
    }
    let timezone = text(object, "timezone").unwrap_or_default();
    if let Err(error) = zone(&timezone) {
        return Err(Problem {
            property: "timezone".to_owned(),
            why: error.to_string(),
        });
    }
    Ok(SourceSettings {
        patterns,
        is_enabled: flag(object, "enable").unwrap_or(true),
        from_beginning: text(object, "start").as_deref() == Some("beginning"),
        is_awaited: true,
        timezone,
        year: number(object, "year").and_then(|year| i32::try_from(year).ok()),
    })
}

/// `TracingStore` and `MetricsStore`: whether anything is kept.
pub(crate) fn is_kept(store: &Object) -> bool {
    text(store, TYPE).as_deref() != Some("Disabled")
}

/// An `EventTracingLevel`.
pub(crate) fn event_level(object: &Object) -> Option<(EventType, Level)> {
    let kind = EventType::from_name(object.get("event")?.as_str()?)?;
    Some((kind, object.get("level")?.as_str()?.parse().ok()?))
}

/// `Metrics`: what is exported, and how it is pushed. Samples are taken as before.
pub(crate) fn metrics(
    object: &Object,
    before: &MetricsSettings,
) -> Result<(MetricsSettings, Option<MetricsPushSettings>), Problem> {
    let policy = match text(object, "metricsPolicy").as_deref() {
        Some("include") => Policy::Include,
        _ => Policy::Exclude,
    };
    let names = members(object, "metrics");
    let selection = Selection::new(policy, names.iter().map(String::as_str));
    let selection = selection.map_err(|error| Problem {
        property: "metrics".to_owned(),
        why: error.to_string(),
    })?;
    let prometheus = part(object, "prometheus");
    let is_scraped = text(prometheus, TYPE).as_deref() == Some("Enabled");
    let settings = MetricsSettings {
        selection,
        is_scraped,
        user: scraper(prometheus)?,
        ..before.clone()
    };
    Ok((settings, pushed(part(object, "openTelemetry"))?))
}

/// What a scraper must show.
fn scraper(prometheus: &Object) -> Result<Option<Token>, Problem> {
    let name = text(prometheus, "authUsername");
    let secret = secret(part(prometheus, "authSecret"));
    let wrong = |property: &str, why: &str| {
        Err(Problem {
            property: format!("prometheus/{property}"),
            why: why.to_owned(),
        })
    };
    match (name, secret) {
        (None, None) => Ok(None),
        (Some(_), None) => wrong("authSecret", "a user name needs a password"),
        (None, Some(_)) => wrong("authUsername", "a password needs a user name"),
        (Some(name), Some(_)) if name.contains(':') => {
            wrong("authUsername", "it must be a name without a colon")
        }
        (Some(name), Some(raw)) => {
            let secret = secret_key(raw).resolve("Metrics", "prometheus.authSecret")?;
            Ok(Some(Token::of(format!("{name}:{}", secret.reveal()))))
        }
    }
}

fn pushed(otel: &Object) -> Result<Option<MetricsPushSettings>, Problem> {
    let grpc = match text(otel, TYPE).as_deref() {
        Some("Http") => false,
        Some("Grpc") => true,
        _ => return Ok(None),
    };
    // It is reached as a tracer's collector is.
    let raw = RawTracer {
        name: "openTelemetry".to_owned(),
        variant: if grpc { "otel-grpc" } else { "otel-http" }.to_owned(),
        endpoint: text(otel, "endpoint"),
        timeout_ms: number(otel, "timeout"),
        http_auth: auth(otel),
        http_headers: headers(otel),
        ..RawTracer::default()
    };
    let tracer = Tracer::check(&raw).map_err(|error| {
        let problem = Problem::from(error);
        Problem {
            property: format!("openTelemetry/{}", problem.property),
            ..problem
        }
    })?;
    let (Variant::OtelHttp(reached) | Variant::OtelGrpc(reached)) = tracer.variant else {
        return Ok(None);
    };
    let usual = MetricsPushSettings::http(reached.endpoint);
    Ok(Some(MetricsPushSettings {
        grpc,
        interval: number(otel, "interval").map_or(usual.interval, std::time::Duration::from_millis),
        timeout: reached.timeout,
        auth: reached.auth,
        headers: reached.headers,
        gzip: reached.gzip,
        ..usual
    }))
}

/// `DataRetention`: how long what is kept.
pub(crate) fn retention(object: &Object) -> RetentionRules {
    let ns = |name: &str| {
        let ms = number(object, name)?;
        Some(
            i64::try_from(ms)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000),
        )
    };
    RetentionRules {
        live_ns: ns("holdTracesFor"),
        imported_ns: ns("holdImportedFor"),
        max_bytes: number(object, "holdBytes"),
    }
}

/// `DataRetention`: how long samples of metrics are kept.
pub(crate) fn sample_rules(object: &Object) -> SampleRules {
    let scheduled = number(object, "holdMetricsFor");
    SampleRules {
        scheduled_ns: scheduled.map(|ms| {
            i64::try_from(ms)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000)
        }),
        ..SampleRules::default()
    }
}

/// `DataRetention`: when samples of metrics are taken.
pub(crate) fn schedule(object: &Object) -> Option<Schedule> {
    let cron = part(object, "metricsCollectionInterval");
    let of = |name: &str| number(cron, name).and_then(|number| u8::try_from(number).ok());
    let (minute, hour) = (of("minute")?, of("hour").unwrap_or(0));
    Some(match text(cron, TYPE)?.as_str() {
        "Hourly" => Schedule::Hourly { minute },
        "Daily" => Schedule::Daily { hour, minute },
        "Weekly" => Schedule::Weekly {
            day: of("day")?,
            hour,
            minute,
        },
        _ => return None,
    })
}

/// How an output shows who it is.
fn auth(object: &Object) -> Option<RawHttpAuth> {
    let auth = part(object, "httpAuth");
    let variant = text(auth, TYPE)?;
    let key = if variant == "Bearer" {
        "bearerToken"
    } else {
        "secret"
    };
    Some(RawHttpAuth {
        username: text(auth, "username"),
        secret: secret(part(auth, key)),
        variant,
    })
}

/// A secret, if there is one.
fn secret(object: &Object) -> Option<RawSecret> {
    let raw = RawSecret {
        value: text(object, "secret"),
        variable_name: text(object, "variableName"),
        file_path: text(object, "filePath"),
    };
    (raw != RawSecret::default()).then_some(raw)
}

/// Where a secret comes from; the variants of the object allow one place only.
fn secret_key(raw: RawSecret) -> SecretKey {
    match (raw.variable_name, raw.file_path) {
        (Some(name), _) => SecretKey::EnvironmentVariable(name),
        (None, Some(path)) => SecretKey::File(path.into()),
        (None, None) => SecretKey::Value(Secret::new(raw.value.unwrap_or_default())),
    }
}

fn headers(object: &Object) -> Vec<(String, String)> {
    let headers = part(object, "httpHeaders").iter();
    headers
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The members of a set.
pub(crate) fn members(object: &Object, name: &str) -> Vec<String> {
    part(object, name).keys().cloned().collect()
}

/// A part of an object; one without members where it is not there.
fn part<'o>(object: &'o Object, name: &str) -> &'o Object {
    static NOTHING: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Map::new);
    object
        .get(name)
        .and_then(Value::as_object)
        .unwrap_or(&NOTHING)
}

/// A text of an object.
pub(crate) fn text(object: &Object, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}

fn flag(object: &Object, name: &str) -> Option<bool> {
    object.get(name)?.as_bool()
}

fn number(object: &Object, name: &str) -> Option<u64> {
    object.get(name)?.as_u64()
}
