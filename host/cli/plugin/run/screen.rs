//! One screen of a terminal that is drawn again and again in its place.
//!
//! A frame is written at once and over the one before it, so that nothing flickers: each line with what was there
//! behind it erased, then all below. It is drawn on the terminal's other screen, so that what was there before comes
//! back at the end, with the last frame below it. Whoever owns the [`Screen`] closes it; frames that come later are
//! not drawn.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;

/// Begins an update that the terminal shows as a whole, where it knows of that.
const BEGIN: &str = "\x1b[?2026h\x1b[H";
const ERASE_LINE_END: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";
const END: &str = "\x1b[?2026l";
/// The other screen, without a cursor and without lines that go on in the next one.
const OPEN: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const CLOSE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// Where the terminal does not say.
const USUAL: Size = Size { width: 80, height: 24 };

/// A terminal's size, in columns and lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The terminal that standard output is; a handle, of which there may be several.
#[derive(Clone)]
pub(super) struct Screen(Arc<Mutex<State>>);

struct State {
    is_open: bool,
    lines: Vec<String>,
    frame: String,
}

impl Screen {
    /// Where standard output is a terminal that can be drawn on.
    pub(super) fn open() -> anyhow::Result<Option<Screen>> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        if is_dumb || !io::stdout().is_terminal() {
            return Ok(None);
        }
        write(OPEN)?;
        Ok(Some(Screen(Arc::new(Mutex::new(State { is_open: true, lines: Vec::new(), frame: String::new() })))))
    }

    pub(super) fn size(&self) -> Size {
        let size = terminal_size::terminal_size_of(io::stdout());
        size.map_or(USUAL, |(width, height)| Size { width: width.0.into(), height: height.0.into() })
    }

    /// Draws a frame of at most the terminal's lines. Nothing is written where it is the one that is there.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn draw(&self, lines: &[String]) -> anyhow::Result<()> {
        let mut state = self.state();
        state.lines = lines.to_vec();
        state.draw(self.size())
    }

    /// Draws the same with another text in one line, if there is such a line.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn set_line(&self, at: usize, text: String) -> anyhow::Result<()> {
        let mut state = self.state();
        if let Some(line) = state.lines.get_mut(at) {
            *line = text;
        }
        state.draw(self.size())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the terminal back while something else goes on, and draws the same anew after it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn lent(&self, meanwhile: impl FnOnce()) -> anyhow::Result<()> {
        self.close();
        meanwhile();
        write(OPEN)?;
        let mut state = self.state();
        state.is_open = true;
        state.frame.clear();
        state.draw(self.size())
    }

    /// Gives the terminal back as it was.
    pub(super) fn close(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_open) {
            // A terminal that is gone needs nothing back.
            let _ = write(CLOSE);
        }
    }
}

impl State {
    fn draw(&mut self, size: Size) -> anyhow::Result<()> {
        let frame = frame(&self.lines, size);
        if !self.is_open || self.frame == frame {
            return Ok(());
        }
        write(&frame)?;
        self.frame = frame;
        Ok(())
    }
}

fn frame(lines: &[String], size: Size) -> String {
    let lines: Vec<String> = lines.iter().take(size.height).map(|line| cut(line, size.width)).collect();
    let lines = lines.join(&format!("{ERASE_LINE_END}\r\n"));
    format!("{BEGIN}{lines}{ERASE_LINE_END}{ERASE_BELOW}{END}")
}

fn cut(line: &str, width: usize) -> String {
    line.chars().take(width).collect()
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("the terminal is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_covers_what_was_there_and_no_more_than_the_screen() {
        let lines = ["one".to_owned(), "a long line".to_owned(), "too much".to_owned()];
        let frame = frame(&lines, Size { width: 6, height: 2 });
        assert_eq!(frame, "\u{1b}[?2026h\u{1b}[Hone\u{1b}[K\r\na long\u{1b}[K\u{1b}[J\u{1b}[?2026l");
    }
}
