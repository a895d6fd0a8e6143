//! The file that a process's output is kept in, beside the ring in memory.
//!
//! Whoever reads the output leaves it here and never waits: what is left is put into a queue, and a thread, which is
//! there only while there is something to write, takes it to the disk. A thread, since a disk may take for ever, and
//! an agent that ends must not wait for one. Each run's reader waits for the end of the queue, for [`GRACE`] at most.
//!
//! What fails: where the file cannot be written to, that is told once, everything is dropped, and it is tried again
//! with the first output after [`RETRY`]. Where the disk is too slow, what does not fit into the queue is dropped until
//! the queue has been taken. What was dropped is counted; the number stands in the file where the lines are missing,
//! and is told when it goes on. The process and the ring go on in all cases.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use memchr::memchr_iter;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::appender::{Appender, Failed};
use crate::config::Logging;
use crate::logs::Stream;
use crate::plain::{Plain, stamp};
use crate::spawn::plain;

/// The most that waits for the disk, in bytes, and one read's worth more.
const MAX_QUEUE: usize = 1 << 20;

/// How long nothing is tried after a failure.
const RETRY: Duration = Duration::from_secs(10);

/// How long the thread waits for more before it ends.
const IDLE: Duration = Duration::from_secs(2);

/// How long the end of a run waits for the disk.
const GRACE: Duration = Duration::from_secs(2);

/// The least time from one word about a slow disk to the next.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// A file for the output of one process. Dropped, its thread ends when it has written what there is.
#[derive(Debug)]
pub(crate) struct LogFile {
    shared: Arc<Shared>,
}

/// Takes what was read at one moment.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    shared: &'a Arc<Shared>,
    queue: MutexGuard<'a, Queue>,
    stream: Stream,
    stamp: Option<String>,
}

#[derive(Debug)]
struct Shared {
    process: String,
    path: PathBuf,
    max_size: u64,
    keep: u32,
    retry: Duration,
    queue: Mutex<Queue>,
    /// For the thread: there is something to write, or the end has come.
    more: Condvar,
    /// For who waits for the disk.
    written: Notify,
}

/// What waits for the disk.
#[derive(Debug, Default)]
struct Queue {
    plain: Plain,
    /// The time of what was left last; times in the file do not go back.
    newest: Timestamp,
    /// Lines dropped since the last one that was taken; and those whose number is in `plain`, not yet written.
    lost: u64,
    noted: u64,
    /// Whether all is dropped until the thread has taken what there is.
    full: bool,
    /// Whether there is a thread; and whether it is at the disk just now.
    running: bool,
    writing: bool,
    /// The thread's while there is one.
    appender: Option<Appender>,
    /// When it is tried again; there while the last try has failed.
    failed: Option<Instant>,
    /// When the log was last told of a slow disk, and the lines lost since.
    told: Option<Instant>,
    untold: u64,
    over: bool,
}

/// What the log is told.
enum Told {
    Failing(io::Error),
    Again(u64),
    Slow(u64),
}

impl LogFile {
    /// None where none is configured. Nothing is opened before there is something to write.
    pub(crate) fn new(process: &str, log: &Logging) -> Option<Self> {
        Some(Self::at(process, log.file.as_ref()?, log, RETRY))
    }

    fn at(process: &str, path: &Path, log: &Logging, retry: Duration) -> Self {
        let shared = Shared {
            process: process.to_owned(),
            path: path.to_owned(),
            max_size: log.max_size,
            keep: log.keep,
            retry,
            queue: Mutex::default(),
            more: Condvar::new(),
            written: Notify::new(),
        };
        LogFile { shared: Arc::new(shared) }
    }

    /// Whether it is what a configuration says.
    pub(crate) fn is_for(&self, log: &Logging) -> bool {
        let Shared { path, max_size, keep, .. } = &*self.shared;
        log.file.as_ref() == Some(path) && (log.max_size, log.keep) == (*max_size, *keep)
    }

    /// Takes entries of a stream that were read at this moment; they are on their way when the writer is dropped.
    pub(crate) fn writer(&self, at: Timestamp, stream: Stream) -> Writer<'_> {
        let mut queue = self.shared.lock();
        queue.newest = queue.newest.max(at);
        let failed = queue.failed.is_some_and(|until| Instant::now() < until);
        let mut stamped = None;
        if queue.full || failed {
            // The rest of a line must not be joined to what came before the loss.
            queue.plain.end();
        } else {
            let stamp = stamp(queue.newest);
            let lost = std::mem::take(&mut queue.lost);
            if lost > 0 {
                queue.plain.note(&stamp, &format!("{lost} lines are missing here: they could not be written"));
                queue.noted += lost;
            }
            stamped = Some(stamp);
        }
        Writer { shared: &self.shared, queue, stream, stamp: stamped }
    }

    /// Nothing more comes of this stream in this run.
    pub(crate) fn end_line(&self, stream: Stream) {
        let mut queue = self.shared.lock();
        queue.plain.end_of(stream);
        queue.go(&self.shared);
    }

    /// Waits until all is written or has failed, for [`GRACE`] at most.
    pub(crate) async fn written(&self) {
        let written = async {
            let mut news = std::pin::pin!(self.shared.written.notified());
            loop {
                news.as_mut().enable();
                if self.shared.lock().is_idle() {
                    return;
                }
                news.as_mut().await;
                news.set(self.shared.written.notified());
            }
        };
        if timeout(GRACE, written).await.is_err() {
            let Shared { process, path, .. } = &*self.shared;
            warn!(process, "its log file {} is not written within {GRACE:?}; check the disk", path.display());
        }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.more.notify_one();
    }
}

impl Writer<'_> {
    /// Takes one.
    pub(crate) fn push(&mut self, bytes: &[u8], partial: bool) {
        match &self.stamp {
            Some(stamp) => self.queue.plain.push(stamp, self.stream, bytes, partial),
            None => self.queue.lost += u64::from(!partial),
        }
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.queue.full |= self.queue.plain.len() > MAX_QUEUE;
        self.queue.go(self.shared);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the thread does, until there has been nothing to write for a while.
    fn work(&self) {
        let mut queue = self.lock();
        let mut appender = queue.appender.take().unwrap_or_else(|| Appender::new(&self.path, self.max_size, self.keep));
        loop {
            if queue.plain.len() > 0 {
                let (text, noted) = queue.taken();
                drop(queue);
                let result = appender.append(&text);
                queue = self.lock();
                let told = queue.note(&text, noted, result, self.retry);
                drop(queue);
                told.into_iter().for_each(|told| self.tell(&told));
                queue = self.lock();
                continue;
            }
            self.written.notify_waiters();
            if queue.over {
                break;
            }
            let (woken, waited) = self.more.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if waited.timed_out() && queue.plain.len() == 0 {
                break;
            }
        }
        queue.appender = Some(appender);
        queue.running = false;
        let untold = std::mem::take(&mut queue.untold);
        drop(queue);
        if untold > 0 {
            self.tell(&Told::Slow(untold));
        }
    }

    fn tell(&self, told: &Told) {
        let (process, path) = (&self.process, self.path.display());
        match told {
            Told::Failing(error) => warn!(
                process,
                "its log file {path} cannot be written: {}; its output is only in memory, and the file is tried \
                 again every {:?}",
                plain(error),
                self.retry
            ),
            Told::Again(lost) => info!(process, "its log file {path} is written again; {lost} lines are missing in it"),
            Told::Slow(lost) => {
                warn!(process, "{lost} lines are missing in its log file {path}: the disk is slower than the process");
            }
        }
    }
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.plain.len() == 0 && !self.writing
    }

    /// Sees to it that what is there is written.
    fn go(&mut self, shared: &Arc<Shared>) {
        if self.plain.len() == 0 || self.writing {
            return;
        }
        if self.running {
            shared.more.notify_one();
            return;
        }
        let working = Working(Arc::clone(shared));
        let thread = std::thread::Builder::new().name("sandbeat-log".into());
        match thread.spawn(move || working.0.work()) {
            Ok(_) => self.running = true,
            // Without a thread nothing can be told from one.
            Err(failed) => {
                let text = self.taken();
                if let Some(told) = self.note(&text.0, text.1, Err(Failed { written: 0, error: failed }), shared.retry)
                {
                    shared.tell(&told);
                }
            }
        }
    }

    /// All that there is to write, and how many lost lines are noted in it.
    fn taken(&mut self) -> (Vec<u8>, u64) {
        (self.full, self.writing) = (false, true);
        (self.plain.take(), std::mem::take(&mut self.noted))
    }

    /// Notes what came of writing it.
    fn note(&mut self, text: &[u8], noted: u64, result: Result<(), Failed>, retry: Duration) -> Option<Told> {
        self.writing = false;
        let now = Instant::now();
        match result {
            Ok(()) if self.failed.take().is_some() => Some(Told::Again(noted)),
            Ok(()) => {
                self.untold += noted;
                let again = self.told.is_none_or(|told| now.duration_since(told) >= TELL_AGAIN);
                (self.untold > 0 && again).then(|| {
                    self.told = Some(now);
                    Told::Slow(std::mem::take(&mut self.untold))
                })
            }
            Err(Failed { written, error }) => {
                let (more, noted_since) = self.taken();
                self.writing = false;
                self.plain.end();
                self.plain.take();
                let lines = |text: &[u8]| memchr_iter(b'\n', text).count() as u64;
                // The note comes first; it is none of the process's lines.
                let notes = u64::from(noted > 0 && written == 0) + u64::from(noted_since > 0);
                let left = lines(text.get(written..).unwrap_or_default()) + lines(&more);
                let noted = if written == 0 { noted } else { 0 };
                self.lost += left.saturating_sub(notes) + noted + noted_since;
                let first = self.failed.replace(now + retry).is_none();
                first.then_some(Told::Failing(error))
            }
        }
    }
}

/// Held by the thread. However that ends, another one can take its place.
struct Working(Arc<Shared>);

impl Drop for Working {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!(process = self.0.process, "writing its log file failed inside the agent; this is a defect of it");
            let mut queue = self.0.lock();
            (queue.running, queue.writing) = (false, false);
        }
    }
}

#[cfg(test)]
#[path = "logfile_tests.rs"]
mod tests;
