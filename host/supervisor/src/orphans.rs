//! What has lost its parent comes to the agent, is reaped by it, and ends with it.
//!
//! As PID 1 the agent gets the orphans of its whole PID namespace; else it asks the kernel to be given those below it
//! (`PR_SET_CHILD_SUBREAPER`), so that what escapes from a process's group stays in sight.
//!
//! # Why no exit status is stolen
//! A wait for any child would take the status of a supervised one from its owner, and a wait for each known orphan
//! cannot know them all. But the kernel keeps children per *thread*: a forked child is its forking thread's, and what
//! is adopted becomes the first living thread's of the new parent (`find_new_reaper` in the kernel's `exit.c`; as PID 1
//! likewise), which is the main thread as long as that lives. A `waitpid` with `__WNOTHREAD` looks at the calling
//! thread's children only. So on the main thread it finds the orphans and what the main thread itself has forked, which
//! is the [`Guard`] alone: supervised processes are forked by a thread of the supervisor's, the compilers of
//! collectors by one of theirs, and both threads live as long as their children. Were one of them to end before, its
//! children would come to the main thread as well; they are killed by then, since they have asked to die with it.
//!
//! The rule for the rest of the agent that follows: **nothing is started on the main thread**, which in `sandbeat run`
//! is the one that polls the runtime's tasks. Whoever needs a command run has [`crate::Handle::run`].
//!
//! [`Orphans`] cannot be sent to another thread, so that the compiler sees to its half of this.

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, getpid, set_child_subreaper, waitpid};
use rustix::thread::gettid;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{debug, warn};

use crate::guard::Guard;
use crate::leftovers::told;
use crate::tree::leaf::Home;
use crate::tree::mark::Agent;
use crate::tree::sweep;
use crate::tree::table::{self, Claim};

/// How many are reaped before other tasks of the thread have their turn.
const AT_ONCE: usize = 256;

/// How long what was killed at the end may take to be gone.
const GRACE: Duration = Duration::from_secs(2);

/// The children that the main thread had before it adopted any; once they are noted, orphans come here.
static SPARED: OnceLock<Vec<i32>> = OnceLock::new();

/// The main thread's duty to those that have lost their parents.
#[derive(Debug)]
pub struct Orphans {
    guard: Option<i32>,
    ended: Signal,
    /// It stays on its thread.
    here: PhantomData<*const ()>,
}

impl Orphans {
    /// Has orphans come to this process from now on. Within a tokio runtime, on the main thread, before anything is
    /// started.
    ///
    /// # Errors
    /// It is not the main thread, it was done before, or the system refuses.
    pub fn adopt(guard: Option<&Guard>) -> io::Result<Self> {
        if gettid() != getpid() {
            return Err(io::Error::other("only the main thread can"));
        }
        // Also for an agent that was started with the signal ignored, whose children would all reap themselves.
        let ended = signal(SignalKind::child())?;
        set_child_subreaper(Some(getpid()))?;
        let spared = table::children_of_first_thread(getpid().as_raw_nonzero().get()).unwrap_or_default();
        SPARED.set(spared).map_err(|_| io::Error::other("it was done before"))?;
        Ok(Orphans { guard: guard.map(Guard::pid), ended, here: PhantomData })
    }

    /// Reaps them for good. To be polled where [`Orphans::adopt`] was called.
    pub async fn reap(&mut self) -> Infallible {
        loop {
            while let Some(pid) = reap_some() {
                if let Some(pid) = pid
                    && self.guard == Some(pid)
                {
                    warn!(
                        "the guard has ended before the agent; what this agent starts outlives it should it be killed"
                    );
                    self.guard = None;
                }
                tokio::task::yield_now().await;
            }
            self.ended.recv().await;
        }
    }

    /// Kills all that is left of what the agent started or adopted, when the supervisor and everything else that
    /// starts processes is shut down. Blocks for two seconds at most, usually for some milliseconds.
    pub fn end(self) {
        let Some(agent) = Agent::own() else { return };
        let below = Some(SPARED.get().cloned().unwrap_or_default());
        let deadline = Instant::now() + GRACE;
        let (ended, clear) = sweep::end(&[Claim::Agent { agent, below }], agent.start, deadline, reap);
        if !ended.is_empty() {
            warn!("killed what had escaped from the supervised processes: {}", told(&ended));
        }
        if !clear {
            warn!("some of that is still there after SIGKILL; it hangs in the kernel");
        }
        if let Some(home) = Home::of(&agent) {
            home.end(deadline);
        }
    }
}

/// Reaps what has ended of the orphans, where they come to this thread.
pub(crate) fn reap() {
    if SPARED.get().is_some() && gettid() == getpid() {
        while reap_one().is_some() {}
    }
}

/// Those that have come to this process and not been reaped; `None` where they do not, or that is not to be told.
pub(crate) fn adopted() -> Option<Vec<i32>> {
    let spared = SPARED.get()?;
    let mut children = table::children_of_first_thread(getpid().as_raw_nonzero().get())?;
    children.retain(|child| !spared.contains(child));
    Some(children)
}

/// Whether a process has ended, by its descriptor.
pub(crate) fn is_over(pidfd: impl AsFd) -> bool {
    let mut descriptors = [PollFd::new(&pidfd, PollFlags::IN)];
    poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Reaps until there is nothing to reap, which `None` says, or until others should have their turn; a guard is named.
fn reap_some() -> Option<Option<i32>> {
    let mut last = None;
    for _ in 0..AT_ONCE {
        last = Some(reap_one()?);
        if SPARED.get().is_some_and(|spared| last.is_some_and(|pid| spared.contains(&pid))) {
            break;
        }
    }
    Some(last)
}

fn reap_one() -> Option<i32> {
    let only_ours = WaitOptions::from_bits_retain(libc::__WNOTHREAD.cast_unsigned());
    // An error is that there is no child at all.
    let (pid, _) = waitpid(None, WaitOptions::NOHANG | only_ours).ok().flatten()?;
    let pid = pid.as_raw_nonzero().get();
    debug!(pid, "an orphan has ended");
    Some(pid)
}
