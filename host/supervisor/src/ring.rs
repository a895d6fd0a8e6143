//! What one process has written, in memory: two rings, one of bytes and one of records that point into it.
//!
//! The readers of its pipes write, a read's worth at a time, and anybody reads. The lock is held for that: for cutting
//! at most one read into lines, or for copying at most [`MAX_COPY`] bytes; what a reader makes of its copy it makes
//! outside. Nothing is allocated per line, and nothing at all before the first one; the rings grow to their bound as
//! they are filled and stay.
//!
//! Invariants: records are numbered without gaps, the newest one with `last`; their times do not decrease, whatever
//! the clock does; the text of the oldest one begins at the front of the ring of bytes; both together are no larger
//! than the bound, so that the oldest make room for the newest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::logs::{Line, Stream};

/// The least that a ring is bounded to, in bytes; what is asked for below that is this.
const SMALLEST: usize = 4 << 10;

/// The longest entry, in bytes, in any ring; see [`Ring::longest`].
const LONGEST: usize = 8 << 10;

/// The most bytes and records that are copied for a reader while the writer has to wait.
const MAX_COPY: usize = 256 << 10;
const MAX_RECORDS: usize = MAX_COPY / size_of::<Record>();

/// The last output of one process.
#[derive(Debug)]
pub(crate) struct Ring {
    held: Mutex<Held>,
    news: Notify,
}

/// Whether more can come; while one of these is there, it can.
#[derive(Debug)]
pub(crate) struct Open(Arc<Ring>);

/// Writes what was read at one moment; readers are told when it is dropped.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    ring: &'a Ring,
    held: MutexGuard<'a, Held>,
    at: i64,
}

#[derive(Debug, Default)]
struct Held {
    text: VecDeque<u8>,
    records: VecDeque<Record>,
    bound: usize,
    /// The number of the newest record.
    last: u64,
    /// How many bytes have made room; what [`Record::end`] counts from.
    gone: u64,
    /// The newest time, in microseconds.
    newest: i64,
    /// The runs whose output may still bring more.
    open: usize,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// In microseconds since the epoch.
    at: i64,
    /// Where its text ends, counted from the first byte ever written.
    end: u64,
    stream: Stream,
    partial: bool,
}

/// A part of a ring.
#[derive(Debug, Default)]
struct Copied {
    records: Vec<Record>,
    text: Vec<u8>,
    /// The number of the first record.
    first: u64,
    /// Where the text of the first record begins.
    begin: u64,
}

impl Ring {
    /// A ring that is bounded to about this many bytes, what is kept beside the text included.
    pub(crate) fn new(bound: u64) -> Self {
        let held = Held { bound: bearable(bound), newest: i64::MIN, ..Held::default() };
        Ring { held: Mutex::new(held), news: Notify::new() }
    }

    /// Bounds it otherwise from now on.
    pub(crate) fn set_bound(&self, bound: u64) {
        let mut held = self.lock();
        held.bound = bearable(bound);
        held.make_room(0);
        let bound = held.bound;
        held.text.shrink_to(bound);
        held.records.shrink_to(bound / size_of::<Record>());
    }

    /// The longest entry that may be written, in bytes, so that several are held at any time.
    pub(crate) fn longest(&self) -> usize {
        (self.lock().bound / 4).min(LONGEST)
    }

    /// A run begins.
    pub(crate) fn open(self: &Arc<Self>) -> Open {
        self.lock().open += 1;
        Open(Arc::clone(self))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().open > 0
    }

    /// Writes what was read at this moment.
    pub(crate) fn writer(&self, at: Timestamp) -> Writer<'_> {
        let mut held = self.lock();
        let at = at.as_microsecond().max(held.newest);
        held.newest = at;
        Writer { ring: self, held, at }
    }

    pub(crate) fn last(&self) -> u64 {
        self.lock().last
    }

    /// The oldest entries with a number above `after`, of one stream or all, at most `most`.
    pub(crate) fn read(&self, mut after: u64, stream: Option<Stream>, most: usize) -> Vec<Line> {
        // What is written meanwhile is for the next time: a fast writer must not keep a reader for ever.
        let until = self.last();
        let mut lines = Vec::new();
        while after < until && lines.len() < most {
            // Of one stream among several it is not known how many records make so many lines.
            let records = if stream.is_some() { MAX_RECORDS } else { most.saturating_sub(lines.len()) };
            let copied = self.lock().copy(after, until, records);
            after = copied.last();
            copied.lines(stream, most, &mut lines);
        }
        lines
    }

    /// The number of the entry before the newest `most` of one stream or all that are held.
    pub(crate) fn before_newest(&self, stream: Option<Stream>, most: usize) -> u64 {
        let held = self.lock();
        let of = |record: &Record| stream.is_none_or(|stream| record.stream == stream);
        let newest = held.records.iter().enumerate().rev().filter(|(_, record)| of(record)).take(most);
        newest.last().map_or(held.last, |(index, _)| held.first() + index as u64 - 1)
    }

    /// The number of the newest entry from before this moment; of the one before the oldest held where none is.
    pub(crate) fn before(&self, at: Timestamp) -> u64 {
        let (held, at) = (self.lock(), at.as_microsecond());
        held.first() + held.records.partition_point(|record| record.at < at) as u64 - 1
    }

    /// Waits until there is an entry with a number above `after`, or it is not open.
    pub(crate) async fn changed(&self, after: u64) {
        let mut news = std::pin::pin!(self.news.notified());
        loop {
            news.as_mut().enable();
            let (last, open) = {
                let held = self.lock();
                (held.last, held.open > 0)
            };
            if last > after || !open {
                return;
            }
            news.as_mut().await;
            news.set(self.news.notified());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bearable(bound: u64) -> usize {
    usize::try_from(bound).unwrap_or(usize::MAX).max(SMALLEST)
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut held = self.0.lock();
        held.open = held.open.saturating_sub(1);
        drop(held);
        self.0.news.notify_waiters();
    }
}

impl Writer<'_> {
    /// Adds an entry of at most [`Ring::longest`] bytes.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &[u8], partial: bool) {
        let held = &mut *self.held;
        held.make_room(bytes.len() + size_of::<Record>());
        held.reserve(bytes.len());
        held.text.extend(bytes);
        let end = held.gone + held.text.len() as u64;
        held.records.push_back(Record { at: self.at, end, stream, partial });
        held.last += 1;
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        // Before the lock is released, which costs those who are woken a moment, and nobody anything else.
        self.ring.news.notify_waiters();
    }
}

impl Held {
    /// The number of the oldest record; where there is none, of the next one.
    fn first(&self) -> u64 {
        self.last + 1 - self.records.len() as u64
    }

    fn size(&self) -> usize {
        self.text.len() + self.records.len() * size_of::<Record>()
    }

    /// Lets the oldest go, where `more` bytes would not fit; and some more of them, so that this is not done each time.
    fn make_room(&mut self, more: usize) {
        if self.size() + more <= self.bound {
            return;
        }
        let wanted = self.bound.saturating_sub(more + self.bound / 16);
        let (mut count, mut end, mut left) = (0, self.gone, self.size());
        for record in &self.records {
            if left <= wanted {
                break;
            }
            left = left.saturating_sub(size_of::<Record>() + (record.end - end) as usize);
            (count, end) = (count + 1, record.end);
        }
        self.records.drain(..count);
        self.text.drain(..(end - self.gone) as usize);
        self.gone = end;
    }

    /// Grows by doubling, and not beyond the bound.
    fn reserve(&mut self, more: usize) {
        let needed = self.text.len() + more;
        if needed > self.text.capacity() {
            let capacity = (self.text.capacity() * 2).min(self.bound).max(needed);
            self.text.reserve_exact(capacity - self.text.len());
        }
    }

    /// The records from above `after` to `until`, as many as are copied at once; those that have made room are skipped.
    fn copy(&self, after: u64, until: u64, most: usize) -> Copied {
        let first = self.first().max(after + 1);
        let (skipped, wanted) = ((first - self.first()) as usize, (until + 1).saturating_sub(first) as usize);
        let begin = skipped.checked_sub(1).and_then(|index| self.records.get(index)).map_or(self.gone, |it| it.end);
        let records = self.records.iter().skip(skipped).take(wanted.min(MAX_RECORDS).min(most));
        let records: Vec<Record> =
            records.take_while(|record| record.end - begin <= MAX_COPY as u64).copied().collect();
        let end = records.last().map_or(begin, |record| record.end);
        let text = between(&self.text, (begin - self.gone) as usize, (end - self.gone) as usize);
        // Where all of them have made room, there is nothing up to `until`.
        Copied { first: if records.is_empty() { until + 1 } else { first }, records, text, begin }
    }
}

/// A part of a ring's bytes.
fn between(text: &VecDeque<u8>, from: usize, to: usize) -> Vec<u8> {
    let (front, back) = text.as_slices();
    let turn = front.len();
    let mut out = Vec::with_capacity(to.saturating_sub(from));
    out.extend_from_slice(front.get(from.min(turn)..to.min(turn)).unwrap_or_default());
    out.extend_from_slice(back.get(from.saturating_sub(turn)..to.saturating_sub(turn)).unwrap_or_default());
    out
}

impl Copied {
    /// The number of its last record.
    fn last(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }

    /// Adds those of a stream until there are as many lines as wanted.
    fn lines(&self, stream: Option<Stream>, most: usize, lines: &mut Vec<Line>) {
        let mut begin = self.begin;
        for (record, sequence) in self.records.iter().zip(self.first..) {
            let range = (begin - self.begin) as usize..(record.end - self.begin) as usize;
            begin = record.end;
            if stream.is_some_and(|stream| stream != record.stream) {
                continue;
            }
            if lines.len() == most {
                return;
            }
            lines.push(Line {
                sequence,
                at: Timestamp::from_microsecond(record.at).unwrap_or_default(),
                stream: record.stream,
                bytes: self.text.get(range).unwrap_or_default().to_vec(),
                partial: record.partial,
            });
        }
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
