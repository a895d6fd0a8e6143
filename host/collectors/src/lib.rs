//! Collectors: WebAssembly components that measure, called by a host that trusts none of them.
//!
//! The job: everything in the plugins directory that is a collector is loaded, given what its sidecar grants and no
//! more, called under its limits, and replaced, added or dropped while the agent runs. What it returns is judged
//! point by point. Whatever a collector does, its failure is its own, has a name, and is visible.
//!
//! This is the only crate that knows wasmtime. From the directory to the report:
//!
//! ```text
//! watch → scan → runtime ─ one task per plugin ─ load → call → validate → board → Handle
//!                                                 │       └ guest (imports: files, state, log, config, native)
//!                                                 └ read, sidecar, cache, compile (a child process), describe
//! ```
//!
//! The collectors run on an OS thread of their own (see [`Collectors`]); the agent asks through a [`Handle`].

mod bindings;
mod board;
mod cache;
mod call;
mod check;
mod compile;
mod config;
mod cpu;
mod digest;
mod engine;
mod files;
mod glob;
mod guest;
#[expect(dead_code, reason = "the store gets it when grants of HTTP are read")]
mod http;
mod limiter;
mod load;
mod open;
mod own;
mod plugin;
mod read;
mod runtime;
mod scan;
mod sidecar;
mod state;
mod validate;
mod watch;

use std::collections::BTreeMap;
use std::time::Instant;

use sandbeat_status::{Metric, Rejected};

pub use check::{Accepted, CheckError, Checked, check};
pub use compile::{CompilerCommand, compile_stdin};
pub use config::{Config, RawConfig};
pub use runtime::{Collectors, Handle, StartError};
pub use sidecar::{Ceiling, RawCeiling};

/// What one collector adds to the report: already judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The plugin's name.
    pub plugin: String,
    /// At most 1,000; no pair of name and attributes twice.
    pub metrics: Vec<Metric>,
    /// At most 64 entries.
    pub metadata: BTreeMap<String, String>,
    /// What of this collect was not acceptable.
    pub rejected: Vec<Rejected>,
    /// When it was measured.
    pub measured_at: Instant,
}
