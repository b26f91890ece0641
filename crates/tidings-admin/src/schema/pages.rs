//! The members `lists`, `dashboards` and `layouts`, and the views: how the reference's web page shows
//! our objects.

use serde_json::{Map, Value, json};

use super::outer;
use crate::OBJECTS;
use crate::describe::{FilterKind, Filterable, Kind, List, Object};

/// A part of an object, or of its list, under a name of its own.
pub(super) struct View {
    pub(super) object: &'static str,
    pub(super) name: &'static str,
    title: &'static str,
    subtitle: &'static str,
    /// What the list is always filtered by.
    only: &'static [(&'static str, &'static str)],
}

/// The reference's views.
pub(super) static VIEWS: &[View] = &[
    View {
        object: "Trace",
        name: "InboundDelivery",
        title: "Incoming sessions",
        subtitle: "Sessions in which mail came",
        only: &[("event", "smtp.connection-start")],
    },
    View {
        object: "Trace",
        name: "OutboundDelivery",
        title: "Delivery attempts",
        subtitle: "Attempts to deliver mail",
        only: &[("event", "delivery.attempt-start")],
    },
    plain_view("Metrics", "CollectorOtel", "OpenTelemetry"),
    plain_view("Metrics", "CollectorPrometheus", "Prometheus"),
    plain_view("DataRetention", "ArchivingRetention", "Archiving"),
    plain_view("DataRetention", "DataCleanup", "Clean-up"),
    plain_view("DataRetention", "DataExpunge", "Expunging"),
    plain_view("DataRetention", "TelemetryRetention", "Telemetry"),
];

const fn plain_view(object: &'static str, name: &'static str, title: &'static str) -> View {
    View {
        object,
        name,
        title,
        subtitle: "",
        only: &[],
    }
}

pub(super) fn lists() -> Value {
    let mut lists = Map::new();
    let listed = |object: &&&Object| matches!(object.kind, Kind::Many | Kind::Record);
    for object in OBJECTS.iter().filter(listed) {
        lists.insert(outer(object.name), list(object));
    }
    for view in VIEWS {
        let Some(object) = Object::named(view.object) else {
            continue;
        };
        if object.kind == Kind::Singleton {
            continue;
        }
        let mut described = list(object);
        described["title"] = view.title.into();
        described["subtitle"] = view.subtitle.into();
        let only: Map<String, Value> = view
            .only
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        described["filtersStatic"] = only.into();
        lists.insert(format!("x:{}/{}", view.object, view.name), described);
    }
    Value::Object(lists)
}

fn list(object: &Object) -> Value {
    let List {
        title,
        subtitle,
        singular,
        plural,
        label,
        columns,
        filters,
    } = &object.list;
    let fields = object.form.all_fields();
    let columns: Vec<Value> = columns
        .iter()
        .map(|name| {
            let field = fields.iter().find(|field| field.name == *name);
            json!({ "name": name, "label": field.map_or("Type", |field| field.label) })
        })
        .collect();
    let mut list = json!({
        "title": title,
        "subtitle": subtitle,
        "singularName": singular,
        "pluralName": plural,
        "columns": columns,
    });
    if let Some(label) = label {
        list["labelProperty"] = (*label).into();
    }
    if !filters.is_empty() {
        list["filters"] = filters.iter().map(filter).collect();
    }
    list
}

fn filter(filter: &Filterable) -> Value {
    let Filterable { name, label, kind } = filter;
    match kind {
        FilterKind::Text => json!({ "type": "text", "field": name, "label": label }),
        FilterKind::Integer => json!({ "type": "integer", "field": name, "label": label }),
        FilterKind::Date => json!({ "type": "date", "field": name, "label": label }),
        FilterKind::Enum(of) => {
            json!({ "type": "enum", "field": name, "enumName": of.name(), "label": label })
        }
    }
}

pub(super) fn dashboards() -> Value {
    json!([{
        "id": "overview",
        "label": "Overview",
        "cards": [
            counted("Messages received", "inbox", &["queue.message-queued", "queue.authenticated-message-queued"]),
            counted("Delivered", "send", &["delivery.delivered"]),
            counted("Refused recipients", "ban", &["delivery.rcpt-to-rejected"]),
            counted("Failed sign-ins", "lock", &["auth.failed"]),
            {
                "title": "In the queue", "icon": "clock", "source": "live", "metrics": ["queue.count"],
                "aggregate": "sum", "format": "number", "description": "Messages that wait for delivery"
            },
            {
                "title": "Time to delivery", "icon": "timer", "source": "history",
                "metrics": ["delivery.total-time"], "aggregate": "avg", "format": "duration",
                "sparkline": true, "description": "From the first attempt to the last"
            },
        ],
        "charts": [
            {
                "title": "Deliveries", "kind": "area", "stacked": true, "valueFormat": "number",
                "series": [
                    series("Delivered", &["delivery.delivered"]),
                    series("Recipient refused", &["delivery.rcpt-to-rejected"]),
                    series("Tried again later", &["queue.rescheduled"]),
                ],
                "description": "What became of attempts to deliver mail"
            },
            {
                "title": "Sessions", "kind": "line", "valueFormat": "number",
                "series": [
                    series("SMTP", &["smtp.connection-start"]),
                    series("IMAP", &["imap.connection-start"]),
                    series("POP3", &["pop3.connection-start"]),
                ],
                "description": "Sessions that were begun"
            },
            {
                "title": "Sign-ins", "kind": "bar", "valueFormat": "number",
                "series": [
                    series("Succeeded", &["auth.success"]),
                    series("Failed", &["auth.failed"]),
                ],
                "description": "Sign-ins to the mail server"
            },
        ],
    }])
}

/// A card with a sum over the history.
fn counted(title: &str, icon: &str, metrics: &[&str]) -> Value {
    json!({
        "title": title, "icon": icon, "source": "history", "metrics": metrics, "aggregate": "sum",
        "format": "number", "sparkline": true, "delta": true
    })
}

fn series(label: &str, metrics: &[&str]) -> Value {
    json!({ "label": label, "metrics": metrics, "aggregate": "sum" })
}

pub(super) fn layouts() -> Value {
    json!([
        {
            "name": "Mail",
            "icon": "mail",
            "items": [
                link("Messages", "search", "x:Message"),
                { "container": { "name": "Traces", "icon": "route", "items": [
                    inner("Incoming sessions", "x:Trace/InboundDelivery"),
                    inner("Delivery attempts", "x:Trace/OutboundDelivery"),
                    inner("All", "x:Trace"),
                ] } },
                link("Log", "list", "x:Log"),
                link("Metrics", "activity", "x:Metric"),
            ],
        },
        {
            "name": "Telemetry",
            "icon": "radio",
            "items": [
                { "container": { "name": "Outputs", "icon": "send", "items": [
                    inner("Tracers", "x:Tracer"),
                    inner("Webhooks", "x:WebHook"),
                    inner("Webhook deliveries", "x:WebHookDelivery"),
                    inner("Metrics", "x:Metrics"),
                    inner("Levels of events", "x:EventTracingLevel"),
                ] } },
                { "container": { "name": "Alerts", "icon": "bell", "items": [
                    inner("Alerts", "x:Alert"),
                    inner("States", "x:AlertState"),
                    inner("Silences", "x:Silence"),
                ] } },
                { "container": { "name": "Inputs", "icon": "download", "items": [
                    inner("Sources", "x:Source"),
                    inner("Readers", "x:Reader"),
                ] } },
                { "container": { "name": "Catalogue", "icon": "book", "items": [
                    inner("Event types", "x:EventType"),
                    inner("Keys", "x:Key"),
                    inner("Metrics", "x:MetricType"),
                ] } },
            ],
        },
        {
            "name": "Settings",
            "icon": "settings",
            "items": [
                link("Retention", "archive", "x:DataRetention"),
                { "container": { "name": "Storage", "icon": "database", "items": [
                    inner("Events", "x:TracingStore"),
                    inner("Metrics", "x:MetricsStore"),
                ] } },
                { "container": { "name": "Access", "icon": "users", "items": [
                    inner("Accounts", "x:Account"),
                    inner("API keys", "x:ApiKey"),
                ] } },
            ],
        },
    ])
}

fn link(name: &str, icon: &str, view: &str) -> Value {
    json!({ "link": { "name": name, "icon": icon, "viewName": view } })
}

fn inner(name: &str, view: &str) -> Value {
    json!({ "type": "link", "name": name, "viewName": view })
}
