//! How long a collector's calls took: the last ones, and what a person wants to know of them.

use std::time::Duration;

use sandbeat_status::Durations;

/// How many calls are remembered.
const KEPT: usize = 256;

/// The durations of the last calls, in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    micros: Vec<u32>,
    /// Where the next one goes once all places are taken.
    next: usize,
    last: u32,
}

impl Stats {
    pub(crate) fn add(&mut self, took: Duration) {
        self.last = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        if self.micros.len() < KEPT {
            self.micros.push(self.last);
        } else {
            self.micros[self.next] = self.last;
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// `None` before the first call.
    pub(crate) fn durations(&self) -> Option<Durations> {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        // The nearest-rank method: the least value that so many of the calls do not exceed.
        let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1));
        let millis = |micros: u32| f64::from(micros) / 1000.0;
        Some(Durations { last: millis(self.last), p50: millis(*at(50)?), p99: millis(*at(99)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_calls() {
        let mut stats = Stats::default();
        assert_eq!(stats.durations(), None);
        stats.add(Duration::from_micros(1500));
        assert_eq!(stats.durations(), Some(Durations { last: 1.5, p50: 1.5, p99: 1.5 }));
        (1..=100).for_each(|millis| stats.add(Duration::from_millis(millis)));
        (0..156).for_each(|_| stats.add(Duration::from_millis(1)));
        let durations = stats.durations().unwrap();
        assert_eq!((durations.last, durations.p50), (1.0, 1.0));
        assert_eq!(durations.p99, 98.0);
        (0..KEPT).for_each(|_| stats.add(Duration::from_millis(2)));
        assert_eq!(stats.durations(), Some(Durations { last: 2.0, p50: 2.0, p99: 2.0 }));
    }
}
