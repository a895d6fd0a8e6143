//! What a person sees of one collect: its cost in a line, and tables. Pure but for the width of the terminal.

use comfy_table::Table;
use sandbeat_collectors::Contribution;
use sandbeat_collectors::workbench::{Measured, Mismatch};
use sandbeat_status::{Metric, Rejected, Value};

use super::Gathered;
use crate::plugin::{output_bytes, shown};
use crate::{format, output};

/// The least of the points that is shown where there is no room for everything, in lines.
const MIN_POINTS: usize = 4;

/// One collect in lines.
pub(super) struct View {
    /// How much it is, and what it cost.
    summary: [String; 2],
    points: Vec<String>,
    /// The tables of what is not a point: metadata, what was rejected, what is not as described.
    others: Vec<Vec<String>>,
}

pub(super) fn of(plugin: &str, Gathered { measured, mismatches }: &Gathered) -> View {
    let Contribution { metrics, metadata, rejected, .. } = &measured.contribution;
    let mut points = output::table(["VALUE", "UNIT", "KIND", "METRIC"], &[0]);
    for metric in metrics {
        points.add_row(row(metric));
    }
    let mut entries = output::table(["METADATA", "VALUE"], &[]);
    for (key, value) in metadata {
        entries.add_row([key, value].map(|text| shown(text)));
    }
    let mut refused = output::table(["REJECTED", "TIMES", "REASON"], &[1]);
    for Rejected { name, reason, count, .. } in rejected {
        refused.add_row([shown(name), count.to_string(), shown(reason)]);
    }
    let mut departs = output::table(["NOT AS DESCRIBED", "TIMES", "REASON"], &[1]);
    for Mismatch { name, reason, count } in mismatches {
        departs.add_row([shown(name), count.to_string(), shown(reason)]);
    }
    let others = [entries, refused, departs].iter().map(lines).filter(|lines| !lines.is_empty()).collect();
    View { summary: summary(plugin, measured), points: lines(&points), others }
}

impl View {
    /// All of it, the summary last.
    pub(super) fn printed(&self) -> String {
        let mut text = String::new();
        for table in [&self.points].into_iter().chain(&self.others).filter(|table| !table.is_empty()) {
            text.push_str(&table.join("\n"));
            text.push_str("\n\n");
        }
        text + &self.summary.join("; ")
    }

    /// What of it fits into so many lines, the summary first. Where that is not all, points give way to the others.
    pub(super) fn fitted(&self, height: usize) -> Vec<String> {
        let mut lines = self.summary.to_vec();
        let others: usize = self.others.iter().map(|table| table.len() + 1).sum();
        let room = height.saturating_sub(lines.len() + others + 1).max(MIN_POINTS);
        if !self.points.is_empty() {
            lines.push(String::new());
            lines.extend(cut(&self.points, room));
        }
        for table in &self.others {
            lines.push(String::new());
            lines.extend(table.iter().cloned());
        }
        cut(&lines, height)
    }
}

/// The first lines, the last of which says how many more there are where there is no room for all.
fn cut(lines: &[String], height: usize) -> Vec<String> {
    if lines.len() <= height {
        return lines.to_vec();
    }
    let shown = height.saturating_sub(1);
    let mut cut = lines[..shown].to_vec();
    if height > 0 {
        cut.push(format!("… and {} more lines; without --watch all of them are printed", lines.len() - shown));
    }
    cut
}

fn lines(table: &Table) -> Vec<String> {
    if table.is_empty() { Vec::new() } else { table.trim_fmt().lines().map(str::to_owned).collect() }
}

fn summary(plugin: &str, measured: &Measured) -> [String; 2] {
    let Contribution { metrics, metadata, rejected, .. } = &measured.contribution;
    let rejected: u64 = rejected.iter().map(|rejected| rejected.count).sum();
    let points = format!(
        "{plugin}: {}, {}, {rejected} rejected",
        format::count(metrics.len(), "metric", "metrics"),
        format::count(metadata.len(), "metadata entry", "metadata entries"),
    );
    let cost = format!(
        "took {} (CPU {}), peak memory {}, output {}",
        format::time(measured.took),
        format::time(measured.cpu),
        format::size(measured.peak_memory),
        format::size(output_bytes(&measured.contribution) as u64),
    );
    [points, cost]
}

/// What may be long comes last, where it can be wrapped.
fn row(metric: &Metric) -> [String; 4] {
    let attributes: Vec<String> =
        metric.attributes.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect();
    let mut name = metric.name.clone();
    if !attributes.is_empty() {
        name = format!("{name} {{{}}}", attributes.join(", "));
    }
    let (kind, value) = match &metric.value {
        Value::Gauge(value) => ("gauge", number(*value)),
        Value::Counter(value) => ("counter", number(*value)),
        Value::Histogram(histogram) => {
            let bounds = histogram.bounds.iter().map(|bound| format!("up to {bound}")).chain(["above".to_owned()]);
            let buckets: Vec<String> =
                bounds.zip(&histogram.counts).map(|(bound, count)| format!("{count} {bound}")).collect();
            name = format!("{name}: {}", buckets.join(", "));
            ("histogram", format!("sum {}", number(histogram.sum)))
        }
    };
    [value, metric.unit.clone(), kind.to_owned(), name]
}

/// Without the digits that only come from binary fractions: six that count, and four after the point. The JSON has all.
fn number(value: f64) -> String {
    if value == 0.0 || value.abs() >= 1e9 {
        return value.to_string();
    }
    let decimals = (5.0 - value.abs().log10().floor()).clamp(4.0, 15.0);
    let scale = 10_f64.powf(decimals);
    let rounded = (value * scale).round() / scale;
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sandbeat_status::Histogram;

    use super::*;

    #[test]
    fn a_metric_is_a_row() {
        let attributes = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let metric = |value| Metric { name: "x.y".into(), value, unit: "By".into(), attributes: attributes.clone() };
        assert_eq!(row(&metric(Value::Counter(1024.0))), ["1024", "By", "counter", "x.y {a=1, b=2}"]);
        let histogram = Histogram { bounds: vec![0.5, 2.0], counts: vec![3, 0, 1], sum: 7.25 };
        assert_eq!(
            row(&metric(Value::Histogram(histogram))),
            ["sum 7.25", "By", "histogram", "x.y {a=1, b=2}: 3 up to 0.5, 0 up to 2, 1 above"]
        );
    }

    #[test]
    fn numbers_have_no_noise_and_lose_nothing_that_counts() {
        for (value, shown) in [
            (0.9573999999999999, "0.9574"),
            (4790.720779, "4790.7208"),
            (123_456_789_012.5, "123456789012.5"),
            (0.005600000000000001, "0.0056"),
            (0.0000012, "0.0000012"),
            (0.0, "0"),
            (-3.0, "-3"),
        ] {
            assert_eq!(number(value), shown);
        }
    }

    #[test]
    fn where_there_is_no_room_points_give_way() {
        let line = |text: &str, n: usize| -> Vec<String> { (0..n).map(|n| format!("{text}{n}")).collect() };
        let view =
            View { summary: ["s".into(), "c".into()], points: line("p", 20), others: vec![line("m", 3), line("r", 2)] };
        assert_eq!(view.fitted(100).len(), 2 + 21 + 4 + 3);
        let fitted = view.fitted(17);
        assert_eq!(fitted.len(), 17, "{fitted:?}");
        assert!(fitted[3] == "p0" && fitted[9].starts_with("… and 14 more lines"), "{fitted:?}");
        assert_eq!((fitted[11].as_str(), fitted[16].as_str()), ("m0", "r1"));
        let fitted = view.fitted(5);
        assert!(fitted.len() == 5 && fitted[4].starts_with("… and "), "{fitted:?}");
        assert!(view.fitted(0).is_empty());
    }
}
