//! The hub's state: the fleet in memory, and what of it outlives the process.
//!
//! What is asked for and what a beat needs never waits for a disk. Registrations, deletions, new tokens and events go
//! through `async` functions that return once they will survive, so that nothing is answered or announced before.
//! Owner of the fleet is this lock; it is held for one change or a bounded part of a page, never across an await or an
//! access to the disk. Owner of the database is the writer's thread, which alone registers and removes: the fleet in
//! memory never has a sandbox that the disk does not have.
//!
//! Events are queued while the lock is held under which they came about, so their numbers follow the order in which
//! things happened. Beats are in memory, and saved every `snapshot_interval`.
//!
//! # The files
//! `opening` begins: `place` (files, locks, connections) and `schema` (tables, versions) open the database, `wal` looks
//! at its log before, and `load` puts the fleet back. `queue` is how the writer is asked, `stall` whether it hangs, and
//! `pending` what memory is ahead by. `writer` (the thread) carries out `batch`es and `snapshot`s, and knows `trouble`
//! and the size of the `log`, which `checkpoint` (a thread as well) brings into the database; `forgetting` deletes the
//! oldest events, and `files` are looked after. `events` and `readers` read; `room` says when the hub is full; `rows` is
//! the only one that names columns. Nothing outside this folder names SQLite.

mod batch;
mod checkpoint;
mod error;
mod events;
mod files;
mod forgetting;
mod load;
mod log;
mod opening;
mod pending;
mod place;
mod queue;
mod readers;
mod room;
mod rows;
mod schema;
mod snapshot;
mod stall;
#[cfg(test)]
mod tests;
mod trouble;
mod wal;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};
use tokio::time::{MissedTickBehavior, interval};

use self::batch::{Command, Manage, Reported};
pub use self::error::Error;
use self::events::EventPage;
pub(crate) use self::events::EventQuery;
use self::pending::Pending;
pub(crate) use self::queue::Durable;
use self::queue::{Queue, Stored};
use self::readers::Readers;
use self::room::Room;
use self::stall::Stall;
use crate::auth::KeyHash;
use crate::event::Event;
use crate::fleet::{
    Beat, Counts, Encoded, Expired, Fleet, Minute, Outcome, Page, Paging, Query, Refused, Registration, Sender,
    Snapshot,
};
use crate::measure::Measures;

/// So many sandboxes are looked at under one lock.
const BATCH: usize = 1024;

/// The hub's state.
#[derive(Debug)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    queue: Queue,
    readers: Readers,
    /// Whether beats are saved.
    lasts: bool,
    room: Room,
    writer: Mutex<Option<JoinHandle<()>>>,
    ended: watch::Receiver<()>,
}

/// What those who ask have in common with the thread that writes.
#[derive(Debug)]
struct Shared {
    fleet: Mutex<Fleet>,
    /// Taken with the fleet's lock, or alone.
    pending: Mutex<Pending>,
    events: broadcast::Sender<Arc<Event>>,
    /// The most sandboxes.
    limit: usize,
    measures: Arc<Measures>,
    stall: Stall,
}

impl Store {
    /// Returns when the store cannot write any more, because its thread ended before [`Store::close`].
    pub(crate) async fn ended(&self) -> Error {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
        Error::Ended
    }

    /// Notices a disk that hangs, until it is dropped.
    pub(crate) async fn watch(&self) {
        let mut ticks = interval(self.shared.stall.interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.shared.stall.look(&self.shared.measures.disk);
        }
    }

    /// Writes what is only in memory, and waits for it, unless the disk hangs. The last call.
    ///
    /// # Errors
    /// [`Error::Hangs`], or the writer ended by itself.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.readers.close();
        self.queue.send(Command::Close);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = writer else { return Ok(()) };
        let mut ticks = interval(self.shared.stall.interval());
        while !writer.is_finished() {
            tokio::select! {
                // At once where it has ended, which is a moment before the thread is gone.
                _ = self.ended() => break,
                _ = ticks.tick() => self.shared.stall.check()?,
            }
        }
        writer.join().map_err(|_| Error::Ended)
    }

    /// What the hub notes of itself, the store's disk included.
    pub(crate) fn measures(&self) -> &Arc<Measures> {
        &self.shared.measures
    }

    /// Adds a sandbox.
    ///
    /// # Errors
    /// The id is taken, the hub is full, or the disk does not take it.
    pub(crate) async fn register(&self, registration: Registration) -> Result<Arc<Registration>, Refused> {
        let registered = self.queue.manage(Manage::Register(registration)).wait().await;
        if let Err(Refused::Full(most)) = registered {
            self.room.none(most);
        }
        registered
    }

    /// Forgets a sandbox.
    ///
    /// # Errors
    /// There is none, or the disk does not take it.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Refused> {
        self.queue.manage(Manage::Remove { id: id.to_owned() }).wait().await?;
        self.room.made(self.counts().total(), self.shared.limit);
        Ok(())
    }

    /// Gives a sandbox a new token; the present one goes on for `overlap`. One that was registered by its first report
    /// has one from now on.
    ///
    /// # Errors
    /// There is none, or the disk does not take it.
    pub(crate) async fn rotate(&self, id: &str, token: KeyHash, overlap: Duration) -> Result<(), Refused> {
        let at = Timestamp::now();
        let until = at.checked_add(overlap).unwrap_or(Timestamp::MAX);
        self.queue.manage(Manage::Rotate { id: id.to_owned(), token, until, at }).wait().await.map(drop)
    }

    /// Takes a report; see [`Fleet::report`]. A sender that nobody knows yet is registered first. It counts when this
    /// returns; what it changed survives once [`Durable::wait`] says so, and it is answered after that.
    ///
    /// # Errors
    /// The sandbox is not there any more, or a new one finds the hub full or the disk does not take it.
    pub(crate) async fn report(&self, sender: &Sender, beat: Beat) -> Result<(Outcome, Durable), Refused> {
        // What waits for the disk is a fraction of the report.
        let received = beat.received;
        let beat = beat.encode();
        let id = beat.sandbox_id();
        if matches!(sender, Sender::New) && self.registration(id).is_none() {
            match self.register(Registration::by_report(id, received)).await {
                // Another report of it was faster.
                Ok(_) | Err(Refused::Exists) => {}
                Err(refused) => return Err(refused),
            }
        }
        let required = match sender {
            Sender::FirstToken(registration) => {
                let id = Arc::clone(&registration.id);
                Some(self.queue.manage(Manage::Require { id, serial: registration.serial }))
            }
            Sender::Known(_) | Sender::New => None,
        };
        let (outcome, told) = self.take(sender, beat)?;
        Ok((outcome, Durable { told, required }))
    }

    /// Notices what silence has changed since the last call, and waits until it is stored; returns whether to call
    /// again at once.
    pub(crate) async fn expire(&self) -> bool {
        let (stored, more) = {
            let mut fleet = self.shared.fleet();
            let Expired { events, more } = fleet.expire(Instant::now(), Timestamp::now(), BATCH);
            (self.tell(events, None), more)
        };
        // What the disk does not take now it is offered again, and the log says so.
        let _ = stored.wait().await;
        more
    }

    /// A sandbox's registration.
    pub(crate) fn registration(&self, id: &str) -> Option<Arc<Registration>> {
        self.shared.fleet().registration(id)
    }

    /// A sandbox as it is now.
    pub(crate) fn find(&self, id: &str) -> Option<Snapshot> {
        self.shared.fleet().find(id)
    }

    /// The last hour of a sandbox.
    pub(crate) fn history(&self, id: &str) -> Option<Vec<Minute>> {
        self.shared.fleet().history(id, Timestamp::now())
    }

    /// The sandboxes that a query asks for, as they are now.
    pub(crate) async fn page(&self, query: &Query) -> Page {
        let mut paging = Paging::new(query);
        while paging.step(&self.shared.fleet(), BATCH) {
            // A search may look at the whole fleet; the reports of others come first.
            tokio::task::yield_now().await;
        }
        paging.finish()
    }

    /// How many sandboxes stand how.
    pub(crate) fn counts(&self) -> Counts {
        self.shared.fleet().counts()
    }

    /// Events that happened; without those that cannot be read.
    ///
    /// # Errors
    /// The disk does not give them.
    pub(crate) async fn events(&self, query: EventQuery) -> Result<EventPage, Refused> {
        let (page, unreadable) = self.readers.read(move |connection| events::page(connection, &query)).await?;
        if let Some((event, error)) = unreadable.first {
            let counter = &self.shared.measures.disk.events_unreadable;
            if counter.add(unreadable.count) == 0 {
                tracing::error!(event, %error, "an event cannot be read and is left out; this is not said of any other");
            }
        }
        Ok(page)
    }

    /// Every event from now on, once it is stored.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.shared.events.subscribe()
    }

    /// The number of the last event that a webhook has taken; none for one that is new.
    ///
    /// # Errors
    /// The disk does not give it.
    pub(crate) async fn webhook_position(&self, webhook: &str) -> Result<Option<u64>, Refused> {
        let webhook = webhook.to_owned();
        self.readers.read(move |connection| events::position(connection, &webhook)).await
    }

    /// Notes that a webhook has taken the events up to this number. It may be noted a moment later than this returns.
    pub(crate) fn set_webhook_position(&self, webhook: &str, event: u64) {
        if !self.queue.is_closed() {
            self.queue.send(Command::Position { webhook: webhook.to_owned(), event });
        }
    }

    /// Takes a report in memory, and queues what it changed under the same lock.
    fn take(&self, sender: &Sender, beat: Encoded) -> Result<(Outcome, Stored), Refused> {
        let id = Arc::<str>::from(beat.sandbox_id());
        let mut fleet = self.shared.fleet();
        let mut outcome = fleet.report(sender, beat)?;
        let stored = match &mut outcome {
            Outcome::Accepted { events, kept, .. } if !events.is_empty() => {
                let events = std::mem::take(events);
                let serial = fleet.registration(&id).map(|registration| registration.serial);
                let serial = serial.filter(|_| self.lasts);
                let beat = serial.map(|serial| Reported { serial, kept: Arc::clone(kept) });
                self.tell(events, beat)
            }
            // Who repeats a report, or that it stops, hears of what was told before whether it survives.
            Outcome::Accepted { kept, .. } if kept.is_last() => self.settled(&id),
            Outcome::Duplicate { .. } => self.settled(&id),
            Outcome::Accepted { .. } => Stored::nothing(),
        };
        Ok((outcome, stored))
    }

    /// Where a sandbox has events under way: arrives once they are on disk. Called with the fleet's lock.
    fn settled(&self, id: &str) -> Stored {
        if self.shared.pending().has(id) { self.queue.settle() } else { Stored::nothing() }
    }

    /// Queues events; called with the lock under which they came about.
    fn tell(&self, events: Vec<Event>, beat: Option<Reported>) -> Stored {
        self.queue.tell(events, beat, &self.shared)
    }
}

impl Drop for Store {
    /// Where nobody closed it, lets the thread end with what it is at, as if the process had been killed then.
    fn drop(&mut self) {
        (self.queue.commands, _) = mpsc::channel();
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("{}", Error::Ended);
        }
    }
}

impl Shared {
    /// A panic inside the lock has reached its task's owner; the fleet's own steps leave it whole.
    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each of its steps leaves it whole.
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everyone of events that are on disk.
    fn publish(&self, events: Vec<Event>) {
        for event in events {
            self.measures.event(event.kind, event.id);
            crate::events::announce(&event);
            // Nobody listening is fine.
            let _ = self.events.send(Arc::new(event));
        }
    }
}
