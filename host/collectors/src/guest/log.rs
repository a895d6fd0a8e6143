//! Bounds the log lines of one collector over time, across its instances.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// The lines of the current minute. Owner: the plugin; it outlives versions of the files.
#[derive(Debug, Default)]
pub(crate) struct LogBudget(Mutex<Option<(Instant, u64)>>);

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Granted,
    /// The first one that is too many in this minute.
    Last,
    Refused,
}

impl LogBudget {
    pub(super) fn take(&self, limit: u64, now: Instant) -> Line {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, lines) = match &mut *minute {
            Some(current) if now.duration_since(current.0) < MINUTE => current,
            other => other.insert((now, 0)),
        };
        *lines = lines.saturating_add(1);
        match (*lines).cmp(&limit.saturating_add(1)) {
            std::cmp::Ordering::Less => Line::Granted,
            std::cmp::Ordering::Equal => Line::Last,
            std::cmp::Ordering::Greater => Line::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_said_once_a_minute() {
        let budget = LogBudget::default();
        let start = Instant::now();
        let lines: Vec<Line> = (0..1000).map(|_| budget.take(60, start)).collect();
        assert!(lines[..60].iter().all(|line| *line == Line::Granted));
        assert_eq!(lines[60], Line::Last);
        assert!(lines[61..].iter().all(|line| *line == Line::Refused));
        assert_eq!(budget.take(60, start + MINUTE), Line::Granted);
    }
}
