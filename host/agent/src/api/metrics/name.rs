//! From OpenTelemetry's names to Prometheus' names. Pure.
//!
//! The rules are those of the specification "Prometheus and OpenMetrics Compatibility" (compatibility/prometheus_and_
//! openmetrics.md) as github.com/prometheus/otlptranslator applies them: what is not a letter or a digit parts words,
//! words are joined by one `_`, the unit's word comes last, `_total` after it for counters, `_ratio` for gauges of `1`.

use sandbeat_status::exposition::{Form, Name};

/// The name of a metric with a unit in UCUM's notation.
pub(super) fn of(name: &str, unit: &str, form: Form) -> Name {
    let mut words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if form == Form::Counter {
        words.retain(|word| *word != "total");
    }
    let (main, per) = unit_words(unit);
    let is_ratio = unit == "1" && form == Form::Gauge;
    let mut ends: Vec<String> = Vec::new();
    if is_ratio {
        words.retain(|word| *word != "ratio");
        ends.push("ratio".to_owned());
    }
    ends.extend(main.filter(|main| !words.contains(&main.as_str())));
    if let Some(per) = per.filter(|per| !words.contains(&per.as_str())) {
        ends.extend(["per".to_owned(), per]);
    }
    let mut stem = words.join("_");
    if stem.is_empty() || stem.starts_with(|c: char| c.is_ascii_digit()) {
        stem.insert(0, '_');
    }
    if !ends.is_empty() {
        return Name { stem: stem.into(), unit: Some(ends.join("_").into()) };
    }
    // The name says it already.
    let (main, _) = unit_words(unit);
    let parted = main.and_then(|main| {
        let rest = stem.strip_suffix(&main)?.strip_suffix('_').filter(|rest| !rest.is_empty())?.to_owned();
        Some((rest, main))
    });
    match parted {
        Some((stem, unit)) => Name { stem: stem.into(), unit: Some(unit.into()) },
        None => Name { stem: stem.into(), unit: None },
    }
}

/// The name of a label for an attribute's key. `reserved` ones are moved out of the way as Prometheus itself does it.
pub(super) fn label(key: &str, reserved: &[&str]) -> String {
    let words: Vec<&str> = key.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let label = words.join("_");
    if reserved.contains(&label.as_str()) {
        format!("exported_{label}")
    } else if label.is_empty() || label.starts_with(|c: char| c.is_ascii_digit()) {
        format!("key_{label}")
    } else {
        label
    }
}

/// The words of a unit: `By/s` is `bytes` and `second`. What stands in braces is a remark, and `1` is no unit.
fn unit_words(unit: &str) -> (Option<String>, Option<String>) {
    let (main, per) = unit.split_once('/').map_or((unit, None), |(main, per)| (main, Some(per)));
    let plain = |unit: &str| (!unit.contains(['{', '}'])).then(|| unit.to_owned());
    let main = plain(main).and_then(|main| cleaned(main_word(&main)));
    let per = per.and_then(plain).and_then(|per| cleaned(per_word(&per)));
    (main, per)
}

fn cleaned(word: &str) -> Option<String> {
    let words: Vec<&str> = word.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join("_"))
}

fn main_word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        "1" => "",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" | "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        use Form::{Counter, Gauge, Histogram};
        for (name, unit, form, family, shown_unit) in [
            ("system.network.io", "By", Counter, "system_network_io_bytes", Some("bytes")),
            ("system.network.packets", "{packet}", Counter, "system_network_packets", None),
            ("system.cpu.utilization", "1", Gauge, "system_cpu_utilization_ratio", Some("ratio")),
            ("a.hit.ratio", "1", Gauge, "a_hit_ratio", Some("ratio")),
            ("errors", "1", Counter, "errors", None),
            ("requests.total", "1", Counter, "requests", None),
            ("http.duration", "s", Histogram, "http_duration_seconds", Some("seconds")),
            ("io", "By/s", Gauge, "io_bytes_per_second", Some("bytes_per_second")),
            ("packets", "{packet}/s", Gauge, "packets_per_second", Some("per_second")),
            ("disk.bytes", "By", Gauge, "disk_bytes", Some("bytes")),
            ("bytes.read", "By", Gauge, "bytes_read", None),
            ("bytes", "By", Gauge, "bytes", None),
            ("a__b._c", "1", Counter, "a_b_c", None),
            ("load.1m", "{thread}", Gauge, "load_1m", None),
            ("1m.load", "s", Gauge, "_1m_load_seconds", Some("seconds")),
            ("speed", "m/s", Gauge, "speed_meters_per_second", Some("meters_per_second")),
            ("odd", "kg.m2", Gauge, "odd_kg_m2", Some("kg_m2")),
            ("hot", "%", Gauge, "hot_percent", Some("percent")),
            ("odd", "/", Gauge, "odd", None),
            ("total", "1", Counter, "_", None),
        ] {
            let mapped = of(name, unit, form);
            assert_eq!((mapped.family().as_str(), mapped.unit.as_deref()), (family, shown_unit), "{name} {unit}");
        }
    }

    #[test]
    fn whatever_the_name_it_is_one_for_prometheus() {
        let good = |name: &str| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        for name in ["", "7", "ä", "a..b", "a-b c\n", "total", "ratio"] {
            for unit in ["", "1", "{}", "{a}/{b}", "By/By", "°C", "\"/\\"] {
                for form in [Form::Gauge, Form::Counter, Form::Histogram, Form::Info] {
                    assert!(good(&of(name, unit, form).family()), "{name:?} {unit:?} {form:?}");
                }
            }
            assert!(good(&label(name, &[])), "{name:?}");
        }
    }

    #[test]
    fn labels_stay_clear_of_those_that_mean_something() {
        assert_eq!(label("network.interface.name", &["plugin"]), "network_interface_name");
        assert_eq!(label("plugin", &["plugin"]), "exported_plugin");
        assert_eq!(label("1st", &[]), "key_1st");
    }
}
