//! When an event is posted again, and when no more: arithmetic on moments that are given.
//!
//! All events of a webhook share one schedule, because they go the same way, one after another. After a failure the
//! same event waits a random, growing pause, or for as long as the other side asks. An event is given up when it has
//! waited for a day and nothing has been taken for a day: so each has its day, and an endpoint that is gone for good
//! does not hold up the newer ones for ever.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause is up to this, and half of it at least.
const FIRST: Duration = Duration::from_secs(2);
/// And no pause is longer, unless the other side asks for it.
const SLOWEST: Duration = Duration::from_secs(5 * 60);
/// What the other side may ask for.
const MOST_ASKED: Duration = Duration::from_secs(60 * 60);
/// How long an event waits at least until it is given up.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Of one webhook.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    /// The first failure since an event was taken.
    failing_since: Option<Instant>,
    /// Failures since then.
    failures: u32,
    not_before: Option<Instant>,
}

impl Schedule {
    /// When the next post may be made, where that is not at once.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// A post failed. `asked` is how long the other side wants to be left alone; `roll` is random, from 0 to 1.
    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>, roll: f64) {
        self.failing_since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        let asked = asked.unwrap_or_default().min(MOST_ASKED);
        self.not_before = Some(now + pause(self.failures, roll).max(asked));
    }

    /// An event was taken. Returns how many posts had failed in a row before.
    pub(super) fn succeeded(&mut self) -> u32 {
        std::mem::take(self).failures
    }

    /// Whether an event that has waited for so long is given up.
    pub(super) fn is_over_for(&self, waited: Duration, now: Instant) -> bool {
        waited >= PATIENCE && self.failing_since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE)
    }
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
        for (asked, wait) in [(None, 1), (Some(0), 1), (Some(30), 30), (Some(3600), 3600), (Some(100_000), 3600)] {
            let mut schedule = Schedule::default();
            assert_eq!(schedule.not_before(), None);
            schedule.failed(now, asked.map(secs), 0.0);
            assert_eq!(schedule.not_before(), Some(now + secs(wait)), "{asked:?}");
        }
    }

    #[test]
    fn success_begins_anew() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        assert_eq!(schedule.succeeded(), 0);
        schedule.failed(now, None, 0.0);
        schedule.failed(now, None, 0.0);
        assert_eq!(schedule.succeeded(), 2);
        assert_eq!(schedule.not_before(), None);
        schedule.failed(now, None, 0.0);
        assert_eq!(schedule.not_before(), Some(now + secs(1)));
    }

    #[test]
    fn an_event_has_its_day_and_an_endpoint_that_is_gone_does_not_hold_the_next_ones() {
        let start = Instant::now();
        let (hour, day) = (secs(3600), 24 * secs(3600));
        let mut schedule = Schedule::default();
        assert!(!schedule.is_over_for(100 * day, start), "old, but nothing has failed");
        schedule.failed(start, None, 0.0);
        assert!(!schedule.is_over_for(100 * day, start + 23 * hour), "the hub was away, the endpoint may be back");
        let later = start + day;
        schedule.failed(later, None, 0.0);
        assert!(schedule.is_over_for(day, later));
        assert!(!schedule.is_over_for(23 * hour, later), "a newer one goes on");
        assert!(schedule.is_over_for(day, later + hour), "until its own day is over");
        schedule.succeeded();
        assert!(!schedule.is_over_for(day, later + hour));
    }
}
