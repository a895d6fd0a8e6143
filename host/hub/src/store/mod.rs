//! The hub's state: the fleet in memory, and what of it outlives the process.
//!
//! What is asked for and what a beat needs never waits for a disk. Registrations, deletions, new tokens and events go
//! through `async` functions that return once they will survive, so that nothing is answered or announced before.
//! Owner of the fleet is this lock; it is held for one change or a bounded part of a page, never across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::auth::KeyHash;
use crate::config::Config;
use crate::event::{Event, Kind};
use crate::fleet::{
    Beat, Counts, Expired, Fleet, Minute, Outcome, Page, Paging, Query, Refused, Registration, Sender, Settings,
    Snapshot, Tokens,
};

/// So many sandboxes are looked at under one lock.
const BATCH: usize = 1024;
/// So many events wait for a listener that is behind; after that it has to read them from the store.
const BEHIND: usize = 4096;

/// The hub's state.
#[derive(Debug)]
pub(crate) struct Store {
    fleet: Mutex<Fleet>,
    kept: Mutex<Vec<Arc<Event>>>,
    events: broadcast::Sender<Arc<Event>>,
}

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

/// Why a store cannot be opened; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {}

impl Store {
    /// Opens the store that the configuration names.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        Ok(Store {
            fleet: Mutex::new(Fleet::new(Settings::of(config), Instant::now())),
            kept: Mutex::new(Vec::new()),
            events: broadcast::Sender::new(BEHIND),
        })
    }

    /// Writes what is only in memory, and waits for it. The last call.
    pub(crate) async fn close(&self) {}

    /// Adds a sandbox.
    ///
    /// # Errors
    /// The id is taken, the hub is full, or the disk does not take it.
    pub(crate) async fn register(&self, registration: Registration) -> Result<Arc<Registration>, Refused> {
        let registration = Arc::new(registration);
        let event = Event::of(&registration.id, Kind::Registered, registration.created_at);
        self.fleet().register(Arc::clone(&registration), Instant::now())?;
        self.publish(vec![event]);
        Ok(registration)
    }

    /// Forgets a sandbox.
    ///
    /// # Errors
    /// There is none, or the disk does not take it.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Refused> {
        self.fleet().remove(id)?;
        self.publish(vec![Event::of(&Arc::from(id), Kind::Deleted, Timestamp::now())]);
        Ok(())
    }

    /// Gives a sandbox a new token; the present one goes on for `overlap`. One that was registered by its first report
    /// has one from now on, and needs it after `overlap`.
    ///
    /// # Errors
    /// There is none, or the disk does not take it.
    pub(crate) async fn rotate(&self, id: &str, token: KeyHash, overlap: Duration) -> Result<(), Refused> {
        let mut fleet = self.fleet();
        let present = fleet.registration(id).ok_or(Refused::Unknown)?;
        let until = Timestamp::now().checked_add(overlap).unwrap_or(Timestamp::MAX);
        let tokens = match &present.tokens {
            Some(tokens) => tokens.rotated(token, until),
            None => Tokens::of(token),
        };
        fleet.replace(Arc::new(Registration { tokens: Some(tokens), ..Registration::clone(&present) }))?;
        drop(fleet);
        self.publish(vec![Event::of(&present.id, Kind::TokenRotated, Timestamp::now())]);
        Ok(())
    }

    /// Takes a report; see [`Fleet::report`]. A sender that nobody knows yet is registered first. What the report
    /// changed survives when this returns.
    ///
    /// # Errors
    /// The sandbox is not there any more, a new one finds the hub full, or the disk does not take what it changed.
    pub(crate) async fn report(&self, sender: &Sender, beat: Beat) -> Result<Outcome, Refused> {
        let id = beat.report.sandbox_id.as_str();
        if matches!(sender, Sender::New) && self.registration(id).is_none() {
            match self.register(Registration::by_report(id, beat.received)).await {
                // Another report of it was faster.
                Ok(_) | Err(Refused::Exists) => {}
                Err(refused) => return Err(refused),
            }
        }
        let beat = beat.encode();
        let mut outcome = self.fleet().report(sender, beat)?;
        if let Outcome::Accepted { events, .. } = &mut outcome {
            self.publish(std::mem::take(events));
        }
        Ok(outcome)
    }

    /// Notices what silence has changed since the last call; returns whether to call again at once.
    pub(crate) async fn expire(&self) -> bool {
        let Expired { events, more } = self.fleet().expire(Instant::now(), Timestamp::now(), BATCH);
        self.publish(events);
        more
    }

    /// A sandbox's registration.
    pub(crate) fn registration(&self, id: &str) -> Option<Arc<Registration>> {
        self.fleet().registration(id)
    }

    /// A sandbox as it is now.
    pub(crate) fn find(&self, id: &str) -> Option<Snapshot> {
        self.fleet().find(id)
    }

    /// The last hour of a sandbox.
    pub(crate) fn history(&self, id: &str) -> Option<Vec<Minute>> {
        self.fleet().history(id, Timestamp::now())
    }

    /// The sandboxes that a query asks for, as they are now.
    pub(crate) fn page(&self, query: &Query) -> Page {
        let mut paging = Paging::new(query);
        while paging.step(&self.fleet(), BATCH) {}
        paging.finish()
    }

    /// How many sandboxes stand how.
    pub(crate) fn counts(&self) -> Counts {
        self.fleet().counts()
    }

    /// Events that happened.
    ///
    /// # Errors
    /// The disk does not give them.
    pub(crate) async fn events(&self, query: EventQuery) -> Result<EventPage, Refused> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |event: &&Arc<Event>| {
            (query.sandbox_id.is_none() || event.sandbox_id.as_deref() == query.sandbox_id.as_deref())
                && (query.kinds.is_empty() || query.kinds.contains(&event.kind))
        };
        let events: Vec<_> = match query.after {
            Some(after) => kept.iter().filter(wanted).filter(|e| e.id > after).take(query.limit + 1).cloned().collect(),
            None => {
                let below = query.before.unwrap_or(u64::MAX);
                kept.iter().rev().filter(wanted).filter(|e| e.id < below).take(query.limit + 1).cloned().collect()
            }
        };
        let more = events.len() > query.limit;
        Ok(EventPage { events: events.into_iter().take(query.limit).collect(), more, forgotten: 0 })
    }

    /// Every event from now on, once it is stored.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    /// The number of the last event that a webhook has taken; none for one that is new.
    ///
    /// # Errors
    /// The disk does not give it.
    pub(crate) async fn webhook_position(&self, _webhook: &str) -> Result<Option<u64>, Refused> {
        Ok(None)
    }

    /// Notes that a webhook has taken the events up to this number. It may be noted a moment later than this returns.
    pub(crate) fn set_webhook_position(&self, _webhook: &str, _event: u64) {}

    fn publish(&self, events: Vec<Event>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for mut event in events {
            event.id = kept.len() as u64 + 1;
            crate::events::announce(&event);
            let event = Arc::new(event);
            kept.push(Arc::clone(&event));
            // Nobody listening is fine.
            let _ = self.events.send(event);
        }
    }

    /// A panic inside the lock has reached its task's owner; the fleet's own steps leave it whole.
    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
