//! The sidecar: `NAME.toml` beside `NAME.wasm`, with a collector's settings, grants and limits.
//!
//! Text in, a resolved [`Sidecar`] or every problem out. No sidecar means no grants, which is enough for a pure
//! collector. What `[plugins.ceiling]` does not allow is a problem too, so that nobody believes in a grant that is
//! not in force.

mod failure;
mod grants;
mod limits;

use std::time::Duration;

use sandbeat_status::settings::{self, Problem, Settings};
use serde::Deserialize;

use self::grants::RawGrants;

pub(crate) use self::failure::Failing;
pub(crate) use self::grants::Grants;
pub use self::grants::{Ceiling, RawCeiling};
pub(crate) use self::limits::Limits;

/// Keys relative to a table, and what is wrong with their values.
type Wrong = Vec<(String, String)>;

/// Shorter intervals would make a collector a busy loop.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

const MAX_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// What one collector may do and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Sidecar {
    /// How often it measures; `None`: once per report.
    pub(crate) interval: Option<Duration>,
    /// Its `[config]` table.
    pub(crate) config: toml::Table,
    pub(crate) grant: Grants,
    pub(crate) limits: Limits,
    pub(crate) failing: Failing,
    pub(crate) instance: Instance,
    pub(crate) keep_state: KeepState,
}

/// How long an instance of a collector lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instance {
    /// For one call.
    Fresh,
    /// Until it was called so often, or has so much memory (in bytes) after a call, or a call failed.
    Keep { calls: u64, memory: u64 },
}

/// How long the host keeps a collector's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeepState {
    /// Over restarts of the agent.
    #[default]
    Always,
    /// Over new versions of the files, in memory.
    Reload,
    /// Until its files change.
    Never,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    #[serde(deserialize_with = "settings::optional_duration")]
    interval: Option<Duration>,
    config: toml::Table,
    grant: RawGrants,
    limits: Limits,
    failure: Failing,
    instance: RawInstance,
    recycle: RawRecycle,
    keep_state: KeepState,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawInstance {
    #[default]
    Fresh,
    Keep,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawRecycle {
    calls: u64,
    #[serde(deserialize_with = "optional_size")]
    memory: Option<u64>,
}

impl Default for RawRecycle {
    fn default() -> Self {
        RawRecycle { calls: 10_000, memory: None }
    }
}

impl Sidecar {
    /// Reads a sidecar's text; the empty text is that of an absent one.
    pub(crate) fn parse(text: &str, ceiling: &Ceiling) -> Result<Sidecar, Vec<Problem>> {
        let settings = Settings::parse(text).map_err(|problem| vec![problem])?;
        let (raw, mut problems) = settings.read::<Raw>();
        let raw = raw.unwrap_or_default();
        let mut add = |table: &str, wrong: Wrong| {
            problems
                .extend(wrong.into_iter().map(|(key, message)| settings.problem(&format!("{table}.{key}"), message)));
        };
        let (grant, wrong) = raw.grant.resolve(ceiling);
        add("grant", wrong);
        add("limits", raw.limits.wrong());
        add("failure", raw.failure.wrong());
        let mut instance = Instance::Fresh;
        if let RawInstance::Keep = raw.instance {
            let memory = raw.recycle.memory.unwrap_or(raw.limits.memory / 2);
            instance = Instance::Keep { calls: raw.recycle.calls, memory };
        }
        if raw.recycle.calls == 0 {
            problems.push(settings.problem("recycle.calls", "has to be 1 or more"));
        }
        if raw.interval.is_some_and(|interval| !(MIN_INTERVAL..=MAX_INTERVAL).contains(&interval)) {
            problems.push(settings.problem("interval", "has to be between 100ms and 24h"));
        }
        let Raw { interval, config, limits, failure: failing, keep_state, .. } = raw;
        match problems.is_empty() {
            true => Ok(Sidecar { interval, config, grant, limits, failing, instance, keep_state }),
            false => Err(problems),
        }
    }
}

fn optional_size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    settings::size(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::grants::Dir;
    use super::*;

    fn problems(text: &str, ceiling: &Ceiling) -> Vec<String> {
        Sidecar::parse(text, ceiling).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_absent_sidecar_grants_nothing() {
        let sidecar = Sidecar::parse("", &Ceiling::default()).unwrap();
        assert!(sidecar.grant.read.is_empty() && sidecar.grant.dirs.is_empty() && sidecar.grant.env.is_empty());
        assert_eq!(sidecar.limits, Limits::default());
        assert_eq!(sidecar.interval, None);
    }

    #[test]
    fn the_documented_sidecar_is_read() {
        let text = "interval = \"10s\"\n[config]\ninterfaces = \"eth*\"\n[grant]\nread = [\"/proc/net/dev\"]\n\
                    dirs = [\"/workspace\", { path = \"/data\", write = true }]\nenv = [\"HOME\"]\n\
                    [limits]\nmemory = \"16MiB\"\ntimeout = \"2s\"\ncpu = \"50ms\"\n";
        let sidecar = Sidecar::parse(text, &Ceiling::default()).unwrap();
        assert_eq!(sidecar.interval, Some(Duration::from_secs(10)));
        assert_eq!(sidecar.grant.dirs[0], Dir { path: "/workspace".into(), write: false });
        assert_eq!(sidecar.grant.dirs[1], Dir { path: "/data".into(), write: true });
        assert_eq!(sidecar.limits.memory, 16 << 20);
        assert_eq!(sidecar.limits.cpu, Duration::from_millis(50));
        assert_eq!(sidecar.config["interfaces"].as_str(), Some("eth*"));
    }

    #[test]
    fn an_instance_is_kept_where_that_is_asked_for() {
        let parse = |text: &str| Sidecar::parse(text, &Ceiling::default());
        assert_eq!(parse("").unwrap().instance, Instance::Fresh);
        let kept = parse("instance = \"keep\"\n[limits]\nmemory = \"8MiB\"").unwrap();
        assert_eq!(kept.instance, Instance::Keep { calls: 10_000, memory: 4 << 20 });
        let kept =
            parse("instance = \"keep\"\nkeep_state = \"never\"\n[recycle]\ncalls = 7\nmemory = \"1MiB\"").unwrap();
        assert_eq!(kept.instance, Instance::Keep { calls: 7, memory: 1 << 20 });
        assert_eq!(kept.keep_state, KeepState::Never);
        assert!(parse("instance = \"warm\"").is_err() && parse("[recycle]\ncalls = 0").is_err());
    }

    #[test]
    fn what_becomes_of_failures_is_bounded() {
        let parse = |text: &str| Sidecar::parse(text, &Ceiling::default());
        let failing = parse("[failure]\nbackoff = \"5s\"\nstale = \"0s\"\nquarantine_after = 0").unwrap().failing;
        assert_eq!(
            (failing.backoff, failing.stale, failing.quarantine_after),
            (Duration::from_secs(5), Duration::ZERO, 0)
        );
        for wrong in ["backoff = \"1h\"", "backoff_max = \"48h\"", "forgive_after = 0"] {
            assert!(parse(&format!("[failure]\n{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_problem_is_named() {
        let text = "intervall = \"10s\"\n[grant]\nread = [\"proc/net/dev\", \"/a/../b\"]\ndirs = [\"work\", 3]\n\
                    http = [\"ftp://x\"]\n[limits]\nmemory = \"1\"\ncpu = \"2h\"\n";
        let found = problems(text, &Ceiling::default());
        for part in ["intervall", "grant.dirs.1", "limits.memory", "limits.cpu"] {
            assert!(found.iter().any(|problem| problem.contains(part)), "{part}: {found:#?}");
        }
        let found =
            problems("[grant]\nread = [\"proc/net/dev\", \"/a/../b\"]\nhttp = [\"ftp://x\"]", &Ceiling::default());
        for part in ["line 2: grant.read.0", "grant.read.1", "line 3: grant.http.0"] {
            assert!(found.iter().any(|problem| problem.contains(part)), "{part}: {found:#?}");
        }
    }

    #[test]
    fn the_ceiling_bounds_what_is_granted() {
        let raw = RawCeiling {
            read: Some(vec!["/proc/**".into()]),
            dirs: Some(vec!["/workspace".into()]),
            env: Some(vec!["LANG*".into()]),
            http: Some(vec!["https://*.example.com".into()]),
            ..RawCeiling::default()
        };
        let (ceiling, wrong) = raw.resolve();
        assert_eq!(wrong, []);
        let found = problems(
            "[grant]\nread = [\"/etc/shadow\", \"/proc/stat\"]\ndirs = [\"/workspace\", \"/root\"]\nenv = [\"HOME\", \"LANG\"]\n\
             http = [\"https://api.example.com\", \"http://api.example.com\"]",
            &ceiling,
        );
        assert_eq!(found.len(), 4, "{found:#?}");
        for part in ["`/etc/shadow`", "`/root`", "`HOME`", "`http://api.example.com`"] {
            assert!(found.iter().any(|problem| problem.contains(part)), "{part}: {found:#?}");
        }
    }
}
