//! A child with everything it starts: its end, its stop, and that nothing of it is left.
//!
//! What belongs to a child is, for as long as each of these holds: what is in its cgroup (`leaf`), where it has one;
//! what is in its process group; what is below it, while it lives; what carries its mark (`mark`); what any look has
//! found before; and what is below any of these (`table`). No single one is enough: a group is left with `setsid`, a
//! parent with a double fork, a mark by erasing the environment, and a cgroup is not always to be had. What has done
//! all three without a cgroup is found when the agent ends, as a child that came to it ([`crate::Orphans`]).
//!
//! One task owns a [`Tree`]. Signals go to the group at once and to the rest by way of the [`Sweeper`]. A group is
//! signalled and named only while its number cannot have become somebody else's: a number stays taken while the child
//! is not reaped or the group has a member. Once neither holds the number is given up for good ([`Tree::has_group`]),
//! however much of the tree is left elsewhere. Where the kernel has pidfds the end of the child is seen without reaping
//! it.
//!
//! After a crash the replacement must not wait for a look over all processes. When a child has ended, whatever it
//! started that still lives is in its group, in its cgroup, or has come to the agent, which adopts what loses its
//! parent; each of these is looked at directly, and only where one of them says so, or cannot say, all processes are.
//!
//! Dropping a [`Tree`] kills what is left of it, without waiting; the runtime reaps the child.

pub(crate) mod leaf;
pub(crate) mod mark;
pub(crate) mod memory;
mod mounts;
pub(crate) mod sweep;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, test_kill_process, test_kill_process_group,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::config::Stop;
use crate::guard;
use crate::orphans;
use crate::restart::End;
use crate::stdio::Ends;
use leaf::Leaf;
use memory::Memory;
use sweep::{KILL, Sent, Sweeper};
use table::{Claim, Known};

/// How long what was killed may take to be gone. Longer means that it hangs in the kernel.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// The pauses between two looks at whether anything is left: from the first, doubling, to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// From this pause on a look is over all processes.
const CLOSER_LOOK: Duration = Duration::from_millis(16);

/// This many looks in a row must find nothing where there is no cgroup to tell.
const CLEAR_LOOKS: u32 = 5;

/// The most orphans whose marks are read one by one.
const MAX_ORPHANS: usize = 32;

/// A child and all that it starts.
#[derive(Debug)]
pub(crate) struct Tree {
    child: Child,
    ends: Option<Ends>,
    id: Pid,
    exit: Option<AsyncFd<OwnedFd>>,
    kin: Kin,
    /// What a look has found.
    known: Vec<Known>,
    /// Whether SIGKILL was sent before the child had ended.
    killed: bool,
    /// Whether the child is reaped and its group without a member, so that the number may be somebody else's by now.
    group_gone: bool,
    empty: bool,
}

/// How what belongs to a child is told from the rest, and who looks for it.
#[derive(Debug)]
pub(crate) struct Kin {
    /// What its mark says.
    pub(crate) token: String,
    pub(crate) leaf: Option<Leaf>,
    /// Whether the child was in the leaf before it became the program, so that nothing of it can be elsewhere.
    pub(crate) sealed: bool,
    pub(crate) sweeper: Sweeper,
    pub(crate) memory: Memory,
}

/// Something of the tree was still there after it had been killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stuck {
    /// How the child ended, where it is not the child itself that is stuck.
    pub(crate) end: Option<End>,
}

/// How thoroughly it is made sure that nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    /// By a look over all processes.
    Full,
    /// Without one, where the rest leaves no doubt.
    Quick,
}

impl Tree {
    /// Takes a child that leads its own group. Must be called within the runtime that will watch it.
    pub(crate) fn new(child: Child, ends: Option<Ends>, kin: Kin) -> std::io::Result<Self> {
        let raw = child.id().and_then(|id| i32::try_from(id).ok());
        let Some(id) = raw.and_then(Pid::from_raw) else {
            return Err(std::io::Error::other("the child has no process id"));
        };
        let exit = pidfd_open(id, PidfdFlags::empty()).ok().and_then(watched);
        Ok(Tree { child, ends, id, exit, kin, known: Vec::new(), killed: false, group_gone: false, empty: false })
    }

    /// The child's process id, which is the group's number.
    pub(crate) fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    /// Has the child, which runs, moved to its leaf, soon.
    pub(crate) fn move_in(&self) {
        if let Some(leaf) = &self.kin.leaf {
            let pid = self.id.as_raw_nonzero().get();
            self.kin.sweeper.move_in(leaf.path().to_owned(), pid, self.kin.token.clone());
        }
    }

    /// This side of the child's input and output, once, where there is one.
    pub(crate) fn take_ends(&mut self) -> Option<Ends> {
        self.ends.take()
    }

    /// Waits until the child has ended. Others of the tree may go on. Can be dropped and called again.
    pub(crate) async fn exited(&mut self) {
        if let Some(exit) = &self.exit
            && exit.readable().await.is_ok()
        {
            return;
        }
        // An error is found again, and told, by whoever asks for the end.
        drop(self.child.wait().await);
    }

    /// Asks all of the tree to end, and kills what is left of it at the timeout.
    ///
    /// # Errors
    /// Something outlives even that by [`KILL_GRACE`].
    pub(crate) async fn stop(&mut self, stop: &Stop) -> Result<End, Stuck> {
        self.signal(stop.signal).await;
        // What is suspended takes no notice of a request to end before it goes on.
        self.signal(Signal::CONT).await;
        match timeout(stop.timeout, self.gone(None, Care::Full)).await {
            Ok(end) => Ok(end),
            Err(_) => self.kill().await,
        }
    }

    /// Kills whatever is left of the tree. An end that the child has already come to is what is returned.
    ///
    /// # Errors
    /// Something outlives that by [`KILL_GRACE`].
    pub(crate) async fn kill(&mut self) -> Result<End, Stuck> {
        let care = if self.has_ended() { Care::Quick } else { Care::Full };
        match timeout(KILL_GRACE, self.end(care)).await {
            Ok(end) => Ok(end),
            Err(_) => Err(Stuck { end: self.child.try_wait().ok().flatten().map(End::from) }),
        }
    }

    async fn end(&mut self, care: Care) -> End {
        if care == Care::Full {
            self.killed = true;
            // Before the child is gone, so that what is below it can be found.
            self.look(Some(KILL)).await;
        }
        self.signal_group(Signal::KILL);
        if let Some(leaf) = &self.kin.leaf
            && leaf.is_populated()
        {
            leaf.kill();
        }
        self.gone(Some(KILL), care).await
    }

    /// Whether the child has ended, as far as that is known without waiting.
    fn has_ended(&mut self) -> bool {
        match &self.exit {
            Some(exit) => orphans::is_over(exit.get_ref()),
            None => matches!(self.child.try_wait(), Ok(Some(_))),
        }
    }

    /// Waits until the child is reaped and nothing of the tree is left; what is found meanwhile is sent a signal.
    async fn gone(&mut self, signal: Option<Sent>, care: Care) -> End {
        self.exited().await;
        let end = self.child.wait().await;
        let end = end.map_or_else(|error| End::Unseen(error.to_string()), |status| self.judged(End::from(status)));
        // Before anything is signalled again.
        self.has_group();
        let mut pause = FIRST_PAUSE;
        while !self.empty {
            self.empty = self.is_empty(signal, if pause < CLOSER_LOOK { care } else { Care::Full }).await;
            if self.empty {
                break;
            }
            if let Some(sent) = signal {
                self.signal_group(sent.signal);
                self.kin.leaf.iter().for_each(Leaf::kill);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if let Some(leaf) = self.kin.leaf.take_if(|leaf| leaf.is_populated() || !leaf.remove()) {
            // What has only just ended may hold it for a moment.
            self.abandon(Some(leaf));
        }
        end
    }

    /// Whether nothing of the tree is left. The child must be reaped.
    async fn is_empty(&mut self, signal: Option<Sent>, care: Care) -> bool {
        orphans::reap();
        if self.kin.leaf.as_ref().is_some_and(Leaf::is_populated) {
            return false;
        }
        let has_group = self.has_group();
        if care == Care::Quick && has_group {
            return false;
        }
        if care == Care::Quick && self.has_no_orphans().await == Some(true) {
            return true;
        }
        // What hops from parent to parent is gone when a look comes to it, and elsewhere; out of a leaf only root
        // moves.
        let looks = if self.kin.sealed { 1 } else { CLEAR_LOOKS };
        for _ in 0..looks {
            match self.look(signal).await {
                // What is left of the group is dead, and only waits for an init that does not reap.
                Some(0) => {}
                Some(_) => return false,
                None => return !has_group,
            }
        }
        // What hops from parent to parent has passed all looks by, and is the agent's now.
        orphans::reap();
        self.has_no_orphans().await.unwrap_or(true)
    }

    /// Whether nothing of the tree that lives has come to the agent; `None` where that is not to be told.
    async fn has_no_orphans(&self) -> Option<bool> {
        let orphans = orphans::adopted().filter(|orphans| orphans.len() <= MAX_ORPHANS)?;
        if orphans.is_empty() {
            return Some(true);
        }
        self.kin.sweeper.any_marked(orphans, &self.kin.token).await.map(|any| !any)
    }

    /// Looks over all processes for what belongs to the tree, sends it a signal, and returns how many there were.
    async fn look(&mut self, signal: Option<Sent>) -> Option<usize> {
        let claim = self.claim();
        let found = self.kin.sweeper.sweep(claim, signal).await?;
        for one in &found {
            if !self.known.contains(one) {
                self.known.push(*one);
            }
        }
        // Those that are gone are no use, and a fork bomb has many.
        self.known.retain(|one| found.contains(one));
        Some(found.len())
    }

    async fn signal(&mut self, signal: Signal) {
        let group = self.id.as_raw_nonzero().get();
        // First the others, because what is below the child is found as long as that lives.
        self.look(Some(Sent { signal, but_to: Some(group) })).await;
        self.signal_group(signal);
        self.killed |= signal == Signal::KILL;
    }

    /// Whether the number of the group is still this tree's. Whoever has that number once the child is reaped, be it as
    /// its own or as its group's, is a stranger.
    fn has_group(&mut self) -> bool {
        if !self.group_gone && self.child.id().is_none() {
            let is_empty = test_kill_process_group(self.id) == Err(Errno::SRCH);
            let is_taken = test_kill_process(self.id) != Err(Errno::SRCH);
            self.group_gone = is_empty || is_taken;
            if self.group_gone {
                guard::forget(self.id.as_raw_nonzero().get());
            }
        }
        !self.group_gone
    }

    fn signal_group(&mut self, signal: Signal) {
        if self.empty || !self.has_group() {
            return;
        }
        let sent = match kill_process_group(self.id, signal) {
            // A child that has moved to another group is nevertheless ours, until it is reaped.
            Err(Errno::SRCH) if self.child.id().is_some() => kill_process(self.id, signal),
            sent => sent,
        };
        match sent {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => warn!(pid = self.id(), "cannot signal the process group: {error}"),
        }
    }

    fn claim(&mut self) -> Claim {
        let has_group = !self.empty && self.has_group();
        let number = self.id.as_raw_nonzero().get();
        Claim::Start {
            child: self.child.id().is_some().then_some(number),
            group: has_group.then_some(number),
            known: self.known.clone(),
            token: self.kin.token.clone(),
        }
    }

    /// An end by SIGKILL that nobody here has sent may have been for want of memory.
    fn judged(&self, end: End) -> End {
        match end {
            End::Killed { signal, .. } if signal == Signal::KILL.as_raw() && !self.killed => {
                let leaf = self.kin.leaf.as_ref().map(Leaf::path);
                End::Killed { signal, out_of_memory: self.kin.memory.explains(leaf) }
            }
            end => end,
        }
    }

    /// Leaves what has the mark, and a leaf, to be killed without anybody waiting. The numbers of the child and its
    /// group are not named, because they may be others' by then.
    fn abandon(&self, leaf: Option<Leaf>) {
        let claim = Claim::Start { child: None, group: None, known: self.known.clone(), token: self.kin.token.clone() };
        self.kin.sweeper.abandon(claim, leaf);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.empty {
            self.signal_group(Signal::KILL);
            let leaf = self.kin.leaf.take();
            self.abandon(leaf);
            // Nobody sees the end of this group; that of those before it is seen by now.
            guard::sift();
        }
    }
}

#[expect(unsafe_code, reason = "tokio has no safe way to watch a descriptor that is neither a socket nor a pipe")]
fn watched(fd: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned, so it stays open and the same until the returned value is dropped.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()
}
