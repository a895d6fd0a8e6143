//! What has lost its parent comes to the agent, is reaped by it, and ends with it.
//!
//! As PID 1 the agent gets the orphans of its whole PID namespace; else it asks the kernel to be given those below it
//! (`PR_SET_CHILD_SUBREAPER`), so that what escapes from a process's group stays in sight.
//!
//! # Why no exit status is stolen
//! A wait for any child would take the status of a supervised one from its owner, and a wait for each known orphan
//! cannot know them all. But the kernel keeps children per *thread*: a forked child is its forking thread's, and what
//! is adopted becomes the first living thread's of the new parent (`find_new_reaper` in the kernel's `exit.c`; as PID 1
//! likewise), which is the main thread as long as that lives. A wait with `__WNOTHREAD` looks at the calling
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
use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};
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

/// Once it is there, orphans come here.
static ADOPTION: OnceLock<Adoption> = OnceLock::new();

#[derive(Debug)]
struct Adoption {
    /// The children that the main thread had before it adopted any, the guard among them.
    spared: Vec<i32>,
    guard: Option<i32>,
}

/// The main thread's duty to those that have lost their parents.
#[derive(Debug)]
pub struct Orphans {
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
        let adoption = Adoption { spared, guard: guard.map(Guard::pid) };
        ADOPTION.set(adoption).map_err(|_| io::Error::other("it was done before"))?;
        Ok(Orphans { ended, here: PhantomData })
    }

    /// Reaps them for good. To be polled where [`Orphans::adopt`] was called.
    pub async fn reap(&mut self) -> Infallible {
        loop {
            while (0..AT_ONCE).all(|_| reap_one().is_some()) {
                tokio::task::yield_now().await;
            }
            self.ended.recv().await;
        }
    }

    /// Kills all that is left of what the agent started or adopted, when the supervisor and everything else that
    /// starts processes is shut down. Blocks for four seconds at most, usually for some milliseconds.
    pub fn end(self) {
        let Some(agent) = Agent::own() else { return };
        let below = Some(ADOPTION.get().map(|adoption| adoption.spared.clone()).unwrap_or_default());
        let deadline = Instant::now() + GRACE;
        let sweep = move || sweep::end(&[Claim::Agent { agent, below }], agent.start, deadline);
        let (ended, clear) = sweep::bounded(GRACE * 2, sweep, reap).unwrap_or_default();
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
    if ADOPTION.get().is_some() && gettid() == getpid() {
        while reap_one().is_some() {}
    }
}

/// Those that have come to this process and not been reaped; `None` where they do not, or that is not to be told.
pub(crate) fn adopted() -> Option<Vec<i32>> {
    let spared = &ADOPTION.get()?.spared;
    let mut children = table::children_of_first_thread(getpid().as_raw_nonzero().get())?;
    children.retain(|child| !spared.contains(child));
    Some(children)
}

/// Whether a process has ended, by its descriptor.
pub(crate) fn is_over(pidfd: impl AsFd) -> bool {
    let mut descriptors = [PollFd::new(&pidfd, PollFlags::IN)];
    poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Reaps one of them; `None` where none has ended.
fn reap_one() -> Option<i32> {
    let only_ours = WaitOptions::from_bits_retain(libc::__WNOTHREAD.cast_unsigned());
    // An error is that there is no child at all.
    let (pid, _) = wait(WaitOptions::NOHANG | only_ours).ok().flatten()?;
    let pid = pid.as_raw_nonzero().get();
    if ADOPTION.get().is_some_and(|adoption| adoption.guard == Some(pid)) {
        warn!("the guard has ended before the agent; what this agent starts outlives it should it be killed");
    } else {
        debug!(pid, "an orphan has ended");
    }
    Some(pid)
}
