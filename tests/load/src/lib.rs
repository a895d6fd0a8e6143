//! Plays a fleet of agents against a hub over real sockets: the load of tests and benchmarks.
//!
//! # The model
//! - A [`Fleet`] is whose agents there are: ids, tokens (from [`Load::register`], or none with open enrolment), and of
//!   each the newest report that the hub has acknowledged. That is what a hub's memory is held against after a crash.
//! - A [`Load`] is how they report. Started, it is a [`Running`] on a thread of its own, which can let a part of the
//!   fleet fall silent and ends when it is told to, or by itself after its `length`.
//! - [`Figures`] are what came of it. [`Faults`] are clients that mean ill, beside it.
//!
//! Reports are the agent's own in shape and size (`report`, `request`), made when it would make them (`schedule`,
//! `beats`), and tried again as it would (`agent`). What differs from as many real agents: they share a bounded number of connections, and
//! their totals do not grow. Who makes the load shares the machine with the hub, so it is one thread with prebuilt
//! requests on bare sockets (`engine`), as fast as tools that know nothing of reports.

mod agent;
mod answer;
mod beats;
mod engine;
mod enrol;
mod faults;
mod figures;
mod fleet;
mod report;
mod request;
mod running;
mod schedule;

pub use faults::{Fault, Faults};
pub use figures::Figures;
pub use fleet::Fleet;
pub use running::{Load, Running};
