//! All processes: their start, the task that keeps their tasks, and their stop in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use sandbeat_status::ProcessState;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing::error;

use crate::board::{Board, Entry, Handle, MAX_REQUESTS, Phase, View};
use crate::config::Config;
use crate::logs::Ring;
use crate::order::{self, Graph};
use crate::output::Sink;
use crate::restart::History;
use crate::spawn::Spawner;
use crate::task::{Mailbox, Task};

/// How long the thread that starts children is waited for after the last of them is gone.
const THREAD_GRACE: Duration = Duration::from_secs(2);

/// Supervises processes. End it with [`Supervisor::shutdown`]; merely dropping it kills them.
#[derive(Debug)]
pub struct Supervisor {
    handle: Handle,
    shutdown: oneshot::Sender<()>,
    keeper: JoinSet<()>,
    spawner: Spawner,
    thread: Option<JoinHandle<()>>,
}

/// The task that owns the processes' tasks: it hears of those that fail, and ends them in order.
struct Keeper {
    board: Arc<Board>,
    tasks: JoinSet<()>,
    names: HashMap<task::Id, String>,
    /// Those whose tasks have not ended, with what each comes after.
    after: BTreeMap<String, Vec<String>>,
    shutdowns: BTreeMap<String, oneshot::Sender<()>>,
}

impl Supervisor {
    /// Starts every process, in order, on the current runtime.
    ///
    /// # Panics
    /// There is no current tokio runtime, or it has no time or I/O driver.
    pub fn start(config: Config) -> Self {
        let (spawner, thread) = Spawner::start(runtime::Handle::current());
        let mut entries = BTreeMap::new();
        let mut mailboxes = Vec::new();
        let mut shutdowns = BTreeMap::new();
        for (name, process) in config.processes {
            let (requests, received) = mpsc::channel(MAX_REQUESTS);
            let (shutdown, told) = oneshot::channel();
            let logs = Arc::new(Ring::default());
            let (kind, base_url) = (process.kind, process.base_url.clone());
            let sink = Sink { process: name.clone(), ring: Arc::clone(&logs) };
            entries.insert(name.clone(), Entry { kind, base_url, requests, logs, view: View::default() });
            mailboxes.push((sink, process, Mailbox { requests: received, shutdown: told }));
            shutdowns.insert(name, shutdown);
        }
        let board = Arc::new(Board::new(entries));
        let mut kept = Keeper {
            board: Arc::clone(&board),
            tasks: JoinSet::new(),
            names: HashMap::new(),
            after: BTreeMap::new(),
            shutdowns,
        };
        for (sink, process, mailbox) in mailboxes {
            let name = sink.process.clone();
            kept.after.insert(name.clone(), process.after.clone());
            let (board, spawner) = (Arc::clone(&board), spawner.clone());
            let (history, drains) = (History::default(), JoinSet::new());
            let task = Task { process, sink, board, spawner, mailbox, history, drains };
            kept.names.insert(kept.tasks.spawn(task.run()).id(), name);
        }
        let (shutdown, told) = oneshot::channel();
        let mut keeper = JoinSet::new();
        keeper.spawn(kept.keep(told));
        Supervisor { handle: Handle { board }, shutdown, keeper, spawner, thread }
    }

    /// A handle, which stays readable after the supervisor's end.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops every process, those that come after others first and unrelated ones at the same time, and returns when
    /// nothing of them is left. It takes at most the sum of the stop timeouts along the longest chain of `after`; in
    /// each link two seconds more where what was killed hangs in the kernel, and half a minute more where a program
    /// that is just being started is on a file system that does not answer.
    pub async fn shutdown(mut self) {
        // A keeper that is gone has failed; that is told below.
        let _ = self.shutdown.send(());
        while let Some(ended) = self.keeper.join_next().await {
            if let Err(failed) = ended {
                error!("supervision failed inside the agent; this is a defect of it: {failed}");
            }
        }
        drop(self.spawner);
        if let Some(thread) = self.thread {
            let joined = timeout(THREAD_GRACE, spawn_blocking(move || thread.join())).await;
            if !matches!(joined, Ok(Ok(Ok(())))) {
                error!("the thread that starts processes has not ended as it should");
            }
        }
    }
}

impl Keeper {
    async fn keep(mut self, mut shutdown: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                _ = &mut shutdown => break,
                Some(ended) = self.tasks.join_next_with_id() => self.note(ended),
            }
        }
        while !self.after.is_empty() {
            self.tell_the_last();
            match self.tasks.join_next_with_id().await {
                Some(ended) => self.note(ended),
                None => break,
            }
        }
    }

    /// Tells those to end that no other one comes after.
    fn tell_the_last(&mut self) {
        let graph: Graph<'_> = self
            .after
            .iter()
            .map(|(name, after)| (name.as_str(), after.iter().map(String::as_str).collect()))
            .collect();
        let left: BTreeSet<&str> = graph.keys().copied().collect();
        for name in order::last(&left, &graph) {
            if let Some(shutdown) = self.shutdowns.remove(name) {
                // One that has ended by itself needs not to be told.
                let _ = shutdown.send(());
            }
        }
    }

    fn note(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let Some(name) = self.names.remove(&id) else { return };
        self.after.remove(&name);
        if let Err(failed) = ended {
            error!(process = name, "its supervision failed inside the agent; this is a defect of it: {failed}");
            self.board.update(&name, |view| {
                view.phase = Phase::Exited;
                view.state = ProcessState::Error;
                (view.running, view.next_start, view.tried) = (None, None, true);
                view.last_error = Some("its supervision failed inside the agent; restart the agent".to_owned());
            });
        }
    }
}
