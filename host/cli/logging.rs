//! Log lines on standard error, for operators.
//!
//! Whoever logs must never wait for what reads standard error: a pipe whose reader stands still is full sooner or
//! later, and then a write waits without end. So the servers have their lines written by a thread that does nothing
//! else, from a queue with a bound. What finds no place in it is lost, counted, and told when the reader goes on. At
//! the end what waits is written, for as long as [`FLUSH`]. Everybody else, the agent's guard among them, writes
//! straight.
//!
//! While a screen is drawn on the terminal that standard error is, lines are kept for it instead.
//!
//! The thread is made here, and not by `tracing-appender`, because that prints to standard output when its queue is
//! full at the end, which is often the very pipe that nobody reads.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::Command;

/// The most lines that wait.
const MAX_WAITING: usize = 1024;
/// How long the end waits for what is left to be written.
const FLUSH: Duration = Duration::from_secs(1);
/// Between looks at a queue that is full.
const LOOK: Duration = Duration::from_millis(5);

/// The most lines that are kept aside; the oldest give way.
const MAX_ASIDE: usize = 64;

static QUEUE: OnceLock<Queue> = OnceLock::new();
/// Lines that a screen is to show, where standard error is the terminal that it is drawn on.
static ASIDE: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

/// Has what waits be written when it is dropped.
#[must_use]
pub(crate) struct Flush;

struct Queue {
    waiting: SyncSender<Message>,
    lost: AtomicU64,
}

enum Message {
    Line(Vec<u8>),
    /// All before it has been written when the sender is dropped.
    Flush(SyncSender<()>),
}

/// Starts logging. Without a filter, servers log changes of state; what prints data logs only what is wrong.
pub(crate) fn start(filter: Option<&str>, command: &Command) {
    let usual = match command {
        Command::Run(_) => "info",
        Command::Hub(options) if options.command.is_none() => "info",
        // Its lines are the point; of the log, only what becomes of a dropped file, where there are few.
        #[cfg(feature = "bundled")]
        Command::Demo(options) if options.all => "warn",
        #[cfg(feature = "bundled")]
        Command::Demo(_) => "warn,sandbeat_collectors=info",
        // What the collector itself has to say belongs to the answer.
        Command::Plugin(_) => "warn,collector=info",
        _ => "warn",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter.unwrap_or(usual)))
        .with_writer(Lines)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// From now on lines are written by a thread of their own. For servers, once this process forks no more; to be kept
/// until there is nothing more to log. Where there can be no thread, lines are written straight.
pub(crate) fn never_wait() -> Flush {
    let (waiting, lines) = sync_channel(MAX_WAITING);
    match thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&lines)) {
        Ok(_runs_to_the_end) => {
            drop(QUEUE.set(Queue { waiting, lost: AtomicU64::new(0) }));
            // What is written of a panic waits for nobody either.
            panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
        }
        Err(refused) => tracing::warn!("a thread for the log cannot be started, so that it can hold up all: {refused}"),
    }
    Flush
}

impl Drop for Flush {
    fn drop(&mut self) {
        flush();
    }
}

/// Has what waits be written, for as long as [`FLUSH`].
pub(crate) fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let deadline = Instant::now() + FLUSH;
    let (written, wait) = sync_channel(0);
    let mut message = Message::Flush(written);
    while let Err(full) = queue.waiting.try_send(message) {
        if Instant::now() >= deadline {
            return;
        }
        thread::park_timeout(LOOK);
        message = match full {
            TrySendError::Full(message) => message,
            TrySendError::Disconnected(_) => return,
        };
    }
    // It ends with the sender, or in vain.
    let _ = wait.recv_timeout(deadline.saturating_duration_since(Instant::now()));
}

/// From now on lines that would go to a terminal are kept, to be shown by who draws on it.
pub(crate) fn set_aside() {
    if io::stderr().is_terminal() {
        *aside() = Some(VecDeque::new());
    }
}

/// Takes the lines that are kept, as plain text without line ends.
pub(crate) fn take() -> Vec<String> {
    aside().as_mut().map(|lines| lines.drain(..).collect()).unwrap_or_default()
}

/// The same, and what comes from now on is written again.
pub(crate) fn put_back() -> Vec<String> {
    aside().take().into_iter().flatten().collect()
}

/// Keeps a line, if lines are kept.
fn keep(line: &[u8]) -> bool {
    let mut aside = aside();
    let Some(lines) = aside.as_mut() else { return false };
    if lines.len() == MAX_ASIDE {
        lines.pop_front();
    }
    let line = String::from_utf8_lossy(line);
    lines.push_back(strip_str(line.trim_end()).to_string());
    true
}

fn aside() -> MutexGuard<'static, Option<VecDeque<String>>> {
    ASIDE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The log's thread.
fn write_all(lines: &Receiver<Message>) {
    while let Ok(message) = next(lines) {
        match message {
            // Where standard error is gone there is nobody to be told.
            Message::Line(line) => drop(io::stderr().write_all(&line)),
            Message::Flush(written) => {
                if let Some(word) = word_of_lost() {
                    drop(writeln!(io::stderr(), "{word}"));
                }
                drop(written);
            }
        }
    }
}

/// The next message. When there is none left, what was lost meanwhile is told.
fn next(lines: &Receiver<Message>) -> Result<Message, RecvError> {
    match lines.try_recv() {
        Ok(message) => Ok(message),
        Err(TryRecvError::Disconnected) => Err(RecvError),
        Err(TryRecvError::Empty) => {
            if let Some(word) = word_of_lost() {
                tracing::warn!("{word}");
            }
            lines.recv()
        }
    }
}

fn word_of_lost() -> Option<String> {
    let lost = QUEUE.get().map_or(0, |queue| queue.lost.swap(0, Ordering::Relaxed));
    (lost > 0).then(|| format!("{lost} lines of the log are lost, because what reads it stood still"))
}

/// Standard error, straight or through the queue. Each write is a whole line.
pub(crate) struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        Lines
    }
}

impl Write for Lines {
    /// A whole line at a time, as the subscriber writes them.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if keep(line) {
            return Ok(line.len());
        }
        match QUEUE.get() {
            None => io::stderr().write_all(line)?,
            Some(queue) => {
                if queue.waiting.try_send(Message::Line(line.to_vec())).is_err() {
                    queue.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
