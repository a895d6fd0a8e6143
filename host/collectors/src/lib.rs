//! Collectors: stub of the public surface while the crate is being written.
#![allow(missing_docs, clippy::allow_attributes, reason = "stub")]
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sandbeat_status::{Metric, PluginStatus, Rejected, Sample};

/// What one collector adds to the report that is being made: already validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The plugin's name.
    pub plugin: String,
    /// Validated metrics.
    pub metrics: Vec<Metric>,
    /// Validated metadata.
    pub metadata: BTreeMap<String, String>,
    /// What of this collect was not acceptable.
    pub rejected: Vec<Rejected>,
    /// When it was measured.
    pub measured_at: Instant,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub dir: PathBuf,
    pub cache_dir: PathBuf,
    pub scan_interval: Duration,
}

/// Talks to the running collectors; cheap to clone, may be used from any thread and runtime.
#[derive(Clone)]
pub struct Handle;

impl Handle {
    /// Has every collector that is due measure, and returns what there is at the latest at `deadline`: the newest
    /// contribution of each active collector, in name order.
    pub async fn collect(&self, _sample: Sample, _deadline: Instant) -> Vec<Contribution> {
        Vec::new()
    }
    /// Every plugin in the directory, by name.
    pub fn plugins(&self) -> Vec<PluginStatus> {
        Vec::new()
    }
}
