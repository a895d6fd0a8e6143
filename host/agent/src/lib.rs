//! The agent: it says, once per interval, how its sandbox is.
//!
//! The job: measure the sandbox, ask the collectors, merge both into a report, and get that to the hub, whatever else
//! goes on; and answer those inside the sandbox who ask the same.
//!
//! ```text
//! thread of its own ── beat ─ sample → collect → merge → report ── courier ── hub
//!                                │ published                         │ how delivery stands
//! the caller's runtime ── api ───┴───────────────────────────────────┘
//! ```
//!
//! - [`config`]: the agent's sections of the file, checked.
//! - [`run`]: the whole, until it is asked to stop.
//! - `beat` reads as the whole loop and is the only file that knows all four stages: [`sample`] measures, the
//!   collectors' crate collects, `merge` is pure, [`report`] delivers. It beats on a `thread` of its own, with the
//!   `priority` that it can get; `urgency` says when a report leaves out of turn, `clocks` whether the sandbox stood
//!   still, and `lateness` whether the operator must know that reports are late.
//! - [`api`]: the local API; `agents`: which coding agents are installed, for it.

mod agent;
mod agents;
pub mod api;
mod beat;
mod clocks;
pub mod config;
mod distribution;
mod footprint;
#[cfg(fuzzing)]
pub mod fuzzing;
mod lateness;
mod merge;
mod priority;
pub mod report;
pub mod sample;
mod thread;
mod urgency;

pub use agent::{Error, ReloadRequest, Reloaded, Sources, run};
pub use api::{Listen, Listener};
pub use config::{Config, Sections, resolve};
pub use thread::BeatError;
