//! What is known of each process, for everybody to read, and where requests are left.
//!
//! A process's task writes its own entry and nobody else's; the keeper adds and removes entries; readers copy. The lock
//! is held for a copy or a small change and never across an await, so that a reader waits for no task. Every change
//! that a reader could see, other than the passing of time, counts the version up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use sandbeat_status::{ProcessPhase as Phase, ProcessState, ProcessStatus};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{After, Condition, Process, Stdio};
use crate::details::{Details, Exit};
use crate::handle::RequestError;
use crate::input::{Input, InputError};
use crate::limits::Limits;
use crate::logs::Log;

/// The most requests that wait for one process.
pub(crate) const MAX_REQUESTS: usize = 32;

/// A report has a bound on its size and on what it lists.
const MAX_CREATED_IN_REPORT: usize = 256;

/// What a process's task can be asked. A stop, a kill and a restart take all that the process has started with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To run it, where it does not; waits for nothing that it comes after. Done when the start was tried.
    Start,
    /// To stop it, as its configuration says how. It stays stopped until it is asked to start. Done when nothing of it
    /// is left.
    Stop,
    /// To stop it, where it runs, and to start it. Done when the start was tried.
    Restart,
    /// To kill it at once. It stays stopped until it is asked to start. Done when nothing of it is left.
    Kill,
}

/// A request, and who waits for its end. Dropped, it says the same.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) request: Request,
    pub(crate) done: oneshot::Sender<()>,
}

/// All entries, and the count of changes.
#[derive(Debug)]
pub(crate) struct Board {
    entries: Mutex<BTreeMap<Id, Entry>>,
    version: watch::Sender<u64>,
    limits: Mutex<Limits>,
    essential: watch::Sender<Option<(String, u8)>>,
    hurry: watch::Sender<bool>,
}

/// The order of a listing: what is configured by name, then what was created in that order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Configured(String),
    Created(u64, String),
}

/// One process on the board.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) process: Arc<Process>,
    pub(crate) created: Timestamp,
    pub(crate) requests: mpsc::Sender<Asking>,
    pub(crate) log: Log,
    pub(crate) view: View,
}

/// What a process's task publishes.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) phase: Phase,
    pub(crate) state: ProcessState,
    /// Its process id and since when it runs.
    pub(crate) running: Option<(u32, Instant)>,
    /// Where it can be written to while it runs.
    pub(crate) input: Option<Input>,
    /// Successful starts.
    pub(crate) starts: u32,
    /// How far it has come, for those that come after it.
    pub(crate) reached: Reached,
    pub(crate) waiting_for: Vec<String>,
    /// Whether it is at rest because that was asked for.
    pub(crate) by_request: bool,
    pub(crate) last_error: Option<String>,
    pub(crate) last_exit: Option<Exit>,
    pub(crate) exited: Option<Timestamp>,
    pub(crate) next_start: Option<Instant>,
}

/// How far a process has come, for those that come after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// A start was tried.
    pub(crate) tried: bool,
    /// It is, or was, ready.
    pub(crate) ready: bool,
    /// It has exited with code 0.
    pub(crate) completed: bool,
}

/// What a process still waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    /// As configured: the name, with the condition where that is not the start.
    pub(crate) what: String,
    /// How it ended, where it will not come that far by itself.
    pub(crate) hopeless: Option<String>,
}

impl Board {
    /// For a report; of those that were created, at most [`MAX_CREATED_IN_REPORT`] that run, the oldest first.
    pub(crate) fn snapshot(&self, now: Instant) -> BTreeMap<String, ProcessStatus> {
        let entries = self.lock();
        let (configured, created): (Vec<_>, Vec<_>) =
            entries.iter().partition(|(_, entry)| entry.process.kind.is_configured());
        let running = created.into_iter().filter(|(_, entry)| entry.view.phase.is_running());
        let told = configured.into_iter().chain(running.take(MAX_CREATED_IN_REPORT));
        told.map(|(id, entry)| (id.name().to_owned(), entry.status(now))).collect()
    }

    pub(crate) fn list(&self, now: Instant) -> Vec<Details> {
        self.lock().iter().map(|(id, entry)| entry.details(id.name(), now)).collect()
    }

    pub(crate) fn get(&self, id: &str, now: Instant) -> Option<Details> {
        self.lock().get(&Id::of(id)).map(|entry| entry.details(id, now))
    }

    pub(crate) fn log(&self, id: &str) -> Option<Log> {
        self.lock().get(&Id::of(id)).map(|entry| entry.log.clone())
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(crate) fn ask(&self, id: &str, asking: Asking) -> Result<(), RequestError> {
        let entries = self.lock();
        let entry = entries.get(&Id::of(id)).ok_or_else(|| RequestError::Unknown(id.to_owned()))?;
        entry.requests.try_send(asking).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => RequestError::Busy(id.to_owned()),
            mpsc::error::TrySendError::Closed(_) => RequestError::Over,
        })
    }

    pub(crate) fn input(&self, id: &str) -> Result<Input, InputError> {
        let entries = self.lock();
        let entry = entries.get(&Id::of(id)).ok_or_else(|| InputError::Unknown(id.to_owned()))?;
        match (&entry.view.input, entry.process.command.stdio) {
            (Some(input), _) => Ok(input.clone()),
            (None, Stdio::Output | Stdio::Null) => Err(InputError::NoInput(id.to_owned())),
            (None, _) => Err(InputError::NotRunning(id.to_owned())),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    pub(crate) async fn essential_end(&self) -> (String, u8) {
        let mut ends = self.essential.subscribe();
        match ends.wait_for(Option::is_some).await.map(|end| end.clone()) {
            Ok(Some(end)) => end,
            // The sender is here; it cannot be gone.
            _ => std::future::pending().await,
        }
    }

    pub(crate) fn new() -> Self {
        Board {
            entries: Mutex::default(),
            version: watch::Sender::new(0),
            limits: Mutex::default(),
            essential: watch::Sender::new(None),
            hurry: watch::Sender::new(false),
        }
    }

    /// From now on a stop is a kill.
    pub(crate) fn hurry(&self) {
        self.hurry.send_replace(true);
    }

    /// Waits until a stop is to be a kill.
    pub(crate) async fn hurried(&self) {
        // The sender is here; it cannot be gone.
        let _ = self.hurry.subscribe().wait_for(|hurry| *hurry).await;
    }

    /// Tells that an essential process has ended for good; the first one decides.
    pub(crate) fn essential_ended(&self, id: &str, code: u8) {
        self.essential.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some((id.to_owned(), code));
            }
            first
        });
    }

    /// Adds an entry, or puts another one in its place, which goes on with what is remembered of the past.
    pub(crate) fn put(&self, id: &str, mut entry: Entry) {
        let mut entries = self.lock();
        if let Some(before) = entries.remove(&Id::of(id)) {
            entry.created = before.created;
            entry.view.starts = before.view.starts;
            entry.view.last_error = before.view.last_error;
            entry.view.last_exit = before.view.last_exit;
            entry.view.exited = before.view.exited;
        }
        entries.insert(Id::of(id), entry);
        drop(entries);
        self.changed();
    }

    /// Puts another configuration of a process on the board: it has come nowhere yet.
    pub(crate) fn replace(&self, id: &str, process: Arc<Process>) {
        if let Some(entry) = self.lock().get_mut(&Id::of(id)) {
            entry.process = process;
            entry.view.reached = Reached::default();
        }
        self.changed();
    }

    pub(crate) fn remove(&self, id: &str) {
        self.lock().remove(&Id::of(id));
        self.changed();
    }

    /// How many that were created run, and those that have ended, in the order of their creation.
    pub(crate) fn created(&self) -> (usize, Vec<String>) {
        let entries = self.lock();
        let created = entries.iter().filter(|(_, entry)| !entry.process.kind.is_configured());
        let (ended, running): (Vec<_>, Vec<_>) = created.partition(|(_, entry)| entry.view.phase.is_final());
        (running.len(), ended.into_iter().map(|(id, _)| id.name().to_owned()).collect())
    }

    /// Changes an entry, for the task that owns it.
    pub(crate) fn update(&self, id: &str, change: impl FnOnce(&mut View)) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&Id::of(id)) else { return };
        change(&mut entry.view);
        drop(entries);
        self.changed();
    }

    /// Those of `after` that have not come as far as they must. One that is not there is waited for by nobody.
    pub(crate) fn behind(&self, after: &[After]) -> Vec<Behind> {
        let entries = self.lock();
        let behind = |after: &After| {
            let view = &entries.get(&Id::of(&after.name))?.view;
            let there = match after.until {
                Condition::Started => view.reached.tried,
                Condition::Ready => view.reached.ready,
                Condition::Completed => view.reached.completed,
            };
            // One that was stopped by somebody is for that somebody to start.
            let hopeless = view.phase.is_final() && !view.by_request;
            let why = || view.last_error.clone().unwrap_or_else(|| "exited with code 0".to_owned());
            (!there).then(|| Behind { what: after.to_string(), hopeless: hopeless.then(why) })
        };
        after.iter().filter_map(behind).collect()
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Id {
    fn of(id: &str) -> Self {
        match id.strip_prefix(crate::resolve::CREATED).and_then(|number| number.parse().ok()) {
            Some(number) => Id::Created(number, id.to_owned()),
            None => Id::Configured(id.to_owned()),
        }
    }

    fn name(&self) -> &str {
        match self {
            Id::Configured(name) | Id::Created(_, name) => name,
        }
    }
}

impl Entry {
    /// One that nothing is known of yet.
    pub(crate) fn new(process: Arc<Process>, requests: mpsc::Sender<Asking>, log: Log) -> Self {
        Entry { process, created: Timestamp::now(), requests, log, view: View::default() }
    }

    fn status(&self, now: Instant) -> ProcessStatus {
        let view = &self.view;
        let (exit_code, exit_signal, out_of_memory) = match &view.last_exit {
            None => (None, None, false),
            Some(Exit::Code(code)) => (Some(*code), None, false),
            Some(Exit::Signal { name, out_of_memory, .. }) => (None, Some(name.clone()), *out_of_memory),
        };
        ProcessStatus {
            status: view.state,
            base_url: self.process.base_url.clone(),
            pid: view.running.map(|(pid, _)| pid),
            uptime_ms: view.running.map(|(_, since)| millis(since, now)),
            restart_count: view.starts.saturating_sub(1),
            last_error: view.last_error.clone(),
            phase: Some(view.phase),
            exit_code,
            exit_signal,
            out_of_memory,
            next_restart_ms: view.next_start.map(|at| millis(now, at)),
        }
    }

    fn details(&self, id: &str, now: Instant) -> Details {
        let (process, view) = (&self.process, &self.view);
        let command = &process.command;
        Details {
            id: id.to_owned(),
            kind: process.kind,
            command: std::iter::once(&command.program).chain(&command.args).cloned().collect(),
            cwd: command.cwd.clone(),
            stdio: command.stdio,
            interactive: process.interactive,
            essential: process.essential,
            status: self.status(now),
            phase: view.phase,
            waiting_for: view.waiting_for.clone(),
            last_exit: view.last_exit.clone(),
            created: self.created,
            exited: view.exited,
        }
    }
}

impl Default for View {
    fn default() -> Self {
        View {
            phase: Phase::default(),
            state: ProcessState::Stopped,
            running: None,
            input: None,
            starts: 0,
            reached: Reached::default(),
            waiting_for: Vec::new(),
            by_request: false,
            last_error: None,
            last_exit: None,
            exited: None,
            next_start: None,
        }
    }
}

fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}
