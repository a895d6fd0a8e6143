//! Whether there is room for one more sandbox, as far as that is said: once when the hub is full, and once when it has
//! room again.

use std::sync::atomic::{AtomicBool, Ordering};

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Room {
    full: AtomicBool,
}

impl Room {
    /// A sandbox was refused because there are `most`.
    pub(super) fn none(&self, most: usize) {
        if !self.full.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the hub is full: it keeps its limit of {most} sandboxes, and refuses new ones; delete some, or raise \
                 `hub.max_sandboxes`"
            );
        }
    }

    /// A sandbox was removed, and so many are left. A hub that is always nearly full does not say it each time.
    pub(super) fn made(&self, left: usize, most: usize) {
        if left <= most - most.div_ceil(100) && self.full.swap(false, Ordering::Relaxed) {
            tracing::info!("the hub has room for new sandboxes again: it keeps {left} of {most}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_full_until_a_hundredth_of_it_is_free() {
        let room = Room::default();
        let full = || room.full.load(Ordering::Relaxed);
        room.made(999, 1000);
        assert!(!full());
        room.none(1000);
        for (left, still) in [(999, true), (991, true), (990, false)] {
            room.made(left, 1000);
            assert_eq!(full(), still, "{left}");
        }
        room.none(1);
        room.made(0, 1);
        assert!(!full());
    }
}
