//! What is to be supervised, checked and complete.
//!
//! A [`Config`] can always be started: its names are good and unique, every name in `after` is in it, and `after`
//! has no cycle. Only [`crate::resolve`] makes one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

/// Every process to be supervised, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub(crate) processes: BTreeMap<String, Process>,
}

/// One process to be supervised.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Which table it is from.
    pub kind: Kind,
    /// What is started.
    pub command: Command,
    /// When it is started again after it ended.
    pub restart: Policy,
    /// How long to wait before it is started again, and how often.
    pub backoff: Backoff,
    /// Those that are started before it and stopped after it.
    pub after: Vec<After>,
    /// Where it serves, as written.
    pub base_url: Option<String>,
    /// How to find out whether it can be used, before `health` is asked for the first time.
    pub ready: Option<Health>,
    /// How to find out whether it does its work.
    pub health: Option<Health>,
    /// How it is stopped.
    pub stop: Stop,
    /// Whether the agent ends when this one has ended for good.
    pub essential: bool,
    /// Whether somebody means to write to it; told, and of no other effect.
    pub interactive: bool,
    /// Where its output is kept beside the ring in memory.
    pub log: Logging,
}

/// One that is started before another, and what is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// Its name.
    pub name: String,
    /// What it must have come to.
    pub until: Condition,
}

/// What is waited for before those that come after are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// A start was tried; a failed one is good enough.
    #[default]
    Started,
    /// It is ready: its checks have passed, or it runs and has none.
    Ready,
    /// It has exited with code 0.
    Completed,
}

/// Which table a process is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `[processes.NAME]`.
    Process,
    /// `[agents.NAME]`: a coding agent.
    Agent,
    /// None: it was created through the API.
    Created,
}

/// A program and what it is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The directory that it starts in; the agent's own where absent.
    pub cwd: Option<PathBuf>,
    /// Variables added to its environment.
    pub env: BTreeMap<String, String>,
    /// Whether it starts without the agent's environment.
    pub env_clear: bool,
    /// The user that it runs as, by name or number; the agent's own where absent.
    pub user: Option<String>,
    /// The group that it runs as, by name or number; the user's own, or else the agent's, where absent.
    pub group: Option<String>,
    /// Its file mode creation mask; the agent's own where absent.
    pub umask: Option<u32>,
    /// Its resource limits; the agent's own where absent.
    pub limits: BTreeMap<Limit, Option<u64>>,
    /// What its standard input and output are.
    pub stdio: Stdio,
}

/// A resource limit, soft and hard at once, in the unit that `setrlimit(2)` gives it. A value of `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// Address space, in bytes.
    As,
    /// A core dump, in bytes.
    Core,
    /// CPU, in seconds.
    Cpu,
    /// The data segment, in bytes.
    Data,
    /// A file that it writes, in bytes.
    Fsize,
    /// Memory that it locks, in bytes.
    Memlock,
    /// Its nice value's ceiling, as 20 minus it.
    Nice,
    /// Open files.
    Nofile,
    /// Processes of its user.
    Nproc,
    /// Its stack, in bytes.
    Stack,
}

/// What a child's standard input and output are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdio {
    /// Nothing to read; two pipes to write to.
    #[default]
    Output,
    /// Three pipes.
    Piped,
    /// A terminal of its own, of this size.
    Terminal(Size),
    /// Nothing, in and out.
    Null,
}

/// A terminal's size, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// Where output is kept beside the ring in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// A file that lines are appended to; none where absent.
    pub file: Option<PathBuf>,
    /// A file that has come to this many bytes is set aside and begun anew.
    pub max_size: u64,
    /// How many files that were set aside are kept.
    pub keep: u32,
    /// What the ring in memory holds, in bytes.
    pub memory: u64,
}

/// When a process that ended by itself is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// After every end.
    Always,
    /// After every end but exit code 0.
    #[default]
    OnFailure,
    /// After none.
    Never,
}

/// The waits between restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait before the second restart in a row; the first is at once. Each further one is twice as long.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// One that ran this long starts anew.
    pub stable: Duration,
    /// After this many restarts within `window` it is given up; 0 for never.
    pub limit: u32,
    /// See `limit`.
    pub window: Duration,
}

/// How to find out whether a process does its work.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// What is asked.
    pub check: Check,
    /// From the end of one check to the next one.
    pub interval: Duration,
    /// A check that takes longer has failed.
    pub timeout: Duration,
    /// This many failures in a row are an error; at least 1.
    pub retries: u32,
    /// This many passes in a row make it well; at least 1.
    pub passes: u32,
    /// Failures this soon after the start do not count, until a check has passed.
    pub start_period: Duration,
    /// Whether one that fails is restarted, as its policy says of a failed end.
    pub restart: bool,
}

/// What a health check asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// A GET of an `http` URL with a host is answered with 2xx or 3xx.
    Http(Uri),
    /// A `host:port` accepts a connection.
    Tcp(String),
    /// A command, in the process's directory and environment, exits with code 0.
    Exec(Vec<String>),
}

/// How a process is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The signal that asks it to end.
    pub signal: Signal,
    /// What is left after this long is killed.
    pub timeout: Duration,
}

impl Config {
    /// The processes, by name.
    pub fn processes(&self) -> impl Iterator<Item = (&str, &Process)> {
        self.processes.iter().map(|(name, process)| (name.as_str(), process))
    }

    /// Whether there is nothing to supervise.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }
}

impl Kind {
    /// The name of its table.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Kind::Process => "processes",
            Kind::Agent => "agents",
            Kind::Created => "created",
        }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        f.write_str(match self.until {
            Condition::Started => "",
            Condition::Ready => ":ready",
            Condition::Completed => ":completed",
        })
    }
}

impl Limit {
    /// Its key in `limits`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Limit::As => "as",
            Limit::Core => "core",
            Limit::Cpu => "cpu",
            Limit::Data => "data",
            Limit::Fsize => "fsize",
            Limit::Memlock => "memlock",
            Limit::Nice => "nice",
            Limit::Nofile => "nofile",
            Limit::Nproc => "nproc",
            Limit::Stack => "stack",
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
            stable: Duration::from_secs(60),
            limit: 20,
            window: Duration::from_secs(600),
        }
    }
}

impl Health {
    pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
    pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
    pub(crate) const RETRIES: u32 = 3;
    pub(crate) const PASSES: u32 = 1;
    /// A process that is just starting is expected to be so for a while, and others may wait for it.
    pub(crate) const READY_INTERVAL: Duration = Duration::from_secs(1);
    pub(crate) const READY_START_PERIOD: Duration = Duration::from_secs(60);
}

impl Default for Logging {
    fn default() -> Self {
        Logging { file: None, max_size: 10 << 20, keep: 3, memory: 256 << 10 }
    }
}

impl Default for Size {
    /// What terminals have had since there were any.
    fn default() -> Self {
        Size { cols: 80, rows: 24 }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Stop { signal: Signal::TERM, timeout: Duration::from_secs(10) }
    }
}

/// The host and port of a URL with the scheme `http`, as [`tokio::net::TcpStream::connect`] takes them.
pub(crate) fn host_and_port(url: &Uri) -> Option<(String, u16)> {
    let host = url.host()?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(bare) => IpAddr::V6(bare.parse::<Ipv6Addr>().ok()?).to_string(),
        None => host.to_owned(),
    };
    Some((host, url.port_u16().unwrap_or(80)))
}
