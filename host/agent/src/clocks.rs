//! Whether the sandbox stood still: arithmetic on three clocks, and on how late a look at them comes.
//!
//! Owner: the beat, which looks at least once per [`TICK`]. A suspended machine shows in the clock that counts through
//! a suspension (`CLOCK_BOOTTIME`) running ahead of the one that does not (`CLOCK_MONOTONIC`); one that was paused from
//! outside, or restored from a snapshot, shows in the wall clock being ahead once somebody has set it; processes that
//! were stopped (SIGSTOP, the freezer) show in a look that comes late. A wall clock that is set back means nothing. One
//! that is set ahead, by [`JUMP`] or more at once, cannot be told from a pause, and counts as one: that is what NTP
//! does to a clock that was far behind, once, and slewing it does not reach.

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// Between two looks, at most.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// What the clocks may be apart without anything having stood still.
const JUMP: Duration = Duration::from_secs(5);

/// The clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Does not count while the machine is suspended.
    monotonic: Instant,
    /// Counts then, too; since the machine was started.
    boot: Duration,
    /// What anybody may set.
    wall: SystemTime,
}

/// What was last seen of the clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    last: Reading,
}

impl Reading {
    /// The clocks now.
    pub(crate) fn now() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        // It is since the machine was started, so that neither is ever negative.
        let boot = Duration::new(boot.tv_sec.try_into().unwrap_or(0), boot.tv_nsec.try_into().unwrap_or(0));
        Reading { monotonic: Instant::now(), boot, wall: SystemTime::now() }
    }
}

impl Clocks {
    /// First seen as they are now.
    pub(crate) fn new(now: Reading) -> Self {
        Clocks { last: now }
    }

    /// When to look next.
    pub(crate) fn due(&self) -> Instant {
        self.last.monotonic + TICK
    }

    /// Looks again. For how long everything has stood still since the last look, where it has; `interval` is the one
    /// between reports.
    pub(crate) fn look(&mut self, now: Reading, interval: Duration) -> Option<Duration> {
        let passed = now.monotonic.saturating_duration_since(self.last.monotonic);
        let boot = now.boot.saturating_sub(self.last.boot).saturating_sub(passed);
        // Set back, it has an error here.
        let wall = now.wall.duration_since(self.last.wall).unwrap_or_default().saturating_sub(passed);
        self.last = now;
        let ahead = [boot, wall].into_iter().filter(|ahead| *ahead >= JUMP).max();
        // With reports that are close together a whole one is missing earlier. A busy machine is no pause.
        let late = passed.saturating_sub(TICK);
        let late = Some(late).filter(|late| *late >= interval.clamp(TICK, JUMP));
        (ahead.is_some() || late.is_some()).then(|| ahead.unwrap_or_default() + late.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn moved(from: Reading, monotonic: Duration, boot: Duration, wall: Duration) -> Reading {
        Reading { monotonic: from.monotonic + monotonic, boot: from.boot + boot, wall: from.wall + wall }
    }

    fn stood_still(monotonic: Duration, boot: Duration, wall: Duration, interval: Duration) -> Option<Duration> {
        let start = Reading::now();
        let mut clocks = Clocks::new(start);
        let now = moved(start, monotonic, boot, wall);
        let found = clocks.look(now, interval);
        assert_eq!(clocks.look(moved(now, s(1), s(1), s(1)), interval), None, "it is found once");
        found
    }

    #[test]
    fn clocks_that_go_together_say_nothing() {
        assert_eq!(stood_still(s(1), s(1), s(1), s(30)), None);
        assert_eq!(stood_still(s(1), s(5), s(5), s(30)), None, "less than a jump");
        assert_eq!(stood_still(s(5), s(5), s(5), s(30)), None, "a look that is a little late");
    }

    #[test]
    fn a_suspended_machine_is_known_by_the_clock_that_went_on() {
        assert_eq!(stood_still(s(1), s(61), s(61), s(30)), Some(s(60)));
        assert_eq!(stood_still(s(1), s(61), s(1), s(30)), Some(s(60)), "whatever the wall clock says");
    }

    #[test]
    fn a_restored_machine_is_known_by_its_wall_clock() {
        assert_eq!(stood_still(s(1), s(1), s(3601), s(30)), Some(s(3600)));
    }

    #[test]
    fn a_wall_clock_that_is_set_back_means_nothing() {
        let start = Reading::now();
        let back = Reading { wall: start.wall - s(86_400), ..moved(start, s(1), s(1), s(0)) };
        assert_eq!(Clocks::new(start).look(back, s(30)), None);
    }

    #[test]
    fn stopped_processes_are_known_by_a_look_that_comes_late() {
        assert_eq!(stood_still(s(11), s(11), s(11), s(30)), Some(s(10)));
        assert_eq!(stood_still(s(3), s(3), s(3), s(2)), Some(s(2)), "a whole interval");
        assert_eq!(stood_still(Duration::from_millis(1900), s(2), s(2), Duration::from_millis(10)), None, "only busy");
        assert_eq!(stood_still(s(11), s(71), s(71), s(30)), Some(s(70)), "stopped and suspended");
    }

    #[test]
    fn real_clocks_go_together() {
        let mut clocks = Clocks::new(Reading::now());
        assert!(clocks.due() > Instant::now());
        assert_eq!(clocks.look(Reading::now(), s(30)), None);
    }
}
