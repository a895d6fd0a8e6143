//! How many of those that should be heard are silent: past one assigned interval and the grace.
//!
//! Counted by the [`Tick`] from which each is silent, so that a report costs two steps in a small map and the passing
//! of time costs the ticks that passed, not the sandboxes. Who counts and under which tick is the caller's to remember:
//! what was added is removed under the same tick.

use std::collections::BTreeMap;

use super::clock::Tick;

/// A count of the silent.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    /// How many become silent at each tick after `now`.
    coming: BTreeMap<Tick, usize>,
    now: Tick,
    silent: usize,
    /// All that were added.
    all: usize,
}

impl Silence {
    /// Time has come to a tick; it never goes back.
    pub(crate) fn advance(&mut self, now: Tick) {
        self.now = self.now.max(now);
        while let Some(entry) = self.coming.first_entry().filter(|entry| *entry.key() <= self.now) {
            self.silent += entry.remove();
        }
    }

    /// Counts a sandbox that will be silent from a tick on; `None`: never.
    pub(crate) fn add(&mut self, from: Option<Tick>) {
        self.all += 1;
        match from {
            Some(from) if from <= self.now => self.silent += 1,
            Some(from) => *self.coming.entry(from).or_default() += 1,
            None => {}
        }
    }

    /// Counts it no longer.
    pub(crate) fn remove(&mut self, from: Option<Tick>) {
        self.all -= 1;
        match from {
            Some(from) if from <= self.now => self.silent -= 1,
            Some(from) => {
                if let Some(count) = self.coming.get_mut(&from) {
                    *count -= 1;
                    if *count == 0 {
                        self.coming.remove(&from);
                    }
                }
            }
            None => {}
        }
    }

    /// How many are silent.
    pub(crate) fn silent(&self) -> usize {
        self.silent
    }

    /// How many there are.
    pub(crate) fn all(&self) -> usize {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_heard_in_time_is_silent_until_it_is() {
        let mut silence = Silence::default();
        for tick in [3, 3, 5] {
            silence.add(Some(Tick(tick)));
        }
        silence.add(None);
        let mut at = |tick| {
            silence.advance(Tick(tick));
            (silence.silent(), silence.all())
        };
        assert_eq!([at(2), at(3), at(9), at(4)], [(0, 4), (2, 4), (3, 4), (3, 4)]);
        silence.remove(Some(Tick(3)));
        silence.add(Some(Tick(20)));
        silence.remove(None);
        assert_eq!((silence.silent(), silence.all()), (2, 3));
        silence.remove(Some(Tick(20)));
        assert!(silence.coming.is_empty());
    }
}
