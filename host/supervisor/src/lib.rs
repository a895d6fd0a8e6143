//! The processes of a sandbox.
//!
//! The job: start what is configured, in order; restart what ends, without storming; stop each with all that it
//! started, wherever that has gone; and tell the truth about each of them at any moment.
//!
//! The model. [`resolve`] turns the tables `[processes.NAME]` and `[agents.NAME]` into a [`Config`] that can always
//! be started, and names everything that is wrong with them. [`Supervisor::start`] gives each process one task that
//! owns its child, its history and its health checks; nobody else touches them. The task publishes what it knows,
//! and a [`Handle`], which can be cloned and used from any thread and any runtime, reads it without waiting for
//! anyone and leaves requests for the task. [`Supervisor::shutdown`] stops all, those that come `after` others first.
//!
//! Inside, from the pure to the real: `order` (the graph of `after`), `restart` (what follows an end), `health` (when
//! failed probes count); `board` (what is published), `logs` (the last output); `tree` (a child with
//! all that it starts), `spawn` (the thread that starts children), `probe`, `output`; `task` (one process), `supervisor` (all).
//!
//! # What each state means
//! | phase | state | |
//! |---|---|---|
//! | `waiting` | `stopped` | not started yet: what it comes `after` has not been started |
//! | `starting` | `running` | started; has a health check that has not passed yet |
//! | `ready` | `running` | started; has no health check, or it passes |
//! | `unhealthy` | `error` | runs, and failed as many checks in a row as `health.retries` says, until one passes |
//! | `stopping` | as before | asked to stop; something of it is still there |
//! | `backing-off` | by its end | ended, and will be started again |
//! | `exited` | by its end | ended, and will not be started again unless asked |
//!
//! By its end means: `stopped` after exit code 0 and after a requested stop, `error` after everything else.
//!
//! # What is left when the agent ends
//! Nothing. After the ordinary stop [`Orphans::end`] kills what has escaped from everything else. When the agent is
//! killed or panics, every child is killed by the kernel, and what it had started by the [`Guard`]; should that be
//! killed as well, the next start does it with [`clear_leftovers`].

mod attributes;
mod board;
mod config;
mod details;
mod difference;
mod forward;
mod guard;
mod handle;
mod health;
mod input;
mod keeper;
mod leftovers;
mod limits;
mod logs;
mod nursery;
mod oneshot;
mod order;
mod orphans;
mod output;
mod probe;
mod raw;
mod resolve;
mod restart;
mod signals;
mod spawn;
mod stdio;
mod supervisor;
mod task;
mod tree;
mod users;

pub use board::Request;
pub use config::{
    After, Backoff, Check, Command, Condition, Config, Health, Kind, Limit, Policy, Process, Size, Stdio, Stop,
};
pub use details::{Details, Exit, Phase};
pub use guard::Guard;
pub use handle::{Changes, Handle, New, RequestError};
pub use input::InputError;
pub use leftovers::clear_leftovers;
pub use limits::Limits;
pub use logs::{Line, Log, Stream};
pub use oneshot::{Ran, Run};
pub use orphans::Orphans;
pub use raw::{RawBackoff, RawHealth, RawLog, RawProcess, RawStop};
pub use resolve::{MAX_PROCESSES, resolve};
pub use spawn::NotStarted;
pub use supervisor::Supervisor;
