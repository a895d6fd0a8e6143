//! What a sidecar says in words, before anything of its collector has run. Pure but for [`Terms::read`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbeat_status::settings::Problem;

use crate::load::MAX_SIDECAR;
use crate::read::{self, ReadError};
use crate::sidecar::{Ceiling, Failing, Instance, KeepState, Limits, Sidecar};

/// What a collector may do and how it is called, as its sidecar says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The sidecar; `None` where there is none.
    pub file: Option<PathBuf>,
    /// What it grants, one line each.
    pub grants: Vec<String>,
    /// The keys under `[grant]` that grant anything.
    pub granted: Vec<String>,
    /// What it sets otherwise than by default, `[config]` and `[grant]` aside.
    pub settings: Vec<Setting>,
    /// What is wrong with it, each with its cure. Nothing of a wrong sidecar is in force.
    pub problems: Vec<String>,
}

/// A setting that is not the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// With its table, such as `limits.memory`.
    pub key: &'static str,
    /// As the sidecar might write it.
    pub value: String,
    /// What it would be otherwise, written in the same way.
    pub default: String,
}

impl Terms {
    /// Reads the named sidecar or, without one, that which lies beside the component, if any.
    pub(super) fn read(wasm: &Path, named: Option<&Path>, ceiling: &Ceiling) -> Terms {
        let file = named.map_or_else(|| wasm.with_extension("toml"), PathBuf::from);
        let text = match read::bounded(&file, MAX_SIDECAR) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| "the sidecar is not UTF-8 text".to_owned()),
            Err(ReadError::NotFound) if named.is_none() => return Terms::default(),
            Err(e) => Err(e.of("the sidecar")),
        };
        let sidecar = text.map_err(|problem| vec![problem]).and_then(|text| {
            let words = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
            Sidecar::parse(&text, ceiling).map(|sidecar| (granted_keys(&text), sidecar)).map_err(words)
        });
        match sidecar {
            Ok((granted, sidecar)) => Terms {
                file: Some(file),
                grants: sidecar.grant.lines(),
                granted,
                settings: differences(&sidecar),
                problems: Vec::new(),
            },
            Err(problems) => Terms { file: Some(file), problems, ..Terms::default() },
        }
    }
}

/// The keys under `[grant]` of a sidecar's text that grant anything.
pub(crate) fn granted_keys(text: &str) -> Vec<String> {
    let sidecar: toml::Table = text.parse().unwrap_or_default();
    let grants = sidecar.get("grant").and_then(toml::Value::as_table).into_iter().flatten();
    let is_empty = |value: &toml::Value| match value {
        toml::Value::Array(all) => all.is_empty(),
        toml::Value::Boolean(all) => !all,
        _ => false,
    };
    grants.filter(|(_, value)| !is_empty(value)).map(|(key, _)| key.clone()).collect()
}

/// What a sidecar sets otherwise than by default.
pub(crate) fn differences(sidecar: &Sidecar) -> Vec<Setting> {
    let usual = words(None, Instance::Fresh, KeepState::default(), &Limits::default(), &Failing::default());
    let set = words(sidecar.interval, sidecar.instance, sidecar.keep_state, &sidecar.limits, &sidecar.failing);
    set.into_iter()
        .zip(usual)
        .filter(|((_, value), (_, default))| value != default)
        .map(|((key, value), (_, default))| Setting { key, value, default })
        .collect()
}

fn words(
    interval: Option<Duration>,
    instance: Instance,
    keep_state: KeepState,
    limits: &Limits,
    failing: &Failing,
) -> Vec<(&'static str, String)> {
    let instance = match instance {
        Instance::Fresh => "fresh".to_owned(),
        Instance::Keep { calls, memory } => format!("keep, for {calls} calls and up to {}", size(memory)),
    };
    let mut words = vec![
        ("interval", interval.map_or_else(|| "once per report".to_owned(), time)),
        ("instance", instance),
        ("keep_state", format!("{keep_state:?}").to_lowercase()),
    ];
    words.extend(limit_words(limits));
    words.extend(failing_words(failing));
    words
}

fn limit_words(limits: &Limits) -> Vec<(&'static str, String)> {
    let Limits {
        memory,
        timeout,
        cpu,
        stack,
        output,
        metrics,
        metadata,
        attributes,
        name_length,
        value_length,
        series,
        log_lines,
        state,
        file_calls,
        file_bytes,
        http_requests,
        http_bytes,
        http_timeout,
    } = *limits;
    vec![
        ("limits.memory", size(memory)),
        ("limits.timeout", time(timeout)),
        ("limits.cpu", time(cpu)),
        ("limits.stack", size(stack)),
        ("limits.output", size(output)),
        ("limits.metrics", metrics.to_string()),
        ("limits.metadata", metadata.to_string()),
        ("limits.attributes", attributes.to_string()),
        ("limits.name_length", name_length.to_string()),
        ("limits.value_length", value_length.to_string()),
        ("limits.series", series.to_string()),
        ("limits.log_lines", log_lines.to_string()),
        ("limits.state", size(state)),
        ("limits.file_calls", file_calls.to_string()),
        ("limits.file_bytes", size(file_bytes)),
        ("limits.http_requests", http_requests.to_string()),
        ("limits.http_bytes", size(http_bytes)),
        ("limits.http_timeout", time(http_timeout)),
    ]
}

fn failing_words(failing: &Failing) -> Vec<(&'static str, String)> {
    let Failing { backoff, backoff_max, quarantine_after, forgive_after, stale } = *failing;
    vec![
        ("failure.backoff", time(backoff)),
        ("failure.backoff_max", time(backoff_max)),
        ("failure.quarantine_after", quarantine_after.to_string()),
        ("failure.forgive_after", forgive_after.to_string()),
        ("failure.stale", time(stale)),
    ]
}

/// In the largest unit that says it exactly.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

fn time(duration: Duration) -> String {
    match duration.is_zero() {
        true => "0s".to_owned(),
        false => format!("{duration:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(&'static str, String, String)> {
        let sidecar = Sidecar::parse(text, &Ceiling::default()).unwrap();
        differences(&sidecar).into_iter().map(|Setting { key, value, default }| (key, value, default)).collect()
    }

    #[test]
    fn only_what_differs_from_the_default_is_said() {
        assert_eq!(of(""), []);
        assert_eq!(of("[limits]\nmemory = \"32MiB\"\n[grant]\nread = [\"/a\"]\n[config]\nx = 1"), []);
        let said = |key, value: &str, default: &str| (key, value.to_owned(), default.to_owned());
        assert_eq!(
            of("interval = \"90s\"\ninstance = \"keep\"\nkeep_state = \"never\"\n\
                [limits]\nmemory = \"64MiB\"\ncpu = \"1.5s\"\nstate = \"100B\"\n[failure]\nstale = \"0s\""),
            [
                said("interval", "90s", "once per report"),
                said("instance", "keep, for 10000 calls and up to 32MiB", "fresh"),
                said("keep_state", "never", "always"),
                said("limits.memory", "64MiB", "32MiB"),
                said("limits.cpu", "1.5s", "200ms"),
                said("limits.state", "100B", "64KiB"),
                said("failure.stale", "0s", "90s"),
            ]
        );
    }

    #[test]
    fn every_problem_of_a_sidecar_is_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (wasm, sidecar) = (dir.path().join("a.wasm"), dir.path().join("a.toml"));
        let read = |named: Option<&Path>| Terms::read(&wasm, named, &Ceiling::default());
        assert_eq!(read(None), Terms::default());
        assert!(read(Some(&sidecar)).problems[0].contains("is not there"));
        std::fs::write(&sidecar, "[grant]\nraed = []\n[limits]\nmemory = \"lots\"").unwrap();
        let terms = read(None);
        assert_eq!((terms.file, terms.problems.len()), (Some(sidecar.clone()), 2));
        std::fs::write(&sidecar, "[grant]\nread = [\"/proc/stat\"]").unwrap();
        let terms = read(Some(&sidecar));
        assert_eq!((terms.grants, terms.granted), (vec!["read /proc/stat".to_owned()], vec!["read".to_owned()]));
        assert_eq!(granted_keys("[grant]\nread = []\nx = false\ny = true"), ["y"]);
    }
}
