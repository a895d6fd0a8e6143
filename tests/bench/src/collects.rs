//! One collect of ten points, and the load of what collects them: here, in Extism, and in a shell script.
//!
//! All of them end with the same ten points in the host's own types; that is checked before anything is timed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow, ensure};
use sandbeat_collectors::workbench::{Specimen, Workbench};
use sandbeat_collectors::{BudgetConfig, CompilerCommand, RawConfig};
use sandbeat_status::{Metric, Sample, Value};
use tempfile::TempDir;

use crate::agent::Binary;
use crate::collector::ten;
use crate::peer::{self, PLUGIN, Source};
use crate::point::Point;
use crate::race::{Entrant, race};
use crate::shell;
use crate::stats::Distribution;
use crate::table::{Row, Target, Unit};

const ROUNDS: usize = 300;

/// What can be repeated for a profiler to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// A collect in a kept instance.
    Warm,
    /// A collect in a fresh one.
    Fresh,
    /// The load of a cached collector.
    Load,
}

/// What is timed, and where it lies.
struct Subjects {
    workbench: Workbench,
    wasm: PathBuf,
    peer: Source,
    _folder: TempDir,
}

/// Times all of it in one run.
///
/// # Errors
/// One of the peers does not work, or does something else than the others.
pub fn measure(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let Subjects { workbench, wasm, peer, _folder } = Subjects::prepare(binary)?;
    let mut rows = collects(&workbench, &wasm, &peer)?;
    rows.extend(loads(&workbench, &wasm, &peer)?);
    Ok(rows)
}

/// Repeats one thing of ours for so long.
///
/// # Errors
/// It fails.
pub fn repeat(binary: &Binary, what: Repeated, time: Duration) -> anyhow::Result<()> {
    let Subjects { workbench, wasm, .. } = &Subjects::prepare(binary)?;
    let sample = Arc::new(Sample::default());
    let mut specimen = workbench.load(wasm, None)?;
    specimen.keep_instance(what == Repeated::Warm);
    let start = Instant::now();
    while start.elapsed() < time {
        match what {
            Repeated::Warm | Repeated::Fresh => drop(specimen.collect(&sample)?),
            Repeated::Load => drop(workbench.load(wasm, None)?),
        }
    }
    Ok(())
}

impl Subjects {
    fn prepare(binary: &Binary) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandbeat-bench-").tempdir()?;
        let workbench = workbench(binary, folder.path())?;
        let wasm = folder.path().join("ten.wasm");
        std::fs::write(&wasm, ten()?)?;
        // A file that has just been written is waited for by a load.
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        std::fs::File::options().write(true).open(&wasm)?.set_modified(hour_ago)?;
        let peer = Source::write(folder.path(), "peer", PLUGIN)?;
        Ok(Subjects { workbench, wasm, peer, _folder: folder })
    }
}

/// What loads and calls as the agent does, with a cache in a folder.
///
/// # Errors
/// It cannot be started.
pub(crate) fn workbench(binary: &Binary, folder: &Path) -> anyhow::Result<Workbench> {
    let compiler = CompilerCommand { program: binary.path().into(), args: vec!["compile-component".into()] };
    // A budget of CPU makes calls wait; what is asked here is what they cost.
    let budget = BudgetConfig { cpu: 64.0, ..BudgetConfig::default() };
    let raw = RawConfig { cache_dir: Some(folder.join("artifacts")), budget, ..RawConfig::default() };
    let (config, problems) = raw.resolve(compiler);
    ensure!(problems.is_empty(), "{problems:?}");
    Ok(Workbench::start(&config)?)
}

fn collects(workbench: &Workbench, wasm: &Path, source: &Source) -> anyhow::Result<Vec<Row>> {
    let sample = Arc::new(Sample::default());
    let (mut warm, mut fresh) = (workbench.load(wasm, None)?, workbench.load(wasm, None)?);
    warm.keep_instance(true);
    fresh.keep_instance(false);
    let (mut plugin, compiled) = (source.load()?, source.compile()?);
    let wanted = shell::collect()?;
    for points in [
        collect(&mut warm, &sample)?,
        collect(&mut fresh, &sample)?,
        peer::collect(&mut plugin)?,
        peer::collect_fresh(&compiled)?,
    ] {
        ensure!(points == wanted, "{points:?} and {wanted:?} differ");
    }
    let times = race(
        vec![
            Entrant::of(|| warm.collect(&sample)),
            Entrant::of(|| peer::collect(&mut plugin)),
            Entrant::of(|| fresh.collect(&sample)),
            Entrant::of(|| peer::collect_fresh(&compiled)),
            Entrant::of(shell::collect),
        ],
        ROUNDS,
    )?;
    let [warm, extism_warm, fresh, extism_fresh, shell] = in_order(times)?;
    let row = |what: &str, ours: &Distribution, peer: &str, theirs: Distribution, target| Row {
        what: format!("collect of ten points, {what}"),
        unit: Unit::Microseconds,
        ours: ours.clone(),
        peer: Some((peer.into(), theirs)),
        target,
    };
    let warm_target = Target { at_most: Some(5.0), share_of_peer: Some(0.35), ..Target::default() };
    let fresh_target = Target { at_most: Some(60.0), ..Target::default() };
    Ok(vec![
        row("warm instance", &warm, "Extism", extism_warm, warm_target),
        row("fresh instance", &fresh, "Extism", extism_fresh, fresh_target),
        row("fresh instance", &fresh, "shell script", shell, Target::default()),
    ])
}

fn loads(workbench: &Workbench, wasm: &Path, source: &Source) -> anyhow::Result<Vec<Row>> {
    let specimen = workbench.load(wasm, None)?;
    let times = race(
        vec![
            Entrant::of(|| workbench.load(wasm, None)),
            Entrant::of(|| source.load()),
            Entrant::of(|| specimen.open_again()),
            Entrant::of(|| source.compile()),
        ],
        ROUNDS,
    )?;
    let [ours, theirs, open, theirs_open] = in_order(times)?;
    let row = |what: &str, ours, theirs, at_most| Row {
        what: what.into(),
        unit: Unit::Microseconds,
        ours,
        peer: Some(("Extism".into(), theirs)),
        target: Target { at_most, ..Target::default() },
    };
    Ok(vec![
        row("load of a cached collector, from its file to its description", ours, theirs, Some(500.0)),
        row("of that, opening and linking what is cached", open, theirs_open, None),
    ])
}

fn collect(specimen: &mut Specimen<'_>, sample: &Arc<Sample>) -> anyhow::Result<Vec<Point>> {
    let contribution = specimen.collect(sample)?.contribution;
    ensure!(contribution.rejected.is_empty(), "rejected: {:?}", contribution.rejected);
    contribution.metrics.into_iter().map(point).collect()
}

fn point(metric: Metric) -> anyhow::Result<Point> {
    let Metric { name, value, unit, attributes } = metric;
    match value {
        Value::Gauge(value) => Ok(Point { name, unit, value, attributes }),
        other => Err(anyhow!("{other:?} is no gauge")),
    }
}

fn in_order<const N: usize>(times: Vec<Distribution>) -> anyhow::Result<[Distribution; N]> {
    times.try_into().ok().context("as many times as entrants")
}
