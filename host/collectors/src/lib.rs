//! Collectors: WebAssembly components that measure, called by a host that trusts none of them.
//!
//! The job: everything in the plugins directory that is a collector is loaded, given what its sidecar grants and no
//! more, called under its limits, and replaced, added or dropped while the agent runs. What it returns is judged
//! point by point. Whatever a collector does, its failure is its own, has a name, and is visible.
//!
//! This is the only crate that knows wasmtime. From the directory to the report:
//!
//! ```text
//! watch → scan → manager ─ one task per plugin ─ load → call → validate → board → Handle
//!                                                 │       └ guest (imports: files, state, log, config, native)
//!                                                 └ read, sidecar, cache, compile (a child process), describe
//! ```
//!
//! The collectors run on an OS thread of their own (see [`Collectors`]); the agent asks through a [`Handle`].

mod archive;
mod artifacts;
mod bindings;
mod blame;
mod board;
mod budget;
mod cache;
mod call;
mod calls;
mod check;
mod child;
mod compile;
mod config;
mod cost;
mod counter;
mod cpu;
mod digest;
mod engine;
mod files;
mod filesystem;
#[cfg(fuzzing)]
pub mod fuzzing;
mod glob;
mod good;
mod guest;
mod home;
mod http;
mod key;
mod limiter;
mod load;
mod loading;
mod manager;
mod open;
mod own;
mod plugin;
mod policy;
mod private;
mod progress;
mod read;
mod runtime;
mod scan;
mod sealed;
mod series;
mod shape;
mod sidecar;
mod sockets;
mod state;
mod states;
mod stats;
mod ticks;
mod validate;
mod watch;
pub mod workbench;
mod world;

use std::collections::BTreeMap;
use std::time::Instant;

use sandbeat_status::{Metric, Rejected};

pub use budget::BudgetConfig;
pub use check::{Accepted, CheckError, Checked, check};
pub use child::compile_stdin;
pub use compile::{CompileLimits, CompilerCommand, MAX_COMPONENT};
pub use config::{Config, RawConfig};
pub use digest::digest;
pub use runtime::{Collectors, Handle, StartError};
pub use sidecar::{Ceiling, RawCeiling};

/// What a collector says that its metrics mean: a sentence by name.
pub type Descriptions = BTreeMap<String, String>;

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
