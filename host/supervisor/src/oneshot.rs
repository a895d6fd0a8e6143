//! A command that is run to its end, for one who waits for it.
//!
//! One task, which the keeper owns, runs one command: it starts it with nothing to read, keeps the beginning of what
//! it writes and reads on, so that it never waits, and answers when it has ended or the timeout has come. What it has
//! started in turn is killed then, so that whoever holds its outputs cannot delay the answer. When nobody waits for
//! the answer any more, or the task is dropped, all of it is killed at once.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::timeout;
use tracing::warn;

use crate::config::{Command, Stdio};
use crate::descriptor::Descriptor;
use crate::details::Exit;
use crate::handle::RequestError;
use crate::output::{LAST, LINGER};
use crate::restart::End;
use crate::spawn::Spawner;
use crate::stdio::Ends;
use crate::tree::{Stuck, Tree};

/// The number of the last command that was run; each has a name of its own beside the processes.
static LAST_RUN: AtomicU64 = AtomicU64::new(0);

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
    /// How it ended, be it by the kill at the timeout; `None` where that was not seen.
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
pub(crate) async fn serve(run: Run, spawner: Spawner, mut done: oneshot::Sender<Result<Ran, RequestError>>) {
    let mut words = run.command.into_iter();
    let Some(program) = words.next().filter(|program| !program.is_empty()) else {
        let wrong = RequestError::Wrong("the command is empty; name a program".to_owned());
        return drop(done.send(Err(wrong)));
    };
    let command = Command {
        program,
        args: words.collect(),
        cwd: run.cwd,
        env: run.env,
        env_clear: false,
        user: None,
        group: None,
        umask: None,
        limits: BTreeMap::new(),
        stdio: Stdio::Output,
    };
    let id = format!("run_{}", LAST_RUN.fetch_add(1, Ordering::Relaxed) + 1);
    let started = tokio::select! {
        biased;
        () = done.closed() => return,
        started = spawner.spawn(&command, &id) => started,
    };
    let answer = match started {
        Ok(mut group) => {
            let ran = tokio::select! {
                ran = attend(&mut group, &id, run.timeout, run.max_output) => Some(ran),
                () = done.closed() => None,
            };
            let Some(ran) = ran else {
                tell_stuck(&id, group.kill().await);
                return;
            };
            Ok(ran)
        }
        Err(failed) => Err(failed.into()),
    };
    // Whoever has stopped waiting just now needs no answer.
    let _ = done.send(answer);
}

/// The beginnings of what it writes.
struct Outputs {
    stdout: Kept,
    stderr: Kept,
}

/// One output.
struct Kept {
    /// None where it is closed.
    source: Option<Descriptor>,
    begin: Beginning,
}

/// The beginning of one output.
struct Beginning {
    bytes: Vec<u8>,
    most: usize,
    truncated: bool,
}

async fn attend(group: &mut Tree, id: &str, limit: Duration, max_output: usize) -> Ran {
    let started = Instant::now();
    let mut outputs = Outputs::of(group.take_ends(), max_output);
    let (timed_out, duration, end) = {
        let mut reading = std::pin::pin!(outputs.read());
        let mut ending = std::pin::pin!(async {
            let timed_out = timeout(limit, group.exited()).await.is_err();
            let duration = started.elapsed();
            (timed_out, duration, tell_stuck(id, group.kill().await))
        });
        tokio::select! {
            ended = &mut ending => {
                // Late or not, all that was written before is read below.
                let _ = timeout(LINGER, reading).await;
                ended
            }
            () = &mut reading => ending.await,
        }
    };
    let Outputs { stdout, stderr } = outputs;
    let (stdout, stderr) = (stdout.end(), stderr.end());
    Ran {
        exit: end.as_ref().and_then(Exit::of),
        timed_out,
        stdout_truncated: stdout.truncated,
        stderr_truncated: stderr.truncated,
        stdout: stdout.bytes,
        stderr: stderr.bytes,
        duration,
    }
}

fn tell_stuck(id: &str, killed: Result<End, Stuck>) -> Option<End> {
    killed.map_or_else(
        |stuck| {
            warn!(process = id, "something of a command that was run is still there {}", Stuck::MEANING);
            stuck.end
        },
        Some,
    )
}

impl Outputs {
    fn of(ends: Option<Ends>, most: usize) -> Self {
        let (stdout, stderr) = match ends {
            Some(Ends::Pipes { stdout, stderr, .. }) => (Some(stdout.into_owned_fd()), Some(stderr.into_owned_fd())),
            _ => (None, None),
        };
        Outputs { stdout: Kept::of(stdout, most), stderr: Kept::of(stderr, most) }
    }

    /// Reads until both are closed. Nothing is lost when the future is dropped.
    async fn read(&mut self) {
        tokio::join!(self.stdout.read(), self.stderr.read());
    }
}

impl Kept {
    fn of(fd: Option<io::Result<OwnedFd>>, most: usize) -> Self {
        let source = fd.map(|fd| fd.and_then(|fd| Descriptor::new(fd, Interest::READABLE)));
        let source = source.transpose().inspect_err(|error| warn!("the output of a command is not read: {error}"));
        let begin = Beginning { bytes: Vec::new(), most, truncated: false };
        Kept { source: source.ok().flatten(), begin }
    }

    async fn read(&mut self) {
        let Kept { source, begin } = self;
        if let Some(source) = source {
            while let Ok(1..) = source.read(|bytes| begin.take(bytes)).await {
                // An output that is never empty must not keep the thread from the other tasks.
                yield_now().await;
            }
        }
        *source = None;
    }

    /// Reads what is left in one that is not closed, and closes it.
    fn end(mut self) -> Beginning {
        let mut left = LAST;
        while let Some(source) = &self.source
            && left > 0
            && let Ok(count @ 1..) = source.read_now(|bytes| self.begin.take(bytes))
        {
            left = left.saturating_sub(count);
        }
        self.begin
    }
}

impl Beginning {
    fn take(&mut self, bytes: &[u8]) {
        let room = self.most - self.bytes.len();
        self.truncated |= bytes.len() > room;
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}
