//! The collector `cgroup`: what the sandbox's own control group counts and limits, in version 1, version 2 or both.
//!
//! It finds the group that the agent is in (`group.rs`) at each collect, since a process can be moved. A figure that the
//! kernel does not have there is absent. Without a grant that finding the group takes, the collect ends as `denied`; where
//! the agent is in no group that means less than the machine, as `unavailable`, with the reason for each hierarchy. A
//! file of figures that is not granted leaves its figures out, which the log names at `debug`; when that is all, the
//! collect ends as `denied`.

mod figures;
mod group;
mod metrics;
mod mount;
mod text;

use group::{Group, Groups};
use metrics::{
    CPU_LIMIT, CPU_TIME, FAULTS, MEMORY_EVENTS, MEMORY_LIMIT, MEMORY_PEAK, MEMORY_STAT, MEMORY_USAGE, PATH, PERIODS,
    PIDS, PIDS_LIMIT, PIDS_REFUSED, PRESSURE, PRESSURE_TIME, SWAP_USAGE, THROTTLED_PERIODS, THROTTLED_TIME, VERSION,
    WORKING_SET,
};
use sandbeat_common::plain_within;
use sandbeat_sdk::export;
use sandbeat_sdk::files::Reason;
use sandbeat_sdk::prelude::*;

/// What a metadata value may have, in bytes.
const MAX_VALUE: usize = 1024;
/// The sidecar that it comes with, of which an error shows the grants.
const SIDECAR: &str = include_str!("../cgroup.toml");

struct Cgroup;

impl Collector for Cgroup {
    fn describe() -> Description {
        let summary = "CPU, throttling, memory and its events, tasks and pressure of the sandbox's own control group.";
        Description::new(env!("CARGO_PKG_VERSION"), summary)
            .with(&CPU_TIME)
            .with(&CPU_LIMIT)
            .with(&PERIODS)
            .with(&THROTTLED_PERIODS)
            .with(&THROTTLED_TIME)
            .with(&MEMORY_USAGE)
            .with(&WORKING_SET)
            .with(&MEMORY_PEAK)
            .with(&MEMORY_LIMIT)
            .with(&SWAP_USAGE)
            .with(&MEMORY_STAT)
            .with(&FAULTS)
            .with(&MEMORY_EVENTS)
            .with(&PIDS)
            .with(&PIDS_LIMIT)
            .with(&PIDS_REFUSED)
            .with(&PRESSURE)
            .with(&PRESSURE_TIME)
            .with(&VERSION)
            .with(&PATH)
    }

    fn collect() -> Result<Contribution, Error> {
        config::only(&[])?;
        let groups = Groups::locate().map_err(with_cure)?;
        let Some((own, version)) = groups.own() else {
            let reasons = groups.reasons.join("; ");
            return Err(Error::unavailable(format_args!("the agent is in no control group of its own: {reasons}")));
        };
        let mut contribution = Contribution::new();
        contribution.extend(figures::points(&groups));
        if contribution.points.is_empty() {
            return Err(with_cure(why_nothing(own)));
        }
        Ok(contribution.with(VERSION.value(version)).with(PATH.value(bounded(own.dir()))))
    }
}

export!(Cgroup);

/// Why a group has no figures: none of its files may be read, or it has none.
fn why_nothing(own: &Group) -> Error {
    for name in ["cpu.stat", "memory.stat"] {
        match files::stat(&format!("{}/{name}", own.dir())) {
            Err(error) if error.reason == Reason::Denied => return error.into(),
            _ => {}
        }
    }
    Error::unavailable(format_args!("the control group `{}` has no figures", own.dir()))
}

/// With all that it takes where a grant is missing, to be copied: one path at a time would take many attempts. Not where
/// groups are mounted elsewhere than the sidecar says.
fn with_cure(error: Error) -> Error {
    let Error::Denied(text) = &error else { return error };
    match text.split('`').nth(1) {
        Some(path) if ["/proc/self/", "/sys/fs/cgroup"].iter().any(|usual| path.starts_with(usual)) => {
            Error::denied(format_args!("`{path}` is not granted; put into the sidecar, under `[grant]`: {}", grants()))
        }
        _ => error,
    }
}

fn grants() -> String {
    let globs: Vec<_> = SIDECAR.lines().map(str::trim).filter(|line| line.starts_with('"')).collect();
    format!("read = [{}]", globs.join(" ").trim_end_matches(','))
}

/// A path as metadata can carry it: who makes a group may give it any name.
fn bounded(path: &str) -> String {
    plain_within(path, MAX_VALUE)
}

#[cfg(test)]
mod tests;
