//! Puts the fleet back as it was saved, at the start.
//!
//! A sandbox whose row cannot be read is named in the log and stays where it is: it costs none of the others, and a
//! later version or a person may still read it.

use std::time::Instant;

use rusqlite::Connection;

use super::rows;
use crate::fleet::Fleet;

/// So many rows that cannot be read are named; the others are counted.
const NAMED: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub sandboxes: usize,
    pub events: u64,
    /// Sandboxes that could not be read, or not all of them.
    pub unreadable: usize,
}

/// Puts everything that was saved into the fleet, as of `now`.
///
/// # Errors
/// SQLite's.
pub(super) fn all(connection: &Connection, fleet: &mut Fleet, now: Instant) -> rusqlite::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut statement = connection.prepare(rows::SANDBOXES)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let unreadable = match rows::found(row) {
            Ok(found) => {
                fleet.restore(found.saved, now);
                loaded.sandboxes += 1;
                found.unreadable
            }
            Err(error) => Some(format!("it is left out: {error}")),
        };
        if let Some(reason) = unreadable {
            loaded.unreadable += 1;
            if loaded.unreadable <= NAMED {
                let sandbox = row.get_ref(0).ok().and_then(|id| id.as_str().ok().map(str::to_owned));
                tracing::warn!(sandbox, %reason, "what was saved of a sandbox cannot be read");
            }
        }
    }
    loaded.events = connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).map(rows::unsigned)?;
    Ok(loaded)
}
