//! The settings of outputs: tracers, metrics, and how a collector is reached.

use super::{DAY, KIB, Key, MINUTE, SECOND, Section, TIB, Takes};

/// The least important event that an output may ask for.
const OUTPUT_LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error"];

/// What a list of names means.
const POLICIES: &[&str] = &["include", "exclude"];

/// How an output shows who it is.
const AUTH: &[&str] = &["unauthenticated", "basic", "bearer"];

/// Outputs of events.
pub(super) const TRACER: Section = Section {
    name: "tracer",
    is_list: true,
    about: "Outputs of events: as many as you like, side by side. Each reads the spool on its own: one \
            that is slow or broken holds up no other, goes on after a restart where it stood, and gets \
            afterwards what happened meanwhile. A new tracer begins with what happens next. SIGHUP \
            applies changes without a restart.",
    keys: &[
        Key {
            name: "type",
            takes: Takes::Word(TRACERS),
            default: "",
            about: "What it writes to: files, the standard error, the systemd journal, or an \
                    OpenTelemetry collector.",
        },
        Key {
            name: "name",
            takes: Takes::Text,
            default: "",
            about: "Name under which the place where it stands is kept, and failures are told. The \
                    type by default; needed where there are two of a type.",
        },
        Key {
            name: "enable",
            takes: Takes::Flag,
            default: "true",
            about: "Whether it runs.",
        },
        Key {
            name: "level",
            takes: Takes::Word(OUTPUT_LEVELS),
            default: "\"info\"",
            about: "Least important events that it gets.",
        },
        Key {
            name: "events",
            takes: Takes::Events,
            default: "[]",
            about: "Events that it gets, or does not get: see `events_policy`. `*` stands for any \
                    part of a name.",
        },
        Key {
            name: "events_policy",
            takes: Takes::Word(POLICIES),
            default: "\"exclude\"",
            about: "Whether `events` are the only ones that it gets, or the ones that it does not get.",
        },
        Key {
            name: "lossy",
            takes: Takes::Flag,
            default: "false",
            about: "When it is more than 8 MiB or 10 s behind: go on with what is newest, and count \
                    what was left out. Otherwise it gets everything that the spool still holds.",
        },
        Key {
            name: "path",
            takes: Takes::Path,
            default: "",
            about: "`log`: directory of the log files; made if it is not there. Required.",
        },
        Key {
            name: "prefix",
            takes: Takes::Text,
            default: "\"tidings\"",
            about: "`log`: name of the file, to which the date is added when it is rotated by time. No two \
                    tracers may write files of the same names.",
        },
        Key {
            name: "rotate",
            takes: Takes::Word(&["daily", "hourly", "minutely", "never"]),
            default: "\"daily\"",
            about: "`log`: when a new file is begun, in UTC, by the times of the events; late ones go to \
                    the newest file, or to today's.",
        },
        Key {
            name: "rotate_bytes",
            takes: Takes::Size(4 * KIB, TIB),
            default: "",
            about: "`log`: size at which a new file is begun, besides `rotate`.",
        },
        Key {
            name: "keep",
            takes: Takes::Time(MINUTE, 36_500 * DAY),
            default: "",
            about: "`log`: age at which a rotated file is removed; never without it.",
        },
        Key {
            name: "keep_files",
            takes: Takes::Number(1, 1_000_000),
            default: "",
            about: "`log`: rotated files that are kept; all without it.",
        },
        Key {
            name: "keep_bytes",
            takes: Takes::Size(4 * KIB, 1024 * TIB),
            default: "",
            about: "`log`: bytes of rotated files that are kept; all without it.",
        },
        Key {
            name: "compression",
            takes: Takes::Word(&["none", "gzip", "zstd"]),
            default: "\"none\"",
            about: "`log`: how rotated files are packed.",
        },
        Key {
            name: "ansi",
            takes: Takes::Flag,
            default: "false",
            about: "`log`, `console`: with colours for a terminal.",
        },
        Key {
            name: "multiline",
            takes: Takes::Flag,
            default: "false",
            about: "`log`, `console`: each pair of an event on a line of its own.",
        },
        Key {
            name: "full_time",
            takes: Takes::Flag,
            default: "false",
            about: "`log`: times with nanoseconds, where the reference's form has whole seconds.",
        },
        Key {
            name: "buffered",
            takes: Takes::Flag,
            default: "true",
            about: "`console`: write several events at once.",
        },
        Key {
            name: "socket",
            takes: Takes::Path,
            default: "\"/run/systemd/journal/socket\"",
            about: "`journal`: the socket of journald.",
        },
        ENDPOINT,
        Key {
            name: "enable_log_exporter",
            takes: Takes::Flag,
            default: "true",
            about: "`otel-http`, `otel-grpc`: export events as log records.",
        },
        Key {
            name: "enable_span_exporter",
            takes: Takes::Flag,
            default: "true",
            about: "`otel-http`, `otel-grpc`: export sessions and delivery attempts as spans.",
        },
        Key {
            name: "throttle",
            takes: Takes::Time(1, DAY),
            default: "\"1s\"",
            about: "`otel-http`, `otel-grpc`: least time between two exports.",
        },
        TIMEOUT,
        GZIP,
        AUTH_KEY,
        USERNAME,
        SECRET,
        SECRET_FILE,
        SECRET_ENV,
        HEADERS,
    ],
};

/// The kinds of tracers.
const TRACERS: &[&str] = &["log", "console", "journal", "otel-http", "otel-grpc"];

const ENDPOINT: Key = Key {
    name: "endpoint",
    takes: Takes::Url,
    default: "",
    about: "OpenTelemetry: address of the collector. Over HTTP, `/v1/logs`, `/v1/traces` or \
            `/v1/metrics` is added where it has no path; over gRPC it is `http://localhost:4317` by \
            default.",
};

const TIMEOUT: Key = Key {
    name: "timeout",
    takes: Takes::Time(1, 10 * MINUTE),
    default: "\"10s\"",
    about: "OpenTelemetry: how long one export may take.",
};

const GZIP: Key = Key {
    name: "gzip",
    takes: Takes::Flag,
    default: "true",
    about: "OpenTelemetry: pack exports.",
};

const AUTH_KEY: Key = Key {
    name: "http_auth",
    takes: Takes::Word(AUTH),
    default: "\"unauthenticated\"",
    about: "OpenTelemetry: how to show who we are; `basic` needs a `username`, both need a secret.",
};

const USERNAME: Key = Key {
    name: "username",
    takes: Takes::Text,
    default: "",
    about: "OpenTelemetry: user name for `http_auth = \"basic\"`.",
};

const SECRET: Key = Key {
    name: "secret",
    takes: Takes::Text,
    default: "",
    about: "The password or token; better kept in a file.",
};

const SECRET_FILE: Key = Key {
    name: "secret_file",
    takes: Takes::Path,
    default: "",
    about: "A regular file that holds the password or token, instead of `secret`; at most 64 KiB.",
};

const SECRET_ENV: Key = Key {
    name: "secret_env",
    takes: Takes::Text,
    default: "",
    about: "An environment variable that holds it, instead of `secret`.",
};

const HEADERS: Key = Key {
    name: "http_headers",
    takes: Takes::Map,
    default: "{}",
    about: "OpenTelemetry: further headers (HTTP) or metadata (gRPC) to send.",
};

/// Metrics that are pushed.
pub(super) const OTEL_METRICS: Section = Section {
    name: "otel_metrics",
    is_list: false,
    about: "Metrics pushed to an OpenTelemetry collector.",
    keys: &[
        Key {
            name: "protocol",
            takes: Takes::Word(&["off", "http", "grpc"]),
            default: "\"off\"",
            about: "How they are pushed, if they are.",
        },
        ENDPOINT,
        Key {
            name: "interval",
            takes: Takes::Time(SECOND, DAY),
            default: "\"60s\"",
            about: "Time between two pushes. The first is one interval after the start; the last \
                    one when the server ends, within 5 s.",
        },
        TIMEOUT,
        Key {
            name: "temporality",
            takes: Takes::Word(&["cumulative", "delta"]),
            default: "\"cumulative\"",
            about: "Whether a value counts from the start of the server, or from the last push.",
        },
        GZIP,
        AUTH_KEY,
        USERNAME,
        SECRET,
        SECRET_FILE,
        SECRET_ENV,
        HEADERS,
    ],
};

/// What is measured.
pub(super) const METRICS: Section = Section {
    name: "metrics",
    is_list: false,
    about: "Metrics for Prometheus, at `GET /metrics` and `GET /metrics/prometheus`. Everything is \
            measured always; these settings choose what is shown.",
    keys: &[
        Key {
            name: "metrics",
            takes: Takes::Metrics,
            default: "[]",
            about: "Metrics of the catalogue that are exported, or not: see `metrics_policy`. `*` \
                    stands for any part of a name.",
        },
        Key {
            name: "metrics_policy",
            takes: Takes::Word(POLICIES),
            default: "\"exclude\"",
            about: "Whether `metrics` are the only ones that are exported, or the ones that are not.",
        },
        Key {
            name: "collect",
            takes: Takes::Schedule,
            default: "\"hourly at minute 0\"",
            about: "When a sample of each exported metric is taken for the history of metrics, by the \
                    clock of this machine, besides those of every minute. How long they are kept is \
                    `keep_metrics` in `[history]`.",
        },
        Key {
            name: "prometheus",
            takes: Takes::Flag,
            default: "true",
            about: "Answer scrapes. Addresses that other machines can reach need `username` and a \
                    secret here, or the token of `[http]`.",
        },
        Key {
            name: "username",
            takes: Takes::Text,
            default: "",
            about: "User name that a scraper must show (HTTP Basic), with the secret.",
        },
        SECRET,
        SECRET_FILE,
        SECRET_ENV,
    ],
};
