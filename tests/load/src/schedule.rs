//! When each agent makes a report: its place in a grid of intervals, and around it a jitter. Pure; times are nanoseconds
//! since the load began.
//!
//! The agent's own rule in short: the first report comes at the agent's start, the others around the places of a grid
//! that begins in the agent's phase; of places that were missed, none is made up for. A fleet that has run for long is
//! what is played here, so the first report comes at the agent's phase, too.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One agent's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Of place 0.
    pub(crate) anchor: u64,
    /// Between places.
    pub(crate) every: u64,
}

/// What comes next for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// It makes a report.
    Report,
    /// The report that waits may be tried again.
    Retry,
}

/// What comes next for all agents, the soonest first.
#[derive(Debug, Default)]
pub(crate) struct Schedule(BinaryHeap<Reverse<(u64, u32, What)>>);

impl Schedule {
    /// Adds something.
    pub(crate) fn push(&mut self, at: u64, agent: u32, what: What) {
        self.0.push(Reverse((at, agent, what)));
    }

    /// When the next thing is due.
    pub(crate) fn next(&self) -> Option<u64> {
        self.0.peek().map(|Reverse((at, ..))| *at)
    }

    /// What is due at `now`.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<(u64, u32, What)> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse(entry)| entry)
    }
}

impl Grid {
    /// The moment of the report that follows the one at `from`: that of the first place more than half an interval away,
    /// moved by up to `jitter` (a part of the interval) to either side as `roll` (0 to 1) says.
    pub(crate) fn after(&self, from: u64, jitter: f64, roll: f64) -> u64 {
        let every = self.every.max(1);
        // A report that came early is not made a second time for its own place.
        let past = from.saturating_add(every / 2);
        let place = match past.checked_sub(self.anchor) {
            Some(since) => self.anchor + (since / every + 1) * every,
            None => self.anchor,
        };
        // Both are far below 2⁵³, and the casts saturate.
        let moved = every as f64 * jitter * (2.0 * roll - 1.0);
        let at = place as f64 + moved;
        (at as u64).max(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_one_interval_apart_and_jitter_does_not_add_up() {
        let grid = Grid { anchor: 300, every: 1000 };
        let mut at = 300;
        for (index, roll) in [1.0, 0.0, 0.5, 1.0, 0.0].into_iter().enumerate() {
            at = grid.after(at, 0.1, roll);
            let place = 300 + 1000 * (u64::try_from(index).unwrap() + 1);
            assert!(at.abs_diff(place) <= 100, "{at} for {place}");
        }
    }

    #[test]
    fn missed_places_are_not_made_up_for() {
        let grid = Grid { anchor: 0, every: 1000 };
        assert_eq!(grid.after(7_900, 0.0, 0.0), 9_000, "8,000 is too near");
        assert_eq!(grid.after(7_400, 0.0, 0.0), 8_000);
    }

    #[test]
    fn the_soonest_comes_first_and_nothing_before_its_time() {
        let mut schedule = Schedule::default();
        schedule.push(20, 1, What::Report);
        schedule.push(10, 2, What::Retry);
        assert_eq!((schedule.next(), schedule.pop_due(9)), (Some(10), None));
        assert_eq!(schedule.pop_due(10), Some((10, 2, What::Retry)));
        assert_eq!(schedule.pop_due(99), Some((20, 1, What::Report)));
        assert_eq!(schedule.pop_due(99), None);
    }
}
