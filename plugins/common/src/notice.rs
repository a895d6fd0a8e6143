//! Lines for the log that are written when a trouble begins or changes, and not again at each collect.

use std::borrow::Borrow;
use std::hash::{DefaultHasher, Hash, Hasher};

use sandbeat_sdk::{log, state};

/// Troubles that get a line of their own; how many others there are is one more line.
const MAX_LINES: usize = 20;

/// A place in the collector's state for what was said last of one kind of trouble.
#[derive(Clone, Copy, Debug)]
pub struct Notice(&'static str);

impl Notice {
    /// One under a key of the collector's state.
    pub const fn new(key: &'static str) -> Self {
        Self(key)
    }

    /// Says how things are now, as [`Notice::warn_each`] does of one trouble or none.
    pub fn warn(&self, trouble: Option<&str>) {
        self.warn_each(trouble.as_slice());
    }

    /// Says how things are now: each trouble is a line of its own, written as a warning unless it was there when this was
    /// said last; of many, [`MAX_LINES`] and how many more there are. One that is over is new when it comes again. Where
    /// the state is full, it stays silent rather than repeat itself.
    pub fn warn_each<T: Borrow<str>>(&self, troubles: &[T]) {
        let (said, others) = troubles.split_at(troubles.len().min(MAX_LINES));
        let before = state::get(self.0);
        if troubles.is_empty() {
            if before.is_some() {
                state::delete(self.0);
            }
            return;
        }
        let mut hashes: Vec<[u8; 8]> = said.iter().map(|trouble| hash(trouble.borrow())).collect();
        let before = before.unwrap_or_default();
        let known = |hash: &[u8; 8]| before.as_chunks().0.contains(hash);
        let new: Vec<&str> =
            said.iter().zip(&hashes).filter(|(_, hash)| !known(hash)).map(|(one, _)| one.borrow()).collect();
        let more = hash("and more");
        let more_is_new = !others.is_empty() && (!new.is_empty() || !known(&more));
        hashes.extend((!others.is_empty()).then_some(more));
        if hashes.concat() != before && state::set(self.0, &hashes.concat()).is_err() {
            return;
        }
        for line in new {
            log::warn!("{line}");
        }
        if more_is_new {
            log::warn!("and {} more like these", others.len());
        }
    }
}

fn hash(text: &str) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use sandbeat_sdk::testing::Sandbox;

    use super::*;

    const NOTICE: Notice = Notice::new("missing");

    fn lines(sandbox: &Sandbox) -> Vec<&str> {
        sandbox.lines().iter().map(|(_, line)| line.as_str()).collect()
    }

    #[test]
    fn a_trouble_is_said_when_it_begins_or_changes() {
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            for trouble in [None, Some("a"), Some("a"), Some("b"), None, None, Some("b")] {
                NOTICE.warn(trouble);
            }
        });
        assert_eq!(lines(&sandbox), ["a", "b", "b"]);
    }

    #[test]
    fn each_of_several_has_a_line_of_its_own() {
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            for troubles in [&["a", "b"][..], &["a", "b", "c"], &["b"], &["b", "a"]] {
                NOTICE.warn_each(troubles);
            }
        });
        assert_eq!(lines(&sandbox), ["a", "b", "c", "a"]);
    }

    #[test]
    fn of_many_the_first_are_said_and_how_many_more() {
        let troubles: Vec<String> = (0..30).map(|n| format!("trouble {n}")).collect();
        let mut sandbox = Sandbox::new();
        sandbox.run(|| NOTICE.warn_each(&troubles));
        assert_eq!(lines(&sandbox)[..MAX_LINES], troubles[..MAX_LINES]);
        assert_eq!(lines(&sandbox)[MAX_LINES..], ["and 10 more like these"]);
        sandbox.run(|| NOTICE.warn_each(&troubles));
        assert_eq!(lines(&sandbox).len(), MAX_LINES + 1, "once");
        sandbox.run(|| NOTICE.warn_each(&troubles[1..]));
        assert_eq!(lines(&sandbox)[MAX_LINES + 1..], ["trouble 20", "and 9 more like these"], "one that moves up");
        sandbox.run(|| NOTICE.warn_each(&troubles[15..]));
        assert_eq!(lines(&sandbox).len(), MAX_LINES + 3 + 9);
    }
}
