//! Signals: SIGINT, SIGTERM and SIGQUIT are the end of a run; SIGUSR1, SIGUSR2 and SIGWINCH are for what is supervised.
//! SIGTSTP, which is Ctrl-Z, is for what has to give a terminal back before it stops.

use std::convert::Infallible;
use std::io;
use std::mem::zeroed;
use std::ptr::null_mut;

use anyhow::Context;
use rustix::process::{Signal as Number, getpid, kill_process};
use sandbeat_supervisor::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on, so that a signal during start is not lost.
pub(crate) struct Terminate {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
}

impl Terminate {
    /// # Errors
    /// The process cannot handle signals.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Terminate {
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal, and names it.
    pub(crate) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Ctrl-Z. From its making on the process does not stop by itself.
pub(crate) struct Suspend(Signal);

impl Suspend {
    /// # Errors
    /// The process cannot handle signals.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let kind = SignalKind::from_raw(Number::TSTP.as_raw());
        Ok(Suspend(signal(kind).context("cannot listen for signals")?))
    }

    /// Waits until the process is asked to stop.
    pub(crate) async fn received(&mut self) {
        self.0.recv().await;
    }
}

/// Stops the process as Ctrl-Z stops one that does not listen for it; returns when it goes on in the foreground of its
/// terminal. In the background it stops again. Returns at once where the kernel knows of nobody who could let it go on:
/// in the group of a session's leader (an orphaned process group of POSIX), and as the first process of a container.
pub(crate) fn stop() {
    stop_by_default();
    // The first process of a container cannot stop itself at all.
    while is_in_background() && !getpid().is_init() {
        // That a process may not signal itself is nothing that happens.
        if kill_process(getpid(), Number::STOP).is_err() {
            return;
        }
    }
}

/// The kernel decides about orphaned groups: they cannot be told from here where a PID namespace hides the session.
#[expect(unsafe_code, reason = "there is no safe interface to signal dispositions")]
fn stop_by_default() {
    // SAFETY: all zeros is a valid `sigaction`, the default disposition, which has no handler that would have to stay
    // valid. What is put back is what was there.
    unsafe {
        let default: libc::sigaction = zeroed();
        let mut listening: libc::sigaction = zeroed();
        if libc::sigaction(libc::SIGTSTP, &raw const default, &raw mut listening) == 0 {
            // To this thread, so that it has stopped and gone on when this returns.
            libc::raise(libc::SIGTSTP);
            libc::sigaction(libc::SIGTSTP, &raw const listening, null_mut());
        }
    }
}

/// Whether standard output is the terminal of this session, and another group has it.
#[expect(unsafe_code, reason = "rustix's are undefined where the group's leader is outside of the PID namespace")]
fn is_in_background() -> bool {
    // SAFETY: both take and give numbers alone.
    let (foreground, own) = unsafe { (libc::tcgetpgrp(libc::STDOUT_FILENO), libc::getpgrp()) };
    // 0: outside of the namespace.
    foreground > 0 && foreground != own
}

/// Hands signals that say nothing to the agent to the processes that have a handler for them.
pub(crate) async fn forward(processes: Handle) -> Infallible {
    let listen = || {
        let listen = |kind, number| signal(kind).map(|signal| (signal, number));
        io::Result::Ok([
            listen(SignalKind::user_defined1(), Number::USR1)?,
            listen(SignalKind::user_defined2(), Number::USR2)?,
            listen(SignalKind::window_change(), Number::WINCH)?,
        ])
    };
    let Ok([mut first, mut second, mut window]) =
        listen().inspect_err(|failed| tracing::warn!("signals are not forwarded: {failed}"))
    else {
        return std::future::pending().await;
    };
    loop {
        let number = tokio::select! {
            _ = first.0.recv() => first.1,
            _ = second.0.recv() => second.1,
            _ = window.0.recv() => window.1,
        };
        tracing::debug!(number = number.as_raw(), "a signal for the processes");
        processes.forward(number);
    }
}
