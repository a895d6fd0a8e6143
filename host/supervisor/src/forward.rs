//! Signals that the agent was sent and that are meant for what it runs.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal};
use tracing::debug;

use crate::handle::Handle;

impl Handle {
    /// Sends a signal to the main process of each that has a handler for it. The others are left alone, because what
    /// most signals do where nobody handles them is to end the process.
    pub fn forward(&self, signal: Signal) {
        let own = getpid().as_raw_nonzero().get();
        for pid in self.snapshot().into_values().filter_map(|status| status.pid) {
            let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { continue };
            let descriptor = pidfd_open(pid, PidfdFlags::empty());
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            // Read after the descriptor is there: a child of ours that handles it, and not one that was given its
            // number meanwhile.
            if parent(&status) != Some(own) || !catches(&status, signal) {
                continue;
            }
            let sent = match descriptor {
                Ok(descriptor) => pidfd_send_signal(&descriptor, signal),
                Err(_) => kill_process(pid, signal),
            };
            if let Err(failed) = sent {
                debug!(pid = pid.as_raw_nonzero(), "cannot be signalled: {failed}");
            }
        }
    }
}

/// The parent, by a `/proc/PID/status`.
fn parent(status: &str) -> Option<i32> {
    field(status, "PPid:")?.parse().ok()
}

/// Whether a process has a handler for a signal, by its `/proc/PID/status`.
fn catches(status: &str, signal: Signal) -> bool {
    let caught = field(status, "SigCgt:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    let bit = u32::try_from(signal.as_raw() - 1).ok().and_then(|shift| 1_u64.checked_shl(shift));
    caught.zip(bit).is_some_and(|(caught, bit)| caught & bit != 0)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_seen_in_the_mask() {
        let status = "Name:\tx\nPPid:\t7\nSigIgn:\t0000000000000800\nSigCgt:\t0000000000000200\n";
        assert_eq!(parent(status), Some(7));
        assert!(catches(status, Signal::USR1));
        assert!(!catches(status, Signal::USR2));
        assert!(!catches("", Signal::USR1));
    }
}
