//! Where the plugins' tasks show how they stand, and where the report and the local API look.
//!
//! Each plugin has a slot that only its own task writes to. Locks are held for the length of a copy, never across
//! an await, so a reader cannot be kept waiting by a collector.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandbeat_status::{PluginState, PluginStatus};

use crate::Contribution;

/// All slots, by plugin name.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<String, Arc<Slot>>>);

/// What one plugin shows.
#[derive(Debug)]
pub(crate) struct Slot(Mutex<Shown>);

#[derive(Clone, Debug)]
struct Shown {
    status: PluginStatus,
    contribution: Option<Contribution>,
}

impl Board {
    /// A slot for a plugin, in place of an earlier one of that name.
    pub(crate) fn open(&self, status: PluginStatus) -> Arc<Slot> {
        let name = status.name.clone();
        let slot = Arc::new(Slot(Mutex::new(Shown { status, contribution: None })));
        lock(&self.0).insert(name, slot.clone());
        slot
    }

    pub(crate) fn close(&self, name: &str) {
        lock(&self.0).remove(name);
    }

    pub(crate) fn statuses(&self) -> Vec<PluginStatus> {
        lock(&self.0).values().map(|slot| lock(&slot.0).status.clone()).collect()
    }

    pub(crate) fn contributions(&self) -> Vec<Contribution> {
        lock(&self.0).values().filter_map(|slot| lock(&slot.0).contribution.clone()).collect()
    }
}

impl Slot {
    pub(crate) fn show(&self, status: PluginStatus, contribution: Option<Contribution>) {
        *lock(&self.0) = Shown { status, contribution };
    }
}

/// The status of a plugin that has just been found.
pub(crate) fn fresh(name: &str) -> PluginStatus {
    PluginStatus {
        name: name.to_owned(),
        version: None,
        digest: None,
        state: PluginState::Compiling,
        failure: None,
        reason: None,
        calls: 0,
        failures: 0,
        points_rejected: 0,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
