//! What a collector can report: constants that carry name, unit and meaning, and the points they make.
//!
//! A handle is written once and used in `describe` (what it means) and in `collect` (what it is now), so that the two
//! cannot disagree. Where names come from elsewhere, such as from a file, a [`Point`] is made without a handle, and the
//! description says so ([`crate::Description::others`]). Names and units are OpenTelemetry's; the agent checks them, and
//! this crate does not.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use crate::state::{self, StateError};

/// What something is right now; it may go up and down.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(pub(crate) Meaning);

/// A total that only grows until its source starts again, such as bytes received since boot.
#[derive(Clone, Copy, Debug)]
pub struct Counter(pub(crate) Meaning);

/// How measurements are distributed over buckets with fixed bounds.
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    pub(crate) meaning: Meaning,
    bounds: &'static [f64],
}

/// One fact that is not a number, such as `git.branch` = `main`.
#[derive(Clone, Copy, Debug)]
pub struct Metadata {
    pub(crate) key: &'static str,
    pub(crate) description: &'static str,
}

/// A dimension of metrics: what `describe` says of it, and the key under which points carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(crate) key: &'static str,
    pub(crate) description: &'static str,
}

/// What the constants of numeric metrics have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meaning {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) keys: &'static [Key],
}

/// One data point of a contribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The metric's name.
    pub name: Cow<'static, str>,
    /// Its unit in UCUM's notation.
    pub unit: Cow<'static, str>,
    /// The measurement.
    pub value: Value,
    /// Its dimensions, in the order in which they were given.
    pub attributes: Vec<Attribute>,
}

/// A measured value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a [`Gauge`].
    Gauge(f64),
    /// Of a [`Counter`].
    Counter(f64),
    /// Of a [`Histogram`].
    Histogram(Distribution),
}

/// A dimension of a metric, such as `network.interface.name` = `eth0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Words joined by `_`, namespaces by `.`.
    pub key: Cow<'static, str>,
    /// Free text without control characters and what shows nothing where it stands or changes how text is read, 256 bytes at most.
    pub value: String,
}

/// One metadata entry of a contribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: &'static str,
    /// Free text without control characters and what shows nothing where it stands or changes how text is read, 1024 bytes at most.
    pub value: String,
}

/// Measurements by bucket, as a [`Histogram`] makes them.
///
/// Its counts run since the collector started to count, so keep it in [`crate::state`] from one collect to the next, as
/// [`Histogram::observe`] does.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Inclusive upper bounds, strictly increasing; a last bucket without one follows them.
    pub bounds: Cow<'static, [f64]>,
    /// Measurements per bucket, not cumulative: one more than `bounds`.
    pub counts: Vec<u64>,
    /// The sum of all measurements, in the metric's unit.
    pub sum: f64,
}

/// What can be measured: a number, or a duration, which becomes seconds. Integers are exact up to 2⁵³.
pub trait Number {
    /// The number as it is reported.
    fn to_f64(self) -> f64;
}

impl Gauge {
    /// A gauge. The description is one sentence for a person.
    pub const fn new(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self(Meaning { name, unit, description, keys: &[] })
    }

    /// The same with the dimensions that its points have.
    #[must_use]
    pub const fn with_keys(mut self, keys: &'static [Key]) -> Self {
        self.0.keys = keys;
        self
    }

    /// What it is now.
    pub fn value(&self, value: impl Number) -> Point {
        self.0.point(Value::Gauge(value.to_f64()))
    }
}

impl Counter {
    /// A counter. The description is one sentence for a person.
    pub const fn new(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self(Meaning { name, unit, description, keys: &[] })
    }

    /// The same with the dimensions that its points have.
    #[must_use]
    pub const fn with_keys(mut self, keys: &'static [Key]) -> Self {
        self.0.keys = keys;
        self
    }

    /// The total since its source started; not negative.
    pub fn value(&self, total: impl Number) -> Point {
        self.0.point(Value::Counter(total.to_f64()))
    }

    /// The total that is kept in the state under a key, after `more` was added to it; each dimension needs a key of its
    /// own.
    ///
    /// # Errors
    /// It could not be kept.
    pub fn count(&self, key: &str, more: impl Number) -> Result<Point, StateError> {
        let total = state::load::<f64>(key).unwrap_or_default() + more.to_f64();
        state::save(key, &total)?;
        Ok(self.value(total))
    }
}

impl Histogram {
    /// A histogram with these inclusive upper bounds, strictly increasing and finite. The description is one sentence
    /// for a person.
    pub const fn new(
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        bounds: &'static [f64],
    ) -> Self {
        Self { meaning: Meaning { name, unit, description, keys: &[] }, bounds }
    }

    /// The same with the dimensions that its points have.
    #[must_use]
    pub const fn with_keys(mut self, keys: &'static [Key]) -> Self {
        self.meaning.keys = keys;
        self
    }

    /// A distribution without a measurement.
    pub fn empty(&self) -> Distribution {
        Distribution { bounds: Cow::Borrowed(self.bounds), counts: vec![0; self.bounds.len() + 1], sum: 0.0 }
    }

    /// What [`Distribution::to_bytes`] wrote; an empty one where there is nothing, or something of other bounds.
    pub fn restore(&self, bytes: Option<&[u8]>) -> Distribution {
        bytes.and_then(|bytes| Distribution::from_bytes(self.bounds, bytes)).unwrap_or_else(|| self.empty())
    }

    /// The distribution that is kept in the state under a key, after one more measurement was counted in it; each
    /// dimension needs a key of its own.
    ///
    /// # Errors
    /// It could not be kept.
    pub fn observe(&self, key: &str, measurement: impl Number) -> Result<Point, StateError> {
        let mut distribution = self.restore(state::get(key).as_deref());
        distribution.record(measurement);
        state::set(key, &distribution.to_bytes())?;
        Ok(self.value(&distribution))
    }

    /// The distribution so far.
    pub fn value(&self, distribution: &Distribution) -> Point {
        self.meaning.point(Value::Histogram(distribution.clone()))
    }
}

impl Key {
    /// A dimension. The description is one sentence for a person.
    pub const fn new(key: &'static str, description: &'static str) -> Self {
        Self { key, description }
    }
}

impl From<Key> for Cow<'static, str> {
    fn from(key: Key) -> Self {
        Cow::Borrowed(key.key)
    }
}

impl Metadata {
    /// A metadata key. The description is one sentence for a person.
    pub const fn new(key: &'static str, description: &'static str) -> Self {
        Self { key, description }
    }

    /// What it is now.
    pub fn value(&self, value: impl Into<String>) -> Entry {
        Entry { key: self.key, value: value.into() }
    }
}

impl Point {
    /// A point whose name comes from elsewhere; what is known beforehand is better made by a handle.
    pub fn new(name: impl Into<Cow<'static, str>>, unit: impl Into<Cow<'static, str>>, value: Value) -> Self {
        Self { name: name.into(), unit: unit.into(), value, attributes: Vec::new() }
    }

    /// The same point with one more dimension: a [`Key`], or its text where that comes from elsewhere.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<Cow<'static, str>>, value: impl Display) -> Self {
        self.attributes.push(Attribute { key: key.into(), value: value.to_string() });
        self
    }
}

impl Distribution {
    /// Counts one measurement; what is not finite is left out.
    pub fn record(&mut self, measurement: impl Number) {
        let measurement = measurement.to_f64();
        if !measurement.is_finite() {
            return;
        }
        let bucket = self.bounds.partition_point(|bound| *bound < measurement);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
            self.sum += measurement;
        }
    }

    /// The form in which it can be kept in [`crate::state`]; [`Histogram::restore`] reads it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bounds = self.bounds.iter().map(|bound| bound.to_le_bytes());
        let counts = self.counts.iter().map(|count| count.to_le_bytes());
        bounds.chain(counts).chain([self.sum.to_le_bytes()]).flatten().collect()
    }

    fn from_bytes(bounds: &'static [f64], bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let (kept_bounds, counts) = words.split_at_checked(bounds.len())?;
        let (sum, counts) = counts.split_last()?;
        let same = kept_bounds.iter().zip(bounds).all(|(kept, bound)| *kept == bound.to_le_bytes());
        if !same || !rest.is_empty() || counts.len() != bounds.len() + 1 {
            return None;
        }
        let counts = counts.iter().map(|count| u64::from_le_bytes(*count)).collect();
        Some(Self { bounds: Cow::Borrowed(bounds), counts, sum: f64::from_le_bytes(*sum) })
    }
}

impl Meaning {
    fn point(&self, value: Value) -> Point {
        Point::new(self.name, self.unit, value)
    }
}

macro_rules! number {
    ($($type:ty),*) => {
        $(impl Number for $type {
            fn to_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}

number!(f32, f64, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl Number for Duration {
    fn to_f64(self) -> f64 {
        self.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Sandbox;

    const INTERFACE: Key = Key::new("network.interface.name", "The interface.");
    const LATENCY: Histogram = Histogram::new("test.latency", "s", "A latency.", &[0.1, 1.0]);

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let mut latency = LATENCY.empty();
        for measurement in [0.05, 0.1, 0.5, 1.0, 2.0, f64::NAN] {
            latency.record(measurement);
        }
        latency.record(Duration::from_millis(350));
        assert_eq!(latency.counts, [2, 3, 1]);
        assert!((latency.sum - 4.0).abs() < 1e-9, "{}", latency.sum);
    }

    #[test]
    fn a_distribution_survives_being_kept() {
        let mut latency = LATENCY.empty();
        latency.record(0.5);
        assert_eq!(LATENCY.restore(Some(&latency.to_bytes())), latency);
    }

    #[test]
    fn what_was_kept_of_other_bounds_is_not_used() {
        const OTHER: Histogram = Histogram::new("test.latency", "s", "A latency.", &[0.2, 1.0]);
        let mut latency = LATENCY.empty();
        latency.record(0.5);
        assert_eq!(OTHER.restore(Some(&latency.to_bytes())), OTHER.empty());
        for bytes in [&b""[..], b"x", &[0; 8], &[0; 48]] {
            assert_eq!(LATENCY.restore(Some(bytes)), LATENCY.empty());
        }
        assert_eq!(LATENCY.restore(None), LATENCY.empty());
    }

    #[test]
    fn totals_and_distributions_go_on_from_what_was_kept() {
        const RUNS: Counter = Counter::new("test.runs", "{run}", "Runs.");
        let mut sandbox = Sandbox::new();
        let measure = || (RUNS.count("runs", 2).unwrap(), LATENCY.observe("latency", 0.5).unwrap());
        sandbox.run(measure);
        let mut latency = LATENCY.empty();
        (0..2).for_each(|_| latency.record(0.5));
        assert_eq!(sandbox.run(measure), (RUNS.value(4), LATENCY.value(&latency)));
        assert_eq!(sandbox.run(|| RUNS.count("latency", 1)), Ok(RUNS.value(1)));
        assert_eq!(sandbox.run(|| LATENCY.observe("", 1)), Err(StateError::BadKey));
    }

    #[test]
    fn a_point_carries_what_its_handle_says() {
        const IO: Counter = Counter::new("test.io", "By", "Bytes.").with_keys(&[INTERFACE]);
        let point = IO.value(7_u64).attribute(INTERFACE, "eth0");
        assert_eq!((&*point.name, &*point.unit, &point.value), ("test.io", "By", &Value::Counter(7.0)));
        assert_eq!(point.attributes, [Attribute { key: "network.interface.name".into(), value: "eth0".into() }]);
    }
}
