//! Alerts, their states, and silences.

use super::mold::{
    LONG, LONG_TEXT, SHORT, SHORT_TEXT, SHORT_TEXT_OR_NULL, TIME, TIME_OR_NULL, field, filter,
    shown, text, text_or_null, word,
};
use crate::describe::{
    Default, Enum, Fields, FilterKind, Form, Format, Kind, List, Member, Object, Takes, Variant,
    Words,
};

pub(super) static ALERT: Object = Object {
    name: "Alert",
    about: "A condition on metrics, and whom to tell when it holds.",
    kind: Kind::Many,
    form: &Form {
        name: "Alert",
        fields: Fields::Single(&[
            field(
                "enable",
                "Enabled",
                Takes::Boolean,
                Default::Flag(true),
                "Whether it is looked at.",
            ),
            field(
                "condition",
                "Condition",
                Takes::Object { form: &EXPRESSION },
                Default::Required,
                "When to tell.",
            ),
            field(
                "emailAlert",
                "By mail",
                Takes::Object { form: &ALERT_EMAIL },
                Default::Part("Disabled", &[]),
                "Whom to write.",
            ),
            field(
                "eventAlert",
                "As an event",
                Takes::Object { form: &ALERT_EVENT },
                Default::Part("Disabled", &[]),
                "Whether to emit an event.",
            ),
        ]),
    },
    list: List {
        title: "Alerts",
        subtitle: "Conditions that are watched",
        singular: "alert",
        plural: "alerts",
        label: Some("condition"),
        columns: &["enable", "condition"],
        filters: &[],
    },
    is_enterprise: true,
};

static EXPRESSION: Form = Form {
    name: "Expression",
    fields: Fields::Single(&[
        field(
            "match",
            "Match",
            Takes::ObjectList {
                form: &EXPRESSION_MATCH,
                max: 64,
            },
            Default::Empty,
            "Branches; the first whose `if` holds says the result.",
        ),
        field(
            "else",
            "Otherwise",
            text(Format::String, LONG),
            Default::Required,
            "The result where no branch holds.",
        ),
    ]),
};

static EXPRESSION_MATCH: Form = Form {
    name: "ExpressionMatch",
    fields: Fields::Single(&[
        field(
            "if",
            "If",
            text(Format::String, LONG),
            Default::Required,
            "A condition.",
        ),
        field(
            "then",
            "Then",
            text(Format::String, LONG),
            Default::Required,
            "The result where it holds.",
        ),
    ]),
};

static ALERT_EMAIL: Form = Form {
    name: "AlertEmail",
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
                        "fromAddress",
                        "From",
                        text(Format::EmailAddress, SHORT),
                        Default::Required,
                        "The sender's address.",
                    ),
                    field(
                        "fromName",
                        "From, name",
                        SHORT_TEXT_OR_NULL,
                        Default::Null,
                        "The sender's name.",
                    ),
                    field(
                        "to",
                        "To",
                        Takes::Set {
                            of: Member::String(Format::EmailAddress),
                            min: 1,
                            max: 64,
                        },
                        Default::Required,
                        "Whom to write.",
                    ),
                    field(
                        "subject",
                        "Subject",
                        SHORT_TEXT,
                        Default::Required,
                        "The subject; `%{metric}%` stands for the value of a metric.",
                    ),
                    field(
                        "body",
                        "Text",
                        LONG_TEXT,
                        Default::Required,
                        "The text; `%{metric}%` stands for the value of a metric.",
                    ),
                ]],
                is_refused: false,
            },
        ],
        default: Some("Disabled"),
    },
};

static ALERT_EVENT: Form = Form {
    name: "AlertEvent",
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
                fields: &[&[field(
                    "eventMessage",
                    "Text",
                    text_or_null(Format::Text, LONG),
                    Default::Null,
                    "The text of the event.",
                )]],
                is_refused: false,
            },
        ],
        default: Some("Disabled"),
    },
};

pub(super) static ALERT_STATE: Object = Object {
    name: "AlertState",
    about: "Whether the condition of an alert holds, and since when.",
    kind: Kind::Record,
    form: &Form {
        name: "AlertState",
        fields: Fields::Single(&[
            shown(
                "alertId",
                "Alert",
                Takes::ObjectId {
                    object: "Alert",
                    is_nullable: false,
                },
                "The alert.",
            ),
            shown("state", "State", word(&STATE), "What it is now."),
            shown("since", "Since", TIME, "Since when it is."),
            shown(
                "details",
                "Details",
                text_or_null(Format::Text, 4_096),
                "The values that led to it, or what went wrong.",
            ),
        ]),
    },
    list: List {
        title: "States of alerts",
        subtitle: "Which alerts fire",
        singular: "state of an alert",
        plural: "states of alerts",
        label: None,
        columns: &["alertId", "state", "since"],
        filters: &[filter("state", "State", FilterKind::Enum(Enum::Of(&STATE)))],
    },
    is_enterprise: false,
};

static STATE: Words = Words {
    name: "AlertStateName",
    words: &[
        ("ok", "Quiet"),
        ("pending", "Pending"),
        ("firing", "Firing"),
        ("error", "Cannot be evaluated"),
    ],
};

pub(super) static SILENCE: Object = Object {
    name: "Silence",
    about: "A time in which alerts tell nobody.",
    kind: Kind::Many,
    form: &Form {
        name: "Silence",
        fields: Fields::Single(&[
            field(
                "alertId",
                "Alert",
                Takes::ObjectId {
                    object: "Alert",
                    is_nullable: true,
                },
                Default::Null,
                "The alert; all of them where nothing is said.",
            ),
            field(
                "from",
                "From",
                TIME_OR_NULL,
                Default::Null,
                "When it begins; now where nothing is said.",
            ),
            field("until", "Until", TIME, Default::Required, "When it ends."),
            field(
                "comment",
                "Comment",
                SHORT_TEXT_OR_NULL,
                Default::Null,
                "Why.",
            ),
        ]),
    },
    list: List {
        title: "Silences",
        subtitle: "Times in which alerts tell nobody",
        singular: "silence",
        plural: "silences",
        label: None,
        columns: &["alertId", "from", "until", "comment"],
        filters: &[],
    },
    is_enterprise: false,
};
