//! From the tables as written to a [`Config`] that can be started, and every problem on the way.
//!
//! Pure: it looks at nothing outside its arguments, so that whether a program exists is found out at its start and
//! not here. A process with a problem is left out of the configuration, and so is what would then be wrong with
//! others; whoever must not start with half of what was written looks at the problems first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use hyper::Uri;
use sandbeat_status::names;
use sandbeat_status::settings::{Problem, nearest, parse_size};

use crate::config::{
    After, Backoff, Check, Command, Condition, Config, Health, Kind, Limit, Logging, Process, Size, Stdio, Stop,
    host_and_port,
};
use crate::order::{self, Graph};
use crate::raw::{RawBackoff, RawHealth, RawLog, RawProcess, RawStop};
use crate::signals;

/// The most processes and agents together. Each has a task, pipes and a place in every report.
pub const MAX_PROCESSES: usize = 256;
/// The longest `base_url`, in bytes: what hubs take.
const MAX_BASE_URL: usize = 2048;

/// What the names of those begin with that were created through the API; a number follows.
pub(crate) const CREATED: &str = "proc_";

const SMALLEST_LOG: u64 = 64 << 10;
const MOST_KEPT: u32 = 100;
const SMALLEST_RING: u64 = 4 << 10;
const LARGEST_RING: u64 = 64 << 20;

/// Checks the tables `[processes.NAME]` and `[agents.NAME]`. The problems carry keys such as `processes.web.after.0`.
pub fn resolve(
    processes: BTreeMap<String, RawProcess>,
    agents: BTreeMap<String, RawProcess>,
) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    let count = processes.len() + agents.len();
    if count > MAX_PROCESSES {
        let message = format!("{count} processes and agents are configured; {MAX_PROCESSES} are the most");
        problems.push(Problem::new(Kind::Process.table(), message));
    }
    for name in agents.keys().filter(|name| processes.contains_key(*name)) {
        let message = format!("`processes.{name}` has this name, too; a name is one process's alone");
        problems.push(Problem::new(format!("agents.{name}"), message));
    }
    let known: BTreeSet<String> = processes.keys().chain(agents.keys()).cloned().collect();
    let mut good = BTreeMap::new();
    let tables = agents.into_iter().map(|entry| (Kind::Agent, entry));
    let tables = tables.chain(processes.into_iter().map(|entry| (Kind::Process, entry)));
    for (kind, (name, raw)) in tables {
        let mut notes = Notes { key: format!("{}.{name}", kind.table()), problems: Vec::new() };
        let process = process(kind, &name, raw, &known, &mut notes);
        match process {
            Some(process) if notes.problems.is_empty() => drop(good.insert(name, process)),
            _ => problems.append(&mut notes.problems),
        }
    }
    refuse_shared_files(&good, &mut problems);
    take_out_cycles(&mut good, &mut problems);
    while good.len() > MAX_PROCESSES {
        good.pop_last();
    }
    let left: BTreeSet<String> = good.keys().cloned().collect();
    for process in good.values_mut() {
        process.after.retain(|after| left.contains(&after.name));
    }
    (Config { processes: good }, problems)
}

/// The problems of one process.
struct Notes {
    key: String,
    problems: Vec<Problem>,
}

impl Notes {
    /// Notes a problem with the value under a key of the process; an empty key means the process itself.
    fn add(&mut self, key: &str, message: impl Into<String>) {
        let key = if key.is_empty() { self.key.clone() } else { format!("{}.{key}", self.key) };
        self.problems.push(Problem::new(key, message));
    }
}

fn process(kind: Kind, name: &str, raw: RawProcess, known: &BTreeSet<String>, notes: &mut Notes) -> Option<Process> {
    if let Err(reason) = names::short_name(name).and_then(|()| not_reserved(name)) {
        notes.add("", reason);
    }
    let after = after(name, &raw.after, known, notes);
    if let Some(Err(reason)) = raw.base_url.as_deref().map(reported_url) {
        notes.add("base_url", reason);
    }
    for (name, value) in &raw.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            notes.add("env", format!("{name:?} cannot be a variable's name; it must not be empty or contain `=`"));
        } else if value.contains('\0') {
            notes.add(&format!("env.{name}"), "the value contains a NUL character, which no variable can");
        }
    }
    let backoff = backoff(&raw.backoff, notes);
    let ready =
        raw.ready.and_then(|raw| health(raw, "ready", (Health::READY_INTERVAL, Health::READY_START_PERIOD), notes));
    if ready.as_ref().is_some_and(|ready| ready.restart) {
        notes.add("ready.restart", "only `health` restarts; one that is not ready yet is waited for");
    }
    let health = raw.health.and_then(|raw| health(raw, "health", (Health::INTERVAL, Duration::ZERO), notes));
    let stop = stop(&raw.stop, notes);
    let log = log(raw.log, notes);
    let umask = raw.umask.as_deref().and_then(|text| umask(text, notes));
    let limits = limits(&raw.limits, notes);
    check_command(&raw.command, "command", notes);
    let mut words = raw.command.into_iter();
    let command = Command {
        program: words.next()?,
        args: words.collect(),
        cwd: raw.cwd,
        env: raw.env,
        env_clear: raw.env_clear,
        user: raw.user,
        group: raw.group,
        umask,
        limits,
        stdio: if raw.tty { Stdio::Terminal(Size::default()) } else { Stdio::Output },
    };
    let (restart, base_url, essential) = (raw.restart, raw.base_url, raw.essential);
    let interactive = raw.tty;
    Some(Process { kind, command, restart, backoff, after, base_url, ready, health, stop, essential, interactive, log })
}

/// Names that the local API has for something else.
fn not_reserved(name: &str) -> Result<(), String> {
    let numbered = name.strip_prefix(CREATED).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if numbered {
        Err(format!("`{name}` is a name that the local API gives to what is created there; choose another"))
    } else if matches!(name, "run" | "config") {
        Err(format!("`{name}` means something else in the local API; choose another"))
    } else {
        Ok(())
    }
}

fn check_command(command: &[String], key: &str, notes: &mut Notes) {
    match command.first() {
        None => notes.add(key, "the command is missing; write it as an array such as [\"python3\", \"app.py\"]"),
        Some(program) if program.is_empty() => notes.add(key, "the program's name is empty"),
        Some(_) => {}
    }
    if command.iter().any(|word| word.contains('\0')) {
        notes.add(key, "the command contains a NUL character, which no argument can");
    }
}

fn after(own: &str, after: &[String], known: &BTreeSet<String>, notes: &mut Notes) -> Vec<After> {
    let mut all = Vec::new();
    for (index, text) in after.iter().enumerate() {
        let key = format!("after.{index}");
        let (name, until) = match text.split_once(':') {
            None => (text.as_str(), Some(Condition::Started)),
            Some((name, "started")) => (name, Some(Condition::Started)),
            Some((name, "ready")) => (name, Some(Condition::Ready)),
            Some((name, "completed")) => (name, Some(Condition::Completed)),
            Some((name, _)) => (name, None),
        };
        let Some(until) = until else {
            notes.add(&key, format!("`{text}` waits for nothing known; write `{name}:ready` or `{name}:completed`"));
            continue;
        };
        if known.contains(name) {
            all.push(After { name: name.to_owned(), until });
            continue;
        }
        let others = known.iter().map(String::as_str).filter(|name| *name != own);
        let message = match nearest(name, others) {
            Some(nearest) => format!("no process or agent is called `{name}`; did you mean `{nearest}`?"),
            None => format!("no process or agent is called `{name}`"),
        };
        notes.add(&key, message);
    }
    all
}

fn backoff(raw: &RawBackoff, notes: &mut Notes) -> Backoff {
    let default = Backoff::default();
    let initial = raw.initial.unwrap_or(default.initial);
    let max = raw.max.unwrap_or(default.max.max(initial));
    if initial > max {
        notes.add("backoff.initial", format!("{initial:?} is longer than backoff.max, which is {max:?}"));
    }
    Backoff {
        initial,
        max,
        stable: raw.stable.unwrap_or(default.stable),
        limit: raw.limit.unwrap_or(default.limit),
        window: raw.window.unwrap_or(default.window),
    }
}

fn log(raw: RawLog, notes: &mut Notes) -> Logging {
    let default = Logging::default();
    if raw.file.as_ref().is_some_and(|file| !file.is_absolute()) {
        notes.add("log.file", "must be an absolute path");
    }
    let log = Logging {
        file: raw.file,
        max_size: raw.max_size.unwrap_or(default.max_size),
        keep: raw.keep.unwrap_or(default.keep),
        memory: raw.memory.unwrap_or(default.memory),
    };
    if log.max_size < SMALLEST_LOG {
        notes.add("log.max_size", "is too small; 64KiB is the least");
    }
    if log.keep > MOST_KEPT {
        notes.add("log.keep", format!("{} files are too many; {MOST_KEPT} are the most", log.keep));
    }
    if !(SMALLEST_RING..=LARGEST_RING).contains(&log.memory) {
        notes.add("log.memory", "is not between 4KiB and 64MiB");
    }
    log
}

fn umask(text: &str, notes: &mut Notes) -> Option<u32> {
    let mask = u32::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777);
    if mask.is_none() {
        notes.add("umask", format!("`{text}` is not a mask; write up to three octal digits, such as `027`"));
    }
    mask
}

fn limits(raw: &BTreeMap<Limit, String>, notes: &mut Notes) -> BTreeMap<Limit, Option<u64>> {
    let mut limits = BTreeMap::new();
    for (limit, text) in raw {
        let value = if text == "unlimited" { Ok(None) } else { parse_size(text).map(Some) };
        match value {
            Ok(value) => drop(limits.insert(*limit, value)),
            Err(_) => {
                let message = format!("`{text}` is not a limit; write a number, a size such as `1GiB`, or `unlimited`");
                notes.add(&format!("limits.{}", limit.as_str()), message);
            }
        }
    }
    limits
}

/// Checks `health` or `ready`; the defaults are those of the interval and the start period.
fn health(raw: RawHealth, key: &str, default: (Duration, Duration), notes: &mut Notes) -> Option<Health> {
    let kinds = [raw.http.is_some(), raw.tcp.is_some(), raw.exec.is_some()];
    if kinds.iter().filter(|given| **given).count() != 1 {
        notes.add(key, "write exactly one of `http`, `tcp` and `exec`");
    }
    let http = raw.http.and_then(|text| match probed_url(&text) {
        Ok(url) => Some(Check::Http(url)),
        Err(reason) => {
            notes.add(&format!("{key}.http"), reason);
            None
        }
    });
    let tcp = raw.tcp.and_then(|text| match address(&text) {
        Ok(()) => Some(Check::Tcp(text)),
        Err(reason) => {
            notes.add(&format!("{key}.tcp"), reason);
            None
        }
    });
    let exec = raw.exec.map(|command| {
        check_command(&command, &format!("{key}.exec"), notes);
        Check::Exec(command)
    });
    let retries = raw.retries.unwrap_or(Health::RETRIES);
    if retries == 0 {
        notes.add(&format!("{key}.retries"), "0 failures are no reason; 1 is the least");
    }
    let passes = raw.passes.unwrap_or(Health::PASSES);
    if passes == 0 {
        notes.add(&format!("{key}.passes"), "0 passes show nothing; 1 is the least");
    }
    Some(Health {
        check: http.or(tcp).or(exec)?,
        interval: raw.interval.unwrap_or(default.0),
        timeout: raw.timeout.unwrap_or(Health::TIMEOUT),
        retries,
        passes,
        start_period: raw.start_period.unwrap_or(default.1),
        restart: raw.restart,
    })
}

fn stop(raw: &RawStop, notes: &mut Notes) -> Stop {
    let default = Stop::default();
    let signal = raw.signal.as_deref().map_or(Some(default.signal), signals::stopping);
    if signal.is_none() {
        let known: Vec<&str> = signals::stopping_names().collect();
        let name = raw.signal.as_deref().unwrap_or_default();
        notes.add("stop.signal", format!("`{name}` is not a signal to stop with; known: {}", known.join(", ")));
    }
    Stop { signal: signal.unwrap_or(default.signal), timeout: raw.timeout.unwrap_or(default.timeout) }
}

/// A URL with the scheme `http` or `https` and a host, which may be shown to anybody.
fn url(text: &str) -> Result<Uri, String> {
    let wrong = || format!("`{text}` is not a URL; write one such as `http://127.0.0.1:8000/`");
    let url: Uri = text.parse().map_err(|_| wrong())?;
    let good = matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty());
    if !good {
        return Err(wrong());
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("a URL here must not carry a user or a password: it is reported".to_owned());
    }
    Ok(url)
}

/// One that every report carries, so that a hub must not have to refuse them for it.
fn reported_url(text: &str) -> Result<(), String> {
    names::plain_text(text, MAX_BASE_URL).map_err(|reason| format!("cannot be reported: {reason}"))?;
    url(text).map(drop)
}

fn probed_url(text: &str) -> Result<Uri, String> {
    let url = url(text)?;
    if url.scheme_str() != Some("http") {
        return Err("only plain `http` is checked; use `tcp` or `exec` for what speaks TLS".to_owned());
    }
    match host_and_port(&url) {
        Some((_, port)) if port > 0 => Ok(url),
        _ => Err(format!("`{text}` names no host and port that can be connected to")),
    }
}

fn address(text: &str) -> Result<(), String> {
    let good = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    if good { Ok(()) } else { Err(format!("`{text}` is not an address; write one such as `127.0.0.1:5432`")) }
}

/// Two that write to one file would set it aside under each other.
fn refuse_shared_files(good: &BTreeMap<String, Process>, problems: &mut Vec<Problem>) {
    let mut writers: BTreeMap<&Path, &str> = BTreeMap::new();
    for (name, process) in good {
        let Some(file) = &process.log.file else { continue };
        if let Some(first) = writers.insert(file, name) {
            let key = format!("{}.{name}.log.file", process.kind.table());
            problems.push(Problem::new(key, format!("`{first}` writes to this file already; give each its own")));
        }
    }
}

fn take_out_cycles(good: &mut BTreeMap<String, Process>, problems: &mut Vec<Problem>) {
    let graph: Graph<'_> = good
        .iter()
        .map(|(name, process)| (name.as_str(), process.after.iter().map(|after| after.name.as_str()).collect()))
        .collect();
    for cycle in order::cycles(&graph) {
        let Some(first) = cycle.first() else { continue };
        if let Some(process) = good.get(first) {
            let next = cycle.get(1).unwrap_or(first);
            let index = process.after.iter().position(|after| after.name == *next).unwrap_or_default();
            let path = format!("`{}` → `{first}`", cycle.join("` → `"));
            let message = format!("each waits for the next, and none can start: {path}");
            problems.push(Problem::new(format!("{}.{first}.after.{index}", process.kind.table()), message));
        }
        for name in &cycle {
            good.remove(name);
        }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
