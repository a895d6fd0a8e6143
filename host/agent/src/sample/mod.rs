//! The native sample: what the sandbox uses and may use, measured by the agent itself.
//!
//! Owner: the beat, on its own thread. Control groups come first (version 2, then 1), then the machine, for CPU and
//! memory apart, since a host may limit one and not the other. What the beat reads itself are files of the kernel's own
//! that are made up when they are read, so it waits for no disk and no network; a file of another file system that is
//! mounted over one of them, as containers have it, is not read. What may wait or take long has threads of its own, is
//! asked for at [`Sampler::peek`] or [`Sampler::ask`] and read at [`Sampler::take`]. On failure a figure is absent and
//! named in
//! `/v1/health`; no failure is an error.
//!
//! - `mounts` tells which files are the kernel's own, `cgroup` finds the groups, and `scope` what the sandbox consists
//!   of.
//! - `cpu`, `memory`, `pids` and `pressure` read the groups; `machine` stands in for them.
//! - `window` turns CPU time into a percentage; `files` bounds the reading, and `bounds` what is told.
//! - `survey` asks what may take long, each by an `inquiry`: `disks`, `sessions`, and the `census` of processes.

mod bounds;
mod census;
mod cgroup;
mod cpu;
mod disks;
mod figures;
mod files;
mod inquiry;
mod machine;
mod memory;
mod mounts;
mod pids;
mod pressure;
mod scope;
mod sessions;
mod survey;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree;
mod window;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbeat_status::{ProcessStatus, Sample};
use serde::Serialize;
use tokio::sync::watch;

use self::figures::Figures;
use self::machine::Machine;
use self::survey::Pace;
use self::window::Window;

/// How long those who ask between reports wait for fresh answers of what may take long.
const PATIENCE: Duration = Duration::from_millis(100);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Config {
    /// The sandbox's id at the control plane.
    pub sandbox_id: String,
    /// Established inbound connections on these ports are sessions; without ports they are not counted.
    pub session_ports: Vec<u16>,
    /// Of the file systems at these paths, the use is measured.
    pub disks: Vec<PathBuf>,
}

/// A figure that cannot be measured here, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Unavailable {
    /// The field of the report that is absent.
    pub(crate) figure: &'static str,
    /// For a person.
    pub(crate) reason: String,
}

/// Measures the sandbox for the beat; has what must be remembered from one report to the next.
#[derive(Debug)]
pub(crate) struct Sampler {
    figures: Arc<Figures>,
    machine: Machine,
    remembered: watch::Sender<Remembered>,
    unavailable: Vec<Unavailable>,
}

/// Measures for those who ask between reports. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    figures: Arc<Figures>,
    remembered: watch::Receiver<Remembered>,
}

/// What a measurement needs of those before it.
#[derive(Clone, Debug, Default)]
struct Remembered {
    window: Window,
    pace: Pace,
}

impl Sampler {
    /// Locates the control groups and takes the first reading of CPU time, so that a later sample can have a
    /// percentage. `root` is `/`; uptime counts from `started`.
    pub(crate) fn new(config: Config, root: &Path, started: Instant) -> Self {
        Self::of(config, root, &root.join("proc/self"), started)
    }

    /// The same for the sandbox of another process, whose folder in `/proc` is `own`.
    fn of(config: Config, root: &Path, own: &Path, started: Instant) -> Self {
        let figures = Figures::new(config, root, own, started);
        let machine = figures.machine();
        let mut remembered = Remembered::default();
        if let Some(reading) = figures.cpu_used(&machine, Instant::now()) {
            remembered.window.keep(reading);
        }
        Sampler {
            figures: Arc::new(figures),
            machine,
            remembered: watch::Sender::new(remembered),
            unavailable: Vec::new(),
        }
    }

    /// Reports are due at this interval from now on, so what takes long may be as old as that.
    pub(crate) fn keep_to(&mut self, every: Duration) {
        self.remembered.send_modify(|remembered| remembered.pace.keep_to(every));
    }

    /// Asks anew for what may take long, since a report may soon be made; does not wait.
    pub(crate) fn ask(&mut self) {
        self.remembered.send_modify(|remembered| remembered.pace.asked(Instant::now()));
        self.figures.survey().ask();
    }

    /// Measures for a report: the next report's CPU percentage starts here.
    pub(crate) fn take(&mut self, processes: BTreeMap<String, ProcessStatus>) -> Sample {
        let remembered = self.remembered.borrow().clone();
        let measured = self.figures.measure(&mut self.machine, &remembered, processes);
        self.unavailable = measured.unavailable;
        if let Some(reading) = measured.reading {
            self.remembered.send_modify(|remembered| remembered.window.keep(reading));
        }
        measured.sample
    }

    /// Measures ahead of a report, for which it asks what may take long; changes nothing else.
    pub(crate) fn peek(&mut self, processes: BTreeMap<String, ProcessStatus>) -> Sample {
        self.ask();
        let remembered = self.remembered.borrow().clone();
        let measured = self.figures.measure(&mut self.machine, &remembered, processes);
        self.unavailable = measured.unavailable;
        measured.sample
    }

    /// Measures in the same way beside the beat, on whichever thread asks.
    pub(crate) fn observer(&self) -> Observer {
        Observer { figures: self.figures.clone(), remembered: self.remembered.subscribe() }
    }

    /// What the last measurement could not find out. A CPU percentage that only wants a second reading is not named,
    /// nor is what has just been asked for the first time.
    pub(crate) fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }
}

impl Observer {
    /// The sandbox as a report would tell it now, and what cannot be measured. The CPU percentage is of the time since
    /// the last report. Reads files of the kernel's own and waits a little for what takes longer: to be called on a
    /// thread that may block.
    pub(crate) fn measure(&self, processes: BTreeMap<String, ProcessStatus>) -> (Sample, Vec<Unavailable>) {
        let asked = Instant::now();
        self.figures.survey().ask();
        self.figures.survey().wait(asked, PATIENCE);
        let remembered = self.remembered.borrow().clone();
        let measured = self.figures.measure(&mut self.figures.machine(), &remembered, processes);
        (measured.sample, measured.unavailable)
    }
}
