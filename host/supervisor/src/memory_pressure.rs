//! Who is killed when memory runs out: a process first, and the agent last.
//!
//! The kernel kills the process with the highest score, to which `oom_score_adj` adds (proc(5)). The agent, and with it
//! its guard, asks for a low one at its start; it needs `CAP_SYS_RESOURCE` for that, and goes on as it is without. What
//! the agent was started with is given back to each child between fork and exec, which needs nothing, so that for the
//! processes nothing is different.

use std::io;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, write};
use tracing::debug;

/// Killed after all that asks for nothing, but killed: a process of -1000 is not, even where it is what eats the memory.
const SPARED: i16 = -900;

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

fn spare() -> io::Result<Option<String>> {
    const FILE: &str = "/proc/self/oom_score_adj";
    let original = std::fs::read_to_string(FILE)?;
    if original.trim().parse::<i16>().is_ok_and(|adjustment| adjustment <= SPARED) {
        return Ok(None);
    }
    std::fs::write(FILE, SPARED.to_string())?;
    Ok(Some(original))
}
