//! `[grant]`: what a collector may reach, held against `[plugins.ceiling]`.

use std::path::PathBuf;

use sandbeat_status::names;
use sandbeat_status::settings::Problem;
use serde::Deserialize;

use super::Wrong;
use crate::glob::{self, Globs, Pattern};
use crate::http::Origins;
use crate::own;

/// How much of the ceiling a line shows, in bytes.
const MAX_SHOWN: usize = 200;

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
    /// Paths on file systems whose sizes the `filesystems` import may tell.
    pub(crate) filesystems: Vec<String>,
    /// The whole of the `processes` import.
    pub(crate) processes: bool,
    /// The ceiling's texts for `read`, to be shown; `None` where there is no such ceiling.
    read_ceiling: Option<Vec<String>>,
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
    pub(crate) filesystems: Option<Globs>,
    pub(crate) processes: Option<bool>,
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
    /// Globs of paths that `filesystems` may name.
    pub filesystems: Option<Vec<String>>,
    /// Whether `processes` may be granted.
    pub processes: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGrants {
    read: Vec<String>,
    dirs: Vec<RawDir>,
    env: Vec<String>,
    http: Vec<String>,
    filesystems: Vec<String>,
    processes: bool,
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
        let read = self.read.iter().map(|pattern| format!("read {}{}", pattern.text(), self.bound(pattern)));
        let dirs = self.dirs.iter().map(|dir| {
            let how = if dir.write { "read and write" } else { "read only" };
            format!("use the folder {} ({how})", dir.path.display())
        });
        let env = self.env.iter().map(|name| format!("see the environment variable {name}"));
        let http = self.http.canonical().map(|(_, origin)| format!("send HTTP to {origin}"));
        let filesystems = self.filesystems.iter().map(|path| format!("see how full the file system of {path} is"));
        let processes = self.processes.then(|| "see which processes hold sockets".to_owned());
        read.chain(dirs).chain(env).chain(http).chain(filesystems).chain(processes).collect()
    }

    /// How far a glob goes, where the ceiling may not name all that it does.
    fn bound(&self, pattern: &Pattern) -> String {
        match &self.read_ceiling {
            Some(texts) if pattern.literal().is_none() && !texts.iter().any(|text| text == pattern.text()) => {
                let texts = if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") };
                format!(" (as far as [plugins.ceiling] allows: {})", names::shown(&texts, MAX_SHOWN))
            }
            _ => String::new(),
        }
    }

    /// What of these grants `newer` has as well; `None` when that is all of them.
    pub(crate) fn narrowed(&self, newer: &Grants) -> Option<Grants> {
        let mut narrowed = self.clone();
        narrowed.read.retain(|pattern| newer.read.iter().any(|other| other.text() == pattern.text()));
        narrowed.env.retain(|name| newer.env.contains(name));
        narrowed.http.narrow(&newer.http);
        narrowed.filesystems.retain(|path| newer.filesystems.contains(path));
        narrowed.processes &= newer.processes;
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
        let filesystems = globs("filesystems", self.filesystems);
        let read = self.read.map(|texts| {
            let pattern = |(at, text): (usize, String)| {
                Pattern::new(&text).map_err(|message| problems.push(Problem::new(format!("read.{at}"), message))).ok()
            };
            texts.into_iter().enumerate().filter_map(pattern).collect()
        });
        (Ceiling { read, dirs, env, http, filesystems, processes: self.processes }, problems)
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
            } else if glob::is_wild(name) {
                let words = format!("`{name}` is a glob, and variables are granted by name; write each one out");
                wrong.push((format!("env.{at}"), words));
            } else if above(&ceiling.env, name) {
                wrong.push((format!("env.{at}"), forbidden(name)));
            }
        }
        let (http, not_origins) = Origins::parse(&self.http);
        wrong.extend(not_origins.into_iter().map(|(at, message)| (format!("http.{at}"), message)));
        for (at, origin) in http.canonical().filter(|(_, origin)| above(&ceiling.http, origin)) {
            wrong.push((format!("http.{at}"), forbidden(origin)));
        }
        let texts = |patterns: &Vec<Pattern>| patterns.iter().map(|pattern| pattern.text().to_owned()).collect();
        let read_ceiling = ceiling.read.as_ref().map(texts);
        let filesystems = filesystem_grants(self.filesystems, ceiling, &mut wrong);
        if self.processes && ceiling.processes == Some(false) {
            wrong.push(("processes".to_owned(), forbidden("true")));
        }
        (Grants { read, dirs, env: self.env, http, filesystems, processes: self.processes, read_ceiling }, wrong)
    }
}

fn filesystem_grants(paths: Vec<String>, ceiling: &Ceiling, wrong: &mut Wrong) -> Vec<String> {
    for (at, path) in paths.iter().enumerate() {
        let words = if glob::components(path).is_none() {
            glob::not_plain(path)
        } else if glob::is_wild(path) {
            format!("`{path}` is a glob, and file systems are granted by path; write each one out")
        } else if above(&ceiling.filesystems, path) {
            forbidden(path)
        } else {
            continue;
        };
        wrong.push((format!("filesystems.{at}"), words));
    }
    paths
}

fn read_grants(texts: &[String], ceiling: &Ceiling, wrong: &mut Wrong) -> Vec<Pattern> {
    // Whether a path lies under the ceiling shows when it is asked for; a literal one shows it now. What is private to
    // a process has to be written out there as well.
    let allows =
        |bound: &Pattern, path: &str| bound.matches(path) && (bound.literal().is_some() || !own::is_private(path));
    let is_over = |pattern: &Pattern| match (&ceiling.read, pattern.literal()) {
        (Some(bounds), Some(path)) => !bounds.iter().any(|bound| allows(bound, path)),
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
            None => wrong.push((format!("dirs.{at}"), glob::not_plain(&text))),
            Some(_) if own::names_processes(&text) => {
                let words = format!("the folder `{text}` cannot be granted: {}", own::SHOWS_PROCESSES);
                wrong.push((format!("dirs.{at}"), words));
            }
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
             http = [\"https://a\", \"http://b:80/\"]\nfilesystems = [\"/\", \"/w\"]\nprocesses = true",
        );
        let newer = grants(
            "[grant]\nread = [\"/b/*\", \"/c\"]\ndirs = [\"/w\"]\nenv = [\"Y\"]\nhttp = [\"http://b\"]\n\
             filesystems = [\"/w\"]",
        );
        let lines = older.narrowed(&newer).unwrap().lines();
        assert_eq!(
            lines,
            [
                "read /b/*",
                "use the folder /w (read only)",
                "see the environment variable Y",
                "send HTTP to http://b",
                "see how full the file system of /w is",
            ]
        );
        assert!(older.narrowed(&older).is_none());
        assert!(older.narrowed(&Grants::default()).unwrap().lines().is_empty());
    }

    fn problems(text: &str, ceiling: &Ceiling) -> String {
        let problems = Sidecar::parse(text, ceiling).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn reading_up_to(globs: &[&str]) -> Ceiling {
        let read = Some(globs.iter().map(|&glob| glob.to_owned()).collect());
        let (ceiling, wrong) = RawCeiling { read, ..RawCeiling::default() }.resolve();
        assert!(wrong.is_empty());
        ceiling
    }

    #[test]
    fn a_folder_that_shows_processes_is_refused_by_its_name() {
        for path in ["/", "/proc", "/proc/self", "/proc/1/net"] {
            for text in [format!("[\"{path}\"]"), format!("[{{ path = \"{path}\", write = true }}]")] {
                let found = problems(&format!("[grant]\ndirs = {text}"), &Ceiling::default());
                assert!(found.contains("grant.dirs.0") && found.contains(own::SHOWS_PROCESSES), "{found}");
            }
        }
        assert_eq!(grants("[grant]\ndirs = [\"/process\", \"/data/proc\"]").dirs.len(), 2);
    }

    #[test]
    fn a_variable_is_granted_by_its_whole_name() {
        let found = problems("[grant]\nenv = [\"HOME\", \"HO*\", \"{A,B}\"]", &Ceiling::default());
        assert!(found.contains("grant.env.1") && found.contains("`HO*` is a glob"), "{found}");
        assert!(found.contains("grant.env.2") && !found.contains("grant.env.0"), "{found}");
    }

    #[test]
    fn a_file_system_is_granted_by_a_path_and_processes_as_a_whole() {
        let text = "[grant]\nfilesystems = [\"/\", \"data\", \"/a/*\", \"/secret\"]\nprocesses = true";
        let filesystems = Some(vec!["/".to_owned(), "/a/**".to_owned()]);
        let raw = RawCeiling { filesystems, processes: Some(false), ..RawCeiling::default() };
        let found = problems(text, &raw.resolve().0);
        for part in [
            "filesystems.1: `data` is not",
            "filesystems.2: `/a/*` is a glob",
            "filesystems.3: `/secret` is more",
            "grant.processes: `true` is more",
        ] {
            assert!(found.contains(part), "{part} in {found}");
        }
        let raw = RawCeiling { processes: Some(true), ..RawCeiling::default() };
        assert!(Sidecar::parse("[grant]\nprocesses = true", &raw.resolve().0).unwrap().grant.processes);
    }

    #[test]
    fn a_line_tells_how_far_the_ceiling_lets_a_glob_go() {
        let lines = |text: &str, globs: &[&str]| {
            Sidecar::parse(&format!("[grant]\nread = {text}"), &reading_up_to(globs)).unwrap().grant.lines()
        };
        let bounded = lines("[\"/**\", \"/proc/stat\", \"/proc/**\"]", &["/proc/**"]);
        let expected = ["read /** (as far as [plugins.ceiling] allows: /proc/**)", "read /proc/stat", "read /proc/**"];
        assert_eq!(bounded, expected);
        assert_eq!(lines("[\"/a/*\"]", &[]), ["read /a/* (as far as [plugins.ceiling] allows: nothing)"]);
    }

    #[test]
    fn a_ceiling_has_to_write_out_what_is_private_to_a_process() {
        let text = "[grant]\nread = [\"/proc/1/environ\", \"/proc/1/stat\"]";
        let found = problems(text, &reading_up_to(&["/proc/**"]));
        assert!(found.contains("grant.read.0") && !found.contains("grant.read.1"), "{found}");
        assert!(Sidecar::parse(text, &reading_up_to(&["/proc/**", "/proc/1/environ"])).is_ok());
    }
}
