//! The collectors' own thread, and the way to talk to it.
//!
//! Owner of everything below it (see [`crate::manager`]); the agent holds a [`Handle`]. Guests share this one thread
//! and take turns on it, so that whatever they do, the beat's thread is another one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{getpriority_process, setpriority_process};
use sandbeat_status::{PluginStatus, Sample};
use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot};

use crate::board::Board;
use crate::engine::Ticker;
use crate::load::Loader;
use crate::manager::Manager;
use crate::plugin::Request;
use crate::{Config, Contribution, Descriptions};

/// How many requests may wait for the runtime's task, and for one plugin's.
pub(crate) const INBOX: usize = 16;
/// Threads for the reads of guests. One that hangs, in a pipe among granted files say, holds its thread for ever.
const MAX_GUEST_THREADS: usize = 64;
/// Threads for the host's own reads.
const MAX_HOST_THREADS: usize = 4;
/// By how much the nice value of the guests' thread is above the agent's: it then has a third of the weight
/// (`sched_prio_to_weight` of the kernel), and all of a processor that nobody else wants.
const GIVES_WAY: i32 = 5;
/// A thread for what blocks does not end before its runtime.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);
/// How long the end of the runtime waits for reads that hang, and for the last writing.
pub(crate) const LEAVE: Duration = Duration::from_secs(1);

/// Why the collectors cannot be started. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// wasmtime refuses to start.
    #[error("the WebAssembly runtime cannot be started: {0}")]
    Engine(String),
    /// No thread can be made.
    #[error("a thread for the collectors cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The running collectors.
pub struct Collectors {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Talks to the running collectors; cheap to clone, to be used from any thread and runtime.
#[derive(Clone)]
pub struct Handle {
    board: Arc<Board>,
    asks: mpsc::Sender<Ask>,
}

/// What the agent asks of the runtime.
pub(crate) enum Ask {
    Measure(Request),
    Reload(String, oneshot::Sender<PluginStatus>),
}

impl Collectors {
    /// Starts the runtime's thread. A directory that is not there is looked for until it is.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: Config) -> Result<Self, StartError> {
        let pool = pool()?;
        let (loader, ticker) = match loader(&config, pool.handle().clone()) {
            Ok(loader) => loader,
            Err(e) => {
                // The caller may be in a runtime, where one must not be dropped.
                pool.shutdown_background();
                return Err(e);
            }
        };
        let board = Arc::new(Board::default());
        let (asks, inbox) = mpsc::channel(INBOX);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_GUEST_THREADS)
            .thread_keep_alive(FOR_EVER)
            .build()?;
        keep_a_thread(&runtime, give_way);
        let manager = Manager::new(config, loader, pool.handle().clone(), board.clone());
        let thread = std::thread::Builder::new().name("collectors".into()).spawn(move || {
            give_way();
            runtime.block_on(manager.run(inbox, stopped));
            runtime.shutdown_timeout(LEAVE);
            pool.shutdown_timeout(LEAVE);
            drop(ticker);
        })?;
        Ok(Collectors { handle: Handle { board, asks }, stop: Some(stop), thread: Some(thread) })
    }

    /// To talk to them.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends all collectors and waits for the thread, about four seconds at most. Blocks.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return };
        // Something that hangs in the kernel must not keep the agent from its end.
        let until = Instant::now() + LEAVE * 4;
        while !thread.is_finished() && Instant::now() < until {
            thread::park_timeout(Duration::from_millis(5));
        }
        if !thread.is_finished() {
            tracing::warn!("the collectors do not end, for want of an answer of a disk; leaving them behind");
        } else if thread.join().is_err() {
            tracing::error!("the collectors' thread has panicked; please report this");
        }
    }
}

impl Drop for Collectors {
    fn drop(&mut self) {
        self.end();
    }
}

impl Handle {
    /// Has every collector that is due measure, and returns the newest contribution of each active one, by name, at
    /// the latest at `deadline`: one that is late contributes what it measured before.
    pub async fn collect(&self, sample: Sample, deadline: Instant) -> Vec<Contribution> {
        let (done, mut all_done) = mpsc::channel(1);
        let request = Request { sample: Arc::new(sample), done };
        let collect = async {
            if self.asks.send(Ask::Measure(request)).await.is_ok() {
                // Nothing is ever sent: the channel ends when every plugin has dropped its sender.
                all_done.recv().await;
            }
        };
        let _late = tokio::time::timeout_at(deadline.into(), collect).await;
        self.board.contributions()
    }

    /// The newest contribution of each active collector, by name, as it is: none of them is asked.
    pub fn contributions(&self) -> Vec<Contribution> {
        self.board.contributions()
    }

    /// Every plugin in the directory, by name.
    pub fn plugins(&self) -> Vec<PluginStatus> {
        self.board.statuses()
    }

    /// What the metrics of each plugin mean, by its name, as it describes them itself.
    pub fn descriptions(&self) -> BTreeMap<String, Arc<Descriptions>> {
        self.board.descriptions()
    }

    /// Loads a plugin's files again, even where they are the same, and forgives it its failures. Waits until that is
    /// over, which for a large component takes as long as compiling it; `None` where there is no such plugin.
    pub async fn reload(&self, name: &str) -> Option<PluginStatus> {
        let (asked, answer) = oneshot::channel();
        self.asks.send(Ask::Reload(name.to_owned(), asked)).await.ok()?;
        answer.await.ok()
    }
}

/// Has the calling thread, and those that it starts, come after the others of the agent: a guest may burn what it is
/// given. That takes no privilege; where it is refused all the same, guests only weigh more.
fn give_way() {
    if let Ok(nice) = getpriority_process(None) {
        let _ = setpriority_process(None, nice + GIVES_WAY);
    }
}

/// A runtime that only lends its threads for blocking work.
pub(crate) fn pool() -> std::io::Result<Runtime> {
    let pool = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(MAX_HOST_THREADS)
        .thread_keep_alive(FOR_EVER)
        .build()?;
    keep_a_thread(&pool, || {});
    Ok(pool)
}

/// Makes a thread for what blocks, which stays: where one is needed, there is none, and a sandbox has no tasks left,
/// tokio would panic. What it does first decides of its priority; later ones have that of the thread that needs them.
fn keep_a_thread(runtime: &Runtime, first: impl FnOnce() + Send + 'static) {
    drop(runtime.spawn_blocking(first));
}

/// What loads collectors, and the clock that interrupts them. Reads happen in `pool`.
pub(crate) fn loader(config: &Config, pool: runtime::Handle) -> Result<(Loader, Ticker), StartError> {
    let refused = |e: wasmtime::Error| StartError::Engine(format!("{e:#}"));
    let (ticker, handle) = Ticker::start()?;
    let loader = Loader::new(handle, config, pool).map_err(refused)?;
    Ok((loader, ticker))
}
