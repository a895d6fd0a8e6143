//! Whether the kernel killed a process for want of memory.
//!
//! The kernel tells no parent why it killed a child; it counts, per cgroup, those that it killed. An end by SIGKILL
//! that nobody here has sent is told as one for want of memory when that count has gone up just before, by no less than
//! the number of such ends. So that a count of long ago explains nothing, it is read every half second, and only what
//! was counted since the last look but one counts (at the last one, an end may be under way to whoever waits for it).
//! What that leaves uncertain: a kill by hand within a second after the kernel has killed something else here is told
//! as one for want of memory, and one that the kernel takes longer to clear away after is told as a plain kill.
//!
//! The sources, the nearest first: the memory controller's files of the process's own cgroup, where it has one with
//! them; those of the agent's, in either version; without any, the count of the whole machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::mounts;

/// The count; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    source: Option<Arc<Path>>,
    counts: Arc<Mutex<Counts>>,
}

/// Since the last look but one, and since the last.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    before: Window,
    now: Window,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// At its beginning.
    count: u64,
    /// The ends by SIGKILL in it.
    ends: u64,
}

impl Memory {
    /// Chooses the source and reads it for the first time.
    pub(crate) fn watch() -> Self {
        let source = sources().into_iter().find(|source| count(source).is_some());
        let count = source.as_deref().and_then(count).unwrap_or_default();
        let counts = Counts::from(count);
        Memory { source: source.map(Arc::from), counts: Arc::new(Mutex::new(counts)) }
    }

    /// Forgets what was counted before the last look. To be called every half second.
    pub(crate) fn look(&self) {
        if let Some(count) = self.source.as_deref().and_then(count) {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            *counts = Counts { before: counts.now, now: Window { count, ends: 0 } };
        }
    }

    /// Whether a kill that is not explained yet explains an end that has just been seen, in a cgroup that was empty
    /// when it began or else in the agent's.
    pub(crate) fn explains(&self, own_cgroup: Option<&Path>) -> bool {
        let of_its_own = own_cgroup.and_then(|path| count(&path.join("memory.events")));
        let explained = self.take_one();
        of_its_own.map_or(explained, |count| count > 0)
    }

    fn take_one(&self) -> bool {
        let Some(count) = self.source.as_deref().and_then(count) else { return false };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.now.ends += 1;
        count.saturating_sub(counts.before.count) >= counts.before.ends + counts.now.ends
    }
}

impl From<u64> for Counts {
    fn from(count: u64) -> Self {
        let window = Window { count, ends: 0 };
        Counts { before: window, now: window }
    }
}

fn sources() -> Vec<PathBuf> {
    let unified = mounts::own_unified().map(|path| path.join("memory.events"));
    let first = mounts::own_of("memory").map(|path| path.join("memory.oom_control"));
    unified.into_iter().chain(first).chain([PathBuf::from("/proc/vmstat")]).collect()
}

/// The count in a file of either version, or the machine's; they write it alike.
fn count(path: &Path) -> Option<u64> {
    count_in(&fs::read_to_string(path).ok()?)
}

fn count_in(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_every_kind_of_file() {
        assert_eq!(count_in("low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(count_in("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"), Some(4));
        assert_eq!(count_in("oom_kill_disable 0\nunder_oom 0\n"), None);
    }

    #[test]
    fn each_count_explains_one_end_and_an_old_one_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let say = |count: u64| fs::write(file.path(), format!("oom_kill {count}\n")).unwrap();
        say(3);
        let counts = Counts::from(3);
        let memory = Memory { source: Some(file.path().into()), counts: Arc::new(Mutex::new(counts)) };
        say(5);
        assert_eq!([(); 3].map(|()| memory.explains(None)), [true, true, false]);
        memory.look();
        memory.look();
        assert!(!memory.explains(None));
        say(6);
        assert!(!memory.explains(None), "two ends and one count");
        memory.look();
        memory.look();
        say(7);
        memory.look();
        assert!(memory.explains(None), "the end may have been under way");
        say(8);
        memory.look();
        memory.look();
        assert!(!memory.explains(None));
    }
}
