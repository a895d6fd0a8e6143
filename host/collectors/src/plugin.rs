//! One plugin: the task that owns its loaded collector and its state.
//!
//! Files that changed are loaded beside the running collector, which goes on being called; only one that loads and
//! describes itself takes its place, between two calls. One that does not leaves the running one as it is, and its
//! reason is shown beside it. Everything here ends with the task; its panic reaches the runtime.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbeat_status::{Failure, PluginState, PluginStatus, Rejected, Sample};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::MissedTickBehavior;

use crate::board::{Slot, fresh};
use crate::call::{Collected, Failed};
use crate::load::{Loaded, Loader, Refused};
use crate::state::State;
use crate::{Contribution, validate};

/// When to try again after the host or the machine was at fault: at first, and at the most; each time twice as long.
const LOAD_AGAIN: Duration = Duration::from_secs(10);
const LOAD_AGAIN_MAX: Duration = Duration::from_secs(640);

/// A report is being made: the plugin's task measures for it.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) sample: Arc<Sample>,
    /// Dropped when this plugin has nothing further to add; closed when nobody waits any more.
    pub(crate) done: mpsc::Sender<()>,
}

/// The task's own.
pub(crate) struct Plugin {
    name: String,
    wasm: PathBuf,
    sidecar: PathBuf,
    loader: Arc<Loader>,
    slot: Arc<Slot>,
    status: PluginStatus,
    current: Option<Loaded>,
    /// It has not been called yet, for want of a sample; the next report need not wait for its interval.
    uncalled: bool,
    /// Why the newest files are not used.
    refused: Option<Failed>,
    /// The last refusal that was logged: one that only comes again is not.
    said: Option<Failed>,
    /// Why the last call gave nothing.
    failed: Option<Failed>,
    contribution: Option<Contribution>,
    state: State,
    /// The newest sample; nothing is collected before there is one.
    sample: Option<Arc<Sample>>,
    /// Until a load that failed by no fault of the files is tried again.
    pause: Duration,
    /// A report that waits for the load that goes on.
    waiting: Option<mpsc::Sender<()>>,
}

/// A load that goes on. It ends with its owner, and with it the compiler that it waits for.
struct Loading {
    task: JoinHandle<LoadResult>,
    /// It has to compile, which is too long for a report to wait.
    compiling: watch::Receiver<bool>,
}

type LoadResult = Result<Loaded, Refused>;

/// What happens to a load.
enum Step {
    Compiling,
    Ended(Box<Result<LoadResult, JoinError>>),
}

impl Plugin {
    pub(crate) fn new(name: &str, dir: &Path, loader: Arc<Loader>, slot: Arc<Slot>) -> Self {
        Plugin {
            name: name.to_owned(),
            wasm: dir.join(format!("{name}.wasm")),
            sidecar: dir.join(format!("{name}.toml")),
            loader,
            slot,
            status: fresh(name),
            current: None,
            uncalled: false,
            refused: None,
            said: None,
            failed: None,
            contribution: None,
            state: State::default(),
            sample: None,
            pause: LOAD_AGAIN,
            waiting: None,
        }
    }

    /// Runs until the inbox is closed; `loads` changes whenever its files are to be loaded again.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Request>, mut loads: watch::Receiver<()>) {
        let mut loading = Some(self.load(Duration::ZERO));
        let mut ticks = Ticks::default();
        loop {
            tokio::select! {
                request = inbox.recv() => match request {
                    None => return,
                    Some(request) => self.serve(request, loading.as_ref(), &ticks).await,
                },
                Ok(()) = loads.changed() => loading = Some(self.load(Duration::ZERO)),
                step = next_step(&mut loading) => {
                    if let Step::Ended(ended) = step {
                        loading = self.loaded(*ended).await;
                        ticks.follow(self.interval());
                    }
                    self.waiting = None;
                }
                () = ticks.next() => self.collect().await,
            }
        }
    }

    async fn serve(&mut self, request: Request, loading: Option<&Loading>, ticks: &Ticks) {
        let Request { sample, done } = request;
        self.sample = Some(sample);
        if self.current.is_none() && loading.is_some_and(Loading::is_quick) {
            self.waiting = Some(done);
        } else if (ticks.0.is_none() || self.uncalled) && !done.is_closed() {
            self.collect().await;
        }
    }

    fn interval(&self) -> Option<Duration> {
        self.current.as_ref()?.callable.shared.sidecar.interval
    }

    fn load(&mut self, delay: Duration) -> Loading {
        if self.current.is_none() && delay.is_zero() {
            self.refused = None;
            self.show();
        }
        let (loader, name) = (self.loader.clone(), self.name.clone());
        let (wasm, sidecar) = (self.wasm.clone(), self.sidecar.clone());
        // A load that is put off is as long as one that compiles.
        let (says_compiling, compiling) = watch::channel(!delay.is_zero());
        let task = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            loader.load(&name, &wasm, &sidecar, &says_compiling).await
        });
        Loading { task, compiling }
    }

    /// Takes what a load gave; the answer is a load that is to follow.
    async fn loaded(&mut self, ended: Result<LoadResult, JoinError>) -> Option<Loading> {
        let refused = match ended {
            Ok(Ok(loaded)) => {
                self.pause = LOAD_AGAIN;
                self.swap_in(loaded).await;
                return None;
            }
            Ok(Err(refused)) => refused,
            Err(e) => Refused {
                digest: None,
                failed: Failed::new(Failure::Invalid, format!("loading it failed in the host: {e}")),
                again: true,
            },
        };
        self.refuse(&refused);
        let pause = self.pause;
        self.pause = (pause * 2).min(LOAD_AGAIN_MAX);
        refused.again.then(|| self.load(pause))
    }

    async fn swap_in(&mut self, loaded: Loaded) {
        let version = loaded.description.version.clone();
        let again = self.current.is_some();
        tracing::info!(plugin = %self.name, version, digest = short(&loaded.digest), "collector {}",
            if again { "reloaded" } else { "loaded" });
        self.said = None;
        self.status.version = Some(version);
        self.status.digest = Some(format!("sha256:{}", loaded.digest));
        (self.refused, self.failed) = (None, None);
        self.current = Some(loaded);
        self.uncalled = true;
        self.show();
        self.collect().await;
    }

    fn refuse(&mut self, refused: &Refused) {
        let Failed { failure, reason } = &refused.failed;
        let reason = match self.current {
            Some(_) => format!("its changed files are not used, the version before them goes on: {reason}"),
            None => reason.clone(),
        };
        let failed = Failed::new(*failure, reason);
        if self.said.as_ref() != Some(&failed) {
            tracing::warn!(plugin = %self.name, failure = failure.as_str(), "collector not loaded: {}", failed.reason);
            self.said = Some(failed.clone());
        }
        if self.current.is_none() {
            self.status.digest = refused.digest.as_ref().map(|digest| format!("sha256:{digest}"));
        }
        self.refused = Some(failed);
        self.show();
    }

    async fn collect(&mut self) {
        let (Some(current), Some(sample)) = (&self.current, &self.sample) else { return };
        let result = current.callable.collect(sample.clone(), self.state.clone()).await;
        self.uncalled = false;
        self.status.calls += 1;
        match result {
            Ok(collected) => self.take(collected),
            Err(failed) => self.fail(failed),
        }
        self.show();
    }

    fn take(&mut self, collected: Collected) {
        self.state = collected.state;
        let judged = validate::contribution(&self.name, collected.contribution);
        let points: u64 = judged.rejected.iter().map(|rejected| rejected.count).sum();
        if points > 0 && self.status.points_rejected == 0 {
            let first = judged.rejected.first().map(|Rejected { name, reason, .. }| format!("`{name}`: {reason}"));
            tracing::warn!(plugin = %self.name, points, "points of it are not accepted, the first: {}",
                first.unwrap_or_default());
        }
        self.status.points_rejected += points;
        if self.failed.take().is_some() {
            tracing::info!(plugin = %self.name, "collector recovered");
        }
        self.contribution = Some(Contribution {
            plugin: self.name.clone(),
            metrics: judged.metrics,
            metadata: judged.metadata,
            rejected: judged.rejected,
            measured_at: Instant::now(),
        });
    }

    fn fail(&mut self, failed: Failed) {
        if self.failed.as_ref().is_none_or(|before| before.failure != failed.failure) {
            tracing::warn!(plugin = %self.name, failure = failed.failure.as_str(), "collect failed: {}", failed.reason);
        }
        self.status.failures += 1;
        self.failed = Some(failed);
        self.contribution = None;
    }

    fn show(&mut self) {
        self.status.state = match (&self.current, &self.failed, &self.refused) {
            (Some(_), Some(_), _) => PluginState::Failing,
            (Some(_), None, _) => PluginState::Active,
            (None, _, Some(_)) => PluginState::Rejected,
            (None, _, None) => PluginState::Compiling,
        };
        let trouble = self.failed.as_ref().or(self.refused.as_ref());
        self.status.failure = trouble.map(|failed| failed.failure);
        self.status.reason = trouble.map(|failed| failed.reason.clone());
        self.slot.show(self.status.clone(), self.contribution.clone());
    }
}

/// The ticks of a collector with an interval of its own.
#[derive(Default)]
struct Ticks(Option<tokio::time::Interval>);

impl Ticks {
    fn follow(&mut self, interval: Option<Duration>) {
        if self.0.as_ref().map(tokio::time::Interval::period) == interval {
            return;
        }
        self.0 = interval.map(|period| {
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
    }

    async fn next(&mut self) {
        match &mut self.0 {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}

impl Loading {
    fn is_quick(&self) -> bool {
        !*self.compiling.borrow()
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn next_step(loading: &mut Option<Loading>) -> Step {
    let Some(Loading { task, compiling }) = loading else { return std::future::pending().await };
    tokio::select! {
        ended = task => Step::Ended(Box::new(ended)),
        // The sender lives as long as the load; when it is gone, the other branch is ready.
        Ok(()) = compiling.changed() => Step::Compiling,
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
