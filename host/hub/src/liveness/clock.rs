//! The hub's monotonic time as numbers: nanoseconds since the fleet was made, and ticks, in which silence is judged.
//!
//! Time in which the hub itself stood still is none: whatever its monotonic clock says of it (that of Linux goes on while
//! a process is stopped, and not while its machine is suspended), nobody could be heard then.

use std::time::{Duration, Instant};

/// How finely silence is judged. Something is due at the first tick that is not before its moment.
const TICK_NANOS: u64 = 100_000_000;

/// Nanoseconds since the fleet was made, but for those in which the hub stood still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// Tenths of a second since the fleet was made, 13 years at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(pub(super) u32);

/// Turns the monotonic clock's instants into numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// When it was last seen that the hub goes.
    seen: Instant,
    /// How long it has stood still in all.
    still: Duration,
    /// When it last went on.
    resumed: Moment,
}

impl Clock {
    /// A clock that starts at `now`; what was before is its start.
    pub(crate) fn new(now: Instant) -> Self {
        Clock { start: now, seen: now, still: Duration::ZERO, resumed: Moment::default() }
    }

    /// The hub goes at `now`. Where it was last seen to more than `longest` ago, it stood still in between, which is not
    /// counted; returns for how long.
    pub(crate) fn advance(&mut self, now: Instant, longest: Duration) -> Option<Duration> {
        let gap = now.saturating_duration_since(self.seen);
        self.seen = self.seen.max(now);
        if gap <= longest {
            return None;
        }
        self.still += gap;
        self.resumed = self.moment(now);
        Some(gap)
    }

    /// The moment of an instant; what was before the hub last went on is then.
    pub(crate) fn moment(self, at: Instant) -> Moment {
        let passed = at.saturating_duration_since(self.start).saturating_sub(self.still);
        Moment(nanos(passed)).max(self.resumed)
    }

    /// The instant of a moment, as if the hub had never stood still since.
    pub(crate) fn instant(self, at: Moment) -> Instant {
        self.start.checked_add(self.still + Duration::from_nanos(at.0)).unwrap_or(self.start)
    }
}

impl Moment {
    /// A moment that is this much later.
    pub(crate) fn after(self, wait: Duration) -> Moment {
        Moment(self.0.saturating_add(nanos(wait)))
    }

    /// How long before this one another was; nothing where it was not.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the fleet was made, 136 years at most.
    pub(crate) fn seconds(self) -> u32 {
        u32::try_from(self.0 / 1_000_000_000).unwrap_or(u32::MAX)
    }

    /// The last tick that is not after it.
    pub(crate) fn tick(self) -> Tick {
        Tick(u32::try_from(self.0 / TICK_NANOS).unwrap_or(u32::MAX).min(Tick::LAST.0))
    }

    /// The first tick that is not before it; `None` where that is after the last one.
    pub(crate) fn due(self) -> Option<Tick> {
        u32::try_from(self.0.div_ceil(TICK_NANOS)).ok().map(Tick).filter(|tick| *tick <= Tick::LAST)
    }
}

impl Tick {
    /// The values past it have other meanings.
    pub(super) const LAST: Tick = Tick(u32::MAX - 2);
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_due_at_the_first_tick_that_is_not_before_it() {
        let at = |millis| Moment::default().after(Duration::from_millis(millis));
        assert_eq!((at(99).tick(), at(100).tick()), (Tick(0), Tick(1)));
        assert_eq!((at(100).due(), at(101).due()), (Some(Tick(1)), Some(Tick(2))));
        assert_eq!(at(u64::MAX / 2_000_000).due(), None);
        assert_eq!(at(1).after(Duration::MAX).due(), None);
    }

    #[test]
    fn an_instant_before_the_start_is_the_start() {
        let start = Instant::now() + Duration::from_secs(5);
        let clock = Clock::new(start);
        assert_eq!(clock.moment(start - Duration::from_secs(1)), Moment::default());
        assert_eq!(clock.instant(clock.moment(start + Duration::from_secs(1))), start + Duration::from_secs(1));
    }

    #[test]
    fn no_time_passes_while_the_hub_stands_still() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let moment = |second| Moment::default().after(Duration::from_secs(second));
        let mut clock = Clock::new(start);
        assert_eq!(clock.advance(at(5), Duration::from_secs(5)), None);
        assert_eq!(clock.advance(at(4), Duration::from_secs(5)), None);
        assert_eq!(clock.advance(at(605), Duration::from_secs(5)), Some(Duration::from_secs(600)));
        assert_eq!([at(3), at(605), at(606)].map(|at| clock.moment(at)), [moment(5), moment(5), moment(6)]);
        assert_eq!(clock.instant(moment(4)), at(604));
        assert_eq!(clock.advance(at(610), Duration::from_secs(5)), None);
        assert_eq!(clock.moment(at(610)), moment(10));
    }
}
