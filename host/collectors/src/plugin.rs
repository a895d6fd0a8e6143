//! One plugin: the task that owns its loaded collector.
//!
//! Files that changed are loaded beside the running collector, which goes on being called; only a version that loads,
//! describes itself and passes a collect takes its place, between two calls. One that does not leaves the running one
//! as it is, and its reason is shown beside it until a good one comes; what its sidecar does not grant any more is
//! taken away all the same. Everything here ends with the task; its panic reaches the runtime.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::{Failure, LastReload, PluginState, PluginStatus, ReloadResult, Sample};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinError;

use crate::archive::Archive;
use crate::bindings;
use crate::board::Slot;
use crate::call::{Failed, Kept};
use crate::calls::Calls;
use crate::good::Good;
use crate::guest::Shared;
use crate::load::{Job, Loaded, Loader, Outcome, Probe, Refused, Version};
use crate::loading::{LoadResult, Loading, Phase, Step, next_step};
use crate::policy;
use crate::sidecar::{Grants, KeepState, Sidecar};
use crate::state::State;
use crate::ticks::Ticks;

/// A report is being made: the plugin's task measures for it.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) sample: Arc<Sample>,
    /// Dropped when this plugin has nothing further to add; closed when nobody waits any more.
    pub(crate) done: mpsc::Sender<()>,
}

/// Those who wait for a reload.
pub(crate) type Asked = Arc<Mutex<Vec<oneshot::Sender<PluginStatus>>>>;

/// The task's own.
pub(crate) struct Plugin {
    job: Job,
    loader: Arc<Loader>,
    archive: Archive,
    slot: Arc<Slot>,
    status: PluginStatus,
    current: Option<Running>,
    calls: Calls,
    /// Why the newest files are not used.
    refused: Option<Failed>,
    /// The last refusal that was logged: one that only comes again is not.
    said: Option<Failed>,
    state: State,
    /// The newest sample; nothing is collected before there is one.
    sample: Option<Arc<Sample>>,
    /// Loads in a row that failed and are tried again.
    tries: u32,
    loading: Option<Loading>,
    /// The files have changed while a component was being compiled.
    changed: bool,
    /// A report that waits for the load that goes on.
    waiting: Option<mpsc::Sender<()>>,
    /// Those who have asked for a load and are not in `answers` yet; the runtime adds to them.
    asked: Asked,
    /// Those who wait for the end of the load that goes on.
    answers: Vec<oneshot::Sender<PluginStatus>>,
    ticks: Ticks,
}

/// The collector at work.
struct Running {
    loaded: Loaded,
    /// What its own sidecar gives it; less may be in force, see [`Plugin::narrow`].
    own: Arc<Shared>,
    kept: Option<Kept>,
    /// It has not been called yet, for want of a sample; the next report need not wait for its interval.
    uncalled: bool,
    /// A collect of it went well: it is one to go back to.
    proven: bool,
}

impl Running {
    fn sidecar(&self) -> &Sidecar {
        &self.loaded.callable.shared.sidecar
    }
}

impl Plugin {
    pub(crate) fn new(
        name: &str,
        dir: &Path,
        loader: Arc<Loader>,
        archive: Archive,
        slot: Arc<Slot>,
        asked: Asked,
    ) -> Self {
        Plugin {
            job: Job::new(name, dir),
            loader,
            archive,
            slot,
            status: PluginStatus::found(name),
            current: None,
            calls: Calls::new(name),
            refused: None,
            said: None,
            state: State::default(),
            sample: None,
            tries: 0,
            loading: None,
            changed: false,
            waiting: None,
            asked,
            answers: Vec::new(),
            ticks: Ticks::default(),
        }
    }

    /// Runs until the inbox is closed; `loads` changes whenever its files may have changed.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Request>, mut loads: watch::Receiver<()>) {
        self.state = self.loader.state(&self.archive, &self.job.name).await;
        self.pin();
        self.load(Duration::ZERO);
        loop {
            tokio::select! {
                request = inbox.recv() => match request {
                    None => return,
                    Some(request) => self.serve(request).await,
                },
                Ok(()) = loads.changed() => self.files_changed(),
                step = next_step(&mut self.loading) => {
                    if let Step::Ended(ended) = step {
                        self.loading = None;
                        self.slot.follow(None);
                        self.loaded(*ended).await;
                    }
                    self.waiting = None;
                }
                () = self.ticks.next() => self.collect().await,
            }
        }
    }

    async fn serve(&mut self, request: Request) {
        let Request { sample, done } = request;
        self.sample = Some(sample);
        let (is_there, is_due) = match &self.current {
            Some(current) => (true, !self.ticks.is_on() || current.uncalled),
            None => (false, false),
        };
        if !is_there && self.loading.as_ref().is_some_and(|loading| loading.phase() == Phase::Quick) {
            self.waiting = Some(done);
        } else if is_due && !done.is_closed() {
            self.collect().await;
        }
    }

    fn files_changed(&mut self) {
        self.tries = 0;
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        if !asked.is_empty() {
            // Asked for, equal files are loaded as well.
            self.job.before = None;
            self.answers.extend(asked);
        }
        match self.loading.as_ref().map(Loading::phase) {
            // What is half compiled may be good for something; a file that never rests would otherwise starve.
            Some(Phase::Compiling) => self.changed = true,
            _ => self.load(Duration::ZERO),
        }
    }

    fn load(&mut self, delay: Duration) {
        self.changed = false;
        if self.current.is_none() && delay.is_zero() {
            self.refused = None;
            self.show();
        }
        let proven = match &self.current {
            Some(current) => current.proven.then(|| current.loaded.version.digest.clone()),
            None => self.archive.good(&self.job.name).map(|good| good.digest),
        };
        let sample = self.sample.clone().unwrap_or_default();
        let probe = proven.map(|digest| Probe { digest, sample, state: self.state.clone() });
        let job = Job { probe, reread: !self.answers.is_empty(), ..self.job.clone() };
        let loading = Loading::start(self.loader.clone(), job, delay);
        self.slot.follow(Some(loading.told()));
        self.loading = Some(loading);
    }

    /// Takes what a load gave.
    async fn loaded(&mut self, ended: Result<LoadResult, JoinError>) {
        let mut again = None;
        let result = match ended {
            Ok(Ok(Outcome::Loaded(loaded))) => {
                self.swap_in(*loaded);
                ReloadResult::Loaded
            }
            Ok(Ok(Outcome::Unchanged)) => {
                (self.refused, self.said) = (None, None);
                if let Some(own) = self.current.as_ref().map(|current| current.own.sidecar.grant.clone()) {
                    self.narrow(&own);
                }
                ReloadResult::Unchanged
            }
            Ok(Err(refused)) => {
                again = refused.again.then(|| policy::load_again(self.tries));
                self.go_back(&refused).await;
                self.refuse(refused);
                ReloadResult::Refused
            }
            Err(e) => {
                again = Some(policy::load_again(self.tries));
                let failed = Failed::new(Failure::Invalid, format!("loading it failed in the host: {e}"));
                self.refuse(Refused { digest: None, failed, again: true, grants: None });
                ReloadResult::Refused
            }
        };
        self.tries = if again.is_some() { self.tries.saturating_add(1) } else { 0 };
        self.status.last_reload = Some(LastReload { result, at: Timestamp::now() });
        self.show();
        if self.current.as_ref().is_some_and(|current| current.uncalled) {
            self.collect().await;
        }
        self.ticks.follow(self.current.as_ref().and_then(|current| current.sidecar().interval));
        match (self.changed, again) {
            (true, _) => self.load(Duration::ZERO),
            (false, Some(delay)) => self.load(delay),
            (false, None) => {}
        }
        if self.loading.as_ref().is_none_or(|loading| loading.phase() == Phase::Delayed) {
            for answer in self.answers.drain(..) {
                // One who does not wait any more is not told.
                let _ = answer.send(self.slot.status());
            }
        }
    }

    fn swap_in(&mut self, mut loaded: Loaded) {
        // Shown by the slot from now on, and needed nowhere else.
        let described = std::mem::take(&mut loaded.description.metrics).into_iter();
        self.slot.describe(described.map(|info| (info.name, info.description)).collect());
        let version = loaded.description.version.clone();
        let word = if self.current.is_some() { "reloaded" } else { "loaded" };
        tracing::info!(plugin = %self.job.name, version, digest = short(&loaded.version.digest), "collector {word}");
        let sidecar = &loaded.callable.shared.sidecar;
        match sidecar.keep_state {
            KeepState::Always => self.archive.note_state(&self.job.name, self.state.clone(), true),
            KeepState::Reload => self.archive.note_state_to_forget(&self.job.name),
            KeepState::Never => {
                self.archive.note_state_to_forget(&self.job.name);
                self.state = State::default();
            }
        }
        self.status.version = Some(version);
        self.status.digest = Some(format!("sha256:{}", loaded.version.digest));
        self.status.world = Some(format!("sandbeat:collector@{}", bindings::WORLD_VERSION));
        self.status.grants = sidecar.grant.lines();
        (self.refused, self.said) = (None, None);
        self.calls.begin();
        self.job.before = Some(loaded.version.clone());
        let own = loaded.callable.shared.clone();
        self.current = Some(Running { loaded, own, kept: None, uncalled: true, proven: false });
        self.pin();
    }

    /// Where nothing runs yet and the files are not good, the version before them may be: a restart must not undo
    /// what a failed change of files left at work.
    async fn go_back(&mut self, refused: &Refused) {
        if self.current.is_some() {
            return;
        }
        let Some(Good { digest, sidecar }) = self.archive.good(&self.job.name) else { return };
        let version = Version { digest, sidecar: sidecar.into() };
        match self.loader.load_again(&self.job, version).await {
            Ok(loaded) => {
                self.swap_in(loaded);
                if let Some(current) = &mut self.current {
                    current.proven = true;
                }
            }
            Err(failed) => tracing::warn!(plugin = %self.job.name,
                "there is no going back to its last good version: {}; {}", failed.reason, refused.failed.reason),
        }
    }

    /// Has the cache keep what runs and what may be gone back to.
    fn pin(&self) {
        let good = self.archive.good(&self.job.name).map(|good| good.digest);
        let running = self.current.as_ref().map(|current| current.loaded.version.digest.clone());
        self.loader.artifacts.pin(&self.job.name, good.into_iter().chain(running).collect());
    }

    fn refuse(&mut self, refused: Refused) {
        let Refused { digest, failed, grants, .. } = refused;
        let reason = match self.current {
            Some(_) => format!("its changed files are not used, the version before them goes on: {}", failed.reason),
            None => failed.reason.clone(),
        };
        let failed = Failed { reason, ..failed };
        if self.said.as_ref() != Some(&failed) {
            tracing::warn!(plugin = %self.job.name, failure = failed.failure.as_str(),
                "collector not loaded: {}{}", failed.reason, failed.at());
            self.said = Some(failed.clone());
        }
        if self.current.is_none() {
            self.status.digest = digest.map(|digest| format!("sha256:{digest}"));
        }
        self.refused = Some(failed);
        if let Some(grants) = grants {
            self.narrow(&grants);
        }
    }

    /// Leaves the running version, of what its own sidecar grants, only what the newest one grants as well.
    fn narrow(&mut self, newest: &Grants) {
        let Some(current) = &mut self.current else { return };
        let own = &current.own.sidecar;
        let shared = match own.grant.narrowed(newest) {
            None => current.own.clone(),
            Some(grant) => {
                let files = self.loader.granted(&grant);
                let sidecar = Sidecar { grant, ..own.clone() };
                let http = self.loader.http(&sidecar);
                Arc::new(Shared { sidecar, files, http, ..(*current.own).clone() })
            }
        };
        let lines = shared.sidecar.grant.lines();
        if lines != current.sidecar().grant.lines() {
            tracing::warn!(plugin = %self.job.name, "of the grants of the version that goes on, only those are in force \
                that the newest sidecar has as well");
            current.loaded.callable.shared = shared;
            // Folders that it has open are among what it may have lost.
            current.kept = None;
            self.status.grants = lines;
        }
    }

    async fn collect(&mut self) {
        let (Some(current), Some(sample)) = (&mut self.current, &self.sample) else { return };
        if !self.calls.may_call(Instant::now()) {
            return;
        }
        let callable = &current.loaded.callable;
        let collected = callable.collect(&mut current.kept, sample.clone(), self.state.clone()).await;
        current.uncalled = false;
        self.slot.timed(collected.took);
        self.calls.ended(collected.peak_memory);
        let sidecar = &callable.shared.sidecar;
        if let Some(state) = collected.state.filter(|state| *state != self.state) {
            let persist = sidecar.keep_state == KeepState::Always;
            self.archive.note_state(&self.job.name, state.clone(), persist);
            self.state = state;
        }
        match collected.result {
            Ok(contribution) => {
                self.calls.take(contribution, sidecar);
                if !std::mem::replace(&mut current.proven, true) {
                    let Version { digest, sidecar } = &current.loaded.version;
                    let good = Good { digest: digest.clone(), sidecar: sidecar.to_string() };
                    self.archive.note_good(&self.job.name, good);
                    self.pin();
                }
            }
            Err(failed) => self.calls.fail(failed, sidecar),
        }
        self.show();
    }

    fn show(&mut self) {
        let failed = self.calls.failed();
        self.status.state = match (&self.current, failed, &self.refused) {
            (Some(_), Some(_), _) if self.calls.is_quarantined() => PluginState::Quarantined,
            (Some(_), Some(_), _) => PluginState::Failing,
            (Some(_), None, _) => PluginState::Active,
            (None, _, Some(_)) => PluginState::Rejected,
            (None, _, None) => PluginState::Compiling,
        };
        let trouble = failed.or(self.refused.as_ref());
        self.status.failure = trouble.map(|failed| failed.failure);
        self.status.reason = trouble.map(|failed| failed.reason.clone());
        self.calls.describe(&mut self.status);
        self.slot.show(self.status.clone(), self.calls.rests_until(), self.calls.values());
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
