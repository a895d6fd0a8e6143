//! What is to be supervised, checked and complete.
//!
//! A [`Config`] can always be started: its names are good and unique, every name in `after` is in it, and `after`
//! has no cycle. Only [`crate::resolve`] makes one.

use std::collections::BTreeMap;
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
    /// How long to wait before it is started again.
    pub backoff: Backoff,
    /// The names of those that are started before it and stopped after it.
    pub after: Vec<String>,
    /// Where it serves, as written.
    pub base_url: Option<String>,
    /// How to find out whether it does its work.
    pub health: Option<Health>,
    /// How it is stopped.
    pub stop: Stop,
}

/// Which table a process is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `[processes.NAME]`.
    Process,
    /// `[agents.NAME]`: a coding agent.
    Agent,
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
    /// Failures this soon after the start do not count, until a check has passed.
    pub start_period: Duration,
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
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { initial: Duration::from_millis(500), max: Duration::from_secs(30), stable: Duration::from_secs(60) }
    }
}

impl Health {
    pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
    pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
    pub(crate) const RETRIES: u32 = 3;
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
