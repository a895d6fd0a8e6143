//! The sidecar: `NAME.toml` beside `NAME.wasm`, with a collector's settings, grants and limits.
//!
//! Text in, a resolved [`Sidecar`] or every problem out. No sidecar means no grants, which is enough for a pure
//! collector. What `[plugins.ceiling]` does not allow is a problem too, so that nobody believes in a grant that is
//! not in force.

use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::settings::{self, Problem, Settings};
use serde::Deserialize;

use crate::glob::{Globs, Pattern};

/// What one collector may do and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Sidecar {
    /// How often it measures; `None`: once per report.
    pub(crate) interval: Option<Duration>,
    /// Its `[config]` table.
    pub(crate) config: toml::Table,
    pub(crate) grant: Grants,
    pub(crate) limits: Limits,
}

/// What a collector may reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    /// Files for the `files` import.
    pub(crate) read: Vec<Pattern>,
    /// WASI preopens.
    pub(crate) dirs: Vec<Dir>,
    /// Names of environment variables.
    pub(crate) env: Vec<String>,
}

impl Grants {
    /// Each grant in words, for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        let read = self.read.iter().map(|pattern| format!("read {}", pattern.text()));
        let dirs = self.dirs.iter().map(|dir| {
            format!(
                "use the folder {} ({})",
                dir.path.display(),
                if dir.write { "read and write" } else { "read only" }
            )
        });
        let env = self.env.iter().map(|name| format!("see the environment variable {name}"));
        read.chain(dirs).chain(env).collect()
    }
}

/// A folder that the collector sees under its own path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dir {
    pub(crate) path: PathBuf,
    pub(crate) write: bool,
}

/// What a collector may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// All linear memories and tables together, in bytes.
    pub(crate) memory: u64,
    /// Wall clock for one call, host functions included.
    pub(crate) timeout: Duration,
    /// Guest CPU for one call.
    pub(crate) cpu: Duration,
    /// What one answer may cost to lift out of the guest, in bytes.
    pub(crate) output: u64,
    /// Keys and values in the host's state, in bytes.
    pub(crate) state: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: 32 << 20,
            timeout: Duration::from_secs(1),
            cpu: Duration::from_millis(200),
            output: 1 << 20,
            state: 64 << 10,
        }
    }
}

/// What sidecars may grant at most; `None` is no bound.
#[derive(Clone, Debug, Default)]
pub struct Ceiling {
    pub(crate) read: Option<Vec<Pattern>>,
    pub(crate) dirs: Option<Globs>,
    pub(crate) env: Option<Globs>,
}

/// `[plugins.ceiling]` as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawCeiling {
    /// Globs of files that `read` may name.
    pub read: Option<Vec<String>>,
    /// Globs of folders that `dirs` may name.
    pub dirs: Option<Vec<String>>,
    /// Globs of names that `env` may name.
    pub env: Option<Vec<String>>,
}

impl RawCeiling {
    /// The ceiling, and what is wrong with it; keys are relative to the table.
    pub fn resolve(self) -> (Ceiling, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut globs = |key: &str, globs: Option<Vec<String>>| {
            globs.map(|globs| {
                let (globs, wrong) = Globs::new(&globs);
                problems.extend(wrong.into_iter().map(|(at, message)| Problem::new(format!("{key}.{at}"), message)));
                globs
            })
        };
        let (dirs, env) = (globs("dirs", self.dirs), globs("env", self.env));
        let read = self.read.map(|texts| {
            let pattern = |(at, text): (usize, String)| {
                Pattern::new(&text).map_err(|message| problems.push(Problem::new(format!("read.{at}"), message))).ok()
            };
            texts.into_iter().enumerate().filter_map(pattern).collect()
        });
        (Ceiling { read, dirs, env }, problems)
    }
}

impl Sidecar {
    /// Reads a sidecar's text; the empty text is that of an absent one.
    pub(crate) fn parse(text: &str, ceiling: &Ceiling) -> Result<Sidecar, Vec<Problem>> {
        let settings = Settings::parse(text).map_err(|problem| vec![problem])?;
        let (raw, mut problems) = settings.read::<Raw>();
        let raw = raw.unwrap_or_default();
        let (grant, wrong) = raw.grant.resolve(ceiling);
        problems.extend(wrong.into_iter().map(|(key, message)| settings.problem(&format!("grant.{key}"), message)));
        let (limits, wrong) = raw.limits.resolve();
        problems.extend(wrong.into_iter().map(|(key, message)| settings.problem(&format!("limits.{key}"), message)));
        if raw.interval.is_some_and(|interval| interval < MIN_INTERVAL) {
            problems.push(settings.problem("interval", "is too short; 100ms is the least"));
        }
        match problems.is_empty() {
            true => Ok(Sidecar { interval: raw.interval, config: raw.config, grant, limits }),
            false => Err(problems),
        }
    }
}

/// Shorter intervals would make a collector a busy loop.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    #[serde(deserialize_with = "settings::optional_duration")]
    interval: Option<Duration>,
    config: toml::Table,
    grant: RawGrants,
    limits: RawLimits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawGrants {
    read: Vec<String>,
    dirs: Vec<RawDir>,
    env: Vec<String>,
    http: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "write a path, or { path = \"…\", write = true }")]
enum RawDir {
    Path(String),
    Table {
        path: String,
        #[serde(default)]
        write: bool,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    #[serde(deserialize_with = "settings::size")]
    memory: u64,
    #[serde(deserialize_with = "settings::duration")]
    timeout: Duration,
    #[serde(deserialize_with = "settings::duration")]
    cpu: Duration,
    #[serde(deserialize_with = "settings::size")]
    output: u64,
    #[serde(deserialize_with = "settings::size")]
    state: u64,
}

impl Default for RawLimits {
    fn default() -> Self {
        let Limits { memory, timeout, cpu, output, state } = Limits::default();
        RawLimits { memory, timeout, cpu, output, state }
    }
}

type Wrong = Vec<(String, String)>;

impl RawGrants {
    fn resolve(self, ceiling: &Ceiling) -> (Grants, Wrong) {
        let mut wrong = Vec::new();
        let mut read = Vec::new();
        for (at, text) in self.read.iter().enumerate() {
            match Pattern::new(text) {
                // Whether a path lies under the ceiling shows when it is asked for; a literal one shows it now.
                Ok(pattern) if over(ceiling.read.as_deref(), pattern.literal()) => {
                    wrong.push((format!("read.{at}"), forbidden(text)));
                }
                Ok(pattern) => read.push(pattern),
                Err(message) => wrong.push((format!("read.{at}"), message)),
            }
        }
        let mut dirs = Vec::new();
        for (at, dir) in self.dirs.into_iter().enumerate() {
            let dir = match dir {
                RawDir::Path(path) => Dir { path: path.into(), write: false },
                RawDir::Table { path, write } => Dir { path: path.into(), write },
            };
            let text = dir.path.to_string_lossy().into_owned();
            match crate::glob::components(&text) {
                None => wrong.push((format!("dirs.{at}"), format!("`{text}` is not an absolute path without `..`"))),
                Some(_) if above(&ceiling.dirs, Some(&text)) => wrong.push((format!("dirs.{at}"), forbidden(&text))),
                Some(_) => dirs.push(dir),
            }
        }
        for (at, name) in self.env.iter().enumerate() {
            if name.starts_with("AGENT_") || name.starts_with("SANDBEAT_") {
                wrong.push((format!("env.{at}"), format!("`{name}` is the agent's own and is never granted")));
            } else if above(&ceiling.env, Some(name)) {
                wrong.push((format!("env.{at}"), forbidden(name)));
            }
        }
        for (at, origin) in self.http.iter().enumerate() {
            wrong
                .push((format!("http.{at}"), format!("`{origin}` cannot be granted: this version offers no HTTP yet")));
        }
        (Grants { read, dirs, env: self.env }, wrong)
    }
}

/// Names a path that no pattern of the ceiling matches. Only what is opened says whether it really lies below.
fn over(ceiling: Option<&[Pattern]>, path: Option<&str>) -> bool {
    matches!((ceiling, path), (Some(patterns), Some(path)) if !patterns.iter().any(|pattern| pattern.matches(path)))
}

fn above(ceiling: &Option<Globs>, text: Option<&str>) -> bool {
    matches!((ceiling, text), (Some(globs), Some(text)) if !globs.matches(text))
}

fn forbidden(text: &str) -> String {
    format!("`{text}` is more than [plugins.ceiling] allows")
}

impl RawLimits {
    fn resolve(&self) -> (Limits, Wrong) {
        let bounds = [
            ("memory", self.memory, 64 << 10, 4 << 30, "64KiB and 4GiB"),
            ("output", self.output, 1 << 10, 16 << 20, "1KiB and 16MiB"),
            ("state", self.state, 0, 16 << 20, "0 and 16MiB"),
        ];
        let mut wrong: Wrong = bounds
            .iter()
            .filter(|(_, value, least, most, _)| value < least || value > most)
            .map(|(key, _, _, _, range)| ((*key).to_owned(), format!("has to be between {range}")))
            .collect();
        let minute = Duration::from_secs(60);
        for (key, value) in [("timeout", self.timeout), ("cpu", self.cpu)] {
            if value > minute {
                wrong.push((key.to_owned(), "has to be 1m or less".to_owned()));
            }
        }
        let RawLimits { memory, timeout, cpu, output, state } = *self;
        (Limits { memory, timeout, cpu, output, state }, wrong)
    }
}

#[cfg(test)]
mod tests {
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
    fn every_problem_is_named() {
        let text = "intervall = \"10s\"\n[grant]\nread = [\"proc/net/dev\", \"/a/../b\"]\ndirs = [\"work\", 3]\n\
                    http = [\"https://x\"]\n[limits]\nmemory = \"1\"\ncpu = \"2h\"\n";
        let found = problems(text, &Ceiling::default());
        for part in ["intervall", "grant.dirs.1", "limits.memory", "limits.cpu"] {
            assert!(found.iter().any(|problem| problem.contains(part)), "{part}: {found:#?}");
        }
        let found =
            problems("[grant]\nread = [\"proc/net/dev\", \"/a/../b\"]\nhttp = [\"https://x\"]", &Ceiling::default());
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
        };
        let (ceiling, wrong) = raw.resolve();
        assert_eq!(wrong, []);
        let found = problems(
            "[grant]\nread = [\"/etc/shadow\", \"/proc/stat\"]\ndirs = [\"/workspace\", \"/root\"]\nenv = [\"HOME\", \"LANG\"]",
            &ceiling,
        );
        assert_eq!(found.len(), 3, "{found:#?}");
        for part in ["`/etc/shadow`", "`/root`", "`HOME`"] {
            assert!(found.iter().any(|problem| problem.contains(part)), "{part}: {found:#?}");
        }
    }
}
