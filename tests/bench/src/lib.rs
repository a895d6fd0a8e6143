//! Measures sandbeat beside what else could do its job, in one run on one machine.
//!
//! Absolute figures drift with the machine; what is compared is therefore timed in turns ([`race`]), and the ratio is
//! printed beside the figure. `cargo bench` here runs all of it ([`run`]) and prints one table ([`table`]).
//!
//! - [`collects`]: one collect, and the load of a collector, beside Extism ([`peer`]) and a shell script ([`shell`]).
//! - [`footprint`]: the memory of the agent ([`memory`]).
//! - [`large`]: loads, collects and memory of collectors that bring an interpreter with them.
//! - [`latency`]: from a file to its values, and from the start to the first report.
//! - [`punctuality`]: how late reports are while collectors, processes or a disk misbehave.
//! - [`supervision`]: restarts, listings, output and memory of supervised processes, beside supervisord.
//! - [`receiving`]: what the hub takes, and what it costs.
//!
//! The agent is the released binary ([`agent`]) with [`collector`]s, reporting to a [`hub`] on loopback.

pub mod agent;
pub mod collector;
pub mod collects;
pub mod document;
pub mod footprint;
pub mod hub;
pub mod large;
pub mod latency;
pub mod machine;
pub mod memory;
pub mod peer;
pub mod point;
pub mod punctuality;
pub mod race;
pub mod receiving;
pub mod run;
pub mod shell;
pub mod stats;
pub mod supervision;
pub mod table;
