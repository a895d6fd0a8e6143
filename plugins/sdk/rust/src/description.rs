//! What a collector says of itself.

use crate::metric::Meaning;
use crate::{Counter, Gauge, Histogram, Key, Metadata};

/// What a collector is and what it can report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The collector's own version, usually `env!("CARGO_PKG_VERSION")`.
    pub version: String,
    /// One sentence for a person: what it measures.
    pub summary: String,
    /// Every metric that it can report.
    pub metrics: Vec<MetricInfo>,
    /// Every metadata key that it can report.
    pub metadata: Vec<MetadataInfo>,
    /// Where it can report more than these, because the names come from elsewhere: one sentence on what.
    pub others: Option<String>,
}

/// What a metric means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// Its name.
    pub name: &'static str,
    /// Its unit in UCUM's notation.
    pub unit: &'static str,
    /// The form that its values have.
    pub kind: Kind,
    /// One sentence for a person.
    pub description: &'static str,
    /// Every dimension that a point of it can have.
    pub keys: &'static [Key],
}

/// What a metadata key means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataInfo {
    /// The key.
    pub key: &'static str,
    /// One sentence for a person.
    pub description: &'static str,
}

/// Which form a metric's values have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// See [`Gauge`].
    Gauge,
    /// See [`Counter`].
    Counter,
    /// See [`Histogram`].
    Histogram,
}

/// A constant that a description can name.
pub trait Describe {
    /// Adds what it means.
    fn add_to(&self, description: &mut Description);
}

impl Description {
    /// A description that names nothing yet; the summary is one sentence for a person.
    pub fn new(version: &str, summary: &str) -> Self {
        Self {
            version: version.into(),
            summary: summary.into(),
            metrics: Vec::new(),
            metadata: Vec::new(),
            others: None,
        }
    }

    /// The same with one more thing that the collector can report.
    #[must_use]
    pub fn with(mut self, handle: &impl Describe) -> Self {
        handle.add_to(&mut self);
        self
    }

    /// The same for a collector that can report more than is named, because the names come from elsewhere; one
    /// sentence on what.
    #[must_use]
    pub fn others(mut self, others: &str) -> Self {
        self.others = Some(others.to_owned());
        self
    }
}

impl Describe for Gauge {
    fn add_to(&self, description: &mut Description) {
        description.metrics.push(self.0.info(Kind::Gauge));
    }
}

impl Describe for Counter {
    fn add_to(&self, description: &mut Description) {
        description.metrics.push(self.0.info(Kind::Counter));
    }
}

impl Describe for Histogram {
    fn add_to(&self, description: &mut Description) {
        description.metrics.push(self.meaning.info(Kind::Histogram));
    }
}

impl Describe for Metadata {
    fn add_to(&self, description: &mut Description) {
        description.metadata.push(MetadataInfo { key: self.key, description: self.description });
    }
}

impl Meaning {
    fn info(&self, kind: Kind) -> MetricInfo {
        MetricInfo { name: self.name, unit: self.unit, kind, description: self.description, keys: self.keys }
    }
}
