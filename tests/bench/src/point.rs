//! What every peer has to end up with, so that all of them do the same work.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A point as a host has to have it to report it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Point {
    /// The metric's name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The measurement.
    pub value: f64,
    /// Its dimensions.
    pub attributes: BTreeMap<String, String>,
}
