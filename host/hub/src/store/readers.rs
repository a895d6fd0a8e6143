//! Connections that read, off the threads that answer: a bounded number at a time, each with its own, whatever is
//! being written meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::place::Place;
use crate::fleet::Refused;

/// So many read at the same time; the others wait.
const READERS: usize = 4;

/// Who reads.
#[derive(Debug)]
pub(super) struct Readers {
    place: Arc<Place>,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Nobody reads yet.
    pub(super) fn new(place: Arc<Place>) -> Self {
        Readers { place, turns: Arc::new(Semaphore::new(READERS)), idle: Arc::default() }
    }

    /// Reads something.
    ///
    /// # Errors
    /// The disk does not give it; the log says why.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Refused> {
        // It is held by the work, not by who waits for it, who may go away.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Refused::Disk)?;
        let (place, idle) = (Arc::clone(&self.place), Arc::clone(&self.idle));
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let kept = lock(&idle).pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => place.reader()?,
            };
            // One that failed is not used again.
            let read = read(&mut connection)?;
            lock(&idle).push(connection);
            Ok::<T, rusqlite::Error>(read)
        });
        match work.await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) => {
                let error = self.place.failed(error);
                tracing::error!(%error, "events cannot be read");
                Err(Refused::Disk)
            }
            Err(error) => {
                tracing::error!(%error, "reading events ended; this is a bug");
                Err(Refused::Disk)
            }
        }
    }

    /// Lets nobody read any more, so that the last connection is the one that writes.
    pub(super) fn close(&self) {
        self.turns.close();
        lock(&self.idle).clear();
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
