//! Who is killed when memory runs out: a process first, and the agent last.
//!
//! The kernel kills the process with the highest score, to which `oom_score_adj` adds (proc(5)). The agent, and with it
//! its guard, asks for a low one at its start; below what it was given it needs `CAP_SYS_RESOURCE`, and goes on as it
//! is without. What the agent was started with is given back to each child between fork and exec, which needs nothing,
//! so that for the processes nothing is different.

use std::io;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, write};
use tracing::debug;

/// What is asked for, the best first. With -900 it is killed after all that asks for nothing, but killed: a process of
/// -1000 is not, even where it is what eats the memory. 0 is for one that was started with more and may not go below.
const SPARED: [i16; 2] = [-900, 0];

/// What the agent was started with, where it is another one now.
static ORIGINAL: OnceLock<String> = OnceLock::new();

/// Has the kernel spare this process, and those that it forks, when memory runs out, where it may. For the agent's
/// start, before it has forked its guard.
pub fn spare_agent() {
    match spare() {
        Ok(Some(original)) => drop(ORIGINAL.set(original)),
        Ok(None) => {}
        Err(refused) => debug!("the agent is killed like any process when memory runs out: {refused}"),
    }
}

/// What a child is to have; `None` where it has that already.
pub(crate) fn original() -> Option<&'static [u8]> {
    ORIGINAL.get().map(String::as_bytes)
}

/// In a forked child: async-signal-safe, since it makes plain system calls and allocates nothing.
///
/// # Errors
/// The system refuses; the child is then spared like the agent.
pub(crate) fn give_back(original: &[u8]) -> Result<(), Errno> {
    let file = open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write(&file, original).map(drop)
}

/// What was there before, where it is another now.
fn spare() -> io::Result<Option<String>> {
    const FILE: &str = "/proc/self/oom_score_adj";
    let original = std::fs::read_to_string(FILE)?;
    let given: i16 = original.trim().parse().map_err(io::Error::other)?;
    let mut result = Ok(None);
    for spared in SPARED.into_iter().filter(|spared| *spared < given) {
        match std::fs::write(FILE, spared.to_string()) {
            Ok(()) => return Ok(Some(original)),
            Err(refused) => result = Err(refused),
        }
    }
    result
}
