//! Puts the fleet back as it was saved, at the start.
//!
//! A sandbox whose row cannot be read is named in the log and stays where it is: it costs none of the others, and a
//! later version or a person may still read it.

use std::time::Instant;

use jiff::Timestamp;
use rusqlite::Connection;

use super::{EventQuery, events, rows};
use crate::event::{Event, Kind};
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
    /// What has yet to be told of them.
    pub settled: Vec<Event>,
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
                loaded.settled.extend(fleet.restore(found.saved, now));
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

/// Whether the hub doubted its own network when it ended.
///
/// # Errors
/// SQLite's.
pub(super) fn doubted(connection: &mut Connection) -> rusqlite::Result<bool> {
    let query = EventQuery { kinds: vec![Kind::Suspect, Kind::Trusted], limit: 1, ..EventQuery::default() };
    let (page, _) = events::page(connection, &query)?;
    Ok(page.events.first().is_some_and(|event| event.kind == Kind::Suspect))
}

/// The end of that doubt, which a restart is.
pub(super) fn end_of_doubt(at: Timestamp) -> Event {
    let detail = Some("the hub was started anew, and everyone who was live is waited for anew".to_owned());
    Event { id: 0, at, sandbox_id: None, kind: Kind::Trusted, name: None, detail }
}
