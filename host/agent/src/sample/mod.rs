//! The native sample: what the sandbox uses and may use, measured by the agent itself.
//!
//! Owner: the beat, on its own thread. Control groups come first (version 2, then 1), then the machine, for CPU and
//! memory apart, since a host may limit one and not the other. Everything read is a file of the kernel's own, so
//! nothing here waits for a disk or a network. On failure a figure is absent and named in `/v1/health`;
//! no failure is an error.
//!
//! - `cgroup` finds the groups, `cpu` and `memory` read them, `machine` stands in for them.
//! - `window` turns CPU time into a percentage; `sessions` counts connections; `files` bounds the reading.

mod cgroup;
mod cpu;
mod files;
mod machine;
mod memory;
mod sessions;
#[cfg(test)]
mod tree;
mod window;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sandbeat_status::{ProcessStatus, Sample, Source};
use serde::Serialize;

use self::cgroup::Groups;
use self::cpu::Cpu;
use self::machine::Machine;
use self::memory::Memory;
use self::window::{Reading, Window};

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

/// Measures the sandbox; has what must be remembered from one time to the next.
#[derive(Debug)]
pub(crate) struct Sampler {
    config: Config,
    root: PathBuf,
    started: Instant,
    cpu: Cpu,
    memory: Memory,
    machine: Machine,
    window: Window,
    unavailable: Vec<Unavailable>,
}

impl Sampler {
    /// Locates the control groups and takes the first reading of CPU time, so that a later sample can have a
    /// percentage. `root` is `/`; uptime counts from `started`.
    pub(crate) fn new(config: Config, root: &Path, started: Instant) -> Self {
        let groups = Groups::locate(root);
        let mut sampler = Sampler {
            config,
            root: root.to_owned(),
            started,
            cpu: Cpu::new(&groups),
            memory: Memory::new(&groups),
            machine: Machine::new(),
            window: Window::default(),
            unavailable: Vec::new(),
        };
        if let Some(reading) = sampler.cpu_used(Instant::now()) {
            sampler.window.keep(reading);
        }
        sampler
    }

    /// Measures for a report: the next report's CPU percentage starts here.
    pub(crate) fn take(&mut self, processes: BTreeMap<String, ProcessStatus>) -> Sample {
        let (sample, reading) = self.measure(processes);
        if let Some(reading) = reading {
            self.window.keep(reading);
        }
        sample
    }

    /// Measures between reports and changes nothing for them.
    pub(crate) fn peek(&mut self, processes: BTreeMap<String, ProcessStatus>) -> Sample {
        self.measure(processes).0
    }

    /// Measures in the same way beside the beat, on whichever thread asks.
    pub(crate) fn observer(&self) -> Observer {
        Observer { config: self.config.clone(), root: self.root.clone(), started: self.started }
    }

    /// What the last measurement could not find out. A CPU percentage that only wants a second reading is not named.
    pub(crate) fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }

    fn measure(&mut self, processes: BTreeMap<String, ProcessStatus>) -> (Sample, Option<Reading>) {
        let now = Instant::now();
        self.unavailable.clear();
        let reading = self.cpu_used(now);
        let cpu_limit_cores = self.cpu.limit_cores(self.machine.cores());
        let machine_memory = self.machine.memory();
        let memory_bytes = match self.memory.source() {
            Source::Machine => machine_memory.map(|memory| memory.total.saturating_sub(memory.available)),
            _ => self.memory.working_set(),
        };
        let memory_limit_bytes = self.memory.limit(machine_memory.map(|memory| memory.total));
        let session_count = self.sessions();

        let (cpu, memory) = (self.cpu.source(), self.memory.source());
        self.note("cpuPercent", reading.is_none(), || format!("{} CPU time cannot be read", cpu.as_str()));
        self.note("cpuLimitCores", cpu_limit_cores.is_none(), || "no limit and no affinity can be read".to_owned());
        self.note("memoryMB", memory_bytes.is_none(), || format!("{} memory cannot be read", memory.as_str()));
        self.note("memoryLimitMB", memory_limit_bytes.is_none(), || "no limit and no total can be read".to_owned());

        let sample = Sample {
            sandbox_id: self.config.sandbox_id.clone(),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            uptime_secs: now.saturating_duration_since(self.started).as_secs(),
            cpu_percent: reading.zip(cpu_limit_cores).and_then(|(now, cores)| self.window.percent(now, cores)),
            cpu_limit_cores,
            cpu_source: reading.map(|_| cpu),
            memory_bytes,
            memory_limit_bytes,
            memory_source: memory_bytes.map(|_| memory),
            session_count,
            processes,
            ..Sample::default()
        };
        (sample, reading)
    }

    fn cpu_used(&mut self, now: Instant) -> Option<Reading> {
        match self.cpu.source() {
            Source::Machine => self.machine.cpu(now),
            _ => self.cpu.used().map(|used| Reading { at: now, used }),
        }
    }

    fn sessions(&mut self) -> Option<u32> {
        if self.config.session_ports.is_empty() {
            return None;
        }
        match sessions::count(&self.root, &self.config.session_ports) {
            Ok(count) => Some(count),
            Err(reason) => {
                self.note("sessionCount", true, || reason);
                None
            }
        }
    }

    fn note(&mut self, figure: &'static str, missing: bool, reason: impl FnOnce() -> String) {
        if missing {
            self.unavailable.push(Unavailable { figure, reason: reason() });
        }
    }
}

/// Measures for those who ask between reports. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    config: Config,
    root: PathBuf,
    started: Instant,
}

impl Observer {
    /// The sandbox as a report would tell it now, and what cannot be measured. Reads files of the kernel's: to be called
    /// on a thread that may block.
    pub(crate) fn measure(&self, processes: BTreeMap<String, ProcessStatus>) -> (Sample, Vec<Unavailable>) {
        let mut sampler = Sampler::new(self.config.clone(), &self.root, self.started);
        (sampler.peek(processes), sampler.unavailable.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::tree::Tree;
    use super::*;

    fn sampler(tree: &Tree, ports: &[u16]) -> Sampler {
        let config = Config { sandbox_id: "s".to_owned(), session_ports: ports.to_vec(), disks: Vec::new() };
        Sampler::new(config, tree.root(), Instant::now())
    }

    #[test]
    fn a_limited_sandbox_is_measured_against_its_limits() {
        let tree = Tree::v2("/a")
            .file("sys/fs/cgroup/a/cpu.stat", "usage_usec 1000000\n")
            .file("sys/fs/cgroup/a/cpu.max", "50000 100000\n")
            .file("sys/fs/cgroup/a/memory.current", "2097152\n")
            .file("sys/fs/cgroup/a/memory.stat", "inactive_file 1048576\n")
            .file("sys/fs/cgroup/a/memory.max", "4194304\n");
        let mut sampler = sampler(&tree, &[]);
        let sample = sampler.take(BTreeMap::new());
        assert_eq!(sample.cpu_percent, None, "too soon for a percentage");
        assert_eq!((sample.cpu_limit_cores, sample.cpu_source), (Some(0.5), Some(Source::Cgroup2)));
        assert_eq!((sample.memory_bytes, sample.memory_limit_bytes), (Some(1 << 20), Some(4 << 20)));
        assert_eq!(sample.session_count, None);
        assert_eq!(sampler.unavailable(), []);
    }

    #[test]
    fn a_percentage_comes_as_soon_as_one_can_be_told() {
        let tree = Tree::v2("/a").file("sys/fs/cgroup/a/cpu.stat", "usage_usec 0\n");
        let mut sampler = sampler(&tree, &[]);
        let deadline = Instant::now() + Duration::from_secs(10);
        while sampler.peek(BTreeMap::new()).cpu_percent.is_none() {
            assert!(Instant::now() < deadline, "no percentage");
            std::thread::yield_now();
        }
        tree.write("sys/fs/cgroup/a/cpu.stat", "usage_usec 9999999999\n");
        assert_eq!(sampler.take(BTreeMap::new()).cpu_percent, Some(100.0));
    }

    #[test]
    fn without_groups_the_machine_answers() {
        let sample = sampler(&Tree::new("0::/\n"), &[]).take(BTreeMap::new());
        assert_eq!((sample.cpu_source, sample.memory_source), (Some(Source::Machine), Some(Source::Machine)));
        assert!(sample.memory_bytes < sample.memory_limit_bytes);
        assert!(sample.cpu_limit_cores >= Some(1.0));
    }

    #[test]
    fn what_cannot_be_read_is_absent_and_named() {
        let tree = Tree::v2("/a").file("sys/fs/cgroup/a/memory.current", "1\n");
        let mut sampler = sampler(&tree, &[22]);
        let sample = sampler.take(BTreeMap::new());
        assert_eq!((sample.cpu_percent, sample.memory_bytes, sample.session_count), (None, None, None));
        let named: Vec<&str> = sampler.unavailable().iter().map(|missing| missing.figure).collect();
        assert_eq!(named, ["sessionCount", "cpuPercent", "memoryMB"]);
    }

    #[test]
    fn this_very_sandbox_can_be_measured() {
        let config = Config { sandbox_id: "s".to_owned(), session_ports: vec![1], disks: Vec::new() };
        let mut sampler = Sampler::new(config, Path::new("/"), Instant::now());
        let sample = sampler.take(BTreeMap::new());
        assert!(sample.memory_bytes > Some(0));
        assert!(!sample.hostname.is_empty());
        assert_eq!(sample.session_count, Some(0));
    }
}
