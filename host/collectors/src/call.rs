//! Calls into a collector: one fresh instance per call, under its limits, with a name for every way it can end.
//!
//! Owner: the plugin's task. A call that ends badly takes its store with it, so nothing of it can be seen by the
//! next one. Limits hold from instantiation on, because a component's start function is guest code, too:
//! - CPU: the epoch callback compares what the call has used with `limits.cpu`;
//! - wall clock: the whole call, host functions included, is dropped at `limits.timeout`;
//! - memory: [`crate::limiter`]; output: wasmtime's fuel for what is lifted out of the guest.

use std::sync::Arc;

use sandbeat_status::{Failure, Sample, names};
use tokio::sync::Semaphore;
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::bindings::{CollectorPre, Guest, types};
use crate::engine::TickerHandle;
use crate::guest::{Host, Shared};
use crate::state::State;

/// How much of a guest's own words is shown, in bytes.
const MAX_WORDS: usize = 512;

/// A collector that is ready to be called.
#[derive(Clone)]
pub(crate) struct Callable {
    pub(crate) engine: Engine,
    pub(crate) ticker: TickerHandle,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) pre: CollectorPre<Host>,
    pub(crate) shared: Arc<Shared>,
}

/// A call that gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// In words: what happened, and who can do what about it.
    pub(crate) reason: String,
}

/// What a successful `collect` gave.
pub(crate) struct Collected {
    pub(crate) contribution: types::Contribution,
    /// The state as the call left it.
    pub(crate) state: State,
}

impl Failed {
    pub(crate) fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Failed { failure, reason: reason.into() }
    }
}

impl Callable {
    /// Calls `describe`.
    pub(crate) async fn describe(&self) -> Result<types::Description, Failed> {
        let host = Host::bare(self.shared.clone(), Arc::default());
        match self.call(host, Function::Describe).await? {
            (Answer::Description(description), _) => Ok(description),
            (Answer::Contribution(_), _) => Err(Failed::new(Failure::Invalid, "describe gave no description")),
        }
    }

    /// Calls `collect`.
    pub(crate) async fn collect(&self, sample: Arc<Sample>, state: State) -> Result<Collected, Failed> {
        let host = Host::granted(self.shared.clone(), sample, state, Arc::default())
            .map_err(|reason| Failed::new(Failure::Denied, reason))?;
        match self.call(host, Function::Collect).await? {
            (Answer::Contribution(contribution), state) => Ok(Collected { contribution, state }),
            (Answer::Description(_), _) => Err(Failed::new(Failure::Invalid, "collect gave no contribution")),
        }
    }

    async fn call(&self, host: Host, function: Function) -> Result<(Answer, State), Failed> {
        let cpu = host.cpu.clone();
        let place = self.places.acquire().await;
        let mut store = self.store(host);
        let timeout = self.shared.sidecar.limits.timeout;
        let running = self.ticker.run();
        let call = cpu.measure(function.run(&self.pre, &mut store));
        let ended = tokio::time::timeout(timeout, call).await;
        drop(running);
        drop(place);
        let result = match ended {
            Ok(result) => result.map_err(|error| classify(&error, store.data())),
            Err(_) => Err(Failed::new(
                Failure::WallTimeout,
                format!("{} took longer than limits.timeout ({timeout:?})", function.name()),
            )),
        };
        match result? {
            Ok(answer) => Ok((answer, store.into_data().state)),
            Err(error) => Err(own_error(error)),
        }
    }

    fn store(&self, host: Host) -> Store<Host> {
        let limits = *host.limits();
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| &mut host.memory);
        store.set_hostcall_fuel(usize::try_from(limits.output).unwrap_or(usize::MAX));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |context| {
            if context.data().cpu.used_so_far() > limits.cpu {
                return Err(wasmtime::Error::new(OutOfCpu));
            }
            // Others on this thread get their turn, and the wall clock can end the call.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }
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

    async fn run(
        self,
        pre: &CollectorPre<Host>,
        store: &mut Store<Host>,
    ) -> wasmtime::Result<Result<Answer, types::Error>> {
        let instance = pre.instantiate_async(&mut *store).await?;
        let guest: &Guest = instance.sandbeat_collector_guest();
        Ok(match self {
            Function::Describe => guest.call_describe(store).await?.map(Answer::Description),
            Function::Collect => guest.call_collect(store).await?.map(Answer::Contribution),
        })
    }
}

/// Raised from the epoch callback.
#[derive(Debug, thiserror::Error)]
#[error("out of CPU")]
struct OutOfCpu;

/// A collector that says itself what went wrong.
fn own_error(error: types::Error) -> Failed {
    let words = |text: &str| names::shown(text, MAX_WORDS);
    match error {
        types::Error::Config(text) => {
            Failed::new(Failure::Collector, format!("[config] in its sidecar is wrong: {}", words(&text)))
        }
        types::Error::Denied(text) => Failed::new(Failure::Denied, words(&text)),
        types::Error::Unavailable(text) => Failed::new(Failure::Collector, format!("unavailable: {}", words(&text))),
        types::Error::Internal(text) => Failed::new(Failure::Collector, words(&text)),
    }
}

/// Names what ended a call, and blames the one who can do something about it.
fn classify(error: &wasmtime::Error, host: &Host) -> Failed {
    let limits = host.limits();
    if error.is::<OutOfCpu>() {
        return Failed::new(Failure::CpuTimeout, format!("used more CPU than limits.cpu ({:?})", limits.cpu));
    }
    if host.memory.refused() {
        let reason = format!("wanted more memory than limits.memory ({} bytes)", limits.memory);
        return Failed::new(Failure::Memory, reason);
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::StackOverflow)) {
        return Failed::new(Failure::Stack, "its calls nested deeper than the guest stack (512 KiB)");
    }
    let cause = error.root_cause().to_string();
    // wasmtime 48 gives this error no type of its own; a test with a hostile guest watches over the words.
    if cause.contains("fuel allocated for hostcalls") {
        let reason = format!("returned more than limits.output ({} bytes)", limits.output);
        return Failed::new(Failure::Output, reason);
    }
    let (failure, what) = match error.downcast_ref::<Trap>() {
        Some(trap) => (Failure::Trap, format!("trapped: {trap}")),
        None if error.is::<wasmtime_wasi::I32Exit>() => (Failure::Trap, format!("ended itself: {cause}")),
        None => (Failure::Invalid, format!("its answer cannot be read: {}", names::shown(&cause, MAX_WORDS))),
    };
    let said = host.stderr.text().map(|text| format!("; it said: {text}")).unwrap_or_default();
    let denied = host.denied.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
    Failed::new(failure, format!("{what}{said}{denied}"))
}
