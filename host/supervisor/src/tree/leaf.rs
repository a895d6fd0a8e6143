//! A cgroup per start of a process, where one can be made: below the agent's own, in the version 2 hierarchy.
//!
//! It is made for what it does best: nothing gets out of it by forking, whatever session, parent or environment it
//! gives itself, and one write kills all of it at once. No controller is turned on in it. [`Home`] is the folder that
//! holds the agent's leaves, named after the agent, so that the next one can tell whose it is; it is made with the
//! first leaf. Whatever fails is no error: processes are kept together without cgroups, too.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;

use super::mark::Agent;
use super::mounts;

const PREFIX: &str = "sandbeat.";
/// How many cgroups below one are removed with it, that what is in it has made.
const MAX_BELOW: usize = 4096;
/// The pause between two looks at whether a cgroup is empty.
const PAUSE: Duration = Duration::from_millis(1);

/// The folder of an agent's leaves. The last clone to be dropped does not remove it; see [`Home::remove`].
#[derive(Clone, Debug)]
pub(crate) struct Home {
    path: Arc<Path>,
}

/// The cgroup of one start.
#[derive(Debug)]
pub(crate) struct Leaf {
    path: PathBuf,
}

impl Home {
    /// Where an agent has its leaves; `None` without a version 2 hierarchy. Makes nothing.
    pub(crate) fn of(agent: &Agent) -> Option<Self> {
        let path = mounts::own_unified()?.join(format!("{PREFIX}{agent}"));
        Some(Home { path: path.into() })
    }

    /// Those beside our own place whose agents are not alive any more.
    pub(crate) fn left_behind(own: &Agent) -> Vec<(Agent, Self)> {
        let entries = mounts::own_unified().and_then(|path| fs::read_dir(path).ok());
        let named = entries.into_iter().flatten().flatten().filter_map(|entry| {
            let agent: Agent = entry.file_name().to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
            Some((agent, Home { path: entry.path().into() }))
        });
        named.filter(|(agent, _)| agent.namespace == own.namespace && !agent.is_alive()).collect()
    }

    /// Makes sure that it is there, and that what is in it can be killed at once.
    ///
    /// # Errors
    /// The system does not let us, or is too old.
    pub(crate) fn make(&self) -> io::Result<()> {
        match fs::create_dir(&self.path) {
            Err(failed) if failed.kind() != io::ErrorKind::AlreadyExists => return Err(failed),
            _ => {}
        }
        OpenOptions::new().write(true).open(self.path.join("cgroup.kill")).map(drop)
    }

    /// Makes a leaf, and opens what a process writes `0` to, to be in it.
    ///
    /// # Errors
    /// The system does not let us.
    pub(crate) fn leaf(&self, name: &str) -> io::Result<(Leaf, OwnedFd)> {
        let leaf = Leaf { path: self.path.join(name) };
        fs::create_dir(&leaf.path)?;
        match OpenOptions::new().write(true).open(leaf.path.join("cgroup.procs")) {
            Ok(door) => Ok((leaf, door.into())),
            Err(failed) => {
                leaf.remove();
                Err(failed)
            }
        }
    }

    /// Whether something is in it, or in a leaf of it.
    pub(crate) fn is_populated(&self) -> bool {
        is_populated(&self.path)
    }

    /// Kills all that is in it and removes it, at most until `deadline`. Returns whether it is gone.
    pub(crate) fn end(&self, deadline: Instant) -> bool {
        while self.path.exists() {
            kill(&self.path);
            if !is_populated(&self.path) && remove(&self.path) {
                break;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }

    /// Removes it with the leaves that are empty.
    pub(crate) fn remove(&self) {
        if self.path.exists() && !remove(&self.path) {
            debug!(cgroup = %self.path.display(), "not removed, because something is in it");
        }
    }
}

impl Leaf {
    /// Whether something is in it or below it. What has ended and is not reaped does not count.
    pub(crate) fn is_populated(&self) -> bool {
        is_populated(&self.path)
    }

    /// Kills all that is in it and below it.
    pub(crate) fn kill(&self) {
        kill(&self.path);
    }

    /// Removes it, with what has been made below it. Returns whether it is gone, which it is not while it is populated.
    pub(crate) fn remove(&self) -> bool {
        remove(&self.path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Leaf {
    /// Of a start that failed, nothing is left to be waited for; of another one it is gone already, or taken along by
    /// its home.
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.path));
    }
}

fn kill(path: &Path) {
    // Gone, there is nothing to kill.
    drop(fs::write(path.join("cgroup.kill"), "1"));
}

fn is_populated(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.events")).is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
}

/// Removes one with all below it, the deepest first.
fn remove(path: &Path) -> bool {
    if gone(path) {
        return true;
    }
    let mut all = vec![path.to_owned()];
    let mut next = 0;
    while let Some(parent) = all.get(next).filter(|_| all.len() < MAX_BELOW) {
        let below = fs::read_dir(parent).into_iter().flatten().flatten();
        let below: Vec<PathBuf> =
            below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect();
        all.extend(below);
        next += 1;
    }
    let below = all.drain(1..).rev();
    below.for_each(|path| drop(fs::remove_dir(path)));
    gone(path)
}

fn gone(path: &Path) -> bool {
    fs::remove_dir(path).map_or_else(|failed| failed.kind() == io::ErrorKind::NotFound, |()| true)
}
