//! Memory: the sandbox's working set, and how much it may use.
//!
//! The working set is usage minus inactive file pages, which the kernel takes back before it kills anything; it is
//! what orchestrators compare with the limit. Sources: `memory.current`, `memory.stat`, `memory.max` (version 2),
//! `memory.usage_in_bytes`, `memory.stat`, `memory.limit_in_bytes` (version 1), as in the kernel's admin-guide.

use sandbeat_status::Source;

use super::cgroup::{Group, Groups};
use super::files;

/// Version 1 writes "no limit" as a number near 2^63; no machine has this much.
const NO_LIMIT: u64 = 1 << 60;

/// Reads the memory figures of one group.
#[derive(Debug)]
pub(super) struct Memory {
    group: Option<(Source, Group)>,
}

impl Memory {
    pub(super) fn new(groups: &Groups) -> Self {
        let has = |group: &&Group, file: &str| group.file(file).exists();
        let v2 = groups.v2.as_ref().filter(|group| has(group, "memory.current"));
        let v1 = groups.v1.get("memory").filter(|group| has(group, "memory.usage_in_bytes"));
        let group = v2.map(|group| (Source::Cgroup2, group)).or_else(|| v1.map(|group| (Source::Cgroup1, group)));
        Memory { group: group.map(|(source, group)| (source, group.clone())) }
    }

    /// Where [`Memory::working_set`] comes from; [`Source::Machine`] when no group says anything.
    pub(super) fn source(&self) -> Source {
        self.group.as_ref().map_or(Source::Machine, |(source, _)| *source)
    }

    /// Memory in use by the group without inactive file pages, in bytes.
    pub(super) fn working_set(&self) -> Option<u64> {
        let (source, group) = self.group.as_ref()?;
        let (usage, inactive) = match source {
            Source::Cgroup1 => ("memory.usage_in_bytes", "total_inactive_file"),
            _ => ("memory.current", "inactive_file"),
        };
        let used = files::number(&group.file(usage))?;
        let stat = files::read(&group.file("memory.stat"))?;
        Some(used.saturating_sub(files::field(&stat, inactive)?))
    }

    /// What the sandbox may use, in bytes: the least of every limit upward and the machine's memory (`total`).
    pub(super) fn limit(&self, total: Option<u64>) -> Option<u64> {
        total.into_iter().chain(self.limits()).filter(|limit| *limit < NO_LIMIT).min()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree::Tree;

    const GIB: u64 = 1 << 30;

    fn memory(tree: &Tree) -> Memory {
        Memory::new(&Groups::locate(tree.root()))
    }

    #[test]
    fn inactive_file_pages_are_not_in_the_working_set() {
        let tree = Tree::v2("/a/b")
            .file("sys/fs/cgroup/a/b/memory.current", "1000\n")
            .file("sys/fs/cgroup/a/b/memory.stat", "anon 500\ninactive_file 300\n")
            .file("sys/fs/cgroup/a/b/memory.max", "max\n")
            .file("sys/fs/cgroup/a/memory.max", "1073741824\n");
        assert_eq!(memory(&tree).working_set(), Some(700));
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
        assert_eq!(memory(&tree).working_set(), Some(500));
        assert_eq!(memory(&tree).limit(Some(GIB)), Some(GIB));
        assert_eq!(memory(&tree).limit(None), None);
        tree.write("sys/fs/cgroup/memory/x/memory.stat", "hierarchical_memory_limit 1000\ntotal_inactive_file 400\n");
        assert_eq!(memory(&tree).limit(Some(GIB)), Some(1000));
    }

    #[test]
    fn a_figure_that_cannot_be_read_is_absent() {
        let tree = Tree::v2("/a")
            .file("sys/fs/cgroup/a/memory.current", "oops\n")
            .file("sys/fs/cgroup/a/memory.stat", "inactive_file 300\n");
        assert_eq!(memory(&tree).working_set(), None);
    }
}
