//! The machine's own figures, for what no control group limits: memory by sysinfo, CPU time from `/proc/stat`, cores by
//! affinity.
//!
//! CPU time is the kernel's own running total, so that readings compare whoever took them. It is summed over those CPUs
//! that this process may run on, which are what the percentage is of. Only what is the kernel's own is read (see
//! `mounts`); the rest is absent, with the reason. Formats: proc_stat(5), proc_vmstat(5).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::thread::CpuSet;
use sysinfo::{MemoryRefreshKind, System};

use super::files;
use super::mounts::Mounts;
use super::window::Reading;

/// A line of `/proc/stat` has ten numbers; the first lines are those of the CPUs.
const MAX_LINE: u64 = 512;
/// More CPUs than Linux can have.
const MAX_CPUS: usize = 10_000;

/// The machine as this process sees it.
#[derive(Debug)]
pub(super) struct Machine {
    readable: Readable,
    /// None where the machine cannot be asked at all.
    system: Option<System>,
}

/// Which of its files can be read without waiting for anybody but the kernel, each with the reason why not.
#[derive(Clone, Debug)]
pub(super) struct Readable {
    stat: Result<PathBuf, String>,
    vmstat: Result<PathBuf, String>,
    meminfo: Result<(), String>,
}

/// The machine's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MachineMemory {
    pub(super) total: u64,
    /// What the kernel could hand out without swapping.
    pub(super) available: u64,
    /// What nothing is in.
    pub(super) free: u64,
}

impl Readable {
    /// Below `root`, which is `/` outside tests.
    pub(super) fn of(root: &Path, mounts: &Mounts) -> Self {
        let readable = |path: &str| mounts.kernels_own(&Path::new("/").join(path)).map(|()| root.join(path));
        let stat = readable("proc/stat");
        // Sysinfo reads the first as well, when it is made.
        let meminfo = stat.clone().and_then(|_| readable("proc/meminfo")).map(|_| ());
        Readable { stat, vmstat: readable("proc/vmstat"), meminfo }
    }

    /// Why CPU time is not read.
    pub(super) fn no_cpu(&self) -> Option<&str> {
        self.stat.as_ref().err().map(String::as_str)
    }

    /// Why memory is not read.
    pub(super) fn no_memory(&self) -> Option<&str> {
        self.meminfo.as_ref().err().map(String::as_str)
    }

    /// Why what was killed is not read.
    pub(super) fn no_oom_kills(&self) -> Option<&str> {
        self.vmstat.as_ref().err().map(String::as_str)
    }
}

impl Machine {
    pub(super) fn new(readable: Readable) -> Self {
        let system = readable.meminfo.as_ref().ok().and_then(|()| System::new().ok());
        Machine { readable, system }
    }

    /// CPU time used on the CPUs that this process may run on, since the machine started. None when `/proc/stat` cannot
    /// be read, or accounts nothing, as emulated kernels have it.
    pub(super) fn cpu(&self, now: Instant) -> Option<Reading> {
        let stat = BufReader::new(File::open(self.readable.stat.as_ref().ok()?).ok()?);
        let times = cpu_times(stat, affinity().as_ref())?;
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let used = Duration::from_secs_f64(times.used as f64 / ticks_per_second as f64);
        Some(Reading { at: now, used, over: times.cpus })
    }

    /// None when `/proc/meminfo` cannot be read.
    pub(super) fn memory(&mut self) -> Option<MachineMemory> {
        let system = self.system.as_mut()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let (total, available, free) = (system.total_memory(), system.available_memory(), system.free_memory());
        (total > 0).then_some(MachineMemory { total, available, free })
    }

    /// Processes that the kernel killed for want of memory since the machine started.
    pub(super) fn oom_kills(&self) -> Option<u64> {
        files::field(&files::read(self.readable.vmstat.as_ref().ok()?)?, "oom_kill")
    }

    /// Cores that the scheduler lets this process use.
    pub(super) fn cores(&self) -> Option<f64> {
        affinity().map(|set| f64::from(set.count()))
    }
}

/// None on a machine with more CPUs than a set has room for.
fn affinity() -> Option<CpuSet> {
    rustix::thread::sched_getaffinity(None).ok()
}

/// Sums in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    used: u64,
    cpus: u32,
}

/// Of the CPUs in the set; of all, where there is no set or the kernel tells only the sum.
fn cpu_times(mut stat: impl BufRead, allowed: Option<&CpuSet>) -> Option<Times> {
    let may_run_on = |cpu: usize| allowed.is_none_or(|set| cpu < CpuSet::MAX_CPU && set.is_set(cpu));
    let (mut all, mut each) = (None, None);
    let mut line = String::new();
    for _ in 0..MAX_CPUS {
        line.clear();
        stat.by_ref().take(MAX_LINE).read_line(&mut line).ok()?;
        let Some((name, numbers)) = line.split_once(' ') else { break };
        let Some(cpu) = name.strip_prefix("cpu") else { break };
        if cpu.is_empty() {
            all = Some(ticks(numbers)?);
        } else if may_run_on(cpu.parse().ok()?) {
            let (used, total) = ticks(numbers)?;
            let sum: &mut (Times, u64) = each.get_or_insert_default();
            sum.0.used = sum.0.used.checked_add(used)?;
            sum.0.cpus += 1;
            sum.1 = sum.1.checked_add(total)?;
        }
    }
    let (times, total) = each.or(all.map(|(used, total)| (Times { used, cpus: 0 }, total)))?;
    (total > 0).then_some(times)
}

/// Of `user nice system idle iowait irq softirq steal …`: those used, and all. Time stolen is what the sandbox wanted
/// and another machine had; time of guests is in `user` and `nice` already.
fn ticks(numbers: &str) -> Option<(u64, u64)> {
    let numbers: Vec<u64> = numbers.split_ascii_whitespace().map_while(|number| number.parse().ok()).take(8).collect();
    let sum = |fields: &[usize]| {
        fields.iter().try_fold(0_u64, |sum, field| sum.checked_add(numbers.get(*field).copied().unwrap_or(0)))
    };
    if numbers.len() < 4 {
        return None;
    }
    Some((sum(&[0, 1, 2, 5, 6])?, sum(&[0, 1, 2, 3, 4, 5, 6, 7])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  300 20 100 9000 50 6 4 70 80 0\n\
                        cpu0 100 10 50 4500 25 3 2 35 40 0\n\
                        cpu1 200 10 50 4500 25 3 2 35 40 0\n\
                        intr 1 2 3\n";

    fn set(cpus: &[usize]) -> CpuSet {
        let mut set = CpuSet::new();
        cpus.iter().for_each(|cpu| set.set(*cpu));
        set
    }

    #[test]
    fn time_is_summed_over_the_cpus_that_one_may_use_without_idle_and_stolen_time() {
        let times = |allowed: Option<&CpuSet>| cpu_times(STAT.as_bytes(), allowed).unwrap();
        assert_eq!(times(None), Times { used: 430, cpus: 2 });
        assert_eq!(times(Some(&set(&[1]))), Times { used: 265, cpus: 1 });
        assert_eq!(cpu_times("cpu  1 1 1 1\nintr 5\n".as_bytes(), None), Some(Times { used: 3, cpus: 0 }));
    }

    #[test]
    fn a_kernel_that_accounts_nothing_has_no_figure() {
        for odd in [
            "",
            "intr 1\n",
            "cpu",
            "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n",
            "cpu  1 2\n",
            "cpux 1 2 3 4\n",
            "cpu  -1 0 0 5\n",
            "cpu  18446744073709551615 1 0 0 0\n",
        ] {
            assert_eq!(cpu_times(odd.as_bytes(), None), None, "{odd:?}");
        }
        assert_eq!(cpu_times(STAT.as_bytes(), Some(&set(&[]))).map(|times| times.cpus), Some(0), "the sum at least");
    }

    #[test]
    fn the_machine_has_memory_and_cores_and_a_growing_cpu_total() {
        let mounts = Mounts::of(Path::new("/proc/self"));
        let mut machine = Machine::new(Readable::of(Path::new("/"), &mounts));
        let memory = machine.memory().unwrap();
        assert!(memory.total >= memory.available && memory.available >= memory.free);
        let cores = machine.cores().unwrap();
        let (first, deadline) = (machine.cpu(Instant::now()).unwrap(), Instant::now() + Duration::from_secs(30));
        assert!(f64::from(first.over) <= cores && first.over >= 1);
        // This very loop is what is measured.
        while machine.cpu(Instant::now()).unwrap().used <= first.used {
            assert!(Instant::now() < deadline, "no CPU time was accounted");
        }
    }
}
