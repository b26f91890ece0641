//! Every setting there is: its name, what it takes, its default, and what it is for.
//!
//! Reading, checking, error messages and the reference page all go by this table.

mod outputs;

use self::outputs::{METRICS, OTEL_METRICS, TRACER};

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
    /// Addresses and networks of machines: `["10.0.0.0/8", "::1"]`, or one alone.
    Networks,
    /// Origins of web pages: `["https://mail.example.org"]`, or one alone.
    Origins,
    /// `http://` or `https://` addresses, or one alone.
    Urls,
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
    /// When something recurs: `"daily at 02:00"`.
    Schedule,
}

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;
const TIB: u64 = 1 << 40;

/// The levels at which events can be shown; `off` shows none.
pub(super) const LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error", "off"];

/// The levels that an event can be given.
const EVENT_LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error", "disable"];

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
        about: "The HTTP server: health, metrics, `POST /ingest`, searches, the management API, and live \
                streams (`GET /api/openapi.json` tells all paths). The socket `tidings.sock` in the data directory, through which the \
                other verbs ask a running server, is always there and needs none of this.",
        keys: &[
            Key {
                name: "listen",
                takes: Takes::Addresses,
                default: "[\"127.0.0.1:8686\"]",
                about: "Addresses to listen on; `[]` for none. An address that is not of this \
                        machine's loopback needs TLS, or `plain` behind a proxy that has it.",
            },
            Key {
                name: "tls_certificate",
                takes: Takes::Path,
                default: "",
                about: "A PEM file with the certificate and those between it and the authority: all \
                        addresses of `listen` speak TLS then. It is read again when it changes, and \
                        at SIGHUP.",
            },
            Key {
                name: "tls_key",
                takes: Takes::Path,
                default: "",
                about: "A PEM file with the private key of the certificate.",
            },
            Key {
                name: "plain",
                takes: Takes::Flag,
                default: "false",
                about: "Listen without TLS where other machines can reach it, because a proxy in front \
                        has TLS. Passwords and keys pass readable between the two. Nobody is let in \
                        without credentials then, not even from this machine.",
            },
            Key {
                name: "trusted_proxies",
                takes: Takes::Networks,
                default: "[]",
                about: "Proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` are \
                        believed; those of others are not. Attempts to sign in are counted by the \
                        address that they tell.",
            },
            Key {
                name: "cors_origins",
                takes: Takes::Origins,
                default: "[]",
                about: "Origins of web pages, served from elsewhere, that may use the management API with \
                        a token of their own.",
            },
            Key {
                name: "oauth_redirects",
                takes: Takes::Urls,
                default: "[]",
                about: "Addresses of web clients to which somebody who signed in by OAuth may be sent \
                        back, to the letter. `/oauth/callback` of this server is always one.",
            },
            Key {
                name: "token",
                takes: Takes::Secret,
                default: "",
                about: "What clients must show, as `Authorization: Bearer TOKEN`, for everything but \
                        `/healthz` and the state in `/readyz`, if they have no account or key of \
                        their own. Whoever has it may do everything. At least 16 characters; there \
                        is no default.",
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
                default: "true",
                about: "Answer the client verbs (`/api/tidings/…`) on these addresses too, to those who \
                        show the token, a key, or the name and password of an account. The management API \
                        and live streams are there in any case, for those who show who they are.",
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
                about: "Searches at a time; sixteen times as many may wait, further ones are told to \
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
        name: "live",
        is_list: false,
        about: "Live streams of events and metrics (`/api/live/tracing`, `/api/live/metrics`), where \
                searches are answered.",
        keys: &[
            Key {
                name: "clients",
                takes: Takes::Number(0, 100_000),
                default: "500",
                about: "Streams that may be open at a time, besides `http.connections`; further ones \
                        are told to come again (503). Each takes a file descriptor: the service's \
                        limit must allow them.",
            },
            Key {
                name: "buffer",
                takes: Takes::Size(16 * KIB, GIB),
                default: "\"256KiB\"",
                about: "Events that may wait for one client. What a client reads too slowly for this is \
                        left out, counted, and told to it as a gap.",
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
                name: "keep_metrics",
                takes: Takes::Time(DAY, 36_500 * DAY),
                default: "\"90d\"",
                about: "How long samples of metrics are kept: see `collect` in `[metrics]`. Those of every \
                        minute are kept for 48 hours.",
            },
            Key {
                name: "size",
                takes: Takes::Size(64 * KIB * KIB, 1024 * TIB),
                default: "",
                about: "Most bytes of the history: beyond it the oldest days go first, but not what was \
                        imported, and no samples of metrics. Without limit by default.",
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
    OTEL_METRICS,
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
