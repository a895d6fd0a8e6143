//! Families of samples, and their text in one of two formats. Pure.
//!
//! The encoder writes OpenMetrics 1.0. The older format of Prometheus differs in what names a counter's and an info's
//! family, and has no types and units of its own for them (github.com/prometheus/docs, exposition_formats.md); said
//! with other descriptors, the same encoder writes that as well.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use sandbeat_status::{Histogram, Value};

/// Labels by name, none of them empty: an empty one is the same as none.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The form of a family's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Gauge,
    Counter,
    Histogram,
    /// Labels with the value 1.
    Info,
}

/// Samples of one name.
#[derive(Clone, Debug)]
pub(super) struct Family {
    /// Without the unit and what the form adds.
    pub(super) name: &'static str,
    /// Prometheus' word for it, with which the name goes on; empty for none.
    pub(super) unit: &'static str,
    pub(super) form: Form,
    pub(super) help: &'static str,
    /// No two with the same labels.
    pub(super) samples: Vec<(Labels, Value)>,
}

/// What the text is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    /// Version 1.0.0.
    OpenMetrics,
    /// Prometheus' text format, version 0.0.4.
    Text,
}

impl Format {
    /// For `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What follows the last family.
    pub(super) fn end(self) -> &'static str {
        match self {
            Format::OpenMetrics => "# EOF\n",
            Format::Text => "",
        }
    }

    /// Which one a scraper wants, from `Accept`: OpenMetrics where it is named and not liked less than the other.
    pub(super) fn wanted(accept: &str) -> Self {
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
pub(super) fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.to_owned())).collect()
}

/// The text of families, without the end that follows the last one.
pub(super) fn text(families: Vec<Family>, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition { families, format }));
    let mut text = String::new();
    // A string takes everything that is written to it.
    let _ = encode_registry(&mut text, &registry);
    text
}

/// More samples of a family whose first ones have been written.
pub(super) fn samples(family: Family, format: Format) -> String {
    let text = text(vec![family], format);
    let comments = text.lines().take_while(|line| line.starts_with('#')).map(|line| line.len() + 1).sum();
    text.get(comments..).unwrap_or_default().to_owned()
}

impl Family {
    pub(super) fn of(
        name: &'static str,
        unit: &'static str,
        form: Form,
        help: &'static str,
        samples: Vec<(Labels, Value)>,
    ) -> Self {
        Family { name, unit, form, help, samples }
    }

    /// A gauge of the whole.
    pub(super) fn gauge(name: &'static str, unit: &'static str, help: &'static str, value: f64) -> Self {
        Family::of(name, unit, Form::Gauge, help, vec![(Labels::new(), Value::Gauge(value))])
    }

    /// A counter.
    pub(super) fn counter(name: &'static str, help: &'static str, counts: Vec<(Labels, u64)>) -> Self {
        let samples = counts.into_iter().map(|(labels, count)| (labels, Value::Counter(count as f64))).collect();
        Family::of(name, "", Form::Counter, help, samples)
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
    let unit = (!family.unit.is_empty()).then(|| Unit::Other(family.unit.to_owned()));
    let kind = match family.form {
        Form::Gauge => MetricType::Gauge,
        Form::Counter => MetricType::Counter,
        Form::Histogram => MetricType::Histogram,
        Form::Info => MetricType::Info,
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
    let mut metrics = encoder.encode_descriptor(family.name, &help, unit.as_ref(), kind)?;
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
    let name = match family.unit {
        "" => family.name.to_owned(),
        unit => format!("{}_{unit}", family.name),
    };
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
