//! How much is told of a sandbox: each has an [`Allowance`] for all the events that its own reports and its silence
//! make, so that none fills the store.
//!
//! What its reports say is left out where nothing is allowed; it stands as it does all the same, and what is still so is
//! told later. A loss is never left out, and neither is the recovery after it, for which it takes the room as well: one
//! that has no room for both is waited for until it has. That is two minutes without an event at the latest, and a sandbox
//! that is silent makes none. The allowance is not kept over a restart of the hub, which no sandbox can bring about.

use std::mem;

use super::health::Turn;
use crate::event::Kind;

/// So many events are allowed at once, and as many in an hour.
const ALLOWED: u32 = 60;
/// One more is allowed after so many seconds.
const REFILL: u32 = 60;
/// What a loss takes: the recovery after it is told in any case.
const LOSS: u32 = 2;

/// How many events a sandbox may still bring about: a bucket of [`ALLOWED`] that fills by one a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    /// When it is full again, in seconds since the fleet was made.
    full: u32,
    /// That some are left out has been said, and it has not been full since.
    told: bool,
}

impl Allowance {
    /// Adds a turn to what is told, where one more is allowed at `now`, in seconds since the fleet was made, and returns
    /// whether it is. Where it is not, a last one says so, once until all of the allowance is back.
    pub(super) fn tell(&mut self, turn: Turn, now: u32, turns: &mut Vec<Turn>) -> bool {
        self.refill(now);
        if self.is_empty(now) {
            self.tell_end(turns);
            return false;
        }
        self.full = self.full.saturating_add(REFILL);
        turns.push(turn);
        true
    }

    /// Whether nothing is allowed at `now`.
    pub(super) fn is_empty(self, now: u32) -> bool {
        self.full.saturating_sub(now) + REFILL > ALLOWED * REFILL
    }

    /// Says that less is told from now on, once until all of the allowance is back.
    pub(super) fn tell_end(&mut self, turns: &mut Vec<Turn>) {
        if !mem::replace(&mut self.told, true) {
            turns.push(Turn::of(Kind::Suppressed));
        }
    }

    /// From when on a loss is allowed, in seconds since the fleet was made; that is never later than after two minutes
    /// without an event.
    pub(super) fn loss_from(self) -> u32 {
        self.full.saturating_sub((ALLOWED - LOSS) * REFILL)
    }

    /// Takes a loss and the recovery after it from what is allowed at `now`.
    pub(super) fn lose(&mut self, now: u32) {
        self.refill(now);
        self.full = self.full.saturating_add(LOSS * REFILL);
    }

    fn refill(&mut self, now: u32) {
        if self.full <= now {
            *self = Allowance { full: now, told: false };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pass, and whether that some do not is said.
    fn pass(allowance: &mut Allowance, count: usize, now: u32) -> (usize, bool) {
        let mut turns = Vec::new();
        let passed = (0..count).filter(|_| allowance.tell(Turn::of(Kind::Restarted), now, &mut turns)).count();
        (passed, turns.len() > passed)
    }

    #[test]
    fn sixty_an_hour_are_told() {
        let mut allowance = Allowance::default();
        assert_eq!(pass(&mut allowance, 60, 1000), (60, false));
        assert_eq!(pass(&mut allowance, 9, 1000), (0, true));
        assert_eq!(pass(&mut allowance, 9, 1000), (0, false), "said once");
        assert_eq!(pass(&mut allowance, 1, 1059), (0, false));
        assert_eq!(pass(&mut allowance, 2, 1060), (1, false));
        assert_eq!(pass(&mut allowance, 61, 1060 + 3600), (60, true), "an hour of calm brings all of it back");
    }

    #[test]
    fn a_loss_has_room_for_its_recovery_at_the_latest_after_two_minutes() {
        let mut allowance = Allowance::default();
        assert_eq!((pass(&mut allowance, 58, 1000), allowance.loss_from()), ((58, false), 1000));
        allowance.lose(1000);
        assert_eq!(allowance.loss_from(), 1120);
        assert_eq!(pass(&mut allowance, 1, 1000), (0, true));
        assert_eq!((pass(&mut allowance, 1, 1060), allowance.loss_from()), ((1, false), 1180));
        allowance.lose(1180);
        assert_eq!(pass(&mut allowance, 1, 1180), (0, false), "that it ends was said");
        allowance.lose(9000);
        assert_eq!((pass(&mut allowance, 59, 9000), allowance.loss_from()), ((58, true), 9120));
    }
}
