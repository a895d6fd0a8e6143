//! Judges what a collector returned: names, units, numbers, sizes, counts, repetitions.
//!
//! No I/O. A contribution is judged point by point: the good ones are kept, each bad one is named with its reason.
//! Reasons are for the collector's author, and for the operator where a limit of the sidecar's is the cause.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use sandbeat_status::{Histogram, Metric, Rejected, Value, names};

use crate::Contribution;
use crate::bindings::types;
use crate::series::Series;
use crate::sidecar::Limits;

/// Room is made at once for so many metrics.
const MAX_EXPECTED: usize = 1_000;
/// The most buckets of one histogram.
const MAX_BUCKETS: usize = 256;
/// The most different rejections that are told apart; the rest is counted together.
const MAX_REASONS: usize = 20;
/// How much of a bad name is shown, in bytes.
const SHOWN_NAME: usize = 80;

/// Judges what `plugin` returned `now`: what of it is good, and what is not.
pub(crate) fn contribution(
    plugin: &str,
    raw: types::Contribution,
    limits: &Limits,
    series: &mut Series,
    now: Instant,
) -> Contribution {
    let mut judged = Contribution {
        plugin: plugin.to_owned(),
        metrics: Vec::with_capacity(raw.metrics.len().min(MAX_EXPECTED)),
        metadata: BTreeMap::new(),
        rejected: Vec::new(),
        measured_at: now,
    };
    let mut rejections = Rejections::default();
    let mut seen = HashSet::with_capacity(raw.metrics.len().min(MAX_EXPECTED));
    for (at, raw) in raw.metrics.into_iter().enumerate() {
        if at as u64 >= limits.metrics {
            rejections.add(&raw.name, too_many("metrics", limits.metrics));
            continue;
        }
        let (name, metric) = metric(raw, limits);
        let metric = match metric {
            Ok(metric) => metric,
            Err(reason) => {
                rejections.add(&name, reason);
                continue;
            }
        };
        let key = series.key(&metric);
        if !seen.insert(key) {
            rejections.add(&metric.name, "its name and attributes occur twice in one collect".into());
        } else if !series.admit(key, limits.series, now) {
            let reason = format!("more different names and attributes than limits.series ({})", limits.series);
            rejections.add(&metric.name, reason);
        } else {
            judged.metrics.push(metric);
        }
    }
    for (at, entry) in raw.metadata.into_iter().enumerate() {
        let result = name_of(&entry.key, limits)
            .and_then(|()| names::plain_text(&entry.value, names::MAX_METADATA_VALUE))
            .and_then(|()| match (at as u64) < limits.metadata {
                true => Ok(()),
                false => Err(too_many("metadata entries", limits.metadata)),
            });
        match result {
            Ok(()) if judged.metadata.contains_key(&entry.key) => {
                rejections.add(&entry.key, "its key occurs twice in one collect".into());
            }
            Ok(()) => {
                judged.metadata.insert(entry.key, entry.value);
            }
            Err(reason) => rejections.add(&entry.key, reason),
        }
    }
    judged.rejected = rejections.into_list(plugin);
    judged
}

fn too_many(what: &str, most: u64) -> String {
    format!("more than {most} {what} in one collect")
}

/// The metric's name back, for a rejection, where the metric is not good.
fn metric(raw: types::Metric, limits: &Limits) -> (String, Result<Metric, String>) {
    let types::Metric { name, unit, value: raw_value, attributes: raw_attributes } = raw;
    let judged = name_of(&name, limits)
        .and_then(|()| names::unit(&unit))
        .and_then(|()| Ok((value(raw_value)?, attributes(raw_attributes, limits)?)));
    match judged {
        Ok((value, attributes)) => (String::new(), Ok(Metric { name, value, unit, attributes })),
        Err(reason) => (name, Err(reason)),
    }
}

fn name_of(name: &str, limits: &Limits) -> Result<(), String> {
    names::metric_name(name)?;
    within(name.len(), limits.name_length, "the name", "name_length")
}

fn within(len: usize, most: u64, what: &str, key: &str) -> Result<(), String> {
    if len as u64 <= most { Ok(()) } else { Err(format!("{what} has {len} bytes; limits.{key} is {most}")) }
}

fn attributes(raw: Vec<types::Attribute>, limits: &Limits) -> Result<BTreeMap<String, String>, String> {
    if raw.len() as u64 > limits.attributes {
        return Err(format!("it has {} attributes; {} are the most", raw.len(), limits.attributes));
    }
    let mut attributes = BTreeMap::new();
    for types::Attribute { key, value } in raw {
        let judged = name_of(&key, limits)
            .and_then(|()| names::plain_text(&value, names::MAX_ATTRIBUTE_VALUE))
            .and_then(|()| within(value.len(), limits.value_length, "the value", "value_length"));
        let shown = |reason: &str| format!("attribute `{}`{reason}", names::shown(&key, SHOWN_NAME));
        judged.map_err(|reason| shown(&format!(": {reason}")))?;
        if attributes.contains_key(&key) {
            return Err(shown(" occurs twice"));
        }
        attributes.insert(key, value);
    }
    Ok(attributes)
}

fn value(raw: types::Value) -> Result<Value, String> {
    match raw {
        types::Value::Gauge(value) => finite(value).map(Value::Gauge),
        types::Value::Counter(value) if value < 0.0 => Err(format!("a counter is not negative, but this is {value}")),
        types::Value::Counter(value) => finite(value).map(Value::Counter),
        types::Value::Histogram(raw) => histogram(raw).map(Value::Histogram),
    }
}

fn histogram(raw: types::Histogram) -> Result<Histogram, String> {
    let types::Histogram { bounds, counts, sum } = raw;
    if bounds.len() >= MAX_BUCKETS {
        return Err(format!("the histogram has {} bounds; {} are the most", bounds.len(), MAX_BUCKETS - 1));
    }
    if counts.len() != bounds.len() + 1 {
        return Err(format!(
            "a histogram of {} bounds has {} counts, not {}",
            bounds.len(),
            bounds.len() + 1,
            counts.len()
        ));
    }
    finite(sum)?;
    for bound in &bounds {
        finite(*bound)?;
    }
    if bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err("the histogram's bounds are not strictly increasing".into());
    }
    if counts.iter().try_fold(0_u64, |all, count| all.checked_add(*count)).is_none() {
        return Err("the histogram's counts are together more than 64 bits hold".into());
    }
    Ok(Histogram { bounds, counts, sum })
}

fn finite(value: f64) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("the value is {value}, not a finite number")) }
}

/// Counts equal rejections, and bounds how many different ones are told apart.
#[derive(Default)]
struct Rejections {
    counted: BTreeMap<(String, String), u64>,
    others: u64,
}

impl Rejections {
    fn add(&mut self, name: &str, reason: String) {
        let key = (names::shown(name, SHOWN_NAME), reason);
        if self.counted.len() == MAX_REASONS && !self.counted.contains_key(&key) {
            self.others += 1;
        } else {
            *self.counted.entry(key).or_default() += 1;
        }
    }

    fn into_list(self, plugin: &str) -> Vec<Rejected> {
        let rejected = |name, reason, count| Rejected { plugin: Some(plugin.to_owned()), name, reason, count };
        let mut list: Vec<Rejected> =
            self.counted.into_iter().map(|((name, reason), count)| rejected(name, reason, count)).collect();
        if self.others > 0 {
            list.push(rejected("…".into(), "further ones, for these and other reasons".into(), self.others));
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(name: &str, value: f64) -> types::Metric {
        types::Metric { name: name.into(), unit: "1".into(), value: types::Value::Gauge(value), attributes: vec![] }
    }

    fn judge(metrics: Vec<types::Metric>) -> Contribution {
        judge_all(types::Contribution { metrics, metadata: vec![] }, &Limits::default())
    }

    fn judge_all(raw: types::Contribution, limits: &Limits) -> Contribution {
        contribution("p", raw, limits, &mut Series::default(), Instant::now())
    }

    fn histogram(bounds: &[f64], counts: &[u64], sum: f64) -> types::Metric {
        let value = types::Histogram { bounds: bounds.to_vec(), counts: counts.to_vec(), sum };
        types::Metric { value: types::Value::Histogram(value), ..gauge("h", 0.0) }
    }

    #[test]
    fn the_good_points_survive_the_bad_ones() {
        let judged =
            judge(vec![gauge("good", 1.0), gauge("nan", f64::NAN), gauge("inf", f64::INFINITY), gauge("-b", 1.0)]);
        assert_eq!(judged.metrics.len(), 1);
        let reasons: Vec<&str> = judged.rejected.iter().map(|rejected| rejected.reason.as_str()).collect();
        assert_eq!(judged.rejected.len(), 3, "{reasons:?}");
        assert!(reasons.iter().any(|reason| reason.contains("NaN")), "{reasons:?}");
        assert!(reasons.iter().any(|reason| reason.contains("start with a letter")), "{reasons:?}");
    }

    #[test]
    fn counts_that_cannot_be_summed_are_none() {
        let judged = judge(vec![histogram(&[1.0], &[u64::MAX, 1], 0.0)]);
        assert!(judged.metrics.is_empty() && judged.rejected[0].reason.contains("64 bits"), "{:?}", judged.rejected);
    }

    #[test]
    fn counts_are_bounded_and_what_is_over_is_counted() {
        let judged = judge((0..1_100).map(|n| gauge(&format!("m{n}"), 1.0)).collect());
        assert_eq!(judged.metrics.len(), 1_000);
        assert_eq!(judged.rejected.iter().map(|rejected| rejected.count).sum::<u64>(), 100);
        assert_eq!(judged.rejected.len(), MAX_REASONS + 1);
    }

    #[test]
    fn what_occurs_twice_counts_once() {
        let judged = judge(vec![gauge("a", 1.0), gauge("a", 2.0)]);
        assert_eq!(judged.metrics[0].value, Value::Gauge(1.0));
        assert!(judged.rejected[0].reason.contains("twice"));
        let entry = |value: &str| types::MetadataEntry { key: "k".into(), value: value.into() };
        let raw = types::Contribution { metrics: vec![], metadata: vec![entry("1"), entry("2")] };
        let judged = judge_all(raw, &Limits::default());
        assert_eq!(judged.metadata["k"], "1");
        assert_eq!(judged.rejected.len(), 1);
    }

    #[test]
    fn metadata_reads_as_what_it_is() {
        let entry = |key: &str, value: &str| types::MetadataEntry { key: key.into(), value: value.into() };
        let metadata =
            vec![entry("good", "שלום 👩\u{200d}💻"), entry("bad", "main\u{2066}"), entry("worse", "main\u{feff}")];
        let judged = judge_all(types::Contribution { metrics: vec![], metadata }, &Limits::default());
        assert_eq!(judged.metadata.keys().collect::<Vec<_>>(), ["good"]);
        assert!(judged.rejected.iter().all(|one| one.reason.contains("cannot be seen")), "{:?}", judged.rejected);
    }

    #[test]
    fn a_histogram_has_to_add_up() {
        assert_eq!(judge(vec![histogram(&[1.0, 2.0], &[1, 2, 3], 9.0)]).metrics.len(), 1);
        for bad in [
            histogram(&[1.0], &[1], 1.0),
            histogram(&[2.0, 1.0], &[1, 1, 1], 1.0),
            histogram(&[1.0], &[1, 1], f64::NAN),
            histogram(&[f64::INFINITY], &[1, 1], 1.0),
        ] {
            assert_eq!(judge(vec![bad]).rejected.len(), 1);
        }
    }

    #[test]
    fn attributes_are_bounded() {
        let with = |attributes: Vec<(String, String)>| types::Metric {
            attributes: attributes.into_iter().map(|(key, value)| types::Attribute { key, value }).collect(),
            ..gauge("a", 1.0)
        };
        assert_eq!(judge(vec![with(vec![("k".into(), "v".into())])]).metrics.len(), 1);
        for bad in [
            with((0..17).map(|n| (format!("k{n}"), String::new())).collect()),
            with(vec![("k".into(), "x".repeat(257))]),
            with(vec![("k".into(), "\u{7}".into())]),
            with(vec![("k".into(), "safe\u{202e}txt.exe".into())]),
            with(vec![("k-".into(), "v".into())]),
            with(vec![("k".into(), "v".into()), ("k".into(), "w".into())]),
            types::Metric { value: types::Value::Counter(-1.0), ..gauge("a", 0.0) },
            types::Metric { unit: "a b".into(), ..gauge("a", 0.0) },
        ] {
            assert_eq!(judge(vec![bad]).rejected.len(), 1);
        }
    }

    #[test]
    fn the_sidecar_s_limits_hold() {
        let limits =
            Limits { metrics: 3, metadata: 0, attributes: 1, name_length: 4, value_length: 2, ..Limits::default() };
        let attribute = |key: &str, value: &str| types::Attribute { key: key.into(), value: value.into() };
        let with = |attributes| types::Metric { attributes, ..gauge("a", 1.0) };
        for (metric, part) in [
            (gauge("longer", 1.0), "name_length"),
            (with(vec![attribute("k", "vvv")]), "value_length"),
            (with(vec![attribute("k", "v"), attribute("l", "v")]), "1 are the most"),
        ] {
            let judged = judge_all(types::Contribution { metrics: vec![metric], metadata: vec![] }, &limits);
            assert!(judged.rejected[0].reason.contains(part), "{part}: {:?}", judged.rejected);
        }
        let metadata = vec![types::MetadataEntry { key: "k".into(), value: "v".into() }];
        let metrics = (0..5).map(|n| gauge(&format!("m{n}"), 1.0)).collect();
        let judged = judge_all(types::Contribution { metrics, metadata }, &limits);
        assert_eq!((judged.metrics.len(), judged.metadata.len(), judged.rejected.len()), (3, 0, 3));
    }

    #[test]
    fn new_attribute_values_at_every_call_meet_their_bound() {
        let limits = Limits { series: 5, ..Limits::default() };
        let mut series = Series::default();
        let mut accepted = 0;
        for call in 0..100 {
            let value = types::Attribute { key: "k".into(), value: call.to_string() };
            let metrics = vec![gauge("known", 1.0), types::Metric { attributes: vec![value], ..gauge("new", 1.0) }];
            let raw = types::Contribution { metrics, metadata: vec![] };
            let judged = contribution("p", raw, &limits, &mut series, Instant::now());
            assert_eq!(judged.metrics[0].name, "known");
            accepted += judged.metrics.len() - 1;
        }
        assert_eq!(accepted, 4);
    }
}
