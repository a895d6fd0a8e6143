//! The sandboxes whose silence will mean something, in the order of when.
//!
//! A timer wheel: one list per [`Tick`], linked through an array with a place per sandbox, so that putting one in,
//! moving it and taking it out cost the same whatever the size of the fleet, and noticing what is due costs the number
//! of deadlines due. A deadline that moves later, as every report moves it, is left where it is and looked at again
//! when it comes up: a report costs one comparison.
//!
//! Invariant: a sandbox is in one list at most, and its [`Link`] says in which. One more list is of those that are
//! [held](Deadlines::hold): they come up when they are released, not by themselves.

use std::collections::BTreeMap;

use super::chunks::Chunks;
use super::clock::Tick;

/// The list of those that are held; after all ticks.
const HELD: u32 = Tick::LAST.0 + 1;
/// In no list; the end of a list.
const NONE: u32 = u32::MAX;

/// Deadlines in order. A sandbox is a small number, its place.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// The first sandbox of each list that is not empty.
    first: BTreeMap<u32, u32>,
    links: Chunks<Link>,
    held: usize,
}

/// Where a sandbox stands.
#[derive(Clone, Copy, Debug)]
struct Link {
    list: u32,
    before: u32,
    after: u32,
}

impl Default for Link {
    fn default() -> Self {
        Link { list: NONE, before: NONE, after: NONE }
    }
}

impl Deadlines {
    /// Sees to it that a sandbox comes up at `wanted` or before, or not at all. One that is held no longer is.
    pub(crate) fn set(&mut self, place: u32, wanted: Option<Tick>) {
        let wanted = wanted.map_or(NONE, |tick| tick.0);
        let present = self.links.get(place).map_or(NONE, |link| link.list);
        if present > wanted || wanted == NONE {
            self.take_out(place);
            self.put_in(place, wanted);
        }
    }

    /// Keeps a sandbox until it is released.
    pub(crate) fn hold(&mut self, place: u32) {
        self.take_out(place);
        self.put_in(place, HELD);
    }

    /// How many are held.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Whether a sandbox is held.
    pub(crate) fn holds(&self, place: u32) -> bool {
        self.links.get(place).is_some_and(|link| link.list == HELD)
    }

    /// Takes out one that is held.
    pub(crate) fn release(&mut self) -> Option<u32> {
        let place = *self.first.get(&HELD)?;
        self.take_out(place);
        Some(place)
    }

    /// Takes out a sandbox that comes up at `now` or before, the earliest list first.
    pub(crate) fn pop_due(&mut self, now: Tick) -> Option<u32> {
        let (_, place) = self.first.first_key_value().filter(|(list, _)| **list <= now.0)?;
        let place = *place;
        self.take_out(place);
        Some(place)
    }

    fn put_in(&mut self, place: u32, list: u32) {
        if list == NONE {
            return;
        }
        self.held += usize::from(list == HELD);
        let after = self.first.insert(list, place).unwrap_or(NONE);
        if let Some(link) = self.links.get_mut(after) {
            link.before = place;
        }
        *self.links.grow(place) = Link { list, before: NONE, after };
    }

    fn take_out(&mut self, place: u32) {
        let Some(link) = self.links.get_mut(place) else { return };
        let Link { list, before, after } = std::mem::take(link);
        if list == NONE {
            return;
        }
        self.held -= usize::from(list == HELD);
        if let Some(link) = self.links.get_mut(after) {
            link.before = before;
        }
        if let Some(link) = self.links.get_mut(before) {
            link.after = after;
        } else if after == NONE {
            self.first.remove(&list);
        } else {
            self.first.insert(list, after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(deadlines: &mut Deadlines, tick: u32) -> Vec<u32> {
        let mut due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(Tick(tick))).collect();
        due.sort_unstable();
        due
    }

    #[test]
    fn what_is_due_comes_up_in_order_and_once() {
        let mut deadlines = Deadlines::default();
        for (place, tick) in [(0, 3), (1, 1), (5000, 9), (3, 3)] {
            deadlines.set(place, Some(Tick(tick)));
        }
        assert_eq!(deadlines.pop_due(Tick(3)), Some(1));
        assert_eq!(due(&mut deadlines, 3), [0, 3]);
        assert!(due(&mut deadlines, 8).is_empty());
        assert_eq!(due(&mut deadlines, 9), [5000]);
    }

    #[test]
    fn a_later_deadline_leaves_it_an_earlier_one_moves_it_and_none_takes_it_out() {
        let mut deadlines = Deadlines::default();
        deadlines.set(7, Some(Tick(5)));
        deadlines.set(7, Some(Tick(8)));
        assert_eq!(due(&mut deadlines, 5), [7], "looked at again when it comes up");
        deadlines.set(7, Some(Tick(8)));
        deadlines.set(7, Some(Tick(2)));
        assert_eq!((due(&mut deadlines, 2), due(&mut deadlines, 100)), (vec![7], vec![]));
        deadlines.set(7, Some(Tick(200)));
        deadlines.set(7, None);
        assert!(due(&mut deadlines, 1000).is_empty());
        assert!(deadlines.first.is_empty(), "no empty list is left");
    }

    #[test]
    fn taking_one_out_of_the_middle_leaves_its_neighbours() {
        for out in 0..4 {
            let mut deadlines = Deadlines::default();
            (0..4).for_each(|place| deadlines.set(place, Some(Tick(1))));
            deadlines.set(out, None);
            let rest: Vec<_> = (0..4).filter(|place| *place != out).collect();
            assert_eq!(due(&mut deadlines, 1), rest);
        }
    }

    #[test]
    fn what_is_held_comes_up_when_it_is_released_or_wanted_earlier() {
        let mut deadlines = Deadlines::default();
        (0..3).for_each(|place| deadlines.set(place, Some(Tick(1))));
        (0..3).for_each(|place| deadlines.hold(place));
        assert_eq!((due(&mut deadlines, Tick::LAST.0), deadlines.held()), (vec![], 3));
        deadlines.set(1, Some(Tick(4)));
        assert!(!deadlines.holds(1) && deadlines.holds(0));
        assert_eq!(due(&mut deadlines, 4), [1]);
        let mut released: Vec<_> = std::iter::from_fn(|| deadlines.release()).collect();
        released.sort_unstable();
        assert_eq!((released, deadlines.held()), (vec![0, 2], 0));
    }
}
