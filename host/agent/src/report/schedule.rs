//! When to report and when to try again: arithmetic on moments that are given.

use std::time::{Duration, Instant};

/// Collectors get half an interval, and no more than this, to measure before a report leaves.
const MOST_LEAD: Duration = Duration::from_secs(1);
/// The first pause after a failure is drawn from an eighth of the interval, and no more than this.
const MOST_FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A report that would follow the last one by less than this part of the interval comes later.
const LEAST: f64 = 0.3;
/// A report follows the last one by no more than this part of the interval.
const MOST: f64 = 1.2;

/// The moments at which reports are due: the first at the start, then a grid of whole intervals, so that nothing
/// drifts.
///
/// Where the grid begins is the sandbox's own [`phase`], which keeps the sandboxes of a fleet that is started at once
/// apart. Each report is due somewhere around its place in the grid, `jitter` of an interval before it at the earliest
/// and after it at the latest, and between [`LEAST`] and [`MOST`] of an interval after the one before it. A place in
/// the grid that comes sooner after a report than that, as can be after the first one and after a late one, is moved to
/// the middle between that report and the next place. Of several places that were missed, none is made up for.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    every: Duration,
    jitter: f64,
    phase: f64,
    /// Place 0 of the grid.
    anchor: Instant,
    /// The first place that no report has had.
    free: u64,
    /// When the last report was made.
    last: Instant,
    due: Instant,
    /// Reports that have been made.
    reports: u64,
}

impl Schedule {
    /// The first report is due at `start`. `jitter` is a part of the interval; `phase` is one, too, from 0 to 1.
    pub(crate) fn new(start: Instant, every: Duration, jitter: f64, phase: f64) -> Self {
        let every = every.max(Duration::from_millis(1));
        let anchor = start + every.mul_f64(phase.clamp(0.0, 1.0));
        Schedule { every, jitter, phase, anchor, free: 0, last: start, due: start, reports: 0 }
    }

    /// When the next report is due, or was, where it has not been made yet.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// The report that was due has been made. `roll` is random, from 0 to 1.
    pub(crate) fn made(&mut self, at: Instant, roll: f64) {
        self.last = at;
        self.reports += 1;
        self.plan(roll);
    }

    /// Reports come at another interval from the last one on, or from now on where the next would have been due by now.
    /// The same interval changes nothing. The grid of the new interval begins there, and after the first report in the
    /// sandbox's phase. `roll` as in [`Schedule::made`].
    pub(crate) fn set_every(&mut self, every: Duration, now: Instant, roll: f64) {
        if every == self.every {
            return;
        }
        let from = if self.last + every > now { self.last } else { now };
        let phase = if self.reports == 1 { self.phase } else { 0.0 };
        let grid = Schedule::new(from, every, self.jitter, phase);
        *self = Schedule { phase: self.phase, reports: self.reports, ..grid };
        self.plan(roll);
        self.due = self.due.max(now);
    }

    /// Between reports.
    pub(crate) fn every(&self) -> Duration {
        self.every
    }

    /// How long before a report is due the collectors are asked.
    pub(crate) fn lead(&self) -> Duration {
        (self.every / 2).min(MOST_LEAD)
    }

    /// Finds the place in the grid for the report after the last one, and when in it the report is due.
    fn plan(&mut self, roll: f64) {
        let place = self.free.max(self.place_after(self.last));
        self.free = place.saturating_add(1);
        let wait = self.at(place).saturating_duration_since(self.last);
        let (least, most) = (self.every.mul_f64(LEAST), self.every.mul_f64(MOST));
        self.due = if wait < least {
            self.last + (wait + self.every) / 2
        } else {
            let jitter = self.every.mul_f64(self.jitter);
            let wait = (wait + jitter.mul_f64(2.0 * roll.clamp(0.0, 1.0))).saturating_sub(jitter);
            self.last + wait.clamp(least, most)
        };
    }

    /// The first place in the grid after a moment.
    fn place_after(&self, moment: Instant) -> u64 {
        let Some(since) = moment.checked_duration_since(self.anchor) else { return 0 };
        u64::try_from(since.as_nanos() / self.every.as_nanos()).map_or(u64::MAX, |places| places.saturating_add(1))
    }

    fn at(&self, place: u64) -> Instant {
        let nanos = self.every.as_nanos().saturating_mul(place.into());
        self.anchor + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A sandbox's place between two beats of its fleet, from 0 to 1: the same at each start and in each version.
pub(crate) fn phase(sandbox_id: &str) -> f64 {
    // FNV-1a, and a last step (that of SplitMix64) which spreads what differs in the last letters only.
    let hash = sandbox_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // 32 bits are exact in an f64.
    let bits = u32::try_from((hash ^ (hash >> 31)) >> 32).unwrap_or(0);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
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

    /// Reports that are made exactly when they are due.
    fn dues(schedule: &mut Schedule, count: usize, mut roll: impl FnMut() -> f64) -> Vec<Instant> {
        let mut next = || {
            let due = schedule.due();
            schedule.made(due, roll());
            due
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn without_jitter_reports_are_whole_intervals_apart_and_lateness_does_not_add_up() {
        for every in [ms(10), ms(100), ms(30_000), ms(24 * 60 * 60 * 1000)] {
            let start = Instant::now();
            let mut schedule = Schedule::new(start, every, 0.0, 0.5);
            assert_eq!(schedule.due(), start);
            schedule.made(start, 0.7);
            for n in 0..1000 {
                assert_eq!(schedule.due(), start + every / 2 + every * n);
                schedule.made(schedule.due() + every.mul_f64(0.69), 0.1);
            }
        }
    }

    #[test]
    fn jitter_moves_each_report_around_its_place_and_never_the_place() {
        let (start, every) = (Instant::now(), ms(1000));
        let mut schedule = Schedule::new(start, every, 0.1, 0.4);
        let mut random = fastrand::Rng::with_seed(7);
        let dues = dues(&mut schedule, 5000, || random.f64());
        let place = |n: u32| start + ms(400) + every * n;
        let (mut early, mut late) = (0, 0);
        for (n, due) in (0..).zip(&dues[1..]) {
            assert!(*due >= place(n) - ms(100) && *due <= place(n) + ms(100), "{n}");
            early += u32::from(*due < place(n) - ms(80));
            late += u32::from(*due > place(n) + ms(80));
        }
        assert!(early > 300 && late > 300, "all of the range is used: {early} {late}");
    }

    #[test]
    fn two_reports_are_never_too_close_nor_too_far_from_each_other() {
        let mut random = fastrand::Rng::with_seed(11);
        for step in 0..=100 {
            let phase = f64::from(step) / 100.0;
            for jitter in [0.0, 0.1, 0.5] {
                let every = ms(10_000);
                let mut schedule = Schedule::new(Instant::now(), every, jitter, phase);
                // Only the ends of the range, which are the worst.
                let dues = dues(&mut schedule, 100, || f64::from(random.bool()));
                for pair in dues.windows(2) {
                    let apart = pair[1] - pair[0];
                    assert!(apart >= ms(3000) && apart <= ms(12_000), "{phase} {jitter}: {apart:?}");
                }
            }
        }
    }

    #[test]
    fn a_place_right_after_the_start_is_moved_to_the_middle() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, ms(1000), 0.0, 0.1);
        assert_eq!(dues(&mut schedule, 4, || 0.0), [0, 550, 1100, 2100].map(|at| start + ms(at)));
    }

    #[test]
    fn missed_beats_are_one_late_beat() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, ms(100), 0.0, 1.0);
        schedule.made(start, 0.0);
        assert_eq!(schedule.due(), start + ms(100));
        schedule.made(start + ms(1050), 0.0);
        assert_eq!(schedule.due(), start + ms(1100));
        // A place that is too near is moved.
        schedule.made(start + ms(1190), 0.0);
        assert_eq!(schedule.due(), start + ms(1245));
        schedule.made(start + ms(1245), 0.0);
        assert_eq!(schedule.due(), start + ms(1300));
    }

    #[test]
    fn another_interval_counts_from_the_last_report() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, ms(100), 0.0, 1.0);
        dues(&mut schedule, 4, || 0.0);
        schedule.set_every(ms(1000), start + ms(310), 0.0);
        assert_eq!(schedule.due(), start + ms(1300));
        schedule.made(start + ms(1300), 0.0);
        schedule.set_every(ms(1000), start + ms(1310), 0.0);
        assert_eq!(schedule.due(), start + ms(2300));
        schedule.set_every(ms(50), start + ms(1310), 0.0);
        assert_eq!(schedule.due(), start + ms(1350));
    }

    #[test]
    fn one_that_is_directed_late_counts_from_then() {
        let start = Instant::now();
        for jitter in [0.0, 0.5] {
            let mut schedule = Schedule::new(start, ms(60_000), jitter, 0.5);
            schedule.made(start, 0.0);
            schedule.made(start + ms(30_000), 0.0);
            let now = start + ms(46_000);
            schedule.set_every(ms(2_000), now, 0.0);
            assert_eq!(schedule.due(), now + ms(2_000).mul_f64(1.0 - jitter), "{jitter}");
            // Just not over, but for the jitter.
            let mut schedule = Schedule::new(start, ms(60_000), jitter, 0.5);
            schedule.made(start, 0.0);
            schedule.made(start + ms(30_000), 0.0);
            let now = start + ms(31_900);
            schedule.set_every(ms(2_000), now, 0.0);
            assert!(schedule.due() >= now, "{jitter}");
        }
    }

    #[test]
    fn a_fleet_that_is_directed_at_its_start_keeps_its_phases() {
        let start = Instant::now();
        for (phase, first) in [(0.5, 5_000), (0.8, 8_000), (0.2, 6_000)] {
            let mut schedule = Schedule::new(start, ms(60_000), 0.0, phase);
            schedule.made(start, 0.0);
            schedule.set_every(ms(10_000), start + ms(10), 0.0);
            assert_eq!(schedule.due(), start + ms(first), "{phase}");
            schedule.made(start + ms(first), 0.0);
            schedule.set_every(ms(20_000), start + ms(first), 0.0);
            assert_eq!(schedule.due(), start + ms(first + 20_000), "{phase}");
        }
    }

    #[test]
    fn a_phase_is_the_sandboxs_own_for_ever_and_a_fleet_is_spread() {
        // Whoever changes these moves every fleet.
        assert_eq!(format!("{:.6} {:.6}", phase("sbox-1"), phase("")), "0.405873 0.957673");
        let mut buckets = [0_u32; 10];
        for n in 0..10_000 {
            let phase = phase(&format!("sandbox-{n}"));
            assert!((0.0..1.0).contains(&phase));
            buckets[usize::try_from((phase * 10.0) as u64).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|count| (850..1150).contains(count)), "{buckets:?}");
    }

    #[test]
    fn collectors_get_a_part_of_the_interval() {
        assert_eq!(Schedule::new(Instant::now(), ms(100), 0.1, 0.0).lead(), ms(50));
        assert_eq!(Schedule::new(Instant::now(), ms(30_000), 0.1, 0.0).lead(), ms(1000));
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
