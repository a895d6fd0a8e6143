//! The last output of a process, as its readers see it.
//!
//! A [`Log`] is a view of what `ring` holds: the oldest lines make room for the newest, within a bound in bytes.
//! Numbers go up by one per entry over all runs of the process, so that a reader who remembers the last one sees what
//! is new, and one who has fallen behind sees from the first number how much it has missed. Nobody who reads holds up
//! the process, and reading waits for nothing but [`Log::changed`].

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::ring::Ring;

/// Which of its outputs a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Its terminal, both at once.
    Pty,
}

/// A line of output, or a piece of one; of a terminal, what was read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counts a process's entries from 1, over all its runs.
    pub sequence: u64,
    /// When it was read, by the wall clock; never before the entry before it. To the microsecond.
    pub at: Timestamp,
    /// Where it was written to.
    pub stream: Stream,
    /// What was written, without the line's end; not necessarily UTF-8. At most 8 KiB. Of a terminal, all that was
    /// written, line ends and control sequences included.
    pub bytes: Vec<u8>,
    /// Whether no line's end was taken off: the line goes on in the next entry of this stream, be it an empty one, or
    /// was never ended. A line is given in pieces when it is long, and when its end keeps one waiting (a prompt).
    /// Always so of a terminal.
    pub partial: bool,
}

/// What one process has written, as far as it is still held. Cheap to clone; readers wait for nobody.
#[derive(Clone, Debug)]
pub struct Log {
    pub(crate) ring: Arc<Ring>,
}

impl Log {
    /// The oldest lines that are still held and have a number above `after`, at most `most` of them, of all streams.
    pub fn after(&self, after: u64, most: usize) -> Vec<Line> {
        self.ring.read(after, None, most)
    }

    /// The newest lines, at most `most` of them, of one stream or, without one, of all; oldest first.
    pub fn tail(&self, stream: Option<Stream>, most: usize) -> Vec<Line> {
        self.ring.read(self.before_newest(stream, most), stream, most)
    }

    /// The number before the newest lines, at most `most` of them, of one stream or, without one, of all.
    pub fn before_newest(&self, stream: Option<Stream>, most: usize) -> u64 {
        self.ring.before_newest(stream, most)
    }

    /// The number after which the lines are that were read at this moment or later: `after(before(at), …)` is what
    /// was written since.
    pub fn before(&self, at: Timestamp) -> u64 {
        self.ring.before(at)
    }

    /// The number of the newest line; 0 where there is none yet.
    pub fn last(&self) -> u64 {
        self.ring.last()
    }

    /// Whether more can come without another start: from the start of a run until its output is read out after its
    /// end.
    pub fn is_open(&self) -> bool {
        self.ring.is_open()
    }

    /// Waits until there is a line with a number above `after`, or no more can come; at once where it is so already.
    /// Who wants to wait for another run waits for [`crate::Handle::changes`]. Can be dropped and called again.
    pub async fn changed(&self, after: u64) {
        self.ring.changed(after).await;
    }
}

impl Stream {
    /// The word that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::Pty => "pty",
        }
    }
}
