//! Which sandboxes have events that are queued and not on disk yet.
//!
//! Memory runs ahead of the disk by these. Until they are stored, a report that was there already is not answered as
//! if it survived, and no beat of the sandbox is saved: after a kill, the agent's next try then makes them anew.
//!
//! Events are added under the fleet's lock, under which they came about, so whoever looks under that lock sees each
//! either here or on disk. They are taken out once they are stored, or will never be.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::Event;

/// How many events each sandbox has under way; those without any are not in it.
#[derive(Debug, Default)]
pub(super) struct Pending(HashMap<Arc<str>, usize>);

impl Pending {
    /// Events are queued.
    pub(super) fn add(&mut self, events: &[Event]) {
        for id in events.iter().filter_map(|event| event.sandbox_id.as_ref()) {
            *self.0.entry(Arc::clone(id)).or_default() += 1;
        }
    }

    /// They are under way no more.
    pub(super) fn settle<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) {
        for id in events.into_iter().filter_map(|event| event.sandbox_id.as_ref()) {
            let Some(count) = self.0.get_mut(id) else { continue };
            *count -= 1;
            if *count == 0 {
                self.0.remove(id);
            }
        }
    }

    /// Whether a sandbox has any.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }
}
