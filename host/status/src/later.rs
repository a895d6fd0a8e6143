//! What a later version may say that this one does not know: it is passed over, and the rest is read. An enumeration
//! whose field is always there has a word for it, `unknown`, and needs nothing of this.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::Error;
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use crate::{Failure, Histogram, Metric, Part, ReportedMetric, Value};

/// For `#[serde(deserialize_with)]`: a word of an enumeration, where it is known.
///
/// # Errors
/// It is no text.
pub(crate) fn known_word<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(known))
}

/// The same for a list of parts.
///
/// # Errors
/// It is no list of texts.
pub(crate) fn known_parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Part>, D::Error> {
    Ok(Vec::<String>::deserialize(deserializer)?.into_iter().filter_map(known).collect())
}

/// The same for the metrics whose kind is known.
///
/// # Errors
/// It is no list of metrics.
pub(crate) fn known_metrics<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ReportedMetric>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<ReportedMetric>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of metrics")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut metrics = Vec::new();
            while let Some(read) = list.next_element::<AnyMetric>()? {
                metrics.extend(read.known());
            }
            Ok(metrics)
        }
    }

    deserializer.deserialize_seq(List)
}

/// The same for failures by name; those whose names are not known count together.
///
/// # Errors
/// It is no map of numbers.
pub(crate) fn counts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Failure, u64>, D::Error> {
    struct Counts;

    impl<'de> Visitor<'de> for Counts {
        type Value = BTreeMap<Failure, u64>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a number for each failure")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut counts = BTreeMap::<_, u64>::new();
            while let Some((failure, count)) = map.next_entry()? {
                let all = counts.entry(failure).or_default();
                *all = all.saturating_add(count);
            }
            Ok(counts)
        }
    }

    deserializer.deserialize_map(Counts)
}

/// A [`ReportedMetric`] of any kind.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyMetric {
    name: String,
    #[serde(flatten)]
    value: AnyValue,
    unit: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    plugin: String,
    age_ms: u64,
}

/// A [`Value`] of any kind.
#[derive(serde::Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "lowercase")]
enum AnyValue {
    Gauge(f64),
    Counter(f64),
    Histogram(Histogram),
    #[serde(other, deserialize_with = "anything")]
    Unknown,
}

impl AnyMetric {
    fn known(self) -> Option<ReportedMetric> {
        let AnyMetric { name, value, unit, attributes, plugin, age_ms } = self;
        let value = match value {
            AnyValue::Gauge(value) => Value::Gauge(value),
            AnyValue::Counter(value) => Value::Counter(value),
            AnyValue::Histogram(histogram) => Value::Histogram(histogram),
            AnyValue::Unknown => return None,
        };
        Some(ReportedMetric { metric: Metric { name, value, unit, attributes }, plugin, age_ms })
    }
}

fn known<T: DeserializeOwned>(word: String) -> Option<T> {
    T::deserialize(IntoDeserializer::<Error>::into_deserializer(word)).ok()
}

fn anything<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    IgnoredAny::deserialize(deserializer).map(drop)
}
