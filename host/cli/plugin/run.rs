//! `sandbeat plugin run`: collects once and prints what would be merged, or again at every change of the files.
//!
//! With `--watch` the collector is on a thread of its own, so that a signal ends the command whatever the collector
//! does; what it is at is waited for, but not for long.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use sandbeat_collectors::Contribution;
use sandbeat_collectors::workbench::{Carried, Failing, Measured, Stamps, Workbench};
use sandbeat_status::{Metric, Rejected, Sample, Value};
use serde::Serialize;

use super::{Fault, name, sample, start, told};
use crate::args::{RunOptions, Subject};
use crate::signals::Terminate;
use crate::{format, output};

/// How often the files are looked at. A change counts when the next look finds the same.
const LOOK: Duration = Duration::from_millis(100);
/// How long the end of what the collector is at is waited for after a signal.
const LEAVE: Duration = Duration::from_secs(1);

pub(super) fn run(options: &RunOptions) -> anyhow::Result<()> {
    match options.watch {
        true => watch(&options.subject),
        false => {
            let (bench, source) = start(&options.subject)?;
            let (ran, _) = once(&bench, &options.subject, &sample(&source, Instant::now()), Carried::default());
            if options.subject.print.json {
                output::json(&Json::of(&ran))?;
            }
            match ran.result {
                Ok(_) if options.subject.print.json => Ok(()),
                Ok(measured) => print(&ran.plugin, &measured),
                Err(failing) => Err(anyhow!(told(&failing))),
            }
        }
    }
}

/// One load and collect.
struct Ran {
    plugin: String,
    /// The collector's own version and the component's digest, once it was loaded.
    loaded: Option<(String, String)>,
    result: Result<Measured, Failing>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    ok: bool,
    plugin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    #[serde(flatten)]
    collected: Option<Collected<'a>>,
    #[serde(flatten)]
    fault: Option<Fault>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Collected<'a> {
    metrics: &'a [Metric],
    metadata: &'a std::collections::BTreeMap<String, String>,
    rejected: &'a [Rejected],
    took_ms: f64,
    peak_memory_bytes: u64,
}

impl<'a> Json<'a> {
    fn of(ran: &'a Ran) -> Self {
        let collected = |Measured { contribution, took, peak_memory }: &'a Measured| Collected {
            metrics: &contribution.metrics,
            metadata: &contribution.metadata,
            rejected: &contribution.rejected,
            took_ms: took.as_secs_f64() * 1e3,
            peak_memory_bytes: *peak_memory,
        };
        Json {
            ok: ran.result.is_ok(),
            plugin: &ran.plugin,
            version: ran.loaded.as_ref().map(|(version, _)| version.as_str()),
            digest: ran.loaded.as_ref().map(|(_, digest)| digest.as_str()),
            collected: ran.result.as_ref().ok().map(collected),
            fault: ran.result.as_ref().err().map(Fault::of),
        }
    }
}

fn once(bench: &Workbench, subject: &Subject, sample: &Arc<Sample>, carried: Carried) -> (Ran, Carried) {
    let plugin = name(&subject.wasm);
    match bench.load(&subject.wasm, subject.sidecar.as_deref()) {
        Err(failing) => (Ran { plugin, loaded: None, result: Err(failing) }, carried),
        Ok(specimen) => {
            let mut specimen = specimen.carrying(carried);
            let about = specimen.about();
            let result = specimen.collect(sample);
            (Ran { plugin, loaded: Some((about.version, about.digest)), result }, specimen.into_carried())
        }
    }
}

/// Collects at every change until a signal comes.
fn watch(subject: &Subject) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = channel();
    let subject = subject.clone();
    let result = runtime.block_on(async {
        let mut terminate = Terminate::listen()?;
        let mut following = tokio::task::spawn_blocking(move || follow(&subject, &stopped));
        tokio::select! {
            ended = &mut following => ended.context("the watch failed; please report this")?,
            _ = terminate.received() => {
                drop(stop);
                match tokio::time::timeout(LEAVE, following).await {
                    Ok(ended) => ended.context("the watch failed; please report this")?,
                    // What it is at ends with the process.
                    Err(_) => Ok(()),
                }
            }
        }
    });
    runtime.shutdown_background();
    result
}

/// Collects at every change until the other end of `stopped` is gone.
fn follow(subject: &Subject, stopped: &Receiver<()>) -> anyhow::Result<()> {
    let started = Instant::now();
    let (bench, source) = start(subject)?;
    let mut carried = Carried::default();
    loop {
        let stamps = Stamps::of(&subject.wasm, subject.sidecar.as_deref());
        let (ran, kept) = once(&bench, subject, &sample(&source, started), carried);
        carried = kept;
        // The signal has reached the compiler as well; that it failed then is no news.
        if stopped.try_recv() == Err(TryRecvError::Disconnected) {
            return Ok(());
        }
        print_again(&ran, subject)?;
        if !changed(subject, stamps, stopped) {
            return Ok(());
        }
    }
}

/// Waits until the files are others than before; false when it is to end.
fn changed(subject: &Subject, before: Stamps, stopped: &Receiver<()>) -> bool {
    let mut seen = before;
    while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let now = Stamps::of(&subject.wasm, subject.sidecar.as_deref());
        if now != before && now == seen {
            return true;
        }
        seen = now;
    }
    false
}

fn print_again(ran: &Ran, subject: &Subject) -> anyhow::Result<()> {
    if subject.print.json {
        return output::line(serde_json::to_string(&Json::of(ran))?);
    }
    output::line(format_args!("--- {} {}", Timestamp::now().strftime("%H:%M:%SZ"), subject.wasm.display()))?;
    match &ran.result {
        Ok(measured) => print(&ran.plugin, measured),
        Err(failing) => {
            output::error(&anyhow!(told(failing)));
            Ok(())
        }
    }
}

fn print(plugin: &str, measured: &Measured) -> anyhow::Result<()> {
    let Contribution { metrics, metadata, rejected, .. } = &measured.contribution;
    let mut points = output::table(["VALUE", "UNIT", "KIND", "METRIC"], &[0]);
    for metric in metrics {
        points.add_row(row(metric));
    }
    let mut entries = output::table(["METADATA", "VALUE"], &[]);
    for (key, value) in metadata {
        entries.add_row([key, value]);
    }
    let mut refused = output::table(["REJECTED", "TIMES", "REASON"], &[1]);
    for Rejected { name, reason, count, .. } in rejected {
        refused.add_row([name, &count.to_string(), reason]);
    }
    for table in [points, entries, refused].iter().filter(|table| !table.is_empty()) {
        output::print_table(table)?;
        output::line("")?;
    }
    let rejected: u64 = rejected.iter().map(|rejected| rejected.count).sum();
    output::line(format_args!(
        "{plugin}: {}, {}, {rejected} rejected; took {}, peak memory {}",
        format::count(metrics.len(), "metric", "metrics"),
        format::count(metadata.len(), "metadata entry", "metadata entries"),
        format::time(measured.took),
        format::size(measured.peak_memory),
    ))
}

/// What may be long comes last, where it can be wrapped.
fn row(metric: &Metric) -> [String; 4] {
    let attributes: Vec<String> = metric.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
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

    use sandbeat_status::{Failure, Histogram};

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
    fn a_failure_is_json_as_well() {
        let failing = Failing { failure: Failure::CpuTimeout, reason: "why".into(), trace: Some("f < g".into()) };
        let ran = Ran { plugin: "p".into(), loaded: None, result: Err(failing) };
        assert_eq!(
            serde_json::to_value(Json::of(&ran)).unwrap(),
            serde_json::json!(
                {"ok": false, "plugin": "p", "failure": "cpu-timeout", "reason": "why", "trace": ["f", "g"]}
            )
        );
    }
}
