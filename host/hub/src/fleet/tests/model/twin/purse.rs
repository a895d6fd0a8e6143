//! What is told of a sandbox in the model: an event costs a minute, and there are sixty at most.

use crate::event::Kind;

const MINUTE: u64 = 60;
const MOST: u64 = 60 * MINUTE;

/// What is left. Times are in seconds since the hub started.
#[derive(Clone, Debug)]
pub(super) struct Purse {
    left: u64,
    at: u64,
    end_told: bool,
}

impl Purse {
    /// A full one.
    pub(super) fn new() -> Self {
        Purse { left: MOST, at: 0, end_told: false }
    }

    /// Pays for so many events, where there is enough for all.
    pub(super) fn take(&mut self, events: u64, now: u64) -> bool {
        self.left = MOST.min(self.left + now - self.at);
        self.at = now;
        self.end_told &= self.left < MOST;
        let enough = self.left >= events * MINUTE;
        self.left -= if enough { events * MINUTE } else { 0 };
        enough
    }

    /// What is told where an event is wanted.
    pub(super) fn tell(&mut self, kind: Kind, now: u64) -> Option<Kind> {
        if self.take(1, now) { Some(kind) } else { self.tell_end() }
    }

    /// That less is told, once.
    pub(super) fn tell_end(&mut self) -> Option<Kind> {
        let again = std::mem::replace(&mut self.end_told, true);
        (!again).then_some(Kind::Suppressed)
    }

    /// When there is enough for so many events.
    pub(super) fn has(&self, events: u64) -> u64 {
        self.at + (events * MINUTE).saturating_sub(self.left)
    }
}
