//! Spreads the reports of a fleet, so that no more than so many a second are expected.
//!
//! A schedule of slots, one after the other at the rate that is wanted: each accepted report takes the next one (the
//! generic cell rate algorithm). How far away that is, is how long the fleet needs for one round; whoever would report
//! sooner is directed to it, and whoever reports more rarely keeps its own interval, so that those that report most
//! often give way first. Where the fleet fits, the next slot is never far away, and nobody is directed. Slots of
//! sandboxes that do not come any more pass unused, and the round becomes shorter by itself.

use std::time::Duration;

use crate::liveness::clock::Moment;

/// Nobody is directed to report more rarely than this; it is also the most that an agent obeys by default.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A schedule of reports.
#[derive(Debug)]
pub(super) struct Spread {
    /// Between two slots.
    step: Duration,
    /// The last slot that is taken.
    taken: Moment,
}

impl Spread {
    /// So many reports a second.
    pub(super) fn new(per_second: u32) -> Self {
        Spread { step: Duration::from_secs(1) / per_second.max(1), taken: Moment::default() }
    }

    /// When the sandbox whose report was accepted at `now` is to report next, where that is later than it would by
    /// itself. In whole milliseconds.
    pub(super) fn next(&mut self, now: Moment, own: Duration) -> Option<Duration> {
        self.taken = self.taken.max(now).after(self.step).min(now.after(LONGEST));
        let wait = self.taken.since(now);
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        (wait > own).then(|| Duration::from_millis(millis))
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
        while let Some((at, agent)) = next.pop().filter(|(at, _)| -at < seconds as i64 * 1000) {
            reports[(-at / 1000) as usize] += 1;
            let now = Moment::default().after(Duration::from_millis(at.unsigned_abs()));
            let wait = spread
                .next(now, Duration::from_secs(own[agent]))
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

    #[test]
    fn nobody_waits_for_more_than_an_hour_and_the_schedule_forgets_what_is_over() {
        let mut spread = Spread::new(1);
        let last = (0..10_000).map(|_| spread.next(Moment::default(), Duration::ZERO)).last();
        assert_eq!(last, Some(Some(LONGEST)));
        let later = Moment::default().after(2 * LONGEST);
        assert_eq!(spread.next(later, Duration::from_secs(1)), None);
        assert_eq!(spread.next(later, Duration::from_secs(1)), Some(Duration::from_secs(2)));
    }
}
