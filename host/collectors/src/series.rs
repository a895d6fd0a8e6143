//! Which series (pairs of name and attributes) a collector has reported lately, so that one that makes a new one up at
//! every call cannot fill the server with them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use sandbeat_status::Metric;

/// A series that has not been reported for this long gives its place away.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Looking for places to give away takes a look at all, so it is not done for every refused point.
const SWEEP: Duration = Duration::from_secs(60);

/// Owner: the plugin's task.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Series by a keyed hash, which nobody can make collide, with when they were last seen.
    seen: HashMap<u64, Instant>,
    hasher: RandomState,
    swept: Option<Instant>,
}

impl Default for Series {
    fn default() -> Self {
        Series { seen: HashMap::new(), hasher: RandomState::new(), swept: None }
    }
}

impl Series {
    /// What identifies a series within this set.
    pub(crate) fn key(&self, metric: &Metric) -> u64 {
        self.hasher.hash_one((&metric.name, &metric.attributes))
    }

    /// Whether a point of this series may be reported: it is known, or there is a place for it.
    pub(crate) fn admit(&mut self, key: u64, limit: u64, now: Instant) -> bool {
        if let Some(seen) = self.seen.get_mut(&key) {
            *seen = now;
            return true;
        }
        if self.seen.len() as u64 >= limit {
            self.sweep(now);
        }
        let has_place = (self.seen.len() as u64) < limit;
        if has_place {
            self.seen.insert(key, now);
        }
        has_place
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.seen.retain(|_, seen| now.duration_since(*seen) < REMEMBERED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_series_always_has_its_place() {
        let mut series = Series::default();
        let now = Instant::now();
        assert!((0..3).all(|key| series.admit(key, 3, now)));
        assert!(!series.admit(3, 3, now));
        assert!((0..3).all(|key| series.admit(key, 3, now)));
    }

    #[test]
    fn a_series_that_is_gone_gives_its_place_away() {
        let mut series = Series::default();
        let start = Instant::now();
        assert!(series.admit(0, 2, start) && series.admit(1, 2, start));
        let later = start + REMEMBERED - Duration::from_secs(1);
        assert!(series.admit(1, 2, later) && !series.admit(2, 2, later));
        assert!(series.admit(2, 2, start + REMEMBERED + SWEEP));
        assert!(!series.admit(3, 2, start + REMEMBERED + SWEEP));
    }
}
