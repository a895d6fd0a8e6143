//! Families of samples, and their text in one of Prometheus' two formats. Pure.
//!
//! Who makes them keeps them valid: a scraper takes an answer whole or not at all, so no family may be there twice, nor a
//! sample of one.
//!
//! The encoder writes OpenMetrics 1.0. The older format of Prometheus differs in what names a counter's and an info's
//! family, and has no types and units of its own for them (github.com/prometheus/docs, exposition_formats.md); said
//! with other descriptors, the same encoder writes that as well.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::metric::{Histogram, Value};

/// Labels by name, none of them empty: an empty one is the same as none.
pub type Labels = Vec<(Cow<'static, str>, String)>;

/// The form of a family's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Goes up and down.
    Gauge,
    /// Only grows.
    Counter,
    /// By buckets.
    Histogram,
    /// Labels with the value 1.
    Info,
}

/// A family's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Without the unit and what the form adds.
    pub stem: Cow<'static, str>,
    /// The unit in Prometheus' words, where the name ends with it; OpenMetrics allows none else.
    pub unit: Option<Cow<'static, str>>,
}

/// Samples of one name.
#[derive(Clone, Debug)]
pub struct Family {
    /// Its name.
    pub name: Name,
    /// Of all its values.
    pub form: Form,
    /// What it is, for a person.
    pub help: Cow<'static, str>,
    /// No two with the same labels.
    pub samples: Vec<(Labels, Value)>,
}

/// What the text is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Version 1.0.0.
    OpenMetrics,
    /// Prometheus' text format, version 0.0.4.
    Text,
}

impl Format {
    /// For `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What follows the last family.
    pub fn end(self) -> &'static str {
        match self {
            Format::OpenMetrics => "# EOF\n",
            Format::Text => "",
        }
    }

    /// Which one a scraper wants, from `Accept`: OpenMetrics where it is named and not liked less than the other.
    pub fn wanted(accept: &str) -> Self {
        let best = |kind: &str, versions: &[&str]| {
            let ranges = accept.split(',').filter_map(|range| quality(range, kind, versions));
            ranges.fold(0.0_f64, f64::max)
        };
        let open = best("application/openmetrics-text", &["1.0.0", ""]);
        let text = best("text/plain", &["0.0.4", ""]);
        if open > 0.0 && open >= text { Format::OpenMetrics } else { Format::Text }
    }
}

/// Labels with these values.
pub fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| (Cow::Borrowed(name), value.to_owned())).collect()
}

/// The text of families, without the end that follows the last one.
pub fn text(families: Vec<Family>, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition { families, format }));
    let mut text = String::new();
    // A string takes everything that is written to it.
    let _ = encode_registry(&mut text, &registry);
    text
}

/// More samples of a family whose first ones have been written.
pub fn samples(family: Family, format: Format) -> String {
    let text = text(vec![family], format);
    let comments = text.lines().take_while(|line| line.starts_with('#')).map(|line| line.len() + 1).sum();
    text.get(comments..).unwrap_or_default().to_owned()
}

impl Name {
    /// The family's name.
    pub fn family(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{}_{unit}", self.stem),
            None => self.stem.clone().into_owned(),
        }
    }

    /// Every name that the family takes: no other may have one of them.
    pub fn taken(&self, form: Form) -> Vec<String> {
        let family = self.family();
        let ends: &[&str] = match form {
            Form::Gauge => &[],
            Form::Counter => &["_total", "_created"],
            Form::Histogram => &["_bucket", "_count", "_sum", "_created"],
            Form::Info => &["_info"],
        };
        ends.iter().map(|end| format!("{family}{end}")).chain([family.clone()]).collect()
    }
}

impl Family {
    /// A family; `unit` is empty for none.
    pub fn of(
        stem: &'static str,
        unit: &'static str,
        form: Form,
        help: impl Into<Cow<'static, str>>,
        samples: Vec<(Labels, Value)>,
    ) -> Self {
        let unit = (!unit.is_empty()).then_some(Cow::Borrowed(unit));
        Family { name: Name { stem: Cow::Borrowed(stem), unit }, form, help: help.into(), samples }
    }

    /// A gauge of the whole.
    pub fn gauge(stem: &'static str, unit: &'static str, help: impl Into<Cow<'static, str>>, value: f64) -> Self {
        Family::of(stem, unit, Form::Gauge, help, vec![(Labels::new(), Value::Gauge(value))])
    }

    /// A counter of things.
    pub fn counter(stem: &'static str, help: impl Into<Cow<'static, str>>, counts: Vec<(Labels, u64)>) -> Self {
        let samples = counts.into_iter().map(|(labels, count)| (labels, Value::Counter(count as f64))).collect();
        Family::of(stem, "", Form::Counter, help, samples)
    }
}

#[derive(Debug)]
struct Exposition {
    families: Vec<Family>,
    format: Format,
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.families.iter().try_for_each(|family| match self.format {
            Format::OpenMetrics => open(family, &mut encoder),
            Format::Text => plain(family, &mut encoder),
        })
    }
}

fn open(family: &Family, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let unit = family.name.unit.clone().map(|unit| Unit::Other(unit.into_owned()));
    let kind = match family.form {
        Form::Gauge => MetricType::Gauge,
        Form::Counter => MetricType::Counter,
        Form::Histogram => MetricType::Histogram,
        Form::Info => MetricType::Info,
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
    let mut metrics = encoder.encode_descriptor(&family.name.stem, &help, unit.as_ref(), kind)?;
    for (labels, value) in &family.samples {
        if family.form == Form::Info {
            metrics.encode_info(labels)?;
            continue;
        }
        match labels.is_empty() {
            true => sample(&mut metrics, value)?,
            false => sample(&mut metrics.encode_family(labels)?, value)?,
        }
    }
    Ok(())
}

fn sample(metric: &mut MetricEncoder<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Counter(value) => metric.encode_counter::<NoLabelSet, f64, f64>(value, None),
        Value::Gauge(value) => metric.encode_gauge(value),
        Value::Histogram(value) => histogram(metric, value),
    }
}

fn plain(family: &Family, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let name = family.name.family();
    let (name, kind) = match family.form {
        Form::Gauge => (name, MetricType::Gauge),
        Form::Counter => (format!("{name}_total"), MetricType::Counter),
        Form::Histogram => (name, MetricType::Histogram),
        Form::Info => (format!("{name}_info"), MetricType::Gauge),
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    let mut metrics = encoder.encode_descriptor(&name, &help, None, kind)?;
    for (labels, value) in &family.samples {
        // As a gauge, a counter keeps the name that it has.
        let value = match value {
            Value::Counter(value) => &Value::Gauge(*value),
            value => value,
        };
        match labels.is_empty() {
            true => sample(&mut metrics, value)?,
            false => sample(&mut metrics.encode_family(labels)?, value)?,
        }
    }
    Ok(())
}

fn histogram(metric: &mut MetricEncoder<'_>, value: &Histogram) -> fmt::Result {
    let bounds = value.bounds.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(value.counts.iter().copied()).collect();
    metric.encode_histogram::<NoLabelSet>(value.sum, value.counts.iter().sum(), &buckets, None)
}

/// How much one range of `Accept` likes a media type in one of these versions; `None` where it is about another.
fn quality(range: &str, kind: &str, versions: &[&str]) -> Option<f64> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(kind) {
        return None;
    }
    let (mut quality, mut version) = (1.0, "");
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim() {
            "q" => quality = value.trim().parse().unwrap_or(0.0),
            "version" => version = value.trim().trim_matches('"'),
            _ => {}
        }
    }
    versions.contains(&version).then_some(quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(name: &'static str, unit: &'static str, form: Form, samples: Vec<(Labels, Value)>) -> Family {
        Family::of(name, unit, form, "All \"of\"\nit \\ them.", samples)
    }

    fn families() -> Vec<Family> {
        let label = |value: &str| labels([("path", value)]);
        let histogram = Histogram { bounds: vec![0.5, 1.0], counts: vec![1, 0, 2], sum: 7.5 };
        vec![
            family("net_io", "bytes", Form::Counter, vec![(label("a\"b\\c\nd"), Value::Counter(3.0))]),
            family("busy", "ratio", Form::Gauge, vec![(Vec::new(), Value::Gauge(0.25))]),
            family("took", "seconds", Form::Histogram, vec![(label("x"), Value::Histogram(histogram))]),
            family("build", "", Form::Info, vec![(label("v"), Value::Gauge(1.0))]),
        ]
    }

    #[test]
    fn open_metrics_has_units_and_an_end() {
        let expected = r##"# HELP net_io_bytes All \"of\"\nit \\ them.
# TYPE net_io_bytes counter
# UNIT net_io_bytes bytes
net_io_bytes_total{path="a\"b\\c\nd"} 3.0
# HELP busy_ratio All \"of\"\nit \\ them.
# TYPE busy_ratio gauge
# UNIT busy_ratio ratio
busy_ratio 0.25
# HELP took_seconds All \"of\"\nit \\ them.
# TYPE took_seconds histogram
# UNIT took_seconds seconds
took_seconds_sum{path="x"} 7.5
took_seconds_count{path="x"} 3
took_seconds_bucket{le="0.5",path="x"} 1
took_seconds_bucket{le="1.0",path="x"} 1
took_seconds_bucket{le="+Inf",path="x"} 3
# HELP build All \"of\"\nit \\ them.
# TYPE build info
build_info{path="v"} 1
"##;
        assert_eq!(text(families(), Format::OpenMetrics), expected);
    }

    #[test]
    fn an_empty_label_is_as_none() {
        assert_eq!(labels([("one", ""), ("other", "x")]), [("other".into(), "x".to_owned())]);
    }

    #[test]
    fn the_older_format_names_the_samples_themselves() {
        let text = text(families(), Format::Text);
        for line in [
            "# HELP net_io_bytes_total All \"of\"\\nit \\\\ them.",
            "# TYPE net_io_bytes_total counter",
            "net_io_bytes_total{path=\"a\\\"b\\\\c\\nd\"} 3.0",
            "# TYPE took_seconds histogram",
            "took_seconds_bucket{le=\"+Inf\",path=\"x\"} 3",
            "# TYPE build_info gauge",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("# UNIT") && !text.contains(" info\n"), "{text}");
    }

    #[test]
    fn a_scraper_gets_what_it_asks_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("text/plain, application/openmetrics-text; version=\"1.0.0\"", Format::OpenMetrics),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.5", Format::Text),
            ("application/openmetrics-text;version=0.0.1", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=much", Format::Text),
            ("*/*", Format::Text),
            ("", Format::Text),
            (";;;,,q=", Format::Text),
        ] {
            assert_eq!(Format::wanted(accept), format, "{accept}");
        }
    }
}
