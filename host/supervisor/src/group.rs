//! A child together with its process group: its end, its stop, and that nothing of the group is left.
//!
//! One task owns a [`Group`]. Signals go to the whole group, and only while its number cannot have become somebody
//! else's: a number stays taken while the child is not reaped or the group has a member. Where the kernel has pidfds
//! the end of the child is seen without reaping it, so that what is left of the group can be killed before; elsewhere
//! it is killed directly after.
//!
//! Dropping a [`Group`] kills what is left of it, without waiting; the runtime reaps the child.

use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, kill_process_group, pidfd_open, test_kill_process_group,
    waitpgid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::config::Stop;
use crate::restart::End;
use crate::stdio::Ends;

/// How long what was killed may take to be gone. Longer means that it hangs in the kernel.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// The pauses between two looks at whether a group is empty: from the first, doubling, to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// From this pause on a look is also at the members' states, which costs a walk over all processes.
const CLOSER_LOOK: Duration = Duration::from_millis(16);

/// A child and its process group.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    ends: Option<Ends>,
    id: Pid,
    exit: Option<AsyncFd<OwnedFd>>,
    empty: bool,
}

/// Something of the group was still there after it had been killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stuck {
    /// How the child ended, where it is not the child itself that is stuck.
    pub(crate) end: Option<End>,
}

impl Group {
    /// Takes a child that leads its own group. Must be called within the runtime that will watch it.
    pub(crate) fn new(child: Child, ends: Option<Ends>) -> std::io::Result<Self> {
        let raw = child.id().and_then(|id| i32::try_from(id).ok());
        let Some(id) = raw.and_then(Pid::from_raw) else {
            return Err(std::io::Error::other("the child has no process id"));
        };
        let exit = pidfd_open(id, PidfdFlags::empty()).ok().and_then(watched);
        Ok(Group { child, ends, id, exit, empty: false })
    }

    /// The child's process id, which is the group's number.
    pub(crate) fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    /// This side of the child's input and output, once, where there is one.
    pub(crate) fn take_ends(&mut self) -> Option<Ends> {
        self.ends.take()
    }

    /// Waits until the child has ended. Others of the group may go on. Can be dropped and called again.
    pub(crate) async fn exited(&mut self) {
        if let Some(exit) = &self.exit
            && exit.readable().await.is_ok()
        {
            return;
        }
        // An error is found again, and told, by whoever asks for the end.
        drop(self.child.wait().await);
    }

    /// Asks the group to end, and kills what is left of it at the timeout.
    ///
    /// # Errors
    /// Something outlives even that by [`KILL_GRACE`].
    pub(crate) async fn stop(&mut self, stop: &Stop) -> Result<End, Stuck> {
        self.signal(stop.signal);
        // What is suspended takes no notice of a request to end before it goes on.
        self.signal(Signal::CONT);
        match timeout(stop.timeout, self.gone(false)).await {
            Ok(end) => Ok(end),
            Err(_) => self.kill().await,
        }
    }

    /// Kills whatever is left of the group. An end that the child has already come to is what is returned.
    ///
    /// # Errors
    /// Something outlives that by [`KILL_GRACE`].
    pub(crate) async fn kill(&mut self) -> Result<End, Stuck> {
        self.signal(Signal::KILL);
        match timeout(KILL_GRACE, self.gone(true)).await {
            Ok(end) => Ok(end),
            Err(_) => Err(Stuck { end: self.child.try_wait().ok().flatten().map(End::from) }),
        }
    }

    /// Waits until the child is reaped and nothing of the group is left; with `kill`, kills what joins it meanwhile.
    async fn gone(&mut self, kill: bool) -> End {
        self.exited().await;
        let end = self.child.wait().await.map_or_else(|error| End::Unseen(error.to_string()), End::from);
        let mut pause = FIRST_PAUSE;
        while !self.empty {
            self.empty = !self.has_members() || (pause >= CLOSER_LOOK && self.has_only_dead_members().await);
            if self.empty {
                break;
            }
            if kill {
                self.signal(Signal::KILL);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        end
    }

    fn signal(&self, signal: Signal) {
        if self.empty {
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

    /// Whether the group has a member, dead ones that nobody has reaped included. The child must be reaped.
    fn has_members(&self) -> bool {
        // Where the agent is the init of its namespace, the group's orphans are its children. Only this group's are
        // asked for, and its leader is reaped, so that nobody's exit status is stolen.
        while let Ok(Some(_)) = waitpgid(self.id, WaitOptions::NOHANG) {}
        test_kill_process_group(self.id) != Err(Errno::SRCH)
    }

    /// Whether all that is left of the group is dead, and only waits for an init that does not reap. False where
    /// nothing of the group can be seen at all.
    async fn has_only_dead_members(&self) -> bool {
        let id = self.id.as_raw_nonzero().get();
        spawn_blocking(move || {
            let states = states_in_group(id);
            !states.is_empty() && states.iter().all(|state| matches!(state, 'Z' | 'X'))
        })
        .await
        .unwrap_or(false)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[expect(unsafe_code, reason = "tokio has no safe way to watch a descriptor that is neither a socket nor a pipe")]
fn watched(fd: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned, so it stays open and the same until the returned value is dropped.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()
}

/// The states of the members of a process group, by `/proc`.
fn states_in_group(group: i32) -> Vec<char> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        .filter_map(|entry| fs::read(entry.path().join("stat")).ok())
        .filter_map(|stat| state_and_group(&String::from_utf8_lossy(&stat)))
        .filter(|(_, of)| *of == group)
        .map(|(state, _)| state)
        .collect()
}

/// The state and the process group in a `/proc/PID/stat`. The name before them is in parentheses and may contain any.
fn state_and_group(stat: &str) -> Option<(char, i32)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let group = fields.nth(1)?.parse().ok()?;
    Some((state, group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_and_the_group_are_found_behind_any_name() {
        assert_eq!(state_and_group("12 (sh) S 1 10 10 0 -1 4194560"), Some(('S', 10)));
        assert_eq!(state_and_group("12 (a) Z 9 (b)) Z 1 11 10 0"), Some(('Z', 11)));
        assert_eq!(state_and_group("12 (sh"), None);
    }

    #[test]
    fn the_own_group_has_a_living_member() {
        let own = rustix::process::getpgrp().as_raw_nonzero().get();
        assert!(states_in_group(own).iter().any(|state| !matches!(state, 'Z' | 'X')));
    }
}
