//! `[grant]`: what a collector may reach, held against `[plugins.ceiling]`.

use std::path::PathBuf;

use sandbeat_status::settings::Problem;
use serde::Deserialize;

use super::Wrong;
use crate::glob::{self, Globs, Pattern};
use crate::http::Origins;

/// What a collector may reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    /// Files for the `files` import.
    pub(crate) read: Vec<Pattern>,
    /// WASI preopens.
    pub(crate) dirs: Vec<Dir>,
    /// Names of environment variables.
    pub(crate) env: Vec<String>,
    /// Origins for `wasi:http`.
    pub(crate) http: Origins,
}

/// A folder that the collector sees under its own path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dir {
    pub(crate) path: PathBuf,
    pub(crate) write: bool,
}

/// What sidecars may grant at most; `None` is no bound.
#[derive(Clone, Debug, Default)]
pub struct Ceiling {
    pub(crate) read: Option<Vec<Pattern>>,
    pub(crate) dirs: Option<Globs>,
    pub(crate) env: Option<Globs>,
    pub(crate) http: Option<Globs>,
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
    /// Globs of origins that `http` may name.
    pub http: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGrants {
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

impl Grants {
    /// Each grant in words, for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        let read = self.read.iter().map(|pattern| format!("read {}", pattern.text()));
        let dirs = self.dirs.iter().map(|dir| {
            let how = if dir.write { "read and write" } else { "read only" };
            format!("use the folder {} ({how})", dir.path.display())
        });
        let env = self.env.iter().map(|name| format!("see the environment variable {name}"));
        let http = self.http.canonical().map(|(_, origin)| format!("send HTTP to {origin}"));
        read.chain(dirs).chain(env).chain(http).collect()
    }

    /// What of these grants `newer` has as well; `None` when that is all of them.
    pub(crate) fn narrowed(&self, newer: &Grants) -> Option<Grants> {
        let mut narrowed = self.clone();
        narrowed.read.retain(|pattern| newer.read.iter().any(|other| other.text() == pattern.text()));
        narrowed.env.retain(|name| newer.env.contains(name));
        narrowed.http.narrow(&newer.http);
        narrowed.dirs.retain_mut(|dir| match newer.dirs.iter().find(|other| other.path == dir.path) {
            Some(other) => {
                dir.write &= other.write;
                true
            }
            None => false,
        });
        (narrowed.lines() != self.lines()).then_some(narrowed)
    }
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
        let (dirs, env, http) = (globs("dirs", self.dirs), globs("env", self.env), globs("http", self.http));
        let read = self.read.map(|texts| {
            let pattern = |(at, text): (usize, String)| {
                Pattern::new(&text).map_err(|message| problems.push(Problem::new(format!("read.{at}"), message))).ok()
            };
            texts.into_iter().enumerate().filter_map(pattern).collect()
        });
        (Ceiling { read, dirs, env, http }, problems)
    }
}

impl RawGrants {
    pub(super) fn resolve(self, ceiling: &Ceiling) -> (Grants, Wrong) {
        let mut wrong = Wrong::new();
        let read = read_grants(&self.read, ceiling, &mut wrong);
        let dirs = dir_grants(self.dirs, ceiling, &mut wrong);
        for (at, name) in self.env.iter().enumerate() {
            if name.starts_with("AGENT_") || name.starts_with("SANDBEAT_") {
                wrong.push((format!("env.{at}"), format!("`{name}` is the agent's own and is never granted")));
            } else if above(&ceiling.env, name) {
                wrong.push((format!("env.{at}"), forbidden(name)));
            }
        }
        let (http, not_origins) = Origins::parse(&self.http);
        wrong.extend(not_origins.into_iter().map(|(at, message)| (format!("http.{at}"), message)));
        for (at, origin) in http.canonical().filter(|(_, origin)| above(&ceiling.http, origin)) {
            wrong.push((format!("http.{at}"), forbidden(origin)));
        }
        (Grants { read, dirs, env: self.env, http }, wrong)
    }
}

fn read_grants(texts: &[String], ceiling: &Ceiling, wrong: &mut Wrong) -> Vec<Pattern> {
    // Whether a path lies under the ceiling shows when it is asked for; a literal one shows it now.
    let is_over = |pattern: &Pattern| match (&ceiling.read, pattern.literal()) {
        (Some(patterns), Some(path)) => !patterns.iter().any(|pattern| pattern.matches(path)),
        _ => false,
    };
    let mut read = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match Pattern::new(text) {
            Ok(pattern) if is_over(&pattern) => wrong.push((format!("read.{at}"), forbidden(text))),
            Ok(pattern) => read.push(pattern),
            Err(message) => wrong.push((format!("read.{at}"), message)),
        }
    }
    read
}

fn dir_grants(raw: Vec<RawDir>, ceiling: &Ceiling, wrong: &mut Wrong) -> Vec<Dir> {
    let mut dirs = Vec::new();
    for (at, dir) in raw.into_iter().enumerate() {
        let dir = match dir {
            RawDir::Path(path) => Dir { path: path.into(), write: false },
            RawDir::Table { path, write } => Dir { path: path.into(), write },
        };
        let text = dir.path.to_string_lossy().into_owned();
        match glob::components(&text) {
            None => wrong.push((format!("dirs.{at}"), format!("`{text}` is not an absolute path without `..`"))),
            Some(_) if above(&ceiling.dirs, &text) => wrong.push((format!("dirs.{at}"), forbidden(&text))),
            Some(_) => dirs.push(dir),
        }
    }
    dirs
}

fn above(ceiling: &Option<Globs>, text: &str) -> bool {
    ceiling.as_ref().is_some_and(|globs| !globs.matches(text))
}

fn forbidden(text: &str) -> String {
    format!("`{text}` is more than [plugins.ceiling] allows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::Sidecar;

    fn grants(text: &str) -> Grants {
        Sidecar::parse(text, &Ceiling::default()).unwrap().grant
    }

    #[test]
    fn what_the_newer_sidecar_lacks_is_taken_away() {
        let older = grants(
            "[grant]\nread = [\"/a\", \"/b/*\"]\ndirs = [{ path = \"/w\", write = true }, \"/r\"]\nenv = [\"X\", \"Y\"]\n\
             http = [\"https://a\", \"http://b:80/\"]",
        );
        let newer = grants("[grant]\nread = [\"/b/*\", \"/c\"]\ndirs = [\"/w\"]\nenv = [\"Y\"]\nhttp = [\"http://b\"]");
        let lines = older.narrowed(&newer).unwrap().lines();
        assert_eq!(
            lines,
            ["read /b/*", "use the folder /w (read only)", "see the environment variable Y", "send HTTP to http://b"]
        );
        assert!(older.narrowed(&older).is_none());
        assert!(older.narrowed(&Grants::default()).unwrap().lines().is_empty());
    }
}
