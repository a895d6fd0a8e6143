//! What a child reads and writes: made before its start, and this side of it afterwards.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio as Std;

use rustix::fs::fchown;
use rustix::process::Uid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::config::Stdio;
use crate::terminal;

/// This side of a child's standard input and output.
#[derive(Debug)]
pub(crate) enum Ends {
    /// Pipes.
    Pipes { stdin: Option<ChildStdin>, stdout: ChildStdout, stderr: ChildStderr },
    /// A terminal, for all three.
    Terminal(OwnedFd),
}

/// Prepares a command, and makes it the leader of a process group (of a session, with a terminal). What is returned
/// must be kept until the child is there, and then gives [`Ends`]. A terminal belongs to the user that the child
/// becomes, so that it can be opened by its name.
///
/// # Errors
/// The system gives no terminal.
pub(crate) fn attach(command: &mut Command, stdio: Stdio, user: Option<Uid>) -> io::Result<Attached> {
    let (stdin, stdout, stderr) = match stdio {
        Stdio::Output => (Std::null(), Std::piped(), Std::piped()),
        Stdio::Piped => (Std::piped(), Std::piped(), Std::piped()),
        Stdio::Null => (Std::null(), Std::null(), Std::null()),
        Stdio::Terminal(size) => {
            let (ours, theirs) = terminal::make(size)?;
            if user.is_some() {
                fchown(&theirs, user, None)?;
            }
            command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
            terminal::lead_session(command);
            return Ok(Attached { terminal: Some(ours) });
        }
    };
    command.process_group(0).stdin(stdin).stdout(stdout).stderr(stderr);
    Ok(Attached { terminal: None })
}

/// The variables that a child gets for what is attached to it, where nothing else is configured.
pub(crate) fn variables(stdio: Stdio) -> Option<(&'static str, &'static str)> {
    matches!(stdio, Stdio::Terminal(_)).then_some(("TERM", terminal::TERM))
}

/// What is attached to a command.
#[derive(Debug)]
pub(crate) struct Attached {
    terminal: Option<OwnedFd>,
}

impl Attached {
    /// This side, once; `None` where there is nothing to read or write.
    pub(crate) fn ends(self, child: &mut Child) -> Option<Ends> {
        if let Some(ours) = self.terminal {
            return Some(Ends::Terminal(ours));
        }
        let stdin = child.stdin.take();
        let (stdout, stderr) = child.stdout.take().zip(child.stderr.take())?;
        Some(Ends::Pipes { stdin, stdout, stderr })
    }
}
