//! What is known of each process, for everybody to read, and where requests are left.
//!
//! A process's task writes its own entry and nobody else's; readers copy. The lock is held for a copy or a small
//! change and never across an await, so that a reader waits for no task. Every change that a reader could see, other
//! than the passing of time, counts the version up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sandbeat_status::{ProcessState, ProcessStatus};
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::config::Kind;
use crate::logs::{Line, Ring};
use crate::restart::End;
use crate::signals;

/// The most requests that wait for one process.
pub(crate) const MAX_REQUESTS: usize = 32;

/// Reads and asks. Cheap to clone, and usable from any thread and any runtime; nothing here waits for a process.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) board: Arc<Board>,
}

/// A process at one moment, in full.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// What a report says of it.
    #[serde(flatten)]
    pub status: ProcessStatus,
    /// Which table it is from.
    pub kind: Kind,
    /// Where in its life it is.
    pub phase: Phase,
    /// How its last finished run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
    /// Milliseconds until it is started again, while it is `backing-off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_restart_ms: Option<u64>,
}

/// Where in its life a process is. The crate's documentation says which state goes with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not started yet: something that it comes after has not been, or its own start is under way.
    #[default]
    Waiting,
    /// Started; its health check has not passed yet.
    Starting,
    /// Started; its health check passes, or it has none.
    Ready,
    /// Runs, and its health check fails.
    Unhealthy,
    /// Asked to stop; something of it is still there.
    Stopping,
    /// Ended; will be started again.
    BackingOff,
    /// Ended; will not be started again unless asked.
    Exited,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By a signal with this name.
    Signal(String),
}

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nothing has this name.
    #[error("no process or agent is called `{0}`")]
    Unknown(String),
    /// Too many requests wait already.
    #[error("`{0}` has {MAX_REQUESTS} requests waiting; try again later")]
    Busy(String),
    /// The supervisor is shut down.
    #[error("`{0}` is not supervised any more")]
    Over(String),
}

/// What a process's task can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Start,
    Stop,
    Restart,
}

/// All entries, and the count of changes.
#[derive(Debug)]
pub(crate) struct Board {
    entries: Mutex<BTreeMap<String, Entry>>,
    version: watch::Sender<u64>,
}

/// One process on the board.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) base_url: Option<String>,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) logs: Arc<Ring>,
    pub(crate) view: View,
}

/// What a process's task publishes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) phase: Phase,
    pub(crate) state: ProcessState,
    /// Its process id and since when it runs.
    pub(crate) running: Option<(u32, Instant)>,
    /// Successful starts.
    pub(crate) starts: u32,
    /// Whether a start was tried, which is what others that come after it wait for.
    pub(crate) tried: bool,
    pub(crate) last_error: Option<String>,
    pub(crate) last_exit: Option<Exit>,
    pub(crate) next_start: Option<Instant>,
}

impl Handle {
    /// What a report says of each process, by name.
    pub fn snapshot(&self) -> BTreeMap<String, ProcessStatus> {
        let now = Instant::now();
        self.board.lock().iter().map(|(name, entry)| (name.clone(), entry.status(now))).collect()
    }

    /// Everything known of each process, by name.
    pub fn details(&self) -> BTreeMap<String, Details> {
        let now = Instant::now();
        self.board.lock().iter().map(|(name, entry)| (name.clone(), entry.details(now))).collect()
    }

    /// The last output of a process: the oldest lines that are still held and have a number above `after`, at most
    /// `most` of them. `None` where nothing has this name.
    pub fn logs(&self, name: &str, after: u64, most: usize) -> Option<Vec<Line>> {
        let ring = Arc::clone(&self.board.lock().get(name)?.logs);
        Some(ring.after(after, most))
    }

    /// Counts up whenever something in [`Handle::details`] changes, other than by the passing of time. Several
    /// changes in a row may be seen as one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.board.version.subscribe()
    }

    /// Asks for a start now, where it does not run; waits for nothing that it comes after.
    ///
    /// # Errors
    /// The request was not taken.
    pub fn start(&self, name: &str) -> Result<(), RequestError> {
        self.ask(name, Request::Start)
    }

    /// Asks for its stop. It stays stopped until it is asked to start.
    ///
    /// # Errors
    /// The request was not taken.
    pub fn stop(&self, name: &str) -> Result<(), RequestError> {
        self.ask(name, Request::Stop)
    }

    /// Asks for its stop, where it runs, and for a start after that.
    ///
    /// # Errors
    /// The request was not taken.
    pub fn restart(&self, name: &str) -> Result<(), RequestError> {
        self.ask(name, Request::Restart)
    }

    fn ask(&self, name: &str, request: Request) -> Result<(), RequestError> {
        let entries = self.board.lock();
        let entry = entries.get(name).ok_or_else(|| RequestError::Unknown(name.to_owned()))?;
        entry.requests.try_send(request).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => RequestError::Busy(name.to_owned()),
            mpsc::error::TrySendError::Closed(_) => RequestError::Over(name.to_owned()),
        })
    }
}

impl Board {
    pub(crate) fn new(entries: BTreeMap<String, Entry>) -> Self {
        Board { entries: Mutex::new(entries), version: watch::Sender::new(0) }
    }

    /// Changes an entry, for the task that owns it.
    pub(crate) fn update(&self, name: &str, change: impl FnOnce(&mut View)) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(name) else { return };
        let before = entry.view.clone();
        change(&mut entry.view);
        let changed = entry.view != before;
        drop(entries);
        if changed {
            self.version.send_modify(|version| *version += 1);
        }
    }

    /// Waits until a start of each of these was tried. A failed one is good enough: the order is one of starting, and
    /// whether a process can do without another one is for the process to find out.
    pub(crate) async fn all_tried(&self, names: &[String]) {
        let mut changes = self.version.subscribe();
        let all = || {
            let entries = self.lock();
            names.iter().all(|name| entries.get(name).is_none_or(|entry| entry.view.tried))
        };
        while !all() {
            // The sender is here; it cannot be gone.
            drop(changes.changed().await);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn status(&self, now: Instant) -> ProcessStatus {
        let view = &self.view;
        ProcessStatus {
            status: view.state,
            base_url: self.base_url.clone(),
            pid: view.running.map(|(pid, _)| pid),
            uptime_ms: view.running.map(|(_, since)| millis(since, now)),
            restart_count: view.starts.saturating_sub(1),
            last_error: view.last_error.clone(),
        }
    }

    fn details(&self, now: Instant) -> Details {
        Details {
            status: self.status(now),
            kind: self.kind,
            phase: self.view.phase,
            last_exit: self.view.last_exit.clone(),
            next_restart_ms: self.view.next_start.map(|at| millis(now, at)),
        }
    }
}

impl Default for View {
    fn default() -> Self {
        View {
            phase: Phase::default(),
            state: ProcessState::Stopped,
            running: None,
            starts: 0,
            tried: false,
            last_error: None,
            last_exit: None,
            next_start: None,
        }
    }
}

impl Exit {
    pub(crate) fn of(end: &End) -> Option<Exit> {
        match end {
            End::Exited(code) => Some(Exit::Code(*code)),
            End::Killed(signal) => Some(Exit::Signal(signals::name(*signal))),
            End::NotStarted(_) | End::Unseen(_) => None,
        }
    }
}

fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}
