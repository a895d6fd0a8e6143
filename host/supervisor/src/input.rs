//! Writing to a process: its standard input, or its terminal.

use crate::config::Size;

/// Where a running process can be written to. Cheap to clone; the process's task hands it out while the run lasts.
#[derive(Clone, Debug)]
pub(crate) struct Input {}

/// Why a process was not written to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Nothing has this id.
    #[error("no process is called `{0}`")]
    Unknown(String),
    /// It has ended.
    #[error("`{0}` is not running")]
    NotRunning(String),
    /// It was started without a standard input that can be written to.
    #[error("`{0}` takes no input; create it with `interactive` or `tty`")]
    NoInput(String),
    /// It has no terminal.
    #[error("`{0}` has no terminal; create it with `tty`")]
    NoTerminal(String),
    /// It has closed its input.
    #[error("it has closed its input")]
    Closed,
    /// It does not read; what was written so far is in it.
    #[error("it does not read its input; {0} bytes were written")]
    Full(usize),
}

impl Input {
    pub(crate) async fn write(&self, _bytes: &[u8]) -> Result<(), InputError> {
        Err(InputError::Closed)
    }

    pub(crate) fn resize(&self, _size: Size) -> Result<(), InputError> {
        Err(InputError::Closed)
    }
}
