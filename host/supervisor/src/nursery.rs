//! What a start is given before there is a child: a number, a mark, and a cgroup where one can be made.
//!
//! The thread that starts children owns it. That no cgroup can be made is found out once, with the first start, and
//! told once.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{debug, info, warn};

use crate::tree::Kin;
use crate::tree::leaf::Home;
use crate::tree::mark::Agent;
use crate::tree::memory::Memory;
use crate::tree::sweep::Sweeper;

/// What is common to all starts.
#[derive(Debug)]
pub(crate) struct Nursery {
    agent: Option<Agent>,
    sweeper: Sweeper,
    memory: Memory,
    home: Option<Home>,
    settled: bool,
}

/// The number of the last start in this process, so that no two have the same mark, whoever supervises them.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// What one start is given.
#[derive(Debug)]
pub(crate) struct Born {
    pub(crate) kin: Kin,
    /// What the child enters its cgroup through, where it does that itself.
    pub(crate) door: Option<OwnedFd>,
    /// Whether it is to be moved there when it runs.
    pub(crate) late: bool,
}

impl Nursery {
    pub(crate) fn new(agent: Option<Agent>, sweeper: Sweeper, memory: Memory) -> Self {
        Nursery { agent, sweeper, memory, home: agent.as_ref().and_then(Home::of), settled: false }
    }

    /// Makes what a start of the process with this id needs; `first` says that the child enters its cgroup before it
    /// runs.
    pub(crate) fn bear(&mut self, id: &str, first: bool) -> Born {
        if !self.settled {
            self.settle();
            self.settled = true;
        }
        let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
        let token = self.agent.map_or_else(String::new, |agent| agent.token(id, number));
        let made = self.home.as_ref().map(|home| home.leaf(&format!("{id}.{number}")));
        let (leaf, door) = match made {
            Some(Ok((leaf, door))) => (Some(leaf), Some(door)),
            Some(Err(failed)) => {
                debug!(process = id, "without a cgroup: {failed}");
                (None, None)
            }
            None => (None, None),
        };
        let late = leaf.is_some() && !first;
        let sealed = leaf.is_some() && first;
        let (sweeper, memory) = (self.sweeper.clone(), self.memory.clone());
        Born { kin: Kin { token, leaf, sealed, sweeper, memory }, door: door.filter(|_| first), late }
    }

    /// Removes what was made, when all children are gone.
    pub(crate) fn close(&self) {
        self.home.iter().for_each(Home::remove);
    }

    /// Finds out whether there can be cgroups.
    fn settle(&mut self) {
        if let Some(home) = &self.home
            && let Err(failed) = home.make()
        {
            debug!("no cgroup can be made: {failed}");
            home.remove();
            self.home = None;
        }
        match &self.home {
            _ if self.agent.is_none() => warn!(
                "/proc does not show this process: what leaves the group of a supervised one is not found and not \
                 stopped; mount /proc for this PID namespace"
            ),
            Some(_) => info!("each process has a cgroup of its own"),
            None => info!("processes are held together by their groups, parents and marks; no cgroup can be made here"),
        }
    }
}
