//! Signals to all that somebody owns, wherever it has gone, and the thread that sends them.
//!
//! A look over all processes costs some ten microseconds for each, which is too much for the thread that serves the
//! agent's tasks, and two hundred processes that stop at once must not cost two hundred looks. So one thread looks, and
//! one look answers all who wait for one. It is started before there is anything to sweep, because a fork bomb leaves
//! no room for a thread. [`crate::Supervisor`] owns it: it ends after the last [`Sweeper`] is dropped, and what has
//! been abandoned to it by then is killed once more and no longer waited for.
//!
//! Once its child has ended, what is left of a process is signalled as soon as it is read, and not when the look is
//! over, since what forks and exits in turn is elsewhere by then. A signal goes through a descriptor of the process
//! that is opened before it is read a second time, so that it reaches nobody else who was given the number meanwhile; a
//! kernel without such descriptors leaves some microseconds for that.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{debug, error};

use super::leaf::Leaf;
use super::mark;
use super::memory::Memory;
use super::table::{self, Claim, Known, Seen};

/// To everybody.
pub(crate) const KILL: Sent = Sent { signal: Signal::KILL, but_to: None };

/// The pause between two looks at what was abandoned.
const RETRY: Duration = Duration::from_millis(50);
/// What is not gone by then hangs in the kernel.
const ABANDON_AFTER: Duration = Duration::from_secs(10);
/// How often the count of those that were killed for want of memory is read, so that an old one explains no new end.
const MEMORY_LOOK: Duration = Duration::from_millis(500);
/// A look that takes longer has met a process whose memory the kernel has locked; nobody waits for it.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between two looks of [`end`].
const PAUSE: Duration = Duration::from_millis(1);

/// Has things swept; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sweeper {
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
enum Job {
    MoveIn { path: PathBuf, pid: i32, token: String },
    AnyMarked { pids: Vec<i32>, token: String, reply: oneshot::Sender<bool> },
    Sweep { claim: Claim, signal: Option<Sent>, reply: oneshot::Sender<Vec<Known>> },
    Abandon { claim: Claim, leaf: Option<Leaf> },
}

/// A signal, and the group that has it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) signal: Signal,
    pub(crate) but_to: Option<i32>,
}

/// What nobody waits for any more and is to be killed.
#[derive(Debug)]
struct Abandoned {
    claim: Claim,
    leaf: Option<Leaf>,
    until: Instant,
    clear: u32,
}

impl Sweeper {
    /// Starts the thread, which reads processes that were started after `since` (clock ticks of the machine). Where
    /// there can be none that is logged, and nothing is found outside of groups.
    pub(crate) fn start(since: u64, memory: Memory) -> (Self, Option<JoinHandle<()>>) {
        let (jobs, received) = mpsc::channel();
        let work = move || serve(since, &memory, &received);
        let thread = std::thread::Builder::new().name("sandbeat-sweep".into()).spawn(work);
        let thread = thread
            .inspect_err(|failed| error!("what leaves its process group is not found: a thread was refused: {failed}"))
            .ok();
        (Sweeper { jobs }, thread)
    }

    /// Looks for all that is claimed, sends a signal to it where there is one, and returns which processes those are;
    /// `None` where there was no look.
    pub(crate) async fn sweep(&self, claim: Claim, signal: Option<Sent>) -> Option<Vec<Known>> {
        let (reply, told) = oneshot::channel();
        self.jobs.send(Job::Sweep { claim, signal, reply }).ok()?;
        timeout(LOOK_TIMEOUT, told).await.ok()?.ok()
    }

    /// Whether any of these processes carries a token; `None` where nobody could look.
    pub(crate) async fn any_marked(&self, pids: Vec<i32>, token: &str) -> Option<bool> {
        let (reply, told) = oneshot::channel();
        self.jobs.send(Job::AnyMarked { pids, token: token.to_owned(), reply }).ok()?;
        timeout(LOOK_TIMEOUT, told).await.ok()?.ok()
    }

    /// Has a process that carries a token moved to a leaf. It takes the kernel some milliseconds, for which nobody
    /// waits.
    pub(crate) fn move_in(&self, path: PathBuf, pid: i32, token: String) {
        // Without the thread it stays outside, where its mark holds it.
        drop(self.jobs.send(Job::MoveIn { path, pid, token }));
    }

    /// Has all that is claimed, and a leaf with all in it, killed and removed; nobody hears of it.
    pub(crate) fn abandon(&self, claim: Claim, leaf: Option<Leaf>) {
        // Without the thread there is nobody who could.
        drop(self.jobs.send(Job::Abandon { claim, leaf }));
    }
}

/// What a thread of its own returns, unless that takes longer than `within`; `meanwhile` is called every millisecond.
/// For looks at a moment when nobody else would notice that one hangs.
pub(crate) fn bounded<T: Send + 'static>(
    within: Duration,
    work: impl FnOnce() -> T + Send + 'static,
    mut meanwhile: impl FnMut(),
) -> Option<T> {
    let (done, told) = mpsc::channel();
    let thread = std::thread::Builder::new().name("sandbeat-look".into());
    // Nobody may wait any more.
    thread.spawn(move || drop(done.send(work()))).ok()?;
    let started = Instant::now();
    loop {
        match told.recv_timeout(PAUSE) {
            Ok(result) => return Some(result),
            Err(RecvTimeoutError::Timeout) if started.elapsed() < within => meanwhile(),
            Err(_) => return None,
        }
    }
}

/// Kills all that is claimed until two looks in a row find nothing, at most until `deadline`. Returns the processes
/// that were killed, and whether nothing is left.
pub(crate) fn end(claims: &[Claim], since: u64, deadline: Instant) -> (Vec<Seen>, bool) {
    let mut ended: Vec<Seen> = Vec::new();
    let mut clear = 0;
    while clear < 2 {
        let signals = vec![Some(KILL); claims.len()];
        let found = pass(since, claims, &signals).unwrap_or_default().concat();
        clear = if found.is_empty() { clear + 1 } else { 0 };
        for seen in found {
            if !ended.iter().any(|known| known.known() == seen.known()) {
                ended.push(seen);
            }
        }
        if clear < 2 {
            if Instant::now() >= deadline {
                return (ended, false);
            }
            std::thread::sleep(PAUSE);
        }
    }
    (ended, true)
}

fn serve(since: u64, memory: &Memory, received: &mpsc::Receiver<Job>) {
    let mut abandoned: Vec<Abandoned> = Vec::new();
    let mut jobs = Vec::new();
    let mut looked = Instant::now();
    loop {
        if looked.elapsed() >= MEMORY_LOOK {
            memory.look();
            looked = Instant::now();
        }
        let wait = if abandoned.is_empty() { MEMORY_LOOK.saturating_sub(looked.elapsed()) } else { RETRY };
        match received.recv_timeout(wait) {
            Ok(job) => jobs.push(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        jobs.extend(received.try_iter());
        sweep(since, jobs.drain(..), &mut abandoned);
    }
    sweep(since, jobs.drain(..), &mut abandoned);
}

/// One look for all.
fn sweep(since: u64, jobs: impl Iterator<Item = Job>, abandoned: &mut Vec<Abandoned>) {
    let (mut claims, mut signals, mut replies) = (Vec::new(), Vec::new(), Vec::new());
    for job in jobs {
        match job {
            Job::MoveIn { path, pid, token } => {
                // One that is gone is gone, and its number may be another's.
                let mark = table::mark_of(pid, &mut Vec::new());
                if mark.is_some_and(|mark| mark::tokens(&mark).any(|named| named == token))
                    && let Err(failed) = std::fs::write(path.join("cgroup.procs"), pid.to_string())
                {
                    debug!(pid, "not moved to its cgroup: {failed}");
                }
            }
            Job::AnyMarked { pids, token, reply } => {
                let mut buffer = Vec::new();
                let marks = pids.into_iter().filter_map(|pid| table::mark_of(pid, &mut buffer));
                // One who does not wait any more needs no answer.
                let _ = reply.send(marks.into_iter().any(|mark| mark::tokens(&mark).any(|named| named == token)));
            }
            Job::Sweep { claim, signal, reply } => {
                claims.push(claim);
                signals.push(signal);
                replies.push(reply);
            }
            Job::Abandon { claim, leaf } => {
                let until = Instant::now() + ABANDON_AFTER;
                abandoned.push(Abandoned { claim, leaf, until, clear: 0 });
            }
        }
    }
    if claims.is_empty() && abandoned.is_empty() {
        return;
    }
    for given_up in &*abandoned {
        given_up.leaf.iter().for_each(Leaf::kill);
        claims.push(given_up.claim.clone());
        signals.push(Some(KILL));
    }
    let Ok(found) = pass(since, &claims, &signals) else {
        // Dropped replies say so; what was abandoned has been killed as far as its leaf and its group go.
        return abandoned.clear();
    };
    let mut found = found.into_iter();
    for (reply, found) in replies.into_iter().zip(&mut found) {
        // One who does not wait any more needs no answer.
        let _ = reply.send(found.iter().map(Seen::known).collect());
    }
    let now = Instant::now();
    for (given_up, found) in abandoned.iter_mut().zip(found) {
        let clear = found.is_empty() && given_up.leaf.as_ref().is_none_or(Leaf::remove);
        given_up.clear = if clear { given_up.clear + 1 } else { 0 };
    }
    abandoned.retain(|given_up| given_up.clear < 2 && now < given_up.until);
}

/// One look over all processes: what is claimed, per claim, with a signal sent to it where there is one.
fn pass(since: u64, claims: &[Claim], signals: &[Option<Sent>]) -> std::io::Result<Vec<Vec<Seen>>> {
    let own = getpid().as_raw_nonzero().get();
    let mut early: Vec<Vec<i32>> = vec![Vec::new(); claims.len()];
    let table = table::look(since, |seen| {
        for ((claim, signal), early) in claims.iter().zip(signals).zip(&mut early) {
            if let Some(sent) = signal
                && claim.is_headless()
                && seen.pid != own
                && !seen.is_dead()
                && claim.names(seen)
            {
                sent.to(seen);
                early.push(seen.pid);
            }
        }
    })?;
    let mut found = Vec::new();
    for (place, owned) in table::owned(&table, claims).into_iter().enumerate() {
        let owned: Vec<Seen> = owned.into_iter().filter(|seen| seen.pid != own).cloned().collect();
        if let (Some(Some(sent)), Some(early)) = (signals.get(place), early.get(place)) {
            owned.iter().filter(|seen| !early.contains(&seen.pid)).for_each(|seen| sent.to(seen));
        }
        found.push(owned);
    }
    Ok(found)
}

impl Sent {
    fn to(self, seen: &Seen) {
        if self.but_to != Some(seen.group) {
            send(seen, self.signal);
        }
    }
}

/// Sends a signal to a process that was seen, and to no other.
fn send(seen: &Seen, signal: Signal) {
    let Some(pid) = Pid::from_raw(seen.pid) else { return };
    let descriptor = pidfd_open(pid, PidfdFlags::empty());
    // A program that it has become in the meantime is it, too.
    if table::seen(seen.pid).is_none_or(|now| now.start != seen.start) {
        return;
    }
    let sent = match descriptor {
        Ok(descriptor) => pidfd_send_signal(&descriptor, signal),
        Err(_) => kill_process(pid, signal),
    };
    match sent {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(failed) => debug!(pid = seen.pid, "cannot be signalled: {failed}"),
    }
}
