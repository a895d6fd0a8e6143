//! One process: the task that owns its child, its history and its health checks.
//!
//! The task is a machine of steps. Each step waits for what can happen in it, the requests and the shutdown among
//! them, publishes what came of it, and names the next one. A stop is carried through before the next request is
//! looked at, and is bounded by its timeout.

mod mailbox;
mod outcome;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::{ProcessPhase as Phase, ProcessState};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::{error, info, warn};

use self::mailbox::Asked;
pub(crate) use self::mailbox::Mailbox;
use crate::board::{Behind, Board, Request, View};
use crate::config::Process;
use crate::details::Exit;
use crate::health::Verdict;
use crate::output::{self, Sink};
use crate::probe::{self, Probed};
use crate::restart::{End, History};
use crate::spawn::{NotStarted, Spawner};
use crate::tree::{Stuck, Tree};

/// One process and everything that its task owns.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) process: Arc<Process>,
    pub(crate) sink: Sink,
    pub(crate) board: Arc<Board>,
    pub(crate) spawner: Spawner,
    pub(crate) mailbox: Mailbox,
    pub(crate) history: History,
    pub(crate) drains: JoinSet<()>,
    /// Those who wait for the end of what they have asked for; dropped, they are told.
    pub(crate) waiting: Vec<oneshot::Sender<()>>,
}

enum Step {
    /// For those that it comes after.
    Wait,
    Start,
    /// Of one that has just ended and is missed.
    StartAtOnce,
    Watch(Box<Run>),
    BackOff(Instant),
    /// Until it is asked to start.
    Rest,
    Done,
}

/// A child that was started.
#[derive(Debug)]
struct Run {
    tree: Tree,
    since: Instant,
    /// Its end tells the reader of the output that the run is over.
    _over: oneshot::Sender<()>,
}

impl Task {
    /// Runs until the shutdown; then nothing of the process is left.
    pub(crate) async fn run(mut self) {
        let mut step = Step::Wait;
        loop {
            step = match step {
                Step::Wait => self.wait().await,
                Step::Start => {
                    let started = self.spawner.spawn(&self.process.command, &self.id).await;
                    self.start(started)
                }
                Step::StartAtOnce => {
                    let started = self.spawner.respawn(&self.process.command, &self.id).await;
                    self.start(started)
                }
                Step::Watch(run) => self.watch(*run).await,
                Step::BackOff(until) => self.back_off(until).await,
                Step::Rest => self.rest().await,
                Step::Done => break,
            };
            self.note_drains();
        }
        while let Some(drained) = self.drains.join_next().await {
            note_panic(&self.id, "reading its output", drained);
        }
    }

    async fn wait(&mut self) -> Step {
        let asked = tokio::select! {
            () = come_far(&self.board, &self.id, &self.process) => return Step::Start,
            asked = self.mailbox.asked(&mut self.waiting) => asked,
        };
        self.publish(|view| view.waiting_for.clear());
        match asked {
            Asked::For(Request::Start | Request::Restart) => Step::Start,
            Asked::For(Request::Stop | Request::Kill) => {
                self.publish(View::stopped);
                Step::Rest
            }
            Asked::Shutdown => Step::Done,
        }
    }

    fn start(&mut self, started: Result<Tree, NotStarted>) -> Step {
        let created = self.mailbox.created.take();
        let mut tree = match started {
            Ok(tree) => tree,
            Err(failed) => {
                if let Some(created) = created {
                    // Whoever asked is told; nobody else has heard of it.
                    let _ = created.send(Err(failed));
                    return Step::Done;
                }
                let table = self.process.kind.table();
                let reason = format!("{failed}; check {table}.{}.{}", self.id, failed.key);
                let next = self.ended(End::NotStarted(reason), Duration::ZERO);
                self.waiting.clear();
                return next;
            }
        };
        let (over, ended) = oneshot::channel();
        let mut input = None;
        if let Some(ends) = tree.take_ends() {
            let (reader, writer) = output::attend(ends, self.sink.clone(), ended);
            self.drains.spawn(reader);
            input = writer;
        }
        let (pid, since) = (tree.id(), Instant::now());
        let ready = self.process.ready.is_none() && self.process.health.is_none();
        self.publish(|view| {
            view.at_rest(if ready { Phase::Ready } else { Phase::Starting }, ProcessState::Running);
            view.by_request = false;
            view.running = Some((pid, since));
            view.input = input;
            view.starts = view.starts.saturating_add(1);
            view.reached.tried = true;
            view.reached.ready = ready;
        });
        info!(process = self.id, pid, "started");
        if let Some(created) = created {
            // One who has stopped waiting finds it in the list.
            let _ = created.send(Ok(()));
        }
        self.waiting.clear();
        Step::Watch(Box::new(Run { tree, since, _over: over }))
    }

    async fn watch(&mut self, mut run: Run) -> Step {
        let (verdicts, mut judged) = mpsc::channel(1);
        let mut prober = JoinSet::new();
        let (ready, health) = (self.process.ready.clone(), self.process.health.clone());
        if ready.is_some() || health.is_some() {
            prober.spawn(probe::watch(ready, health, self.probed(run.since), verdicts));
        }
        let asked = loop {
            tokio::select! {
                () = run.tree.exited() => {
                    drop(prober);
                    return self.crashed_or_done(run).await;
                }
                Some(verdict) = judged.recv() => {
                    if let Some(reason) = self.judged(verdict) {
                        drop(prober);
                        return self.stopped_as_unhealthy(run, reason).await;
                    }
                }
                Some(Err(failed)) = prober.join_next() => {
                    note_panic(&self.id, "its health check", Err(failed));
                    self.judged(Verdict::Unwell("the check itself failed inside the agent".to_owned()));
                }
                asked = self.mailbox.asked(&mut self.waiting) => match asked {
                    Asked::For(Request::Start) => self.waiting.clear(),
                    other => break other,
                },
            }
        };
        drop(prober);
        match self.stop(run, asked).await {
            Asked::For(Request::Restart | Request::Start) => {
                self.history = History::default();
                Step::Start
            }
            Asked::For(Request::Stop | Request::Kill) => Step::Rest,
            Asked::Shutdown => Step::Done,
        }
    }

    async fn back_off(&mut self, until: Instant) -> Step {
        let asked = tokio::select! {
            () = sleep_until(until.into()) => return Step::Start,
            asked = self.mailbox.asked(&mut self.waiting) => asked,
        };
        match asked {
            Asked::For(Request::Start | Request::Restart) => {
                self.history = History::default();
                Step::Start
            }
            Asked::For(Request::Stop | Request::Kill) => {
                info!(process = self.id, "stopped");
                self.publish(View::stopped);
                Step::Rest
            }
            Asked::Shutdown => {
                self.publish(|view| view.at_rest(Phase::Exited, view.state));
                Step::Done
            }
        }
    }

    async fn rest(&mut self) -> Step {
        loop {
            self.waiting.clear();
            match self.mailbox.asked(&mut self.waiting).await {
                Asked::For(Request::Start | Request::Restart) => {
                    self.history = History::default();
                    return Step::Start;
                }
                // It does not run, for the reason that is published.
                Asked::For(Request::Stop | Request::Kill) => {}
                Asked::Shutdown => return Step::Done,
            }
        }
    }

    /// The child ended by itself. What it left behind goes before it is started again.
    async fn crashed_or_done(&mut self, mut run: Run) -> Step {
        let ran = run.since.elapsed();
        let end = run.tree.kill().await.unwrap_or_else(|stuck| {
            warn!(process = self.id, "something of it is still there {}", Stuck::MEANING);
            stuck.end.unwrap_or_else(|| End::Unseen(Stuck::MEANING.to_owned()))
        });
        drop(run);
        self.ended(end, ran)
    }

    async fn stopped_as_unhealthy(&mut self, mut run: Run, reason: String) -> Step {
        let ran = run.since.elapsed();
        self.publish(|view| view.phase = Phase::Stopping);
        let end = run.tree.stop(&self.process.stop).await.map_or_else(
            |stuck| {
                error!(process = self.id, "something of it is still there {}", Stuck::MEANING);
                stuck.end
            },
            Some,
        );
        drop(run);
        self.ended(End::Unhealthy { reason, exit: end.as_ref().and_then(Exit::of) }, ran)
    }

    /// Stops all of it, and returns what is to be done then: what was asked for last. A kill cuts the stop short.
    async fn stop(&mut self, mut run: Run, mut asked: Asked) -> Asked {
        info!(process = self.id, "stopping");
        self.publish(|view| view.phase = Phase::Stopping);
        let mut stopped = None;
        if !matches!(asked, Asked::For(Request::Kill)) {
            let how = self.process.stop;
            let mut stopping = std::pin::pin!(run.tree.stop(&how));
            stopped = loop {
                tokio::select! {
                    stopped = &mut stopping => break Some(stopped),
                    // After the shutdown there is nothing more to ask for.
                    () = self.board.hurried() => break None,
                    more = self.mailbox.asked(&mut self.waiting), if !matches!(asked, Asked::Shutdown) => {
                        asked = more;
                        if matches!(asked, Asked::For(Request::Kill)) {
                            break None;
                        }
                    }
                }
            };
        }
        let stopped = match stopped {
            Some(stopped) => stopped,
            None => run.tree.kill().await,
        };
        drop(run);
        match &stopped {
            Ok(end) => info!(process = self.id, "stopped: {end}"),
            Err(_) => error!(process = self.id, "something of it is still there {}", Stuck::MEANING),
        }
        self.publish(|view| {
            view.exited = Some(Timestamp::now());
            match stopped {
                Ok(end) => {
                    view.stopped();
                    view.last_exit = Exit::of(&end);
                }
                Err(stuck) => {
                    view.at_rest(Phase::Exited, ProcessState::Error);
                    view.last_exit = stuck.end.as_ref().and_then(Exit::of);
                    view.last_error = Some(format!("something of it is still there {}", Stuck::MEANING));
                }
            }
        });
        asked
    }

    fn probed(&self, since: Instant) -> Probed {
        let (command, spawner) = (self.process.command.clone(), self.spawner.clone());
        Probed { command, id: format!("{}.check", self.id), spawner, since }
    }

    fn publish(&self, change: impl FnOnce(&mut View)) {
        self.board.update(&self.id, change);
    }

    fn note_drains(&mut self) {
        while let Some(drained) = self.drains.try_join_next() {
            note_panic(&self.id, "reading its output", drained);
        }
    }
}

/// Waits until all that it comes after have come as far as they must, and publishes what it waits for; it is an error
/// as long as that will not come by itself.
async fn come_far(board: &Board, id: &str, process: &Process) {
    let mut changes = board.changes();
    let mut told = Vec::new();
    loop {
        let behind = board.behind(&process.after);
        if behind != told {
            tell_behind(board, id, process, &behind);
            told = behind;
        }
        if told.is_empty() {
            return;
        }
        // The board is here; it cannot be gone.
        drop(changes.changed().await);
    }
}

fn tell_behind(board: &Board, id: &str, process: &Process, behind: &[Behind]) {
    let hopeless = behind.iter().find_map(|one| Some((&one.what, one.hopeless.as_ref()?)));
    let error = hopeless.map(|(what, end)| format!("cannot start: it waits for `{what}`, and that has ended: {end}"));
    board.update(id, |view| {
        view.waiting_for = behind.iter().map(|one| one.what.clone()).collect();
        view.state = if error.is_some() { ProcessState::Error } else { ProcessState::Stopped };
        view.last_error = error.clone().or(view.last_error.take());
    });
    if let Some(error) = error {
        warn!(process = id, "{error}");
        if process.essential {
            board.essential_ended(id, outcome::FAILED);
        }
    }
}

impl View {
    /// At rest because that was asked for.
    fn stopped(&mut self) {
        self.at_rest(Phase::Exited, ProcessState::Stopped);
        self.by_request = true;
    }

    /// Not running, or not yet; keeps what is remembered of the past.
    fn at_rest(&mut self, phase: Phase, state: ProcessState) {
        (self.phase, self.state, self.running, self.next_start) = (phase, state, None, None);
        self.input = None;
        self.reached.ready = false;
    }
}

impl Stuck {
    pub(crate) const MEANING: &str = "after SIGKILL; it hangs in the kernel";
}

fn note_panic(process: &str, what: &str, result: Result<(), tokio::task::JoinError>) {
    if let Err(failed) = result
        && failed.is_panic()
    {
        error!(process, "{what} failed inside the agent; this is a defect of it: {failed}");
    }
}
