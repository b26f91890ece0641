//! Requests of an account that are served at a time: nobody takes the places of all others.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tidings_event::Id;

use crate::manage::Identity;

/// Who has how many requests under way.
#[derive(Debug)]
pub(super) struct Shares {
    most: usize,
    taken: Arc<Mutex<FxHashMap<Id, usize>>>,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Share {
    account: Id,
    taken: Arc<Mutex<FxHashMap<Id, usize>>>,
}

impl Shares {
    /// So many for each.
    pub(super) fn new(most: usize) -> Shares {
        Shares {
            most,
            taken: Arc::default(),
        }
    }

    /// A share for a request; `None` if the account has all that it may have.
    pub(super) fn take(&self, who: &Identity) -> Option<Share> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(who.account).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share {
            account: who.account,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.account);
            }
        }
    }
}
