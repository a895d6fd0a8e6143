//! Times of the wall clock in half the size, for what there are a million of. They are exact as the store keeps them.

use jiff::Timestamp;

/// A time, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Milliseconds(i64);

impl Milliseconds {
    /// 1970.
    pub(super) const EPOCH: Self = Milliseconds(0);
    /// The last second that there is.
    pub(super) const FOREVER: Self = Milliseconds(253_402_207_200_000);

    /// As the store has it.
    pub(crate) fn number(self) -> i64 {
        self.0
    }
}

impl From<Timestamp> for Milliseconds {
    fn from(time: Timestamp) -> Self {
        Milliseconds(time.as_millisecond())
    }
}

impl From<Milliseconds> for Timestamp {
    fn from(time: Milliseconds) -> Self {
        Timestamp::from_millisecond(time.0).unwrap_or_default()
    }
}
