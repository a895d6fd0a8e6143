//! Output as it stands in a file: one line each, with its time and where it was written to. Pure.
//!
//! `2026-11-20T12:00:00.000Z stdout text`. The pieces of a line stand in one line, as long as nothing else comes in
//! between; what then follows has a line of its own. What a terminal could act on, and what is not UTF-8, stands
//! there in Rust's notation (`\u{1b}`, `\xff`), except tabs; a line's end may be that of Windows and of terminals.

use jiff::Timestamp;

use crate::logs::Stream;

/// What stands in place of the stream in what the supervisor writes itself.
const OWN: &str = "sandbeat";

/// Puts entries into one text.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    text: Vec<u8>,
    /// Whose line is not ended yet.
    begun: Option<Stream>,
}

impl Plain {
    /// The number of bytes in hand.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// What is in hand, to be written next.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// Adds an entry; `stamp` is [`stamp`] of its time.
    pub(crate) fn push(&mut self, stamp: &str, stream: Stream, bytes: &[u8], partial: bool) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            let ended = !is_last || !partial;
            // What a terminal's entry ends with is the line's end, and not the beginning of an empty line.
            if is_last && partial && piece.is_empty() {
                break;
            }
            if self.begun != Some(stream) {
                self.begin(stamp, stream.as_str());
            }
            escape(piece.strip_suffix(b"\r").filter(|_| ended).unwrap_or(piece), &mut self.text);
            self.begun = Some(stream);
            if ended {
                self.end();
            }
        }
    }

    /// Adds a line of the supervisor's own.
    pub(crate) fn note(&mut self, stamp: &str, message: &str) {
        self.begin(stamp, OWN);
        self.text.extend_from_slice(message.as_bytes());
        self.text.push(b'\n');
    }

    /// Nothing more comes of this stream: its line is ended.
    pub(crate) fn end_of(&mut self, stream: Stream) {
        if self.begun == Some(stream) {
            self.end();
        }
    }

    /// What comes next is not the rest of the line, which is lost.
    pub(crate) fn end(&mut self) {
        if self.begun.take().is_some() {
            self.text.push(b'\n');
        }
    }

    fn begin(&mut self, stamp: &str, who: &str) {
        self.end();
        for part in [stamp, " ", who, " "] {
            self.text.extend_from_slice(part.as_bytes());
        }
    }
}

/// A time as it stands in a file.
pub(crate) fn stamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        let mut text = chunk.valid();
        while let Some(at) = text.find(|c: char| c.is_control() && c != '\t') {
            let (plain, rest) = text.split_at(at);
            out.extend_from_slice(plain.as_bytes());
            let mut rest = rest.chars();
            let control = rest.next().unwrap_or_default();
            out.extend(control.escape_default().map(|c| c as u8));
            text = rest.as_str();
        }
        out.extend_from_slice(text.as_bytes());
        for byte in chunk.invalid() {
            out.extend(format!("\\x{byte:02x}").into_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(plain: &mut Plain) -> String {
        String::from_utf8(plain.take()).unwrap()
    }

    #[test]
    fn lines_have_a_time_and_a_stream_and_pieces_stand_together() {
        let mut plain = Plain::default();
        plain.push("T", Stream::Stdout, b"one", false);
        plain.push("T", Stream::Stdout, b"lo", true);
        plain.push("T", Stream::Stdout, b"ng", true);
        plain.push("T", Stream::Stdout, b"", false);
        plain.push("T", Stream::Stderr, b"", false);
        assert_eq!(text(&mut plain), "T stdout one\nT stdout long\nT stderr \n");
        plain.push("T", Stream::Stdout, b"who? ", true);
        plain.push("T", Stream::Stderr, b"warning", false);
        plain.push("T", Stream::Stdout, b"me", true);
        plain.end_of(Stream::Stderr);
        plain.end_of(Stream::Stdout);
        plain.note("T", "noted");
        assert_eq!(text(&mut plain), "T stdout who? \nT stderr warning\nT stdout me\nT sandbeat noted\n");
        let at: Timestamp = "2026-11-20T12:00:00.0005Z".parse().unwrap();
        assert_eq!(stamp(at), "2026-11-20T12:00:00.000Z");
    }

    #[test]
    fn nothing_in_it_acts_on_a_terminal_or_breaks_a_line() {
        let mut plain = Plain::default();
        plain.push("T", Stream::Stdout, b"\xff\xfea\tb\x1b[31m\xc3\xa4\r\0\xc2\x9b", false);
        assert_eq!(text(&mut plain), "T stdout \\xff\\xfea\tb\\u{1b}[31mä\\r\\u{0}\\u{9b}\n");
    }

    #[test]
    fn what_a_terminal_shows_is_cut_into_lines() {
        let mut plain = Plain::default();
        plain.push("T", Stream::Pty, b"a\r\nb\r\n$ ", true);
        plain.push("T", Stream::Pty, b"ls", true);
        plain.push("U", Stream::Pty, b"\r\nx\r\n", true);
        assert_eq!(text(&mut plain), "T pty a\nT pty b\nT pty $ ls\nU pty x\n");
    }
}
