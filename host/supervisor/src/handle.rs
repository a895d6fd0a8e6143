//! What others can read and ask: from any thread and any runtime.
//!
//! Reading never waits. What is asked is left with the task that owns the process; each method says for what it waits
//! then, and for how long.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbeat_status::ProcessStatus;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::board::{Asking, Board, Request};
use crate::config::{Config, Kind, Size, Stdio};
use crate::details::Details;
use crate::input::InputError;
use crate::keeper::Order;
use crate::limits::Limits;
use crate::logs::Log;
use crate::oneshot::{Ran, Run};
use crate::spawn::NotStarted;

/// Reads and asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) board: Arc<Board>,
    pub(crate) orders: mpsc::Sender<Order>,
}

/// A process to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct New {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The directory that it starts in; the agent's own where absent.
    pub cwd: Option<PathBuf>,
    /// Variables added to the agent's environment.
    pub env: BTreeMap<String, String>,
    /// What its standard input and output are.
    pub stdio: Stdio,
    /// Whether its creator means to write to it; told to whoever lists it, and of no other effect.
    pub interactive: bool,
}

/// What a reload of the configuration did to the processes; names in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones.
    pub added: Vec<String>,
    /// Those that are not configured any more and were stopped.
    pub removed: Vec<String>,
    /// Those whose configuration is another, stopped and started.
    pub restarted: Vec<String>,
    /// The others, which have not been touched.
    pub unchanged: Vec<String>,
}

/// Why something could not be asked or done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nothing has this id.
    #[error("no process is called `{0}`")]
    Unknown(String),
    /// Too many requests wait already.
    #[error("`{0}` has too many requests waiting; try again later")]
    Busy(String),
    /// The supervisor is shut down.
    #[error("processes are not supervised any more: the agent is ending")]
    Over,
    /// It cannot be deleted while it exists.
    #[error("`{0}` is still running; stop it first")]
    Running(String),
    /// It cannot be deleted, because it is configured.
    #[error("`{0}` is configured; take it out of the configuration and reload")]
    Configured(String),
    /// As many as are allowed exist.
    #[error("{0} created processes are running, as many as are allowed; stop one, or raise maxConcurrentProcesses")]
    TooMany(usize),
    /// What is to be created is wrong in itself.
    #[error("{0}")]
    Wrong(String),
    /// It could not be started.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
}

impl Handle {
    /// What a report says of each: of those that are configured, and of those that were created and run.
    pub fn snapshot(&self) -> BTreeMap<String, ProcessStatus> {
        self.board.snapshot(Instant::now())
    }

    /// Everything known of each: those that are configured by name, then those that were created in the order of that.
    pub fn list(&self) -> Vec<Details> {
        self.board.list(Instant::now())
    }

    /// Everything known of one; `None` where nothing has this id.
    pub fn get(&self, id: &str) -> Option<Details> {
        self.board.get(id, Instant::now())
    }

    /// Counts up whenever something in [`Handle::list`] changes, other than by the passing of time. Several changes
    /// in a row may be seen as one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.board.changes()
    }

    /// The output of one; `None` where nothing has this id. It stays readable after the process is deleted.
    pub fn log(&self, id: &str) -> Option<Log> {
        self.board.log(id)
    }

    /// Has something done with a process. Waits until it is done, at most `wait`, and returns what is then known.
    ///
    /// # Errors
    /// Nothing has this id, or the request was not taken.
    pub async fn ask(&self, id: &str, request: Request, wait: Duration) -> Result<Details, RequestError> {
        let (done, told) = oneshot::channel();
        self.board.ask(id, Asking { request, done })?;
        // Too late or the task is gone: what is known is told all the same.
        let _ = timeout(wait, told).await;
        self.get(id).ok_or_else(|| RequestError::Unknown(id.to_owned()))
    }

    /// Creates a process and waits until it is started.
    ///
    /// # Errors
    /// It is wrong in itself, there are too many, or it cannot be started; then it leaves no trace.
    pub async fn create(&self, new: New) -> Result<Details, RequestError> {
        let (done, told) = oneshot::channel();
        self.order(Order::Create { new, done }, told).await?
    }

    /// Forgets a created process that has ended, with its output.
    ///
    /// # Errors
    /// It runs, is configured, or is unknown.
    pub async fn delete(&self, id: &str) -> Result<(), RequestError> {
        let (done, told) = oneshot::channel();
        self.order(Order::Delete { id: id.to_owned(), done }, told).await?
    }

    /// Takes another configuration: starts, stops and restarts what differs, and returns when that is under way.
    ///
    /// # Errors
    /// The supervisor is shut down.
    pub async fn reload(&self, config: Config) -> Result<Changes, RequestError> {
        let (done, told) = oneshot::channel();
        self.order(Order::Reload { config, done }, told).await
    }

    /// Writes to a process's standard input or terminal; returns when it has taken all.
    ///
    /// # Errors
    /// See [`InputError`].
    pub async fn input(&self, id: &str, bytes: &[u8]) -> Result<(), InputError> {
        self.board.input(id)?.write(bytes).await
    }

    /// Closes a process's standard input, after what others have written; on a terminal, as one who types there does.
    ///
    /// # Errors
    /// See [`InputError`].
    pub async fn close_input(&self, id: &str) -> Result<(), InputError> {
        self.board.input(id)?.close().await
    }

    /// Gives a process's terminal another size.
    ///
    /// # Errors
    /// See [`InputError`].
    pub fn resize(&self, id: &str, size: Size) -> Result<(), InputError> {
        let input = self.board.input(id).map_err(|error| match error {
            InputError::NoInput(id) => InputError::NoTerminal(id),
            other => other,
        });
        input?.resize(id, size)
    }

    /// Runs a command to its end, or to the timeout; nothing of it is left then, nor when nobody waits any more.
    ///
    /// # Errors
    /// It cannot be started, or too many run.
    pub async fn run(&self, run: Run) -> Result<Ran, RequestError> {
        let (done, told) = oneshot::channel();
        self.order(Order::Run { run, done }, told).await?
    }

    /// Has every stop that is under way or comes be a kill, for an end that somebody has asked for twice.
    pub fn hurry(&self) {
        self.board.hurry();
    }

    /// The limits on what is created and run through the API.
    pub fn limits(&self) -> Limits {
        self.board.limits()
    }

    /// Changes those limits for what is created and run from now on.
    ///
    /// # Errors
    /// A limit is zero or beyond what is bearable; in words.
    pub fn set_limits(&self, limits: Limits) -> Result<Limits, String> {
        let limits = limits.checked()?;
        self.board.set_limits(limits);
        Ok(limits)
    }

    /// Waits until an essential process has ended for good; returns its id and the code for the agent to end with.
    pub async fn essential_end(&self) -> (String, u8) {
        self.board.essential_end().await
    }

    async fn order<T>(&self, order: Order, told: oneshot::Receiver<T>) -> Result<T, RequestError> {
        self.orders.send(order).await.map_err(|_| RequestError::Over)?;
        told.await.map_err(|_| RequestError::Over)
    }
}

impl Kind {
    /// Whether it is from the configuration.
    pub(crate) fn is_configured(self) -> bool {
        self != Kind::Created
    }
}
