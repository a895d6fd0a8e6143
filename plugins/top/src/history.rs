//! What the last collect saw of each process, and how much CPU has been used since. Pure but for the two functions that
//! keep it in the state.
//!
//! A share of CPU is the difference of two readings over the time between them, so there is none at the first collect,
//! after a restart of the machine, or for a process that was not looked at before. Processes with the same number are
//! told apart by when they started.

use std::collections::BTreeMap;

use sandbeat_sdk::prelude::*;

use crate::stat::Stat;

const KEY: &str = "processes";
/// Bytes of a process: its number, the low halves of its start and of its ticks. The host keeps 64 KiB.
const ENTRY: usize = 12;
/// In ticks. Figures count in ticks, so a shorter time would make a share too rough.
const LEAST_TIME: u64 = 50;

/// The last collect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// In ticks.
    uptime: u64,
    /// Whether all processes were looked at, so that what is not here has started since.
    is_complete: bool,
    /// By number: the low halves of start and ticks.
    processes: BTreeMap<u32, (u32, u32)>,
}

/// What happened since the last collect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since<'a> {
    before: &'a History,
    /// In ticks.
    elapsed: u64,
}

impl History {
    /// That of the last collect, if there was one.
    pub(crate) fn kept() -> Option<Self> {
        Self::from_bytes(&state::get(KEY)?)
    }

    /// Keeps it for the next collect.
    pub(crate) fn keep(&self) {
        if let Err(error) = state::set(KEY, &self.to_bytes()) {
            log::debug!("the next collect will have no CPU figures: {error}");
            state::delete(KEY);
        }
    }

    pub(crate) fn new(uptime: u64, is_complete: bool, processes: &[Stat]) -> Self {
        let processes = processes.iter().map(|stat| (stat.pid, (low(stat.start), low(stat.ticks)))).collect();
        Self { uptime, is_complete, processes }
    }

    pub(crate) fn knows(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// Whether it is of a time before this one, and not of one before the machine started anew.
    pub(crate) fn is_before(&self, uptime: u64) -> bool {
        self.uptime <= uptime
    }

    /// Nothing when too little time has passed, or the machine has started anew.
    pub(crate) fn since(&self, uptime: u64) -> Option<Since<'_>> {
        let elapsed = uptime.checked_sub(self.uptime).filter(|elapsed| *elapsed >= LEAST_TIME)?;
        Some(Since { before: self, elapsed })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let entry = |(pid, (start, ticks)): (&u32, &(u32, u32))| [*pid, *start, *ticks].map(u32::to_le_bytes);
        let mut bytes = self.uptime.to_le_bytes().to_vec();
        bytes.push(self.is_complete.into());
        bytes.extend(self.processes.iter().flat_map(entry).flatten());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (uptime, rest) = bytes.split_first_chunk()?;
        let (is_complete, rest) = rest.split_first()?;
        let (entries, rest) = rest.as_chunks::<ENTRY>();
        let entry = |entry: &[u8; ENTRY]| {
            let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
            (word(0), (word(4), word(8)))
        };
        let (uptime, is_complete) = (u64::from_le_bytes(*uptime), *is_complete == 1);
        rest.is_empty().then(|| Self { uptime, is_complete, processes: entries.iter().map(entry).collect() })
    }
}

impl Since<'_> {
    /// In ticks.
    pub(crate) fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// CPU time that a process has used since, in ticks; nothing when that is not known.
    pub(crate) fn used(&self, stat: &Stat) -> Option<u64> {
        match self.before.processes.get(&stat.pid) {
            // The low half goes round once in 497 days of CPU. The kernel's sum can step back by a tick.
            Some((start, ticks)) if *start == low(stat.start) => {
                let used = low(stat.ticks).wrapping_sub(*ticks).cast_signed();
                Some(u64::try_from(used).unwrap_or(0))
            }
            _ => self.before.is_complete.then_some(stat.ticks),
        }
    }
}

fn low(number: u64) -> u32 {
    (number & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stat::State;
    use sandbeat_sdk::testing::Sandbox;

    fn stat(pid: u32, start: u64, ticks: u64) -> Stat {
        let (name, state) = ("x".to_owned(), State::Running);
        Stat { pid, name, state, is_kernel: false, ticks, threads: 1, start, pages: 1 }
    }

    #[test]
    fn what_was_used_is_the_difference() {
        let before = History::new(1000, true, &[stat(1, 5, 70)]);
        let since = before.since(1200).unwrap();
        assert_eq!(since.elapsed(), 200);
        assert_eq!(since.used(&stat(1, 5, 100)), Some(30));
        assert_eq!(since.used(&stat(1, 5, 69)), Some(0), "it stepped back");
        assert_eq!(since.used(&stat(1, 1100, 20)), Some(20), "another process with the same number");
        assert_eq!(since.used(&stat(2, 1100, 20)), Some(20), "a new one");
    }

    #[test]
    fn what_was_not_looked_at_before_has_no_share() {
        let before = History::new(1000, false, &[stat(1, 5, 70)]);
        let since = before.since(1200).unwrap();
        assert_eq!((since.used(&stat(1, 5, 71)), since.used(&stat(2, 5, 70))), (Some(1), None));
    }

    #[test]
    fn the_time_between_has_to_be_known_and_long_enough() {
        let before = History::new(1000, true, &[]);
        assert!(before.since(1049).is_none() && before.since(999).is_none() && before.since(1050).is_some());
    }

    #[test]
    fn counts_may_pass_32_bits() {
        let far = u64::from(u32::MAX);
        let before = History::new(1, true, &[stat(1, far + 5, far - 9)]);
        assert_eq!(before.since(1000).unwrap().used(&stat(1, far + 5, far + 1)), Some(10));
    }

    #[test]
    fn it_survives_being_kept() {
        let history = History::new(u64::MAX, true, &[stat(1, 2, 3), stat(4_000_000, 5, 6)]);
        let mut sandbox = Sandbox::new();
        sandbox.run(|| history.keep());
        assert_eq!(sandbox.run(History::kept), Some(history));
        for odd in [&b""[..], b"12345678", b"123456789x", &[0; 8 + 1 + ENTRY - 1]] {
            assert_eq!(History::from_bytes(odd), None, "{odd:?}");
        }
    }
}
