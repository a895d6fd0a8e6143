//! Reading what a process writes, so that it never waits for a reader.
//!
//! One task per run, owned by the process's task, reads its pipes or its terminal, cuts lines, and hands them to the
//! ring, to the file, where there is one, and at the level `debug` to the log. A process may close its outputs and go
//! on, so that the task ends with the run and not before. What has left the tree may hold an output open for ever;
//! once the run is over they are therefore read for [`LINGER`] at most, and at last for what is in them.
//!
//! A failure to read is told once and ends that output; the process then finds it closed.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sandbeat_status::names::shown;
use tokio::io::Interest;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Level, debug, enabled, warn};

use crate::config::Logging;
use crate::descriptor::Descriptor;
use crate::input::{self, Input, Writer};
use crate::lines::Lines;
use crate::logfile::LogFile;
use crate::logs::{Log, Stream};
use crate::ring::Ring;
use crate::stdio::Ends;

/// How long outputs that somebody holds open are read after the end of the run.
pub(crate) const LINGER: Duration = Duration::from_millis(250);

/// What is read of an output at last, in bytes: more than a pipe can hold that was not made larger by a privileged one.
pub(crate) const LAST: usize = 1 << 20;

/// How long the end of a line is waited for when nothing comes, and how long when pieces of it do; then it is shown
/// without. Long enough that a program's writes in a row are one line.
const SILENCE: Duration = Duration::from_millis(100);
const DRIBBLE: Duration = Duration::from_secs(1);

/// Where the output of one process goes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    process: String,
    ring: Arc<Ring>,
    file: Option<Arc<LogFile>>,
}

impl Sink {
    /// Keeps what a process writes as its configuration says.
    pub(crate) fn new(process: &str, log: &Logging) -> Self {
        let file = LogFile::new(process, log).map(Arc::new);
        Sink { process: process.to_owned(), ring: Arc::new(Ring::new(log.memory)), file }
    }

    /// What is kept in memory, for readers.
    pub(crate) fn log(&self) -> Log {
        Log { ring: Arc::clone(&self.ring) }
    }

    /// The same, kept as another configuration says from now on; numbers go on.
    pub(crate) fn reconfigured(&self, log: &Logging) -> Self {
        self.ring.set_bound(log.memory);
        let file = match &self.file {
            Some(file) if file.is_for(log) => Some(Arc::clone(file)),
            _ => LogFile::new(&self.process, log).map(Arc::new),
        };
        Sink { process: self.process.clone(), ring: Arc::clone(&self.ring), file }
    }
}

/// What reads a child's output, to be run as a task, and where the child can be written to. The reader ends when both
/// outputs are closed and `over` has come, or its sender is gone; shortly after that at the latest. From this call on
/// the log is open, until then.
pub(crate) fn attend(
    ends: Ends,
    sink: Sink,
    over: oneshot::Receiver<()>,
) -> (impl Future<Output = ()> + Send + 'static, Option<Input>) {
    let (outputs, to) = match ends {
        Ends::Pipes { stdin, stdout, stderr } => {
            let outputs = Outputs {
                first: Output::new(&sink, Stream::Stdout, stdout.into_owned_fd()),
                second: Output::new(&sink, Stream::Stderr, stderr.into_owned_fd()),
            };
            let stdin = stdin.map(|stdin| watched(&sink, "input", stdin.into_owned_fd(), Interest::WRITABLE));
            (outputs, stdin.flatten().map(|stdin| input::input(stdin, false)))
        }
        Ends::Terminal(ours) => {
            let terminal = watched(&sink, "terminal", Ok(ours), Interest::READABLE | Interest::WRITABLE);
            let first = terminal.clone().map(|source| Output::of(&sink, Stream::Pty, source));
            (Outputs { first, second: None }, terminal.map(|terminal| input::input(terminal, true)))
        }
    };
    let (input, writer) = to.unzip();
    let open = sink.ring.open();
    let reading = async move {
        outputs.read(writer, over).await;
        // Before the file, which may be slow, is waited for.
        drop(open);
        if let Some(file) = &sink.file {
            file.written().await;
        }
    };
    (reading, input)
}

/// All outputs of a run.
struct Outputs {
    first: Option<Output>,
    second: Option<Output>,
}

/// One output of a run.
struct Output {
    source: Arc<Descriptor>,
    stream: Stream,
    sink: Sink,
    lines: Lines,
    /// By when what is in hand is shown.
    due: Due,
}

/// When what is in hand of a line came, first and last.
#[derive(Default)]
struct Due {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Outputs {
    /// Reads until the outputs are closed and the run is over; writes what is asked for meanwhile.
    async fn read(mut self, writer: Option<Writer>, mut over: oneshot::Receiver<()>) {
        let writing = async {
            if let Some(writer) = writer {
                writer.serve().await;
            }
            std::future::pending::<()>().await;
        };
        let closed = {
            let Outputs { first, second } = &mut self;
            let mut reading = std::pin::pin!(async { tokio::join!(to_the_end(first), to_the_end(second)) });
            let mut writing = std::pin::pin!(writing);
            // Dropped or sent, `over` means the same.
            tokio::select! {
                _ = &mut reading => {
                    tokio::select! { _ = &mut over => {}, () = &mut writing => {} }
                    true
                }
                _ = &mut over => timeout(LINGER, &mut reading).await.is_ok(),
                () = &mut writing => false,
            }
        };
        for output in [self.first, self.second].into_iter().flatten() {
            output.end(closed);
        }
    }
}

async fn to_the_end(output: &mut Option<Output>) {
    if let Some(output) = output {
        output.read().await;
    }
}

impl Output {
    fn new(sink: &Sink, stream: Stream, fd: io::Result<OwnedFd>) -> Option<Self> {
        Some(Self::of(sink, stream, watched(sink, stream.as_str(), fd, Interest::READABLE)?))
    }

    fn of(sink: &Sink, stream: Stream, source: Arc<Descriptor>) -> Self {
        let lines = Lines::new(sink.ring.longest());
        Output { source, stream, sink: sink.clone(), lines, due: Due::default() }
    }

    /// Reads until it is closed. Nothing is lost when the future is dropped.
    async fn read(&mut self) {
        let source = Arc::clone(&self.source);
        loop {
            let read = match self.due.at() {
                None => source.read(|bytes| self.take(bytes)).await,
                Some(due) => match timeout_at(due, source.read(|bytes| self.take(bytes))).await {
                    Ok(read) => read,
                    Err(_) => {
                        self.flush();
                        continue;
                    }
                },
            };
            match read {
                Ok(0) => break,
                // An output that is never empty must not keep the thread from the other tasks.
                Ok(_) => yield_now().await,
                Err(error) => {
                    warn!(process = self.sink.process, "reading its {} failed: {error}", self.stream.as_str());
                    break;
                }
            }
        }
        self.flush();
    }

    /// Reads what is left in one that is not closed, and closes it.
    fn end(mut self, closed: bool) {
        if !closed {
            let (source, mut left) = (Arc::clone(&self.source), LAST);
            while let Ok(count @ 1..) = source.read_now(|bytes| self.take(bytes)) {
                left = left.saturating_sub(count);
                if left == 0 {
                    break;
                }
            }
            self.flush();
            debug!(process = self.sink.process, "something still holds its {} open; closing it", self.stream.as_str());
        }
        if let Some(file) = &self.sink.file {
            file.end_line(self.stream);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Output { stream, sink, lines, .. } = self;
        let mut shown = false;
        sink.keep(*stream, |emit| match stream {
            // Prompts, and what redraws the screen, are no lines, and must be seen at once.
            Stream::Pty => bytes.chunks(lines.longest()).for_each(|piece| emit(piece, true)),
            Stream::Stdout | Stream::Stderr => lines.feed(bytes, |line, partial| {
                shown = true;
                emit(line, partial);
            }),
        });
        self.due.note(self.lines.is_begun().then(Instant::now), shown);
    }

    fn flush(&mut self) {
        if self.lines.is_begun() {
            self.sink.keep(self.stream, |emit| self.lines.flush(emit));
        }
        self.due = Due::default();
    }
}

impl Due {
    /// Something came. What it left in hand came `now`, if any was left; what was in hand before may have been `shown`.
    fn note(&mut self, now: Option<Instant>, shown: bool) {
        let first = if shown { None } else { self.first };
        *self = Due { first: now.and(first.or(now)), last: now };
    }

    fn at(&self) -> Option<Instant> {
        self.first.zip(self.last).map(|(first, last)| (first + DRIBBLE).min(last + SILENCE))
    }
}

impl Sink {
    /// Keeps the entries that a function hands out, as read at this moment.
    fn keep(&self, stream: Stream, cut: impl FnOnce(&mut dyn FnMut(&[u8], bool))) {
        let before = enabled!(Level::DEBUG).then(|| self.ring.last());
        let at = Timestamp::now();
        {
            let mut file = self.file.as_ref().map(|file| file.writer(at, stream));
            let mut ring = self.ring.writer(at);
            cut(&mut |bytes, partial| {
                ring.push(stream, bytes, partial);
                if let Some(file) = &mut file {
                    file.push(bytes, partial);
                }
            });
        }
        // Outside the locks, since whoever takes the log may be slow.
        for line in before.map(|before| self.ring.read(before, Some(stream), usize::MAX)).into_iter().flatten() {
            let text = shown(&String::from_utf8_lossy(&line.bytes), line.bytes.len());
            debug!(process = self.process, stream = stream.as_str(), "{text}");
        }
    }
}

/// Takes a descriptor over. One that cannot be is closed, which the process sees.
fn watched(sink: &Sink, what: &str, fd: io::Result<OwnedFd>, interest: Interest) -> Option<Arc<Descriptor>> {
    fd.and_then(|fd| Descriptor::new(fd, interest))
        .inspect_err(|error| warn!(process = sink.process, "cannot use its {what}: {error}"))
        .ok()
        .map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_waited_for_while_it_comes_and_not_for_long() {
        let begin = Instant::now();
        let mut due = Due::default();
        assert_eq!(due.at(), None);
        due.note(Some(begin), false);
        assert_eq!(due.at(), Some(begin + SILENCE));
        due.note(Some(begin + SILENCE / 2), false);
        assert_eq!(due.at(), Some(begin + SILENCE * 3 / 2));
        due.note(Some(begin + DRIBBLE), false);
        assert_eq!(due.at(), Some(begin + DRIBBLE));
        due.note(Some(begin + DRIBBLE), true);
        assert_eq!(due.at(), Some(begin + DRIBBLE + SILENCE), "another line");
        due.note(None, true);
        assert_eq!(due.at(), None);
    }
}
