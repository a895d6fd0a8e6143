//! Signals: SIGINT, SIGTERM and SIGQUIT are the end of a run; SIGUSR1, SIGUSR2 and SIGWINCH are for what is supervised.
//! SIGTSTP, which is Ctrl-Z, is for what has to give a terminal back before it stops.

use std::convert::Infallible;
use std::io;

use anyhow::Context;
use rustix::process::{Signal as Number, getpgid, getpid, getsid, kill_process};
use rustix::termios::tcgetpgrp;
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

    /// Waits until the process is to stop.
    pub(crate) async fn received(&mut self) {
        loop {
            self.0.recv().await;
            // In the group of the session's leader nobody could let it go on; the kernel does not stop it then either.
            if getpgid(None).ok() != getsid(None).ok() {
                return;
            }
        }
    }
}

/// Stops the process; returns when it goes on in the foreground of its terminal. In the background it stops again.
pub(crate) fn stop() {
    loop {
        // That a process may not signal itself is nothing that happens; then it does not stop.
        let stopped = kill_process(getpid(), Number::STOP);
        let foreground = tcgetpgrp(io::stdout());
        if stopped.is_err() || foreground.is_err() || foreground == getpgid(None) {
            return;
        }
    }
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
