//! One process: the task that owns its child, its history and its health checks.
//!
//! The task is a machine of steps. Each step waits for what can happen in it, the requests and the shutdown among
//! them, publishes what came of it, and names the next one. A stop is carried through before the next request is
//! looked at, and is bounded by its timeout.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbeat_status::ProcessState;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::{error, info, warn};

use crate::board::{Board, Exit, Phase, Request, View};
use crate::config::Process;
use crate::group::{Group, Stuck};
use crate::health::Verdict;
use crate::output::{self, Sink};
use crate::probe;
use crate::restart::{self, End, History, Next};
use crate::spawn::{Output, Spawner};

/// One process and everything that its task owns.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) process: Process,
    pub(crate) sink: Sink,
    pub(crate) board: Arc<Board>,
    pub(crate) spawner: Spawner,
    pub(crate) mailbox: Mailbox,
    pub(crate) history: History,
    pub(crate) drains: JoinSet<()>,
}

/// Where the task is asked for something.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) requests: mpsc::Receiver<Request>,
    /// Sent or dropped, it means the end of supervision.
    pub(crate) shutdown: oneshot::Receiver<()>,
}

enum Asked {
    For(Request),
    Shutdown,
}

enum Step {
    /// For those that it comes after.
    Wait,
    Start,
    Watch(Box<Run>),
    BackOff(Instant),
    /// Until it is asked to start.
    Rest,
    Done,
}

/// A child that was started.
#[derive(Debug)]
struct Run {
    group: Group,
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
                Step::Start => self.start().await,
                Step::Watch(run) => self.watch(*run).await,
                Step::BackOff(until) => self.back_off(until).await,
                Step::Rest => self.rest().await,
                Step::Done => break,
            };
            self.note_drains();
        }
        while let Some(drained) = self.drains.join_next().await {
            note_panic(&self.sink.process, "reading its output", drained);
        }
    }

    async fn wait(&mut self) -> Step {
        let asked = tokio::select! {
            () = self.board.all_tried(&self.process.after) => return Step::Start,
            asked = self.mailbox.asked() => asked,
        };
        match asked {
            Asked::For(Request::Start | Request::Restart) => Step::Start,
            Asked::For(Request::Stop) => {
                self.publish(|view| {
                    // Those that come after it must not wait for what will not happen.
                    view.tried = true;
                    view.at_rest(Phase::Exited, ProcessState::Stopped);
                });
                Step::Rest
            }
            Asked::Shutdown => Step::Done,
        }
    }

    async fn start(&mut self) -> Step {
        let mut group = match self.spawner.spawn(&self.process.command, Output::Piped).await {
            Ok(group) => group,
            Err(failed) => {
                let table = self.process.kind.table();
                let reason = format!("{failed}; check {table}.{}.{}", self.sink.process, failed.key);
                return self.ended(End::NotStarted(reason), Duration::ZERO);
            }
        };
        let (over, ended) = oneshot::channel();
        if let Some((stdout, stderr)) = group.take_output() {
            self.drains.spawn(output::drain(stdout, stderr, self.sink.clone(), ended));
        }
        let (pid, since) = (group.id(), Instant::now());
        let phase = if self.process.health.is_some() { Phase::Starting } else { Phase::Ready };
        self.publish(|view| {
            view.at_rest(phase, ProcessState::Running);
            view.running = Some((pid, since));
            view.starts = view.starts.saturating_add(1);
            view.tried = true;
        });
        info!(process = self.sink.process, pid, "started");
        Step::Watch(Box::new(Run { group, since, _over: over }))
    }

    async fn watch(&mut self, mut run: Run) -> Step {
        let (verdicts, mut judged) = mpsc::channel(1);
        let mut prober = JoinSet::new();
        if let Some(health) = self.process.health.clone() {
            let (command, spawner) = (self.process.command.clone(), self.spawner.clone());
            prober.spawn(probe::watch(health, command, spawner, run.since, verdicts));
        }
        let asked = loop {
            tokio::select! {
                () = run.group.exited() => {
                    drop(prober);
                    return self.crashed_or_done(run).await;
                }
                Some(verdict) = judged.recv() => self.judged(verdict),
                Some(result) = prober.join_next() => {
                    note_panic(&self.sink.process, "its health check", result);
                    self.judged(Verdict::Unwell("the check itself failed inside the agent".to_owned()));
                }
                asked = self.mailbox.asked() => match asked {
                    Asked::For(Request::Start) => {}
                    other => break other,
                },
            }
        };
        drop(prober);
        self.stop(run).await;
        match asked {
            Asked::For(Request::Restart | Request::Start) => {
                self.history = History::default();
                Step::Start
            }
            Asked::For(Request::Stop) => Step::Rest,
            Asked::Shutdown => Step::Done,
        }
    }

    async fn back_off(&mut self, until: Instant) -> Step {
        let asked = tokio::select! {
            () = sleep_until(until.into()) => return Step::Start,
            asked = self.mailbox.asked() => asked,
        };
        match asked {
            Asked::For(Request::Start | Request::Restart) => {
                self.history = History::default();
                Step::Start
            }
            Asked::For(Request::Stop) => {
                info!(process = self.sink.process, "stopped");
                self.publish(|view| view.at_rest(Phase::Exited, ProcessState::Stopped));
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
            match self.mailbox.asked().await {
                Asked::For(Request::Start | Request::Restart) => {
                    self.history = History::default();
                    return Step::Start;
                }
                Asked::For(Request::Stop) => {
                    self.publish(|view| view.at_rest(Phase::Exited, ProcessState::Stopped));
                }
                Asked::Shutdown => return Step::Done,
            }
        }
    }

    /// The child ended by itself. What it left behind in its group goes before it is started again.
    async fn crashed_or_done(&mut self, mut run: Run) -> Step {
        let ran = run.since.elapsed();
        let end = run.group.kill().await.unwrap_or_else(|stuck| {
            warn!(process = self.sink.process, "some of its group is still there {}", Stuck::MEANING);
            stuck.end.unwrap_or_else(|| End::Unseen(Stuck::MEANING.to_owned()))
        });
        drop(run);
        self.ended(end, ran)
    }

    /// Publishes an end that was not asked for, and says what follows.
    fn ended(&mut self, end: End, ran: Duration) -> Step {
        let (policy, backoff) = (self.process.restart, &self.process.backoff);
        let next = restart::next(policy, backoff, &mut self.history, &end, ran, chance());
        let state = if end.is_success() { ProcessState::Stopped } else { ProcessState::Error };
        let until = match next {
            Next::Now => Some(Instant::now()),
            Next::After(wait) => Some(Instant::now() + wait),
            Next::Stay => None,
        };
        self.publish(|view| {
            view.at_rest(if until.is_some() { Phase::BackingOff } else { Phase::Exited }, state);
            view.next_start = until;
            view.tried = true;
            view.last_exit = Exit::of(&end).or(view.last_exit.take());
            if state == ProcessState::Error {
                view.last_error = Some(end.to_string());
            }
        });
        let follows = match next {
            Next::Now => "starting it again at once".to_owned(),
            Next::After(wait) => format!("starting it again in {:.1} s", wait.as_secs_f64()),
            Next::Stay => "leaving it".to_owned(),
        };
        match state {
            ProcessState::Error => warn!(process = self.sink.process, "{end}; {follows}"),
            _ => info!(process = self.sink.process, "{end}; {follows}"),
        }
        match (next, until) {
            (Next::Now, _) => Step::Start,
            (_, Some(until)) => Step::BackOff(until),
            (_, None) => Step::Rest,
        }
    }

    async fn stop(&mut self, mut run: Run) {
        info!(process = self.sink.process, "stopping");
        self.publish(|view| view.phase = Phase::Stopping);
        let stopped = run.group.stop(&self.process.stop).await;
        drop(run);
        match &stopped {
            Ok(end) => info!(process = self.sink.process, "stopped: {end}"),
            Err(_) => error!(process = self.sink.process, "some of it is still there {}", Stuck::MEANING),
        }
        self.publish(|view| match stopped {
            Ok(end) => {
                view.at_rest(Phase::Exited, ProcessState::Stopped);
                view.last_exit = Exit::of(&end);
            }
            Err(stuck) => {
                view.at_rest(Phase::Exited, ProcessState::Error);
                view.last_exit = stuck.end.as_ref().and_then(Exit::of);
                view.last_error = Some(format!("some of it is still there {}", Stuck::MEANING));
            }
        });
    }

    fn judged(&self, verdict: Verdict) {
        match verdict {
            Verdict::Well => {
                info!(process = self.sink.process, "its health check passes");
                self.publish(|view| {
                    view.phase = Phase::Ready;
                    view.state = ProcessState::Running;
                });
            }
            Verdict::Unwell(reason) => {
                let message = format!("health check failed: {reason}");
                warn!(process = self.sink.process, "{message}");
                self.publish(|view| {
                    view.phase = Phase::Unhealthy;
                    view.state = ProcessState::Error;
                    view.last_error = Some(message);
                });
            }
        }
    }

    fn publish(&self, change: impl FnOnce(&mut View)) {
        self.board.update(&self.sink.process, change);
    }

    fn note_drains(&mut self) {
        while let Some(drained) = self.drains.try_join_next() {
            note_panic(&self.sink.process, "reading its output", drained);
        }
    }
}

impl Mailbox {
    /// The next request. After [`Asked::Shutdown`] there is nothing more to ask for.
    async fn asked(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = &mut self.shutdown => Asked::Shutdown,
            request = self.requests.recv() => request.map_or(Asked::Shutdown, Asked::For),
        }
    }
}

impl View {
    /// Not running, or not yet; keeps what is remembered of the past.
    fn at_rest(&mut self, phase: Phase, state: ProcessState) {
        (self.phase, self.state, self.running, self.next_start) = (phase, state, None, None);
    }
}

impl Stuck {
    const MEANING: &str = "after SIGKILL; it hangs in the kernel";
}

fn note_panic(process: &str, what: &str, result: Result<(), tokio::task::JoinError>) {
    if let Err(failed) = result
        && failed.is_panic()
    {
        error!(process, "{what} failed inside the agent; this is a defect of it: {failed}");
    }
}

/// A number from 0 to 1, different each time. The keys of a hasher are random, and nothing here needs more.
fn chance() -> f64 {
    let number = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(number >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
