//! Memory: the sandbox's usage and working set, how much it may use, and what was killed for want of it.
//!
//! The working set is usage minus inactive file pages, which the kernel takes back before it kills anything; it is
//! what orchestrators compare with the limit. Sources: `memory.current`, `memory.stat`, `memory.max`, `memory.events`
//! (version 2), `memory.usage_in_bytes`, `memory.stat`, `memory.limit_in_bytes`, `memory.oom_control` (version 1), as
//! in the kernel's admin-guide.
//!
//! `memory.high` is no limit: the sandbox may pass it, and is only slowed down. Swap is in none of the figures, as it
//! is in none of these limits.
//!
//! Limits are those of every group upward. What is used is only told of the sandbox's own group: one above it has the
//! use of others in it.

use std::path::Path;

use sandbeat_status::Source;

use super::cgroup::{Counted, Group, Groups};
use super::files;
use super::scope;

/// Version 1 writes "no limit" as a number near 2^63; no machine has this much.
const NO_LIMIT: u64 = 1 << 60;
/// Of groups inside the sandbox's; reading so many takes a millisecond.
const MAX_GROUPS: usize = 64;

/// Reads the memory figures of one set of groups.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// The sandbox's, in one of the versions.
    group: Option<(Source, Group)>,
    counted: Counted,
}

/// Memory in use at one moment, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    /// With all file pages.
    pub(super) all: u64,
    /// Without inactive file pages.
    pub(super) working_set: u64,
}

impl Memory {
    pub(super) fn new(groups: &Groups) -> Self {
        let (v2, v1) = (groups.v2_with("memory"), groups.v1.get("memory"));
        let group = v2.map(|group| (Source::Cgroup2, group)).or(v1.map(|group| (Source::Cgroup1, group)));
        let counted = group.map_or(Counted::Nowhere, |(source, group)| group.counted(usage_file(source)));
        Memory { group: group.map(|(source, group)| (source, group.clone())), counted }
    }

    /// Where [`Memory::usage`] comes from; [`Source::Machine`] when no group says anything.
    pub(super) fn source(&self) -> Source {
        match (self.counted, &self.group) {
            (Counted::Here | Counted::Above, Some((source, _))) => *source,
            _ => Source::Machine,
        }
    }

    /// Whether only a group above the sandbox's counts, so that the sandbox's use is not known.
    pub(super) fn is_counted_above(&self) -> bool {
        self.counted == Counted::Above
    }

    /// Memory in use by the group.
    pub(super) fn usage(&self) -> Option<Usage> {
        let (source, group) = self.counting()?;
        let inactive = match source {
            Source::Cgroup1 => "total_inactive_file",
            _ => "inactive_file",
        };
        let all = files::number(&group.file(usage_file(*source)))?;
        let stat = files::read(&group.file("memory.stat"))?;
        Some(Usage { all, working_set: all.saturating_sub(files::field(&stat, inactive)?) })
    }

    /// Processes of the group and those inside it that the kernel killed for want of memory.
    ///
    /// Version 2 sums up itself, unless it is mounted with `memory_localevents`; version 1 never does, and forgets
    /// those of groups that are removed.
    pub(super) fn oom_kills(&self) -> Option<u64> {
        match self.counting()? {
            (Source::Cgroup1, group) => {
                let kills = |dir: &Path| files::field(&files::read(&dir.join("memory.oom_control"))?, "oom_kill");
                let inside = scope::subtree(group.dir(), MAX_GROUPS).ok()?;
                // One that has just been removed has none.
                let inside = inside.iter().skip(1).filter_map(|dir| kills(dir));
                inside.chain([kills(group.dir())?]).try_fold(0_u64, u64::checked_add)
            }
            (_, group) => files::field(&files::read(&group.file("memory.events"))?, "oom_kill"),
        }
    }

    /// What the sandbox may use, in bytes: the least of every limit upward and the machine's memory (`total`).
    pub(super) fn limit(&self, total: Option<u64>) -> Option<u64> {
        total.into_iter().chain(self.limits()).filter(|limit| *limit < NO_LIMIT).min()
    }

    /// The sandbox's group where it counts.
    fn counting(&self) -> Option<&(Source, Group)> {
        self.group.as_ref().filter(|_| self.counted == Counted::Here)
    }

    fn limits(&self) -> Vec<u64> {
        match &self.group {
            Some((Source::Cgroup1, group)) => {
                // Ancestors that cannot be seen from a container are in this figure.
                let hierarchy = files::read(&group.file("memory.stat"))
                    .and_then(|stat| files::field(&stat, "hierarchical_memory_limit"));
                let upward = group.files_upward("memory.limit_in_bytes").filter_map(|path| files::number(&path));
                upward.chain(hierarchy).collect()
            }
            // `max` is not a number, and no limit.
            Some((_, group)) => group.files_upward("memory.max").filter_map(|path| files::number(&path)).collect(),
            None => Vec::new(),
        }
    }
}

fn usage_file(source: Source) -> &'static str {
    match source {
        Source::Cgroup1 => "memory.usage_in_bytes",
        _ => "memory.current",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree::Tree;

    const GIB: u64 = 1 << 30;

    fn memory(tree: &Tree) -> Memory {
        Memory::new(&Groups::locate(tree.root(), &tree.own(), &tree.mounts()))
    }

    #[test]
    fn inactive_file_pages_are_not_in_the_working_set() {
        let tree = Tree::v2("/a/b")
            .file("sys/fs/cgroup/a/b/memory.current", "1000\n")
            .file("sys/fs/cgroup/a/b/memory.stat", "anon 500\ninactive_file 300\n")
            .file("sys/fs/cgroup/a/b/memory.max", "max\n")
            .file("sys/fs/cgroup/a/memory.max", "1073741824\n");
        assert_eq!(memory(&tree).usage(), Some(Usage { all: 1000, working_set: 700 }));
        assert_eq!(memory(&tree).limit(Some(4 * GIB)), Some(GIB));
        assert_eq!(memory(&tree).limit(Some(GIB / 2)), Some(GIB / 2));
        assert_eq!(memory(&tree).source(), Source::Cgroup2);
    }

    #[test]
    fn a_group_without_the_controller_is_the_machine() {
        let tree = Tree::v2("/a");
        assert_eq!(memory(&tree).source(), Source::Machine);
        assert_eq!(memory(&tree).limit(Some(GIB)), Some(GIB));
    }

    #[test]
    fn version_1s_unlimited_is_no_limit() {
        let tree = Tree::new("4:memory:/x\n0::/\n")
            .mount("/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory")
            .mount("/", "/sys/fs/cgroup/unified", "cgroup2", "rw")
            .file("sys/fs/cgroup/unified/cgroup.controllers", "")
            .file("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "900\n")
            .file("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n")
            .file("sys/fs/cgroup/memory/x/memory.stat", "inactive_file 5\ntotal_inactive_file 400\n");
        assert_eq!(memory(&tree).source(), Source::Cgroup1);
        assert_eq!(memory(&tree).usage(), Some(Usage { all: 900, working_set: 500 }));
        assert_eq!(memory(&tree).limit(Some(GIB)), Some(GIB));
        assert_eq!(memory(&tree).limit(None), None);
        tree.write("sys/fs/cgroup/memory/x/memory.stat", "hierarchical_memory_limit 1000\ntotal_inactive_file 400\n");
        assert_eq!(memory(&tree).limit(Some(GIB)), Some(1000));
    }

    #[test]
    fn where_the_controller_is_not_handed_down_the_ancestors_limit_counts_and_its_use_does_not() {
        let tree = Tree::v2("/a/b")
            .file("sys/fs/cgroup/a/memory.current", "1000\n")
            .file("sys/fs/cgroup/a/memory.stat", "inactive_file 300\n")
            .file("sys/fs/cgroup/a/memory.events", "oom_kill 3\n")
            .file("sys/fs/cgroup/a/memory.max", "1073741824\n");
        assert_eq!((memory(&tree).usage(), memory(&tree).oom_kills()), (None, None));
        assert!(memory(&tree).is_counted_above());
        assert_eq!(memory(&tree).source(), Source::Cgroup2, "nor does the machine's");
        assert_eq!(memory(&tree).limit(Some(4 * GIB)), Some(GIB));
    }

    #[test]
    fn those_killed_are_counted_over_the_groups_inside() {
        let v2 = Tree::v2("/a")
            .file("sys/fs/cgroup/a/memory.current", "1\n")
            .file("sys/fs/cgroup/a/memory.events", "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 1\n");
        assert_eq!(memory(&v2).oom_kills(), Some(3));
        let v1 = Tree::new("4:memory:/x\n")
            .mount("/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory")
            .file("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "900\n")
            .file("sys/fs/cgroup/memory/x/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
            .file("sys/fs/cgroup/memory/x/y/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
        assert_eq!(memory(&v1).oom_kills(), Some(7));
        v1.write("sys/fs/cgroup/memory/x/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
        assert_eq!(memory(&v1).oom_kills(), None, "an old kernel does not count them");
    }

    #[test]
    fn a_figure_that_cannot_be_read_is_absent() {
        for odd in ["", "oops\n", "-1\n", "1.5\n", "99999999999999999999999\n", "1 2\n"] {
            let tree = Tree::v2("/a")
                .file("sys/fs/cgroup/a/memory.current", odd)
                .file("sys/fs/cgroup/a/memory.stat", "inactive_file 300\n");
            assert_eq!(memory(&tree).usage(), None, "{odd:?}");
        }
        let large = "inactive_file 300\n".to_owned() + &"x 1\n".repeat(100_000);
        let tree =
            Tree::v2("/a").file("sys/fs/cgroup/a/memory.current", "1000\n").file("sys/fs/cgroup/a/memory.stat", &large);
        assert_eq!(memory(&tree).usage(), None, "no such file is as large");
    }
}
