//! The merge as the fuzz targets in `tests/fuzz` drive it, and what has to hold for every report.
//!
//! Only compiled with `--cfg fuzzing`, which cargo-fuzz sets. A broken invariant is a panic, which the fuzzer reports.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_collectors::Contribution;
use sandbeat_status::{Metric, Report, Sample, SandboxStatus, Trigger, Value, names};

use crate::merge::{self, Identity, MAX_METADATA, MAX_METRICS, MAX_REPORT_BYTES, Parts};

/// Merges what collectors returned, each with a name of its own, with the operator's metadata, and checks the report.
pub fn merge(contributions: Vec<Contribution>, metadata: BTreeMap<String, String>) {
    let points: u64 = contributions.iter().map(points).sum();
    let backwards = contributions.iter().rev().cloned().collect();
    let (now, timestamp) = (Instant::now(), Timestamp::UNIX_EPOCH);
    let parts = |contributions: Vec<Contribution>| Parts {
        identity: Identity {
            status: SandboxStatus::Running,
            boot_id: "boot".to_owned(),
            seq: 1,
            interval: Duration::from_secs(1),
            trigger: Trigger::Interval,
            stopping: false,
            resumed: None,
        },
        sample: Sample::default(),
        gathered: merge::gather(metadata.clone(), &contributions),
        plugins: Vec::new(),
        now,
        timestamp,
    };
    let report = merge::merge(parts(contributions));
    assert_eq!(report, merge::merge(parts(backwards)), "the order of the contributions matters");
    is_good(&report, &metadata);
    let taken = report.metrics.len() + report.metadata.len() - metadata.len();
    let rejected: u64 = report.rejected.iter().map(|rejected| rejected.count).sum();
    assert_eq!(taken as u64 + rejected, points, "a point is neither reported nor rejected");
}

fn points(contribution: &Contribution) -> u64 {
    let rejected: u64 = contribution.rejected.iter().map(|rejected| rejected.count).sum();
    (contribution.metrics.len() + contribution.metadata.len()) as u64 + rejected
}

fn is_good(report: &Report, operators: &BTreeMap<String, String>) {
    assert!(report.metrics.len() <= MAX_METRICS);
    assert!(report.metadata.len() <= MAX_METADATA.max(operators.len()));
    for (key, value) in operators {
        assert_eq!(report.metadata.get(key), Some(value), "the operator's metadata lost");
    }
    for (key, value) in report.metadata.iter().filter(|(key, _)| !operators.contains_key(*key)) {
        assert_eq!(names::metric_name(key), Ok(()));
        assert_eq!(names::plain_text(value, names::MAX_METADATA_VALUE), Ok(()));
    }
    let mut seen = BTreeSet::new();
    for reported in &report.metrics {
        is_good_metric(&reported.metric);
        assert!(seen.insert((&reported.metric.name, &reported.metric.attributes)), "reported twice");
    }
    match serde_json::to_vec(report) {
        Ok(json) => assert!(json.len() <= MAX_REPORT_BYTES, "the report has {} bytes", json.len()),
        Err(e) => unreachable!("the report cannot be written: {e}"),
    }
}

fn is_good_metric(metric: &Metric) {
    assert_eq!(names::metric_name(&metric.name), Ok(()));
    assert_eq!(names::unit(&metric.unit), Ok(()));
    for (key, value) in &metric.attributes {
        assert_eq!(names::metric_name(key), Ok(()));
        assert_eq!(names::plain_text(value, names::MAX_ATTRIBUTE_VALUE), Ok(()));
    }
    match &metric.value {
        Value::Gauge(value) => assert!(value.is_finite()),
        Value::Counter(value) => assert!(value.is_finite() && *value >= 0.0),
        Value::Histogram(histogram) => {
            assert_eq!(histogram.counts.len(), histogram.bounds.len() + 1);
            assert!(histogram.sum.is_finite() && histogram.bounds.iter().all(|bound| bound.is_finite()));
            assert!(histogram.bounds.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
