//! Metrics: what a collector measures. Names and units follow OpenTelemetry's semantic conventions.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::binary::{read_number, write_number};

/// [`Value`] by another name, since `utoipa` takes a type of that name for any JSON.
type Measured = Value;

/// One data point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
pub struct Metric {
    /// For example `system.network.io`; see [`crate::names::metric_name`].
    pub name: String,
    /// The measurement, with its kind.
    #[serde(flatten)]
    #[schema(value_type = Measured)]
    pub value: Value,
    /// The unit in UCUM's notation, such as `By`, `s` or `{packet}`.
    pub unit: String,
    /// Dimensions, such as `network.interface.name` = `eth0`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A measured value; every number in it is finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(tag = "kind", content = "value", rename_all = "lowercase")]
#[schema(as = Measurement)]
pub enum Value {
    /// What something is right now.
    Gauge(f64),
    /// A total that only grows until its source starts again.
    Counter(f64),
    /// A distribution over buckets.
    Histogram(Histogram),
}

impl Value {
    /// Which form the value has.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Gauge(_) => Kind::Gauge,
            Value::Counter(_) => Kind::Counter,
            Value::Histogram(_) => Kind::Histogram,
        }
    }
}

/// The form of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// See [`Value::Gauge`].
    Gauge,
    /// See [`Value::Counter`].
    Counter,
    /// See [`Value::Histogram`].
    Histogram,
}

/// Measurements by bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
pub struct Histogram {
    /// Inclusive upper bounds, strictly increasing; a last bucket without one follows them.
    pub bounds: Vec<f64>,
    /// Measurements per bucket, not cumulative: one more entry than `bounds`.
    pub counts: Vec<u64>,
    /// The sum of all measurements, in the metric's unit.
    #[borsh(serialize_with = "write_number", deserialize_with = "read_number")]
    pub sum: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_reads_in_json_as_the_contract_writes_it() {
        let metric = Metric {
            name: "system.network.io".into(),
            value: Value::Counter(123.0),
            unit: "By".into(),
            attributes: BTreeMap::from([("network.interface.name".into(), "eth0".into())]),
        };
        let json = serde_json::json!({
            "name": "system.network.io", "kind": "counter", "value": 123.0, "unit": "By",
            "attributes": {"network.interface.name": "eth0"}
        });
        assert_eq!(serde_json::to_value(&metric).unwrap(), json);
        assert_eq!(serde_json::from_value::<Metric>(json).unwrap(), metric);
    }

    #[test]
    fn a_histogram_carries_its_buckets_as_the_value() {
        let value = Value::Histogram(Histogram { bounds: vec![0.5], counts: vec![3, 1], sum: 2.5 });
        let json = serde_json::json!({"kind": "histogram", "value": {"bounds": [0.5], "counts": [3, 1], "sum": 2.5}});
        assert_eq!(serde_json::to_value(&value).unwrap(), json);
    }
}
