//! What is told of a process, in full, and how a run of it ended.

use std::path::PathBuf;

use jiff::Timestamp;
use sandbeat_status::{ProcessPhase as Phase, ProcessStatus};

use crate::config::{Kind, Stdio};
use crate::restart::End;
use crate::signals;

/// A process at one moment, in full. Its environment is not here: it may hold secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Details {
    /// Its name, or `proc_N` where it was created through the API.
    pub id: String,
    /// Which table it is from.
    pub kind: Kind,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The directory that it starts in, where that is not the agent's own.
    pub cwd: Option<PathBuf>,
    /// What its standard input and output are.
    pub stdio: Stdio,
    /// Whether somebody means to write to it.
    pub interactive: bool,
    /// Whether the agent ends with it.
    pub essential: bool,
    /// What a report says of it.
    pub status: ProcessStatus,
    /// Where in its life it is.
    pub phase: Phase,
    /// Those that it comes after and still waits for.
    pub waiting_for: Vec<String>,
    /// How its last finished run ended.
    pub last_exit: Option<Exit>,
    /// When it came under supervision, by the wall clock.
    pub created: Timestamp,
    /// When its last finished run ended, by the wall clock.
    pub exited: Option<Timestamp>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By a signal.
    Signal {
        /// Its number.
        number: i32,
        /// Its name, such as `SIGKILL`.
        name: String,
        /// Whether the kernel sent it because memory ran out.
        out_of_memory: bool,
    },
}

impl Exit {
    /// The code that a shell gives to such an end: the code itself, or 128 and the signal's number.
    pub fn shell_code(&self) -> i32 {
        match self {
            Exit::Code(code) => *code,
            Exit::Signal { number, .. } => 128 + number,
        }
    }

    pub(crate) fn of(end: &End) -> Option<Exit> {
        match end {
            End::Exited(code) => Some(Exit::Code(*code)),
            End::Killed { signal, out_of_memory } => {
                Some(Exit::Signal { number: *signal, name: signals::name(*signal), out_of_memory: *out_of_memory })
            }
            End::Unhealthy { exit, .. } => exit.clone(),
            End::NotStarted(_) | End::Unseen(_) => None,
        }
    }
}
