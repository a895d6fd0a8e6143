//! The log of changes that are not in the database itself yet: when it is brought there, and how it is kept from
//! growing without end. Owner is the writer.
//!
//! A thread of its own copies the log while the writer goes on; when little is left, the writer copies that and starts
//! the log anew, between two transactions. It is time to where nothing more is asked to be kept for a moment, so that
//! what one registered is not long in the log alone, and where the log is large. Under load the log's file is written
//! over from its start, which is cheaper than to make it longer again; at rest it is made empty.
//!
//! What somebody reads stays in the log: who reads for an hour, a backup for example, lets an hour's changes stay. A
//! disk may also take the copies more slowly than the changes. At a size, beats, which are most of them, then wait;
//! what is answered once it is on disk goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::checkpoint::{Checkpointer, Pages, checkpoint};
use super::error::Error;
use super::place::{BUSY, Place};
use super::trouble::{Trouble, What};

/// So long after the last change that someone waited for the log is brought into the database,
const SOON: Duration = Duration::from_secs(1);
/// so long after the first change of any kind,
const LATER: Duration = Duration::from_secs(30);
/// and when it has so many pages of 4 KiB.
const LARGE: u64 = 16_384;
/// Beats wait while it has more than so many.
const MOST: u64 = 65_536;
/// The writer itself copies so many, at most.
const REST: u64 = 512;

/// The log, as the writer sees it.
#[derive(Debug)]
pub(super) struct Log {
    most: u64,
    checkpointer: Checkpointer,
    /// Of the first change that is in the log alone.
    first: Option<Instant>,
    /// Of the last one that someone waited for.
    last: Option<Instant>,
    held: Option<Held>,
    trouble: Trouble,
}

/// Since when it is too large.
#[derive(Debug)]
struct Held {
    since: Instant,
    said: bool,
}

impl Log {
    /// The log of the database at this place.
    ///
    /// # Errors
    /// See [`Checkpointer::start`].
    pub(super) fn of(place: &Arc<Place>) -> Result<Self, Error> {
        Self::of_at_most(place, MOST)
    }

    fn of_at_most(place: &Arc<Place>, most: u64) -> Result<Self, Error> {
        let checkpointer = Checkpointer::start(place)?;
        let trouble = Trouble::none(What::Log);
        // There is what a hub before this one left.
        let now = Some(Instant::now());
        Ok(Log { most, checkpointer, first: now, last: now, held: None, trouble })
    }

    /// Something was written; `waited` where someone waited for it.
    pub(super) fn written(&mut self, waited: bool) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        if waited {
            self.last = Some(now);
        }
    }

    /// Whether it is so large that beats wait.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether it cannot be brought into the database.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.is_on()
    }

    /// Whether the database is being written to.
    pub(super) fn is_copying(&self) -> bool {
        self.checkpointer.is_running()
    }

    /// Goes on where the thread has done its part; after each transaction. Returns whether it had.
    pub(super) fn go_on(&mut self, place: &Place, connection: &Connection) -> bool {
        let result = self.checkpointer.result();
        let done = result.is_some();
        if let Some(result) = result {
            self.copied(result, place, connection, Instant::now());
        }
        done
    }

    /// Looks at its size, and begins what is due; every so often.
    pub(super) fn look(&mut self, place: &Place, connection: &Connection) {
        let now = Instant::now();
        let Ok(Pages { log, left }) = checkpoint(connection, "NOOP") else { return };
        self.hold(log > self.most && left > 0, place, now);
        let large = log > LARGE && left > 0;
        if (large || self.is_held() || self.due().is_some_and(|due| due <= now)) && now >= self.trouble.retry() {
            self.checkpointer.ask();
        }
    }

    /// Copies all of it and makes it empty, once nobody else does; the last call.
    pub(super) fn finish(self, connection: &Connection) {
        drop(self.checkpointer);
        // What is not in the database then is in the log.
        let _ = start_anew(connection, "TRUNCATE");
    }

    fn due(&self) -> Option<Instant> {
        let latest = self.first? + LATER;
        Some(self.last.map_or(latest, |last| latest.min(last + SOON)))
    }

    /// The thread has copied what there was.
    fn copied(&mut self, result: rusqlite::Result<Pages>, place: &Place, connection: &Connection, now: Instant) {
        let result = match result {
            Ok(pages) if pages.left > REST => {
                // More came meanwhile.
                self.checkpointer.ask();
                return;
            }
            Ok(pages) => start_anew(connection, if pages.log > LARGE { "RESTART" } else { "TRUNCATE" }),
            Err(error) => Err(error),
        };
        match result {
            Ok(_) => {
                (self.first, self.last) = (None, None);
                self.hold(false, place, now);
                self.trouble.worked(place.path(), 0);
            }
            // Someone reads.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
            Err(error) => self.trouble.failed(place.path(), &error),
        }
    }

    fn hold(&mut self, large: bool, place: &Place, now: Instant) {
        let path = place.path().display();
        match (large, &mut self.held) {
            (true, None) => self.held = Some(Held { since: now, said: false }),
            (true, Some(held)) if !held.said && now >= held.since + LATER => {
                held.said = true;
                tracing::error!(
                    "the log of changes beside {path} is too large: another program reads {path} for so long, or its \
                     disk is too slow; what sandboxes report is not saved until it is smaller"
                );
            }
            (false, Some(held)) => {
                if held.said {
                    tracing::info!("the log beside {path} is small again; what sandboxes report is saved again");
                }
                self.held = None;
            }
            _ => {}
        }
    }
}

/// Copies what is left, and lets the log begin anew. Who reads is not waited for.
fn start_anew(connection: &Connection, how: &str) -> rusqlite::Result<Pages> {
    connection.busy_timeout(Duration::ZERO)?;
    let done = checkpoint(connection, how);
    connection.busy_timeout(BUSY)?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::place::Lock;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn open(directory: &tempfile::TempDir) -> (Arc<Place>, Option<Lock>) {
        let (place, lock) = Place::open(Some(directory.path())).unwrap();
        (Arc::new(place), lock)
    }

    fn change(connection: &Connection, log: &mut Log) {
        let insert = "INSERT INTO events (at, type, detail) VALUES (0, 'lost', ?1)";
        connection.execute(insert, ["x".repeat(100_000)]).unwrap();
        log.written(true);
    }

    #[track_caller]
    fn until(log: &mut Log, place: &Place, connection: &Connection, good: impl Fn(&Log) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !good(log) {
            assert!(Instant::now() < deadline, "not in time: {log:?}");
            std::thread::yield_now();
            log.go_on(place, connection);
            log.look(place, connection);
        }
    }

    fn bytes(directory: &tempfile::TempDir) -> u64 {
        std::fs::metadata(directory.path().join("hub.db-wal")).unwrap().len()
    }

    #[test]
    fn a_log_that_someone_holds_is_noticed_until_they_let_go() {
        let directory = tempfile::tempdir().unwrap();
        let (place, _lock) = open(&directory);
        let connection = place.writer().unwrap();
        let mut log = Log::of_at_most(&place, 250).unwrap();
        change(&connection, &mut log);
        log.look(&place, &connection);
        assert!(!log.is_held());

        let reader = place.reader().unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
        for _ in 0..20 {
            change(&connection, &mut log);
        }
        log.look(&place, &connection);
        assert!(log.is_held() && bytes(&directory) > 1_000_000);
        reader.execute_batch("COMMIT").unwrap();
        until(&mut log, &place, &connection, |log| !log.is_held() && bytes(&directory) == 0);

        for _ in 0..20 {
            change(&connection, &mut log);
        }
        until(&mut log, &place, &connection, |log| !log.is_held() && bytes(&directory) == 0);
    }

    #[test]
    fn a_run_that_fails_is_trouble_until_one_works_and_a_reader_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let (place, _lock) = open(&directory);
        let connection = place.writer().unwrap();
        let mut log = Log::of(&place).unwrap();
        let mut after = |result| {
            log.copied(result, &place, &connection, Instant::now());
            log.is_in_trouble()
        };
        let failure = |code| Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        assert!(!after(failure(rusqlite::ffi::SQLITE_BUSY)));
        assert!(after(failure(rusqlite::ffi::SQLITE_FULL)));
        assert!(!after(Ok(Pages::default())));
    }

    #[test]
    fn what_someone_waited_for_is_not_long_in_the_log_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (place, _lock) = open(&directory);
        let connection = place.writer().unwrap();
        let mut log = Log::of(&place).unwrap();
        change(&connection, &mut log);
        assert!(bytes(&directory) > 0);
        until(&mut log, &place, &connection, |_| bytes(&directory) == 0);
        let now = Instant::now();
        assert_eq!(log.due(), None);
        log.written(false);
        assert!(log.due().unwrap() >= now + LATER, "beats can wait");
        log.written(true);
        assert!(log.due().unwrap() <= Instant::now() + SOON);
        drop(log);
    }
}
