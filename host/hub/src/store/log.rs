//! The log of changes that are not in the database itself yet, kept from growing without end.
//!
//! SQLite brings it into the database every so often, but only up to where the oldest reader is: someone who reads for
//! an hour, a backup for example, lets an hour's changes stay in the log. Beats are most of them, and wait; what is
//! answered once it is on disk goes on.

use std::time::Duration;

use rusqlite::Connection;

use super::place::{BUSY, Place};

/// Whether the log has become too large.
#[derive(Debug)]
pub(super) struct Log {
    most: u64,
    held: bool,
}

impl Log {
    /// A log that may have so many bytes.
    pub(super) fn of_at_most(most: u64) -> Self {
        Log { most, held: false }
    }

    /// Whether it has more, and somebody holds it.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Looks at its size, and tries to make it smaller where it is too large.
    pub(super) fn look(&mut self, place: &Place, connection: &Connection) {
        if !self.held && place.log_bytes() <= self.most {
            return;
        }
        // Whether it worked is in the size.
        let _ = checkpoint(connection);
        let bytes = place.log_bytes();
        let held = bytes > self.most;
        if held == self.held {
            return;
        }
        self.held = held;
        let path = place.path().display();
        if held {
            tracing::error!(
                bytes,
                "another program reads {path} for so long that the log of changes beside it grows; what sandboxes \
                 report is not saved until it ends"
            );
        } else {
            tracing::info!("the log beside {path} is small again; what sandboxes report is saved again");
        }
    }
}

/// Brings the log into the database and makes it short. Who reads is not waited for.
///
/// # Errors
/// SQLite's, also when someone reads.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(BUSY)?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_someone_holds_is_noticed_until_they_let_go() {
        let directory = tempfile::tempdir().unwrap();
        let (place, _lock) = Place::open(Some(directory.path())).unwrap();
        let connection = place.writer().unwrap();
        let change = || {
            let insert = "INSERT INTO events (at, type, detail) VALUES (0, 'lost', ?1)";
            connection.execute(insert, ["x".repeat(100_000)]).unwrap();
        };
        let mut log = Log::of_at_most(1_000_000);
        change();
        log.look(&place, &connection);
        assert!(!log.is_held());

        let reader = place.reader().unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
        for _ in 0..20 {
            change();
        }
        log.look(&place, &connection);
        assert!(log.is_held() && place.log_bytes() > 1_000_000);
        reader.execute_batch("COMMIT").unwrap();
        log.look(&place, &connection);
        assert!(!log.is_held() && place.log_bytes() == 0);

        for _ in 0..20 {
            change();
        }
        log.look(&place, &connection);
        assert!(!log.is_held() && place.log_bytes() == 0, "nobody reads, so it is made small at once");
    }
}
