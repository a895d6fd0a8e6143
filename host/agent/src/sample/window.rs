//! From CPU time used to a percentage: pure arithmetic over readings.
//!
//! A reading is a running total and its moment. The percentage is that of the time since the newest *kept* reading
//! that is old enough to tell; until there is one, there is no percentage, and never an invented 0.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Below this the accounting's own grain (10 ms on some kernels) would show.
const LEAST: Duration = Duration::from_millis(100);
/// Readings that follow faster than this are not kept, which bounds how many there are.
const SPACING: Duration = Duration::from_millis(10);

/// CPU time used up to a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) at: Instant,
    pub(super) used: Duration,
    /// Over how many CPUs the machine's time is summed; totals over different numbers do not compare. 0 for a group's.
    pub(super) over: u32,
}

/// The readings that a percentage may start from, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    kept: VecDeque<Reading>,
}

impl Window {
    /// Percent (0 to 100) of `cores` in use between the newest kept reading that is at least 100 ms old and `now`.
    /// A total that fell (another group's figures) tells nothing.
    pub(super) fn percent(&self, now: Reading, cores: f64) -> Option<f64> {
        let old_enough = |base: &&Reading| now.at.saturating_duration_since(base.at) >= LEAST;
        let base = self.kept.iter().rev().find(old_enough).filter(|base| base.over == now.over)?;
        let used = now.used.checked_sub(base.used)?.as_secs_f64();
        let could = now.at.duration_since(base.at).as_secs_f64() * cores;
        // A burst or the counter's grain can show a little more than there is.
        (could > 0.0).then(|| (100.0 * used / could).min(100.0))
    }

    /// Keeps a reading as one that later percentages may start from.
    pub(super) fn keep(&mut self, reading: Reading) {
        if self.kept.back().is_some_and(|last| last.used > reading.used || last.over != reading.over) {
            self.kept.clear();
        }
        if self.kept.back().is_some_and(|last| reading.at.saturating_duration_since(last.at) < SPACING) {
            return;
        }
        let old_enough = |base: &Reading| reading.at.saturating_duration_since(base.at) >= LEAST;
        while self.kept.get(1).is_some_and(old_enough) {
            self.kept.pop_front();
        }
        self.kept.push_back(reading);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(start: Instant, at_ms: u64, used_ms: u64) -> Reading {
        Reading { at: start + Duration::from_millis(at_ms), used: Duration::from_millis(used_ms), over: 0 }
    }

    #[test]
    fn the_first_reading_has_no_percentage() {
        assert_eq!(Window::default().percent(reading(Instant::now(), 0, 500), 2.0), None);
    }

    #[test]
    fn half_of_two_cores_is_fifty_percent() {
        let start = Instant::now();
        let mut window = Window::default();
        window.keep(reading(start, 0, 500));
        assert_eq!(window.percent(reading(start, 50, 550), 2.0), None, "too soon to tell");
        assert_eq!(window.percent(reading(start, 1000, 1500), 2.0), Some(50.0));
        assert_eq!(window.percent(reading(start, 1000, 500), 2.0), Some(0.0), "a measured 0 is a 0");
    }

    #[test]
    fn looking_does_not_move_the_window_and_keeping_does() {
        let start = Instant::now();
        let mut window = Window::default();
        window.keep(reading(start, 0, 0));
        window.keep(reading(start, 1000, 1000));
        assert_eq!(window.percent(reading(start, 2000, 1500), 1.0), Some(50.0));
        assert_eq!(window.percent(reading(start, 2000, 1500), 1.0), Some(50.0));
        assert_eq!(window.percent(reading(start, 1050, 1000), 1.0), Some(100.0 * 1000.0 / 1050.0));
    }

    #[test]
    fn more_than_there_is_and_totals_that_fall_are_not_shown() {
        let start = Instant::now();
        let mut window = Window::default();
        window.keep(reading(start, 0, 1000));
        assert_eq!(window.percent(reading(start, 100, 1110), 1.0), Some(100.0));
        assert_eq!(window.percent(reading(start, 100, 900), 1.0), None);
        window.keep(reading(start, 200, 0));
        assert_eq!(window.percent(reading(start, 400, 100), 1.0), Some(50.0));
    }

    #[test]
    fn totals_over_other_cpus_do_not_compare() {
        let start = Instant::now();
        let over = |reading: Reading, over: u32| Reading { over, ..reading };
        let mut window = Window::default();
        window.keep(over(reading(start, 0, 1000), 1));
        assert_eq!(window.percent(over(reading(start, 1000, 9000), 2), 2.0), None);
        window.keep(over(reading(start, 1000, 9000), 2));
        assert_eq!(window.percent(over(reading(start, 2000, 10_000), 2), 2.0), Some(50.0));
    }

    #[test]
    fn fast_readings_do_not_pile_up() {
        let start = Instant::now();
        let mut window = Window::default();
        for at in 0..10_000 {
            window.keep(reading(start, at, at));
        }
        assert!(window.kept.len() <= 12, "{}", window.kept.len());
        assert_eq!(window.percent(reading(start, 10_000, 10_000), 1.0), Some(100.0));
    }
}
