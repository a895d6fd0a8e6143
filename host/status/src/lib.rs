//! The words that every part of sandbeat shares.
//!
//! The job: say once what a metric, a process status, a plugin status and a status report are, how they look as
//! JSON and for Prometheus, which names are good, and how a person writes a setting. Everything here is a plain value or
//! a pure function, but for [`files`] and [`usage`]: no I/O, no clock, no runtime, so that the agent and the hub can
//! share it without sharing anything else.
//!
//! - [`report`]: the body of `POST /api/v1/sandboxes/{id}/status`, the contract between agent and hub.
//! - [`metric`], [`process`], [`plugin`]: what a report is made of.
//! - [`binary`]: how a report looks where many are kept in memory; `later`: how one of a later version is read.
//! - [`sample`]: what the agent measures itself, before it becomes a report or is shown to a collector.
//! - [`exposition`]: figures as Prometheus' text; [`usage`]: those of the process that asks.
//! - [`files`]: reads what the operator names, keys and certificates, within a bound.
//! - [`names`]: which names, units and texts are accepted from outside, and the reason when one is not.
//! - [`settings`]: strict TOML (every problem at once, with line and nearest key), durations and sizes.

pub mod binary;
pub mod exposition;
pub mod files;
mod later;
pub mod metric;
pub mod names;
pub mod plugin;
pub mod process;
pub mod report;
pub mod sample;
pub mod settings;
pub mod usage;

pub use metric::{Histogram, Kind, Metric, Value};
pub use plugin::{
    Compiling, Durations, Failure, LastError, LastReload, PluginState, PluginStatus, Rejected, ReloadResult,
};
pub use process::{ProcessPhase, ProcessState, ProcessStatus};
pub use report::{
    Disk, Gap, Part, Pressure, Report, ReportedMetric, Resources, Resumed, SandboxStatus, Stall, Stalls, Throttling,
    Trigger,
};
pub use sample::{Sample, Source};
