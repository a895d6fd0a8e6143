//! The tables of OpenCode's database, read on from where they were left.
//!
//! OpenCode adds a row for each message and writes it anew until it is complete. Rows are read in the order of their
//! rowids, each once; those that are not complete are looked at again, until they are, or a day after they were begun.
//! SQLite gives rowids anew: of rows that were deleted at the end, and all of them in `VACUUM`. So some of the rows that
//! were read are kept with their ids, and the table is read on behind the last of them that is still there: a row that is
//! new has come behind it. What was counted is known by its message's id, so that nothing counts twice.
//!
//! Bounds: [`MAX_OPEN`] rows of a table that are looked at again, of more the oldest are taken as they are; one row for
//! each power of 2 that is kept; [`MAX_ROWS`] rows in a slice that count or cannot be read.

use serde::{Deserialize, Serialize};

use super::Content;
use crate::messages::Origin;
use crate::sqlite::{Database, Row, Storage, Table, Trouble, Value};
use crate::usage::{Entry, fingerprint};

const MAX_OPEN: usize = 100;
const MAX_ROWS: usize = 20_000;
/// In milliseconds.
const ABANDONED: i64 = 24 * 3_600_000;

const TABLES: [(&str, Origin); 2] = [("message", Origin::Message), ("session_message", Origin::SessionMessage)];

/// How far a database has been read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    places: [Place; 2],
    /// Collects in a row in which nothing could be read of it.
    pub(crate) tries: u8,
    /// Why it cannot be read, for the log.
    pub(crate) trouble: Option<String>,
}

impl Known {
    pub(crate) fn with(self, tries: u8, trouble: Option<String>) -> Known {
        Known { tries, trouble, ..self }
    }
}

/// How far a table has been read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Place {
    /// Rows that were read, each with the fingerprint of its id: the last one, and before it ever fewer.
    read: Vec<(i64, u64)>,
    /// Rows whose messages are not complete.
    open: Vec<i64>,
}

/// What a part of a database says.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    pub(crate) messages: Vec<Message>,
    /// Rows that may have counted and could not be read, by what they are known by.
    pub(crate) unreadable: Vec<u64>,
    pub(crate) known: Known,
    /// How much is left, from 0 for nothing to 1.
    pub(crate) left: f64,
    /// At least one row was read for the first time.
    pub(crate) advanced: bool,
    /// Why it was not read to its end.
    pub(crate) trouble: Option<Trouble>,
}

/// A message that counts.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    /// What it is known by.
    pub(crate) id: u64,
    pub(crate) entry: Entry,
    pub(crate) origin: Origin,
}

/// Where the columns of a table are.
struct Columns {
    id: usize,
    data: usize,
    /// In `session_message`, whose rows are of several types.
    kind: Option<usize>,
}

struct Reading<'a, 'b, S> {
    database: &'a mut Database<'b, S>,
    /// In milliseconds since 1970.
    now: i64,
    /// What rows without an id are known by.
    path: u64,
    slice: Slice,
}

/// What a row means for the place in its table.
enum Seen {
    Done,
    Open,
}

/// Reads a database on, as long as there is time. What comes with an error has been read all the same.
pub(crate) fn read<S: Storage>(database: &mut Database<'_, S>, known: &Known, (path, now): (u64, i64)) -> Slice {
    let slice = Slice { known: known.clone(), left: 1.0, ..Slice::default() };
    let mut reading = Reading { database, now, path, slice };
    let trouble = reading.tables().err();
    let mut slice = reading.slice;
    slice.trouble = trouble;
    slice
}

impl<S: Storage> Reading<'_, '_, S> {
    fn tables(&mut self) -> Result<(), Trouble> {
        let (mut left, mut all) = (0.0, 0.0);
        let mut result = Ok(true);
        let mut found = false;
        for (at, (name, origin)) in TABLES.into_iter().enumerate() {
            let Some(table) = self.database.table(name)? else { continue };
            found = true;
            let last = self.database.last(&table)?.unwrap_or_default();
            let mut place = self.slice.known.places.get(at).cloned().unwrap_or_default();
            if let Ok(done) = result {
                result = self.table(&table, origin, &mut place).map(|is_at_end| is_at_end && done);
            }
            all += last.max(0) as f64;
            left += last.saturating_sub(place.upto().max(0)).max(0) as f64;
            if let Some(known) = self.slice.known.places.get_mut(at) {
                *known = place;
            }
        }
        self.slice.left = match &result {
            _ if left > 0.0 => left / all,
            Ok(true) => 0.0,
            Ok(false) | Err(_) => f64::MIN_POSITIVE,
        };
        if !found && !self.database.is_empty()? {
            return Err(Trouble::Unsupported("it has none of the tables `message` and `session_message`"));
        }
        result.map(|_| ())
    }

    /// Reads a table on; whether to its end.
    fn table(&mut self, table: &Table, origin: Origin, place: &mut Place) -> Result<bool, Trouble> {
        let columns = Columns::of(table, origin)?;
        while let Some((rowid, print)) = place.read.last().copied() {
            if self.print(table, &columns, rowid)? == Some(print) {
                break;
            }
            place.go_back();
        }
        for rowid in place.open.clone() {
            if !self.database.has_time() {
                return Ok(false);
            }
            let row = self.database.row(table, rowid)?;
            let seen = row.map(|row| self.row(&row, &columns, origin)).transpose()?;
            if !matches!(seen, Some((Seen::Open, _))) {
                place.open.retain(|open| *open != rowid);
            }
        }
        let mut rows = self.database.after(table, place.upto());
        while let Some(row) = self.database.next(&mut rows)? {
            let (seen, print) = self.row(&row, &columns, origin)?;
            place.go_on(row.rowid, print);
            if matches!(seen, Seen::Open) {
                place.open.push(row.rowid);
                if place.open.len() > MAX_OPEN {
                    place.open.remove(0);
                }
            }
            self.slice.advanced = true;
            let rows = self.slice.messages.len() + self.slice.unreadable.len();
            if rows >= MAX_ROWS || !self.database.has_time() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The fingerprint of a row's id; nothing where the row is not there.
    fn print(&mut self, table: &Table, columns: &Columns, rowid: i64) -> Result<Option<u64>, Trouble> {
        let Some(row) = self.database.row(table, rowid)? else { return Ok(None) };
        let id = self.database.values(&row, &[columns.id])?;
        Ok(Some(print(id.first())))
    }

    /// Takes a row; returns the fingerprint of its id, too.
    fn row(&mut self, row: &Row, columns: &Columns, origin: Origin) -> Result<(Seen, u64), Trouble> {
        if let Some(kind) = columns.kind {
            let [kind, id] = &self.database.values(row, &[kind, columns.id])?[..] else { return Ok((Seen::Done, 0)) };
            if !matches!(kind, Value::Text(kind) if kind == b"assistant") {
                return Ok((Seen::Done, print(Some(id))));
            }
        }
        let values = self.database.values(row, &[columns.id, columns.data])?;
        let print = print(values.first());
        let id = if print == 0 { self.path ^ row.rowid as u64 } else { print };
        let content = match values.get(1) {
            Some(Value::Text(data)) if origin == Origin::Message => Content::message(data),
            Some(Value::Text(data)) => Content::answer(data),
            _ => Content::Broken,
        };
        let seen = match content {
            Content::Message { entry, complete, begun, .. } => {
                if entry.counts() {
                    self.slice.messages.push(Message { id, entry, origin });
                }
                let is_abandoned = begun.is_some_and(|begun| self.now.saturating_sub(begun) > ABANDONED);
                if complete || is_abandoned { Seen::Done } else { Seen::Open }
            }
            Content::Other => Seen::Done,
            Content::Broken => {
                self.slice.unreadable.push(id);
                Seen::Done
            }
        };
        Ok((seen, print))
    }
}

impl Place {
    /// The last row that was read.
    fn upto(&self) -> i64 {
        self.read.last().map_or(i64::MIN, |(rowid, _)| *rowid)
    }

    /// Notes a row that was read, in the place of the one before it whose rowid 2 divides as often.
    fn go_on(&mut self, rowid: i64, print: u64) {
        self.read.retain(|(other, _)| other.trailing_zeros() != rowid.trailing_zeros());
        self.read.push((rowid, print));
    }

    /// Forgets the last row that was read, and which ones between it and the one kept before it are not complete.
    fn go_back(&mut self) {
        self.read.pop();
        let upto = self.upto();
        self.open.retain(|rowid| *rowid <= upto);
    }
}

impl Columns {
    fn of(table: &Table, origin: Origin) -> Result<Columns, Trouble> {
        let column =
            |name| table.column(name).ok_or(Trouble::Unsupported("a table of it lacks a column that is needed"));
        let kind = (origin == Origin::SessionMessage).then(|| column("type")).transpose()?;
        Ok(Columns { id: column("id")?, data: column("data")?, kind })
    }
}

/// Of an id; 0 for none.
fn print(id: Option<&Value>) -> u64 {
    match id {
        Some(Value::Text(id)) if !id.is_empty() => fingerprint(id),
        _ => 0,
    }
}
