//! What a child reads and writes: made before its start, and this side of it afterwards.

use std::io;
use std::process::Stdio as Std;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::config::Stdio;

/// This side of a child's standard input and output.
#[derive(Debug)]
pub(crate) enum Ends {
    /// Pipes.
    Pipes { stdin: Option<ChildStdin>, stdout: ChildStdout, stderr: ChildStderr },
}

/// Prepares a command, and makes it the leader of a process group (of a session, with a terminal). What is returned
/// must be kept until the child is there, and then gives [`Ends`].
///
/// # Errors
/// The system gives no terminal.
pub(crate) fn attach(command: &mut Command, stdio: Stdio) -> io::Result<Attached> {
    let (input, output): (fn() -> Std, fn() -> Std) = match stdio {
        Stdio::Output => (Std::null, Std::piped),
        Stdio::Piped => (Std::piped, Std::piped),
        Stdio::Null => (Std::null, Std::null),
        Stdio::Terminal(_) => return Err(io::Error::from(io::ErrorKind::Unsupported)),
    };
    command.process_group(0).stdin(input()).stdout(output()).stderr(output());
    Ok(Attached {})
}

/// What is attached to a command.
#[derive(Debug)]
pub(crate) struct Attached {}

impl Attached {
    /// This side, once; `None` where there is nothing to read or write.
    pub(crate) fn ends(self, child: &mut Child) -> Option<Ends> {
        let stdin = child.stdin.take();
        let (stdout, stderr) = child.stdout.take().zip(child.stderr.take())?;
        Some(Ends::Pipes { stdin, stdout, stderr })
    }
}
