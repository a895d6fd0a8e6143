//! Looking at processes: the files of `/proc`, within bounds.
//!
//! A process that ends while it is looked at, or that the agent may not look into, is left out.

use std::collections::BTreeMap;

use sandbeat_sdk::files::{self, FileError, Reason};
use sandbeat_sdk::prelude::*;

use crate::history::History;
use crate::stat::{self, Stat};

/// More than these are not looked at: each costs a call of the host, and a place in the state.
pub(crate) const MAX_PROCESSES: usize = 5_000;
/// Processes whose exact memory is read.
const MAX_RESIDENT: usize = 500;

/// The processes that were looked at.
#[derive(Debug)]
pub(crate) struct Processes {
    /// By number.
    pub(crate) stats: Vec<Stat>,
    /// Whether there are others.
    pub(crate) is_cut: bool,
}

/// Looks at all processes; of too many, at those that were looked at before and at the lowest numbers.
///
/// # Errors
/// Processes are not granted, or none can be seen.
pub(crate) fn processes(before: Option<&History>) -> Result<Processes, Error> {
    let entries = files::list("/proc").map_err(|error| named(error, "/proc/[0-9]*/stat"))?;
    let mut pids: Vec<u32> = entries.iter().filter_map(|entry| entry.name.parse().ok()).collect();
    let is_cut = pids.len() > MAX_PROCESSES;
    pids.sort_unstable_by_key(|pid| (!before.is_some_and(|before| before.knows(*pid)), *pid));
    pids.truncate(MAX_PROCESSES);
    pids.sort_unstable();
    let mut stats = Vec::with_capacity(pids.len());
    for pid in pids {
        match files::read(&format!("/proc/{pid}/stat")) {
            Ok(bytes) => stats.push(
                Stat::parse(&bytes)
                    .ok_or_else(|| Error::internal(format_args!("`/proc/{pid}/stat` has another form")))?,
            ),
            Err(error) if error.reason == Reason::Denied => return Err(named(error, "/proc/[0-9]*/stat")),
            Err(_) => {}
        }
    }
    match stats.is_empty() {
        true => Err(Error::unavailable("no process can be seen in `/proc`")),
        false => Ok(Processes { stats, is_cut }),
    }
}

/// The time since boot, in ticks.
pub(crate) fn uptime() -> Option<u64> {
    let text = files::read_to_string("/proc/uptime").map_err(|error| log::debug!("no CPU figures: {error}")).ok()?;
    let uptime = stat::uptime(&text);
    if uptime.is_none() {
        log::debug!("no CPU figures: `/proc/uptime` has another form: {text:?}");
    }
    uptime
}

/// Exact memory of processes as far as it was asked for, each file read once.
#[derive(Debug, Default)]
pub(crate) struct Resident {
    known: BTreeMap<u32, Option<u64>>,
}

impl Resident {
    /// In bytes; nothing for who has no memory, is gone, or came too late in a collect that has asked for many.
    pub(crate) fn of(&mut self, stat: &Stat) -> Option<u64> {
        if let Some(known) = self.known.get(&stat.pid) {
            return *known;
        }
        if self.known.len() == MAX_RESIDENT {
            return None;
        }
        let status = files::read(&format!("/proc/{}/status", stat.pid));
        if let Err(error @ FileError { reason: Reason::Denied, .. }) = &status {
            log::debug!("a figure of memory is absent: {error}");
        }
        let bytes = status.ok().and_then(|status| stat::resident(&status));
        self.known.insert(stat.pid, bytes);
        bytes
    }

    /// Of all of them; nothing when that of one is not known that has memory by the rough count.
    pub(crate) fn of_all(&mut self, stats: &[&Stat]) -> Option<u64> {
        let mut with_memory = stats.iter().filter(|stat| stat.pages > 0);
        with_memory.try_fold(0_u64, |sum, stat| sum.checked_add(self.of(stat)?))
    }
}

/// What the operator has to add is the glob, not the path that was asked for.
fn named(mut error: FileError, glob: &str) -> Error {
    if error.reason == Reason::Denied {
        glob.clone_into(&mut error.path);
    }
    error.into()
}
