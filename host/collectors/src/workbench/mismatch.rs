//! Whether what a collector returned is what its description lists. Pure.
//!
//! The agent does not ask: it reports what is good. But documentation and dashboards are made from descriptions, so a
//! point that is in none is a mistake for its author to see.

use std::collections::{BTreeMap, HashMap, HashSet};

use sandbeat_status::{Kind, Metric, Value, names};

use crate::Contribution;
use crate::bindings::types::Description;

/// The most mismatches that are named.
const MAX_NAMED: usize = 20;
/// How much of a name is shown, in bytes.
const SHOWN_NAME: usize = 80;

/// Something that was returned and is described otherwise or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The metric or the metadata key.
    pub name: String,
    /// What is wrong, and what to change.
    pub reason: String,
    /// How many points that is true of.
    pub count: u64,
}

/// How a contribution departs from the description, each way once.
pub(super) fn mismatches(description: &Description, contribution: &Contribution) -> Vec<Mismatch> {
    let mut listed: HashMap<&str, Vec<Listed<'_>>> = HashMap::new();
    for info in &description.metrics {
        let keys = info.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        listed.entry(&info.name).or_default().push(Listed { unit: &info.unit, kind: info.kind.into(), keys });
    }
    let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
    for metric in &contribution.metrics {
        let reasons = match listed.get(metric.name.as_str()) {
            Some(infos) => reasons(metric, infos),
            None if description.others.is_some() => Vec::new(),
            None => vec![not_listed("metrics")],
        };
        for reason in reasons {
            *counted.entry((names::shown(&metric.name, SHOWN_NAME), reason)).or_default() += 1;
        }
    }
    let keys: HashSet<&str> = description.metadata.iter().map(|info| info.key.as_str()).collect();
    for key in contribution.metadata.keys().filter(|key| !keys.contains(key.as_str())) {
        if description.others.is_none() {
            counted.insert((names::shown(key, SHOWN_NAME), not_listed("metadata")), 1);
        }
    }
    let mut named: Vec<Mismatch> =
        counted.into_iter().map(|((name, reason), count)| Mismatch { name, reason, count }).collect();
    let further: u64 = named.iter().skip(MAX_NAMED).map(|mismatch| mismatch.count).sum();
    named.truncate(MAX_NAMED);
    if further > 0 {
        named.push(Mismatch { name: "…".into(), reason: "further ones".into(), count: further });
    }
    named
}

/// How a description lists a metric.
struct Listed<'a> {
    unit: &'a str,
    kind: Kind,
    keys: HashSet<&'a str>,
}

/// How a point departs from the closest entry of its name.
fn reasons(metric: &Metric, infos: &[Listed<'_>]) -> Vec<String> {
    let of = |info: &Listed<'_>| {
        let kind = kind(&metric.value);
        let mut reasons = Vec::new();
        if info.kind != kind {
            reasons.push(format!("is a {}; `describe` says {}", word(kind), word(info.kind)));
        }
        if info.unit != metric.unit {
            let (has, says) = (names::shown(&metric.unit, SHOWN_NAME), names::shown(info.unit, SHOWN_NAME));
            reasons.push(format!("has the unit `{has}`; `describe` says `{says}`"));
        }
        for key in metric.attributes.keys().filter(|key| !info.keys.contains(key.as_str())) {
            let key = names::shown(key, SHOWN_NAME);
            reasons.push(format!("has the attribute `{key}`, which `describe` does not list for it"));
        }
        reasons
    };
    infos.iter().map(of).min_by_key(Vec::len).unwrap_or_default()
}

fn not_listed(of: &str) -> String {
    format!("is not among the {of} that `describe` lists; add it, or say in `others` what else there can be")
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Gauge(_) => Kind::Gauge,
        Value::Counter(_) => Kind::Counter,
        Value::Histogram(_) => Kind::Histogram,
    }
}

fn word(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::bindings::types::{self, AttributeInfo, MetadataInfo, MetricInfo};

    fn description(others: Option<&str>) -> Description {
        let key = |key: &str| AttributeInfo { key: key.into(), description: String::new() };
        let metric = |name: &str, unit: &str, kind, attributes| MetricInfo {
            name: name.into(),
            unit: unit.into(),
            kind,
            description: String::new(),
            attributes,
        };
        Description {
            version: "1".into(),
            summary: String::new(),
            metrics: vec![
                metric("a", "By", types::Kind::Counter, vec![key("k"), key("l")]),
                metric("b", "1", types::Kind::Gauge, vec![]),
            ],
            metadata: vec![MetadataInfo { key: "m".into(), description: String::new() }],
            others: others.map(str::to_owned),
        }
    }

    fn metric(name: &str, unit: &str, value: Value, keys: &[&str]) -> Metric {
        let attributes = keys.iter().map(|key| ((*key).to_owned(), "v".to_owned())).collect();
        Metric { name: name.into(), unit: unit.into(), value, attributes }
    }

    fn found(description: &Description, metrics: Vec<Metric>, keys: &[&str]) -> Vec<(String, String, u64)> {
        let contribution = Contribution {
            plugin: "p".into(),
            metrics,
            metadata: keys.iter().map(|key| ((*key).to_owned(), String::new())).collect(),
            rejected: Vec::new(),
            measured_at: Instant::now(),
        };
        let found = mismatches(description, &contribution);
        found.into_iter().map(|Mismatch { name, reason, count }| (name, reason, count)).collect()
    }

    #[test]
    fn what_is_described_is_no_mismatch() {
        let metrics = vec![
            metric("a", "By", Value::Counter(1.0), &["k"]),
            metric("a", "By", Value::Counter(1.0), &[]),
            metric("b", "1", Value::Gauge(1.0), &[]),
        ];
        assert_eq!(found(&description(None), metrics, &["m"]), []);
    }

    #[test]
    fn each_way_to_depart_from_it_is_named_and_counted() {
        let metrics = vec![
            metric("a", "kBy", Value::Gauge(1.0), &["k", "x"]),
            metric("a", "By", Value::Counter(1.0), &["l", "x"]),
            metric("c", "1", Value::Gauge(1.0), &[]),
            metric("c", "1", Value::Gauge(1.0), &["y"]),
        ];
        let found = found(&description(None), metrics.clone(), &["n"]);
        let told: Vec<(&str, &str, u64)> = found
            .iter()
            .map(|(name, reason, count)| (name.as_str(), reason.split([';', ',']).next().unwrap(), *count))
            .collect();
        assert_eq!(
            told,
            [
                ("a", "has the attribute `x`", 2),
                ("a", "has the unit `kBy`", 1),
                ("a", "is a gauge", 1),
                ("c", "is not among the metrics that `describe` lists", 2),
                ("n", "is not among the metadata that `describe` lists", 1),
            ]
        );
        // Other names are allowed then; what is listed still is as it is listed.
        let found = self::found(&description(Some("more")), metrics, &["n"]);
        assert!(found.len() == 3 && found.iter().all(|(name, ..)| name == "a"), "{found:?}");
    }

    #[test]
    fn the_closest_of_several_entries_counts_and_the_list_is_bounded() {
        let mut twice = description(None);
        twice.metrics.push(MetricInfo { unit: "s".into(), ..twice.metrics[1].clone() });
        assert_eq!(found(&twice, vec![metric("b", "s", Value::Gauge(1.0), &[])], &[]), []);
        let many = (0..30).map(|n| metric(&format!("x{n:02}"), "1", Value::Gauge(1.0), &[])).collect();
        let found = found(&description(None), many, &[]);
        assert_eq!((found.len(), found.last().unwrap().2), (21, 10));
    }
}
