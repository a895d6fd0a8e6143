//! Beats on their way to disk: every so often, whatever has changed since is written in parts, between which the
//! writer does what someone waits for.
//!
//! A round ends with a part that is not full. Where a round takes longer than the interval, the next begins at once:
//! a sandbox that reported twice meanwhile is written once, so the disk gets as much as it can take, and what a crash
//! loses grows to the length of a round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::Shared;
use super::rows::Writes;
use super::wal::UNSYNCED;
use crate::fleet::Changed;
use crate::measure::DiskMeasures;

/// So many sandboxes are written as one transaction, and looked at under one lock; what someone waits for comes in
/// between two of them.
const PART: usize = 256;

/// The rounds.
#[derive(Debug)]
pub(super) struct Rounds {
    interval: Duration,
    next: Instant,
    began: Option<Instant>,
    /// Sandboxes written in this round.
    written: usize,
    /// Sandboxes of this round whose events are not on disk yet: a beat is saved after what it changed, so they are in
    /// the next round again.
    later: Vec<Arc<str>>,
    /// So many parts were not waited for since the last that was.
    unsynced: u64,
    /// The last round was too slow, and that was said.
    slow: bool,
}

impl Rounds {
    /// The first is an interval away.
    pub(super) fn every(interval: Duration) -> Self {
        let next = Instant::now() + interval;
        Rounds { interval, next, began: None, written: 0, later: Vec::new(), unsynced: 0, slow: false }
    }

    /// When there is something to do; in the past while a round goes on.
    pub(super) fn due(&self) -> Instant {
        self.began.unwrap_or(self.next)
    }

    /// Writes a part. Returns whether the round goes on.
    ///
    /// # Errors
    /// SQLite's; the part is among what the fleet has changed again, so that nothing newer is overwritten later.
    pub(super) fn write_part(&mut self, connection: &mut Connection, shared: &Shared) -> rusqlite::Result<bool> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let (part, full) = self.take_part(shared);
        if !part.is_empty() {
            self.unsynced = (self.unsynced + 1) % UNSYNCED;
            write(connection, &part, self.unsynced == 0).inspect_err(|_| {
                let mut fleet = shared.fleet();
                part.iter().for_each(|changed| fleet.note_again(&changed.snapshot.registration.id));
            })?;
            self.written += part.len();
        }
        if !full {
            let mut fleet = shared.fleet();
            self.later.drain(..).for_each(|id| fleet.note_again(&id));
            drop(fleet);
            self.end(began, &shared.measures.disk);
        }
        Ok(full)
    }

    /// What is to be written next, and whether there may be more.
    fn take_part(&mut self, shared: &Shared) -> (Vec<Changed>, bool) {
        let mut fleet = shared.fleet();
        let mut part = fleet.take_changed(PART);
        let full = part.len() >= PART;
        let pending = shared.pending();
        let ids = part.extract_if(.., |changed| pending.has(&changed.snapshot.registration.id));
        self.later.extend(ids.map(|changed| Arc::clone(&changed.snapshot.registration.id)));
        (part, full)
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

/// No answer depends on these, so most are not waited for: the log gets them in order, and the next change that is
/// waited for brings them to disk as well. Now and then one is, so that what a power cut leaves of the log can be told
/// from damage.
fn write(connection: &mut Connection, part: &[Changed], synced: bool) -> rusqlite::Result<()> {
    if synced {
        return write_all(connection, part);
    }
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
