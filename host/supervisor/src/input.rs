//! Writing to a process: its standard input, or its terminal.
//!
//! One [`Writer`] per run owns this side of it and is driven by whoever reads the run's output; everyone else holds an
//! [`Input`]. What is asked for is written one after the other and never mixed, each within [`PATIENCE`]; when the run
//! is over, or the writer is gone, all of it is answered with [`InputError::Closed`].

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::config::Size;
use crate::descriptor::Descriptor;
use crate::terminal;

/// How long one who does not read is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a running process can be written to. Cheap to clone; the process's task hands it out while the run lasts.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    jobs: mpsc::Sender<Job>,
    /// Not held, so that it is closed with the run whoever still has an input in hand.
    terminal: Option<Weak<Descriptor>>,
}

/// This side of a process's input.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Receiver<Job>,
    target: Option<Arc<Descriptor>>,
    is_terminal: bool,
}

/// Why a process was not written to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Nothing has this id.
    #[error("no process is called `{0}`")]
    Unknown(String),
    /// It has ended.
    #[error("`{0}` is not running")]
    NotRunning(String),
    /// It was started without a standard input that can be written to.
    #[error("`{0}` takes no input; give it a terminal with `tty`")]
    NoInput(String),
    /// It has no terminal.
    #[error("`{0}` has no terminal; create it with `tty`")]
    NoTerminal(String),
    /// It has closed its input.
    #[error("it has closed its input")]
    Closed,
    /// It does not read; what was written so far is in it.
    #[error("it does not read its input; {0} bytes were written")]
    Full(usize),
}

#[derive(Debug)]
struct Job {
    /// What is to be written; nothing where the input is to be closed.
    bytes: Option<Vec<u8>>,
    deadline: Instant,
    done: oneshot::Sender<Result<(), InputError>>,
}

/// Both sides of a process's input. With `is_terminal`, that is also what is resized.
pub(crate) fn input(target: Arc<Descriptor>, is_terminal: bool) -> (Input, Writer) {
    let (jobs, received) = mpsc::channel(1);
    let terminal = is_terminal.then(|| Arc::downgrade(&target));
    (Input { jobs, terminal }, Writer { jobs: received, target: Some(target), is_terminal })
}

impl Input {
    /// Writes all of it, after what others have asked for; within [`PATIENCE`].
    ///
    /// # Errors
    /// It has closed its input or ended, or does not read.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), InputError> {
        self.ask(Some(bytes.to_vec())).await
    }

    /// Closes its input after what others have asked for; on a terminal, as one does who types it, so that it only
    /// reaches a program that reads lines.
    ///
    /// # Errors
    /// It is closed already, or full.
    pub(crate) async fn close(&self) -> Result<(), InputError> {
        self.ask(None).await
    }

    /// Gives its terminal another size.
    ///
    /// # Errors
    /// It, which has this id, has none; or the run is over.
    pub(crate) fn resize(&self, id: &str, size: Size) -> Result<(), InputError> {
        let terminal = self.terminal.as_ref().ok_or_else(|| InputError::NoTerminal(id.to_owned()))?;
        let terminal = terminal.upgrade().ok_or(InputError::Closed)?;
        terminal::resize(&*terminal, size).map_err(|_| InputError::Closed)
    }

    async fn ask(&self, bytes: Option<Vec<u8>>) -> Result<(), InputError> {
        let deadline = Instant::now() + PATIENCE;
        let (done, told) = oneshot::channel();
        match timeout_at(deadline, self.jobs.send(Job { bytes, deadline, done })).await {
            // The writer keeps to the deadline.
            Ok(Ok(())) => told.await.unwrap_or(Err(InputError::Closed)),
            Ok(Err(_)) => Err(InputError::Closed),
            Err(_) => Err(InputError::Full(0)),
        }
    }
}

impl Writer {
    /// Writes what is asked for, until nobody can ask any more.
    pub(crate) async fn serve(mut self) {
        while let Some(Job { bytes, deadline, done }) = self.jobs.recv().await {
            let answer = match (bytes, &self.target) {
                (_, None) => Err(InputError::Closed),
                (Some(bytes), Some(target)) => write_all(target, &bytes, deadline).await,
                (None, Some(target)) if self.is_terminal => {
                    write_all(target, &[terminal::END_OF_INPUT], deadline).await
                }
                (None, Some(_)) => {
                    self.target = None;
                    Ok(())
                }
            };
            if answer == Err(InputError::Closed) {
                self.target = None;
            }
            // Whoever has stopped waiting needs no answer.
            let _ = done.send(answer);
        }
    }
}

async fn write_all(target: &Descriptor, bytes: &[u8], deadline: Instant) -> Result<(), InputError> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match timeout_at(deadline, target.write(rest)).await {
            Ok(Ok(count)) => written += count,
            Ok(Err(error)) => {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    debug!("writing to a process failed: {error}");
                }
                return Err(InputError::Closed);
            }
            Err(_) => return Err(InputError::Full(written)),
        }
        // One who reads as fast as it is written to must not keep the thread from others.
        tokio::task::consume_budget().await;
    }
    Ok(())
}
