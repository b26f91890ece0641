//! Webhooks and what was delivered to them.

use super::delivery::{HTTP_AUTH, HTTP_HEADERS, SECRET_OR_NONE};
use super::mold::{
    COUNT, COUNT_OR_NULL, DURATION, EVENT_POLICY, EVENTS, SHORT_TEXT_OR_NULL, TIME, TRACING_LEVEL,
    URI, field, shown, text_or_null, word,
};
use crate::describe::{
    Default, Enum, Fields, FilterKind, Form, Format, Kind, List, Object, Takes, Words,
};
use crate::objects::mold::filter;

pub(super) static WEB_HOOK: Object = Object {
    name: "WebHook",
    about: "A URL to which events are posted.",
    kind: Kind::Many,
    form: &Form {
        name: "WebHook",
        fields: Fields::Single(&[
            field(
                "url",
                "URL",
                URI,
                Default::Required,
                "Where to post events.",
            ),
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
            field(
                "level",
                "Level",
                word(&TRACING_LEVEL),
                Default::Text("info"),
                "Applies to events that are not listed by their exact name.",
            ),
            field(
                "lossy",
                "Lossy",
                Takes::Boolean,
                Default::Flag(false),
                "Skip what could not be delivered in time instead of keeping it.",
            ),
            field(
                "throttle",
                "Throttle",
                DURATION,
                Default::Number(1_000),
                "Least time between two requests.",
            ),
            field(
                "timeout",
                "Time-out",
                DURATION,
                Default::Number(30_000),
                "Longest time that a request may take.",
            ),
            field(
                "discardAfter",
                "Discard after",
                DURATION,
                Default::Number(300_000),
                "How long a lossy webhook tries to deliver an event.",
            ),
            field(
                "signatureKey",
                "Signature key",
                SECRET_OR_NONE,
                Default::Part("None", &[]),
                "With what requests are signed.",
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
                "Headers of every request.",
            ),
            field(
                "allowInvalidCerts",
                "Allow invalid certificates",
                Takes::Boolean,
                Default::Flag(false),
                "Whether the certificate of the URL's server is left unchecked.",
            ),
        ]),
    },
    list: List {
        title: "Webhooks",
        subtitle: "URLs to which events are posted",
        singular: "webhook",
        plural: "webhooks",
        label: Some("url"),
        columns: &["url"],
        filters: &[],
    },
    is_enterprise: false,
};

pub(super) static WEB_HOOK_DELIVERY: Object = Object {
    name: "WebHookDelivery",
    about: "A request to a webhook, and how it was answered.",
    kind: Kind::Record,
    form: &Form {
        name: "WebHookDelivery",
        fields: Fields::Single(&[
            shown("timestamp", "Time", TIME, "When it was sent."),
            shown(
                "webHookId",
                "Webhook",
                Takes::ObjectId {
                    object: "WebHook",
                    is_nullable: false,
                },
                "The webhook.",
            ),
            shown(
                "outcome",
                "Outcome",
                word(&DELIVERY_OUTCOME),
                "What became of it.",
            ),
            shown(
                "status",
                "Status",
                COUNT_OR_NULL,
                "The HTTP status of the answer.",
            ),
            shown("elapsed", "Elapsed", DURATION, "How long the answer took."),
            shown("count", "Events", COUNT, "How many events it carried."),
            shown(
                "attempt",
                "Attempt",
                COUNT,
                "The how-manieth attempt it was.",
            ),
            shown(
                "details",
                "Details",
                text_or_null(Format::Text, 4_096),
                "What went wrong.",
            ),
        ]),
    },
    list: List {
        title: "Webhook deliveries",
        subtitle: "Requests to webhooks and their answers",
        singular: "delivery",
        plural: "deliveries",
        label: None,
        columns: &["timestamp", "webHookId", "outcome", "status", "elapsed"],
        filters: &[
            filter("webHookId", "Webhook", FilterKind::Text),
            filter(
                "outcome",
                "Outcome",
                FilterKind::Enum(Enum::Of(&DELIVERY_OUTCOME)),
            ),
            filter("timestamp", "Time", FilterKind::Date),
        ],
    },
    is_enterprise: false,
};

static DELIVERY_OUTCOME: Words = Words {
    name: "WebHookDeliveryOutcome",
    words: &[
        ("delivered", "Delivered"),
        ("retrying", "To be sent again"),
        ("failed", "Failed"),
    ],
};
