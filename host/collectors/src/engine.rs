//! The wasmtime engines, and the clock that interrupts guests.
//!
//! The agent's engines have no compiler: they only run artifacts that a child process of the same binary made with
//! [`compiling`]. All are configured by one function, because an artifact loads only into an engine of the same
//! settings.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{Config, Engine};

use crate::guest::Host;
use crate::world;

/// How often a running guest is asked whether it may go on. The granularity of the CPU limit.
const TICK: Duration = Duration::from_millis(5);

/// The guest stack that artifacts are made with, in bytes; it has no part in what is compatible.
const USUAL_STACK: u64 = 512 << 10;
/// What host functions may use of the same stack beyond the guest's part.
const HOST_STACK: usize = 512 << 10;

/// The engines that run artifacts and cannot compile: one for each size of the guest stack that is in use, because
/// wasmtime fixes that size per engine. Sizes are powers of two, so there are only a few.
pub(crate) struct Engines {
    ticker: TickerHandle,
    classes: Mutex<BTreeMap<u64, Class>>,
}

/// An engine with everything that a collector can import.
#[derive(Clone)]
pub(crate) struct Class {
    pub(crate) engine: Engine,
    pub(crate) linker: Arc<Linker<Host>>,
}

impl Engines {
    /// # Errors
    /// wasmtime refuses to start.
    pub(crate) fn new(ticker: TickerHandle) -> wasmtime::Result<Self> {
        let engines = Engines { ticker, classes: Mutex::default() };
        engines.usual()?;
        Ok(engines)
    }

    /// The engine of collectors whose sidecars do not say otherwise.
    pub(crate) fn usual(&self) -> wasmtime::Result<Class> {
        self.with_stack(USUAL_STACK)
    }

    /// The engine whose guests may nest calls over at least so many bytes of stack.
    pub(crate) fn with_stack(&self, bytes: u64) -> wasmtime::Result<Class> {
        let bytes = bytes.next_power_of_two();
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(class) = classes.get(&bytes) {
            return Ok(class.clone());
        }
        let mut config = settings(bytes);
        config.enable_compiler(false);
        let engine = Engine::new(&config)?;
        let class = Class { linker: Arc::new(world::linker(&engine)?), engine };
        self.ticker.add(class.engine.clone());
        classes.insert(bytes, class.clone());
        Ok(class)
    }
}

/// The engine that compiles components in the child process.
pub(crate) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&settings(USUAL_STACK))
}

fn settings(stack: u64) -> Config {
    let stack = usize::try_from(stack).unwrap_or(usize::MAX / 4);
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(stack);
    config.async_stack_size(stack + HOST_STACK);
    // Four GiB for each memory, the default, is refused on machines that limit address space (zed#15182).
    config.memory_reservation(32 << 20);
    config.memory_reservation_for_growth(16 << 20);
    config.memory_guard_size(64 << 10);
    // What only other unwinders than wasmtime's read, and the offsets of instructions, which a trap's names do not
    // need: a tenth of an artifact, and each of its functions would be registered when it is loaded.
    config.native_unwind_info(false);
    config.generate_address_map(false);
    config
}

/// Advances the engines' epochs while at least one guest runs, on a thread of its own, and rests otherwise.
///
/// Owner: the runtime. The thread ends, and is waited for, when the `Ticker` is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Lets a task say that it runs a guest; cheap to clone.
#[derive(Clone)]
pub(crate) struct TickerHandle {
    shared: Arc<Shared>,
    thread: Thread,
}

/// While this lives, the epoch advances.
pub(crate) struct Running {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    engines: Mutex<Vec<Engine>>,
    /// Guests that run now.
    guests: AtomicUsize,
    /// The thread waits to be woken.
    resting: AtomicBool,
    /// The thread is to end.
    stop: AtomicBool,
}

impl Ticker {
    pub(crate) fn start() -> std::io::Result<(Self, TickerHandle)> {
        let shared = Arc::new(Shared::default());
        let ticking = shared.clone();
        let thread = std::thread::Builder::new().name("epoch".into()).spawn(move || tick(&ticking))?;
        let handle = TickerHandle { shared: shared.clone(), thread: thread.thread().clone() };
        Ok((Ticker { shared, thread: Some(thread) }, handle))
    }
}

impl TickerHandle {
    fn add(&self, engine: Engine) {
        self.shared.engines.lock().unwrap_or_else(PoisonError::into_inner).push(engine);
    }

    pub(crate) fn run(&self) -> Running {
        self.shared.guests.fetch_add(1, Ordering::SeqCst);
        if self.shared.resting.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running { shared: self.shared.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.guests.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.stop.store(true, Ordering::SeqCst);
        thread.thread().unpark();
        if thread.join().is_err() {
            tracing::error!("the thread that interrupts collectors has panicked");
        }
    }
}

fn tick(shared: &Shared) {
    while !shared.stop.load(Ordering::SeqCst) {
        std::thread::sleep(TICK);
        if shared.guests.load(Ordering::SeqCst) > 0 {
            shared.engines.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Engine::increment_epoch);
            continue;
        }
        shared.resting.store(true, Ordering::SeqCst);
        // A guest that started between the look above and the store has not woken us: look again before resting.
        while shared.guests.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
            std::thread::park();
        }
        shared.resting.store(false, Ordering::SeqCst);
    }
}
