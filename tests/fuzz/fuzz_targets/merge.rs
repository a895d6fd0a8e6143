//! Any values as what collectors return: judged, merged, and a report that holds what a report may hold.

#![no_main]

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use sandbeat_collectors::fuzzing::{self, types};

#[derive(Debug, Arbitrary)]
struct Input {
    /// A collector has one contribution, so that equal numbers are names in the order of the list.
    collectors: Vec<Returned>,
    metadata: BTreeMap<Name, Text>,
}

#[derive(Debug, Arbitrary)]
struct Returned {
    metrics: Vec<Point>,
    /// The last point so many times more, each under a name of its own.
    many: u16,
    metadata: Vec<(Name, Text)>,
}

#[derive(Clone, Debug, Arbitrary)]
struct Point {
    name: Name,
    unit: Unit,
    value: Value,
    attributes: Vec<(Name, Text)>,
}

#[derive(Clone, Debug, Arbitrary)]
enum Value {
    Gauge(f64),
    Counter(f64),
    Histogram { bounds: Vec<f64>, counts: Vec<u64>, sum: f64 },
}

/// Often good, so that what comes after it is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name(String);

#[derive(Clone, Debug)]
struct Unit(String);

/// Sometimes long.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Text(String);

impl<'a> Arbitrary<'a> for Name {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Name(match u.int_in_range(0..=7)? {
            0 => u.arbitrary()?,
            1 => "a".repeat(u.int_in_range(120..=136)?),
            _ => format!("test.name_{}", u.int_in_range(0..=31)?),
        }))
    }
}

impl<'a> Arbitrary<'a> for Unit {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Unit(if u.ratio(7, 8)? { "By".to_owned() } else { u.arbitrary()? }))
    }
}

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let text: String = u.arbitrary()?;
        Ok(Text(if u.ratio(1, 4)? { text.repeat(u.int_in_range(1..=200)?) } else { text }))
    }
}

fuzz_target!(|input: Input| {
    let Input { collectors, metadata } = input;
    let contributions = collectors
        .into_iter()
        .take(8)
        .enumerate()
        .map(|(at, returned)| fuzzing::judge(&format!("collector-{at}"), returned.into_raw()));
    let metadata = metadata.into_iter().map(|(Name(key), Text(value))| (key, value)).take(16);
    let metadata = metadata.filter(|(key, value)| key.len() < 200 && value.len() < 2000).collect();
    sandbeat_agent::fuzzing::merge(contributions.collect(), metadata);
});

impl Returned {
    fn into_raw(self) -> types::Contribution {
        let Returned { mut metrics, many, metadata } = self;
        if let Some(last) = metrics.last().cloned() {
            let further = |n: u16| Point { name: Name(format!("many.n{n}")), ..last.clone() };
            metrics.extend((0..many % 2048).map(further));
        }
        types::Contribution {
            metrics: metrics.into_iter().map(Point::into_raw).collect(),
            metadata: metadata
                .into_iter()
                .map(|(Name(key), Text(value))| types::MetadataEntry { key, value })
                .collect(),
        }
    }
}

impl Point {
    fn into_raw(self) -> types::Metric {
        let Point { name: Name(name), unit: Unit(unit), value, attributes } = self;
        let value = match value {
            Value::Gauge(value) => types::Value::Gauge(value),
            Value::Counter(value) => types::Value::Counter(value),
            Value::Histogram { bounds, counts, sum } => {
                types::Value::Histogram(types::Histogram { bounds, counts, sum })
            }
        };
        let attributes =
            attributes.into_iter().map(|(Name(key), Text(value))| types::Attribute { key, value }).collect();
        types::Metric { name, unit, value, attributes }
    }
}
