//! Why there is nothing to report, by who must act.

use std::fmt::{self, Display};
use std::io::ErrorKind;
use std::{char, num, str, string};

use crate::{files, processes, state};

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

impl From<processes::ProcessError> for Error {
    fn from(error: processes::ProcessError) -> Self {
        match error {
            processes::ProcessError::Denied => Self::denied(error),
            processes::ProcessError::TooMany(_) => Self::internal(error),
            processes::ProcessError::Io(_) => Self::unavailable(error),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Sandbox;

    #[test]
    fn a_file_says_who_must_act() {
        let read = || -> Result<u32, Error> { Ok(files::read_to_string("/run/n")?.trim().parse()?) };
        let denied = Error::Denied("`/run/n` is not granted; add it to `read` under `[grant]` in the sidecar".into());
        assert_eq!(Sandbox::new().run(read), Err(denied));
        assert_eq!(Sandbox::new().missing("/run/n").run(read), Err(Error::Unavailable("`/run/n` is not there".into())));
        assert!(matches!(Sandbox::new().file("/run/n", [0xff]).run(read), Err(Error::Internal(_))));
        assert!(matches!(Sandbox::new().file("/run/n", "three").run(read), Err(Error::Internal(_))));
        assert_eq!(Sandbox::new().file("/run/n", "3\n").run(read), Ok(3));
    }

    #[test]
    fn an_error_of_std_fs_does_too() {
        let of = |kind: ErrorKind| Error::from(std::io::Error::from(kind));
        assert!(matches!(of(ErrorKind::PermissionDenied), Error::Denied(_)));
        assert!(matches!(of(ErrorKind::NotFound), Error::Unavailable(_)));
        assert!(matches!(of(ErrorKind::InvalidData), Error::Internal(_)));
    }
}
