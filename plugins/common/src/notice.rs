//! Lines for the log that are written when a trouble begins or changes, and not again at each collect.

use sandbeat_sdk::{log, state};

/// How much of a line is kept, in bytes; two troubles that begin alike for longer than this count as one.
const MAX_KEPT: usize = 512;

/// A place in the collector's state for what was said last of one kind of trouble.
#[derive(Clone, Copy, Debug)]
pub struct Notice(&'static str);

impl Notice {
    /// One under a key of the collector's state.
    pub const fn new(key: &'static str) -> Self {
        Self(key)
    }

    /// Says how things are now: a trouble is written as a warning unless it was the last one said; nothing, once the
    /// trouble is over, makes the next one new. Where the state is full, it stays silent rather than repeat itself.
    pub fn warn(&self, trouble: Option<&str>) {
        let Some(trouble) = trouble else {
            if state::get(self.0).is_some() {
                state::delete(self.0);
            }
            return;
        };
        let kept = &trouble.as_bytes()[..trouble.len().min(MAX_KEPT)];
        if state::get(self.0).as_deref() != Some(kept) && state::set(self.0, kept).is_ok() {
            log::warn!("{trouble}");
        }
    }
}

#[cfg(test)]
mod tests {
    use sandbeat_sdk::testing::Sandbox;

    use super::*;

    #[test]
    fn a_trouble_is_said_when_it_begins_or_changes() {
        const NOTICE: Notice = Notice::new("missing");
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            for trouble in [None, Some("a"), Some("a"), Some("b"), None, None, Some("b")] {
                NOTICE.warn(trouble);
            }
        });
        let lines: Vec<_> = sandbox.lines().iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, ["a", "b", "b"]);
    }
}
