//! What the agent was started with open, and its processes are not to get.
//!
//! A shell's redirections, a lock that a wrapper holds, the pipe of a CI job: a process that inherits such a descriptor
//! keeps it open for as long as it lives, and whoever waits for its end waits for that. Standard input, output and
//! error are given to each process anew.

use std::io;

use tracing::debug;

/// Has everything that is open now, above standard error, be closed where a program is started. For the agent's start.
/// A kernel before 5.11 cannot; then what was inherited is handed on.
#[expect(unsafe_code, reason = "there is no safe way to mark descriptors that others have opened")]
pub fn keep_inherited() {
    // SAFETY: it closes nothing now, and changes of all descriptors only what happens to them at an exec.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if marked != 0 {
        debug!("what the agent was started with open is handed on: {}", io::Error::last_os_error());
    }
}
