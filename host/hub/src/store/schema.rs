//! The database's tables, and how one of an earlier version is brought up to this one.
//!
//! `user_version` counts the steps that a database has been through. A step is never changed once it was released; a
//! new schema is one more step. All steps that are missing happen in one transaction, or not at all.

use rusqlite::{Connection, OptionalExtension};

/// Marks the file as a hub's ("sbea"), as SQLite's `application_id`.
const APPLICATION: i64 = 0x7362_6561;

/// What makes a schema of the one before it; the first makes it of nothing.
pub(super) const STEPS: &[&str] = &[FIRST];

/// Times are milliseconds since 1970, intervals are milliseconds. `report` is the status report as JSON, `missing` the
/// names of its parts that are not known, `dropped` whether all but its base was left out for want of memory, `history`
/// the fleet's own; `standing` is as of the sandbox's last event, or of its last beat where the event was left out.
/// An index on events ends with the event's number, as every index of SQLite does, so it gives a page in order.
const FIRST: &str = "
    CREATE TABLE sandboxes (
        serial INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        image TEXT,
        metadata TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        token_hash BLOB,
        previous_hash BLOB,
        previous_until INTEGER,
        earlier_hash BLOB,
        earlier_until INTEGER,
        tokenless_until INTEGER,
        standing TEXT NOT NULL,
        since INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE beats (
        serial INTEGER PRIMARY KEY REFERENCES sandboxes (serial) ON DELETE CASCADE,
        received INTEGER NOT NULL,
        peer TEXT NOT NULL,
        interval INTEGER NOT NULL,
        missing TEXT NOT NULL,
        report TEXT NOT NULL,
        history BLOB NOT NULL,
        dropped INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        sandbox_id TEXT,
        type TEXT NOT NULL,
        name TEXT,
        detail TEXT
    ) STRICT;
    CREATE INDEX events_of_sandbox ON events (sandbox_id);
    CREATE INDEX events_of_type ON events (type);
    CREATE TABLE webhooks (
        url TEXT PRIMARY KEY,
        position INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// What a database turned out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Look {
    /// A hub's, and whole.
    Good { version: i64 },
    /// A later hub's.
    Newer { version: i64 },
    /// A hub's, and not whole.
    Damaged { reason: String },
    /// Somebody else's.
    Foreign,
}

/// The schema that steps lead to.
pub(super) fn version(steps: &[&str]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// Makes the tables of this version in an empty database.
///
/// # Errors
/// SQLite's; nothing has changed then.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    upgrade(connection, 0, STEPS)
}

/// Takes the steps that a database of the schema `from` has not been through.
///
/// # Errors
/// SQLite's; nothing has changed then.
pub(super) fn upgrade(connection: &mut Connection, from: i64, steps: &[&str]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let taken = usize::try_from(from).unwrap_or(0);
    for step in steps.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", version(steps))?;
    transaction.commit()
}

/// Writes what is there already.
///
/// # Errors
/// SQLite's.
pub(super) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", version(STEPS))
}

/// Looks what a database is; reads all of it.
///
/// # Errors
/// SQLite's, also where the file is damaged in a way that hides what it is.
pub(super) fn look(connection: &Connection) -> rusqlite::Result<Look> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application != APPLICATION || version < 1 {
        return Ok(Look::Foreign);
    }
    if version > self::version(STEPS) {
        return Ok(Look::Newer { version });
    }
    let verdict: Option<String> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).optional()?;
    match verdict.as_deref() {
        Some("ok") => Ok(Look::Good { version }),
        other => Ok(Look::Damaged { reason: other.unwrap_or("no check is possible").trim().replace('\n', " ") }),
    }
}
