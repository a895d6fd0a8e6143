//! A disk that does not answer: a frozen file system, or one whose server is gone. The writer then hangs in the middle
//! of a write and can say nothing, so it notes when it begins, and somebody else looks whether that was too long ago.
//!
//! While it hangs, nobody waits for it; the log says so once, and once that it is over. What it was at may still
//! happen.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::error::Error;
use crate::measure::DiskMeasures;

/// So long the writer may be at one thing.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the writer hangs.
#[derive(Debug)]
pub(super) struct Stall {
    path: PathBuf,
    patience: Duration,
    /// When the writer began with what it is at.
    since: Mutex<Option<Instant>>,
    /// Changed with `since` locked.
    hangs: watch::Sender<bool>,
}

/// The writer is at something for as long as this is there.
#[derive(Debug)]
pub(super) struct Busy<'s>(&'s Stall);

impl Stall {
    /// The writer of this file is at nothing.
    pub(super) fn none(path: PathBuf, patience: Duration) -> Self {
        Stall { path, patience, since: Mutex::new(None), hangs: watch::Sender::new(false) }
    }

    /// The writer begins with something.
    pub(super) fn begin(&self) -> Busy<'_> {
        *self.since() = Some(Instant::now());
        Busy(self)
    }

    /// Whether the writer goes on.
    ///
    /// # Errors
    /// [`Error::Hangs`].
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.since().is_some_and(|since| since.elapsed() >= self.patience) {
            return Err(Error::Hangs { path: self.path.clone(), patience: self.patience });
        }
        Ok(())
    }

    /// Whether it hangs, for who waits for it.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.hangs.subscribe()
    }

    /// Looks, and says it where it hangs. To be called several times within the patience.
    pub(super) fn look(&self, disk: &DiskMeasures) {
        let since = self.since();
        if since.is_some_and(|since| since.elapsed() >= self.patience) && !self.hangs.send_replace(true) {
            // The writer says it when that is over.
            disk.set_trouble(true);
            tracing::error!(
                "{} has not taken a write for {} s; look at its disk, its file system or the server of that. Until it \
                 does, registrations, deletions and reports that bring events are answered with 503, and nobody is \
                 told of events; other reports are taken",
                self.path.display(),
                self.patience.as_secs()
            );
        }
    }

    /// How often to look.
    pub(super) fn interval(&self) -> Duration {
        self.patience / 10
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut since = self.0.since();
        let began = since.take();
        if self.0.hangs.send_replace(false) {
            let seconds = began.map_or(0, |began| began.elapsed().as_secs());
            tracing::info!(seconds, "{} has answered again", self.0.path.display());
        }
    }
}
