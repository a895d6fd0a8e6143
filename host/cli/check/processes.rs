//! What a process needs that is not there: its user and group, its directory, its programs, its log's directory.
//!
//! Owned by `sandbeat check`. All of it may be made by a script of the image before the agent starts, or be there only
//! where the agent runs, so that these are notes and never problems. What cannot be looked at is passed over.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sandbeat_status::names::shown;
use sandbeat_supervisor::{Check, Command, Kind, Process};

use crate::config::Source;

/// The most of `/etc/passwd` and `/etc/group` that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;
/// How much of a path or a name is shown, in bytes.
const MAX_SHOWN: usize = 256;
/// Where a program is looked for by the C libraries where there is no `PATH`.
const USUAL_DIRS: &str = "/usr/local/bin:/bin:/usr/bin";

/// What is not there, each with its key's place.
pub(super) fn notes(source: &Source) -> Vec<String> {
    let (users, groups) = (Names::read("/etc/passwd"), Names::read("/etc/group"));
    let config = source.processes_anyway();
    let notes = config.processes().flat_map(|(name, process)| {
        let table = if process.kind == Kind::Agent { "agents" } else { "processes" };
        let missing = missing(process, &users, &groups).into_iter();
        missing.map(move |(key, message)| source.problem(&format!("{table}.{name}.{key}"), message).to_string())
    });
    notes.collect()
}

/// Keys and what is missing.
fn missing(process: &Process, users: &Names, groups: &Names) -> Vec<(&'static str, String)> {
    let command = &process.command;
    let user = command.user.as_deref().and_then(|user| users.lack(user, "user"));
    let group = command.group.as_deref().and_then(|group| groups.lack(group, "group"));
    let cwd = command.cwd.as_deref().and_then(no_directory);
    // A program below a directory that is not there is no second fault.
    let lacks = |program: &str| {
        let below = program.contains('/') && !program.starts_with('/');
        if below && cwd.is_some() { None } else { no_program(program, command) }
    };
    let program = lacks(&command.program);
    let checked = |check: Option<&sandbeat_supervisor::Health>| match check.map(|health| &health.check) {
        Some(Check::Exec(words)) => words.first().and_then(|program| lacks(program)),
        _ => None,
    };
    let (ready, health) = (checked(process.ready.as_ref()), checked(process.health.as_ref()));
    let log = process.log.file.as_deref().and_then(Path::parent).and_then(no_directory);
    let found = [
        ("user", user),
        ("group", group),
        ("cwd", cwd),
        ("command", program),
        ("ready.exec", ready),
        ("health.exec", health),
        ("log.file", log),
    ];
    found.into_iter().filter_map(|(key, message)| Some((key, message?))).collect()
}

/// The entries of `/etc/passwd` or `/etc/group`; none of them where the file is missing, as in an image without users.
struct Names {
    file: &'static str,
    /// `None` where it cannot be read, of which nothing is said.
    text: Option<String>,
}

impl Names {
    fn read(file: &'static str) -> Self {
        let mut text = Vec::new();
        let read = File::open(file).and_then(|file| file.take(MAX_FILE).read_to_end(&mut text));
        let known = read.is_ok() || read.is_err_and(|failed| failed.kind() == ErrorKind::NotFound);
        Names { file, text: known.then(|| String::from_utf8_lossy(&text).into_owned()) }
    }

    /// That a name is not there. A number needs no entry.
    fn lack(&self, name: &str, what: &str) -> Option<String> {
        let text = self.text.as_deref()?;
        let is_there = name.parse::<u32>().is_ok() || text.lines().any(|line| line.split(':').next() == Some(name));
        (!is_there).then(|| format!("no {what} is called `{}` in {} so far", shown(name, MAX_SHOWN), self.file))
    }
}

fn no_directory(path: &Path) -> Option<String> {
    // The parent of a bare file name.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let there = shown(&path.to_string_lossy(), MAX_SHOWN);
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => None,
        Ok(_) => Some(format!("{there} is not a directory")),
        Err(failed) if is_missing(&failed) => Some(format!("the directory {there} does not exist so far")),
        Err(_) => None,
    }
}

/// That a program is not found where the process is started: by its path from its directory, or by its name in its
/// `PATH`.
fn no_program(program: &str, command: &Command) -> Option<String> {
    let name = shown(program, MAX_SHOWN);
    let below = |path: &Path| command.cwd.as_deref().unwrap_or(Path::new("")).join(path);
    if program.contains('/') {
        return match is_program(&below(Path::new(program))) {
            Found::Program | Found::Unclear => None,
            Found::Other => Some(format!("{name} is not a file that can be executed")),
            Found::Nothing => Some(format!("the program {name} does not exist so far")),
        };
    }
    let path = search_path(&command.env, command.env_clear, std::env::var_os("PATH"));
    let found: Vec<Found> = std::env::split_paths(&path).map(|dir| is_program(&below(&dir).join(program))).collect();
    let may_be_there = found.iter().any(|found| matches!(found, Found::Program | Found::Unclear));
    (!may_be_there).then(|| format!("no program `{name}` is in PATH ({}) so far", shown(&path.to_string_lossy(), 1024)))
}

/// The directories that a process's program is looked for in.
fn search_path(env: &BTreeMap<String, String>, cleared: bool, own: Option<OsString>) -> OsString {
    let set = env.get("PATH").map(OsString::from);
    set.or_else(|| own.filter(|_| !cleared)).unwrap_or_else(|| OsStr::new(USUAL_DIRS).to_owned())
}

enum Found {
    Program,
    /// Something that cannot be executed.
    Other,
    Nothing,
    /// It cannot be looked at.
    Unclear,
}

fn is_program(path: &Path) -> Found {
    match fs::metadata(path) {
        Ok(about) if about.is_file() && about.permissions().mode() & 0o111 != 0 => Found::Program,
        Ok(_) => Found::Other,
        Err(failed) if is_missing(&failed) => Found::Nothing,
        Err(_) => Found::Unclear,
    }
}

fn is_missing(failed: &std::io::Error) -> bool {
    matches!(failed.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(table: &str) -> Vec<String> {
        let source = Source::of(&format!("[processes.web]\n{table}")).unwrap();
        let notes = notes(&source);
        notes.iter().map(|note| note.rsplit("processes.web.").next().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_there_is_not_spoken_of() {
        let good = "command = [\"sh\"]\nuser = \"root\"\ngroup = \"4711\"\ncwd = \"/\"\nlog = { file = \"web.log\" }\n\
                    health = { exec = [\"/bin/sh\"] }";
        assert_eq!(keys(good), Vec::<String>::new());
        assert_eq!(keys("command = [\"bin/sh\"]\ncwd = \"/\""), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_there_is_told_with_its_key() {
        let bad = "command = [\"no-such-program\"]\nuser = \"no-such-user\"\ngroup = \"no-such-group\"\n\
                   health = { exec = [\"/nowhere/check\"] }\nlog = { file = \"/nowhere/logs/web.log\" }";
        let told = keys(bad);
        let begins = [
            "user: no user",
            "group: no group",
            "command: no program",
            "health.exec: the program",
            "log.file: the dir",
        ];
        assert_eq!(told.len(), begins.len(), "{told:#?}");
        for (note, begin) in told.iter().zip(begins) {
            assert!(note.starts_with(begin), "{note}");
        }
        // One fault, not two.
        let told = keys("command = [\"./serve\"]\ncwd = \"/nowhere\"");
        assert!(told.len() == 1 && told[0].starts_with("cwd: the directory /nowhere"), "{told:#?}");
        let told = keys("command = [\"sh\"]\ncwd = \"/etc/passwd\"");
        assert!(told.len() == 1 && told[0].contains("/etc/passwd is not a directory"), "{told:#?}");
        let told = keys("command = [\"/etc/passwd\"]");
        assert!(told.len() == 1 && told[0].contains("is not a file that can be executed"), "{told:#?}");
    }

    #[test]
    fn a_program_is_looked_for_where_the_process_would() {
        let own = Some(OsString::from("/own"));
        let none = BTreeMap::new();
        let set = BTreeMap::from([("PATH".to_owned(), "/set".to_owned())]);
        assert_eq!(search_path(&none, false, own.clone()), "/own");
        assert_eq!(search_path(&none, true, own.clone()), USUAL_DIRS);
        assert_eq!(search_path(&set, true, own.clone()), "/set");
        assert_eq!(search_path(&set, false, own), "/set");
    }
}
