//! A disk that does not take what it should: said once when it begins and once when it ends, and tried again each
//! second in between.

use std::path::Path;
use std::time::{Duration, Instant};

use super::error::cure;

/// How long after a failure the next try is.
const RETRY: Duration = Duration::from_secs(1);

/// Whether one kind of writing works.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What is written, and what happens to it meanwhile.
    what: What,
    began: Option<Instant>,
    retry: Instant,
    /// So many lost events were spoken of.
    said: u64,
}

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// What is answered only once it is on disk.
    Changes,
    /// The last reports.
    Beats,
    /// That the oldest events are forgotten.
    Forgetting,
    /// The log of changes, on its way into the database.
    Log,
}

impl Trouble {
    /// All is well.
    pub(super) fn none(what: What) -> Self {
        Trouble { what, began: None, retry: Instant::now(), said: 0 }
    }

    /// Whether there is.
    pub(super) fn is_on(&self) -> bool {
        self.began.is_some()
    }

    /// When the next try is; now where there is no trouble.
    pub(super) fn retry(&self) -> Instant {
        self.retry
    }

    /// A try failed.
    pub(super) fn failed(&mut self, path: &Path, error: &rusqlite::Error) {
        let now = Instant::now();
        self.retry = now + RETRY;
        if self.began.is_some() {
            return;
        }
        self.began = Some(now);
        let (path, cure) = (path.display(), cure(error));
        match self.what {
            What::Changes => tracing::error!(
                "{path} does not take changes: {error}; {cure}. Until it does, registrations, deletions and reports \
                 that bring events are answered with 503, and nobody is told of events; other reports are taken"
            ),
            What::Beats => tracing::error!(
                "{path} does not take what sandboxes report: {error}; {cure}. Until it does, a restart of the hub \
                 loses the reports since now"
            ),
            What::Log => tracing::error!(
                "the log of changes cannot be brought into {path}: {error}; {cure}. Until it can, the log grows"
            ),
            What::Forgetting => {
                tracing::error!("{path} does not let old events be forgotten: {error}; {cure}. Until then it grows")
            }
        }
    }

    /// A try succeeded. `lost` is how many events there was no room for since the start.
    pub(super) fn worked(&mut self, path: &Path, lost: u64) {
        let Some(began) = self.began.take() else { return };
        let lost = lost - std::mem::replace(&mut self.said, lost).min(lost);
        self.retry = Instant::now();
        let (path, seconds) = (path.display(), began.elapsed().as_secs());
        match self.what {
            What::Changes if lost > 0 => tracing::error!(
                seconds,
                lost,
                "{path} takes changes again; there were more events than fit into memory meanwhile, and the newest \
                 were left out"
            ),
            What::Changes => tracing::info!(seconds, "{path} takes changes again"),
            What::Beats => tracing::info!(seconds, "{path} takes what sandboxes report again"),
            What::Log => tracing::info!(seconds, "the log of changes can be brought into {path} again"),
            What::Forgetting => tracing::info!(seconds, "{path} lets old events be forgotten again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::Lines;

    #[test]
    fn it_is_said_once_and_so_is_its_end_with_what_was_lost_in_it() {
        let lines = Lines::listen();
        let said = || (lines.with("does not take changes"), lines.with("takes changes again"), lines.with("lost="));
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        let path = Path::new("hub.db");
        let mut trouble = Trouble::none(What::Changes);
        trouble.worked(path, 0);
        assert_eq!(said(), (0, 0, 0));
        for (time, lost) in [(1, 5), (2, 5)] {
            for _ in 0..3 {
                let now = Instant::now();
                trouble.failed(path, &error);
                assert!(trouble.is_on() && trouble.retry() >= now + RETRY);
                assert_eq!(said().0, time);
            }
            trouble.worked(path, lost);
            assert!(!trouble.is_on() && trouble.retry() <= Instant::now());
            assert_eq!(said(), (time, time, 1), "what was lost is said of the first alone");
        }
    }
}
