//! What is noted of one webhook, by its task alone.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;

use super::{Counter, Gauge};

/// What is noted of a webhook.
#[derive(Debug)]
pub(crate) struct WebhookMeasures {
    /// What it is called.
    pub(crate) name: String,
    /// Events that it took.
    pub(crate) delivered: Counter,
    /// Attempts that failed.
    pub(crate) failures: Counter,
    /// Events that it did not take for so long that they were given up.
    pub(crate) given_up: Counter,
    /// Events that were read for it and that it has not taken.
    waiting: Gauge,
    /// The number of the last event that was read for it; the highest that there can be where all are read as they come.
    read: AtomicU64,
    /// When the oldest was that waits, in milliseconds since 1970; 0 where none does.
    oldest: AtomicI64,
}

impl WebhookMeasures {
    pub(super) fn new(name: String) -> Self {
        WebhookMeasures {
            name,
            delivered: Counter::default(),
            failures: Counter::default(),
            given_up: Counter::default(),
            waiting: Gauge::default(),
            read: AtomicU64::new(u64::MAX),
            oldest: AtomicI64::new(0),
        }
    }

    /// So many events wait that were read for it, of which the oldest was then. `read` is the last one that was read,
    /// where not all are as they come.
    pub(crate) fn waits(&self, waiting: usize, read: Option<u64>, oldest: Option<Timestamp>) {
        self.waiting.set(waiting);
        self.read.store(read.unwrap_or(u64::MAX), Ordering::Relaxed);
        self.oldest.store(oldest.map_or(0, Timestamp::as_millisecond), Ordering::Relaxed);
    }

    /// How many events wait for it where `newest` is the last one that there is. Those that were not read are counted
    /// by their numbers, so also the ones of kinds that it does not want.
    pub(crate) fn behind(&self, newest: u64) -> u64 {
        let unread = newest.saturating_sub(self.read.load(Ordering::Relaxed));
        u64::try_from(self.waiting.get()).unwrap_or(0).saturating_add(unread)
    }

    /// How long ago the oldest happened that waits, in seconds; 0 where none does.
    pub(crate) fn oldest_age(&self, now: Timestamp) -> f64 {
        match self.oldest.load(Ordering::Relaxed) {
            0 => 0.0,
            oldest => (now.as_millisecond().saturating_sub(oldest)).max(0) as f64 / 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_webhook_has_not_read_is_counted_by_its_numbers() {
        let (webhook, at) = (WebhookMeasures::new(String::new()), Timestamp::from_second(1_800_000_000).unwrap());
        assert_eq!((webhook.behind(100), webhook.oldest_age(at)), (0, 0.0));
        webhook.waits(3, None, Some(at));
        let later = at + Duration::from_millis(2500);
        assert_eq!(
            (webhook.behind(100), webhook.oldest_age(later), webhook.oldest_age(Timestamp::UNIX_EPOCH)),
            (3, 2.5, 0.0)
        );
        webhook.waits(3, Some(90), Some(at));
        assert_eq!((webhook.behind(100), webhook.behind(80)), (13, 3));
        webhook.waits(0, None, None);
        assert_eq!((webhook.behind(100), webhook.oldest_age(later)), (0, 0.0));
    }
}
