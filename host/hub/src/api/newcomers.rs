//! How many sandboxes that nobody registered one origin may bring in, where enrolment is open: so many a minute, so that
//! made-up ids from one address do not take all the room that the hub has. Counting only; whoever asks says the time.
//!
//! A minute begins with the first newcomer after the one before it, and what was counted is forgotten with it. Those who
//! were let in and found no room after all are not counted, so no more origins are known than sandboxes came in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::crowd::Origin;

const MINUTE: Duration = Duration::from_secs(60);

/// The newcomers of this minute.
#[derive(Debug)]
pub(crate) struct Newcomers {
    most: u32,
    minute: Mutex<Minute>,
}

#[derive(Debug, Default)]
struct Minute {
    began: Option<Instant>,
    counts: HashMap<Origin, u32>,
}

impl Newcomers {
    /// At most so many of one origin in a minute.
    pub(crate) fn new(most: u32) -> Self {
        Newcomers { most, minute: Mutex::default() }
    }

    /// Counts one at `now`; returns whether it may come in.
    pub(crate) fn admits(&self, origin: Origin, now: Instant) -> bool {
        let mut minute = self.minute();
        if minute.began.is_none_or(|began| now.saturating_duration_since(began) >= MINUTE) {
            *minute = Minute { began: Some(now), counts: HashMap::new() };
        }
        let count = minute.counts.entry(origin).or_default();
        let admitted = *count < self.most;
        *count += u32::from(admitted);
        admitted
    }

    /// One that was counted did not come in.
    pub(crate) fn forget(&self, origin: Origin) {
        if let Entry::Occupied(mut count) = self.minute().counts.entry(origin) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn minute(&self) -> MutexGuard<'_, Minute> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn each_origin_brings_in_so_many_a_minute() {
        let newcomers = Newcomers::new(2);
        let start = Instant::now();
        let origin = |address: &str| Origin::from(address.parse::<IpAddr>().unwrap());
        let admits = |address, second| newcomers.admits(origin(address), start + Duration::from_secs(second));
        assert_eq!([admits("10.0.0.1", 0), admits("::ffff:10.0.0.1", 1), admits("10.0.0.1", 2)], [true, true, false]);
        assert!(admits("10.0.0.2", 2), "another one is not to blame");
        assert_eq!([admits("2001:db8::1", 3), admits("2001:db8::2", 3), admits("2001:db8::3", 3)], [true, true, false]);
        newcomers.forget(origin("10.0.0.1"));
        assert_eq!([admits("10.0.0.1", 59), admits("10.0.0.1", 59)], [true, false], "one found no room");
        assert!(admits("10.0.0.1", 60));
        (0..2).for_each(|_| newcomers.forget(origin("10.0.0.2")));
        assert_eq!(newcomers.minute().counts.len(), 1, "and the minute before does not count any more");
    }
}
