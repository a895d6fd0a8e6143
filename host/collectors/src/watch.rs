//! Says when the plugins directory is worth a look: soon after a notification, and periodically in any case.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;
use tokio::time::Instant;

/// A burst of notifications is one look.
const GATHER: Duration = Duration::from_millis(20);

/// Owner: the runtime's task.
pub(crate) struct Watch {
    dir: PathBuf,
    interval: Duration,
    notified: watch::Receiver<()>,
    notify: watch::Sender<()>,
    /// What is watched, with the directory's identity; `None` while it cannot be: the periodic look remains.
    watching: Option<(Identity, RecommendedWatcher)>,
    next: Instant,
}

/// Device and inode of a directory: another one of the same name has to be watched anew.
pub(crate) type Identity = (u64, u64);

impl Watch {
    pub(crate) fn new(dir: &Path, interval: Duration) -> Self {
        let (notify, notified) = watch::channel(());
        Watch { dir: dir.to_owned(), interval, notified, notify, watching: None, next: Instant::now() + interval }
    }

    /// Waits until a look is due again. Nothing is lost when this is dropped and asked again.
    pub(crate) async fn due(&mut self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(self.next) => break,
                // The sender is ours, so it is never gone. What has been gathered for once is not put off again.
                Ok(()) = self.notified.changed() => self.next = self.next.min(Instant::now() + GATHER),
            }
        }
        self.notified.mark_unchanged();
        self.next = Instant::now() + self.interval;
    }

    /// To be told after each look which directory was there, if any.
    pub(crate) fn follow(&mut self, found: Option<Identity>) {
        let watched = self.watching.as_ref().map(|(identity, _)| *identity);
        if found == watched {
            return;
        }
        self.watching = found.and_then(|identity| self.start().map(|watcher| (identity, watcher)));
        if self.watching.is_some() {
            // What came between the look and the watch would go unnoticed until the next periodic look.
            let _ = self.notify.send(());
        }
    }

    fn start(&self) -> Option<RecommendedWatcher> {
        let notify = self.notify.clone();
        let on_event = move |event: notify::Result<notify::Event>| {
            // Reading the files is an event, too, and would make an endless loop of looks.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                let _ = notify.send(());
            }
        };
        let watcher = notify::recommended_watcher(on_event)
            .and_then(|mut watcher| watcher.watch(&self.dir, RecursiveMode::NonRecursive).map(|()| watcher));
        watcher
            .inspect_err(|e| {
                tracing::debug!(dir = %self.dir.display(), interval = ?self.interval, "no notifications, only periodic looks: {e}");
            })
            .ok()
    }
}
