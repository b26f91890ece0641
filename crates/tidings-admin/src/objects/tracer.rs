//! Tracers, and the levels of events.

use super::delivery::{HTTP_AUTH, HTTP_HEADERS};
use super::mold::{
    DURATION, DURATION_OR_NULL, EVENT_POLICY, EVENTS, SHORT_TEXT, SHORT_TEXT_OR_NULL,
    TRACING_LEVEL, URI, field, filter, fixed, of, size_or_null, text, text_or_null, whole, word,
};
use crate::describe::{
    Default, Enum, Field, Fields, FilterKind, Form, Format, Kind, List, NumberFormat, Object,
    Takes, Variant, Words,
};

pub(super) static TRACER: Object = Object {
    name: "Tracer",
    about: "An output of events: log files, the console, the systemd journal, or an OpenTelemetry \
            collector. Each reads the spool on its own and goes on where it stood.",
    kind: Kind::Many,
    form: &Form {
        name: "Tracer",
        fields: Fields::Multiple {
            variants: &[
                Variant {
                    name: "Log",
                    label: "Log file",
                    fields: &[COMMON, LOG],
                    is_refused: false,
                },
                Variant {
                    name: "Stdout",
                    label: "Console",
                    fields: &[COMMON, STDOUT],
                    is_refused: false,
                },
                Variant {
                    name: "Journal",
                    label: "Systemd journal",
                    fields: &[COMMON, JOURNAL],
                    is_refused: false,
                },
                Variant {
                    name: "OtelHttp",
                    label: "OpenTelemetry over HTTP",
                    fields: &[COMMON, OTEL_HTTP, OTEL],
                    is_refused: false,
                },
                Variant {
                    name: "OtelGrpc",
                    label: "OpenTelemetry over gRPC",
                    fields: &[COMMON, OTEL_GRPC, OTEL],
                    is_refused: false,
                },
            ],
            default: None,
        },
    },
    list: List {
        title: "Tracers",
        subtitle: "Where events are written as they happen",
        singular: "tracer",
        plural: "tracers",
        label: None,
        columns: &["@type", "level", "enable"],
        filters: &[filter("name", "Name", FilterKind::Text)],
    },
    is_enterprise: false,
};

const COMMON: &[Field] = &[
    field(
        "enable",
        "Enabled",
        Takes::Boolean,
        Default::Flag(true),
        "Whether it runs.",
    ),
    field(
        "name",
        "Name",
        SHORT_TEXT_OR_NULL,
        Default::Null,
        "What reports and metrics call it; its id where nothing is said. (Ours.)",
    ),
    field(
        "level",
        "Level",
        word(&TRACING_LEVEL),
        Default::Text("info"),
        "Events that are less important are left out.",
    ),
    field(
        "lossy",
        "Lossy",
        Takes::Boolean,
        Default::Flag(false),
        "When it is more than 8 MiB or 10 s behind, skip to the end, and count what was skipped, instead \
         of catching up.",
    ),
    field(
        "events",
        "Events",
        EVENTS,
        Default::Empty,
        "Event types; `*` stands for anything: `delivery.*`.",
    ),
    field(
        "eventsPolicy",
        "Policy",
        word(&EVENT_POLICY),
        Default::Text("exclude"),
        "Whether the listed events are the only ones, or those that are left out.",
    ),
];

const LOG: &[Field] = &[
    field(
        "path",
        "Directory",
        text(Format::String, 4_096),
        Default::Required,
        "The directory of the files.",
    ),
    field(
        "prefix",
        "Prefix",
        SHORT_TEXT,
        Default::Text("tidings"),
        "With what the files' names begin.",
    ),
    field(
        "rotate",
        "Rotation",
        word(&LOG_ROTATE_FREQUENCY),
        Default::Text("daily"),
        "When a new file is begun.",
    ),
    field(
        "ansi",
        "Colours",
        Takes::Boolean,
        Default::Flag(true),
        "Whether lines are coloured.",
    ),
    field(
        "multiline",
        "Several lines",
        Takes::Boolean,
        Default::Flag(false),
        "One line for the event and one for each of its values.",
    ),
    field(
        "fullTime",
        "Full time",
        Takes::Boolean,
        Default::Flag(false),
        "Times with nanoseconds. (Ours.)",
    ),
    field(
        "rotateBytes",
        "Rotate at size",
        size_or_null(1_024),
        Default::Null,
        "A file that has grown to this many bytes is set aside. (Ours.)",
    ),
    field(
        "keep",
        "Keep for",
        DURATION_OR_NULL,
        Default::Null,
        "Old files are removed when they were last written longer ago. (Ours.)",
    ),
    field(
        "keepFiles",
        "Keep files",
        whole(NumberFormat::UnsignedInteger, 1, i64::MAX, true),
        Default::Null,
        "Most old files. (Ours.)",
    ),
    field(
        "keepBytes",
        "Keep bytes",
        size_or_null(1),
        Default::Null,
        "Most bytes of old files together. (Ours.)",
    ),
    field(
        "compression",
        "Compression",
        word(&LOG_COMPRESSION),
        Default::Text("none"),
        "What old files are compressed with. (Ours.)",
    ),
];

const STDOUT: &[Field] = &[
    field(
        "buffered",
        "Buffered",
        Takes::Boolean,
        Default::Flag(true),
        "Whether events are written in blocks instead of one by one.",
    ),
    field(
        "ansi",
        "Colours",
        Takes::Boolean,
        Default::Flag(false),
        "Whether lines are coloured.",
    ),
    field(
        "multiline",
        "Several lines",
        Takes::Boolean,
        Default::Flag(false),
        "One line for the event and one for each of its values.",
    ),
];

const JOURNAL: &[Field] = &[field(
    "socket",
    "Socket",
    text_or_null(Format::String, 107),
    Default::Null,
    "The socket of journald, where it is not at its usual place. (Ours.)",
)];

const OTEL_HTTP: &[Field] = &[field(
    "endpoint",
    "Endpoint",
    URI,
    Default::Required,
    "The URL of the collector.",
)];

const OTEL_GRPC: &[Field] = &[field(
    "endpoint",
    "Endpoint",
    text_or_null(Format::Uri, 2_048),
    Default::Null,
    "The URL of the collector; http://localhost:4317 where nothing is said.",
)];

const OTEL: &[Field] = &[
    field(
        "enableLogExporter",
        "Export logs",
        Takes::Boolean,
        Default::Flag(true),
        "Whether events go out as log records.",
    ),
    field(
        "enableSpanExporter",
        "Export spans",
        Takes::Boolean,
        Default::Flag(true),
        "Whether sessions and delivery attempts go out as spans.",
    ),
    field(
        "throttle",
        "Throttle",
        DURATION,
        Default::Number(1_000),
        "Least time between two exports.",
    ),
    field(
        "timeout",
        "Time-out",
        DURATION,
        Default::Number(10_000),
        "Longest time that an export may take.",
    ),
    field(
        "httpAuth",
        "Authentication",
        HTTP_AUTH,
        Default::Part("Unauthenticated", &[]),
        "How it shows who it is.",
    ),
    field(
        "httpHeaders",
        "Headers",
        HTTP_HEADERS,
        Default::Empty,
        "Headers, or metadata, of every request.",
    ),
    field(
        "gzip",
        "Compress",
        Takes::Boolean,
        Default::Flag(true),
        "Whether requests are compressed. (Ours.)",
    ),
];

static LOG_ROTATE_FREQUENCY: Words = Words {
    name: "LogRotateFrequency",
    words: &[
        ("daily", "Daily"),
        ("hourly", "Hourly"),
        ("minutely", "Every minute"),
        ("never", "Never"),
    ],
};

static LOG_COMPRESSION: Words = Words {
    name: "LogCompression",
    words: &[("none", "None"), ("gzip", "gzip"), ("zstd", "zstd")],
};

pub(super) static EVENT_TRACING_LEVEL: Object = Object {
    name: "EventTracingLevel",
    about: "The level of an event type, where it is not the catalogue's.",
    kind: Kind::Many,
    form: &Form {
        name: "EventTracingLevel",
        fields: Fields::Single(&[
            fixed(
                "event",
                "Event",
                of(Enum::EventType),
                Default::Required,
                "The event type. Each may be named by one object.",
            ),
            field(
                "level",
                "Level",
                word(&TRACING_LEVEL_OPT),
                Default::Text("info"),
                "Its level; `disable`: it is counted, and nothing else.",
            ),
        ]),
    },
    list: List {
        title: "Levels of events",
        subtitle: "Levels that are not the catalogue's",
        singular: "level of an event",
        plural: "levels of events",
        label: Some("event"),
        columns: &["event", "level"],
        filters: &[],
    },
    is_enterprise: false,
};

static TRACING_LEVEL_OPT: Words = Words {
    name: "TracingLevelOpt",
    words: &[
        ("disable", "Disabled"),
        ("error", "Error"),
        ("warn", "Warning"),
        ("info", "Information"),
        ("debug", "Debug"),
        ("trace", "Trace"),
    ],
};
