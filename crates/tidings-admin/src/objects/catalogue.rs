//! The catalogue: what events, keys and metrics there are. Ours.

use super::mold::{
    COUNT, SHORT_TEXT, SHORT_TEXT_OR_NULL, TRACING_LEVEL, filter, shown, text, word,
};
use crate::describe::{Enum, Fields, FilterKind, Form, Format, Kind, List, Object, Takes, Words};

const NAME: crate::describe::Filterable = filter("text", "Text", FilterKind::Text);

pub(super) static EVENT_TYPE: Object = Object {
    name: "EventType",
    about: "A type of events.",
    kind: Kind::Record,
    form: &Form {
        name: "EventType",
        fields: Fields::Single(&[
            shown("name", "Name", SHORT_TEXT, "Its name."),
            shown(
                "number",
                "Number",
                COUNT,
                "Its number, which never changes.",
            ),
            shown(
                "description",
                "Description",
                text(Format::Text, 4_096),
                "What it means.",
            ),
            shown(
                "level",
                "Level",
                word(&TRACING_LEVEL),
                "Its level in the catalogue.",
            ),
            shown(
                "isSpanStart",
                "Starts a span",
                Takes::Boolean,
                "Whether a session or an attempt begins with it.",
            ),
            shown(
                "isSpanEnd",
                "Ends a span",
                Takes::Boolean,
                "Whether a session or an attempt ends with it.",
            ),
            shown(
                "isRawIo",
                "Raw",
                Takes::Boolean,
                "Whether it holds what was sent on a connection.",
            ),
            shown(
                "isMetric",
                "Counted",
                Takes::Boolean,
                "Whether it is counted under its name.",
            ),
            shown(
                "isInHistory",
                "Kept by the reference",
                Takes::Boolean,
                "Whether the reference keeps it; here all are, but raw ones.",
            ),
        ]),
    },
    list: List {
        title: "Event types",
        subtitle: "What can happen",
        singular: "event type",
        plural: "event types",
        label: Some("name"),
        columns: &["name", "level", "description"],
        filters: &[
            NAME,
            filter("level", "Level", FilterKind::Enum(Enum::Of(&TRACING_LEVEL))),
        ],
    },
    is_enterprise: false,
};

pub(super) static KEY: Object = Object {
    name: "Key",
    about: "A name under which events hold values.",
    kind: Kind::Record,
    form: &Form {
        name: "Key",
        fields: Fields::Single(&[
            shown("name", "Name", SHORT_TEXT, "Its name."),
            shown(
                "number",
                "Number",
                COUNT,
                "Its number, which never changes.",
            ),
            shown(
                "description",
                "Description",
                text(Format::Text, 4_096),
                "What it holds.",
            ),
        ]),
    },
    list: List {
        title: "Keys",
        subtitle: "What events hold",
        singular: "key",
        plural: "keys",
        label: Some("name"),
        columns: &["name", "description"],
        filters: &[NAME],
    },
    is_enterprise: false,
};

pub(super) static METRIC_TYPE: Object = Object {
    name: "MetricType",
    about: "A metric.",
    kind: Kind::Record,
    form: &Form {
        name: "MetricType",
        fields: Fields::Single(&[
            shown("name", "Name", SHORT_TEXT, "Its name."),
            shown("kind", "Kind", word(&METRIC_KIND), "What it is."),
            shown(
                "unit",
                "Unit",
                SHORT_TEXT_OR_NULL,
                "What its numbers count.",
            ),
            shown(
                "description",
                "Description",
                text(Format::Text, 4_096),
                "What it measures.",
            ),
        ]),
    },
    list: List {
        title: "Metrics of the catalogue",
        subtitle: "What is measured",
        singular: "metric",
        plural: "metrics",
        label: Some("name"),
        columns: &["name", "kind", "unit", "description"],
        filters: &[
            NAME,
            filter("kind", "Kind", FilterKind::Enum(Enum::Of(&METRIC_KIND))),
        ],
    },
    is_enterprise: false,
};

static METRIC_KIND: Words = Words {
    name: "MetricKind",
    words: &[
        ("counter", "Counter"),
        ("gauge", "Gauge"),
        ("histogram", "Histogram"),
    ],
};
