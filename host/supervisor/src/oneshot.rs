//! A command that is run to its end, for one who waits for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::details::Exit;
use crate::handle::RequestError;
use crate::spawn::Spawner;

/// A command to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The directory that it starts in; the agent's own where absent.
    pub cwd: Option<PathBuf>,
    /// Variables added to the agent's environment.
    pub env: BTreeMap<String, String>,
    /// It and all that it started is killed after this long.
    pub timeout: Duration,
    /// What is kept of each of its outputs, in bytes; the rest is read and dropped.
    pub max_output: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// How it ended; `None` where the timeout came first and its end was not seen.
    pub exit: Option<Exit>,
    /// Whether the timeout ended it.
    pub timed_out: bool,
    /// The beginning of its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
    /// Whether it wrote more to its standard output.
    pub stdout_truncated: bool,
    /// Whether it wrote more to its standard error.
    pub stderr_truncated: bool,
    /// From its start to its end or the timeout.
    pub duration: Duration,
}

/// Runs it for whoever holds the other end of `done`; gives up, and kills it, when that is dropped.
pub(crate) async fn serve(run: Run, spawner: Spawner, done: oneshot::Sender<Result<Ran, RequestError>>) {
    drop((run, spawner, done));
}
