//! Every setting there is: its name, what it takes, its default, and what it is for.
//!
//! Reading, checking, error messages and the reference page all go by this table.

/// A table of the settings file.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name in brackets.
    pub(super) name: &'static str,
    /// It may stand there several times: `[[name]]`.
    pub(super) is_list: bool,
    /// What its settings are about.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the reference page, which a test writes")
    )]
    pub(super) about: &'static str,
    /// Its settings.
    pub(super) keys: &'static [Key],
}

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// What it takes.
    pub(super) takes: Takes,
    /// Its default as it would stand in the file; empty where there is none.
    pub(super) default: &'static str,
    /// What it is for.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the reference page, which a test writes")
    )]
    pub(super) about: &'static str,
}

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number within these bounds.
    Number(i64, i64),
    /// A size of at least and at most so many bytes: `"16MiB"`.
    Size(u64, u64),
    /// A time of at least and at most so many milliseconds: `"10s"`.
    Time(u64, u64),
    /// Internet addresses with ports: `["127.0.0.1:8686"]`, or one alone.
    Addresses,
    /// Absolute paths with wildcards: `["/var/log/mail.log"]`, or one alone.
    Patterns,
    /// An absolute path.
    Path,
    /// A secret: visible ASCII characters, at least 16.
    Secret,
    /// Names of events, with wildcards: `["auth.*", "delivery.failed"]`, or one alone.
    Events,
    /// The name of one event.
    Event,
    /// Names of metrics, with wildcards.
    Metrics,
    /// An `http://` or `https://` address.
    Url,
    /// Any text but an empty one.
    Text,
    /// Texts by name: `{ "X-Tenant" = "a" }`.
    Map,
    /// A time zone: `"Europe/Berlin"`, `"+02:00"`, `"UTC"`, `"local"`.
    Zone,
}

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;
const TIB: u64 = 1 << 40;

/// The levels at which events can be shown; `off` shows none.
pub(super) const LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error", "off"];

/// The least important event that an output may ask for.
const OUTPUT_LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error"];

/// The levels that an event can be given.
const EVENT_LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error", "disable"];

/// What a list of names means.
const POLICIES: &[&str] = &["include", "exclude"];

/// How an output shows who it is.
const AUTH: &[&str] = &["unauthenticated", "basic", "bearer"];

/// Where following a file can begin.
pub(super) const STARTS: &[&str] = &["end", "beginning"];

/// The settings, in the order of the reference page.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "source",
        is_list: true,
        about: "Logs to follow. Without any `[[source]]`, the mail logs that exist at the usual \
                places are followed from their end: `/var/log/mail.log`, `/var/log/maillog`, \
                `/var/log/mail`, `/var/log/mail/mail.log`, `/var/log/mail/info`. A log is followed \
                through rotation by renaming, by copytruncate and by packing, and over restarts: \
                each line is read once.",
        keys: &[
            Key {
                name: "paths",
                takes: Takes::Patterns,
                default: "",
                about: "The logs. `*`, `?` and `[abc]` match within a name, `**` whole directories; \
                        rotated and packed files that match are left out, and files that appear \
                        later are followed from their beginning. A log that does not exist yet is \
                        waited for.",
            },
            Key {
                name: "start",
                takes: Takes::Word(STARTS),
                default: "\"end\"",
                about: "Where to begin with a log that was never read before: at its `end` (what is \
                        in it already can be imported), or at its `beginning`. A log that was \
                        followed or imported before goes on behind what was read of it.",
            },
            Key {
                name: "timezone",
                takes: Takes::Zone,
                default: "\"local\"",
                about: "Time zone of times that carry none.",
            },
            Key {
                name: "year",
                takes: Takes::Number(1970, 2261),
                default: "",
                about: "Year of the first line that is read, where times carry none; guessed from \
                        the clock otherwise. Only for logs replayed later than they were written.",
            },
        ],
    },
    Section {
        name: "http",
        is_list: false,
        about: "The HTTP server: `GET /healthz`, `GET /readyz`, `POST /ingest`, and the searches if \
                `api` is on. The socket `tidings.sock` in the data directory, through which the \
                other verbs ask a running server, is always there and needs none of this.",
        keys: &[
            Key {
                name: "listen",
                takes: Takes::Addresses,
                default: "[\"127.0.0.1:8686\"]",
                about: "Addresses to listen on; `[]` for none. An address that is not of this \
                        machine's loopback needs a token. TLS is a proxy's business.",
            },
            Key {
                name: "token",
                takes: Takes::Secret,
                default: "",
                about: "What clients must show, as `Authorization: Bearer TOKEN`, for everything but \
                        `/healthz` and the state in `/readyz`. At least 16 characters; there is no \
                        default.",
            },
            Key {
                name: "token_file",
                takes: Takes::Path,
                default: "",
                about: "A file whose first line is the token, instead of `token`.",
            },
            Key {
                name: "api",
                takes: Takes::Flag,
                default: "false",
                about: "Answer searches (`/api/tidings/…`) on these addresses too; needs a token.",
            },
            Key {
                name: "connections",
                takes: Takes::Number(1, 10_000),
                default: "256",
                about: "Connections at a time, on all addresses and on the socket together; further \
                        ones wait.",
            },
            Key {
                name: "searches",
                takes: Takes::Number(1, 64),
                default: "4",
                about: "Searches at a time; eight times as many may wait, further ones are told to \
                        come again (503).",
            },
            Key {
                name: "head_timeout",
                takes: Takes::Time(100, 10 * MINUTE),
                default: "\"15s\"",
                about: "How long a client may take to send the head of a request, and how long an \
                        idle connection is kept.",
            },
            Key {
                name: "body_timeout",
                takes: Takes::Time(100, 60 * MINUTE),
                default: "\"60s\"",
                about: "How long a client may take to send the body of a request.",
            },
            Key {
                name: "stall_timeout",
                takes: Takes::Time(100, 60 * MINUTE),
                default: "\"60s\"",
                about: "How long a client may leave an answer unread before it is broken off.",
            },
        ],
    },
    Section {
        name: "ingest",
        is_list: false,
        about: "Events that programs send as `POST /ingest`: one JSON object a line \
                (`application/x-ndjson`), plain or with `Content-Encoding: gzip` or `zstd`.",
        keys: &[
            Key {
                name: "body",
                takes: Takes::Size(KIB, GIB),
                default: "\"16MiB\"",
                about: "Longest body, as it is sent; a longer one is refused (413).",
            },
            Key {
                name: "unpacked",
                takes: Takes::Size(KIB, GIB),
                default: "\"32MiB\"",
                about: "Longest body when unpacked; a longer one is refused (413).",
            },
            Key {
                name: "waiting",
                takes: Takes::Size(KIB, 16 * GIB),
                default: "\"64MiB\"",
                about: "Bytes of all bodies that are being received or wait to be stored; beyond \
                        that, clients are told to come again (429). At least `body`.",
            },
        ],
    },
    Section {
        name: "history",
        is_list: false,
        about: "How long what is kept in the data directory.",
        keys: &[
            Key {
                name: "keep",
                takes: Takes::Time(DAY, 36_500 * DAY),
                default: "",
                about: "How long events and messages that were followed or ingested are kept; for ever \
                        without it.",
            },
            Key {
                name: "keep_imported",
                takes: Takes::Time(DAY, 36_500 * DAY),
                default: "",
                about: "How long what was imported is kept; for ever without it. By the time of the \
                        lines, not of the import.",
            },
            Key {
                name: "size",
                takes: Takes::Size(64 * KIB * KIB, 1024 * TIB),
                default: "",
                about: "Most bytes of the history: beyond it the oldest days go first, but not what was \
                        imported. Without limit by default.",
            },
        ],
    },
    Section {
        name: "console",
        is_list: false,
        about: "What the server prints to its standard error, one event a line.",
        keys: &[Key {
            name: "level",
            takes: Takes::Word(LEVELS),
            default: "\"info\"",
            about: "Least important events to print; `off` prints none. What the server says about \
                    itself is printed in any case. A `[[tracer]]` of type `console` takes its place.",
        }],
    },
    TRACER,
    Section {
        name: "event_level",
        is_list: true,
        about: "Events whose level is not the catalogue's.",
        keys: &[
            Key {
                name: "event",
                takes: Takes::Event,
                default: "",
                about: "The event. Each may stand in one `[[event_level]]` only.",
            },
            Key {
                name: "level",
                takes: Takes::Word(EVENT_LEVELS),
                default: "\"info\"",
                about: "Its level in tracers. With `disable` no tracer gets it; the history keeps it, \
                        and metrics count it.",
            },
        ],
    },
    METRICS,
    Section {
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
    },
    Section {
        name: "demo",
        is_list: false,
        about: "The bundled sample, for a machine without a mail server.",
        keys: &[Key {
            name: "replay",
            takes: Takes::Flag,
            default: "false",
            about: "Replay the bundled sample log in real time, as if it happened now, again and \
                    again; no log is then followed by default. Not for a data directory that is used \
                    for anything else.",
        }],
    },
];

/// Outputs of events.
const TRACER: Section = Section {
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
pub(super) const TRACERS: &[&str] = &["log", "console", "journal", "otel-http", "otel-grpc"];

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

/// What is measured.
const METRICS: Section = Section {
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
