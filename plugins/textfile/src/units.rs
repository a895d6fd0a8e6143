//! Units, which Prometheus' text format says at the end of a name, if at all.

/// The unit of a metric in UCUM's notation, by its name; `1` where the name says none.
pub(crate) fn of(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next().unwrap_or_default() {
        "nanoseconds" => "ns",
        "microseconds" => "us",
        "milliseconds" => "ms",
        "seconds" => "s",
        "minutes" => "min",
        "hours" => "h",
        "days" => "d",
        "bytes" => "By",
        "kilobytes" => "kBy",
        "megabytes" => "MBy",
        "gigabytes" => "GBy",
        "kibibytes" => "KiBy",
        "mebibytes" => "MiBy",
        "gibibytes" => "GiBy",
        "bits" => "bit",
        "percent" => "%",
        "celsius" => "Cel",
        "kelvin" => "K",
        "meters" | "metres" => "m",
        "grams" => "g",
        "volts" => "V",
        "amperes" => "A",
        "joules" => "J",
        "watts" => "W",
        "hertz" => "Hz",
        _ => "1",
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_last_word_is_the_unit() {
        for (name, unit) in [
            ("node_network_bytes_total", "By"),
            ("job_duration_seconds", "s"),
            ("seconds", "s"),
            ("cpu_temperature_celsius", "Cel"),
            ("cache_hit_ratio", "1"),
            ("jobs_total", "1"),
            ("total", "1"),
            ("megabytes_left", "1"),
            ("", "1"),
        ] {
            assert_eq!(of(name), unit, "{name}");
        }
    }
}
