//! The machine's own figures, for what no control group limits: memory and CPU by sysinfo, cores by affinity.

use std::time::{Duration, Instant};

use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, System};

use super::window::Reading;

/// The machine as this process sees it.
#[derive(Debug)]
pub(super) struct Machine {
    /// None where the machine cannot be asked at all.
    system: Option<System>,
    cpu: Option<Reading>,
}

/// The machine's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MachineMemory {
    pub(super) total: u64,
    /// What the kernel could hand out without swapping.
    pub(super) available: u64,
}

impl Machine {
    pub(super) fn new() -> Self {
        Machine { system: System::new().ok(), cpu: None }
    }

    /// CPU time used by the whole machine since the first call, up to the moment in the reading. None when
    /// `/proc/stat` cannot be read.
    ///
    /// sysinfo gives the share in use since its own last look, at most every 200 ms; the shares are summed up so
    /// that the machine's figure is a running total like a control group's.
    pub(super) fn cpu(&mut self, now: Instant) -> Option<Reading> {
        let last = match self.cpu {
            Some(last) if now.saturating_duration_since(last.at) < MINIMUM_CPU_UPDATE_INTERVAL => return Some(last),
            last => last,
        };
        let system = self.system.as_mut()?;
        system.refresh_cpu_usage();
        // Without `/proc/stat` sysinfo knows no CPU, and would show a usage of 0.
        let cores = system.cpus().len();
        if cores == 0 {
            return None;
        }
        let used = last.map_or(Duration::ZERO, |last| {
            let share = f64::from(system.global_cpu_usage()).clamp(0.0, 100.0) / 100.0;
            last.used + now.saturating_duration_since(last.at).mul_f64(share * cores as f64)
        });
        self.cpu = Some(Reading { at: now, used });
        self.cpu
    }

    /// None when `/proc/meminfo` cannot be read.
    pub(super) fn memory(&mut self) -> Option<MachineMemory> {
        let system = self.system.as_mut()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let memory = MachineMemory { total: system.total_memory(), available: system.available_memory() };
        (memory.total > 0).then_some(memory)
    }

    /// Cores that the scheduler lets this process use.
    pub(super) fn cores(&self) -> Option<f64> {
        rustix::thread::sched_getaffinity(None).ok().map(|set| f64::from(set.count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_memory_and_cores_and_a_growing_cpu_total() {
        let mut machine = Machine::new();
        let memory = machine.memory().unwrap();
        assert!(memory.total >= memory.available);
        assert!(machine.cores().unwrap() >= 1.0);
        let start = Instant::now();
        let first = machine.cpu(start).unwrap();
        assert_eq!(first.used, Duration::ZERO);
        assert_eq!(machine.cpu(start + Duration::from_millis(1)).unwrap().at, start, "too soon for another look");
    }
}
