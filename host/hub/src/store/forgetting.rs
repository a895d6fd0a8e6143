//! How the oldest events are forgotten: those that are more than are to be kept, and those that are too old, a step at
//! a time between two transactions of the writer, which is the owner.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::rows::signed;
use super::trouble::{Trouble, What};
use crate::config::Keep;

/// How often old events are looked for.
const TICK: Duration = Duration::from_secs(1);
/// So many events are forgotten as one step.
const STEP: usize = 4096;

/// What is kept, and what is not any more.
#[derive(Debug)]
pub(super) struct Forgetting {
    most: u64,
    events_for: Duration,
    /// So many events there are.
    kept: u64,
    age: Age,
    next: Instant,
    trouble: Trouble,
}

impl Forgetting {
    /// For a store with so many events that was just opened.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) fn at_opening(connection: &Connection, keep: &Keep, kept: u64) -> rusqlite::Result<Self> {
        let now = Instant::now();
        Ok(Forgetting {
            most: u64::from(keep.events),
            events_for: keep.events_for,
            kept,
            age: Age::at_opening(connection, Timestamp::now(), now)?,
            next: now + TICK,
            trouble: Trouble::none(What::Forgetting),
        })
    }

    /// So many events were added.
    pub(super) fn added(&mut self, events: usize) {
        self.kept += events as u64;
    }

    /// When the next step is; now where there are far too many.
    pub(super) fn due(&self) -> Instant {
        let overflows = self.kept > self.most + STEP as u64 && !self.trouble.is_on();
        if overflows { Instant::now() } else { self.next }
    }

    /// Whether the disk does not let events be forgotten.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.is_on()
    }

    /// Takes a step. One that is full is followed by another.
    pub(super) fn step(&mut self, connection: &Connection, path: &Path) {
        let since = self.age.now(Timestamp::now(), Instant::now());
        let since = since.checked_sub(self.events_for).unwrap_or(Timestamp::MIN);
        let forgotten = match forget(connection, self.kept, self.most, since, STEP) {
            Ok(forgotten) => {
                self.kept -= forgotten.min(self.kept);
                self.trouble.worked(path, 0);
                forgotten
            }
            Err(error) => {
                self.trouble.failed(path, &error);
                0
            }
        };
        self.next = Instant::now() + if forgotten < STEP as u64 { TICK } else { Duration::ZERO };
    }
}

/// What time it is for events that grow old: the wall clock's, but no later than the newest event of the opening and
/// the time since then by the monotonic clock. A wall clock that jumps forward makes nothing old; it keeps events longer
/// by as long as nothing had happened before the opening.
#[derive(Clone, Copy, Debug)]
struct Age {
    newest: Timestamp,
    opened: Instant,
}

impl Age {
    fn at_opening(connection: &Connection, wall: Timestamp, now: Instant) -> rusqlite::Result<Self> {
        let newest = "SELECT at FROM events ORDER BY id DESC LIMIT 1";
        let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0)).optional()?;
        let newest = newest.and_then(|at| Timestamp::from_millisecond(at).ok());
        Ok(Age { newest: newest.unwrap_or(wall), opened: now })
    }

    fn now(&self, wall: Timestamp, now: Instant) -> Timestamp {
        let since = now.saturating_duration_since(self.opened);
        wall.min(self.newest.checked_add(since).unwrap_or(Timestamp::MAX))
    }
}

/// Forgets the oldest events that are more than `most` or older than `since`, but only among the `step` oldest ones.
/// `kept` is how many there are; returns how many there were to forget.
///
/// # Errors
/// SQLite's; nothing has changed then.
fn forget(connection: &Connection, kept: u64, most: u64, since: Timestamp, step: usize) -> rusqlite::Result<u64> {
    let (excess, since) = (kept.saturating_sub(most), since.as_millisecond());
    let (mut count, mut last) = (0, None);
    let mut oldest = connection.prepare("SELECT id, at FROM events ORDER BY id LIMIT ?1")?;
    let mut rows = oldest.query([signed(step as u64)])?;
    while let Some(row) = rows.next()? {
        if count >= excess && row.get::<_, i64>(1)? >= since {
            break;
        }
        (count, last) = (count + 1, Some(row.get::<_, i64>(0)?));
    }
    drop(rows);
    if let Some(last) = last {
        connection.execute("DELETE FROM events WHERE id <= ?1", [last])?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn as_many_are_kept_as_are_to_be_kept() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::create(&mut connection).unwrap();
        let tell = |count: usize| {
            for _ in 0..count {
                let now = Timestamp::now().as_millisecond();
                connection.execute("INSERT INTO events (at, type) VALUES (?1, 'lost')", [now]).unwrap();
            }
        };
        tell(7);
        let keep = Keep { events: 5, ..Keep::default() };
        let mut forgetting = Forgetting::at_opening(&connection, &keep, 7).unwrap();
        let mut kept = |more: usize| {
            tell(more);
            forgetting.added(more);
            forgetting.step(&connection, Path::new("hub.db"));
            let range = connection.query_row("SELECT min(id), max(id) FROM events", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            });
            range.unwrap()
        };
        assert_eq!(kept(0), (3, 7), "those of the opening count");
        assert_eq!(kept(0), (3, 7), "and what is gone does not");
        assert_eq!(kept(1), (4, 8));
    }

    #[test]
    fn a_wall_clock_that_jumps_makes_nothing_old() {
        let (opened, second) = (Instant::now(), Duration::from_secs(1));
        let newest = Timestamp::from_second(1_000).unwrap();
        let age = Age { newest, opened };
        let at = |wall, since| age.now(Timestamp::from_second(wall).unwrap(), opened + since * second).as_second();
        assert_eq!(at(1_005, 5), 1_005);
        assert_eq!(at(9_000, 5), 1_005, "forward");
        assert_eq!(at(500, 5), 500, "backward");
    }
}
