//! Rows: how sandboxes, beats and events are written and read. The only place where a column has a name.
//!
//! Nothing here decides anything; a row that cannot be read is an error that names what is wrong with it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, Row, params};
use sandbeat_status::Part;

use crate::auth::KeyHash;
use crate::event::{Event, Kind};
use crate::fleet::{Described, Kept, Milliseconds, Previous, Registration, Saved, SavedBeat, Tokens};
use crate::liveness::Standing;

/// Every change there is, ready for one transaction.
pub(super) struct Writes<'c> {
    connection: &'c Connection,
    sandbox: CachedStatement<'c>,
    gone: CachedStatement<'c>,
    tokens: CachedStatement<'c>,
    standing: CachedStatement<'c>,
    untold: CachedStatement<'c>,
    event: CachedStatement<'c>,
    beat: CachedStatement<'c>,
    position: CachedStatement<'c>,
}

/// A sandbox as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub saved: Saved,
    /// What could not be read, and was left out.
    pub unreadable: Option<String>,
}

impl<'c> Writes<'c> {
    /// Prepares them; the connection keeps them for the next time.
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Writes {
            connection,
            sandbox: connection.prepare_cached(
                "INSERT INTO sandboxes (id, name, image, metadata, created_at, token_hash, tokenless_until,
                 standing, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?5) ON CONFLICT (id) DO NOTHING",
            )?,
            gone: connection.prepare_cached("DELETE FROM sandboxes WHERE serial = ?1")?,
            tokens: connection.prepare_cached(
                "UPDATE sandboxes SET token_hash = ?2, previous_hash = ?3, previous_until = ?4, earlier_hash = ?5,
                 earlier_until = ?6, tokenless_until = ?7 WHERE serial = ?1",
            )?,
            standing: connection.prepare_cached("UPDATE sandboxes SET standing = ?2, since = ?3 WHERE id = ?1")?,
            untold: connection.prepare_cached("UPDATE sandboxes SET standing = ?2, since = ?3 WHERE serial = ?1")?,
            event: connection.prepare_cached(
                "INSERT INTO events (at, sandbox_id, type, name, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
            beat: connection.prepare_cached(
                "INSERT INTO beats (serial, received, peer, interval, missing, report, history, dropped)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, coalesce(?7, x''), ?8
                 WHERE EXISTS (SELECT 1 FROM sandboxes WHERE serial = ?1)
                 ON CONFLICT (serial) DO UPDATE SET received = ?2, peer = ?3, interval = ?4, missing = ?5, report = ?6,
                 history = coalesce(?7, history), dropped = ?8",
            )?,
            position: connection.prepare_cached(
                "INSERT INTO webhooks (url, position) VALUES (?1, ?2)
                 ON CONFLICT (url) DO UPDATE SET position = excluded.position",
            )?,
        })
    }

    /// Adds a sandbox, and returns its serial number; none when its id is there already.
    pub(super) fn register(&mut self, registration: &Registration) -> rusqlite::Result<Option<u64>> {
        let Registration { id, created_at, tokens, .. } = registration;
        let (name, image, metadata) = (registration.name(), registration.image(), json(registration.metadata())?);
        let hash = tokens.as_ref().map(|tokens| &tokens.current.digest()[..]);
        let (tokenless, standing) = (tokenless(registration), word(Standing::NeverReported));
        let at = created_at.number();
        let added = self.sandbox.execute(params![&**id, name, image, metadata, at, hash, tokenless, standing])?;
        Ok((added > 0).then(|| unsigned(self.connection.last_insert_rowid())))
    }

    /// Deletes a sandbox with its last beat; its events stay.
    pub(super) fn remove(&mut self, serial: u64) -> rusqlite::Result<()> {
        self.gone.execute([signed(serial)]).map(drop)
    }

    /// Gives a sandbox the tokens that this registration has.
    pub(super) fn rotate(&mut self, registration: &Registration) -> rusqlite::Result<()> {
        let current = registration.tokens.as_ref().map(|tokens| &tokens.current.digest()[..]);
        let mut newest_first = registration.tokens.iter().flat_map(|tokens| tokens.previous.iter().rev());
        let mut next = || {
            let previous = newest_first.next();
            (previous.map(|one| &one.hash.digest()[..]), previous.map(|one| one.until.as_millisecond()))
        };
        let ((hash, until), (earlier, earlier_until)) = (next(), next());
        let serial = signed(registration.serial);
        let tokenless = tokenless(registration);
        self.tokens.execute(params![serial, current, hash, until, earlier, earlier_until, tokenless]).map(drop)
    }

    /// Adds an event, lets its sandbox stand as it says, and returns its number.
    pub(super) fn event(&mut self, event: &Event) -> rusqlite::Result<u64> {
        let Event { at, sandbox_id, kind, name, detail, .. } = event;
        let (at, id) = (at.as_millisecond(), sandbox_id.as_deref());
        self.event.execute(params![at, id, kind.as_str(), name, detail])?;
        let number = unsigned(self.connection.last_insert_rowid());
        if let Some(standing) = standing_after(*kind) {
            self.standing.execute(params![id, word(standing), at])?;
        }
        Ok(number)
    }

    /// Lets a sandbox stand as no event said.
    pub(super) fn stand(&mut self, serial: u64, standing: Standing, since: Timestamp) -> rusqlite::Result<()> {
        self.untold.execute(params![signed(serial), word(standing), since.as_millisecond()]).map(drop)
    }

    /// Makes a report the last one of a sandbox that is there; without a history it keeps the one that it has.
    pub(super) fn beat(&mut self, serial: u64, kept: &Kept, history: Option<&[u8]>) -> rusqlite::Result<()> {
        let (received, peer) = (kept.received.as_millisecond(), kept.peer.to_string());
        let interval = i64::try_from(kept.interval.as_millis()).unwrap_or(i64::MAX);
        let (missing, report) = (json(&kept.missing)?, json(&kept.report())?);
        let columns = params![signed(serial), received, peer, interval, missing, report, history, kept.dropped];
        self.beat.execute(columns).map(drop)
    }

    /// Notes how far a webhook is.
    pub(super) fn position(&mut self, webhook: &str, event: u64) -> rusqlite::Result<()> {
        self.position.execute(params![webhook, signed(event)]).map(drop)
    }
}

/// What [`found`] reads, in the order of serial numbers.
pub(super) const SANDBOXES: &str = "
    SELECT s.id, s.serial, s.name, s.image, s.metadata, s.created_at, s.token_hash, s.previous_hash, s.previous_until,
           s.standing, s.since, b.received, b.peer, b.interval, b.missing, b.report, b.history,
           s.earlier_hash, s.earlier_until, s.tokenless_until, b.dropped
    FROM sandboxes s LEFT JOIN beats b ON b.serial = s.serial ORDER BY s.serial";

/// Reads a sandbox. A beat, or the metadata, that cannot be read is left out and said.
///
/// # Errors
/// What it is registered with cannot be read.
pub(super) fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let mut unreadable = None;
    let mut or_none = |what: &str, error: rusqlite::Error| {
        unreadable.get_or_insert(format!("{what}: {error}"));
    };
    let metadata = from_json(row, 4).map_err(|error| or_none("its metadata", error)).unwrap_or_default();
    let beat = found_beat(row).map_err(|error| or_none("its last report", error)).unwrap_or_default();
    let (id, name) = (row.get_ref(0)?.as_str()?, row.get_ref(2)?.as_str()?);
    let name = (name != id).then(|| Box::from(name));
    let registration = Registration {
        id: Arc::from(id),
        serial: unsigned(row.get(1)?),
        described: Described { name, image: row.get(3)?, metadata }.kept(),
        created_at: timestamp(row, 5)?.into(),
        tokens: found_tokens(row)?,
    };
    let standing = row.get_ref(9)?.as_str()?;
    let saved = Saved {
        registration: Arc::new(registration),
        standing: self::standing(standing).ok_or_else(|| unreadable_as(9, format!("`{standing}` is no standing")))?,
        since: timestamp(row, 10)?,
        history: row.get::<_, Option<Vec<u8>>>(16).unwrap_or_default().unwrap_or_default(),
        beat,
    };
    Ok(Found { saved, unreadable })
}

fn found_tokens(row: &Row<'_>) -> rusqlite::Result<Option<Tokens>> {
    let Some(current) = hash(row, 6)? else { return Ok(None) };
    let mut previous = Vec::new();
    for column in [17, 7] {
        if let Some(hash) = hash(row, column)? {
            previous.push(Previous { hash, until: timestamp(row, column + 1)? });
        }
    }
    let tokenless_until = row.get::<_, Option<i64>>(19)?.map(|_| timestamp(row, 19)).transpose()?.map(Into::into);
    Ok(Some(Tokens { current, previous: previous.into(), tokenless_until }))
}

fn found_beat(row: &Row<'_>) -> rusqlite::Result<Option<SavedBeat>> {
    if row.get_ref(11)? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    let peer = row.get_ref(12)?.as_str()?;
    Ok(Some(SavedBeat {
        received: timestamp(row, 11)?,
        peer: peer.parse::<IpAddr>().map_err(|error| unreadable_as(12, error))?,
        interval: Duration::from_millis(unsigned(row.get(13)?)),
        missing: from_json::<Vec<Part>>(row, 14)?,
        report: from_json(row, 15)?,
        dropped: row.get(20)?,
    }))
}

/// The columns of an event, as [`event`] reads them.
pub(super) const EVENT: &str = "id, at, sandbox_id, type, name, detail";

/// Reads an event.
pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let kind = row.get_ref(3)?.as_str()?;
    Ok(Event {
        id: unsigned(row.get(0)?),
        at: timestamp(row, 1)?,
        sandbox_id: row.get(2)?,
        kind: Kind::parse(kind).ok_or_else(|| unreadable_as(3, format!("`{kind}` is no kind of event")))?,
        name: row.get(4)?,
        detail: row.get(5)?,
    })
}

/// SQLite's integers have a sign, our numbers do not; none of them comes near the limit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way round.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn standing_after(kind: Kind) -> Option<Standing> {
    match kind {
        Kind::Reported | Kind::Recovered | Kind::Started => Some(Standing::Live),
        Kind::Overdue => Some(Standing::Overdue),
        Kind::Lost => Some(Standing::Lost),
        Kind::Stopped => Some(Standing::Stopped),
        _ => None,
    }
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::NeverReported => "never-reported",
        Standing::Overdue => "overdue",
        Standing::Live => "live",
        Standing::Lost => "lost",
        Standing::Stopped => "stopped",
    }
}

fn standing(text: &str) -> Option<Standing> {
    use Standing::{Live, Lost, NeverReported, Overdue, Stopped};
    [NeverReported, Overdue, Live, Lost, Stopped].into_iter().find(|standing| word(*standing) == text)
}

fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| unreadable_as(column, error))
}

fn tokenless(registration: &Registration) -> Option<i64> {
    registration.tokens.as_ref()?.tokenless_until.map(Milliseconds::number)
}

fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<KeyHash>> {
    row.get::<_, Option<[u8; 32]>>(column).map(|digest| digest.map(KeyHash::stored))
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| unreadable_as(column, error))
}

fn unreadable_as(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_has_a_word_of_its_own() {
        for each in [Standing::NeverReported, Standing::Overdue, Standing::Live, Standing::Lost, Standing::Stopped] {
            assert_eq!(standing(word(each)), Some(each));
        }
        assert_eq!(standing("no-such"), None);
    }
}
