//! Families of samples, kept such that what is written of them is always a valid exposition. Pure.
//!
//! A scrape is taken whole or not at all: one name with two types, one sample twice, or a histogram that does not add
//! up would cost all the rest. What does not fit is left out here and counted by its reason.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use sandbeat_status::exposition::{Family, Form, Labels, Name};
use sandbeat_status::{Histogram, Value};

use super::name;

/// The most bytes of text that the collectors' samples take, roughly; the last ones are left out.
const MAX_TEXT: usize = 4 << 20;

/// A number and what it is of.
pub(super) type Sample = (Labels, f64);

/// A number of the whole, where there is one.
pub(super) fn whole(value: impl Into<Option<f64>>) -> Option<Sample> {
    value.into().map(|value| (Labels::new(), value))
}

/// Why a sample is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Its name is taken by another, or with another type or unit.
    Name,
    /// Its name and labels are there already.
    Duplicate,
    /// OpenMetrics cannot say it: a number that is none, a histogram below zero or past counting.
    Value,
    /// The answer would be too large.
    Size,
}

impl Reason {
    pub(super) const ALL: [Reason; 4] = [Reason::Name, Reason::Duplicate, Reason::Value, Reason::Size];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Reason::Name => "name",
            Reason::Duplicate => "duplicate",
            Reason::Value => "value",
            Reason::Size => "size",
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Families {
    list: Vec<Family>,
    /// Of those that others can add to: where it is in the list, and what it has.
    shared: BTreeMap<String, (usize, HashSet<Labels>)>,
    taken: BTreeSet<String>,
    left_out: BTreeMap<Reason, u64>,
    text: usize,
}

impl Families {
    /// A family of the agent's own, with its name in OpenTelemetry's form. Without samples it is not there; of those
    /// with the same labels the first one is told.
    pub(super) fn own(&mut self, name: &str, unit: &str, form: Form, help: &str, samples: Vec<(Labels, Value)>) {
        self.push(Family { name: name::of(name, unit, form), form, help: help.to_owned().into(), samples });
    }

    /// The same of one that is named already.
    pub(super) fn push(&mut self, Family { name, form, help, samples }: Family) {
        self.taken.extend(name.taken(form));
        let mut known = HashSet::new();
        let mut is_new = |labels: &Labels| known.insert(labels.clone());
        let samples: Vec<_> =
            samples.into_iter().filter(|(labels, value)| can_be_told(value) && is_new(labels)).collect();
        if !samples.is_empty() {
            self.list.push(Family { name, form, help, samples });
        }
    }

    /// The same of gauges.
    pub(super) fn gauges(&mut self, name: &str, unit: &str, help: &str, samples: impl IntoIterator<Item = Sample>) {
        let samples = samples.into_iter().map(|(labels, value)| (labels, Value::Gauge(value))).collect();
        self.own(name, unit, Form::Gauge, help, samples);
    }

    /// The same of counters.
    pub(super) fn counters(&mut self, name: &str, unit: &str, help: &str, samples: impl IntoIterator<Item = Sample>) {
        let samples = samples.into_iter().map(|(labels, value)| (labels, Value::Counter(value))).collect();
        self.own(name, unit, Form::Counter, help, samples);
    }

    /// One sample of a family that several may add to.
    pub(super) fn add(&mut self, name: Name, form: Form, help: impl FnOnce() -> String, labels: Labels, value: Value) {
        if let Err(reason) = self.try_add(name, form, help, labels, value) {
            *self.left_out.entry(reason).or_default() += 1;
        }
    }

    /// How many were left out, by reason.
    pub(super) fn left_out(&self, reason: Reason) -> u64 {
        self.left_out.get(&reason).copied().unwrap_or(0)
    }

    pub(super) fn into_list(self) -> Vec<Family> {
        self.list
    }

    fn try_add(
        &mut self,
        name: Name,
        form: Form,
        help: impl FnOnce() -> String,
        labels: Labels,
        value: Value,
    ) -> Result<(), Reason> {
        if !can_be_told(&value) {
            return Err(Reason::Value);
        }
        let size = text_len(&name, &labels, &value);
        if self.text + size > MAX_TEXT {
            return Err(Reason::Size);
        }
        let (at, known) = match self.shared.entry(name.family()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let names = name.taken(form);
                if names.iter().any(|name| self.taken.contains(name)) {
                    return Err(Reason::Name);
                }
                self.taken.extend(names);
                self.list.push(Family { name: name.clone(), form, help: help().into(), samples: Vec::new() });
                entry.insert((self.list.len() - 1, HashSet::new()))
            }
        };
        let family = &mut self.list[*at];
        if (family.form, &family.name) != (form, &name) {
            return Err(Reason::Name);
        }
        if !known.insert(labels.clone()) {
            return Err(Reason::Duplicate);
        }
        family.samples.push((labels, value));
        self.text += size;
        Ok(())
    }
}

/// Whether the formats have a way to write it (OpenMetrics 1.0, sections "Counter" and "Histogram").
fn can_be_told(value: &Value) -> bool {
    match value {
        Value::Gauge(value) => value.is_finite(),
        Value::Counter(value) => value.is_finite() && *value >= 0.0,
        Value::Histogram(Histogram { bounds, counts, sum }) => {
            let all = counts.iter().try_fold(0_u64, |all, count| all.checked_add(*count));
            // Below zero a histogram has no sum; the encoder always writes one.
            let positive = *sum >= 0.0 && bounds.first().is_none_or(|first| *first >= 0.0);
            all.is_some() && sum.is_finite() && positive && counts.len() == bounds.len() + 1
        }
    }
}

/// About how many bytes its lines take.
fn text_len(name: &Name, labels: &Labels, value: &Value) -> usize {
    const NUMBER: usize = 40;
    let name = name.stem.len() + name.unit.as_ref().map_or(0, |unit| unit.len());
    // A character may be written as two.
    let labels: usize = labels.iter().map(|(label, value)| label.len() + 2 * value.len() + 4).sum();
    let lines = match value {
        Value::Gauge(_) | Value::Counter(_) => 1,
        Value::Histogram(histogram) => histogram.counts.len() + 2,
    };
    lines * (name + labels + NUMBER)
}

#[cfg(test)]
mod tests {
    use sandbeat_status::exposition::labels;

    use super::*;

    fn add(families: &mut Families, name: &str, unit: &str, value: Value, label: &str) {
        let form = match value {
            Value::Gauge(_) => Form::Gauge,
            Value::Counter(_) => Form::Counter,
            Value::Histogram(_) => Form::Histogram,
        };
        let labels = labels([("of", label)]);
        families.add(name::of(name, unit, form), form, || "Help.".to_owned(), labels, value);
    }

    fn left_out(families: &Families) -> Vec<u64> {
        Reason::ALL.iter().map(|reason| families.left_out(*reason)).collect()
    }

    #[test]
    fn one_name_has_one_type_and_one_unit() {
        let mut families = Families::default();
        families.own("sandbox.pids", "{task}", Form::Gauge, "", vec![(Vec::new(), Value::Gauge(1.0))]);
        add(&mut families, "sandbox.pids", "1", Value::Counter(1.0), "the agent's own");
        add(&mut families, "a.b", "{x}", Value::Counter(1.0), "first");
        add(&mut families, "a_b", "1", Value::Counter(1.0), "second");
        add(&mut families, "a.b", "{x}", Value::Gauge(1.0), "another type");
        add(&mut families, "a.b.total", "{x}", Value::Gauge(1.0), "the name of its sample");
        add(&mut families, "c", "s", Value::Gauge(1.0), "first");
        add(&mut families, "c.seconds", "{x}", Value::Gauge(1.0), "another unit");
        assert_eq!(left_out(&families), [4, 0, 0, 0]);
        let list = families.into_list();
        let counts: Vec<_> = list.iter().map(|family| (family.name.family(), family.samples.len())).collect();
        let expected = [("sandbox_pids", 1), ("a_b", 2), ("c_seconds", 1)];
        assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)));
    }

    #[test]
    fn a_sample_is_there_once() {
        let mut families = Families::default();
        let twice = [1.0, 2.0].map(|value| (labels([("of", "x")]), value));
        families.gauges("own", "", "", twice);
        assert_eq!(families.list[0].samples, [(labels([("of", "x")]), Value::Gauge(1.0))]);
        let mut families = Families::default();
        add(&mut families, "a", "1", Value::Gauge(1.0), "x");
        add(&mut families, "a", "1", Value::Gauge(2.0), "x");
        assert_eq!(left_out(&families), [0, 1, 0, 0]);
        assert_eq!(families.into_list()[0].samples.len(), 1);
    }

    #[test]
    fn what_the_formats_cannot_say_is_left_out() {
        let histogram = |bounds: &[f64], counts: &[u64], sum| {
            Value::Histogram(Histogram { bounds: bounds.to_vec(), counts: counts.to_vec(), sum })
        };
        let mut families = Families::default();
        for (at, value) in [
            Value::Gauge(f64::NAN),
            Value::Counter(-1.0),
            Value::Counter(f64::INFINITY),
            histogram(&[-1.0], &[1, 1], 0.0),
            histogram(&[1.0], &[1, 1], -1.0),
            histogram(&[1.0], &[u64::MAX, 1], 1.0),
            histogram(&[1.0], &[1], 1.0),
        ]
        .into_iter()
        .enumerate()
        {
            add(&mut families, &format!("bad{at}"), "s", value, "");
        }
        add(&mut families, "good", "s", histogram(&[0.0, 1.0], &[1, 0, 2], 5.0), "");
        assert_eq!(left_out(&families), [0, 0, 7, 0]);
        assert_eq!(families.into_list().len(), 1);
    }

    #[test]
    fn the_whole_is_bounded() {
        let mut families = Families::default();
        let value =
            Value::Histogram(Histogram { bounds: (0..255).map(f64::from).collect(), counts: vec![1; 256], sum: 1.0 });
        for at in 0..1000 {
            add(&mut families, &format!("m{at}"), "1", value.clone(), &"x".repeat(256));
        }
        assert!(families.left_out(Reason::Size) > 900, "{families:?}");
    }
}
