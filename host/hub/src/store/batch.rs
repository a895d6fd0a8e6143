//! What is asked of the writer, and how much of it one transaction carries out.
//!
//! Every command of a batch is judged against the fleet in memory and against what the batch itself has done so far;
//! who is refused costs the others nothing. What nobody waits for any more is not done. Nothing in memory changes before
//! the transaction is committed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use super::Shared;
use super::queue::Answer;
use super::rows::Writes;
use super::schema;
use crate::auth::KeyHash;
use crate::event::{Event, Kind};
use crate::fleet::{Kept, Refused, Registration, Tokens};

/// Something that is on disk before it is answered.
#[derive(Debug)]
pub(super) enum Command {
    /// A change of the fleet.
    Manage { change: Manage, done: Answer<Arc<Registration>> },
    /// What has happened already.
    Tell { events: Vec<Event>, beat: Option<Reported>, done: Answer<()> },
    /// Nothing; answered once all that was queued before is on disk.
    Settle { done: Answer<()> },
    /// How far a webhook is; written with something else, or a moment later.
    Position { webhook: String, event: u64 },
    /// Write everything, and end.
    Close,
}

/// A change of the fleet that happens once it is on disk.
#[derive(Debug)]
pub(super) enum Manage {
    Register(Registration),
    Remove {
        id: String,
    },
    Rotate {
        id: String,
        token: KeyHash,
        until: Timestamp,
        at: Timestamp,
    },
    /// This registration's token was shown: from now on it may not be left out.
    Require {
        id: Arc<str>,
        serial: u64,
    },
}

impl Manage {
    /// What it takes beyond its own size, in bytes of memory; about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Manage::Register(registration) => registration.described.as_ref().map_or(0, |described| described.bytes()),
            Manage::Remove { .. } | Manage::Rotate { .. } | Manage::Require { .. } => 0,
        }
    }
}

/// The report that brought events: it is written with them, so that after a crash a sandbox that stopped is known to
/// have said so.
#[derive(Clone, Debug)]
pub(super) struct Reported {
    pub serial: u64,
    pub kept: Arc<Kept>,
}

/// What a committed batch has done.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The events, in the order of their numbers.
    pub events: Vec<Event>,
    /// Of each command of the batch.
    pub effects: Vec<Effect>,
    /// Whose registration ended.
    pub removed: HashSet<Arc<str>>,
}

/// What became of a command.
#[derive(Debug)]
pub(super) enum Effect {
    Registered(Arc<Registration>),
    Removed(Arc<Registration>),
    /// It has other tokens, or other rules for them.
    Rotated(Arc<Registration>),
    Told,
    Refused(Refused),
}

/// Writes events that have waited, then commands and positions, as one transaction; something is written in any case,
/// so that it says whether the disk takes changes.
///
/// # Errors
/// SQLite's; nothing of it has happened then.
pub(super) fn write<'a>(
    connection: &mut Connection,
    shared: &Shared,
    waited: impl Iterator<Item = &'a Event>,
    commands: &[Command],
    positions: &HashMap<String, u64>,
) -> rusqlite::Result<Written> {
    let transaction = connection.transaction()?;
    let mut batch = Batch::new(shared, &transaction)?;
    for event in waited {
        batch.tell(event)?;
    }
    for command in commands {
        let effect = batch.carry_out(command)?;
        batch.written.effects.push(effect);
    }
    for (webhook, event) in positions {
        batch.writes.position(webhook, *event)?;
    }
    if batch.written.events.is_empty() && positions.is_empty() {
        schema::touch(&transaction)?;
    }
    let written = batch.end();
    transaction.commit()?;
    Ok(written)
}

struct Batch<'a> {
    shared: &'a Shared,
    writes: Writes<'a>,
    /// As this batch leaves them, where it changes them.
    registrations: HashMap<Arc<str>, Option<Arc<Registration>>>,
    /// By so many sandboxes the fleet is larger after this batch.
    grown: isize,
    written: Written,
}

impl<'a> Batch<'a> {
    fn new(shared: &'a Shared, connection: &'a Connection) -> rusqlite::Result<Self> {
        let writes = Writes::new(connection)?;
        Ok(Batch { shared, writes, registrations: HashMap::new(), grown: 0, written: Written::default() })
    }

    /// Lets go of the transaction, so that it can be committed.
    fn end(self) -> Written {
        self.written
    }

    fn carry_out(&mut self, command: &Command) -> rusqlite::Result<Effect> {
        match command {
            Command::Manage { done, .. } if done.is_withdrawn() => Ok(Effect::Refused(Refused::Disk)),
            Command::Manage { change: Manage::Register(registration), .. } => self.register(registration),
            Command::Manage { change: Manage::Remove { id }, .. } => self.remove(id),
            Command::Manage { change: Manage::Rotate { id, token, until, at }, .. } => {
                self.rotate(id, token, *until, *at)
            }
            Command::Manage { change: Manage::Require { id, serial }, .. } => self.require(id, *serial),
            Command::Tell { events, beat, .. } => self.tell_all(events, beat.as_ref()),
            Command::Settle { .. } | Command::Position { .. } | Command::Close => Ok(Effect::Told),
        }
    }

    fn register(&mut self, registration: &Registration) -> rusqlite::Result<Effect> {
        if self.registration(&registration.id).is_some() {
            return Ok(Effect::Refused(Refused::Exists));
        }
        let limit = self.shared.limit;
        if self.shared.fleet().counts().total().saturating_add_signed(self.grown) >= limit {
            return Ok(Effect::Refused(Refused::Full(limit)));
        }
        // Its row could not be read at the start, so memory does not know it.
        let Some(serial) = self.writes.register(registration)? else { return Ok(Effect::Refused(Refused::Exists)) };
        let registration = Arc::new(Registration { serial, ..registration.clone() });
        self.tell(&Event::of(&registration.id, Kind::Registered, registration.created_at.into()))?;
        self.registrations.insert(Arc::clone(&registration.id), Some(Arc::clone(&registration)));
        self.grown += 1;
        Ok(Effect::Registered(registration))
    }

    fn remove(&mut self, id: &str) -> rusqlite::Result<Effect> {
        let Some(registration) = self.registration(id) else { return Ok(Effect::Refused(Refused::Unknown)) };
        self.writes.remove(registration.serial)?;
        self.tell(&Event::of(&registration.id, Kind::Deleted, Timestamp::now()))?;
        self.registrations.insert(Arc::clone(&registration.id), None);
        self.written.removed.insert(Arc::clone(&registration.id));
        self.grown -= 1;
        Ok(Effect::Removed(registration))
    }

    fn rotate(&mut self, id: &str, token: &KeyHash, until: Timestamp, at: Timestamp) -> rusqlite::Result<Effect> {
        let Some(present) = self.registration(id) else { return Ok(Effect::Refused(Refused::Unknown)) };
        let tokens = Tokens::rotated(present.tokens.as_ref(), token.clone(), until, at);
        self.tell(&Event::of(&present.id, Kind::TokenRotated, at))?;
        self.give(&present, tokens)
    }

    fn require(&mut self, id: &str, serial: u64) -> rusqlite::Result<Effect> {
        let Some(present) = self.registration(id).filter(|present| present.serial == serial) else {
            return Ok(Effect::Refused(Refused::Unknown));
        };
        match &present.tokens {
            Some(tokens) if tokens.tokenless_until.is_some() => {
                self.give(&present, Tokens { tokenless_until: None, ..tokens.clone() })
            }
            // Another report was faster.
            _ => Ok(Effect::Rotated(present)),
        }
    }

    fn give(&mut self, present: &Registration, tokens: Tokens) -> rusqlite::Result<Effect> {
        let registration = Arc::new(Registration { tokens: Some(tokens), ..present.clone() });
        self.writes.rotate(&registration)?;
        self.registrations.insert(Arc::clone(&registration.id), Some(Arc::clone(&registration)));
        Ok(Effect::Rotated(registration))
    }

    /// What a sandbox did after its removal was asked for, and before it has happened, is nothing of one that may be
    /// registered under its id by then.
    fn tell_all(&mut self, events: &[Event], beat: Option<&Reported>) -> rusqlite::Result<Effect> {
        let mut told = false;
        for event in events {
            if !is_of(event, &self.written.removed) {
                self.tell(event)?;
                told = true;
            }
        }
        if let Some(Reported { serial, kept }) = beat {
            self.writes.beat(*serial, kept, None)?;
        }
        Ok(if told { Effect::Told } else { Effect::Refused(Refused::Unknown) })
    }

    fn tell(&mut self, event: &Event) -> rusqlite::Result<()> {
        let id = self.writes.event(event)?;
        self.written.events.push(Event { id, ..event.clone() });
        Ok(())
    }

    fn registration(&self, id: &str) -> Option<Arc<Registration>> {
        match self.registrations.get(id) {
            Some(registration) => registration.clone(),
            None => self.shared.fleet().registration(id),
        }
    }
}

/// Whether an event is one of these sandboxes'.
pub(super) fn is_of(event: &Event, sandboxes: &HashSet<Arc<str>>) -> bool {
    event.sandbox_id.as_ref().is_some_and(|id| sandboxes.contains(id))
}
