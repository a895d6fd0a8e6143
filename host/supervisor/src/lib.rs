//! The processes of a sandbox.
//!
//! The job: start what is configured, in order; restart what ends, without storming; stop whole trees, whatever became
//! of them; keep what they write; and tell the truth about each of them at any moment.
//!
//! The model. [`resolve`] turns the tables `[processes.NAME]` and `[agents.NAME]` into a [`Config`] that can always
//! be started, and names everything that is wrong with them. [`Supervisor::start`] gives each process one task that
//! owns its child, its history and its health checks; nobody else touches them. The task publishes what it knows,
//! and a [`Handle`], which can be cloned and used from any thread and any runtime, reads it without waiting for
//! anyone and leaves requests for the task. Through it, processes are also created, deleted and configured anew while
//! the agent runs; the keeper, which owns the tasks, does that. [`Supervisor::shutdown`] stops all, those that come
//! `after` others first.
//!
//! Inside, from the pure to the real: `order` (the graph of `after`), `restart` (what follows an end), `health` (when
//! checks count), `difference` (what another configuration changes), `lines` (cutting output) and `plain` (how it
//! stands in a file); `board` (what is published), `logs` and `ring` (the last output); `tree` (a child with all that
//! it starts), `spawn` (the thread that starts children), `stdio`, `terminal`, `descriptor`, `input`, `probe`,
//! `output`, `logfile` and `appender` (output on disk); `task` (one process), `keeper` (all), `oneshot` (a command for
//! one who waits for it).
//!
//! `docs/supervision.md` says what each state and phase means, and what is left when the agent ends in which way.

//!
//! # What is left when the agent ends
//! Nothing. After the ordinary stop [`Orphans::end`] kills what has escaped from everything else. When the agent is
//! killed or panics, every child is killed by the kernel, and what it had started by the [`Guard`]; should that be
//! killed as well, the next start does it with [`clear_leftovers`].

mod appender;
mod attributes;
mod board;
mod config;
mod descriptor;
mod details;
mod difference;
mod forward;
mod guard;
mod handle;
mod health;
mod inherited;
mod input;
mod keeper;
mod leftovers;
mod limits;
mod lines;
mod logfile;
mod logs;
mod memory_pressure;
mod nursery;
mod oneshot;
mod order;
mod orphans;
mod output;
mod plain;
mod probe;
mod raw;
mod resolve;
mod restart;
mod ring;
mod signals;
mod spawn;
mod stdio;
mod supervisor;
mod task;
mod terminal;
mod tree;
mod users;

pub use board::Request;
pub use config::{
    After, Backoff, Check, Command, Condition, Config, Health, Kind, Limit, Policy, Process, Size, Stdio, Stop,
};
pub use details::{Details, Exit};
pub use guard::Guard;
pub use handle::{Changes, Handle, New, RequestError};
pub use inherited::keep_inherited;
pub use input::InputError;
pub use leftovers::clear_leftovers;
pub use limits::Limits;
pub use logs::{Line, Log, Stream};
pub use memory_pressure::spare_agent;
pub use oneshot::{Ran, Run};
pub use orphans::Orphans;
pub use raw::{RawBackoff, RawHealth, RawLog, RawProcess, RawStop};
pub use resolve::{MAX_PROCESSES, resolve};
pub use sandbeat_status::ProcessPhase as Phase;
pub use spawn::NotStarted;
pub use supervisor::Supervisor;
