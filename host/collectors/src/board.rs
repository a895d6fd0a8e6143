//! Where the plugins' tasks show how they stand, and where the report and the local API look.
//!
//! Each plugin has a slot that only its own task writes to. Locks are held for the length of a copy, never across
//! an await, so a reader cannot be kept waiting by a collector.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sandbeat_status::PluginStatus;
use tokio::sync::watch;

use crate::progress::Told;
use crate::stats::Stats;
use crate::{Contribution, Descriptions};

/// All slots, by plugin name.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<String, Arc<Slot>>>);

/// What one plugin shows.
#[derive(Debug)]
pub(crate) struct Slot(Mutex<Shown>);

#[derive(Debug)]
struct Shown {
    status: PluginStatus,
    /// While it rests after failures.
    rests_until: Option<Instant>,
    stats: Stats,
    /// Of the load that goes on.
    told: Option<watch::Receiver<Told>>,
    values: Option<Values>,
    descriptions: Arc<Descriptions>,
}

/// What a plugin contributes.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) contribution: Arc<Contribution>,
    /// From then on they are too old to be reported.
    pub(crate) until: Option<Instant>,
}

impl Board {
    /// A slot for a plugin, in place of an earlier one of that name.
    pub(crate) fn open(&self, status: PluginStatus) -> Arc<Slot> {
        let name = status.name.clone();
        let (stats, descriptions) = (Stats::default(), Arc::default());
        let shown = Shown { status, rests_until: None, stats, told: None, values: None, descriptions };
        let slot = Arc::new(Slot(Mutex::new(shown)));
        lock(&self.0).insert(name, slot.clone());
        slot
    }

    pub(crate) fn close(&self, name: &str) {
        lock(&self.0).remove(name);
    }

    pub(crate) fn statuses(&self) -> Vec<PluginStatus> {
        lock(&self.0).values().map(|slot| slot.status()).collect()
    }

    /// What their metrics mean, by plugin name.
    pub(crate) fn descriptions(&self) -> BTreeMap<String, Arc<Descriptions>> {
        lock(&self.0).iter().map(|(name, slot)| (name.clone(), lock(&slot.0).descriptions.clone())).collect()
    }

    /// What is not too old, by plugin name.
    pub(crate) fn contributions(&self) -> Vec<Contribution> {
        let now = Instant::now();
        lock(&self.0).values().filter_map(|slot| slot.contribution(now)).collect()
    }
}

impl Slot {
    pub(crate) fn show(&self, status: PluginStatus, rests_until: Option<Instant>, values: Option<Values>) {
        let mut shown = lock(&self.0);
        (shown.status, shown.rests_until, shown.values) = (status, rests_until, values);
    }

    /// A load goes on of which this is told, or none any more.
    pub(crate) fn follow(&self, told: Option<watch::Receiver<Told>>) {
        lock(&self.0).told = told;
    }

    /// Another version is at work, whose metrics mean this.
    pub(crate) fn describe(&self, descriptions: Descriptions) {
        lock(&self.0).descriptions = Arc::new(descriptions);
    }

    /// A call has ended that took so long.
    pub(crate) fn timed(&self, took: Duration) {
        lock(&self.0).stats.add(took);
    }

    pub(crate) fn status(&self) -> PluginStatus {
        let shown = lock(&self.0);
        let rests_for = shown.rests_until.and_then(|until| until.checked_duration_since(Instant::now()));
        let compilation = shown.told.as_ref().and_then(|told| *told.borrow());
        PluginStatus {
            compiling: compilation.map(|compilation| compilation.status()),
            duration_ms: shown.stats.durations(),
            rests_for_ms: rests_for.map(|rest| u64::try_from(rest.as_millis()).unwrap_or(u64::MAX)),
            ..shown.status.clone()
        }
    }

    fn contribution(&self, now: Instant) -> Option<Contribution> {
        let values = lock(&self.0).values.clone()?;
        values.until.is_none_or(|until| now < until).then(|| (*values.contribution).clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Compilation, Progress};

    #[test]
    fn values_that_are_too_old_are_not_shown() {
        let board = Board::default();
        let slot = board.open(PluginStatus::found("a"));
        let now = Instant::now();
        let contribution = Arc::new(Contribution {
            plugin: "a".into(),
            metrics: Vec::new(),
            metadata: BTreeMap::new(),
            rejected: Vec::new(),
            measured_at: now,
        });
        let until = Some(now + Duration::from_secs(60));
        slot.show(PluginStatus::found("a"), None, Some(Values { contribution, until }));
        assert!(slot.contribution(now).is_some() && slot.contribution(now + Duration::from_secs(60)).is_none());
        assert_eq!(board.contributions().len(), 1);
    }

    #[test]
    fn metrics_mean_what_the_version_at_work_says() {
        let board = Board::default();
        let slot = board.open(PluginStatus::found("a"));
        assert!(board.descriptions()["a"].is_empty());
        for meaning in ["One.", "Another."] {
            slot.describe(BTreeMap::from([("m".to_owned(), meaning.to_owned())]));
            assert_eq!(board.descriptions()["a"]["m"], meaning);
        }
    }

    #[test]
    fn a_rest_is_shown_by_what_is_left_of_it() {
        let board = Board::default();
        let slot = board.open(PluginStatus::found("a"));
        slot.show(PluginStatus::found("a"), Some(Instant::now() + Duration::from_secs(60)), None);
        assert!(slot.status().rests_for_ms.is_some_and(|rest| rest > 50_000));
        slot.show(PluginStatus::found("a"), Some(Instant::now()), None);
        assert_eq!(slot.status().rests_for_ms.unwrap_or(0), 0);
    }
    #[test]
    fn how_far_a_compilation_is_is_shown_while_it_goes_on() {
        let board = Board::default();
        let slot = board.open(PluginStatus::found("a"));
        let (tell, told) = watch::channel(None);
        slot.follow(Some(told));
        assert_eq!(slot.status().compiling, None);
        Compilation::begin(&tell);
        Compilation::advance(&tell, Progress { compiled: 1, functions: 2 });
        assert!(slot.status().compiling.is_some_and(|compiling| compiling.functions == Some(2)));
        // What its task shows of it in the meantime changes nothing about that.
        slot.show(PluginStatus::found("a"), None, None);
        assert!(board.statuses()[0].compiling.is_some());
        slot.follow(None);
        assert_eq!(slot.status().compiling, None);
    }
}
