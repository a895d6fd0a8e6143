//! `sandbeat plugin bench`: how long it takes to load a collector from the cache and to call it, in a fresh instance
//! and in a kept one, what CPU and memory that takes, and how much comes of it. Its sidecar's limits are in force; the
//! first failure ends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use sandbeat_collectors::Contribution;
use sandbeat_collectors::workbench::{Failing, Specimen, Workbench};
use sandbeat_status::Sample;
use serde::Serialize;

use super::{name, output_bytes, progress, sample, told};
use crate::args::BenchOptions;
use crate::config::Source;
use crate::{format, output};

/// Loads from the cache.
const LOADS: u32 = 50;
/// Calls of each kind, unless the user says how many.
const MAX_CALLS: u32 = 1000;
/// What those may take.
const MAX_TIME: Duration = Duration::from_secs(5);
/// Cores for all collectors, the most that the setting takes: what one costs is measured, not what all may use.
const CORES: f64 = 64.0;

/// What was measured; also the JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Measurements {
    plugin: String,
    version: String,
    digest: String,
    /// Opening the compiled component from the cache and linking it.
    load: Spread,
    /// A collect in a fresh instance.
    fresh: Calls,
    /// A collect in an instance that is kept.
    kept: Calls,
    /// Of the last collect.
    points: Points,
}

/// Calls of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Calls {
    #[serde(flatten)]
    took: Spread,
    /// What one used of the CPU, on average.
    cpu_ms: f64,
    /// The most that an instance had: a fresh one in its only call, a kept one in all of them.
    peak_memory_bytes: u64,
}

/// How durations are spread, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spread {
    count: usize,
    min_ms: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// One after the other.
    per_second: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Points {
    metrics: usize,
    metadata: usize,
    rejected: u64,
    /// In a report, as JSON.
    output_bytes: usize,
}

/// A collector that is called again and again.
struct Series<'a> {
    specimen: Specimen<'a>,
    sample: Arc<Sample>,
    /// So many, whatever they take; `None`: as many as the usual bounds let.
    calls: Option<u32>,
    points: Points,
}

pub(super) fn run(options: &BenchOptions) -> anyhow::Result<()> {
    let subject = &options.subject;
    let source = Source::read(&subject.print.file)?;
    let mut config = source.plugins()?;
    config.budget.cpu = CORES;
    let bench = Workbench::start(&config)?.telling(progress::of(name(&subject.wasm)));
    let specimen = bench.load(&subject.wasm, subject.sidecar.as_deref()).map_err(|failing| anyhow!(told(&failing)))?;
    let sample = sample(&source, Instant::now());
    let measured = measure(name(&subject.wasm), specimen, sample, options.calls);
    let measured = measured.map_err(|failing| anyhow!(told(&failing)))?.context("nothing was measured")?;
    if subject.print.json { output::json(&measured) } else { print(&measured) }
}

fn measure(
    plugin: String,
    specimen: Specimen<'_>,
    sample: Arc<Sample>,
    calls: Option<u32>,
) -> Result<Option<Measurements>, Failing> {
    let about = specimen.about();
    let loads: Vec<Duration> = (0..LOADS).map(|_| specimen.open_again()).collect::<Result<_, _>>()?;
    let mut series = Series { specimen, sample, calls, points: Points::default() };
    let (fresh, kept) = (series.measure(false)?, series.measure(true)?);
    let (Some(load), Some(fresh), Some(kept)) = (Spread::of(loads), fresh, kept) else { return Ok(None) };
    let (version, digest, points) = (about.version, about.digest, series.points);
    Ok(Some(Measurements { plugin, version, digest, load, fresh, kept, points }))
}

impl Series<'_> {
    fn measure(&mut self, keep: bool) -> Result<Option<Calls>, Failing> {
        self.specimen.keep_instance(keep);
        // What only the first call pays is not measured.
        self.specimen.collect(&self.sample)?;
        let start = Instant::now();
        let (mut took, mut cpu, mut peak_memory) = (Vec::new(), Duration::ZERO, 0);
        let calls = self.calls;
        let goes_on = |done: usize| match calls {
            Some(calls) => done < calls as usize,
            None => done < MAX_CALLS as usize && start.elapsed() < MAX_TIME,
        };
        while took.is_empty() || goes_on(took.len()) {
            let measured = self.specimen.collect(&self.sample)?;
            took.push(measured.took);
            cpu += measured.cpu;
            peak_memory = peak_memory.max(measured.peak_memory);
            self.points = Points::of(&measured.contribution);
        }
        let cpu_ms = cpu.as_secs_f64() * 1e3 / took.len() as f64;
        Ok(Spread::of(took).map(|took| Calls { took, cpu_ms, peak_memory_bytes: peak_memory }))
    }
}

impl Points {
    fn of(contribution: &Contribution) -> Self {
        Points {
            metrics: contribution.metrics.len(),
            metadata: contribution.metadata.len(),
            rejected: contribution.rejected.iter().map(|rejected| rejected.count).sum(),
            output_bytes: output_bytes(contribution),
        }
    }
}

impl Spread {
    /// `None` of nothing.
    fn of(mut took: Vec<Duration>) -> Option<Self> {
        took.sort_unstable();
        let millis = |duration: &Duration| duration.as_secs_f64() * 1e3;
        // The smallest one that so many of a hundred do not exceed.
        let rank = |percent: usize| took.get((took.len() * percent).div_ceil(100).saturating_sub(1)).map(millis);
        let sum: Duration = took.iter().sum();
        Some(Spread {
            count: took.len(),
            min_ms: rank(0)?,
            p50_ms: rank(50)?,
            p90_ms: rank(90)?,
            p99_ms: rank(99)?,
            max_ms: rank(100)?,
            per_second: took.len() as f64 / sum.as_secs_f64().max(f64::MIN_POSITIVE),
        })
    }
}

fn print(measured: &Measurements) -> anyhow::Result<()> {
    let header = ["", "TIMES", "P50", "P90", "P99", "MAX", "PER SECOND", "CPU", "PEAK MEMORY"];
    let mut table = output::table(header, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let rows = [
        ("load from cache", measured.load, None),
        ("collect, fresh", measured.fresh.took, Some(measured.fresh)),
        ("collect, kept", measured.kept.took, Some(measured.kept)),
    ];
    for (what, spread, calls) in rows {
        let Spread { count, p50_ms, p90_ms, p99_ms, max_ms, per_second, .. } = spread;
        let [p50, p90, p99, max] = [p50_ms, p90_ms, p99_ms, max_ms].map(format::millis);
        let cpu = calls.map(|calls| format::millis(calls.cpu_ms)).unwrap_or_default();
        let memory = calls.map(|calls| format::size(calls.peak_memory_bytes)).unwrap_or_default();
        let per_second = format!("{per_second:.0}");
        table.add_row([what.to_owned(), count.to_string(), p50, p90, p99, max, per_second, cpu, memory]);
    }
    output::keep_whole(&mut table, &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    output::make_room(&mut table, &[3, 5, 6, 1]);
    output::print_table(&table)?;
    let Points { metrics, metadata, rejected, output_bytes } = measured.points;
    output::line("")?;
    let summary = format!(
        "{} {}: {}, {}, {rejected} rejected; output {}",
        measured.plugin,
        measured.version,
        format::count(metrics, "metric", "metrics"),
        format::count(metadata, "metadata entry", "metadata entries"),
        format::size(output_bytes as u64),
    );
    output::hanging(&summary, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_made_of_values_that_occurred() {
        let took = (1..=200).rev().map(Duration::from_millis).collect();
        let spread = Spread::of(took).unwrap();
        assert_eq!(
            (spread.count, spread.min_ms, spread.p50_ms, spread.p90_ms, spread.p99_ms, spread.max_ms),
            (200, 1.0, 100.0, 180.0, 198.0, 200.0)
        );
        assert!((spread.per_second - 1000.0 / 100.5).abs() < 1e-9, "{spread:?}");
        let one = Spread::of(vec![Duration::from_millis(4)]).unwrap();
        assert_eq!((one.min_ms, one.p99_ms, one.per_second), (4.0, 4.0, 250.0));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
