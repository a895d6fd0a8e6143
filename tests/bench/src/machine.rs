//! What the figures were measured on.

use std::fmt;

/// A machine at one moment.
#[derive(Clone, Debug)]
pub struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    date: String,
    /// Processes that ran or wanted to, in the mean of the last minute.
    load: String,
}

impl Machine {
    /// This one, now. What it does not say is `unknown`.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let unknown = || "unknown".to_owned();
        let kernel = rustix::system::uname();
        let first_word = |text: String| text.split_whitespace().next().map(str::to_owned);
        let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|total| first_word(total)?.parse().ok());
        Machine {
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory.unwrap_or(0.0) / f64::from(1 << 20),
            kernel: format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy()),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            load: first_word(read("/proc/loadavg")).unwrap_or_else(unknown),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpu, cores, memory_gib, kernel, date, load } = self;
        write!(f, "{cpu}, {cores} cores, {memory_gib:.0} GiB, {kernel}; {date}, load {load} before it began")
    }
}

/// The value of the first line `NAME : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let pair = |line: &str| line.split_once(':').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    text.lines().filter_map(pair).find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 2\nmodel name\t: A CPU: fast\nmodel name\t: another\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A CPU: fast"));
        assert_eq!(field(text, "MemTotal"), None);
        assert!(!Machine::here().to_string().contains("unknown"));
    }
}
