//! The forms of the kernel's files for control groups (its `Documentation/admin-guide/cgroup-v2.rst`, `cgroup-v1/` and
//! `accounting/psi.rst`): a number, a list of keys and numbers, a quota, pressures. Pure; what has another form is
//! nothing.

use std::time::Duration;

/// Version 1 writes "no limit" as a number near 2^63; no machine has this much.
const NO_LIMIT: u64 = 1 << 60;

/// How long tasks waited for something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pressure {
    /// `some` tasks, or all of them (`full`).
    pub(crate) kind: &'static str,
    /// The share of the last 10 seconds, 0 to 1.
    pub(crate) average_10s: f64,
    /// Since the group was made.
    pub(crate) total: Duration,
}

/// A file with one number.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.trim_end().parse().ok()
}

/// The same of a limit; nothing where there is none (`max`).
pub(crate) fn limit(text: &str) -> Option<u64> {
    number(text).filter(|limit| *limit < NO_LIMIT)
}

/// The number behind a key, in a file with a pair per line.
pub(crate) fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
}

/// The CPUs that a quota amounts to; nothing where there is none. The quota and the period are in microseconds; version
/// 1 has `-1` for no quota, version 2 `max`.
pub(crate) fn cpus(quota: &str, period: &str) -> Option<f64> {
    let quota: u32 = quota.trim_end().parse().ok()?;
    let period: u32 = period.trim_end().parse().ok().filter(|period| *period > 0)?;
    Some(f64::from(quota) / f64::from(period))
}

/// The same of version 2's `cpu.max`, such as `150000 100000`.
pub(crate) fn cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    cpus(quota, period)
}

/// The lines of a file of pressures.
pub(crate) fn pressures(text: &str) -> Vec<Pressure> {
    text.lines().filter_map(pressure).collect()
}

/// Such as `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, averages in percent, the total in microseconds.
fn pressure(line: &str) -> Option<Pressure> {
    let mut fields = line.split_ascii_whitespace();
    let kind = match fields.next()? {
        "some" => "some",
        "full" => "full",
        _ => return None,
    };
    let (mut average, mut total) = (None, None);
    for (key, value) in fields.filter_map(|field| field.split_once('=')) {
        match key {
            "avg10" => average = value.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent)),
            "total" => total = value.parse().ok(),
            _ => {}
        }
    }
    Some(Pressure { kind, average_10s: average? / 100.0, total: Duration::from_micros(total?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_limits() {
        assert_eq!(number("536870912\n"), Some(536_870_912));
        assert_eq!((limit("max\n"), limit("9223372036854771712\n"), limit("0\n")), (None, None, Some(0)));
        for odd in ["", "\n", "-1\n", "1.5\n", "1 2\n", "99999999999999999999999\n"] {
            assert_eq!(number(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "anon_thp 4\nanon 12\nfile -1\nslab\noom_kill 3\n";
        assert_eq!(
            (field(text, "anon"), field(text, "oom_kill"), field(text, "anon_thp")),
            (Some(12), Some(3), Some(4))
        );
        assert_eq!((field(text, "file"), field(text, "slab"), field(text, "oom")), (None, None, None));
    }

    #[test]
    fn quotas_are_cpus() {
        assert_eq!(cpu_max("150000 100000\n"), Some(1.5));
        assert_eq!(cpus("50000\n", "100000\n"), Some(0.5));
        for odd in ["max 100000\n", "", "1", "1 0\n", "-1 100000\n", "x 1\n"] {
            assert_eq!(cpu_max(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn percent_and_microseconds_become_a_share_and_seconds() {
        let text = "some avg10=12.50 avg60=0.23 avg300=0.34 total=29210385599\nfull avg10=0.00 total=7\n";
        let some = Pressure { kind: "some", average_10s: 0.125, total: Duration::from_micros(29_210_385_599) };
        let full = Pressure { kind: "full", average_10s: 0.0, total: Duration::from_micros(7) };
        assert_eq!(pressures(text), [some, full]);
        let odd = "\nmost avg10=1.00 total=1\nsome avg10=NaN total=1\nsome avg10=1.00\nfull avg10=1.00 total=-1\n";
        assert_eq!(pressures(odd), []);
    }
}
