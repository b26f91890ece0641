//! What runs, as objects: readers of the spool, and the state of sources.

use std::sync::{Arc, Weak};

use serde_json::{Map, Value, json};
use tidings_admin::describe::Object;
use tidings_engine::Live;
use tidings_event::{Id, stable_hash};

use super::convert::{members, text};
use super::jmap::Item;
use crate::live::first_since;
use crate::output;
use crate::source::{Board, State};

/// What runs, to be looked at.
pub(crate) struct Runs {
    pub(crate) live: Weak<Live>,
    pub(crate) outputs: Arc<output::Running>,
    pub(crate) board: Arc<Board>,
}

impl Runs {
    /// Records of a kind that the server makes.
    pub(super) fn records(&self, object: &Object) -> Vec<Item> {
        match object.name {
            "Reader" => self.readers(),
            _ => Vec::new(),
        }
    }

    /// The sequence behind the last event of the spool.
    pub(super) fn head(&self) -> Option<u64> {
        Some(self.live.upgrade()?.spool().head())
    }

    /// Has a reader read again what the spool holds since a time, or all of it; gives how many events that
    /// are.
    pub(super) fn replay(&self, id: &str, since_ns: Option<i64>) -> Result<u64, String> {
        let readers = self.readers();
        let Some(reader) = readers.iter().find(|reader| reader.id == id) else {
            return Err(format!("there is no reader {id}"));
        };
        let name = text(&reader.value, "name").unwrap_or_default();
        if text(&reader.value, "class").as_deref() == Some("pinning") {
            return Err(format!(
                "the reader {name} keeps each event once and cannot read it again"
            ));
        }
        let Some(live) = self.live.upgrade() else {
            return Err("the server is stopping".to_owned());
        };
        let from = match since_ns {
            Some(since_ns) => first_since(live.spool(), since_ns)
                .map_err(|error| format!("the spool cannot be read: {error}"))?,
            None => 0,
        };
        self.outputs.replay(&name, from)
    }

    /// The history, and each output.
    fn readers(&self) -> Vec<Item> {
        let mut readers = Vec::new();
        if let Some(live) = self.live.upgrade() {
            let behind = live.history_lag();
            readers.push(reader(json!({
                "name": "history",
                "class": "pinning",
                "cursor": live.spool().head().saturating_sub(behind),
                "lagEvents": behind,
            })));
        }
        for running in self.outputs.running() {
            let stats = running.state.read();
            let dropped = stats.skipped.iter().sum::<u64>() + stats.lost + stats.rejected;
            readers.push(reader(json!({
                "name": running.tracer.name,
                "class": if running.tracer.lossy { "lossy" } else { "durable" },
                "cursor": stats.sequence,
                "lagEvents": stats.behind_events,
                "lagMs": stats.behind_ns / 1_000_000,
                "delivered": stats.delivered,
                "dropped": dropped,
                "problem": stats.last_failure.filter(|_| stats.is_failing),
            })));
        }
        readers
    }

    /// Fills in what the server says of an object.
    pub(super) fn complete(&self, object: &Object, item: &mut Item) {
        if object.name != "Source" {
            return;
        }
        let patterns: Vec<glob::Pattern> = members(&item.value, "paths")
            .iter()
            .filter_map(|pattern| glob::Pattern::new(pattern).ok())
            .collect();
        let is_its = |path: &str| patterns.iter().any(|pattern| pattern.matches(path));
        let all = self.board.all();
        let its: Vec<_> = all.iter().filter(|(path, _)| is_its(path)).collect();
        let sum = |of: fn(&crate::source::Status) -> u64| -> u64 {
            its.iter().map(|(_, status)| of(status)).sum()
        };
        let problems: Vec<String> = its
            .iter()
            .filter(|(_, status)| matches!(status.state, State::Waiting | State::Failed))
            .map(|(path, status)| format!("{path}: {}", status.why))
            .collect();
        let said = json!({
            "files": its.len(),
            "lines": sum(|status| status.lines),
            "lagBytes": sum(|status| status.lag_bytes),
            "problem": (!problems.is_empty()).then(|| problems.join("; ")),
        });
        if let Value::Object(said) = said {
            item.value.extend(said);
        }
    }
}

fn reader(value: Value) -> Item {
    let value = match value {
        Value::Object(value) => value,
        _ => Map::new(),
    };
    let name = value
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let order = stable_hash(&[b"Reader", name.as_bytes()]);
    Item {
        id: Id(order).to_string(),
        order,
        value,
    }
}
