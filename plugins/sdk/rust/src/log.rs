//! Lines for the agent's log: `log::info!("…")` and its siblings. They carry the collector's name; a flood is cut.

use crate::host;

#[doc(inline)]
pub use crate::{__debug as debug, __error as error, __info as info, __trace as trace, __warn as warn};

/// How much a line matters. The agent shows `Info` and above unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every step, for the author.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// A change of state, rare.
    Info,
    /// Something is wrong, and the collector copes with it.
    Warn,
    /// Something is wrong, and a part of the contribution is missing for it.
    Error,
}

/// Writes one line; control characters are escaped, and what is over 1024 bytes is cut off.
pub fn write(level: Level, message: &str) {
    host::log(level, message);
}

/// Writes a line of [`Level::Trace`], formed as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __trace {
    ($($part:tt)*) => { $crate::log::write($crate::log::Level::Trace, &::std::format!($($part)*)) };
}

/// Writes a line of [`Level::Debug`], formed as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($part:tt)*) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($part)*)) };
}

/// Writes a line of [`Level::Info`], formed as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($part:tt)*) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($part)*)) };
}

/// Writes a line of [`Level::Warn`], formed as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($part:tt)*) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($part)*)) };
}

/// Writes a line of [`Level::Error`], formed as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($part:tt)*) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($part)*)) };
}
