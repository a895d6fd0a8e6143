//! Calls into a collector, under its limits, with a name for every way that a call can end.
//!
//! Owner: the plugin's task. An instance lives for one call, or is kept for the next ones where the sidecar says so
//! ([`Kept`]); a call that ends badly takes its store with it, so that nothing of it can be seen by the next one.
//! Limits hold from instantiation on, because a component's start function is guest code, too:
//! - CPU: the epoch callback compares what the call has used with `limits.cpu`;
//! - wall clock: the whole call, host functions included, is dropped at `limits.timeout`;
//! - memory: [`crate::limiter`]; output: wasmtime's fuel for what is lifted out of the guest;
//! - what imports give: [`crate::guest`].
//!
//! A call's clocks start when it has a place among the running ones and everyone's budget has CPU left.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use sandbeat_status::{Failure, Sample};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::bindings::{Collector, CollectorPre, Guest, types};
use crate::blame::{classify, own_error};
use crate::budget::Budget;
use crate::cpu::CpuMeter;
use crate::engine::TickerHandle;
use crate::guest::{Host, Shared};
use crate::sidecar::Instance;
use crate::state::State;

/// How much of a guest's own words is shown, in bytes.
pub(crate) const MAX_WORDS: usize = 512;

/// A collector that is ready to be called.
#[derive(Clone)]
pub(crate) struct Callable {
    pub(crate) engine: Engine,
    pub(crate) ticker: TickerHandle,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) budget: Budget,
    pub(crate) pre: CollectorPre<Host>,
    pub(crate) shared: Arc<Shared>,
}

/// A call that gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// In words: what happened, and who can do what about it.
    pub(crate) reason: String,
    /// Where in the guest, the innermost function first.
    pub(crate) trace: Option<String>,
    /// Others were at fault, or nobody: it counts for nothing.
    pub(crate) blameless: bool,
}

/// Raised inside a call by the host to end it under a name.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.reason)]
pub(crate) struct Breach(pub(crate) Failed);

/// How a `collect` ended.
pub(crate) struct Collected {
    pub(crate) result: Result<types::Contribution, Failed>,
    /// The state as the call left it, unless it was cut short.
    pub(crate) state: Option<State>,
    pub(crate) took: Duration,
    /// The CPU that the guest used of that.
    pub(crate) cpu: Duration,
    /// The most memory that the instance has ever had, in bytes.
    pub(crate) peak_memory: u64,
}

/// An instance that waits for its next call.
pub(crate) struct Kept {
    store: Store<Host>,
    instance: Option<Collector>,
    calls: u64,
}

impl Failed {
    pub(crate) fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Failed { failure, reason: reason.into(), trace: None, blameless: false }
    }

    /// Where in the guest, to be put behind the reason in a log line; empty where that is not known.
    pub(crate) fn at(&self) -> String {
        self.trace.as_ref().map(|trace| format!("; in {trace}")).unwrap_or_default()
    }
}

impl Callable {
    /// Calls `describe`.
    pub(crate) async fn describe(&self) -> Result<types::Description, Failed> {
        let _place = self.place().await;
        let mut called = self.instance(Host::bare(self.shared.clone()));
        match self.run(&mut called, Function::Describe).await.0? {
            Ok(Answer::Description(description)) => Ok(description),
            Ok(Answer::Contribution(_)) => Err(Failed::new(Failure::Invalid, "describe gave no description")),
            Err(error) => Err(own_error(error, called.store.data())),
        }
    }

    /// Calls `collect`, in the kept instance where there is one, and leaves there what may be kept.
    pub(crate) async fn collect(&self, kept: &mut Option<Kept>, sample: Arc<Sample>, state: State) -> Collected {
        let _place = self.place().await;
        let start = Instant::now();
        let mut called = match kept.take() {
            Some(mut kept) => {
                kept.store.data_mut().forget();
                kept
            }
            None => match self.granted().await {
                Ok(called) => called,
                Err(failed) => {
                    let (took, cpu) = (start.elapsed(), Duration::ZERO);
                    return Collected { result: Err(failed), state: None, took, cpu, peak_memory: 0 };
                }
            },
        };
        called.store.data_mut().show(sample, state);
        let (answered, took) = self.run(&mut called, Function::Collect).await;
        let host = called.store.data_mut();
        let (cpu, peak_memory) = (host.cpu.used(), host.memory.peak());
        // An answer of which a limit cut something off is none, whatever the guest made of it.
        let answered = match host.http.breach() {
            Some(breach) if answered.is_ok() => Err(Failed::new(Failure::Http, breach)),
            _ => answered,
        };
        let state = answered.is_ok().then(|| std::mem::take(&mut host.state));
        let result = match answered {
            Ok(Ok(Answer::Contribution(contribution))) => Ok(contribution),
            Ok(Ok(Answer::Description(_))) => Err(Failed::new(Failure::Invalid, "collect gave no contribution")),
            Ok(Err(error)) => Err(own_error(error, called.store.data())),
            Err(failed) => Err(failed),
        };
        if state.is_some() && self.may_keep(&called) {
            *kept = Some(called);
        }
        Collected { result, state, took, cpu, peak_memory }
    }

    fn may_keep(&self, called: &Kept) -> bool {
        match self.shared.sidecar.instance {
            Instance::Fresh => false,
            Instance::Keep { calls, memory } => {
                let host = called.store.data();
                called.calls < calls && host.memory.used() <= memory && host.holds_nothing_open()
            }
        }
    }

    /// Waits for a turn.
    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        let place = self.places.acquire().await.ok();
        self.budget.admit().await;
        place
    }

    async fn run(
        &self,
        called: &mut Kept,
        function: Function,
    ) -> (Result<Result<Answer, types::Error>, Failed>, Duration) {
        let start = Instant::now();
        let cpu = called.store.data().cpu.clone();
        let timeout = self.shared.sidecar.limits.timeout;
        let running = self.ticker.run();
        let ended = within(start + timeout, &cpu, cpu.measure(function.run(&self.pre, called))).await;
        drop(running);
        self.budget.spend(cpu.with_host());
        called.calls += 1;
        let result = match ended {
            Some(result) => result.map_err(|error| classify(&error, called.store.data())),
            None => Err(Failed::new(
                Failure::WallTimeout,
                format!("{} took longer than limits.timeout ({timeout:?})", function.name()),
            )),
        };
        (result, start.elapsed())
    }

    /// Opens what is granted, which a disk that hangs must not hold up everyone for.
    async fn granted(&self) -> Result<Kept, Failed> {
        let shared = self.shared.clone();
        if shared.sidecar.grant.dirs.is_empty() {
            return Host::granted(shared).map(|host| self.instance(host)).map_err(denied);
        }
        let timeout = shared.sidecar.limits.timeout;
        let opened = tokio::task::spawn_blocking(move || Host::granted(shared));
        match tokio::time::timeout(timeout, opened).await {
            Ok(Ok(host)) => host.map(|host| self.instance(host)).map_err(denied),
            Ok(Err(e)) => Err(Failed::new(Failure::Invalid, format!("the host failed to open its folders: {e}"))),
            Err(_) => Err(Failed::new(
                Failure::WallTimeout,
                format!("opening the granted folders took longer than limits.timeout ({timeout:?})"),
            )),
        }
    }

    /// A store, with its instance still to be made.
    fn instance(&self, host: Host) -> Kept {
        let limits = *host.limits();
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| &mut host.memory);
        store.set_hostcall_fuel(usize::try_from(limits.output).unwrap_or(usize::MAX));
        store.epoch_deadline_callback(move |context| {
            if context.data().cpu.used_so_far() > limits.cpu {
                let reason = format!("used more CPU than limits.cpu ({:?})", limits.cpu);
                return Err(Breach(Failed::new(Failure::CpuTimeout, reason)).into());
            }
            // Others on this thread get their turn, and the wall clock can end the call.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(context.data().cpu.clone().give_way())))
        });
        Kept { store, instance: None, calls: 0 }
    }
}

/// What a future gives until a moment. Most calls end at their first poll, and setting a timer for those would cost
/// them more than anything else that the host does.
///
/// The time in which the guest waited for its turn behind others is added: it is not to be blamed for theirs.
async fn within<F: Future>(deadline: Instant, cpu: &CpuMeter, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let first = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
    if let Poll::Ready(output) = first {
        return Some(output);
    }
    let mut waited = Duration::ZERO;
    loop {
        let until = tokio::time::Instant::from_std(deadline + waited);
        if let Ok(output) = tokio::time::timeout_at(until, future.as_mut()).await {
            return Some(output);
        }
        if cpu.waited() <= waited {
            return None;
        }
        waited = cpu.waited();
    }
}

fn denied(reason: String) -> Failed {
    Failed::new(Failure::Denied, reason)
}

#[derive(Clone, Copy)]
enum Function {
    Describe,
    Collect,
}

enum Answer {
    Description(types::Description),
    Contribution(types::Contribution),
}

impl Function {
    fn name(self) -> &'static str {
        match self {
            Function::Describe => "describe",
            Function::Collect => "collect",
        }
    }

    async fn run(self, pre: &CollectorPre<Host>, called: &mut Kept) -> wasmtime::Result<Result<Answer, types::Error>> {
        let Kept { store, instance, .. } = called;
        store.set_epoch_deadline(1);
        if store.data().memory.refused().is_some() {
            // The instance alone is too large.
            return Err(wasmtime::Error::msg("no memory"));
        }
        let instance = match instance {
            Some(instance) => &*instance,
            None => &*instance.insert(pre.instantiate_async(&mut *store).await?),
        };
        let guest: &Guest = instance.sandbeat_collector_guest();
        Ok(match self {
            Function::Describe => guest.call_describe(store).await?.map(Answer::Description),
            Function::Collect => guest.call_collect(store).await?.map(Answer::Contribution),
        })
    }
}
