//! What many measurements of one thing say together. Pure.

/// Measurements of one thing, at least one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    sorted: Vec<f64>,
}

impl Distribution {
    /// Of these measurements; `None` when there is none, or one that is not a finite number.
    pub fn of(measurements: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = measurements.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let good = !sorted.is_empty() && sorted.iter().all(|measurement| measurement.is_finite());
        good.then_some(Distribution { sorted })
    }

    /// The smallest measurement below which lies at least the share `q` (0 to 1) of all.
    pub fn quantile(&self, q: f64) -> f64 {
        let last = self.sorted.len() - 1;
        // From 0 to `last`; the cast saturates.
        let at = (q.clamp(0.0, 1.0) * last as f64).round() as usize;
        self.sorted[at.min(last)]
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_quarters_are_found_in_any_order() {
        let distribution = Distribution::of([5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(distribution.median(), 3.0);
        assert_eq!((distribution.quantile(0.25), distribution.quantile(0.75)), (2.0, 4.0));
        assert_eq!((distribution.quantile(0.0), distribution.quantile(1.0)), (1.0, 5.0));
        assert_eq!((distribution.quantile(-1.0), distribution.quantile(2.0)), (1.0, 5.0));
    }

    #[test]
    fn one_is_enough_and_none_is_not() {
        assert_eq!(Distribution::of([7.0]).unwrap().quantile(0.75), 7.0);
        assert_eq!(Distribution::of([]), None);
        assert_eq!(Distribution::of([1.0, f64::NAN]), None);
    }
}
