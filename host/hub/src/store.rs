//! The hub's state: the only file that knows how it is kept.
//!
//! Now it is in memory alone and gone with the process. The shape is that of a durable store: registrations, deletions
//! and transitions go through `async` functions that return once they will survive, so that nothing is answered or
//! announced before; what reading and beats need never waits for a disk. Owner of the state is this lock; it is held
//! for one change or one page, never across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use crate::config::Config;
use crate::fleet::{Beat, Fleet, Outcome, Page, Query, Refused, Registration, Sender, Snapshot, Transition};

/// So many sandboxes are looked at under one lock.
const BATCH: usize = 1024;

/// The hub's state.
#[derive(Debug)]
pub(crate) struct Store {
    fleet: Mutex<Fleet>,
}

impl Store {
    /// An empty store.
    pub(crate) fn new(config: &Config) -> Self {
        Store { fleet: Mutex::new(Fleet::new(config.liveness.clone(), config.max_sandboxes)) }
    }

    /// Adds a sandbox.
    ///
    /// # Errors
    /// The id is taken, or the hub is full.
    pub(crate) async fn register(&self, registration: Arc<Registration>) -> Result<(), Refused> {
        self.fleet().register(registration, Instant::now())
    }

    /// Forgets a sandbox.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Refused> {
        self.fleet().remove(id)
    }

    /// Takes a report; see [`Fleet::report`].
    ///
    /// # Errors
    /// The sandbox is not there any more, or a new one finds the hub full.
    pub(crate) async fn report(&self, sender: &Sender, beat: Beat) -> Result<Outcome, Refused> {
        self.fleet().report(sender, beat)
    }

    /// What silence has changed since the last call, and whether to ask again at once.
    pub(crate) async fn expire(&self) -> (Vec<Transition>, bool) {
        self.fleet().expire(Instant::now(), Timestamp::now(), BATCH)
    }

    /// A sandbox's registration.
    pub(crate) fn registration(&self, id: &str) -> Option<Arc<Registration>> {
        self.fleet().registration(id)
    }

    /// A sandbox as it is now.
    pub(crate) fn find(&self, id: &str) -> Option<Snapshot> {
        self.fleet().find(id, Instant::now(), Timestamp::now())
    }

    /// The sandboxes that a query asks for, as they are now.
    pub(crate) fn page(&self, query: &Query) -> Page {
        self.fleet().page(query, Instant::now(), Timestamp::now())
    }

    /// A panic inside the lock has reached its task's owner; the fleet's own steps leave it whole.
    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
