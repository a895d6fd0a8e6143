//! Reads what is new in a log of lines, in pieces and within a budget.
//!
//! A file is read on from where it was left, which is the end of a line. What stands before there is compared with what
//! stood there: where it is something else, or the file has become shorter, it is another file and is read anew.
//!
//! - A last line without an end is left for later, unless it is a whole JSON object: then nothing can follow in it.
//! - A line of more than [`MAX_LINE`] bytes is passed over; no agent writes its usage into such lines.

use std::time::{Duration, Instant};

use sandbeat_sdk::files::{self, FileError};
use sandbeat_sdk::limits::Limits;

use crate::index::Mark;
use crate::usage::fingerprint;

/// What the host gives at once.
const PIECE: u32 = 1 << 20;
/// The longest line that is read.
pub(crate) const MAX_LINE: usize = 8 << 20;
/// How much of what was read is compared.
const TAIL: u64 = 128;

/// What of a limit is left alone, because a file is read on beyond the budget until a line is whole.
pub(crate) const SLACK_BYTES: u64 = MAX_LINE as u64 + 2 * PIECE as u64;
pub(crate) const SLACK_CALLS: u64 = SLACK_BYTES / PIECE as u64;

/// How long a collect may look for files and read them. What is measured is wall clock; it is never less than CPU, half
/// of which is left for what comes after the reading.
pub(crate) fn time(limits: &Limits) -> Duration {
    limits.cpu.min(limits.timeout) / 2
}

/// What a collect may still read.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) bytes: u64,
    pub(crate) calls: u64,
    pub(crate) until: Instant,
}

/// Whoever takes what is read.
pub(crate) trait Reader {
    /// The file is read from its begin, so what was kept of it is of another file.
    fn restart(&mut self);

    /// Some whole lines, each with its end, the last one perhaps without.
    fn lines(&mut self, lines: &[u8]);

    /// A line that is too long to be read.
    fn passed_over(&mut self);
}

/// A file that is being read. `text` begins with what was read before, for the comparison, up to `at`.
struct Reading<'a> {
    path: &'a str,
    text: Vec<u8>,
    at: usize,
    /// The place of `at` in the file.
    offset: u64,
    skipping: bool,
}

impl Budget {
    pub(crate) fn is_spent(&self) -> bool {
        self.bytes == 0 || self.calls == 0 || Instant::now() >= self.until
    }

    /// Reads a part of a file, a piece at most.
    pub(crate) fn read_at(&mut self, path: &str, offset: u64) -> Result<Vec<u8>, FileError> {
        self.read_part(path, offset, PIECE)
    }

    /// Reads a part of a file of this length, or of a piece at most.
    pub(crate) fn read_part(&mut self, path: &str, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
        self.calls = self.calls.saturating_sub(1);
        let text = files::read_at(path, offset, length)?;
        self.bytes = self.bytes.saturating_sub(text.len() as u64);
        Ok(text)
    }
}

/// Reads a file of this size on from a mark; returns the new one. Spends more than the budget where not even one line
/// fits into it, up to [`SLACK_BYTES`].
///
/// # Errors
/// The file cannot be read at all, for example because it is gone. Where that happens later on, the mark says how far it
/// could be.
pub(crate) fn read(
    path: &str,
    size: u64,
    mark: &Mark,
    budget: &mut Budget,
    reader: &mut impl Reader,
) -> Result<Mark, FileError> {
    let mut reading = match Reading::resume(path, size, mark, budget)? {
        Some(reading) => reading,
        None => {
            reader.restart();
            Reading::begin(path)
        }
    };
    let begin = reading.offset;
    reading.hand_over(reader);
    while reading.end() < size && (reading.offset == begin || !budget.is_spent()) {
        match reading.more(budget) {
            Ok(true) => {}
            Err(error) if reading.end() == begin => return Err(error),
            Ok(false) | Err(_) => break,
        }
        reading.hand_over(reader);
    }
    if reading.end() >= size {
        reading.hand_over_last(reader);
    }
    Ok(reading.mark())
}

impl<'a> Reading<'a> {
    fn begin(path: &'a str) -> Reading<'a> {
        Reading { path, text: Vec::new(), at: 0, offset: 0, skipping: false }
    }

    /// Nothing when it is another file than the one that the mark is of.
    fn resume(path: &'a str, size: u64, mark: &Mark, budget: &mut Budget) -> Result<Option<Reading<'a>>, FileError> {
        if mark.offset == 0 || size < mark.offset {
            return Ok(None);
        }
        let tail = mark.offset.min(TAIL);
        let text = budget.read_at(path, mark.offset - tail)?;
        let at = usize::try_from(tail).unwrap_or(0);
        let is_same = text.get(..at).is_some_and(|tail| print(tail) == mark.print);
        Ok(is_same.then_some(Reading { path, text, at, offset: mark.offset, skipping: mark.skipping }))
    }

    /// Reads another piece; false at the end of the file.
    fn more(&mut self, budget: &mut Budget) -> Result<bool, FileError> {
        let piece = budget.read_at(self.path, self.end())?;
        let is_more = !piece.is_empty();
        let done = self.at.saturating_sub(TAIL as usize);
        self.text.drain(..done);
        self.at -= done;
        if self.text.is_empty() {
            self.text = piece;
        } else {
            self.text.extend_from_slice(&piece);
        }
        Ok(is_more)
    }

    /// Up to where the file has been read.
    fn end(&self) -> u64 {
        self.offset + self.rest().len() as u64
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn hand_over(&mut self, reader: &mut impl Reader) {
        if self.skipping {
            let line = memchr::memchr(b'\n', self.rest());
            self.skipping = line.is_none();
            self.advance(line.map_or(self.rest().len(), |end| end + 1));
        }
        if let Some(end) = memchr::memrchr(b'\n', self.rest()) {
            reader.lines(self.rest().get(..=end).unwrap_or_default());
            self.advance(end + 1);
        }
        if self.rest().len() > MAX_LINE {
            reader.passed_over();
            self.skipping = true;
            self.advance(self.rest().len());
        }
    }

    fn hand_over_last(&mut self, reader: &mut impl Reader) {
        let is_object = self.rest().starts_with(b"{");
        if is_object && serde_json::from_slice::<serde::de::IgnoredAny>(self.rest()).is_ok() {
            reader.lines(self.rest());
            self.advance(self.rest().len());
        }
    }

    fn advance(&mut self, by: usize) {
        self.at += by;
        self.offset += by as u64;
    }

    fn mark(&self) -> Mark {
        let tail = usize::try_from(self.offset.min(TAIL)).unwrap_or(0);
        let before = self.at.checked_sub(tail).and_then(|from| self.text.get(from..self.at)).unwrap_or_default();
        Mark {
            offset: self.offset,
            ahead: self.rest().len() as u64,
            print: print(before),
            skipping: self.skipping,
            ..Mark::default()
        }
    }
}

fn print(tail: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = fingerprint(tail).to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::testing::Sandbox;

    #[derive(Default)]
    struct Lines {
        lines: Vec<Vec<u8>>,
        restarts: usize,
        passed_over: usize,
    }

    impl Reader for Lines {
        fn restart(&mut self) {
            self.restarts += 1;
        }

        fn lines(&mut self, lines: &[u8]) {
            self.lines.extend(lines.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec));
        }

        fn passed_over(&mut self) {
            self.passed_over += 1;
        }
    }

    fn budget(bytes: u64) -> Budget {
        Budget { bytes, calls: 1_000, until: Instant::now() + Duration::from_secs(60) }
    }

    /// Reads a content on from a mark, in as many slices as it takes.
    fn read_on(content: &[u8], mark: &Mark, bytes: u64) -> (Lines, Mark) {
        let (mut lines, mut mark) = (Lines::default(), mark.clone());
        Sandbox::new().file("/log", content).run(|| {
            loop {
                mark = read("/log", content.len() as u64, &mark, &mut budget(bytes), &mut lines).unwrap();
                if mark.offset + mark.ahead == content.len() as u64 {
                    break;
                }
            }
        });
        (lines, mark)
    }

    fn text(lines: &Lines) -> String {
        String::from_utf8_lossy(&lines.lines.concat()).into_owned()
    }

    const PLENTY: u64 = 1 << 30;

    #[test]
    fn what_is_appended_is_read_once() {
        let (lines, mark) = read_on(b"one\ntwo\nthr", &Mark::default(), PLENTY);
        assert_eq!((text(&lines).as_str(), lines.lines.len(), mark.offset, mark.ahead), ("one\ntwo\n", 2, 8, 3));
        let (lines, mark) = read_on(b"one\ntwo\nthree\nfour\n", &mark, PLENTY);
        assert_eq!((text(&lines).as_str(), lines.restarts, mark.ahead), ("three\nfour\n", 0, 0));
        let (lines, _) = read_on(b"one\ntwo\nthree\nfour\n", &mark, PLENTY);
        assert_eq!((text(&lines).as_str(), lines.restarts), ("", 0));
    }

    #[test]
    fn a_whole_object_at_the_end_needs_no_end_of_line() {
        let (lines, mark) = read_on(b"{}\n{\"a\":1}", &Mark::default(), PLENTY);
        assert_eq!((text(&lines).as_str(), mark.offset, mark.ahead), ("{}\n{\"a\":1}", 10, 0));
        let (lines, _) = read_on(b"{}\n{\"a\":1}\n{\"b\":1}\n", &mark, PLENTY);
        assert_eq!(text(&lines), "\n{\"b\":1}\n");
        let (lines, mark) = read_on(b"{}\n{\"a\":1", &Mark::default(), PLENTY);
        assert_eq!((text(&lines).as_str(), mark.offset, mark.ahead), ("{}\n", 3, 6));
    }

    #[test]
    fn another_file_is_read_from_its_begin() {
        let (_, mark) = read_on(b"one\ntwo\n", &Mark::default(), PLENTY);
        for content in [&b"new\n"[..], b"un\ndeux\ntrois\n", b"", b"one\ntwO\n"] {
            let (lines, _) = read_on(content, &mark, PLENTY);
            assert_eq!((text(&lines).as_bytes(), lines.restarts), (content, 1), "{content:?}");
        }
    }

    #[test]
    fn pieces_and_slices_make_no_difference() {
        let line = |i: usize| format!("{{\"line\":{i},\"text\":\"{}\"}}\n", "x".repeat(i * 7919 % 90_000));
        let content: String = (0..200).map(line).collect();
        assert!(content.len() > 6 << 20);
        for bytes in [1, 1 << 20, 3 << 20, PLENTY] {
            let (lines, mark) = read_on(content.as_bytes(), &Mark::default(), bytes);
            assert_eq!((text(&lines) == content, lines.lines.len(), lines.restarts), (true, 200, 1), "{bytes}");
            assert_eq!((mark.offset, mark.ahead), (content.len() as u64, 0));
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let content = format!("one\n{}\ntwo\n", "x".repeat(MAX_LINE + (3 << 20)));
        for bytes in [1, 10 << 20, PLENTY] {
            let (lines, mark) = read_on(content.as_bytes(), &Mark::default(), bytes);
            assert_eq!((text(&lines).as_str(), lines.passed_over), ("one\ntwo\n", 1), "{bytes}");
            assert_eq!(mark.offset, content.len() as u64);
        }
        let endless = format!("one\n{}", "x".repeat(MAX_LINE + (3 << 20)));
        let (_, mark) = read_on(endless.as_bytes(), &Mark::default(), PLENTY);
        assert!(mark.skipping);
        let (lines, _) = read_on(format!("{endless}xx\ntwo\n").as_bytes(), &mark, PLENTY);
        assert_eq!((text(&lines).as_str(), lines.passed_over), ("two\n", 0));
    }

    #[test]
    fn what_is_no_text_is_handed_over_as_it_is() {
        let (lines, _) = read_on(b"\xff\xfe\n\0\n", &Mark::default(), PLENTY);
        assert_eq!(lines.lines, [b"\xff\xfe\n".to_vec(), b"\0\n".to_vec()]);
    }

    #[test]
    fn a_file_that_is_gone_is_an_error() {
        let mut lines = Lines::default();
        let gone =
            Sandbox::new().missing("/log").run(|| read("/log", 10, &Mark::default(), &mut budget(PLENTY), &mut lines));
        assert!(gone.is_err() && lines.lines.is_empty());
    }
}
