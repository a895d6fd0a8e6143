//! The two wasmtime engines, and the clock that interrupts guests.
//!
//! The agent's engine has no compiler: it only runs artifacts that a child process of the same binary made with
//! [`compiling`]. Both are configured by one function, because an artifact loads only into an engine of the same
//! settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::{Config, Engine};

/// How often a running guest is asked whether it may go on. The granularity of the CPU limit.
const TICK: Duration = Duration::from_millis(5);

/// What a guest may nest, in bytes of native stack.
const GUEST_STACK: usize = 512 * 1024;

/// The engine that runs artifacts and cannot compile.
pub(crate) fn running() -> wasmtime::Result<Engine> {
    let mut config = settings();
    config.enable_compiler(false);
    Engine::new(&config)
}

/// The engine that compiles components in the child process.
pub(crate) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&settings())
}

fn settings() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(GUEST_STACK);
    // What is beyond the guest's part is for host functions, which run on the same stack.
    config.async_stack_size(2 * GUEST_STACK);
    // Four GiB for each memory, the default, is refused on machines that limit address space (zed#15182).
    config.memory_reservation(32 << 20);
    config.memory_reservation_for_growth(16 << 20);
    config.memory_guard_size(64 << 10);
    config
}

/// Advances an engine's epoch while at least one guest runs, on a thread of its own, and rests otherwise.
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
    /// Guests that run now.
    guests: AtomicUsize,
    /// The thread waits to be woken.
    resting: AtomicBool,
    /// The thread is to end.
    stop: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<(Self, TickerHandle)> {
        let shared = Arc::new(Shared::default());
        let (engine, ticking) = (engine.clone(), shared.clone());
        let thread = std::thread::Builder::new().name("epoch".into()).spawn(move || tick(&engine, &ticking))?;
        let handle = TickerHandle { shared: shared.clone(), thread: thread.thread().clone() };
        Ok((Ticker { shared, thread: Some(thread) }, handle))
    }
}

impl TickerHandle {
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

fn tick(engine: &Engine, shared: &Shared) {
    while !shared.stop.load(Ordering::SeqCst) {
        std::thread::sleep(TICK);
        if shared.guests.load(Ordering::SeqCst) > 0 {
            engine.increment_epoch();
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
