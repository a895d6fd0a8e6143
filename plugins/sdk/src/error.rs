//! Why there is nothing to report, by who must act.

use std::fmt::{self, Display};
use std::io::ErrorKind;
use std::{char, num, str, string};

use crate::{files, state};

/// Why a `collect` has nothing to return. The text is for the one who must act.
///
/// `?` makes one of a refused or missing file, of `std::io::Error`, and of numbers and texts that do not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The sidecar's `[config]` is wrong. For the operator.
    Config(String),
    /// A grant is missing. For the operator.
    Denied(String),
    /// What it measures is not there, or not now.
    Unavailable(String),
    /// Anything else, such as a file with an unexpected content. For the collector's author.
    Internal(String),
}

impl Error {
    /// The value under a key of `[config]` is wrong, and why.
    pub fn config(key: &str, why: impl Display) -> Self {
        Self::Config(format!("`{key}` {why}"))
    }

    /// A grant is missing: which.
    pub fn denied(what: impl Display) -> Self {
        Self::Denied(what.to_string())
    }

    /// What it measures is not there: what.
    pub fn unavailable(what: impl Display) -> Self {
        Self::Unavailable(what.to_string())
    }

    /// Anything else.
    pub fn internal(what: impl Display) -> Self {
        Self::Internal(what.to_string())
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Config(text) | Self::Denied(text) | Self::Unavailable(text) | Self::Internal(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

impl From<files::FileError> for Error {
    fn from(error: files::FileError) -> Self {
        match error.reason {
            files::Reason::Denied => Self::denied(error),
            files::Reason::NotText => Self::internal(error),
            _ => Self::unavailable(error),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::PermissionDenied => Self::denied(error),
            ErrorKind::InvalidData | ErrorKind::InvalidInput => Self::internal(error),
            _ => Self::unavailable(error),
        }
    }
}

macro_rules! internal {
    ($($type:ty),*) => {
        $(impl From<$type> for Error {
            fn from(error: $type) -> Self {
                Self::internal(error)
            }
        })*
    };
}

internal!(
    num::ParseIntError,
    num::ParseFloatError,
    num::TryFromIntError,
    str::ParseBoolError,
    str::Utf8Error,
    string::FromUtf8Error,
    char::ParseCharError,
    state::StateError
);
