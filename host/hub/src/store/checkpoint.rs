//! The thread that brings the log of changes into the database, so that whoever waits for a commit does not wait for
//! that. Owner is the writer's [`Log`](super::log::Log), which asks for one run at a time.
//!
//! A run takes what is in the log when it begins, and waits for nobody: neither the writer nor who reads. What is
//! written meanwhile is left for the next. Where a run fails, the log has everything still.
//!
//! Before the writer may start the log anew, SQLite has the disk take all that was copied, with the writer waiting. So
//! a run that copied much has it taken here, and little is left for then. One that copied little does not: what comes
//! meanwhile would be as much again, on a slow disk without end.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::error::Error;
use super::place::Place;

/// More pages than this are much.
const MUCH: u64 = 2048;

/// How much there is in the log, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pages {
    /// All of it.
    pub log: u64,
    /// What is not in the database yet.
    pub left: u64,
}

/// The thread, as its owner has it.
#[derive(Debug)]
pub(super) struct Checkpointer {
    /// None once it is to end.
    asks: Option<Sender<()>>,
    done: Receiver<rusqlite::Result<Pages>>,
    running: bool,
    thread: Option<JoinHandle<()>>,
}

impl Pages {
    fn copied(self) -> u64 {
        self.log.saturating_sub(self.left)
    }
}

impl Checkpointer {
    /// Starts it.
    ///
    /// # Errors
    /// The database's, or the system gives no thread.
    pub(super) fn start(place: &Arc<Place>) -> Result<Self, Error> {
        let place = Arc::clone(place);
        let connection = place.checkpointer()?;
        let (asks, asked) = mpsc::channel();
        let (answer, done) = mpsc::channel();
        let run = move || {
            for () in asked {
                if answer.send(copy(&connection, &place)).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("hub-checkpoint".into()).spawn(run).map_err(Error::Thread)?;
        Ok(Checkpointer { asks: Some(asks), done, running: false, thread: Some(thread) })
    }

    /// Whether a run is under way, or has ended and nobody has asked what it came to.
    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// Begins a run unless one is under way.
    pub(super) fn ask(&mut self) {
        if !self.running {
            // One that ended is noticed below.
            self.running = self.asks.as_ref().is_some_and(|asks| asks.send(()).is_ok());
        }
    }

    /// What a run came to, once it has.
    pub(super) fn result(&mut self) -> Option<rusqlite::Result<Pages>> {
        if !self.running {
            return None;
        }
        match self.done.try_recv() {
            Ok(result) => {
                self.running = false;
                Some(result)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                (self.running, self.asks) = (false, None);
                None
            }
        }
    }
}

impl Drop for Checkpointer {
    /// Waits for the run that is under way.
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that brings the log into the database ended; this is a bug");
        }
    }
}

/// One run.
fn copy(connection: &Connection, place: &Place) -> rusqlite::Result<Pages> {
    let before = checkpoint(connection, "NOOP")?;
    let after = checkpoint(connection, "PASSIVE")?;
    if after.copied() > before.copied() + MUCH {
        place.sync();
    }
    Ok(after)
}

/// Brings the log into the database in one of SQLite's ways; returns what is in it then.
///
/// # Errors
/// SQLite's, also where that way waits for somebody.
pub(super) fn checkpoint(connection: &Connection, how: &str) -> rusqlite::Result<Pages> {
    let (busy, log, done) = connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| {
        Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    if busy && how != "PASSIVE" {
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None));
    }
    let pages = |count| u64::try_from(count).unwrap_or(0);
    Ok(Pages { log: pages(log), left: pages(log).saturating_sub(pages(done)) })
}
