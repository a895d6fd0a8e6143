//! What supervision costs: a crash until its replacement runs, a listing of a hundred processes, output, and memory,
//! beside supervisord doing the same in the same run.
//!
//! The supervised program is this one again ([`child`]), which tells over a socket that it runs, or how long it took
//! to write. Both supervisors are asked over a Unix socket of their own.

mod child;
mod supervisord;
mod told;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use sandbeat_supervisor::{RawProcess, Supervisor, resolve};

pub use self::child::{CHILD, child};
use self::supervisord::Supervisors;
use self::told::Told;
use crate::agent::{Agent, Binary, Folder};
use crate::hub::Hub;
use crate::memory::Memory;
use crate::race::{Entrant, race};
use crate::stats::Distribution;
use crate::table::{Row, Target, Unit};

const CRASHES: usize = 50;
const LISTINGS: usize = 200;
const SNAPSHOTS: usize = 50;
const PROCESSES: usize = 100;
const FLOODS: usize = 3;
/// What each flood writes, in lines.
const FLOOD: u64 = 256 << 20;
/// How long a replacement has run before it is killed, so that no restart is one of several in a row.
const CALM: Duration = Duration::from_millis(50);
const PEER: &str = "supervisord";

/// A supervised process, as each supervisor is to be told of it.
struct Supervised {
    name: String,
    command: Vec<String>,
    restart: bool,
}

/// Our own supervisor: an agent that reports each second, as it does.
struct Ours {
    agent: Agent,
    folder: Folder,
    _hub: Hub,
}

/// All of it. Memory is looked at once both have run so long.
///
/// # Errors
/// A supervisor does not run, or supervisord cannot be installed.
pub fn measure(binary: &Binary, settle: Duration) -> anyhow::Result<Vec<Row>> {
    let peers = Supervisors::find()?;
    let mut rows = vec![crashes(binary, &peers)?];
    rows.push(snapshots()?);
    rows.extend(floods(binary, &peers)?);
    rows.extend(hundred(binary, &peers, settle)?);
    Ok(rows)
}

/// From SIGKILL of a process to its replacement, which says itself that it runs. By turns.
fn crashes(binary: &Binary, peers: &Supervisors) -> anyhow::Result<Row> {
    let (our_told, their_told) = (Told::new()?, Told::new()?);
    let mut ours = Ours::start(binary, &[Supervised::child("web", &our_told, &["stamp"], true)?])?;
    let mut theirs = peers.start(&[Supervised::child("web", &their_told, &["stamp"], true)?])?;
    let (mut our_pid, mut their_pid) = (our_told.pid()?, their_told.pid()?);
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..CRASHES {
        our_times.push(crash(&mut our_pid, &our_told).with_context(|| ours.folder.log())?);
        their_times.push(crash(&mut their_pid, &their_told).with_context(|| theirs.log())?);
    }
    ours.agent.check()?;
    theirs.check()?;
    row("crash of a process to its replacement running", Unit::Microseconds, our_times, Some(their_times), Some(5000.0))
}

fn crash(pid: &mut u32, told: &Told) -> anyhow::Result<f64> {
    std::thread::sleep(CALM);
    let crashed = Pid::from_raw(i32::try_from(*pid)?).context("no pid")?;
    let start = Instant::now();
    kill_process(crashed, Signal::KILL)?;
    let (at, new) = told.next()?;
    ensure!(new != u64::from(*pid), "the same process");
    *pid = u32::try_from(new)?;
    Ok(at.saturating_duration_since(start).as_secs_f64() * 1e6)
}

/// What a report costs the supervisor: a copy of what it knows of each, inside the agent.
fn snapshots() -> anyhow::Result<Row> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _inside = runtime.enter();
    let process = |number| {
        let Supervised { name, command, .. } = Supervised::idle(number);
        (name, RawProcess { command, ..RawProcess::default() })
    };
    let (config, problems) = resolve((0..PROCESSES).map(process).collect(), BTreeMap::new());
    ensure!(problems.is_empty(), "{problems:?}");
    let supervisor = Supervisor::start(config);
    let handle = supervisor.handle();
    let deadline = Instant::now() + Duration::from_secs(30);
    while handle.snapshot().values().filter(|process| process.pid.is_some()).count() < PROCESSES {
        ensure!(Instant::now() < deadline, "not all of them run");
        std::thread::sleep(CALM);
    }
    let snapshot = Entrant::of(|| {
        std::hint::black_box(handle.snapshot());
        anyhow::Ok(())
    });
    let times = race(vec![snapshot], SNAPSHOTS)?.pop().context("no figures")?;
    runtime.block_on(supervisor.shutdown());
    let what = "a snapshot of 100 processes for a report".to_owned();
    Ok(Row { what, unit: Unit::Microseconds, ours: times, peer: None, target: Target::default() })
}

/// How long a process takes to write so much, which is how long it is made to wait by who reads.
fn floods(binary: &Binary, peers: &Supervisors) -> anyhow::Result<Vec<Row>> {
    let size = FLOOD.to_string();
    let arguments = ["flood", size.as_str()];
    let (mut ring, mut file, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..FLOODS {
        for (times, keys) in [(&mut ring, ""), (&mut file, "log = { file = \"{}/web.log\", max_size = \"50MiB\" }")] {
            let told = Told::new()?;
            let ours = Ours::with(binary, &[Supervised::child("web", &told, &arguments, false)?], keys)?;
            times.push(told.next().with_context(|| ours.folder.log())?.1 as f64);
        }
        let told = Told::new()?;
        let running = peers.start(&[Supervised::child("web", &told, &arguments, false)?])?;
        theirs.push(told.next().with_context(|| running.log())?.1 as f64);
    }
    let what = |kept: &str| format!("{} MiB of lines from one process, {kept}", FLOOD >> 20);
    Ok(vec![
        row(&what("kept in memory"), Unit::Microseconds, ring, None, None)?,
        row(&what("kept in memory and in a file"), Unit::Microseconds, file, Some(theirs), None)?,
    ])
}

/// A hundred processes that do nothing: what they cost, and what it costs to ask for them.
fn hundred(binary: &Binary, peers: &Supervisors, settle: Duration) -> anyhow::Result<Vec<Row>> {
    let idle: Vec<Supervised> = (0..PROCESSES).map(Supervised::idle).collect();
    let mut ours = Ours::start(binary, &idle)?;
    let mut theirs = peers.start(&idle)?;
    let running = |text: &str, word: &str| text.matches(word).count() == PROCESSES;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !running(&ours.list()?, "\"state\":\"running\"") || !running(&theirs.list()?, "RUNNING") {
        ensure!(Instant::now() < deadline, "not all of them run");
        std::thread::sleep(CALM);
    }
    std::thread::sleep(settle);
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..LISTINGS {
        our_times.push(timed(|| ours.list())?);
        their_times.push(timed(|| theirs.list())?);
    }
    ours.agent.check()?;
    theirs.check()?;
    let (our_memory, their_memory) = (Memory::of(ours.agent.id())?, Memory::of(theirs.id())?);
    let memory = |what: &str, of: fn(&Memory) -> f64| {
        row(what, Unit::Megabytes, vec![of(&our_memory)], Some(vec![of(&their_memory)]), None)
    };
    Ok(vec![
        row("a listing of 100 processes over the Unix socket", Unit::Microseconds, our_times, Some(their_times), None)?,
        memory("resident memory with 100 idle processes", |memory| memory.resident)?,
        memory("private memory with 100 idle processes", |memory| memory.private_dirty)?,
    ])
}

fn timed(ask: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<f64> {
    let start = Instant::now();
    ask()?;
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

/// A whole exchange over a Unix socket, on a connection of its own.
fn ask(socket: &Path, head: &str, body: &str) -> anyhow::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    let length = body.len();
    write!(stream, "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n")?;
    write!(stream, "Content-Type: text/xml\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200"), "{answer}");
    Ok(answer)
}

impl Supervised {
    fn child(name: &str, told: &Told, arguments: &[&str], restart: bool) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let mut command = vec![text(&own)?, CHILD.to_owned(), text(told.path())?];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Ok(Supervised { name: name.to_owned(), command, restart })
    }

    fn idle(number: usize) -> Self {
        let command = ["sleep", "1000000"].map(str::to_owned).to_vec();
        Supervised { name: format!("p{number}"), command, restart: true }
    }
}

impl Ours {
    fn start(binary: &Binary, processes: &[Supervised]) -> anyhow::Result<Self> {
        Self::with(binary, processes, "")
    }

    /// With further keys of each table, in which `{}` is the folder.
    fn with(binary: &Binary, processes: &[Supervised], keys: &str) -> anyhow::Result<Self> {
        let (hub, folder) = (Hub::start()?, Folder::new(binary)?);
        let keys = keys.replace("{}", &text(&folder.path(""))?);
        let mut config = String::new();
        for Supervised { name, command, restart } in processes {
            let restart = if *restart { "always" } else { "never" };
            config += &format!("[processes.{name}]\ncommand = {command:?}\nrestart = \"{restart}\"\n");
            // Each crash is to be the first one in a row, as in a sandbox that works.
            config += &format!("backoff = {{ stable = \"10ms\", limit = 0 }}\n{keys}\n");
        }
        folder.configure(&config)?;
        let agent = folder.start(&hub, "1s")?;
        Ok(Ours { agent, folder, _hub: hub })
    }

    fn list(&self) -> anyhow::Result<String> {
        let socket = self.folder.path("api.sock");
        if !socket.exists() {
            return Ok(String::new());
        }
        ask(&socket, "GET /v1/processes", "")
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
}

fn row(what: &str, unit: Unit, ours: Vec<f64>, theirs: Option<Vec<f64>>, most: Option<f64>) -> anyhow::Result<Row> {
    let ours = Distribution::of(ours).context("no figures")?;
    let peer = theirs.map(|theirs| Distribution::of(theirs).context("no figures of the peer")).transpose()?;
    let target = Target { at_most: most, ..Target::default() };
    Ok(Row { what: what.to_owned(), unit, ours, peer: peer.map(|peer| (PEER.to_owned(), peer)), target })
}
