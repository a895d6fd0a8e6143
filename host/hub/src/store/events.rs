//! Events as they are read back.
//!
//! What a read costs is bounded by its limit, not by how many events are kept: where certain kinds are asked for, each
//! kind's own index gives its part of the page, and the parts are merged. A row that is not an event's is passed over, so
//! that it costs none of the others, and is counted.

use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};

use super::rows::{self, EVENT, signed, unsigned};
use crate::event::{Event, Kind};

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventQuery {
    /// Of this sandbox alone.
    pub sandbox_id: Option<String>,
    /// Of these kinds; empty: of all.
    pub kinds: Vec<Kind>,
    /// Numbers above this one, the lowest first.
    pub after: Option<u64>,
    /// Without `after`: numbers below this one, the highest first; absent: the newest.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Events in the order that was asked for.
#[derive(Debug)]
pub(crate) struct EventPage {
    pub events: Vec<Arc<Event>>,
    /// Whether more follow.
    pub more: bool,
    /// Events with this number and lower ones are not kept any more.
    pub forgotten: u64,
}

/// Rows that could not be read.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    pub count: u64,
    /// The number of the first, and what is wrong with it.
    pub first: Option<(i64, rusqlite::Error)>,
}

/// Reads a page, as of one moment.
///
/// # Errors
/// SQLite's.
pub(super) fn page(connection: &mut Connection, query: &EventQuery) -> rusqlite::Result<(EventPage, Unreadable)> {
    let transaction = connection.transaction()?;
    let (mut events, mut unreadable) = (Vec::new(), Unreadable::default());
    for part in parts(query) {
        read(&transaction, query, part, &mut events, &mut unreadable)?;
    }
    match query.after {
        Some(_) => events.sort_unstable_by_key(|event: &Arc<Event>| event.id),
        None => events.sort_unstable_by_key(|event| std::cmp::Reverse(event.id)),
    }
    let more = events.len() > query.limit;
    events.truncate(query.limit);
    Ok((EventPage { events, more, forgotten: forgotten(&transaction)? }, unreadable))
}

/// The number of the last event that a webhook has taken.
///
/// # Errors
/// SQLite's.
pub(super) fn position(connection: &Connection, webhook: &str) -> rusqlite::Result<Option<u64>> {
    let mut statement = connection.prepare("SELECT position FROM webhooks WHERE url = ?1")?;
    let mut rows = statement.query([webhook])?;
    rows.next()?.map(|row| row.get(0).map(unsigned)).transpose()
}

/// What is read with one index each. A sandbox has few enough events of all kinds to pass over the others.
#[derive(Clone, Copy)]
enum Part<'q> {
    All,
    OfKind(Kind),
    OfSandbox(&'q str),
}

fn parts(query: &EventQuery) -> Vec<Part<'_>> {
    match &query.sandbox_id {
        Some(id) => vec![Part::OfSandbox(id)],
        None if query.kinds.is_empty() => vec![Part::All],
        None => query.kinds.iter().map(|kind| Part::OfKind(*kind)).collect(),
    }
}

fn read(
    transaction: &Transaction<'_>,
    query: &EventQuery,
    part: Part<'_>,
    events: &mut Vec<Arc<Event>>,
    unreadable: &mut Unreadable,
) -> rusqlite::Result<()> {
    let bound = match (query.after, query.before) {
        (Some(after), _) => signed(after),
        (None, before) => before.map_or(i64::MAX, signed),
    };
    let of = match part {
        Part::All => None,
        Part::OfKind(kind) => Some(kind.as_str()),
        Part::OfSandbox(id) => Some(id),
    };
    let mut statement = transaction.prepare(&statement(part, query.after.is_some()))?;
    let mut rows = match of {
        Some(of) => statement.query(params![bound, of])?,
        None => statement.query([bound])?,
    };
    let mut left = query.limit.saturating_add(1);
    while left > 0
        && let Some(row) = rows.next()?
    {
        let event = match rows::event(row) {
            Ok(event) => event,
            Err(error) => {
                unreadable.count += 1;
                unreadable.first.get_or_insert((row.get(0)?, error));
                continue;
            }
        };
        if query.kinds.is_empty() || query.kinds.contains(&event.kind) {
            events.push(Arc::new(event));
            left -= 1;
        }
    }
    Ok(())
}

fn statement(part: Part<'_>, upwards: bool) -> String {
    let of = match part {
        Part::All => "",
        Part::OfKind(_) => "type = ?2 AND",
        Part::OfSandbox(_) => "sandbox_id = ?2 AND",
    };
    let order = if upwards { "id > ?1 ORDER BY id" } else { "id < ?1 ORDER BY id DESC" };
    format!("SELECT {EVENT} FROM events WHERE {of} {order}")
}

/// The events up to this number are not kept: either the oldest one's number says so, or that of the last that ever was.
fn forgotten(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    let before_oldest = "SELECT coalesce((SELECT min(id) - 1 FROM events),
        (SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)";
    transaction.query_row(before_oldest, [], |row| row.get(0)).map(unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn no_query_sorts_or_reads_all_events() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::create(&mut connection).unwrap();
        let plan = |part, upwards| -> Vec<String> {
            let sql = format!("EXPLAIN QUERY PLAN {}", statement(part, upwards));
            let mut statement = connection.prepare(&sql).unwrap();
            let values = vec![1; statement.parameter_count()];
            let rows = statement.query_map(rusqlite::params_from_iter(values), |row| row.get("detail")).unwrap();
            rows.map(Result::unwrap).collect()
        };
        for upwards in [true, false] {
            let sign = if upwards { '>' } else { '<' };
            for (part, how) in [
                (Part::All, format!("SEARCH events USING INTEGER PRIMARY KEY (rowid{sign}?)")),
                (
                    Part::OfKind(Kind::Lost),
                    format!("SEARCH events USING INDEX events_of_type (type=? AND rowid{sign}?)"),
                ),
                (
                    Part::OfSandbox("a"),
                    format!("SEARCH events USING INDEX events_of_sandbox (sandbox_id=? AND rowid{sign}?)"),
                ),
            ] {
                assert_eq!(plan(part, upwards), [how]);
            }
        }
    }
}
