//! Opening the store: its place is taken, the fleet put back, and the thread that writes started.
//!
//! It blocks for as long as the disk does. When a step fails, the error says which file and what to do, and the place
//! is free again, since lock and connections go with what was made so far. What of a single sandbox cannot be read does
//! not end it; see [`load`].

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};

use super::place::Place;
use super::queue::Queue;
use super::readers::Readers;
use super::room::Room;
use super::stall::{PATIENCE, Stall};
use super::writer::Worker;
use super::{Error, Shared, Store, load};
use crate::config::{Config, Webhook};
use crate::fleet::{Fleet, Settings};
use crate::measure::Measures;

/// So many events wait for a listener that is behind; after that it has to read them from the store.
const BEHIND: usize = 4096;

impl Store {
    /// Opens the store that the configuration names, with everything that was saved.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        Self::open_with(config, PATIENCE)
    }

    pub(super) fn open_with(config: &Config, patience: Duration) -> Result<Self, Error> {
        let began = Instant::now();
        let (place, lock) = Place::open(config.data.as_deref())?;
        let place = Arc::new(place);
        let mut connection = place.writer()?;
        let mut fleet = Fleet::new(Settings::of(config), began);
        let loaded = load::all(&connection, &mut fleet, began).map_err(|error| place.failed(error))?;
        let load::Loaded { sandboxes, events, unreadable, settled: mut untold } = loaded;
        let doubted = load::doubted(&mut connection).map_err(|error| place.failed(error))?;
        if place.lasts() {
            let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(sandboxes, events, unreadable, milliseconds, "{} is open", place.path().display());
        } else {
            tracing::warn!("nothing outlives this hub; name a directory in `data` (`--data`) to keep its state");
        }
        let shared = Arc::new(Shared {
            fleet: Mutex::new(fleet),
            pending: Mutex::default(),
            events: broadcast::Sender::new(BEHIND),
            limit: config.max_sandboxes,
            measures: Arc::new(Measures::new(Webhook::names(&config.webhooks))),
            stall: Stall::none(place.path().to_owned(), patience),
        });
        let (commands, received) = mpsc::channel();
        let worker = Worker::new(Arc::clone(&place), connection, Arc::clone(&shared), received, &config.keep, events)?;
        let (end, ended) = watch::channel(());
        let run = move || {
            // Gone once the thread has ended, however it does.
            let (_end, _lock) = (end, lock);
            worker.run();
        };
        let writer = thread::Builder::new().name("hub-store".into()).spawn(run).map_err(Error::Thread)?;
        let (lasts, readers) = (place.lasts(), Readers::new(place));
        let queue = Queue::new(commands, shared.stall.watch());
        let (room, writer) = (Room::default(), Mutex::new(Some(writer)));
        let store = Store { shared, queue, readers, lasts, room, writer, ended };
        // Whoever was told of the doubt would wait for its end for ever.
        untold.extend(doubted.then(|| load::end_of_doubt(Timestamp::now())));
        drop(store.tell(untold, None));
        Ok(store)
    }
}
