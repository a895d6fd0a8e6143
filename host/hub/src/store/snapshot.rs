//! Beats on their way to disk: every so often, whatever has changed since is written in parts, between which the
//! writer does what someone waits for.
//!
//! A round ends with a part that is not full. Where a round takes longer than the interval, the next begins at once:
//! a sandbox that reported twice meanwhile is written once, so the disk gets as much as it can take, and what a crash
//! loses grows to the length of a round.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::Shared;
use super::rows::Writes;
use crate::fleet::Changed;
use crate::measure::DiskMeasures;

/// So many sandboxes are written as one transaction, and looked at under one lock.
const PART: usize = 1024;

/// The rounds.
#[derive(Debug)]
pub(super) struct Rounds {
    interval: Duration,
    next: Instant,
    began: Option<Instant>,
    /// Sandboxes written in this round.
    written: usize,
    /// Taken from the fleet, and not written yet.
    part: Vec<Changed>,
    /// The last round was too slow, and that was said.
    slow: bool,
}

impl Rounds {
    /// The first is an interval away.
    pub(super) fn every(interval: Duration) -> Self {
        Rounds { interval, next: Instant::now() + interval, began: None, written: 0, part: Vec::new(), slow: false }
    }

    /// When there is something to do; in the past while a round goes on.
    pub(super) fn due(&self) -> Instant {
        self.began.unwrap_or(self.next)
    }

    /// Writes a part. Returns whether the round goes on.
    ///
    /// # Errors
    /// SQLite's; the part is kept for the next call.
    pub(super) fn write_part(&mut self, connection: &mut Connection, shared: &Shared) -> rusqlite::Result<bool> {
        let began = *self.began.get_or_insert_with(Instant::now);
        if self.part.is_empty() {
            self.part = shared.fleet().take_changed(PART);
        }
        let full = self.part.len() >= PART;
        if !self.part.is_empty() {
            write(connection, &self.part)?;
            self.written += self.part.len();
            self.part.clear();
        }
        if !full {
            self.end(began, &shared.measures.disk);
        }
        Ok(full)
    }

    fn end(&mut self, began: Instant, measures: &DiskMeasures) {
        self.began = None;
        measures.snapshot_sandboxes.set(std::mem::take(&mut self.written));
        measures.snapshots.note(began.elapsed());
        self.next = (began + self.interval).max(Instant::now());
        let (took, slow) = (began.elapsed(), began.elapsed() > self.interval);
        if slow != self.slow {
            self.slow = slow;
            if slow {
                tracing::warn!(
                    seconds = took.as_secs(),
                    "writing what sandboxes report takes longer than `snapshot_interval`, so a crash loses more than \
                     that; a faster disk or a longer interval helps"
                );
            } else {
                tracing::info!("writing what sandboxes report keeps up with `snapshot_interval` again");
            }
        }
    }
}

/// No answer depends on these, so they are not waited for: the log gets them in order, and the next change that is
/// waited for brings them to disk as well.
fn write(connection: &mut Connection, part: &[Changed]) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "normal")?;
    let written = write_all(connection, part);
    connection.pragma_update(None, "synchronous", "full")?;
    written
}

fn write_all(connection: &mut Connection, part: &[Changed]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut writes = Writes::new(&transaction)?;
    for Changed { snapshot, history, untold } in part {
        if *untold {
            writes.stand(snapshot.registration.serial, snapshot.standing, snapshot.since)?;
        }
        if let Some(beat) = &snapshot.beat {
            writes.beat(snapshot.registration.serial, beat, Some(history))?;
        }
    }
    drop(writes);
    transaction.commit()
}
