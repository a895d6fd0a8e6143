//! What no machine can have is told of none: a figure beyond these bounds is absent and named.
//!
//! Kernels and file systems that are emulated say such numbers, and a server may refuse a report for one, with all else
//! that is in it; sandbeat's own hub has the same bounds. Pure.

use sandbeat_status::{Pressure, Sample, Stalls};

use super::Unavailable;

/// Of file systems and memory in use, in bytes: less than an exbibyte.
pub(super) const MAX_BYTES: u64 = (1 << 60) - 1;
/// A pebibyte.
const MAX_MEMORY_BYTES: u64 = 1 << 50;
/// Tasks and file descriptors: more than any kernel can count.
const MAX_COUNT: u64 = 1 << 32;
/// A century of a thousand cores.
const MAX_CPU_SECS: f64 = 100.0 * 366.0 * 24.0 * 60.0 * 60.0 * 1000.0;
const MAX_CORES: f64 = 100_000.0;

/// Takes out what cannot be, and what is made of it; names each.
pub(super) fn strike(sample: &mut Sample) -> Vec<Unavailable> {
    let mut struck = Struck(Vec::new());
    struck.count(&mut sample.memory_bytes, MAX_MEMORY_BYTES, "memoryMB");
    struck.count(&mut sample.memory_limit_bytes, MAX_MEMORY_BYTES, "resources.memoryLimitMB");
    struck.count(&mut sample.memory_usage_bytes, MAX_BYTES, "resources.memoryUsageBytes");
    struck.count(&mut sample.pids, MAX_COUNT, "resources.pids");
    struck.count(&mut sample.pids_limit, MAX_COUNT, "resources.pidsLimit");
    struck.count(&mut sample.open_files, MAX_COUNT, "resources.openFiles");
    struck.number(&mut sample.cpu_limit_cores, |cores| *cores, MAX_CORES, "resources.cpuLimitCores");
    struck.number(&mut sample.cpu_time_secs, |secs| *secs, MAX_CPU_SECS, "resources.cpuTimeSecs");
    struck.number(&mut sample.cpu_throttling, |it| it.throttled_secs, MAX_CPU_SECS, "resources.cpuThrottling");
    let Pressure { cpu, memory, io } = &mut sample.pressure;
    struck.number(cpu, longest, MAX_CPU_SECS, "resources.pressure.cpu");
    struck.number(memory, longest, MAX_CPU_SECS, "resources.pressure.memory");
    struck.number(io, longest, MAX_CPU_SECS, "resources.pressure.io");
    if sample.cpu_percent.is_some() && (sample.cpu_time_secs.is_none() || sample.cpu_limit_cores.is_none()) {
        sample.cpu_percent = None;
        struck.name("cpuPercent", "what it is made of is more than any machine has".to_owned());
    }
    sample.cpu_source = sample.cpu_source.filter(|_| sample.cpu_time_secs.is_some());
    sample.memory_source = sample.memory_source.filter(|_| sample.memory_bytes.is_some());
    struck.0
}

fn longest(stalls: &Stalls) -> f64 {
    stalls.some.total_secs.max(stalls.full.map_or(0.0, |full| full.total_secs))
}

struct Struck(Vec<Unavailable>);

impl Struck {
    fn count(&mut self, figure: &mut Option<u64>, most: u64, name: &'static str) {
        if let Some(said) = figure.take_if(|said| *said > most) {
            self.name(name, format!("{said} is said, which is more than any machine has"));
        }
    }

    fn number<T>(&mut self, figure: &mut Option<T>, of: impl Fn(&T) -> f64, most: f64, name: &'static str) {
        if let Some(said) = figure.take_if(|said| of(said) > most) {
            self.name(name, format!("{} is said, which is more than any machine has", of(&said)));
        }
    }

    fn name(&mut self, figure: &'static str, reason: String) {
        self.0.push(Unavailable { figure, reason });
    }
}

#[cfg(test)]
mod tests {
    use sandbeat_status::{Source, Stall, Throttling};

    use super::*;

    fn sample(count: u64, number: f64) -> Sample {
        let stall = |total_secs: f64| Stall { total_secs, ..Stall::default() };
        let some = Stalls { some: stall(number), full: None };
        let full = Stalls { some: stall(0.0), full: Some(stall(number)) };
        Sample {
            cpu_percent: Some(1.0),
            cpu_limit_cores: Some(number),
            cpu_time_secs: Some(number),
            cpu_throttling: Some(Throttling { periods: 0, throttled_periods: 0, throttled_secs: number }),
            cpu_source: Some(Source::Cgroup2),
            memory_bytes: Some(count),
            memory_usage_bytes: Some(count),
            memory_limit_bytes: Some(count),
            memory_source: Some(Source::Cgroup2),
            pressure: Pressure { cpu: Some(some), memory: Some(full), io: Some(some) },
            pids: Some(count),
            pids_limit: Some(count),
            open_files: Some(count),
            ..Sample::default()
        }
    }

    #[test]
    fn what_can_be_is_left_as_it_is() {
        for possible in [sample(0, 0.0), sample(1 << 32, 100_000.0)] {
            let mut left = possible.clone();
            assert_eq!(strike(&mut left), []);
            assert_eq!(left, possible);
        }
    }

    #[test]
    fn what_no_machine_has_is_absent_and_named() {
        for number in [1e13, f64::INFINITY] {
            let mut left = sample(u64::MAX, number);
            let named: Vec<&str> = strike(&mut left).iter().map(|missing| missing.figure).collect();
            assert_eq!(left, Sample::default(), "{number}");
            assert_eq!(named.len(), 13, "{named:?}");
            assert!(named.contains(&"memoryMB") && named.contains(&"resources.pressure.memory"), "{named:?}");
        }
    }

    #[test]
    fn one_that_cannot_be_takes_none_with_it_that_can() {
        let mut left = Sample { pids: Some(MAX_COUNT + 1), ..sample(7, 7.0) };
        let struck = strike(&mut left);
        assert_eq!(left, Sample { pids: None, ..sample(7, 7.0) });
        assert_eq!(struck.len(), 1);
        assert!(struck[0].reason.starts_with("4294967297 is said"), "{struck:?}");
    }
}
