//! One agent as arithmetic: which of its reports there are, and what sending, an answer or a failure makes of them.
//! Pure; times are nanoseconds since the load began.
//!
//! The agent's own rules in short: only the newest report is sent, one at a time; after a failure it is tried again
//! after a random pause that grows, not before `Retry-After` says, and after a final answer not at all; what the hub
//! keeps is left out, but for a whole report now and then.

use std::time::Duration;

/// The first pause after a failure is drawn from an eighth of the interval and no more than this.
const MOST_FIRST_PAUSE: u64 = 1_000_000_000;
/// The longest pause after answers that are final.
const SLOWEST: u64 = 300_000_000_000;
/// Nothing is left out for longer.
const WHOLE_EVERY: u64 = 600_000_000_000;

/// One agent; few bytes, as there may be a million.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Agent {
    /// Of the newest report that was made.
    seq: u64,
    /// Of the one that was sent last.
    pub(crate) sent: u64,
    /// Where its grid begins.
    pub(crate) anchor: u64,
    /// When its next report is due; another entry in the schedule is one that the hub has moved since.
    pub(crate) next: u64,
    /// Where the hub directs another interval than its own; else 0.
    pub(crate) directed: u64,
    /// Nothing is sent before, because of an answer.
    hold: u64,
    /// When a whole report was accepted last.
    whole_at: u64,
    /// Reports since the last accepted one that will never arrive.
    missed: u32,
    /// How many of them the report under way tells of.
    pub(crate) told: u32,
    /// Failures in a row.
    failures: u8,
    /// A report is under way.
    busy: bool,
    /// A report waits, the newest.
    pub(crate) waits: bool,
    /// The hub keeps what may be left out.
    delta: bool,
    /// The report under way is whole.
    pub(crate) whole: bool,
}

/// What kind of failure a report met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It may be over by itself.
    Passing,
    /// The hub wants fewer.
    Throttled,
    /// Only another report can be better.
    Final,
}

/// What follows from a report that was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setback {
    /// It will never arrive.
    pub(crate) missed: bool,
    /// When the next attempt is due.
    pub(crate) again: u64,
}

impl Kind {
    /// That of an answer with this status, which is no success.
    pub(crate) fn of(status: u16) -> Self {
        match status {
            429 => Kind::Throttled,
            408 | 500.. => Kind::Passing,
            _ => Kind::Final,
        }
    }
}

impl Agent {
    /// Makes a report, after so many places that went by without one; gives how many will never be sent for it.
    pub(crate) fn make(&mut self, skipped: u32) -> u32 {
        let superseded = skipped.saturating_add(self.waits.into());
        self.seq += u64::from(skipped) + 1;
        self.missed = self.missed.saturating_add(superseded);
        self.waits = true;
        superseded
    }

    /// Whether a report waits that may be sent now.
    pub(crate) fn may_send(&self, now: u64) -> bool {
        self.waits && !self.busy && self.hold <= now
    }

    /// The newest report is sent. `leaves_out`: there is something in it that could be left out.
    pub(crate) fn send(&mut self, now: u64, leaves_out: bool) {
        (self.sent, self.told) = (self.seq, self.missed);
        self.whole = !(self.delta && leaves_out && now - self.whole_at < WHOLE_EVERY);
        (self.busy, self.waits) = (true, false);
    }

    /// The report sent at `sent` was accepted. `keeps`: the hub keeps what may be left out.
    pub(crate) fn accepted(&mut self, sent: u64, keeps: bool) {
        if self.whole {
            self.whole_at = sent;
        }
        (self.busy, self.delta, self.failures, self.hold) = (false, keeps, 0, 0);
        self.missed = self.missed.saturating_sub(self.told);
    }

    /// The report under way was not accepted. `hold` is how long the hub wants to be left alone, `interval` how long
    /// the agent waits between reports, and `roll` (0 to 1) chooses the pause.
    pub(crate) fn not_accepted(
        &mut self,
        now: u64,
        hold: Option<Duration>,
        kind: Kind,
        interval: u64,
        roll: f64,
    ) -> Setback {
        let is_final = kind == Kind::Final;
        (self.busy, self.delta) = (false, false);
        let doubled = 1_u64 << self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        let pause = if is_final {
            interval.saturating_mul(doubled).min(SLOWEST.max(interval))
        } else {
            let bound = (interval / 8).min(MOST_FIRST_PAUSE).saturating_mul(doubled).min(interval);
            // Below 2⁵³, and the cast saturates.
            (bound as f64 * roll) as u64
        };
        let asked = hold.map(|hold| now.saturating_add(u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX)));
        self.hold = asked.unwrap_or(if kind == Kind::Passing { 0 } else { now.saturating_add(pause) });
        // A newer one that was made meanwhile takes its place; after a final answer it is not tried again.
        let missed = self.waits || is_final;
        self.missed = self.missed.saturating_add(missed.into());
        let newer = self.waits && !is_final;
        self.waits = self.waits || !is_final;
        let again = if newer { now } else { now.saturating_add(pause) };
        Setback { missed, again: again.max(self.hold) }
    }

    /// The hub directs this interval from now on, or none with 0; `false` where that is as it was.
    pub(crate) fn direct(&mut self, directed: u64, now: u64) -> bool {
        let changes = self.directed != directed;
        if changes {
            (self.directed, self.anchor) = (directed, now);
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: u64 = 8_000_000_000;

    fn sending(now: u64) -> Agent {
        let mut agent = Agent::default();
        assert_eq!(agent.make(0), 0);
        agent.send(now, true);
        agent
    }

    #[test]
    fn only_the_newest_is_sent_and_tells_of_those_that_are_not() {
        let mut agent = sending(0);
        assert_eq!((agent.make(0), agent.make(2)), (0, 3), "one that waited, and two places that went by");
        assert!(!agent.may_send(1), "one at a time");
        agent.accepted(0, false);
        assert!(agent.may_send(1));
        agent.send(1, true);
        assert_eq!((agent.sent, agent.told), (5, 3));
        agent.accepted(1, false);
        assert_eq!(agent.missed, 0);
    }

    #[test]
    fn a_passing_failure_is_tried_again_after_a_pause_that_grows() {
        let mut agent = sending(0);
        for bound in [1_000_000_000, 2_000_000_000, 4_000_000_000, INTERVAL, INTERVAL] {
            let setback = agent.not_accepted(100, None, Kind::Passing, INTERVAL, 1.0);
            assert_eq!(setback, Setback { missed: false, again: 100 + bound });
            assert!(agent.may_send(100), "a newer one would not wait");
            agent.send(100, true);
            assert_eq!(agent.sent, 1);
        }
        agent.make(0);
        let setback = agent.not_accepted(200, None, Kind::Passing, INTERVAL, 1.0);
        assert_eq!(setback, Setback { missed: true, again: 200 });
    }

    #[test]
    fn the_hub_is_left_alone_for_as_long_as_it_says() {
        let mut agent = sending(0);
        let setback = agent.not_accepted(5, Some(Duration::from_nanos(70)), Kind::Throttled, INTERVAL, 0.0);
        assert_eq!(setback, Setback { missed: false, again: 75 });
        assert!(!agent.may_send(74) && agent.may_send(75));
        agent.send(75, true);
        assert_eq!(agent.not_accepted(80, None, Kind::Final, INTERVAL, 0.0).again, 80 + 2 * INTERVAL);
        assert!(!agent.waits, "after a final answer only another report is sent");
    }

    #[test]
    fn what_the_hub_keeps_is_left_out_for_a_while() {
        let mut agent = sending(0);
        assert!(agent.whole);
        agent.accepted(0, true);
        for (now, whole) in [(1, false), (WHOLE_EVERY - 1, false), (WHOLE_EVERY, true), (WHOLE_EVERY + 1, false)] {
            agent.make(0);
            agent.send(now, true);
            assert_eq!(agent.whole, whole, "{now}");
            agent.accepted(now, true);
        }
        agent.make(0);
        agent.send(WHOLE_EVERY + 2, true);
        agent.not_accepted(WHOLE_EVERY + 2, None, Kind::Passing, INTERVAL, 0.0);
        agent.send(WHOLE_EVERY + 3, true);
        assert!(agent.whole, "after a failure nothing is left out");
    }

    #[test]
    fn statuses_are_judged_as_the_agent_does() {
        assert_eq!(
            [429, 408, 500, 503, 401, 404].map(Kind::of),
            [Kind::Throttled, Kind::Passing, Kind::Passing, Kind::Passing, Kind::Final, Kind::Final]
        );
    }
}
