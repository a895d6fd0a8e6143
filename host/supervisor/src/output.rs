//! Reading what a process writes, so that it never waits for a reader.
//!
//! One task per run, owned by the process's task, reads both pipes until they are closed. What has left the group may
//! hold them open for ever; once the run is over they are therefore only read for a moment longer. Lines go to the
//! ring and, at the level `debug`, to the log. An idle process costs no buffer.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use sandbeat_status::names::shown;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::{Level, debug, enabled, warn};

use crate::config::Logging;
use crate::input::Input;
use crate::logs::{Log, Ring, Stream};
use crate::stdio::Ends;

/// The longest line, in bytes; a longer one is cut into pieces.
const MAX_LINE: usize = 8 * 1024;

/// How long the pipes are read after the end of the run.
const LINGER: Duration = Duration::from_millis(250);

/// Where the output of one process goes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    pub(crate) process: String,
    pub(crate) ring: Arc<Ring>,
}

impl Sink {
    /// Keeps what a process writes as its configuration says.
    pub(crate) fn new(process: &str, _log: &Logging) -> Self {
        Sink { process: process.to_owned(), ring: Arc::default() }
    }

    /// What is kept in memory, for readers.
    pub(crate) fn log(&self) -> Log {
        Log { ring: Arc::clone(&self.ring) }
    }

    /// The same, kept as another configuration says from now on; numbers go on.
    pub(crate) fn reconfigured(&self, _log: &Logging) -> Self {
        self.clone()
    }
}

/// What reads a child's output, to be run as a task, and where the child can be written to. The reader ends when both
/// outputs are closed, or shortly after `over` has come or its sender is gone.
pub(crate) fn attend(
    ends: Ends,
    sink: Sink,
    over: oneshot::Receiver<()>,
) -> (impl Future<Output = ()> + Send + 'static, Option<Input>) {
    let Ends::Pipes { stdin: _, stdout, stderr } = ends;
    (drain(stdout, stderr, sink, over), None)
}

async fn drain(stdout: ChildStdout, stderr: ChildStderr, sink: Sink, over: oneshot::Receiver<()>) {
    let both = async {
        tokio::join!(
            read(stdout.into_owned_fd(), Stream::Stdout, &sink),
            read(stderr.into_owned_fd(), Stream::Stderr, &sink)
        );
    };
    let late = async {
        // Dropped or sent, it means the same.
        drop(over.await);
        sleep(LINGER).await;
    };
    tokio::select! {
        () = both => {}
        () = late => debug!(process = sink.process, "something outside its group still holds its output; closing it"),
    }
}

async fn read(pipe: io::Result<OwnedFd>, stream: Stream, sink: &Sink) {
    let pipe = match pipe.and_then(Receiver::from_owned_fd) {
        Ok(pipe) => pipe,
        Err(error) => return warn!(process = sink.process, "cannot read its {}: {error}", stream.as_str()),
    };
    let mut lines = Lines::default();
    while pipe.readable().await.is_ok() {
        match read_some(&pipe, &mut lines, |line, partial| sink.take(stream, line, partial)) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                warn!(process = sink.process, "reading its {} failed: {error}", stream.as_str());
                break;
            }
        }
        // A pipe that is never empty must not keep the thread from the other tasks.
        tokio::task::consume_budget().await;
    }
    lines.end(|line, partial| sink.take(stream, line, partial));
}

/// One read, through a buffer that does not outlive it.
fn read_some(pipe: &Receiver, lines: &mut Lines, emit: impl FnMut(&[u8], bool)) -> io::Result<usize> {
    let mut buffer = [0; MAX_LINE];
    let count = pipe.try_read(&mut buffer)?;
    lines.feed(buffer.get(..count).unwrap_or_default(), emit);
    Ok(count)
}

impl Sink {
    fn take(&self, stream: Stream, line: &[u8], partial: bool) {
        self.ring.push(stream, line, partial);
        if enabled!(Level::DEBUG) {
            let text = shown(&String::from_utf8_lossy(line), MAX_LINE);
            debug!(process = self.process, stream = stream.as_str(), "{text}");
        }
    }
}

/// Cuts a stream of bytes into lines of at most [`MAX_LINE`] bytes.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes bytes in and hands out the lines that they end, and pieces of lines that are too long.
    fn feed(&mut self, mut bytes: &[u8], mut emit: impl FnMut(&[u8], bool)) {
        while !bytes.is_empty() {
            let room = (MAX_LINE - self.begun.len()).min(bytes.len());
            let (piece, ended) = match bytes.iter().take(room).position(|byte| *byte == b'\n') {
                Some(end) => (end, true),
                None => (room, false),
            };
            let (piece, rest) = bytes.split_at(piece);
            self.begun.extend_from_slice(piece);
            bytes = if ended { rest.get(1..).unwrap_or_default() } else { rest };
            if ended || self.begun.len() == MAX_LINE {
                emit(&self.begun, !ended);
                self.begun = Vec::new();
            }
        }
    }

    /// Hands out what was begun and never ended.
    fn end(&mut self, mut emit: impl FnMut(&[u8], bool)) {
        if !self.begun.is_empty() {
            emit(&self.begun, true);
            self.begun = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            lines.feed(piece, |line, partial| out.push((line.to_vec(), partial)));
        }
        lines.end(|line, partial| out.push((line.to_vec(), partial)));
        out
    }

    #[test]
    fn lines_are_put_together_over_reads() {
        assert_eq!(
            cut(&[b"one\ntw", b"o\n\n", b"\xffend"]),
            [(b"one".to_vec(), false), (b"two".to_vec(), false), (vec![], false), (b"\xffend".to_vec(), true)]
        );
        assert_eq!(cut(&[b"", b""]), []);
    }

    #[test]
    fn a_line_without_end_is_cut_into_pieces() {
        let long = vec![b'x'; MAX_LINE + 1];
        let out = cut(&[&long, &long, b"\n"]);
        let lengths: Vec<_> = out.iter().map(|(line, partial)| (line.len(), *partial)).collect();
        assert_eq!(lengths, [(MAX_LINE, true), (MAX_LINE, true), (2, false)]);
    }
}
