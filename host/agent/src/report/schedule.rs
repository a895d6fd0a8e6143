//! When to report and when to try again: arithmetic on moments that are given.

use std::time::{Duration, Instant};

/// Collectors get half an interval, and no more than this, to measure before a report leaves.
const MOST_LEAD: Duration = Duration::from_secs(1);
/// The first pause after a failure is drawn from an eighth of the interval, and no more than this.
const MOST_FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The moments at which reports are due: a fixed start and whole intervals after it, so that nothing drifts.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    anchor: Instant,
    every: Duration,
    last: Instant,
}

impl Schedule {
    /// The first report is due at `start`.
    pub(crate) fn new(start: Instant, every: Duration) -> Self {
        Schedule { anchor: start, every: every.max(Duration::from_millis(1)), last: start }
    }

    /// The report that was due at `due` has been made.
    pub(crate) fn made(&mut self, due: Instant) {
        self.last = due;
    }

    /// Reports come at another interval from the last one on. The same interval changes nothing.
    pub(crate) fn set_every(&mut self, every: Duration) {
        if every != self.every {
            *self = Schedule::new(self.last, every);
        }
    }

    /// Between reports.
    pub(crate) fn every(&self) -> Duration {
        self.every
    }

    /// When the report after the last one is due. Of several that were missed, only the latest is left, and is in
    /// the past.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let done = self.steps(self.last);
        let passed = self.steps(now);
        self.anchor + self.every.saturating_mul(passed.max(done.saturating_add(1)))
    }

    /// How long before a report is due the collectors are asked.
    pub(crate) fn lead(&self) -> Duration {
        (self.every / 2).min(MOST_LEAD)
    }

    /// Whole intervals between the anchor and a moment.
    fn steps(&self, moment: Instant) -> u32 {
        let since = moment.saturating_duration_since(self.anchor);
        u32::try_from(since.as_nanos() / self.every.as_nanos()).unwrap_or(u32::MAX)
    }
}

/// How long to pause before the attempt that follows `failures` failed ones in a row: anything up to a bound that
/// doubles with each (full jitter), never past one interval. `roll` is random, from 0 to 1.
pub(super) fn pause(failures: u32, interval: Duration, roll: f64) -> Duration {
    let first = (interval / 8).min(MOST_FIRST_PAUSE);
    let doublings = failures.saturating_sub(1).min(16);
    let bound = first.saturating_mul(1 << doublings).min(interval);
    bound.mul_f64(roll.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn lateness_does_not_add_up() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, ms(100));
        let mut now = start;
        for n in 1..=1000 {
            let due = schedule.next(now);
            assert_eq!(due, start + ms(100) * n);
            schedule.made(due);
            now = due + ms(37);
        }
    }

    #[test]
    fn missed_beats_are_one_late_beat() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, ms(100));
        schedule.made(start + ms(100));
        let now = start + ms(1050);
        let due = schedule.next(now);
        assert_eq!(due, start + ms(1000));
        schedule.made(due);
        assert_eq!(schedule.next(now), start + ms(1100));
    }

    #[test]
    fn another_interval_counts_from_the_last_report() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, ms(100));
        schedule.made(start + ms(300));
        schedule.set_every(ms(1000));
        assert_eq!(schedule.next(start + ms(310)), start + ms(1300));
        schedule.made(start + ms(1300));
        schedule.set_every(ms(1000));
        assert_eq!(schedule.next(start + ms(1310)), start + ms(2300));
        schedule.set_every(ms(50));
        assert_eq!(schedule.next(start + ms(1310)), start + ms(1350));
    }

    #[test]
    fn collectors_get_a_part_of_the_interval() {
        assert_eq!(Schedule::new(Instant::now(), ms(100)).lead(), ms(50));
        assert_eq!(Schedule::new(Instant::now(), ms(30_000)).lead(), ms(1000));
    }

    #[test]
    fn pauses_double_and_stay_within_one_interval() {
        let most: Vec<Duration> = (1..=7).map(|failures| pause(failures, ms(30_000), 1.0)).collect();
        assert_eq!(most, [ms(1000), ms(2000), ms(4000), ms(8000), ms(16_000), ms(30_000), ms(30_000)]);
        assert_eq!(pause(1, ms(800), 1.0), ms(100));
        assert_eq!(pause(u32::MAX, ms(800), 0.5), ms(400));
        assert_eq!(pause(3, ms(800), 0.0), ms(0));
        assert!(pause(3, ms(800), f64::INFINITY) <= ms(800));
    }
}
