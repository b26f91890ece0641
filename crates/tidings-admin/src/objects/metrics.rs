//! What is measured, and who gets it.

use super::delivery::{HTTP_AUTH, HTTP_HEADERS, SECRET_OR_NONE};
use super::mold::{
    DURATION, EVENT_POLICY, MANY, SHORT_TEXT_OR_NULL, URI, field, text_or_null, word,
};
use crate::describe::{
    Default, Enum, Field, Fields, Form, Format, Kind, List, Member, Object, Takes, Variant,
};

pub(super) static METRICS: Object = Object {
    name: "Metrics",
    about: "Which metrics are exported, and to whom.",
    kind: Kind::Singleton,
    form: &Form {
        name: "Metrics",
        fields: Fields::Single(&[
            field(
                "metrics",
                "Metrics",
                Takes::Set {
                    of: Member::Enum(Enum::MetricType),
                    min: 0,
                    max: MANY,
                },
                Default::Empty,
                "Metrics of the catalogue.",
            ),
            field(
                "metricsPolicy",
                "Policy",
                word(&EVENT_POLICY),
                Default::Text("exclude"),
                "Whether the listed metrics are the only ones, or those that are left out.",
            ),
            field(
                "openTelemetry",
                "OpenTelemetry",
                Takes::Object { form: &OTEL },
                Default::Part("Disabled", &[]),
                "A collector to which metrics are pushed.",
            ),
            field(
                "prometheus",
                "Prometheus",
                Takes::Object { form: &PROMETHEUS },
                Default::Part("Enabled", &[]),
                "Whether scrapes are answered. (The reference begins with `Disabled`.)",
            ),
        ]),
    },
    list: List {
        title: "Metrics",
        subtitle: "Which metrics are exported, and to whom",
        singular: "metrics",
        plural: "metrics",
        label: None,
        columns: &["metricsPolicy"],
        filters: &[],
    },
    is_enterprise: false,
};

static OTEL: Form = Form {
    name: "MetricsOtel",
    fields: Fields::Multiple {
        variants: &[
            Variant {
                name: "Disabled",
                label: "Disabled",
                fields: &[],
                is_refused: false,
            },
            Variant {
                name: "Http",
                label: "HTTP",
                fields: &[HTTP, PUSH, AUTH],
                is_refused: false,
            },
            Variant {
                name: "Grpc",
                label: "gRPC",
                fields: &[GRPC, PUSH],
                is_refused: false,
            },
        ],
        default: Some("Disabled"),
    },
};

const HTTP: &[Field] = &[field(
    "endpoint",
    "Endpoint",
    URI,
    Default::Required,
    "The URL of the collector.",
)];

const GRPC: &[Field] = &[field(
    "endpoint",
    "Endpoint",
    text_or_null(Format::Uri, 2_048),
    Default::Null,
    "The URL of the collector; http://localhost:4317 where nothing is said.",
)];

const PUSH: &[Field] = &[
    field(
        "interval",
        "Interval",
        DURATION,
        Default::Number(60_000),
        "Time between two exports.",
    ),
    field(
        "timeout",
        "Time-out",
        DURATION,
        Default::Number(10_000),
        "Longest time that an export may take.",
    ),
];

const AUTH: &[Field] = &[
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
        "Headers of every request.",
    ),
];

static PROMETHEUS: Form = Form {
    name: "MetricsPrometheus",
    fields: Fields::Multiple {
        variants: &[
            Variant {
                name: "Disabled",
                label: "Disabled",
                fields: &[],
                is_refused: false,
            },
            Variant {
                name: "Enabled",
                label: "Enabled",
                fields: &[&[
                    field(
                        "authUsername",
                        "User name",
                        SHORT_TEXT_OR_NULL,
                        Default::Null,
                        "Name that a scraper must show; what other clients show where nothing is said.",
                    ),
                    field(
                        "authSecret",
                        "Password",
                        SECRET_OR_NONE,
                        Default::Part("None", &[]),
                        "Password that a scraper must show.",
                    ),
                ]],
                is_refused: false,
            },
        ],
        default: Some("Disabled"),
    },
};
