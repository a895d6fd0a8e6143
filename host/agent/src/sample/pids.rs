//! Tasks: how many the sandbox has, and may have.
//!
//! Sources: `pids.current` and `pids.max` of the pids controller, which have the same names in both versions. Where it
//! does not count the sandbox's, or only with those of others in a group above it, `census` does. Limits are those of
//! every group upward.

use super::cgroup::{Counted, Group, Groups};
use super::files;

/// Reads the figures of the controller.
#[derive(Clone, Debug)]
pub(super) struct Pids {
    group: Option<Group>,
    are_counted: bool,
}

impl Pids {
    pub(super) fn new(groups: &Groups) -> Self {
        let group = groups.v2_with("pids").or_else(|| groups.v1.get("pids"));
        let are_counted = group.is_some_and(|group| group.counted("pids.current") == Counted::Here);
        Pids { group: group.cloned(), are_counted }
    }

    /// Whether the controller counts them, and no others.
    pub(super) fn are_counted(&self) -> bool {
        self.are_counted
    }

    /// Processes and their threads, in the group and those inside it.
    pub(super) fn current(&self) -> Option<u64> {
        files::number(&self.group.as_ref().filter(|_| self.are_counted)?.file("pids.current"))
    }

    /// The least limit upward; `max` is none.
    pub(super) fn limit(&self) -> Option<u64> {
        self.group.as_ref()?.files_upward("pids.max").filter_map(|path| files::number(&path)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree::Tree;

    fn pids(tree: &Tree) -> Pids {
        Pids::new(&Groups::locate(tree.root(), &tree.own(), &tree.mounts()))
    }

    #[test]
    fn the_least_limit_upward_counts_and_max_is_none() {
        let tree = Tree::v2("/a/b")
            .file("sys/fs/cgroup/a/b/pids.current", "12\n")
            .file("sys/fs/cgroup/a/b/pids.max", "max\n")
            .file("sys/fs/cgroup/a/pids.max", "512\n");
        assert_eq!((pids(&tree).current(), pids(&tree).limit()), (Some(12), Some(512)));
        tree.write("sys/fs/cgroup/a/pids.max", "max\n");
        assert_eq!(pids(&tree).limit(), None);
    }

    #[test]
    fn version_1_has_it_in_a_hierarchy_of_its_own() {
        let tree = Tree::new("8:pids:/docker/x\n0::/user\n")
            .mount("/", "/sys/fs/cgroup/pids", "cgroup", "rw,pids")
            .mount("/", "/sys/fs/cgroup/unified", "cgroup2", "rw")
            .file("sys/fs/cgroup/unified/user/cgroup.events", "")
            .file("sys/fs/cgroup/pids/docker/x/pids.current", "3\n")
            .file("sys/fs/cgroup/pids/docker/x/pids.max", "64\n");
        assert_eq!((pids(&tree).current(), pids(&tree).limit()), (Some(3), Some(64)));
    }

    #[test]
    fn where_the_controller_is_not_handed_down_the_ancestors_limit_counts_and_its_tasks_do_not() {
        let tree =
            Tree::v2("/a/b").file("sys/fs/cgroup/a/pids.current", "12\n").file("sys/fs/cgroup/a/pids.max", "512\n");
        assert!(!pids(&tree).are_counted());
        assert_eq!((pids(&tree).current(), pids(&tree).limit()), (None, Some(512)));
    }

    #[test]
    fn without_the_controller_nothing_is_said() {
        assert!(!pids(&Tree::v2("/a")).are_counted());
        let odd = Tree::v2("/a").file("sys/fs/cgroup/a/pids.current", "-1\n");
        assert!(pids(&odd).are_counted());
        assert_eq!(pids(&odd).current(), None);
    }
}
