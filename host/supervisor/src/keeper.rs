//! The task that owns the processes' tasks: it makes them, replaces what they run on, hears of those that fail, and
//! ends them in order.
//!
//! It never waits for a process, so that an order is taken at once whatever the others do. Those that are to end are
//! told when nothing that is to end comes after them any more; they are forgotten when their tasks have ended.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sandbeat_status::{ProcessPhase as Phase, ProcessState};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet};
use tracing::{error, info};

use crate::board::{Board, Entry, MAX_REQUESTS};
use crate::config::{Backoff, Command, Config, Kind, Logging, Policy, Process, Stop};
use crate::details::Details;
use crate::difference::difference;
use crate::handle::{Changes, New, RequestError};
use crate::oneshot::{Ran, Run};
use crate::order::{self, Graph};
use crate::output::Sink;
use crate::resolve::CREATED;
use crate::restart::History;
use crate::spawn::{NotStarted, Spawner};
use crate::task::{Mailbox, Task};

/// The most created processes that have ended and are still told of; the longest ended makes room.
const MAX_ENDED: usize = 64;

/// What the keeper can be asked.
#[derive(Debug)]
pub(crate) enum Order {
    /// See [`crate::Handle::create`].
    Create { new: New, done: oneshot::Sender<Result<Details, RequestError>> },
    /// See [`crate::Handle::delete`].
    Delete { id: String, done: oneshot::Sender<Result<(), RequestError>> },
    /// See [`crate::Handle::reload`].
    Reload { config: Config, done: oneshot::Sender<Changes> },
    /// See [`crate::Handle::run`].
    Run { run: Run, done: oneshot::Sender<Result<Ran, RequestError>> },
}

#[derive(Debug)]
pub(crate) struct Keeper {
    board: Arc<Board>,
    spawner: Spawner,
    tasks: JoinSet<()>,
    ids: HashMap<task::Id, String>,
    /// Those whose tasks have not ended.
    kept: BTreeMap<String, Kept>,
    /// What is started again under a name whose last task is just ending.
    next: BTreeMap<String, Process>,
    /// The number of the last one that was created.
    created: u64,
    creating: JoinSet<Created>,
    runs: JoinSet<()>,
    /// Whether all of them are being ended; what is known of them stays then.
    over: bool,
}

/// A process whose task runs.
#[derive(Debug)]
struct Kept {
    task: task::Id,
    process: Arc<Process>,
    /// Where its output goes, to be gone on with by the next task of this name.
    sink: Sink,
    /// Gone when it was told to end.
    shutdown: Option<oneshot::Sender<()>>,
    /// Whether it is to end, and its entry with it unless another one of this name follows.
    ending: bool,
}

/// The first start of one that was created.
#[derive(Debug)]
struct Created {
    id: String,
    number: u64,
    result: Result<Result<(), NotStarted>, oneshot::error::RecvError>,
    done: oneshot::Sender<Result<Details, RequestError>>,
}

impl Keeper {
    pub(crate) fn new(config: Config, board: Arc<Board>, spawner: Spawner) -> Self {
        let mut keeper = Keeper {
            board,
            spawner,
            tasks: JoinSet::new(),
            ids: HashMap::new(),
            kept: BTreeMap::new(),
            next: BTreeMap::new(),
            created: 0,
            creating: JoinSet::new(),
            runs: JoinSet::new(),
            over: false,
        };
        keeper.add_all(config.processes);
        keeper
    }

    /// Keeps them until `shutdown` is sent or dropped, then ends all of them, in order.
    pub(crate) async fn keep(mut self, mut orders: mpsc::Receiver<Order>, mut shutdown: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                biased;
                _ = &mut shutdown => break,
                Some(ended) = self.tasks.join_next_with_id() => self.note(ended),
                Some(created) = self.creating.join_next() => self.note_created(created),
                Some(ended) = self.runs.join_next() => note_run(ended),
                Some(order) = orders.recv() => self.obey(order),
            }
        }
        drop(orders);
        self.next.clear();
        self.over = true;
        // Dropped, a command that is run for somebody kills what it has started.
        self.runs.shutdown().await;
        self.kept.values_mut().for_each(|kept| kept.ending = true);
        while !self.kept.is_empty() {
            self.tell_the_last();
            match self.tasks.join_next_with_id().await {
                Some(ended) => self.note(ended),
                None => break,
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Create { new, done } => self.create(new, done),
            // Whoever does not wait any more needs no answer.
            Order::Delete { id, done } => drop(done.send(self.delete(&id))),
            Order::Reload { config, done } => drop(done.send(self.reload(config))),
            Order::Run { run, done } => self.run(run, done),
        }
    }

    fn create(&mut self, new: New, done: oneshot::Sender<Result<Details, RequestError>>) {
        let limits = self.board.limits();
        let (running, ended) = self.board.created();
        if running >= limits.max_concurrent {
            return drop(done.send(Err(RequestError::TooMany(limits.max_concurrent))));
        }
        let mut words = new.command.into_iter();
        let Some(program) = words.next().filter(|program| !program.is_empty()) else {
            return drop(done.send(Err(RequestError::Wrong("the command is empty; name a program".to_owned()))));
        };
        // The oldest first; those of which somebody has been told are gone from the board by then.
        self.forget(ended.iter().take((ended.len() + 1).saturating_sub(MAX_ENDED)));
        let command = Command {
            program,
            args: words.collect(),
            cwd: new.cwd,
            env: new.env,
            env_clear: false,
            user: None,
            group: None,
            umask: None,
            limits: BTreeMap::new(),
            stdio: new.stdio,
        };
        let process = Process {
            kind: Kind::Created,
            command,
            restart: Policy::Never,
            backoff: Backoff::default(),
            after: Vec::new(),
            base_url: None,
            ready: None,
            health: None,
            stop: Stop::default(),
            essential: false,
            interactive: new.interactive,
            log: Logging { memory: limits.max_log as u64, ..Logging::default() },
        };
        self.created += 1;
        let (number, id) = (self.created, format!("{CREATED}{}", self.created));
        let (told, first) = oneshot::channel();
        self.add(&id, process, Some(told));
        self.creating.spawn(async move { Created { id, number, result: first.await, done } });
    }

    fn note_created(&mut self, created: Result<Created, JoinError>) {
        let Ok(Created { id, number, result, done }) = created else {
            return error!("creating a process failed inside the agent; this is a defect of it");
        };
        let answer = match result {
            Ok(Ok(())) => self.board.get(&id, std::time::Instant::now()).ok_or(RequestError::Over),
            Ok(Err(failed)) => {
                self.forget([&id]);
                if self.created == number {
                    // Nobody has seen the number.
                    self.created -= 1;
                }
                Err(failed.into())
            }
            Err(_) => Err(RequestError::Over),
        };
        drop(done.send(answer));
    }

    fn delete(&mut self, id: &str) -> Result<(), RequestError> {
        let details = self.board.get(id, std::time::Instant::now());
        match details.ok_or_else(|| RequestError::Unknown(id.to_owned()))? {
            details if details.kind.is_configured() => Err(RequestError::Configured(id.to_owned())),
            details if !details.phase.is_final() => Err(RequestError::Running(id.to_owned())),
            _ => {
                self.forget([&id.to_owned()]);
                Ok(())
            }
        }
    }

    fn run(&mut self, run: Run, done: oneshot::Sender<Result<Ran, RequestError>>) {
        let most = self.board.limits().max_concurrent;
        if self.runs.len() >= most {
            return drop(done.send(Err(RequestError::TooMany(most))));
        }
        let spawner = self.spawner.clone();
        self.runs.spawn(crate::oneshot::serve(run, spawner, done));
    }

    fn reload(&mut self, config: Config) -> Changes {
        // What waits for the end of its last task is decided anew.
        self.next.clear();
        let running = self.kept.iter().filter(|(_, kept)| !kept.ending);
        let running = running.map(|(id, kept)| (id.as_str(), &*kept.process));
        let running = running.filter(|(_, process)| process.kind.is_configured()).collect();
        let wanted = config.processes.iter().map(|(id, process)| (id.as_str(), process)).collect();
        let changes = difference(&running, &wanted);
        let mut started = config.processes;
        started.retain(|id, _| !changes.unchanged.contains(id));
        // In one graph, so that what is replaced stops before what it comes after.
        self.end(changes.removed.iter().chain(&changes.restarted));
        self.add_all(started);
        info!(
            added = changes.added.len(),
            removed = changes.removed.len(),
            restarted = changes.restarted.len(),
            unchanged = changes.unchanged.len(),
            "processes reloaded"
        );
        changes
    }

    /// Adds several, all of which are on the board before the first of them looks at it.
    fn add_all(&mut self, processes: BTreeMap<String, Process>) {
        for (id, process) in processes {
            // One that is ending under this name is waited for, also by those that come after.
            if self.kept.contains_key(&id) {
                self.board.replace(&id, Arc::new(process.clone()));
                self.next.insert(id, process);
            } else {
                self.add(&id, process, None);
            }
        }
    }

    fn add(&mut self, id: &str, process: Process, created: Option<oneshot::Sender<Result<(), NotStarted>>>) {
        let sink = Sink::new(id, &process.log);
        self.go_on(id, process, sink, created);
    }

    /// Makes a task whose output goes where that of the one before it went, if there was one.
    fn go_on(
        &mut self,
        id: &str,
        process: Process,
        sink: Sink,
        created: Option<oneshot::Sender<Result<(), NotStarted>>>,
    ) {
        let (requests, received) = mpsc::channel(MAX_REQUESTS);
        let (shutdown, told) = oneshot::channel();
        let process = Arc::new(process);
        self.board.put(id, Entry::new(Arc::clone(&process), requests, sink.log()));
        let task = Task {
            id: id.to_owned(),
            process: Arc::clone(&process),
            sink: sink.clone(),
            board: Arc::clone(&self.board),
            spawner: self.spawner.clone(),
            mailbox: Mailbox { requests: received, shutdown: told, created },
            history: History::default(),
            drains: JoinSet::new(),
            waiting: Vec::new(),
        };
        let task = self.tasks.spawn(task.run()).id();
        self.ids.insert(task, id.to_owned());
        self.kept.insert(id.to_owned(), Kept { task, process, sink, shutdown: Some(shutdown), ending: false });
    }

    /// Ends some, in order, and forgets them.
    fn end<'a>(&mut self, ids: impl IntoIterator<Item = &'a String>) {
        for id in ids {
            match self.kept.get_mut(id) {
                Some(kept) => kept.ending = true,
                None => self.board.remove(id),
            }
        }
        self.tell_the_last();
    }

    /// Ends some that do not run, and forgets them at once.
    fn forget<'a>(&mut self, ids: impl IntoIterator<Item = &'a String> + Clone) {
        self.end(ids.clone());
        ids.into_iter().for_each(|id| self.board.remove(id));
    }

    /// Tells those to end that are to, and that no other one comes after that is to.
    fn tell_the_last(&mut self) {
        let ending = self.kept.iter().filter(|(_, kept)| kept.ending);
        let graph: Graph<'_> = ending
            .map(|(id, kept)| (id.as_str(), kept.process.after.iter().map(|after| after.name.as_str()).collect()))
            .collect();
        let left: BTreeSet<&str> = graph.keys().copied().collect();
        let mut last: Vec<String> = order::last(&left, &graph).into_iter().map(str::to_owned).collect();
        if last.is_empty() {
            // Of an old and a new configuration together, each without one, a cycle can be made.
            last = left.into_iter().map(str::to_owned).collect();
        }
        for id in last {
            if let Some(shutdown) = self.kept.get_mut(&id).and_then(|kept| kept.shutdown.take()) {
                // One that has ended by itself needs not to be told.
                let _ = shutdown.send(());
            }
        }
    }

    fn note(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let task = ended.as_ref().map_or_else(JoinError::id, |(task, ())| *task);
        let Some(id) = self.ids.remove(&task) else { return };
        // The number of one that could not be created may have been given to another one meanwhile.
        let Some(kept) = self.kept.get(&id).filter(|kept| kept.task == task) else { return };
        let (ending, sink) = (kept.ending, kept.sink.clone());
        self.kept.remove(&id);
        let next = self.next.remove(&id);
        if ending && next.is_none() && !self.over {
            self.board.remove(&id);
        }
        if let Err(failed) = ended {
            error!(process = id, "its supervision failed inside the agent; this is a defect of it: {failed}");
            self.board.update(&id, |view| {
                (view.phase, view.state) = (Phase::Exited, ProcessState::Error);
                (view.running, view.input, view.next_start) = (None, None, None);
                view.reached.tried = true;
                view.last_error = Some("its supervision failed inside the agent; restart the agent".to_owned());
            });
        }
        if let Some(process) = next {
            let sink = sink.reconfigured(&process.log);
            self.go_on(&id, process, sink, None);
        }
        self.tell_the_last();
    }
}

fn note_run(ended: Result<(), JoinError>) {
    if let Err(failed) = ended
        && failed.is_panic()
    {
        error!("running a command failed inside the agent; this is a defect of it: {failed}");
    }
}
