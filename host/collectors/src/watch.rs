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
    /// `None` while the directory cannot be watched: the periodic look remains.
    watcher: Option<RecommendedWatcher>,
    last: Instant,
}

impl Watch {
    pub(crate) fn new(dir: &Path, interval: Duration) -> Self {
        let (notify, notified) = watch::channel(());
        Watch { dir: dir.to_owned(), interval, notified, notify, watcher: None, last: Instant::now() }
    }

    /// Waits until a look is due again.
    pub(crate) async fn due(&mut self) {
        let notified = async {
            // The sender is ours, so it is never gone.
            let _ = self.notified.changed().await;
            tokio::time::sleep(GATHER).await;
        };
        tokio::select! {
            () = tokio::time::sleep_until(self.last + self.interval) => {}
            () = notified => {}
        }
        self.notified.mark_unchanged();
        self.last = Instant::now();
    }

    /// To be told after each look whether the directory was there: one that was gone has to be watched anew.
    pub(crate) fn follow(&mut self, is_there: bool) {
        if !is_there {
            self.watcher = None;
        } else if self.watcher.is_none() {
            self.watcher = self.start();
            if self.watcher.is_some() {
                // What came between the look and the watch would go unnoticed until the next periodic look.
                let _ = self.notify.send(());
            }
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
