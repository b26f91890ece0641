//! `EventType`, `Key` and `MetricType`: the catalogue. Their ids are their numbers, from one up.

use serde_json::{Map, Value, json};
use tidings_admin::describe::Object;
use tidings_event::{EventType, Id, Key, MetricInfo, MetricKind};

use super::small::Item;

/// The entries of a catalogue; nothing where the object is none.
pub(super) fn items(object: &Object) -> Option<Vec<Item>> {
    Some(match object.name {
        "EventType" => EventType::all().map(event_type).collect(),
        "Key" => Key::all()
            .map(|key| {
                let described =
                    json!({ "name": key.name, "number": key.id, "description": key.description });
                item(key.id, described)
            })
            .collect(),
        "MetricType" => MetricInfo::all().iter().map(metric).collect(),
        _ => return None,
    })
}

fn event_type(kind: &tidings_event::EventInfo) -> Item {
    let described = json!({
        "name": kind.name,
        "number": kind.id,
        "description": kind.description,
        "level": kind.level.as_str(),
        "isSpanStart": kind.is_span_start(),
        "isSpanEnd": kind.is_span_end(),
        "isRawIo": kind.is_raw_io(),
        "isMetric": kind.is_metric(),
        "isInHistory": kind.is_in_history(),
    });
    item(kind.id, described)
}

fn metric(metric: &MetricInfo) -> Item {
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let described = json!({
        "name": metric.name,
        "kind": kind,
        "unit": metric.unit,
        "description": metric.description,
    });
    item(metric.id, described)
}

fn item(number: u16, described: Value) -> Item {
    let order = u64::from(number) + 1;
    let value = match described {
        Value::Object(value) => value,
        _ => Map::new(),
    };
    Item {
        id: Id(order).to_string(),
        order,
        value,
    }
}
