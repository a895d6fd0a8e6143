//! All processes: their start, the task that keeps their tasks, and their stop in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing::error;

use crate::board::Board;
use crate::config::Config;
use crate::handle::Handle;
use crate::keeper::Keeper;
use crate::spawn::{Spawner, Threads};

/// How long the threads that start and find processes are waited for after the last of them is gone.
const THREAD_GRACE: Duration = Duration::from_secs(2);

/// The most orders that wait.
const MAX_ORDERS: usize = 64;

/// Supervises processes. End it with [`Supervisor::shutdown`]; merely dropping it kills them.
#[derive(Debug)]
pub struct Supervisor {
    handle: Handle,
    shutdown: oneshot::Sender<()>,
    keeper: JoinSet<()>,
    spawner: Spawner,
    threads: Threads,
}

impl Supervisor {
    /// Starts every process, in order, on the current runtime.
    ///
    /// # Panics
    /// There is no current tokio runtime, or it has no time or I/O driver.
    pub fn start(config: Config) -> Self {
        let (spawner, threads) = Spawner::start(runtime::Handle::current());
        let board = Arc::new(Board::new());
        let (orders, received) = mpsc::channel(MAX_ORDERS);
        let (shutdown, told) = oneshot::channel();
        let mut keeper = JoinSet::new();
        let (shared, starter) = (Arc::clone(&board), spawner.clone());
        keeper.spawn(Keeper::new(config, shared, starter).keep(received, told));
        Supervisor { handle: Handle { board, orders }, shutdown, keeper, spawner, threads }
    }

    /// A handle, which stays readable after the supervisor's end.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops every process, those that come after others first and unrelated ones at the same time, and returns when
    /// nothing of them is left. It takes at most the sum of the stop timeouts along the longest chain of `after`; in
    /// each link two seconds more where what was killed hangs in the kernel, and half a minute more where a program
    /// that is just being started is on a file system that does not answer.
    /// [`Handle::hurry`] cuts it short.
    pub async fn shutdown(mut self) {
        // A keeper that is gone has failed; that is told below.
        let _ = self.shutdown.send(());
        while let Some(ended) = self.keeper.join_next().await {
            if let Err(failed) = ended {
                error!("supervision failed inside the agent; this is a defect of it: {failed}");
            }
        }
        drop(self.spawner);
        let joined = timeout(THREAD_GRACE, spawn_blocking(move || self.threads.join())).await;
        if !matches!(joined, Ok(Ok(true))) {
            error!("the threads that start and find processes have not ended as they should");
        }
    }
}
