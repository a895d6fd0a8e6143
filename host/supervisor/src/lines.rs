//! Cutting what was read into lines. Pure.
//!
//! What is in hand when a read ends is kept until the line's end comes, until it is long enough to be a piece, or
//! until the reader has it out because the end keeps it waiting.

use memchr::{memchr, memchr_iter};

/// Cuts a stream of bytes into lines, and long lines into pieces.
#[derive(Debug)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    longest: usize,
}

impl Lines {
    /// Pieces are of this many bytes, at least one.
    pub(crate) fn new(longest: usize) -> Self {
        Lines { begun: Vec::new(), longest: longest.max(1) }
    }

    /// How long a piece is, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether something is in hand.
    pub(crate) fn is_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Takes bytes in and hands out the lines that they end, without their ends, and pieces of lines that are too
    /// long, which are partial.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut emit: impl FnMut(&[u8], bool)) {
        if self.is_begun() {
            bytes = self.go_on(bytes, &mut emit);
        }
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes) {
            let last = self.pieces(bytes.get(start..end).unwrap_or_default(), &mut emit);
            emit(last, false);
            start = end + 1;
        }
        let begun = self.pieces(bytes.get(start..).unwrap_or_default(), &mut emit);
        self.begun.extend_from_slice(begun);
    }

    /// Hands out what is in hand, as a piece.
    pub(crate) fn flush(&mut self, mut emit: impl FnMut(&[u8], bool)) {
        if self.is_begun() {
            // Given back, so that one who writes rarely costs nothing in between.
            emit(&std::mem::take(&mut self.begun), true);
        }
    }

    /// Goes on with the line in hand until that is handed out; returns what is left of the bytes.
    fn go_on<'a>(&mut self, bytes: &'a [u8], mut emit: impl FnMut(&[u8], bool)) -> &'a [u8] {
        let room = self.longest.saturating_sub(self.begun.len()).min(bytes.len());
        let (near, far) = bytes.split_at(room);
        let end = memchr(b'\n', near);
        self.begun.extend_from_slice(end.map_or(near, |end| near.get(..end).unwrap_or_default()));
        if let Some(end) = end {
            emit(&std::mem::take(&mut self.begun), false);
            return bytes.get(end + 1..).unwrap_or_default();
        }
        if self.begun.len() >= self.longest {
            emit(&std::mem::take(&mut self.begun), true);
        }
        far
    }

    /// Hands out pieces of a line until what is left, which is returned, is short enough.
    fn pieces<'a>(&self, mut line: &'a [u8], mut emit: impl FnMut(&[u8], bool)) -> &'a [u8] {
        while let Some((piece, rest)) = line.split_at_checked(self.longest) {
            emit(piece, true);
            line = rest;
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 8;

    fn cut(pieces: &[&[u8]]) -> Vec<(String, bool)> {
        let mut lines = Lines::new(LONGEST);
        let mut out = Vec::new();
        let text = |line: &[u8]| line.escape_ascii().to_string();
        for piece in pieces {
            lines.feed(piece, |line, partial| out.push((text(line), partial)));
        }
        lines.flush(|line, partial| out.push((text(line), partial)));
        assert!(!lines.is_begun());
        out
    }

    fn entries(texts: &[(&str, bool)]) -> Vec<(String, bool)> {
        texts.iter().map(|(text, partial)| ((*text).to_owned(), *partial)).collect()
    }

    #[test]
    fn lines_are_put_together_over_reads() {
        let expected = entries(&[("one", false), ("two", false), ("", false), ("\\xffend", true)]);
        assert_eq!(cut(&[b"one\ntw", b"o\n\n", b"\xffend"]), expected);
        assert_eq!(cut(&[b"", b""]), []);
    }

    #[test]
    fn a_long_line_is_cut_into_pieces_wherever_the_reads_end() {
        let expected = entries(&[("01234567", true), ("89abcdef", true), ("gh", false), ("x", true)]);
        let text = b"0123456789abcdefgh\nx";
        for at in 0..text.len() {
            let (front, back) = text.split_at(at);
            assert_eq!(cut(&[front, back]), expected, "{at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(cut(&bytes), expected);
    }

    #[test]
    fn the_end_of_a_line_that_was_handed_out_is_an_empty_last_piece() {
        assert_eq!(cut(&[b"01234567", b"\n"]), entries(&[("01234567", true), ("", false)]));
        let mut lines = Lines::new(LONGEST);
        lines.feed(b"login: ", |_, _| unreachable!());
        let mut out = Vec::new();
        lines.flush(|line, partial| out.push((line.to_vec(), partial)));
        lines.feed(b"\n", |line, partial| out.push((line.to_vec(), partial)));
        assert_eq!(out, [(b"login: ".to_vec(), true), (vec![], false)]);
    }
}
