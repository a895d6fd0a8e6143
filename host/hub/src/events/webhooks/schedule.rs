//! When something that failed is tried again, and since when it fails: arithmetic on moments that are given.
//!
//! Each event that failed has one, and the endpoint as a whole: after a failure follows a random pause that grows with
//! each failure in a row.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause is up to this, and half of it at least.
const FIRST: Duration = Duration::from_secs(2);
/// And no pause is longer, unless the other side asks for it.
const SLOWEST: Duration = Duration::from_secs(5 * 60);
/// What the other side may ask for.
const MOST_ASKED: Duration = Duration::from_secs(60 * 60);
/// How long an event waits, and something fails, until it is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Of one event, or of an endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    /// The first failure since a success.
    failing_since: Option<Instant>,
    /// Failures since then.
    failures: u32,
    not_before: Option<Instant>,
}

impl Schedule {
    /// When the next try may be made, where that is not at once.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Whether nothing has succeeded since the last failure.
    pub(super) fn is_failing(&self) -> bool {
        self.failing_since.is_some()
    }

    /// Whether it has been failing for so long that what has waited for as long is given up.
    pub(super) fn is_hopeless(&self, now: Instant) -> bool {
        self.failing_since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE)
    }

    /// A post failed. `roll` is random, from 0 to 1.
    pub(super) fn failed(&mut self, now: Instant, roll: f64) {
        self.failing_since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + pause(self.failures, roll));
    }
}

/// Until when the other side is left alone that asks for so long.
pub(super) fn asked_until(now: Instant, asked: Duration) -> Instant {
    now + asked.min(MOST_ASKED)
}

fn pause(failures: u32, roll: f64) -> Duration {
    let bound = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(SLOWEST);
    bound / 2 + (bound / 2).mul_f64(roll.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn pauses_grow_from_a_second_to_five_minutes() {
        let bounds: Vec<_> = (1..=12).map(|failures| pause(failures, 1.0).as_secs()).collect();
        assert_eq!(bounds, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
        assert_eq!((pause(1, 0.0), pause(u32::MAX, 0.0)), (secs(1), secs(150)));
    }

    #[test]
    fn what_the_other_side_asks_for_is_obeyed_up_to_an_hour() {
        let now = Instant::now();
        for (asked, wait) in [(0, 0), (30, 30), (3600, 3600), (100_000, 3600)] {
            assert_eq!(asked_until(now, secs(asked)), now + secs(wait), "{asked}");
        }
    }

    #[test]
    fn each_failure_begins_a_longer_pause() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        assert_eq!((schedule.not_before(), schedule.is_failing()), (None, false));
        schedule.failed(now, 0.0);
        assert_eq!((schedule.not_before(), schedule.is_failing()), (Some(now + secs(1)), true));
        schedule.failed(now + secs(2), 0.0);
        assert_eq!(schedule.not_before(), Some(now + secs(4)));
    }

    #[test]
    fn a_day_of_failures_is_hopeless() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        assert!(!schedule.is_hopeless(start + 100 * PATIENCE), "nothing has failed");
        schedule.failed(start, 0.0);
        assert!(!schedule.is_hopeless(start + PATIENCE - secs(1)));
        assert!(schedule.is_hopeless(start + PATIENCE));
    }
}
