//! From a series of a file to the points that are reported of it. No I/O.
//!
//! - A counter is a counter, a gauge or a metric without a type a gauge.
//! - A histogram with its cumulative buckets becomes one with counts per bucket.
//! - A summary becomes a gauge per quantile (attribute `quantile`) and two counters, `NAME_sum` and `NAME_count`.
//! - A `:` in a name becomes `.`, which Prometheus' names cannot have, so that no two names become one.
//! - What is not plain text in a label becomes U+FFFD.
//!
//! What the agent would refuse is left out here, so that it is counted under a reason: NaN, infinities and negative
//! counters, names that begin with `_`, labels that are too many or too long, histograms that do not add up.

use std::borrow::Cow;

use sandbeat_common::plain;
use sandbeat_sdk::{Distribution, Point, Value};

use crate::format::{Data, Family, Kind, Labels, Parts};
use crate::units;

/// Why a point is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Limit,
    Series,
    Duplicate,
    Help,
    Type,
    Name,
    Attributes,
    Value,
    Histogram,
}

/// As the agent takes them: of a name or key, and of an attribute's value, in bytes; bounds of a histogram.
const MAX_NAME: usize = 128;
pub(crate) const MAX_VALUE: usize = 256;
const MAX_BOUNDS: usize = 255;
/// Up to here, each integer is a double of its own.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

impl Reason {
    /// All of them.
    pub(crate) const ALL: [Reason; 9] = [
        Reason::Limit,
        Reason::Series,
        Reason::Duplicate,
        Reason::Help,
        Reason::Type,
        Reason::Name,
        Reason::Attributes,
        Reason::Value,
        Reason::Histogram,
    ];

    /// As it is reported.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Reason::Limit => "limit",
            Reason::Series => "series",
            Reason::Duplicate => "duplicate",
            Reason::Help => "help",
            Reason::Type => "type",
            Reason::Name => "name",
            Reason::Attributes => "attributes",
            Reason::Value => "value",
            Reason::Histogram => "histogram",
        }
    }
}

/// The points of one series, each of which may have to be left out; one has so many attributes at most.
pub(crate) fn of(
    family: &Family<'_>,
    labels: &Labels<'_>,
    data: &Data,
    max_attributes: u64,
) -> Vec<Result<Point, Reason>> {
    let unit = units::of(family.name);
    let points = match data {
        Data::Number(value) => {
            let value = if family.kind == Some(Kind::Counter) { Value::Counter(*value) } else { Value::Gauge(*value) };
            vec![Ok(point(family.name, "", unit, value))]
        }
        Data::Parts(parts) if family.kind == Some(Kind::Histogram) => {
            let distribution = distribution(parts).ok_or(Reason::Histogram);
            vec![distribution.map(|distribution| point(family.name, "", unit, Value::Histogram(distribution)))]
        }
        Data::Parts(parts) => summary(family.name, unit, parts).into_iter().map(Ok).collect(),
    };
    let whole = |point: Point| {
        let labels = labels.iter().map(|(name, value)| (name.to_string(), plain(value)));
        let point = labels.fold(point, |point, (name, value)| point.attribute(name, value));
        check(&point, max_attributes).map(|()| point)
    };
    points.into_iter().map(|point| point.and_then(whole)).collect()
}

/// How many points [`of`] makes of a series, good or not.
pub(crate) fn count(family: &Family<'_>, data: &Data) -> u64 {
    match data {
        Data::Parts(parts) if family.kind == Some(Kind::Summary) => {
            let parts_of_two = [parts.sum, parts.count].into_iter().flatten().count();
            (parts.marks.len() + parts_of_two) as u64
        }
        _ => 1,
    }
}

fn point(name: &str, suffix: &str, unit: &'static str, value: Value) -> Point {
    Point::new(format!("{}{suffix}", name.replace(':', ".")), unit, value)
}

fn summary(name: &str, unit: &'static str, parts: &Parts) -> Vec<Point> {
    let quantile =
        |(quantile, value): (f64, f64)| point(name, "", unit, Value::Gauge(value)).attribute("quantile", quantile);
    let mut points: Vec<_> = last_of_each(&parts.marks).into_iter().map(quantile).collect();
    points.extend(parts.sum.map(|sum| point(name, "_sum", unit, Value::Counter(sum))));
    points.extend(parts.count.map(|count| point(name, "_count", "1", Value::Counter(count))));
    points
}

/// Nothing when the parts make no histogram: a part is missing, a count is none or less than the one before it, the count
/// of all differs from that of the last bucket, or a bound is not finite.
fn distribution(parts: &Parts) -> Option<Distribution> {
    let mut buckets = last_of_each(&parts.marks);
    let last = buckets.pop_if(|(bound, _)| *bound == f64::INFINITY).map(|(_, count)| count);
    let total = match (last, parts.count) {
        (Some(last), Some(count)) => (last == count).then_some(last)?,
        (last, count) => last.or(count)?,
    };
    let sum = parts.sum.filter(|sum| sum.is_finite())?;
    if buckets.len() > MAX_BOUNDS || buckets.iter().any(|(bound, _)| !bound.is_finite()) {
        return None;
    }
    let (bounds, cumulative): (Vec<_>, Vec<_>) = buckets.into_iter().unzip();
    let mut before = 0;
    let mut counts = Vec::with_capacity(cumulative.len() + 1);
    for count in cumulative.into_iter().chain([total]) {
        let whole = (count.fract() == 0.0 && (0.0..=MAX_COUNT).contains(&count)).then_some(count as u64)?;
        counts.push(whole.checked_sub(before)?);
        before = whole;
    }
    Some(Distribution { bounds: Cow::Owned(bounds), counts, sum })
}

/// By mark; of several with the same one, that which was written last.
fn last_of_each(marks: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<_> = marks.iter().rev().copied().collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    sorted.dedup_by(|a, b| a.0 == b.0);
    sorted
}

/// Whether the agent takes it.
fn check(point: &Point, max_attributes: u64) -> Result<(), Reason> {
    let is_name = |name: &str| {
        name.len() <= MAX_NAME && name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.ends_with('.')
    };
    if !is_name(&point.name) {
        return Err(Reason::Name);
    }
    let attributes = &point.attributes;
    if attributes.len() as u64 > max_attributes
        || !attributes.iter().all(|one| is_name(&one.key) && one.value.len() <= MAX_VALUE)
    {
        return Err(Reason::Attributes);
    }
    match point.value {
        Value::Gauge(value) if !value.is_finite() => Err(Reason::Value),
        Value::Counter(value) if !value.is_finite() || value < 0.0 => Err(Reason::Value),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Exposition;

    /// As `name{key=value,…} unit kind value`, or the reason.
    fn points(text: &str) -> Vec<String> {
        let read = Exposition::parse(text.as_bytes()).unwrap();
        let all = read.series.iter().flat_map(|((family, labels), data)| of(&read.families[*family], labels, data, 16));
        let line = |point: Point| {
            let attributes: Vec<_> = point.attributes.iter().map(|one| format!("{}={}", one.key, one.value)).collect();
            let value = match &point.value {
                Value::Gauge(value) => format!("gauge {value}"),
                Value::Counter(value) => format!("counter {value}"),
                Value::Histogram(value) => format!("histogram {:?} {:?} {}", value.bounds, value.counts, value.sum),
            };
            format!("{}{{{}}} {} {value}", point.name, attributes.join(","), point.unit)
        };
        all.map(|point| point.map_or_else(|reason| format!("{reason:?}"), line)).collect()
    }

    #[test]
    fn numbers_keep_their_kind_and_get_a_unit() {
        let text = "# TYPE a_bytes_total counter\na_bytes_total{x=\"1\"} 5\n# TYPE t_celsius gauge\nt_celsius -2.5\n\
             job:errors:rate5m 0.5\n";
        let expected =
            ["a_bytes_total{x=1} By counter 5", "t_celsius{} Cel gauge -2.5", "job.errors.rate5m{} 1 gauge 0.5"];
        assert_eq!(points(text), expected);
    }

    #[test]
    fn labels_are_made_plain() {
        assert_eq!(points("a{x=\"1\\n2\"} 1\n"), ["a{x=1\u{fffd}2} 1 gauge 1"]);
        assert_eq!(points("a{x=\"1\u{202e}👩\u{200d}💻\"} 1\n"), ["a{x=1\u{fffd}👩\u{200d}💻} 1 gauge 1"]);
    }

    #[test]
    fn buckets_are_no_longer_cumulative() {
        let text = "# TYPE h_seconds histogram\nh_seconds_bucket{le=\"1\"} 9\nh_seconds_bucket{le=\"0.1\"} 2\n\
             h_seconds_bucket{le=\"1\"} 3\nh_seconds_bucket{le=\"+Inf\"} 7\nh_seconds_sum 4.5\nh_seconds_count 7\n";
        assert_eq!(points(text), ["h_seconds{} s histogram [0.1, 1.0] [2, 1, 4] 4.5"]);
        let text = "# TYPE h histogram\nh_bucket{le=\"1.6384e+06\"} 1.69185e+06\nh_sum 0\nh_count 1.691853e+06\n";
        assert_eq!(points(text), ["h{} 1 histogram [1638400.0] [1691850, 3] 0"]);
        assert_eq!(points("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 7\nh_sum 1\n"), ["h{} 1 histogram [] [7] 1"]);
    }

    #[test]
    fn a_histogram_that_does_not_add_up_is_none() {
        for lines in [
            "h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 3\nh_count 3\n",
            "h_bucket{le=\"1\"} 3\nh_sum 1\n",
            "h_bucket{le=\"1\"} 3\nh_bucket{le=\"2\"} 2\nh_sum 1\nh_count 3\n",
            "h_bucket{le=\"1\"} 3\nh_sum 1\nh_count 2\n",
            "h_bucket{le=\"+Inf\"} 3\nh_sum 1\nh_count 4\n",
            "h_bucket{le=\"1\"} 0.5\nh_sum 1\nh_count 4\n",
            "h_bucket{le=\"-Inf\"} 1\nh_sum 1\nh_count 4\n",
            "h_bucket{le=\"1\"} 1\nh_sum NaN\nh_count 4\n",
            "h_bucket{le=\"1\"} NaN\nh_sum 1\nh_count 4\n",
            "h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1e300\n",
            "h 3\n",
        ] {
            assert_eq!(points(&format!("# TYPE h histogram\n{lines}")), ["Histogram"], "{lines}");
        }
        let buckets: String = (0..256).map(|n| format!("h_bucket{{le=\"{n}\"}} 0\n")).collect();
        assert_eq!(points(&format!("# TYPE h histogram\n{buckets}h_sum 0\nh_count 0\n")), ["Histogram"]);
    }

    #[test]
    fn a_summary_is_gauges_and_two_counters() {
        let text = "# TYPE s_seconds summary\ns_seconds{quantile=\"0.5\",a=\"x\"} 0.25\ns_seconds{quantile=\"0.990\",a=\"x\"} NaN\n\
             s_seconds_sum{a=\"x\"} 4.5\ns_seconds_count{a=\"x\"} 7\n";
        let expected = [
            "s_seconds{quantile=0.5,a=x} s gauge 0.25",
            "Value",
            "s_seconds_sum{a=x} s counter 4.5",
            "s_seconds_count{a=x} 1 counter 7",
        ];
        assert_eq!(points(text), expected);
    }

    #[test]
    fn what_the_agent_would_refuse_is_left_out_by_reason() {
        let long = "x".repeat(129);
        let labels: String = (0..17).map(|n| format!("l{n}=\"1\",")).collect();
        for (text, reason) in [
            ("a NaN\n".to_owned(), "Value"),
            ("a -Inf\n".to_owned(), "Value"),
            ("# TYPE a counter\na -1\n".to_owned(), "Value"),
            ("_a 1\n".to_owned(), "Name"),
            (":a 1\n".to_owned(), "Name"),
            ("a: 1\n".to_owned(), "Name"),
            (format!("{long} 1\n"), "Name"),
            ("a{_x=\"1\"} 1\n".to_owned(), "Attributes"),
            (format!("a{{x=\"{long}{long}\"}} 1\n"), "Attributes"),
            (format!("a{{{labels}}} 1\n"), "Attributes"),
        ] {
            assert_eq!(points(&text), [reason], "{text}");
        }
    }
}
