//! What one `collect` adds to the report.

use crate::{Entry, Point};

/// The points and metadata of one `collect`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contribution {
    /// At most 1,000; a name with the same attributes only once.
    pub points: Vec<Point>,
    /// At most 64; no key twice.
    pub metadata: Vec<Entry>,
}

/// What can be added to a contribution: a [`Point`], an [`Entry`], or an `Option` of one, where `None` adds nothing.
pub trait Contribute {
    /// Adds itself.
    fn add_to(self, contribution: &mut Contribution);
}

impl Contribution {
    /// One with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one part more.
    #[must_use]
    pub fn with(mut self, part: impl Contribute) -> Self {
        self.push(part);
        self
    }

    /// Adds one part.
    pub fn push(&mut self, part: impl Contribute) {
        part.add_to(self);
    }
}

impl<T: Contribute> Extend<T> for Contribution {
    fn extend<I: IntoIterator<Item = T>>(&mut self, parts: I) {
        for part in parts {
            self.push(part);
        }
    }
}

impl Contribute for Point {
    fn add_to(self, contribution: &mut Contribution) {
        contribution.points.push(self);
    }
}

impl Contribute for Entry {
    fn add_to(self, contribution: &mut Contribution) {
        contribution.metadata.push(self);
    }
}

impl<T: Contribute> Contribute for Option<T> {
    fn add_to(self, contribution: &mut Contribution) {
        if let Some(part) = self {
            part.add_to(contribution);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gauge, Metadata};

    #[test]
    fn what_could_not_be_measured_is_absent() {
        const LENGTH: Gauge = Gauge::new("test.length", "{job}", "Jobs.");
        const BRANCH: Metadata = Metadata::new("test.branch", "The branch.");
        let contribution = Contribution::new()
            .with(LENGTH.value(3))
            .with(None::<Point>)
            .with(Some(BRANCH.value("main")))
            .with(None::<Entry>);
        assert_eq!(contribution.points, [LENGTH.value(3)]);
        assert_eq!(contribution.metadata, [BRANCH.value("main")]);
    }
}
