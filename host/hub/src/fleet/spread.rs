//! Spreads the reports of a fleet, so that no more than so many a second are expected.
//!
//! A schedule of slots, one after the other at the rate that is wanted: a report that was expected takes the next one
//! (the generic cell rate algorithm). How far away that is, is how long the fleet needs for one round; whoever would
//! report sooner is directed to it, and whoever reports more rarely keeps its own interval, so that those that report
//! most often give way first. Where the fleet fits, the next slot is never far away, and nobody is directed. Slots of
//! sandboxes that do not come any more pass unused, and the round becomes shorter by itself.
//!
//! A sandbox has one slot at a time: a report before it, or before the agent's own interval is over, moves nothing and
//! is directed to the slot that the sandbox has. So a round is never longer than one slot for each sandbox, however
//! often some of them report. Nobody is directed so far away that a loss would be noticed much later than its agent was
//! set up for: where that would be wanted the rate is exceeded, and the log says so.

use std::time::Duration;

use crate::liveness::clock::Moment;

/// Nobody is directed to report more rarely than this,
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// nor than after so many of its own intervals.
const MOST_INTERVALS: u32 = 10;
/// A report is not early where it comes before its time by no more than this part of the wait: agents let each report
/// be up to a tenth of the interval before or after its place.
const TOLERANCE: u32 = 4;

/// A schedule of reports.
#[derive(Debug)]
pub(super) struct Spread {
    /// Between two slots.
    step: Duration,
    /// The last slot that is taken.
    taken: Moment,
    /// Somebody was directed to less than the rate needs, and it has not been kept easily since.
    exceeded: bool,
}

/// A sandbox's slot; none as a default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// When it was given.
    given: Moment,
    /// When it is; never the default of a moment.
    at: Moment,
}

impl Spread {
    /// So many reports a second.
    pub(super) fn new(per_second: u32) -> Self {
        Spread { step: Duration::from_secs(1) / per_second.max(1), taken: Moment::default(), exceeded: false }
    }

    /// When the sandbox whose report was accepted at `now` is to report next, where that is later than it would by
    /// itself. In whole milliseconds.
    pub(super) fn next(&mut self, slot: &mut Slot, now: Moment, own: Duration) -> Option<Duration> {
        if !slot.is_ahead(now, own) {
            if self.taken <= now {
                self.exceeded = false;
            }
            self.taken = self.taken.max(now).after(self.step).min(now.after(LONGEST));
            *slot = Slot { given: now, at: self.taken };
        }
        let (wanted, most) = (slot.at.since(now), own.saturating_mul(MOST_INTERVALS).min(LONGEST));
        if wanted >= LONGEST || wanted > most.max(own) {
            self.exceed();
        }
        let wait = wanted.min(most);
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        (wait > own).then(|| Duration::from_millis(millis))
    }

    fn exceed(&mut self) {
        if !std::mem::replace(&mut self.exceeded, true) {
            tracing::warn!(
                "more reports come than `hub.max_reports_per_sec`: agents are not directed further away than \
                 {MOST_INTERVALS} of their own intervals and 10 minutes, so that losses are still noticed; raise it, or \
                 let agents report more rarely"
            );
        }
    }
}

impl Slot {
    /// Whether a report at `now` comes before the one that was expected.
    fn is_ahead(self, now: Moment, own: Duration) -> bool {
        let wait = self.at.since(self.given).max(own);
        self.at != Moment::default() && now < self.given.after(wait - wait / TOLERANCE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BinaryHeap;

    use super::*;

    /// Plays a fleet of agents with these intervals for as many seconds; returns the reports of each second, and each
    /// agent's last assigned interval.
    fn play(per_second: u32, own: &[u64], seconds: u64) -> (Vec<u32>, Vec<u64>) {
        let mut spread = Spread::new(per_second);
        let mut random = fastrand::Rng::with_seed(3);
        let mut next: BinaryHeap<_> =
            own.iter().enumerate().map(|(agent, own)| (-(random.u64(0..own * 1000) as i64), agent)).collect();
        let (mut reports, mut assigned) = (vec![0; seconds as usize], own.to_vec());
        let mut slots = vec![Slot::default(); own.len()];
        while let Some((at, agent)) = next.pop().filter(|(at, _)| -at < seconds as i64 * 1000) {
            reports[(-at / 1000) as usize] += 1;
            let now = Moment::default().after(Duration::from_millis(at.unsigned_abs()));
            let wait = spread
                .next(&mut slots[agent], now, Duration::from_secs(own[agent]))
                .map_or(own[agent] * 1000, |next| u64::try_from(next.as_millis()).unwrap());
            assigned[agent] = wait / 1000;
            next.push((at - wait as i64, agent));
        }
        (reports, assigned)
    }

    #[test]
    fn a_fleet_that_fits_is_left_alone() {
        let (_, assigned) = play(100, &[30; 2000], 300);
        assert_eq!(assigned, [30; 2000], "67 of 100 a second");
    }

    #[test]
    fn a_fleet_that_does_not_fit_reports_at_the_rate() {
        let (reports, assigned) = play(10, &[10; 1000], 1000);
        assert!(assigned.iter().all(|interval| (95..=105).contains(interval)), "{assigned:?}");
        let settled = &reports[200..];
        let mean = f64::from(settled.iter().sum::<u32>()) / settled.len() as f64;
        assert!((9.0..=10.1).contains(&mean), "{mean}");
    }

    #[test]
    fn those_that_report_most_often_give_way() {
        let own: Vec<_> = (0..1000).map(|agent| if agent % 2 == 0 { 10 } else { 300 }).collect();
        let (reports, assigned) = play(10, &own, 3000);
        let mean = f64::from(reports[1000..].iter().sum::<u32>()) / 2000.0;
        assert!((9.0..=10.1).contains(&mean), "{mean}");
        assert!(assigned.iter().skip(1).step_by(2).all(|interval| *interval == 300));
        assert!(assigned.iter().step_by(2).all(|interval| (50..=80).contains(interval)), "500 / (10 - 500/300) = 60");
    }

    const OWN: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Moment {
        Moment::default().after(Duration::from_millis(millis))
    }

    /// Gives each of so many sandboxes its first slot, at once.
    fn begin(per_second: u32, sandboxes: usize) -> (Spread, Vec<Slot>, Vec<Option<Duration>>) {
        let (mut spread, mut slots) = (Spread::new(per_second), vec![Slot::default(); sandboxes]);
        let next = slots.iter_mut().map(|slot| spread.next(slot, at(0), OWN)).collect();
        (spread, slots, next)
    }

    #[test]
    fn who_reports_a_thousand_times_too_often_changes_nothing_for_others() {
        let (mut spread, mut slots, next) = begin(5, 120);
        assert_eq!(next[119], Some(Duration::from_secs(24)), "one round");
        for millis in 0..6000 {
            // Whatever interval it claims.
            let own = Duration::from_millis(100 + millis % 7 * 1000);
            spread.next(&mut slots[119], at(millis), own);
        }
        assert_eq!(spread.taken, at(24_000));
        assert_eq!(spread.next(&mut slots[0], at(8000), OWN), Some(Duration::from_millis(16_200)), "a slot later");
        assert_eq!(spread.next(&mut slots[119], at(6000), OWN), Some(Duration::from_secs(18)), "the slot that it has");
    }

    #[test]
    fn reports_on_change_change_nothing_for_others() {
        let (mut spread, mut slots, _) = begin(5, 120);
        for second in 0..6 {
            for slot in &mut slots[60..] {
                spread.next(slot, at(second * 1000), OWN);
            }
        }
        assert_eq!(spread.taken, at(24_000));
        // Nor where the fleet fits: its slot is over at once, its interval is not.
        let (mut spread, mut slots, _) = begin(100, 1);
        for millis in (0..7500).step_by(100) {
            assert_eq!(spread.next(&mut slots[0], at(millis), OWN), None);
        }
        assert_eq!(spread.taken, at(10), "one slot");
    }

    #[test]
    fn a_report_a_little_early_takes_the_next_slot() {
        let (mut spread, mut slots, next) = begin(5, 120);
        assert_eq!(next[119], Some(Duration::from_secs(24)));
        assert_eq!(spread.next(&mut slots[119], at(23_990), OWN), None, "there is room by then");
        assert_eq!(spread.taken, at(24_200));
    }

    #[test]
    fn nobody_waits_for_more_than_ten_intervals_or_ten_minutes_and_the_schedule_forgets_what_is_over() {
        let (mut spread, mut slots, next) = begin(1, 10_000);
        assert_eq!(next[9_999], Some(10 * OWN));
        assert!(spread.exceeded);
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(spread.next(&mut Slot::default(), at(0), minutes(5)), Some(LONGEST));
        assert_eq!(spread.next(&mut Slot::default(), at(0), minutes(20)), None);
        let later = Moment::default().after(2 * LONGEST);
        assert_eq!(spread.next(&mut slots[0], later, Duration::from_secs(1)), None);
        assert!(!spread.exceeded);
        assert_eq!(spread.next(&mut slots[1], later, Duration::from_secs(1)), Some(Duration::from_secs(2)));
    }
}
