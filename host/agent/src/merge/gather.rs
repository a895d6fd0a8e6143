//! The part of a report that comes from collectors, but for the ages: merged, judged, bounded.
//!
//! What is looked at is bounded as well as what is kept, so that it takes the same time however many collectors bring
//! however much.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use sandbeat_collectors::Contribution;
use sandbeat_status::{Metric, Rejected, ReportedMetric};

use super::rejections::Rejections;
use super::{MAX_METADATA, MAX_METADATA_BYTES, MAX_METRICS, MAX_REPORT_BYTES, encoded_len, too_large};

/// The most metrics that are looked at for one report; further ones are counted.
const MAX_LOOKED_AT: usize = 2 * MAX_METRICS;
/// The digits that an age may have more than none, in bytes.
const AGE: usize = 20;

/// What the collectors bring to a report, and the operator's metadata.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    pub(super) metadata: BTreeMap<String, String>,
    /// In the order of plugins, names and attributes.
    pub(super) points: Vec<Point>,
    pub(super) rejections: Rejections,
}

/// A metric that is to be reported.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// Its age is not known yet.
    pub(super) reported: ReportedMetric,
    pub(super) measured_at: Instant,
    /// Of its JSON at most, in bytes.
    pub(super) size: usize,
}

/// Merges what the collectors measured with the operator's metadata, which wins.
pub(crate) fn gather(metadata: BTreeMap<String, String>, contributions: &[Contribution]) -> Gathered {
    let mut ordered: Vec<&Contribution> = contributions.iter().collect();
    ordered.sort_by(|a, b| a.plugin.cmp(&b.plugin).then(b.measured_at.cmp(&a.measured_at)));
    let mut rejections = Rejections::default();
    for rejected in ordered.iter().flat_map(|contribution| &contribution.rejected) {
        rejections.add(rejected.clone());
    }
    let metadata = merge_metadata(metadata, &ordered, &mut rejections);
    let points = merge_metrics(&ordered, &mut rejections);
    Gathered { metadata, points, rejections }
}

fn merge_metadata(
    mut merged: BTreeMap<String, String>,
    contributions: &[&Contribution],
    rejections: &mut Rejections,
) -> BTreeMap<String, String> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut room = MAX_METADATA_BYTES.saturating_sub(encoded_len(&merged));
    for Contribution { plugin, metadata, .. } in contributions {
        for (key, value) in metadata {
            if let Some(owner) = owners.get(key) {
                rejections.note(plugin, key, &format!("the collector `{owner}` already sets this metadata key"));
            } else if merged.contains_key(key) {
                rejections.note(plugin, key, "the operator's [metadata] sets this key");
            } else if merged.len() >= MAX_METADATA {
                rejections.note(plugin, key, &format!("a report has at most {MAX_METADATA} metadata entries"));
            } else if encoded_len(&(key, value)) > room {
                let most = MAX_METADATA_BYTES / 1024;
                rejections.note(plugin, key, &format!("a report has at most {most} KiB of metadata"));
            } else {
                room -= encoded_len(&(key, value));
                owners.insert(key.clone(), plugin.clone());
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    merged
}

fn merge_metrics(contributions: &[&Contribution], rejections: &mut Rejections) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    let mut known = Known::default();
    let (mut looked_at, mut room) = (0, MAX_REPORT_BYTES);
    let mut full: Option<String> = None;
    for Contribution { plugin, metrics, measured_at, .. } in contributions {
        let mut metrics: Vec<&Metric> = metrics.iter().collect();
        if full.is_none() {
            metrics.sort_by(|a, b| (&a.name, &a.attributes).cmp(&(&b.name, &b.attributes)));
        }
        let mut metrics = metrics.into_iter();
        while full.is_none()
            && let Some(metric) = metrics.next()
        {
            looked_at += 1;
            if let Some(owner) = known.find(metric, &points) {
                let reason = format!("the collector `{owner}` already reports this name with these attributes");
                rejections.note(plugin, &metric.name, &reason);
            } else {
                let reported = ReportedMetric { metric: metric.clone(), plugin: plugin.clone(), age_ms: 0 };
                let size = encoded_len(&reported) + AGE;
                full = no_place(points.len(), looked_at, size > room);
                if let Some(reason) = &full {
                    rejections.note(plugin, &reported.metric.name, reason);
                    break;
                }
                room -= size;
                known.add(&reported.metric, points.len());
                points.push(Point { reported, measured_at: *measured_at, size });
            }
        }
        if let (Some(reason), Some(next)) = (&full, metrics.next()) {
            let count = 1 + metrics.len() as u64;
            let rejected =
                Rejected { plugin: Some(plugin.clone()), name: next.name.clone(), reason: reason.clone(), count };
            rejections.add(rejected);
        }
    }
    points
}

fn no_place(points: usize, looked_at: usize, is_large: bool) -> Option<String> {
    if points >= MAX_METRICS {
        Some(format!("a report has at most {MAX_METRICS} metrics"))
    } else if looked_at > MAX_LOOKED_AT {
        Some(format!("of at most {MAX_LOOKED_AT} metrics it is seen whether they have a place in the report"))
    } else if is_large {
        Some(too_large())
    } else {
        None
    }
}

/// Where among the points each name with its attributes is, by its hash: a copy of them would cost more than all else.
#[derive(Default)]
struct Known {
    hasher: RandomState,
    places: HashMap<u64, Vec<usize>>,
}

impl Known {
    /// The plugin that has it already.
    fn find<'a>(&self, metric: &Metric, points: &'a [Point]) -> Option<&'a str> {
        let same = |point: &&Point| {
            let other = &point.reported.metric;
            other.name == metric.name && other.attributes == metric.attributes
        };
        let places = self.places.get(&self.hash(metric))?;
        places.iter().filter_map(|place| points.get(*place)).find(same).map(|point| point.reported.plugin.as_str())
    }

    fn add(&mut self, metric: &Metric, place: usize) {
        let hash = self.hash(metric);
        self.places.entry(hash).or_default().push(place);
    }

    fn hash(&self, metric: &Metric) -> u64 {
        self.hasher.hash_one((&metric.name, &metric.attributes))
    }
}
