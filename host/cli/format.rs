//! Figures as a person reads them. Pure.

use std::time::Duration;

use sandbeat_status::Compiling;

/// A time with three digits: `71.3µs`, `1.25ms`, `2.31s`.
pub(crate) fn time(duration: Duration) -> String {
    let secs = duration.as_secs_f64();
    // A unit ends where rounding would give it a fourth digit before the point.
    let (value, unit) = match secs {
        _ if secs < 999.5e-6 => (secs * 1e6, "µs"),
        _ if secs < 0.9995 => (secs * 1e3, "ms"),
        _ => (secs, "s"),
    };
    format!("{}{unit}", three_digits(value))
}

/// The same of milliseconds.
pub(crate) fn millis(millis: f64) -> String {
    time(Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default())
}

/// A size with three digits: `63.4 KiB`, `1.10 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB"];
    let mut value = bytes as f64;
    let mut shown = format!("{bytes} B");
    for unit in units {
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        shown = format!("{} {unit}", three_digits(value));
    }
    shown
}

/// The same in fewest letters: `63.4K`, `1.10M`, in units of 1,024.
pub(crate) fn brief_size(bytes: u64) -> String {
    let size = size(bytes);
    size.strip_suffix("iB").or(size.strip_suffix('B')).unwrap_or(&size).replace(' ', "")
}

/// A span in its largest unit, rounded down: `12s`, `5m`, `3h`, `2d`.
pub(crate) fn span(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m", secs / 60),
        3600..86_400 => format!("{}h", secs / 3600),
        _ => format!("{}d", secs / 86_400),
    }
}

/// How far the compilation of a component is: `41% (3,210 of 7,800 functions, 12s)`.
pub(crate) fn compiling(compiling: &Compiling) -> String {
    let Some(elapsed) = compiling.elapsed_ms.map(|elapsed| format!("{}s", elapsed / 1000)) else {
        return "waits until another one is compiled".to_owned();
    };
    match compiling.functions {
        Some(functions) if functions > 0 => {
            let percent = u128::from(compiling.compiled) * 100 / u128::from(functions);
            let (compiled, functions) = (grouped(compiling.compiled), grouped(functions));
            format!("{percent}% ({compiled} of {functions} functions, {elapsed})")
        }
        _ => elapsed,
    }
}

/// A number in groups of three digits: `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// A count with its noun: `1 metric`, `2 metrics`.
pub(crate) fn count(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn three_digits(value: f64) -> String {
    let digits = match value {
        _ if value < 9.995 => 2,
        _ if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        for (nanos, shown) in [
            (0, "0.00µs"),
            (71_300, "71.3µs"),
            (999_400, "999µs"),
            (999_600, "1.00ms"),
            (9_996_000, "10.0ms"),
            (999_400_000, "999ms"),
            (999_600_000, "1.00s"),
            (75_000_000_000, "75.0s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), shown);
        }
        assert_eq!(millis(1.254), "1.25ms");
        assert_eq!(millis(f64::NAN), "0.00µs");
    }

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (64_922, "63.4 KiB"), (5 << 30, "5.00 GiB")]
        {
            assert_eq!(size(bytes), shown);
        }
        assert_eq!(size((1 << 20) - 1), "1.00 MiB");
        for (bytes, shown) in [(0, "0"), (512 << 20, "512M"), (1_825_361_100, "1.70G")] {
            assert_eq!(brief_size(bytes), shown);
        }
    }

    #[test]
    fn a_compilation_is_told_as_far_as_it_is_known() {
        let told = |compiled, functions, elapsed_ms| compiling(&Compiling { compiled, functions, elapsed_ms });
        assert_eq!(told(3_210, Some(7_800), Some(12_900)), "41% (3,210 of 7,800 functions, 12s)");
        assert_eq!(told(1_234_567, Some(1_234_567), Some(0)), "100% (1,234,567 of 1,234,567 functions, 0s)");
        assert_eq!(told(0, Some(0), Some(1_000)), "1s");
        assert_eq!(told(0, None, Some(61_000)), "61s");
        assert_eq!(told(0, None, None), "waits until another one is compiled");
    }

    #[test]
    fn spans_show_their_largest_unit() {
        for (secs, shown) in [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (200_000, "2d")] {
            assert_eq!(span(secs), shown);
        }
    }
}
