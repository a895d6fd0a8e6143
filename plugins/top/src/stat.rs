//! `/proc/PID/stat` and the one line of `/proc/PID/status` that is needed, as proc_pid_stat(5) and proc_pid_status(5)
//! describe them. Pure; what has another form is nothing.

use sandbeat_common::plain;

/// Of `include/linux/sched.h`; kernel threads have it.
const PF_KTHREAD: u64 = 0x0020_0000;

/// A process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    /// As it calls itself, with what is not text and control characters replaced.
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) is_kernel: bool,
    /// CPU time used since it started, in ticks of 1/100 s.
    pub(crate) ticks: u64,
    pub(crate) threads: u64,
    /// When it started, in ticks since boot. It tells processes apart that had the same number.
    pub(crate) start: u64,
    /// Resident memory in pages, whose size is not the same everywhere, by the kernel's quick and rough count.
    pub(crate) pages: u64,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It runs or waits for a CPU.
    Running,
    /// It waits for something to happen.
    Sleeping,
    /// It waits for a device, and nothing can wake it.
    Blocked,
    /// It was stopped, or is held by a debugger.
    Stopped,
    /// It has ended, and its parent has not looked.
    Defunct,
}

impl State {
    pub(crate) const ALL: [Self; 5] = [Self::Running, Self::Sleeping, Self::Blocked, Self::Stopped, Self::Defunct];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Blocked => "blocked",
            Self::Stopped => "stopped",
            Self::Defunct => "defunct",
        }
    }

    fn of(letter: &str) -> Option<Self> {
        match letter {
            "R" => Some(Self::Running),
            // Idle kernel threads, parked ones, and one that is being woken (Linux 3 and 4).
            "S" | "I" | "P" | "W" | "K" => Some(Self::Sleeping),
            "D" => Some(Self::Blocked),
            "T" | "t" => Some(Self::Stopped),
            "Z" | "X" | "x" => Some(Self::Defunct),
            _ => None,
        }
    }
}

impl Stat {
    /// The name is between the first `(` and the last `)`: a process can put both, spaces and line breaks into its own.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let close = bytes.iter().rposition(|byte| *byte == b')')?;
        let pid = str::from_utf8(&bytes[..open]).ok()?.trim_end().parse().ok()?;
        let name = plain(&String::from_utf8_lossy(bytes.get(open + 1..close)?));
        let fields: Vec<&str> = str::from_utf8(&bytes[close + 1..]).ok()?.split_ascii_whitespace().collect();
        // The fields are numbered as in the manual, where the state is the third.
        let field = |number: usize| fields.get(number - 3).copied();
        let figure = |number: usize| field(number)?.parse::<u64>().ok();
        Some(Self {
            pid,
            name,
            state: State::of(field(3)?)?,
            is_kernel: figure(9)? & PF_KTHREAD != 0,
            ticks: figure(14)?.checked_add(figure(15)?)?,
            threads: figure(20)?,
            start: figure(22)?,
            pages: figure(24)?,
        })
    }

    /// What it is added up under: its name. Kernel threads that do the same for several CPUs or devices are one.
    pub(crate) fn group(&self) -> &str {
        match self.name.split_once('/') {
            Some((group, _)) if self.is_kernel => group,
            _ => &self.name,
        }
    }
}

/// Resident memory in bytes, of `/proc/PID/status`; nothing for kernel threads and processes that have ended.
pub(crate) fn resident(status: &[u8]) -> Option<u64> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"VmRSS:"))?;
    let kib = str::from_utf8(line).ok()?.trim().strip_suffix(" kB")?;
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

/// The time since boot, of `/proc/uptime`, in ticks of 1/100 s.
pub(crate) fn uptime(text: &str) -> Option<u64> {
    let (seconds, hundredths) = text.split_ascii_whitespace().next()?.split_once('.')?;
    let hundredths = hundredths.parse::<u64>().ok().filter(|_| hundredths.len() == 2)?;
    seconds.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: &[u8] = include_bytes!("../tests/recorded/init");
    const KERNEL: &[u8] = include_bytes!("../tests/recorded/kthreadd");
    const ODD: &[u8] = include_bytes!("../tests/recorded/odd");

    #[test]
    fn a_process_is_read() {
        let init = Stat {
            pid: 1,
            name: "process_api".into(),
            state: State::Sleeping,
            is_kernel: false,
            ticks: 4439 + 38_968,
            threads: 14,
            start: 24,
            pages: 5312,
        };
        assert_eq!(Stat::parse(INIT), Some(init));
        let kernel = Stat::parse(KERNEL).unwrap();
        assert!(kernel.is_kernel && kernel.pages == 0, "{kernel:?}");
    }

    #[test]
    fn a_name_may_be_anything() {
        assert_eq!(Stat::parse(ODD).unwrap().name, "\u{fffd}\u{fffd}\u{fffd}z");
        let text = str::from_utf8(INIT).unwrap();
        for name in [") S 1 (x", "a b", "a\nb", "", "((", "))", "é"] {
            let stat = Stat::parse(text.replace("process_api", name).as_bytes()).unwrap();
            assert_eq!((stat.name.replace('\u{fffd}', "\n"), stat.threads), (name.to_owned(), 14));
        }
    }

    #[test]
    fn kernel_threads_of_one_kind_are_one() {
        let text = str::from_utf8(KERNEL).unwrap().replace("kthreadd", "kworker/u4:1-flush");
        assert_eq!(Stat::parse(text.as_bytes()).unwrap().group(), "kworker");
        let text = str::from_utf8(INIT).unwrap().replace("process_api", "node/x");
        assert_eq!(Stat::parse(text.as_bytes()).unwrap().group(), "node/x");
    }

    #[test]
    fn another_form_is_nothing() {
        let text = str::from_utf8(INIT).unwrap();
        let short: String = text.split_inclusive(' ').take(20).collect();
        for odd in ["", "1", "1 (a", "1 a) S", ")(", "x (a) S 1", &short, &text.replace(" S ", " ? ")] {
            assert_eq!(Stat::parse(odd.as_bytes()), None, "{odd:?}");
        }
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        let status = b"Name:\tVmRSS: 7 kB\nVmHWM:\t    1768 kB\nVmRSS:\t    1760 kB\nThreads:\t1\n";
        assert_eq!(resident(status), Some(1760 * 1024));
        for odd in [&b""[..], b"Name:\tx\n", b"VmRSS:\t1 MB\n", b"VmRSS:\t-1 kB\n", b"VmRSS:\t18446744073709551615 kB"]
        {
            assert_eq!(resident(odd), None);
        }
    }

    #[test]
    fn uptime_is_in_ticks() {
        assert_eq!(uptime("80939.23 73630.48\n"), Some(8_093_923));
        for odd in ["", "1", "1.5 2", "-1.00", "1.x0", "99999999999999999999.00"] {
            assert_eq!(uptime(odd), None, "{odd:?}");
        }
    }
}
