//! The sandboxes whose silence will mean something, in the order of when.
//!
//! Noticing what is due costs the number of deadlines due, not the size of the fleet. A deadline that moves later, as
//! every report moves it, is left where it is and looked at again when it comes up: a report costs one comparison.
//! Invariant: at most one deadline per sandbox, and [`Slot`] knows which.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// Deadlines in order.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(Instant, Arc<str>)>);

/// A sandbox's own note of where it stands in [`Deadlines`].
#[derive(Debug, Default)]
pub(crate) struct Slot(Option<Instant>);

impl Deadlines {
    /// Sees to it that a sandbox comes up at `wanted` or before, or not at all.
    pub(crate) fn set(&mut self, id: &Arc<str>, slot: &mut Slot, wanted: Option<Instant>) {
        if let (Some(queued), Some(wanted)) = (slot.0, wanted)
            && queued <= wanted
        {
            return;
        }
        if let Some(queued) = slot.0 {
            self.0.remove(&(queued, Arc::clone(id)));
        }
        if let Some(wanted) = wanted {
            self.0.insert((wanted, Arc::clone(id)));
        }
        slot.0 = wanted;
    }

    /// Takes out the first sandbox that comes up at `now` or before. Its [`Slot`] has to be [`Slot::clear`]ed.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Arc<str>> {
        if self.0.first()?.0 > now {
            return None;
        }
        self.0.pop_first().map(|(_, id)| id)
    }
}

impl Slot {
    /// Notes that the sandbox has been taken out.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ids(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn what_is_due_comes_up_in_order_and_once() {
        let start = Instant::now();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        let (mut deadlines, names) = (Deadlines::default(), ids(&["a", "b", "c"]));
        for (id, seconds) in names.iter().zip([3, 1, 9]) {
            deadlines.set(id, &mut Slot::default(), at(seconds));
        }
        let due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(start + Duration::from_secs(3))).collect();
        assert_eq!(due, ids(&["b", "a"]));
    }

    #[test]
    fn a_later_deadline_leaves_it_an_earlier_one_moves_it_and_none_takes_it_out() {
        let start = Instant::now();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        let (mut deadlines, mut slot, id) = (Deadlines::default(), Slot::default(), Arc::<str>::from("a"));
        deadlines.set(&id, &mut slot, at(5));
        deadlines.set(&id, &mut slot, at(8));
        assert_eq!(slot.0, at(5), "looked at again when it comes up");
        deadlines.set(&id, &mut slot, at(2));
        assert_eq!((slot.0, deadlines.0.len()), (at(2), 1));
        deadlines.set(&id, &mut slot, None);
        assert!(deadlines.0.is_empty());
        assert_eq!(deadlines.pop_due(start + Duration::from_secs(60)), None);
    }
}
