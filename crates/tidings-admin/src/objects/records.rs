//! What is found in the history: messages, traces, log entries, samples of metrics.

use super::mold::{
    COUNT, COUNT_OR_NULL, LONG, SHORT_TEXT, SHORT_TEXT_OR_NULL, TIME, TIME_OR_NULL, TRACING_LEVEL,
    filter, of, shown, text, text_or_null, texts, whole, word,
};
use crate::describe::{
    Enum, Field, Fields, FilterKind, Filterable, Form, Format, Kind, List, NumberFormat, Object,
    Takes, Variant, Words,
};

/// Most entries of a list within a record.
const ENTRIES: usize = 100_000;

/// Times of a record.
const WHEN: Filterable = filter("timestamp", "Time", FilterKind::Date);

/// Words of a record.
const TEXT: Filterable = filter("text", "Text", FilterKind::Text);

pub(super) static MESSAGE: Object = Object {
    name: "Message",
    about: "A message with everything that happened to it: its story. (Ours.)",
    kind: Kind::Record,
    form: &Form {
        name: "Message",
        fields: Fields::Single(&[
            shown("timestamp", "Time", TIME, "When it was first heard of."),
            shown(
                "lastTimestamp",
                "Last heard of",
                TIME,
                "When it was last heard of.",
            ),
            shown(
                "from",
                "From",
                SHORT_TEXT_OR_NULL,
                "Envelope sender; `<>` for the null sender.",
            ),
            shown(
                "to",
                "To",
                SHORT_TEXT_OR_NULL,
                "Recipients, with `; ` between them.",
            ),
            shown(
                "verdict",
                "Verdict",
                word(&VERDICT),
                "The recipients' verdict that needs attention first.",
            ),
            shown(
                "kind",
                "Kind",
                word(&MESSAGE_KIND),
                "Whether it was accepted.",
            ),
            shown(
                "messageId",
                "Message-ID",
                SHORT_TEXT_OR_NULL,
                "Message-ID as logged.",
            ),
            shown(
                "queueIds",
                "Queue ids",
                texts(Format::String),
                "Queue ids of its legs.",
            ),
            shown(
                "size",
                "Size",
                whole(NumberFormat::Size, 0, i64::MAX, true),
                "Size in bytes.",
            ),
            shown(
                "hosts",
                "Hosts",
                texts(Format::String),
                "Hosts that handled it.",
            ),
            shown(
                "clientName",
                "Client",
                SHORT_TEXT_OR_NULL,
                "Name of the client that brought it.",
            ),
            shown(
                "clientIp",
                "Client address",
                text_or_null(Format::IpAddress, 64),
                "Address of the client that brought it.",
            ),
            shown(
                "account",
                "Account",
                SHORT_TEXT_OR_NULL,
                "Account that signed in to send it.",
            ),
            shown(
                "recipients",
                "Recipients",
                list(&RECIPIENT),
                "What became of it for each recipient.",
            ),
            shown(
                "joins",
                "Joins",
                list(&JOIN),
                "How its legs were found to be one message.",
            ),
            shown(
                "related",
                "Related",
                list(&RELATED),
                "Messages that it has to do with.",
            ),
            shown(
                "summaries",
                "Summaries",
                list(&SUMMARY),
                "What became of it, in sentences. Only where it is asked for by name.",
            ),
            shown(
                "timeline",
                "Timeline",
                list(&STEP),
                "What happened, in order. Only where it is asked for by name.",
            ),
        ]),
    },
    list: List {
        title: "Messages",
        subtitle: "Where did this message go, and why?",
        singular: "message",
        plural: "messages",
        label: Some("messageId"),
        columns: &["timestamp", "from", "to", "verdict", "size"],
        filters: &[
            TEXT,
            filter("from", "From", FilterKind::Text),
            filter("to", "To", FilterKind::Text),
            filter("status", "Verdict", FilterKind::Enum(Enum::Of(&VERDICT))),
            WHEN,
        ],
    },
    is_enterprise: false,
};

const fn list(form: &'static Form) -> Takes {
    Takes::ObjectList { form, max: ENTRIES }
}

static VERDICT: Words = Words {
    name: "Verdict",
    words: &[
        ("delivered", "Delivered"),
        ("deferred", "Deferred"),
        ("bounced", "Bounced"),
        ("expired", "Expired"),
        ("rejected", "Rejected"),
        ("discarded", "Discarded"),
        ("held", "Held"),
        ("filtered", "Filtered"),
        ("in queue", "In the queue"),
        ("unknown", "Unknown"),
    ],
};

static MESSAGE_KIND: Words = Words {
    name: "MessageKind",
    words: &[
        ("accepted", "Accepted"),
        ("refused", "Refused before there was a message"),
    ],
};

static RECIPIENT: Form = Form {
    name: "MessageRecipient",
    fields: Fields::Single(&[
        shown(
            "address",
            "Address",
            SHORT_TEXT,
            "Address to which it was sent in the end.",
        ),
        shown(
            "originalAddress",
            "Original address",
            SHORT_TEXT_OR_NULL,
            "Address before aliases, where it is another one.",
        ),
        shown("verdict", "Verdict", word(&VERDICT), "What became of it."),
        shown(
            "time",
            "Time",
            TIME_OR_NULL,
            "When the verdict was reached.",
        ),
        shown(
            "reply",
            "Reply",
            text_or_null(Format::Text, LONG),
            "The reply or reason, as logged.",
        ),
        shown("code", "Code", COUNT_OR_NULL, "SMTP reply code."),
        shown("dsn", "Status", SHORT_TEXT_OR_NULL, "Enhanced status code."),
        shown(
            "class",
            "Class",
            SHORT_TEXT_OR_NULL,
            "What the reply means.",
        ),
        shown(
            "scope",
            "Scope",
            SHORT_TEXT_OR_NULL,
            "Whom or what it is about.",
        ),
        shown("action", "Action", SHORT_TEXT_OR_NULL, "What to do."),
        shown(
            "provider",
            "Provider",
            SHORT_TEXT_OR_NULL,
            "Whose server gave the reply.",
        ),
        shown("relay", "Relay", SHORT_TEXT_OR_NULL, "The relay as logged."),
        shown(
            "delayMs",
            "Delay",
            COUNT_OR_NULL,
            "From arrival to the verdict, in milliseconds.",
        ),
        shown(
            "attempts",
            "Attempts",
            COUNT,
            "How often delivery was tried.",
        ),
    ]),
};

static JOIN: Form = Form {
    name: "MessageJoin",
    fields: Fields::Single(&[
        shown("by", "By", SHORT_TEXT, "What proved it."),
        shown("from", "From", SHORT_TEXT, "Id of the earlier leg."),
        shown("to", "To", SHORT_TEXT, "Id of the later leg."),
    ]),
};

static RELATED: Form = Form {
    name: "MessageRelated",
    fields: Fields::Single(&[
        shown(
            "relation",
            "Relation",
            SHORT_TEXT,
            "`parent`: this is a notification about that one; `child`: that one is about this.",
        ),
        shown("queueId", "Queue id", SHORT_TEXT, "Its queue id."),
    ]),
};

static SUMMARY: Form = Form {
    name: "MessageSummary",
    fields: Fields::Single(&[
        shown("address", "Address", SHORT_TEXT, "The recipient."),
        shown("verdict", "Verdict", word(&VERDICT), "The verdict."),
        shown("text", "Text", text(Format::Text, LONG), "What happened."),
        shown(
            "advice",
            "Advice",
            text(Format::Text, LONG),
            "What to do about it.",
        ),
    ]),
};

static STEP: Form = Form {
    name: "MessageStep",
    fields: Fields::Single(&[
        shown("time", "Time", TIME, "When."),
        shown("event", "Event", SHORT_TEXT, "Event type."),
        shown("text", "Text", text(Format::Text, LONG), "What it means."),
        shown("host", "Host", SHORT_TEXT, "Host that logged it."),
        shown("program", "Program", SHORT_TEXT, "Program that logged it."),
        shown(
            "leg",
            "Leg",
            SHORT_TEXT,
            "Queue id, or session id, of its leg.",
        ),
        shown("legId", "Leg, id", SHORT_TEXT_OR_NULL, "Id of that leg."),
        shown(
            "recipient",
            "Recipient",
            SHORT_TEXT,
            "Recipient it is about.",
        ),
        shown("spanId", "Span", SHORT_TEXT_OR_NULL, "Trace it belongs to."),
        shown(
            "raw",
            "Line",
            text_or_null(Format::Text, LONG),
            "The line it came from.",
        ),
    ]),
};

pub(super) static TRACE: Object = Object {
    name: "Trace",
    about: "A span with its events: one session, or one delivery attempt. A `Message` has the whole story.",
    kind: Kind::Record,
    form: &Form {
        name: "Trace",
        fields: Fields::Single(&[
            shown(
                "events",
                "Events",
                list(&TRACE_EVENT),
                "Its events, in order.",
            ),
            shown("timestamp", "Time", TIME, "When it began."),
            shown(
                "from",
                "From",
                SHORT_TEXT_OR_NULL,
                "The first envelope sender.",
            ),
            shown(
                "to",
                "To",
                text_or_null(Format::String, LONG),
                "Recipients, with `; ` between them.",
            ),
            shown(
                "size",
                "Size",
                whole(NumberFormat::Size, 0, i64::MAX, true),
                "The first size of a message, in bytes.",
            ),
        ]),
    },
    list: List {
        title: "Traces",
        subtitle: "Sessions and delivery attempts",
        singular: "trace",
        plural: "traces",
        label: None,
        columns: &["timestamp", "from", "to", "size"],
        filters: &[
            TEXT,
            WHEN,
            filter("queueId", "Queue id", FilterKind::Text),
            filter("event", "Event", FilterKind::Enum(Enum::EventType)),
            filter("account", "Account", FilterKind::Text),
            filter("remoteIp", "Remote address", FilterKind::Text),
            filter("remoteHost", "Remote host", FilterKind::Text),
            filter("domain", "Domain", FilterKind::Text),
            filter("from", "From", FilterKind::Text),
            filter("to", "To", FilterKind::Text),
        ],
    },
    is_enterprise: false,
};

static TRACE_EVENT: Form = Form {
    name: "TraceEvent",
    fields: Fields::Single(&[
        shown("event", "Event", of(Enum::EventType), "Event type."),
        shown("timestamp", "Time", TIME, "When it happened."),
        shown("keyValues", "Values", list(&TRACE_KEY_VALUE), "Its values."),
    ]),
};

static TRACE_KEY_VALUE: Form = Form {
    name: "TraceKeyValue",
    fields: Fields::Single(&[
        shown("key", "Key", of(Enum::Key), "The key."),
        shown(
            "value",
            "Value",
            Takes::Object { form: &TRACE_VALUE },
            "The value.",
        ),
    ]),
};

static TRACE_VALUE: Form = Form {
    name: "TraceValue",
    fields: Fields::Multiple {
        variants: &[
            value(
                "String",
                "Text",
                &[&[shown(
                    "value",
                    "Value",
                    text(Format::Text, LONG),
                    "The text.",
                )]],
            ),
            value(
                "UnsignedInt",
                "Number",
                &[&[shown("value", "Value", COUNT, "The number.")]],
            ),
            value(
                "Integer",
                "Signed number",
                &[&[shown(
                    "value",
                    "Value",
                    whole(NumberFormat::Integer, i64::MIN, i64::MAX, false),
                    "The number.",
                )]],
            ),
            value(
                "Boolean",
                "Flag",
                &[&[shown("value", "Value", Takes::Boolean, "The flag.")]],
            ),
            value(
                "Float",
                "Fraction",
                &[&[shown(
                    "value",
                    "Value",
                    whole(NumberFormat::Float, i64::MIN, i64::MAX, false),
                    "The number.",
                )]],
            ),
            value(
                "UTCDateTime",
                "Time",
                &[&[shown("value", "Value", TIME, "The time.")]],
            ),
            value(
                "Duration",
                "Duration",
                &[&[shown(
                    "value",
                    "Value",
                    whole(NumberFormat::Duration, 0, i64::MAX, false),
                    "Milliseconds.",
                )]],
            ),
            value(
                "IpAddr",
                "Address",
                &[&[shown(
                    "value",
                    "Value",
                    text(Format::IpAddress, 64),
                    "The address.",
                )]],
            ),
            value(
                "List",
                "List",
                &[&[shown("value", "Values", list(&TRACE_VALUE), "The values.")]],
            ),
            value(
                "Event",
                "Event",
                &[&[
                    shown("event", "Event", of(Enum::EventType), "Event type."),
                    shown("value", "Values", list(&TRACE_KEY_VALUE), "Its values."),
                ]],
            ),
            value("Null", "Nothing", &[]),
        ],
        default: None,
    },
};

const fn value(
    name: &'static str,
    label: &'static str,
    fields: &'static [&'static [Field]],
) -> Variant {
    Variant {
        name,
        label,
        fields,
        is_refused: false,
    }
}

pub(super) static LOG: Object = Object {
    name: "Log",
    about: "A log entry: an event, rendered for reading.",
    kind: Kind::Record,
    form: &Form {
        name: "Log",
        fields: Fields::Single(&[
            shown("timestamp", "Time", TIME, "When it happened."),
            shown("level", "Level", word(&TRACING_LEVEL), "Its level."),
            shown("event", "Event", of(Enum::EventType), "Event type."),
            shown(
                "details",
                "Details",
                text(Format::Text, LONG),
                "Its values, as a log file has them.",
            ),
        ]),
    },
    list: List {
        title: "Log",
        subtitle: "What happened",
        singular: "log entry",
        plural: "log entries",
        label: None,
        columns: &["timestamp", "level", "event", "details"],
        filters: &[
            TEXT,
            filter("level", "Level", FilterKind::Enum(Enum::Of(&TRACING_LEVEL))),
            filter("event", "Event", FilterKind::Enum(Enum::EventType)),
            WHEN,
        ],
    },
    is_enterprise: false,
};

pub(super) static METRIC: Object = Object {
    name: "Metric",
    about: "A sample of a metric.",
    kind: Kind::Record,
    form: &Form {
        name: "Metric",
        fields: Fields::Multiple {
            variants: &[
                value("Counter", "Counter", &[SAMPLE]),
                value("Gauge", "Gauge", &[SAMPLE]),
                value("Histogram", "Histogram", &[SAMPLE, SUM]),
            ],
            default: None,
        },
    },
    list: List {
        title: "Samples of metrics",
        subtitle: "How metrics went",
        singular: "sample",
        plural: "samples",
        label: Some("metric"),
        columns: &["metric", "timestamp", "count"],
        filters: &[
            filter("metric", "Metric", FilterKind::Enum(Enum::MetricType)),
            WHEN,
        ],
    },
    is_enterprise: false,
};

const SAMPLE: &[Field] = &[
    shown("count", "Count", COUNT, "How many."),
    shown("metric", "Metric", of(Enum::MetricType), "The metric."),
    shown("timestamp", "Time", TIME, "When the sample was taken."),
];

const SUM: &[Field] = &[shown("sum", "Sum", COUNT, "Sum of what was measured.")];
