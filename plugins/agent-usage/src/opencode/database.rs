//! The tables of OpenCode's database, read on from where they were left.
//!
//! OpenCode adds a row for each message and writes it anew until it is complete. Rows are read in the order of their
//! rowids, each once; after the new ones those that are not complete are looked at again when the database has changed,
//! until they are, or a day after they were begun or, where they do not say when, first seen. What of that is left when
//! time is up holds nothing back: these rows have been read.
//! SQLite gives rowids anew: of rows that were deleted at the end, and all of them in `VACUUM`. So some of the rows that
//! were read are kept with their ids, and the table is read on behind the last of them that is still there: a row that is
//! new has come behind it. What was counted is known by its message's id, so that nothing counts twice.
//!
//! Bounds: the rows that are looked at again, see [`Open`]; one row for each power of 2 that is kept; [`MAX_ROWS`] new
//! rows in a slice that count, and [`MAX_UNREADABLE`] that cannot be read.

use serde::{Deserialize, Serialize};

use super::Content;
use super::open::{self, Open};
use crate::messages::Origin;
use crate::sqlite::{Database, Row, Storage, Table, Trouble, Value};
use crate::usage::{Entry, fingerprint};

const MAX_ROWS: usize = 20_000;
/// Fewer, since each is looked for among those that are known.
const MAX_UNREADABLE: usize = 5_000;
/// In milliseconds.
const ABANDONED: i64 = 24 * 3_600_000;

const TABLES: [(&str, Origin); 2] = [("message", Origin::Message), ("session_message", Origin::SessionMessage)];

/// How far a database has been read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    places: [Place; 2],
    /// Size and time of change when the rows that are not complete were last begun to be looked at.
    looked_at: Option<[u64; 2]>,
    /// Collects in a row in which nothing could be read of it.
    pub(crate) tries: u8,
    /// Why it cannot be read, for the log.
    pub(crate) trouble: Option<String>,
}

impl Known {
    pub(crate) fn with(self, tries: u8, trouble: Option<String>) -> Known {
        Known { tries, trouble, ..self }
    }

    /// Notes which form of the database is read, unless that may change without a trace: in another one than before all
    /// rows that are not complete are to be looked at.
    pub(crate) fn of_form(mut self, form: Option<[u64; 2]>) -> Known {
        if form.is_none() || form != self.looked_at {
            self.places.iter_mut().for_each(|place| place.open.begin());
        }
        let is_any_open = self.places.iter().any(|place| !place.open.is_empty());
        self.looked_at = form.filter(|_| is_any_open);
        self
    }
}

/// How far a table has been read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Place {
    /// Rows that were read, each with the fingerprint of its id: the last one, and before it ever fewer.
    read: Vec<(i64, u64)>,
    open: Open,
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
    /// Rows that are not complete are still to be looked at.
    pub(crate) open: bool,
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
    /// Begun then, or now where it does not say; in milliseconds since 1970.
    Open(i64),
}

/// Reads a database on, as long as there is time. What comes with an error has been read all the same.
pub(crate) fn read<S: Storage>(database: &mut Database<'_, S>, known: &Known, (path, now): (u64, i64)) -> Slice {
    let slice = Slice { known: known.clone(), left: 1.0, ..Slice::default() };
    let mut reading = Reading { database, now, path, slice };
    let mut places = known.places.clone();
    let trouble = reading.tables(&mut places).err();
    places.iter_mut().for_each(|place| place.open.bound());
    let mut slice = reading.slice;
    slice.known.places = places;
    Slice { trouble, ..slice }
}

impl<S: Storage> Reading<'_, '_, S> {
    fn tables(&mut self, places: &mut [Place; 2]) -> Result<(), Trouble> {
        let (mut left, mut all) = (0.0, 0.0);
        let mut result = Ok(true);
        let mut found = Vec::new();
        for ((name, origin), place) in TABLES.into_iter().zip(places) {
            let (table, last) = match self.find(name) {
                Ok(Some(table)) => table,
                Ok(None) => continue,
                Err(trouble) => {
                    result = result.and_then(|is_at_end| if is_at_end { Err(trouble) } else { Ok(false) });
                    break;
                }
            };
            if result == Ok(true) {
                result = self.table(&table, origin, place);
            }
            all += last.max(0) as f64;
            left += last.saturating_sub(place.upto().max(0)).max(0) as f64;
            found.push((table, origin, place));
        }
        self.slice.left = match &result {
            _ if left > 0.0 => left / all,
            Ok(true) => 0.0,
            Ok(false) | Err(_) => f64::MIN_POSITIVE,
        };
        if result.is_ok() && found.is_empty() && !self.database.is_empty()? {
            return Err(Trouble::Unsupported("it has none of the tables `message` and `session_message`"));
        }
        let mut result = result.map(|_| ());
        for (table, origin, place) in found {
            let looked = self.look_again(&table, origin, &mut place.open);
            result = result.and(looked);
        }
        result
    }

    /// A table and its highest rowid.
    fn find(&mut self, name: &str) -> Result<Option<(Table, i64)>, Trouble> {
        let Some(table) = self.database.table(name)? else { return Ok(None) };
        let last = self.database.last(&table)?.unwrap_or_default();
        Ok(Some((table, last)))
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
        let mut rows = self.database.after(table, place.upto());
        while let Some(row) = self.database.next(&mut rows)? {
            let (seen, print) = self.row(&row, &columns, origin)?;
            place.go_on(row.rowid, print);
            if let Seen::Open(since) = seen
                && !self.is_abandoned(since)
            {
                place.open.add(open::Row { rowid: row.rowid, since });
            }
            self.slice.advanced = true;
            let is_full = self.slice.messages.len() >= MAX_ROWS || self.slice.unreadable.len() >= MAX_UNREADABLE;
            if is_full || !self.database.has_time() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks at rows that were not complete, as long as there is time.
    fn look_again(&mut self, table: &Table, origin: Origin, open: &mut Open) -> Result<(), Trouble> {
        let columns = Columns::of(table, origin)?;
        let mut result = Ok(());
        while result.is_ok() && self.database.has_time() {
            let Some(row) = open.next() else { break };
            let seen = match self.database.row(table, row.rowid) {
                Ok(Some(content)) => self.row(&content, &columns, origin).map(|(seen, _)| seen),
                Ok(None) => Ok(Seen::Done),
                Err(trouble) => Err(trouble),
            };
            let since = if let Ok(Seen::Open(since)) = seen { since.min(row.since) } else { row.since };
            let row = open::Row { since, ..row };
            let is_abandoned = self.is_abandoned(since);
            match &seen {
                Ok(Seen::Done) => {}
                _ if is_abandoned => {}
                Ok(Seen::Open(_)) | Err(Trouble::Broken(_) | Trouble::Unsupported(_)) => open.add(row),
                Err(Trouble::Failed(_) | Trouble::Spent) => open.postpone(row),
            }
            result = seen.map(|_| ());
        }
        self.slice.open |= open.is_due();
        result.or_else(|trouble| if trouble == Trouble::Spent { Ok(()) } else { Err(trouble) })
    }

    fn is_abandoned(&self, since: i64) -> bool {
        self.now.saturating_sub(since) > ABANDONED
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
                if complete { Seen::Done } else { Seen::Open(begun.unwrap_or(self.now).min(self.now)) }
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
        self.open.cut(self.upto());
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
