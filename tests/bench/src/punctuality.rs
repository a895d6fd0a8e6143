//! How late the beat comes while everything else goes wrong.
//!
//! An agent without jitter reports every 50 ms. A report's lateness is measured at the hub: by how much its arrival is
//! behind its place in the grid of arrivals, against the most punctual one. So the figure has everything in it that a
//! control plane would notice. Beside it a thread of this program does nothing but sleep until the next 50 ms: what
//! *it* is late is what the machine under that load does to anyone.
//!
//! The loads: none; collectors that never return, on one core, and two processes that never sleep, on the other; twenty
//! collectors that bring a thousand metrics each, more than a report takes; a
//! hundred processes that crash as fast as they are started; collectors of 18 MB that are compiled; a file system that takes no writes any more (`fsfreeze`),
//! with the plugins directory, the caches, the states, the logs of processes that write all the time and the agent's
//! own log on it. The last one needs root and a loop device.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::agent::{Binary, Folder};
use crate::collector::Collector;
use crate::hub::Hub;
use crate::large::{self, Language};
use crate::stats::Distribution;
use crate::table::{Row, Target, Unit};

const INTERVAL: Duration = Duration::from_millis(50);
/// Beats in each round.
const BEATS: u32 = 200;
const ROUNDS: usize = 5;
/// By then the load is there.
const WARM_UP: Duration = Duration::from_secs(2);
/// In milliseconds, for the 99th percentile.
const TARGET: f64 = 10.0;
const CRASHING: usize = 100;
const HOSTILE: usize = 8;
const ABUNDANT: usize = 20;

/// Each takes some ten seconds of both cores, which is what a round takes.
const LARGE: usize = 4;

const LOADS: [(Load, &str); 6] = [
    (Load::None, "nothing else going on"),
    (Load::Cores, "hostile collectors and two processes burning both cores"),
    (Load::Metrics, "20 collectors with 1,000 metrics each"),
    (Load::Crashes, "100 processes crash-looping"),
    (Load::Compiling, "Python collectors being compiled"),
    (Load::Disk, "a disk that takes no writes"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    None,
    Cores,
    Metrics,
    Crashes,
    Compiling,
    Disk,
}

/// The 99th percentile of each round, and the worst of all, under each load.
///
/// # Errors
/// The agent does not run, or a load cannot be made.
pub fn measure(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (load, words) in LOADS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (our, their) = round(binary, load).with_context(|| words.to_owned())?;
            ours.push(our);
            theirs.push(their);
        }
        let p99 = |rounds: &[Distribution]| Distribution::of(rounds.iter().map(|round| round.quantile(0.99)));
        let worst =
            |rounds: &[Distribution]| Distribution::of(rounds.iter().map(|round| round.quantile(1.0)).reduce(f64::max));
        let figures = [
            ("99th percentile", p99(&ours), p99(&theirs), Some(TARGET)),
            ("worst", worst(&ours), worst(&theirs), None),
        ];
        for (figure, our, their, target) in figures {
            rows.push(Row {
                what: format!("lateness of a report, {figure}, {words}"),
                unit: Unit::Microseconds,
                ours: our.context("no beats")?,
                peer: Some(("a thread that sleeps".into(), their.context("no beats")?)),
                target: Target { at_most: target.map(|millis| millis * 1000.0), ..Target::default() },
            });
        }
    }
    Ok(rows)
}

/// The lateness of each beat of one agent and of a sleeping thread, in microseconds.
fn round(binary: &Binary, load: Load) -> anyhow::Result<(Distribution, Distribution)> {
    let disk = (load == Load::Disk).then(Disk::mount).transpose()?;
    let folder = match &disk {
        Some(disk) => Folder::within(binary, &disk.path())?,
        None => Folder::new(binary)?,
    };
    let hub = Hub::start()?;
    folder.configure(&configuration(load, &folder))?;
    let (behaviour, count) = match load {
        Load::Cores => ("loop", HOSTILE),
        Load::Metrics => ("two thousand", ABUNDANT),
        Load::None | Load::Crashes | Load::Compiling | Load::Disk => ("", 0),
    };
    hostile(behaviour, count)?.iter().try_for_each(|collector| folder.drop_in(collector))?;
    let mut agent = folder.start(&hub, &format!("{}ms", INTERVAL.as_millis()))?;
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        hub.wait_for("a report", |_| true).with_context(|| folder.log())?;
    }
    if load == Load::Compiling {
        large::variants(Language::Python, LARGE)?.iter().try_for_each(|collector| folder.drop_in(collector))?;
        hub.wait_for("a compilation", |report| is_loaded(load, report)).with_context(|| folder.log())?;
    }
    let frozen = disk.as_ref().map(Disk::freeze).transpose()?;
    hub.forget();
    let sleeper = Sleeper::start();
    let mut arrivals = Vec::new();
    while arrivals.len() < BEATS as usize {
        let accepted = hub.wait_for("a report", on_schedule)?;
        arrivals.push(accepted.at);
    }
    let theirs = sleeper.stop()?;
    drop(frozen);
    agent.check().with_context(|| folder.log())?;
    let loaded = hub.wait_for("a report", on_schedule)?.report;
    ensure!(is_loaded(load, &loaded), "the load was not there: {loaded}");
    // Before the file system that it is on.
    drop((agent, folder));
    Ok((lateness(&arrivals)?, theirs))
}

fn on_schedule(report: &Value) -> bool {
    report["trigger"] == "interval"
}

/// Against a grid through the most punctual one. One that is left out makes all after it late by an interval.
fn lateness(arrivals: &[Instant]) -> anyhow::Result<Distribution> {
    let first = *arrivals.first().context("no arrivals")?;
    let offset =
        |(beat, at): (u32, &Instant)| (at.duration_since(first).as_secs_f64() - (INTERVAL * beat).as_secs_f64()) * 1e6;
    let offsets: Vec<f64> = (0..).zip(arrivals).map(offset).collect();
    let most_punctual = offsets.iter().copied().fold(f64::INFINITY, f64::min);
    Distribution::of(offsets.iter().map(|offset| offset - most_punctual)).context("no arrivals")
}

fn configuration(load: Load, folder: &Folder) -> String {
    let mut text = "report.jitter = 0.0\nplugins.budget.cpu = 64\n".to_owned();
    // Writing to a string does not fail.
    let _ = writeln!(text, "plugins.state_dir = {:?}", folder.path("state").display().to_string());
    match load {
        Load::None | Load::Metrics | Load::Compiling => {}
        Load::Cores => {
            for number in 0..2 {
                let _ = writeln!(text, "processes.spin-{number}.command = [\"sh\", \"-c\", \"while :; do :; done\"]");
            }
        }
        Load::Crashes => {
            for number in 0..CRASHING {
                let _ = writeln!(
                    text,
                    "[processes.crash-{number}]\ncommand = [\"false\"]\nrestart = \"always\"\nbackoff = \
                     {{ initial = \"50ms\", max = \"200ms\", limit = 0 }}"
                );
            }
        }
        Load::Disk => {
            for number in 0..4 {
                let log = folder.path(&format!("process-{number}.log"));
                let _ = writeln!(
                    text,
                    "[processes.loud-{number}]\ncommand = [\"sh\", \"-c\", \"while :; do echo {}; sleep 0.01; done\"]\n\
                     log = {{ file = {:?} }}",
                    "x".repeat(512),
                    log.display().to_string()
                );
            }
        }
    }
    text
}

/// Collectors that misbehave in one way, whose limits let them.
fn hostile(behaviour: &str, count: usize) -> anyhow::Result<Vec<Collector>> {
    let found = sandbeat_test_guests::GUESTS.iter().find(|(name, _)| *name == "hostile");
    let wasm = found.context("the test guests have no `hostile`")?.1;
    let collector = |number: usize| Collector {
        name: format!("hostile-{number}"),
        wasm: wasm.to_vec(),
        sidecar: format!(
            "config.name = \"hostile-{number}\"\nconfig.behaviour = \"{behaviour}\"\nlimits.timeout = \"30s\"\nlimits.cpu = \"30s\"\n"
        ),
    };
    Ok((0..count).map(collector).collect())
}

/// Whether what was to be a load has been one.
fn is_loaded(load: Load, report: &Value) -> bool {
    let processes = || report["processes"].as_object().into_iter().flat_map(|processes| processes.values());
    match load {
        Load::None => true,
        Load::Cores => {
            report["plugins"].as_array().is_some_and(|plugins| plugins.len() == HOSTILE)
                && processes().filter(|process| process["status"] == "running").count() == 2
        }
        Load::Metrics => report["rejected"].as_array().is_some_and(|rejected| !rejected.is_empty()),
        Load::Crashes => processes().filter(|process| process["restartCount"].as_u64() > Some(10)).count() == CRASHING,
        Load::Compiling => report["plugins"]
            .as_array()
            .is_some_and(|plugins| plugins.iter().any(|plugin| plugin["state"] == "compiling")),
        Load::Disk => processes().filter(|process| process["status"] == "running").count() == 4,
    }
}

/// A thread that sleeps until the next place of a grid, again and again.
struct Sleeper {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<f64>>,
}

impl Sleeper {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (start, mut beats, mut lateness) = (Instant::now(), 0, Vec::new());
            while !asked.load(Ordering::Relaxed) {
                beats += 1;
                let due = start + INTERVAL * beats;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                lateness.push(Instant::now().saturating_duration_since(due).as_secs_f64() * 1e6);
            }
            lateness
        });
        Sleeper { stop, thread }
    }

    fn stop(self) -> anyhow::Result<Distribution> {
        self.stop.store(true, Ordering::Relaxed);
        let lateness = self.thread.join().map_err(|_| anyhow::anyhow!("the sleeping thread panicked"))?;
        Distribution::of(lateness).context("no beats")
    }
}

/// A file system of its own in a file, unmounted in the end.
struct Disk(tempfile::TempDir);

/// It takes no writes until this is dropped.
struct Frozen<'a>(&'a Disk);

impl Disk {
    fn mount() -> anyhow::Result<Self> {
        let disk = Disk(tempfile::Builder::new().prefix("sandbeat-disk-").tempdir()?);
        let (image, point) = (disk.0.path().join("image"), disk.path());
        std::fs::create_dir(&point)?;
        std::fs::File::create(&image)?.set_len(512 << 20)?;
        run("mkfs.ext4", &["-q", "-F"], &[&image])?;
        run("mount", &["-o", "loop"], &[&image, &point])?;
        Ok(disk)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("mounted")
    }

    fn freeze(&self) -> anyhow::Result<Frozen<'_>> {
        run("fsfreeze", &["--freeze"], &[&self.path()])?;
        Ok(Frozen(self))
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        // Nothing of it can go on otherwise; what fails is seen by whoever waits for it.
        let _ = run("fsfreeze", &["--unfreeze"], &[&self.0.path()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, for a process that is still ending.
        let _ = run("umount", &["--lazy"], &[&self.path()]);
    }
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> anyhow::Result<()> {
    let status = Command::new(program).args(options).args(paths).status().with_context(|| program.to_owned())?;
    ensure!(status.success(), "{program} ended with {status}; this load needs root and a loop device");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_counts_from_the_most_punctual_and_does_not_hide_in_the_grid() {
        let start = Instant::now();
        let at = |beat: u32, late: u64| start + INTERVAL * beat + Duration::from_millis(late);
        let distribution = lateness(&[at(0, 3), at(1, 2), at(2, 60), at(3, 12)]).unwrap();
        let millis = |q: f64| (distribution.quantile(q) / 1000.0).round();
        assert_eq!((millis(0.0), millis(1.0)), (0.0, 58.0));
    }
}
