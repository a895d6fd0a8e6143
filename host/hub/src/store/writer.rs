//! The thread that writes. It alone has the connection that can, so whatever changes the database does so in one order.
//!
//! What waits in the queue becomes one transaction; once that is on disk, memory is changed, listeners are told, and
//! whoever waits is answered, in this order. Between two transactions a part of the beats is saved, and old events are
//! forgotten a step at a time.
//!
//! When a transaction fails, nothing of it has happened: those who wait are told so, and events, which have happened
//! already, wait here in order for the next try. What nobody waits for any more, and has not happened, does not happen.
//! While the thread is at something, `stall` knows since when.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::Shared;
use super::batch::{self, Command, Effect, Written, is_of};
use super::error::Error;
use super::files::Files;
use super::forgetting::Forgetting;
use super::log::Log;
use super::place::Place;
use super::queue::MOST_EVENTS;
use super::snapshot::Rounds;
use super::trouble::{Trouble, What};
use crate::config::Keep;
use crate::event::Event;
use crate::fleet::Refused;
use crate::measure::DiskMeasures;

/// The most commands, and the most events that have waited, in one transaction.
const BATCH: usize = 2048;
/// How often the log's size is looked at, and the files are.
const TICK: Duration = Duration::from_secs(1);
/// How long the last round of beats may take.
const LAST_ROUND: Duration = Duration::from_secs(30);

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Worker {
    connection: Connection,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    /// Taken from the queue, in its order.
    taken: VecDeque<Command>,
    /// Events that an earlier transaction failed with; they come before all that was taken.
    waiting: VecDeque<Event>,
    positions: HashMap<String, u64>,
    changes: Trouble,
    beats: Trouble,
    forgetting: Forgetting,
    /// None where nothing outlives the process.
    rounds: Option<Rounds>,
    tick: Instant,
    files: Files,
    /// None where nothing outlives the process.
    log: Option<Log>,
    closing: Option<Closing>,
    /// There for longer than the connections.
    place: Arc<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Closing {
    /// Everything is to be written before.
    Asked,
    /// Nobody is there any more.
    Abandoned,
}

impl Worker {
    /// A worker for a fleet that was loaded from this connection; `events` is how many there are.
    ///
    /// # Errors
    /// SQLite's, or see [`Log::of`].
    pub(super) fn new(
        place: Arc<Place>,
        connection: Connection,
        shared: Arc<Shared>,
        commands: Receiver<Command>,
        keep: &Keep,
        events: u64,
    ) -> Result<Self, Error> {
        let forgetting = Forgetting::at_opening(&connection, keep, events).map_err(|error| place.failed(error))?;
        let files = Files::of(&place);
        Ok(Worker {
            log: place.lasts().then(|| Log::of(&place)).transpose()?,
            rounds: place.lasts().then(|| Rounds::every(keep.snapshot_interval)),
            place,
            connection,
            shared,
            commands,
            taken: VecDeque::new(),
            waiting: VecDeque::new(),
            positions: HashMap::new(),
            changes: Trouble::none(What::Changes),
            beats: Trouble::none(What::Beats),
            forgetting,
            tick: Instant::now() + TICK,
            files,
            closing: None,
        })
    }

    /// Writes until it is told to end, or nobody is there any more to tell it.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while self.closing.is_none() {
            self.receive();
            let busy = shared.stall.begin();
            self.disk().backlog.set(self.taken.len() + self.waiting.len());
            if !self.changes.is_on() || Instant::now() >= self.changes.retry() {
                self.write_changes();
                self.tend();
            }
            self.write_beats();
            if let Some(log) = &mut self.log
                && log.go_on(&self.place, &self.connection)
            {
                self.files.have_been_written();
            }
            drop(busy);
            self.disk().set_trouble(self.is_in_trouble());
        }
        if self.closing == Some(Closing::Asked) {
            self.finish();
        }
    }

    /// Waits until there is something to do, and takes all that there is.
    fn receive(&mut self) {
        let wait = self.next_due().saturating_duration_since(Instant::now());
        match self.commands.recv_timeout(wait) {
            Ok(command) => self.take(command),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.closing = Some(Closing::Abandoned),
        }
        self.take_queued();
    }

    fn next_due(&self) -> Instant {
        if self.changes.is_on() {
            return self.changes.retry();
        }
        if !self.taken.is_empty() || !self.waiting.is_empty() {
            return Instant::now();
        }
        let due = self.tick.min(self.forgetting.due());
        match &self.rounds {
            Some(_) if self.log_is_held() => due,
            Some(rounds) => due.min(rounds.due().max(self.beats.retry())),
            None => due,
        }
    }

    fn take_queued(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            self.take(command);
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Close => self.closing = Some(Closing::Asked),
            Command::Position { webhook, event } => {
                self.positions.insert(webhook, event);
            }
            // There is nothing to wait for.
            command @ (Command::Tell { .. } | Command::Settle { .. }) if self.changes.is_on() => self.put_off(command),
            command => self.taken.push_back(command),
        }
    }

    /// One transaction of what waits.
    fn write_changes(&mut self) {
        let waited = self.waiting.len().min(BATCH);
        // What was taken comes after all that waits.
        let room = if self.waiting.len() > BATCH { 0 } else { BATCH.min(self.taken.len()) };
        // In trouble a transaction of nothing finds out whether it is over.
        if waited + room + self.positions.len() == 0 && !self.changes.is_on() {
            return;
        }
        let look = self.look_at_files();
        let commands: Vec<Command> = self.taken.drain(..room).collect();
        let events = self.waiting.iter().take(waited);
        let began = Instant::now();
        let (connection, shared) = (&mut self.connection, &self.shared);
        let result = look.and_then(|()| batch::write(connection, shared, events, &commands, &self.positions));
        self.disk().commits.note(began.elapsed());
        match result {
            Ok(written) => {
                self.log.iter_mut().for_each(|log| log.written(true));
                self.positions.clear();
                self.forgetting.added(written.events.len());
                self.changes.worked(self.place.path(), self.disk().events_lost.get());
                self.apply(&written);
                self.settle(waited, &commands);
                self.shared.publish(written.events);
                commands.into_iter().zip(written.effects).for_each(answer);
            }
            Err(error) => {
                self.changes.failed(self.place.path(), &error);
                // All of them, or what comes later would be written before what is left.
                let left = std::mem::take(&mut self.taken);
                commands.into_iter().chain(left).for_each(|command| self.put_off(command));
            }
        }
    }

    /// So many events that have waited, and those of these commands, are on disk.
    fn settle(&mut self, waited: usize, commands: &[Command]) {
        let mut pending = self.shared.pending();
        pending.settle(&self.waiting.drain(..waited).collect::<Vec<_>>());
        for command in commands {
            if let Command::Tell { events, .. } = command {
                pending.settle(events);
            }
        }
    }

    /// Changes memory as the disk was changed.
    fn apply(&mut self, Written { effects, removed, .. }: &Written) {
        let shared = Arc::clone(&self.shared);
        let mut fleet = shared.fleet();
        for effect in effects {
            let applied = match effect {
                Effect::Registered(registration) => fleet.register(Arc::clone(registration), Instant::now()),
                Effect::Removed(registration) => fleet.remove(&registration.id),
                Effect::Rotated(registration) => fleet.replace(Arc::clone(registration)),
                Effect::Told | Effect::Refused(_) => Ok(()),
            };
            if let Err(error) = applied {
                tracing::error!(%error, "memory and disk do not agree on a sandbox; this is a bug");
            }
        }
        if !removed.is_empty() {
            // Under the lock, so that whatever comes later is of a later registration.
            self.take_queued();
            let taken = std::mem::take(&mut self.taken);
            self.taken = taken.into_iter().filter_map(|command| without(command, removed, &shared)).collect();
        }
    }

    /// Tells whoever waits that the disk does not take it; events stay for the next try.
    fn put_off(&mut self, command: Command) {
        match command {
            Command::Manage { done, .. } => done.send(Err(Refused::Disk)),
            Command::Tell { mut events, done, .. } => {
                let room = MOST_EVENTS.saturating_sub(self.waiting.len());
                let lost = events.split_off(room.min(events.len()));
                self.disk().events_lost.add(lost.len() as u64);
                self.shared.pending().settle(&lost);
                self.waiting.extend(events);
                done.send(Err(Refused::Disk));
            }
            Command::Settle { done } => done.send(Err(Refused::Disk)),
            Command::Position { .. } | Command::Close => {}
        }
    }

    /// Saves a part of the beats where it is time to.
    fn write_beats(&mut self) {
        let (now, held) = (Instant::now(), self.log_is_held());
        let Some(rounds) = &mut self.rounds else { return };
        // An event of a sandbox is saved before the report that came after it.
        if held || self.changes.is_on() || now < rounds.due() || now < self.beats.retry() {
            return;
        }
        match rounds.write_part(&mut self.connection, &self.shared) {
            Ok(_) => {
                self.beats.worked(self.place.path(), 0);
                self.log.iter_mut().for_each(|log| log.written(false));
            }
            Err(error) => self.beats.failed(self.place.path(), &error),
        }
    }

    /// What is due every so often.
    fn tend(&mut self) {
        let now = Instant::now();
        if now >= self.forgetting.due() {
            self.forgetting.step(&self.connection, self.place.path());
        }
        if now < self.tick {
            return;
        }
        self.tick = now + TICK;
        if let Err(error) = self.look_at_files() {
            self.changes.failed(self.place.path(), &error);
        }
        if let Some(log) = &mut self.log {
            log.look(&self.place, &self.connection);
        }
    }

    /// Writes all that there is, once, and says what the disk did not take.
    fn finish(&mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            let _busy = shared.stall.begin();
            self.write_changes();
            if self.changes.is_on() || self.taken.is_empty() && self.waiting.is_empty() {
                break;
            }
        }
        // Whoever waits is told by this that the disk did not take it.
        self.taken.clear();
        let saved = self.look_at_files().map_err(Unsaved::Disk).and_then(|()| self.last_round());
        if let Err(error) = saved {
            tracing::error!(%error, "the last reports of some sandboxes could not be saved");
        }
        let _busy = shared.stall.begin();
        if let Some(log) = self.log.take() {
            log.finish(&self.connection);
        }
        self.disk().events_lost.add(self.waiting.len() as u64);
        let lost = self.disk().events_lost.get();
        if lost > 0 {
            tracing::error!(lost, "the disk did not take these events since the hub started, and they are gone");
        }
    }

    fn is_in_trouble(&self) -> bool {
        let log = self.log.as_ref().is_some_and(Log::is_in_trouble);
        log || self.changes.is_on()
            || self.beats.is_on()
            || self.forgetting.is_in_trouble()
            || self.files.are_overwritten()
    }

    /// Fails where what is written would be lost.
    fn look_at_files(&mut self) -> rusqlite::Result<()> {
        self.files.look(self.log.as_ref().is_some_and(Log::is_copying))
    }

    fn log_is_held(&self) -> bool {
        self.log.as_ref().is_some_and(Log::is_held)
    }

    fn disk(&self) -> &DiskMeasures {
        &self.shared.measures.disk
    }

    fn last_round(&mut self) -> Result<(), Unsaved> {
        let end = Instant::now() + LAST_ROUND;
        let Some(rounds) = &mut self.rounds else { return Ok(()) };
        loop {
            let _busy = self.shared.stall.begin();
            if !rounds.write_part(&mut self.connection, &self.shared)? {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(Unsaved::TooSlow);
            }
        }
    }
}

/// Why the last reports are not all saved.
#[derive(Debug, thiserror::Error)]
enum Unsaved {
    #[error("it takes longer than {} s", LAST_ROUND.as_secs())]
    TooSlow,
    #[error(transparent)]
    Disk(#[from] rusqlite::Error),
}

/// A command without what it tells of sandboxes that were removed; none where nothing else is left of it.
fn without(command: Command, removed: &HashSet<Arc<str>>, shared: &Shared) -> Option<Command> {
    let Command::Tell { mut events, beat, done } = command else { return Some(command) };
    let gone: Vec<_> = events.extract_if(.., |event| is_of(event, removed)).collect();
    shared.pending().settle(&gone);
    if events.is_empty() {
        done.send(Err(Refused::Unknown));
        return None;
    }
    Some(Command::Tell { events, beat, done })
}

fn answer((command, effect): (Command, Effect)) {
    match (command, effect) {
        (Command::Manage { done, .. }, Effect::Refused(refused)) => done.send(Err(refused)),
        (
            Command::Manage { done, .. },
            Effect::Registered(registration) | Effect::Removed(registration) | Effect::Rotated(registration),
        ) => done.send(Ok(registration)),
        (Command::Tell { done, .. }, Effect::Refused(refused)) => done.send(Err(refused)),
        (Command::Tell { done, .. } | Command::Settle { done }, _) => done.send(Ok(())),
        (Command::Manage { .. } | Command::Position { .. } | Command::Close, _) => {}
    }
}
