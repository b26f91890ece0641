//! Actions, what is made of an object before it is kept, and events of changes.

use std::sync::Mutex;

use serde_json::{Map, Value};
use tidings::emit;
use tidings_admin::describe::Object;
use tidings_admin::{SetError, SetErrorType, TYPE};
use tidings_event::Id;
use tidings_event::time::parse_rfc3339;
use tokio::sync::{Notify, oneshot};

use super::convert::text;
use super::{ChangeKind, Identity, Manager, Registry, Write};

/// A wish that the settings file be read again, and whoever waits for what came of it.
#[derive(Default)]
pub(crate) struct Reload {
    waiting: Mutex<Vec<oneshot::Sender<Result<(), String>>>>,
    /// Told when somebody waits.
    pub(crate) wanted: Notify,
}

impl Reload {
    /// Has the settings file read again, and waits; on a thread that may block.
    fn wait(&self) -> Result<(), String> {
        let (sender, receiver) = oneshot::channel();
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.push(sender);
        }
        self.wanted.notify_one();
        receiver
            .blocking_recv()
            .unwrap_or_else(|_| Err("the server is stopping".to_owned()))
    }

    /// Tells all who wait what came of it.
    pub(crate) fn done(&self, result: &Result<(), String>) {
        let waiting = self
            .waiting
            .lock()
            .map(|mut waiting| std::mem::take(&mut *waiting));
        for sender in waiting.unwrap_or_default() {
            let _ = sender.send(result.clone());
        }
    }
}

impl Manager {
    /// Does what an action says; gives what there is to say of it.
    pub(super) fn act(&self, action: &Map<String, Value>) -> Result<Map<String, Value>, SetError> {
        let failed = |why: String| SetError::new(SetErrorType::ValidationFailed, why);
        let mut told = Map::new();
        match action.get(TYPE).and_then(Value::as_str) {
            Some("ReloadSettings") => self.reload.wait().map_err(failed)?,
            Some("Verify") => {
                let report = self
                    .engine
                    .verify()
                    .map_err(|error| failed(error.to_string()))?;
                let problems: Map<String, Value> = (0_usize..)
                    .map(|number| number.to_string())
                    .zip(report.problems.into_iter().map(Value::from))
                    .collect();
                told.insert("problems".to_owned(), problems.into());
            }
            Some("Merge") => {
                let rules = self.effective().settings.retention;
                let cancel = std::sync::atomic::AtomicBool::new(false);
                let merged = self
                    .engine
                    .maintain(crate::clock::now_ns(), &rules, &cancel);
                merged.map_err(|error| failed(error.to_string()))?;
            }
            Some("ReplayReader") => {
                let runs = self.runs().ok_or_else(|| {
                    failed("the server is only starting, or stopping already".to_owned())
                })?;
                let reader = text(action, "reader").unwrap_or_default();
                let since_ns = text(action, "since").and_then(|time| parse_rfc3339(&time).ok());
                let events = runs.replay(&reader, since_ns).map_err(failed)?;
                told.insert("events".to_owned(), events.into());
            }
            other => return Err(failed(format!("{} cannot be done", other.unwrap_or("it")))),
        }
        Ok(told)
    }

    /// Makes of a checked object what is kept; gives what the answer to its creation shows besides.
    pub(super) fn prepare(
        &self,
        object: &'static Object,
        id: Option<Id>,
        value: &mut Map<String, Value>,
        current: Option<&Map<String, Value>>,
        who: &Identity,
        now_ns: i64,
    ) -> Result<Map<String, Value>, SetError> {
        let access = &self.access;
        access.prepare(object, id, value, current, who, now_ns)
    }

    /// Refuses to take away the last account that can change accounts.
    pub(super) fn refuse_last_admin(
        &self,
        object: &'static Object,
        id: Id,
        becomes: Option<&Map<String, Value>>,
    ) -> Result<(), SetError> {
        match object.name {
            "Account" => self.access.refuse_last_admin(id, becomes),
            _ => Ok(()),
        }
    }
}

/// Tells a change of an account that was not made through the management API.
pub(super) fn tell_account(id: Id, is_new: bool, by: &str) {
    let (collection, id) = ("Account", id.to_string());
    if is_new {
        emit!(
            Registry::ObjectCreated,
            collection = collection,
            id = id,
            account_name = by
        );
    } else {
        emit!(
            Registry::ObjectUpdated,
            collection = collection,
            id = id,
            account_name = by
        );
    }
}

/// Tells a change as an event.
pub(super) fn tell(registry: &Registry, write: &Write, by: &str) {
    let (object, id, is_gone) = match write {
        Write::Put { object, id, .. } => (*object, *id, false),
        Write::Remove { object, id } => (*object, *id, true),
    };
    let last = registry.history(Some(object), 1).unwrap_or_default();
    let is_new = last
        .first()
        .is_some_and(|(_, change)| change.kind == ChangeKind::Created);
    let (collection, id) = (object, id.to_string());
    match (is_gone, is_new) {
        (true, _) => emit!(
            Registry::ObjectDestroyed,
            collection = collection,
            id = id,
            account_name = by
        ),
        (_, true) => emit!(
            Registry::ObjectCreated,
            collection = collection,
            id = id,
            account_name = by
        ),
        _ => emit!(
            Registry::ObjectUpdated,
            collection = collection,
            id = id,
            account_name = by
        ),
    }
}
