//! How often a duration was how long: fixed buckets, so that it costs the same however often it is noted. Pure.

use std::time::Duration;

use sandbeat_status::Histogram;

/// Durations by bucket, since the agent started.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
}

impl Distribution {
    /// Nothing noted yet. `bounds` are the upper limits of the buckets in seconds, inclusive and increasing; above the
    /// last is one more bucket.
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Distribution { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Notes one.
    pub(crate) fn note(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum += seconds;
    }

    /// As a metric's value, in seconds.
    pub(crate) fn histogram(&self) -> Histogram {
        Histogram { bounds: self.bounds.to_vec(), counts: self.counts.clone(), sum: self.sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_above_all_to_the_last() {
        let mut distribution = Distribution::new(&[0.001, 0.5]);
        for millis in [1, 2, 500, 501] {
            distribution.note(Duration::from_millis(millis));
        }
        let Histogram { bounds, counts, sum } = distribution.histogram();
        assert_eq!((bounds, counts), (vec![0.001, 0.5], vec![1, 2, 1]));
        assert!((sum - 1.004).abs() < 1e-9, "{sum}");
    }
}
