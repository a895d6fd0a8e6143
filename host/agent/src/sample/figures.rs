//! One measurement: every native figure, or the reason why there is none.
//!
//! Holds where the figures come from and nothing that changes, so that the beat and those beside it measure with the
//! same one, each with its own [`Machine`]. Pure but for the files that it reads and the moment that it takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use sandbeat_status::{ProcessStatus, Sample, Source};

use super::cgroup::Groups;
use super::cpu::Cpu;
use super::machine::{Machine, Readable};
use super::memory::Memory;
use super::mounts::Mounts;
use super::pids::Pids;
use super::pressure::Pressures;
use super::scope::Scope;
use super::survey::Survey;
use super::window::Reading;
use super::{Config, Remembered, Unavailable, bounds};

const COUNTED_ABOVE: &str = "only a control group above the sandbox's counts memory, with that of others";

/// Where the figures come from.
#[derive(Debug)]
pub(super) struct Figures {
    sandbox_id: String,
    readable: Readable,
    started: Instant,
    scope: Scope,
    cpu: Cpu,
    memory: Memory,
    pids: Pids,
    pressures: Pressures,
    survey: Survey,
}

const BEYOND: &str =
    "no control group of this sandbox can be seen, and what the machine says of itself is of more than the sandbox";

/// What one measurement gave.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) sample: Sample,
    /// From which a later percentage may start.
    pub(super) reading: Option<Reading>,
    pub(super) unavailable: Vec<Unavailable>,
}

impl Figures {
    /// Locates the control groups of the process whose folder is `own`, and starts the survey's threads.
    pub(super) fn new(config: Config, root: &Path, own: &Path, started: Instant) -> Self {
        let mounts = Mounts::of(own);
        let groups = Groups::locate(root, own, &mounts);
        let scope = Scope::of(own, &groups);
        let pids = Pids::new(&groups);
        Figures {
            started,
            cpu: Cpu::new(&groups),
            memory: Memory::new(&groups),
            pressures: Pressures::new(root, &mounts, &groups, &scope),
            survey: Survey::start(&config, root, &scope, !pids.are_counted()),
            pids,
            scope,
            readable: Readable::of(root, &mounts),
            sandbox_id: config.sandbox_id,
        }
    }

    /// The machine, for one of those who measure.
    pub(super) fn machine(&self) -> Machine {
        Machine::new(self.readable.clone())
    }

    /// What may take long.
    pub(super) fn survey(&self) -> &Survey {
        &self.survey
    }

    /// CPU time used by the sandbox; None where it cannot be read.
    pub(super) fn cpu_used(&self, machine: &Machine, now: Instant) -> Option<Reading> {
        match self.cpu.source() {
            Source::Machine => machine.cpu(now),
            _ => self.cpu.used().map(|used| Reading { at: now, used, over: 0 }),
        }
    }

    /// Measures everything once.
    pub(super) fn measure(
        &self,
        machine: &mut Machine,
        remembered: &Remembered,
        processes: BTreeMap<String, ProcessStatus>,
    ) -> Measured {
        let now = Instant::now();
        let findings = self.survey.read(now, remembered.pace.oldest());
        let (pressure, unmeasured) = self.pressures.read();
        let mut missing = Missing(Vec::new());
        let mut sample = Sample {
            sandbox_id: self.sandbox_id.clone(),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            uptime_secs: now.saturating_duration_since(self.started).as_secs(),
            pressure,
            open_files: findings.open_files,
            disks: findings.disks,
            session_count: findings.session_count,
            processes,
            ..Sample::default()
        };
        let reading = self.measure_cpu(machine, remembered, now, &mut sample, &mut missing);
        self.measure_memory(machine, &mut sample, &mut missing);
        self.measure_pids(findings.tasks, &mut sample, &mut missing);
        let mut unavailable = missing.0;
        unavailable.extend(unmeasured);
        unavailable.extend(findings.unavailable);
        unavailable.extend(bounds::strike(&mut sample));
        Measured { sample, reading, unavailable }
    }

    fn measure_cpu(
        &self,
        machine: &Machine,
        remembered: &Remembered,
        now: Instant,
        sample: &mut Sample,
        missing: &mut Missing,
    ) -> Option<Reading> {
        let source = self.cpu.source();
        let quota = self.cpu.quota();
        let limit = self.cpu.limit_cores(quota.as_ref(), machine.cores());
        // Version 1 may limit a group and account another: the machine's use says nothing of that quota's.
        let accounted = quota.is_none() || source != Source::Machine;
        let beyond = self.is_beyond(source);
        let reading = self.cpu_used(machine, now).filter(|_| accounted && !beyond);
        if reading.is_none() {
            let hangs = self.readable.no_cpu().filter(|_| source == Source::Machine);
            let reason = || match (accounted, hangs) {
                (true, _) if beyond => BEYOND.to_owned(),
                (true, Some(hangs)) => hangs.to_owned(),
                (true, None) => format!("{} CPU time cannot be read", source.as_str()),
                (false, _) => "the control group that has a CPU quota does not account CPU time".to_owned(),
            };
            missing.name("cpuPercent", reason());
            missing.name("resources.cpuTimeSecs", reason());
        }
        sample.cpu_limit_cores =
            missing.or("resources.cpuLimitCores", limit, || "no limit and no affinity can be read".to_owned());
        sample.cpu_percent = reading.zip(limit).and_then(|(now, cores)| remembered.window.percent(now, cores));
        sample.cpu_time_secs = reading.map(|reading| reading.used.as_secs_f64());
        sample.cpu_source = reading.map(|_| source);
        sample.cpu_throttling = quota.and_then(|quota| {
            let reason = || "the cpu.stat of the control group that has the quota cannot be read".to_owned();
            missing.or("resources.cpuThrottling", quota.throttling(), reason)
        });
        reading
    }

    fn measure_memory(&self, machine: &mut Machine, sample: &mut Sample, missing: &mut Missing) {
        let source = self.memory.source();
        let whole = machine.memory();
        let (working_set, all) = match source {
            Source::Machine if self.is_beyond(source) => (None, None),
            Source::Machine => {
                let used = |rest: u64| whole.map(|whole| whole.total.saturating_sub(rest));
                whole.map_or((None, None), |whole| (used(whole.available), used(whole.free)))
            }
            _ => self.memory.usage().map_or((None, None), |usage| (Some(usage.working_set), Some(usage.all))),
        };
        let no_machine = self.readable.no_memory();
        let unreadable = || match no_machine.filter(|_| source == Source::Machine) {
            _ if self.is_beyond(source) => BEYOND.to_owned(),
            Some(hangs) => hangs.to_owned(),
            None if self.memory.is_counted_above() => COUNTED_ABOVE.to_owned(),
            None => format!("{} memory cannot be read", source.as_str()),
        };
        sample.memory_bytes = missing.or("memoryMB", working_set, unreadable);
        sample.memory_usage_bytes = missing.or("resources.memoryUsageBytes", all, unreadable);
        sample.memory_source = working_set.map(|_| source);
        let limit = self.memory.limit(whole.map(|whole| whole.total));
        sample.memory_limit_bytes = missing.or("resources.memoryLimitMB", limit, || match no_machine {
            Some(hangs) => format!("no control group has a limit, and {hangs}"),
            None => "no limit and no total can be read".to_owned(),
        });
        let (oom_kills, reason) = match (source, &self.scope) {
            (Source::Machine, Scope::Machine) => {
                (machine.oom_kills(), self.readable.no_oom_kills().unwrap_or("/proc/vmstat does not count them"))
            }
            (Source::Machine, _) => (None, "no control group tells the sandbox's from the machine's"),
            _ if self.memory.is_counted_above() => (None, COUNTED_ABOVE),
            _ => (self.memory.oom_kills(), "the control group does not count them, or has too many inside it"),
        };
        sample.oom_kills = missing.or("resources.oomKills", oom_kills, || reason.to_owned());
    }

    /// Whether what the machine says of itself is of more than the sandbox: a PID namespace without control groups, as
    /// in a container without `/sys`.
    fn is_beyond(&self, source: Source) -> bool {
        source == Source::Machine && self.scope == Scope::Namespace
    }

    fn measure_pids(&self, counted: Option<Result<u64, String>>, sample: &mut Sample, missing: &mut Missing) {
        sample.pids_limit = self.pids.limit();
        sample.pids = match counted {
            _ if self.pids.are_counted() => {
                missing.or("resources.pids", self.pids.current(), || "pids.current cannot be read".to_owned())
            }
            Some(Ok(tasks)) => Some(tasks),
            Some(Err(reason)) => missing.or("resources.pids", None, || reason),
            None => None,
        };
    }
}

/// The figures that are absent although they should be there.
struct Missing(Vec<Unavailable>);

impl Missing {
    /// The figure itself, named if there is none.
    fn or<T>(&mut self, figure: &'static str, value: Option<T>, reason: impl FnOnce() -> String) -> Option<T> {
        if value.is_none() {
            self.name(figure, reason());
        }
        value
    }

    fn name(&mut self, figure: &'static str, reason: String) {
        self.0.push(Unavailable { figure, reason });
    }
}
