//! How often a duration was how long: fixed buckets, so that it costs the same however often it is noted. Pure.

use std::time::Duration;

use sandbeat_status::Histogram;

/// Durations by bucket, since the agent started.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
    most: Duration,
}

impl Distribution {
    /// Nothing noted yet. `bounds` are the upper limits of the buckets in seconds, inclusive and increasing; above the
    /// last is one more bucket.
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Distribution { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0, most: Duration::ZERO }
    }

    /// Notes one.
    pub(crate) fn note(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum += seconds;
        self.most = self.most.max(duration);
    }

    /// How many were noted.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The longest; `None` before the first.
    pub(crate) fn most(&self) -> Option<Duration> {
        (self.count() > 0).then_some(self.most)
    }

    /// What a part of them, from 0 to 1, did not exceed; as exact as the buckets are, and not too low.
    pub(crate) fn within(&self, part: f64) -> Option<Duration> {
        let most = self.most()?;
        let rank = (part.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0);
        let mut counted = 0;
        let bucket = self.counts.iter().position(|count| {
            counted += count;
            counted as f64 >= rank
        });
        let bound = bucket.and_then(|bucket| self.bounds.get(bucket)).map(|bound| Duration::from_secs_f64(*bound));
        Some(bound.map_or(most, |bound| bound.min(most)))
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

    #[test]
    fn a_part_is_told_by_its_bucket_and_no_more_than_the_longest() {
        let ms = |millis| Some(Duration::from_millis(millis));
        let mut distribution = Distribution::new(&[0.001, 0.5]);
        assert_eq!((distribution.within(0.5), distribution.most()), (None, None));
        (0..98).for_each(|_| distribution.note(Duration::from_micros(700)));
        assert_eq!(distribution.within(0.99), Some(Duration::from_micros(700)));
        distribution.note(Duration::from_millis(20));
        assert_eq!((distribution.within(0.5), distribution.within(0.99)), (ms(1), ms(20)));
        distribution.note(Duration::from_millis(900));
        assert_eq!((distribution.within(0.99), distribution.within(1.0)), (ms(500), ms(900)));
        assert_eq!((distribution.count(), distribution.most()), (100, ms(900)));
    }
}
