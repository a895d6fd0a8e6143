//! What a process of sandbeat itself uses, under the names that every exporter has for it.
//!
//! Read from `/proc/self`, which waits for nothing; to be called on a thread that may block. A figure that cannot be
//! read is absent.

use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::exposition::{Family, Form, Labels};
use crate::metric::Value;

/// The figures at one moment.
#[derive(Clone, Debug)]
pub struct Usage {
    cpu_secs: f64,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    threads: Option<u64>,
    open_files: Option<u64>,
    most_files: Option<u64>,
}

impl Usage {
    /// Those of the process that asks.
    pub fn of_this_process() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name: &str| field(&status, name).and_then(|kib| kib.checked_mul(1024));
        // The folder is open while it is read.
        let open_files = std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1));
        Usage {
            cpu_secs: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            resident_bytes: kib("VmRSS:"),
            virtual_bytes: kib("VmSize:"),
            threads: field(&status, "Threads:"),
            open_files: open_files.map(|count| count as u64),
            most_files: getrlimit(Resource::Nofile).current,
        }
    }

    /// As families. `whose` is the process in words, `since` when it started.
    pub fn families(&self, whose: &str, since: Timestamp) -> Vec<Family> {
        let cpu = vec![(Labels::new(), Value::Counter(self.cpu_secs))];
        let help = format!("CPU time that {whose} has used.");
        let mut families = vec![Family::of("process_cpu", "seconds", Form::Counter, help, cpu)];
        for (name, unit, help, figure) in [
            ("process_resident_memory", "bytes", format!("Memory that {whose} has resident."), self.resident_bytes),
            ("process_virtual_memory", "bytes", format!("Address space of {whose}."), self.virtual_bytes),
            ("process_threads", "", format!("Threads of {whose}."), self.threads),
            ("process_open_fds", "", format!("File descriptors that {whose} has open."), self.open_files),
            ("process_max_fds", "", "The most that it may have open.".to_owned(), self.most_files),
        ] {
            families.extend(figure.map(|figure| Family::gauge(name, unit, help, figure as f64)));
        }
        let (since, help) = (since.as_millisecond() as f64 / 1e3, format!("When {whose} started, since 1970."));
        families.push(Family::gauge("process_start_time", "seconds", help, since));
        families
    }
}

/// A number of `/proc/PID/status`; proc(5).
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_measured() {
        let usage = Usage::of_this_process();
        assert!(usage.resident_bytes > Some(1 << 20) && usage.resident_bytes < usage.virtual_bytes);
        assert!(usage.open_files >= Some(3) && usage.threads >= Some(1), "{usage:?}");
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        assert!(Usage::of_this_process().open_files >= Some(files.len() as u64 + 3));
        assert_eq!(field("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(field("VmRSS:\n", "VmRSS:"), None);
    }
}
