//! One state of the store with its parts, immutable; what a snapshot holds on to.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_spool::Backend;

use crate::PartId;
use crate::cache::PartCache;
use crate::manifest::{Edit, State};
use crate::open::SharedPart;

/// A state and its parts, kept on disk while any version refers to them.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) state: State,
    pub(crate) parts: BTreeMap<PartId, Arc<SharedPart>>,
}

impl Version {
    /// The version of a state just loaded.
    pub(crate) fn of(state: State, backend: &Arc<dyn Backend>, cache: &Arc<PartCache>) -> Self {
        let parts = state
            .parts
            .values()
            .map(|entry| (entry.id, share(entry, backend, cache)))
            .collect();
        Self { state, parts }
    }

    /// The next version. Parts that the edit removes are buried: their files go when the last
    /// version that refers to them does.
    pub(crate) fn after(
        &self,
        edit: &Edit,
        backend: &Arc<dyn Backend>,
        cache: &Arc<PartCache>,
    ) -> Self {
        let mut state = self.state.clone();
        state.apply(edit);
        let mut parts = self.parts.clone();
        for id in &edit.removed {
            if let Some(part) = parts.remove(id) {
                part.bury();
            }
        }
        for entry in &edit.added {
            parts.insert(entry.id, share(entry, backend, cache));
        }
        Self { state, parts }
    }
}

fn share(
    entry: &crate::manifest::PartEntry,
    backend: &Arc<dyn Backend>,
    cache: &Arc<PartCache>,
) -> Arc<SharedPart> {
    Arc::new(SharedPart::new(
        entry.clone(),
        Arc::clone(backend),
        Arc::clone(cache),
    ))
}
