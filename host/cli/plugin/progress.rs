//! Shows how far the compilation of a component is while a command waits for it: on standard error, in place where that
//! is a terminal, and elsewhere in a line now and then, if it takes long at all.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sandbeat_collectors::workbench::Tell;
use sandbeat_status::Compiling;

use crate::{format, output};

/// What takes no longer is not worth a word.
const SHORT: Duration = Duration::from_millis(500);
/// The same where each word stays.
const SHORT_OFF_TERMINAL: Duration = Duration::from_secs(2);
/// From one line to the next where they stay.
const PAUSE: Duration = Duration::from_secs(5);
/// To the beginning of the line, and all of it gone.
const ERASE: &str = "\r\u{1b}[K";

/// What has been shown.
#[derive(Default)]
struct Shown {
    /// The first that was heard.
    since: Option<Instant>,
    /// The last line.
    line: Option<Instant>,
}

/// For a command that waits for the plugin of this name.
pub(super) fn of(name: String) -> Tell {
    let in_place = io::stderr().is_terminal();
    let shown = Mutex::new(Shown::default());
    Box::new(move |compiling| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        match compiling {
            Some(compiling) if shown.is_due(in_place, Instant::now()) => show(&name, &compiling, in_place),
            Some(_) => {}
            None => {
                if in_place && shown.line.is_some() {
                    erase();
                }
                *shown = Shown::default();
            }
        }
    })
}

impl Shown {
    /// Whether what is heard now is shown; it is then taken to be.
    fn is_due(&mut self, in_place: bool, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let (short, pause) = if in_place { (SHORT, Duration::ZERO) } else { (SHORT_OFF_TERMINAL, PAUSE) };
        let is_due = now - since >= short && self.line.is_none_or(|line| now - line >= pause);
        if is_due {
            self.line = Some(now);
        }
        is_due
    }
}

fn show(name: &str, compiling: &Compiling, in_place: bool) {
    let text = format!("compiling {name}: {}", format::compiling(compiling));
    if in_place {
        let _ = write!(io::stderr().lock(), "{ERASE}{text}");
    } else {
        output::note(text);
    }
}

fn erase() {
    let _ = write!(io::stderr().lock(), "{ERASE}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which of these tenths of a second something is shown.
    fn shown_at(in_place: bool, tenths: impl Iterator<Item = u64>) -> Vec<u64> {
        let (mut shown, start) = (Shown::default(), Instant::now());
        tenths.filter(|tenth| shown.is_due(in_place, start + Duration::from_millis(tenth * 100))).collect()
    }

    #[test]
    fn in_place_all_is_shown_of_what_is_not_over_at_once() {
        assert_eq!(shown_at(true, (0..10).step_by(2)), [6, 8]);
    }

    #[test]
    fn elsewhere_there_is_a_line_now_and_then_of_what_takes_long() {
        assert_eq!(shown_at(false, 0..19), [0; 0]);
        assert_eq!(shown_at(false, (0..150).step_by(5)), [20, 70, 120]);
    }
}
