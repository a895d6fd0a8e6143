//! Which control groups this process is in, and where their files are.
//!
//! `/proc/self/cgroup` names a group per hierarchy, `/proc/self/mountinfo` says where the hierarchies are mounted and
//! which part of each. The two are joined so that a namespaced root, a container that sees only its own part, and a
//! host where both versions are mounted all come out right. What cannot be found out is left out, and the machine's
//! figures take its place; so is a hierarchy that something else is mounted over or in (see `mounts`), because its
//! files could hang. Rules: cgroups(7), cgroup_namespaces(7).
//!
//! Groups are located once, when the agent starts: the sandbox is what the agent was started in, even where it moves
//! itself or its children into groups of their own later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::files;
use super::mounts::{Mount, Mounts};

/// The groups of this process that mean less than the whole machine.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// In the version 2 hierarchy.
    pub(super) v2: Option<Group>,
    /// In the version 1 hierarchies, by controller.
    pub(super) v1: BTreeMap<String, Group>,
    /// Controllers that version 1 has, so that version 2 cannot have them.
    pub(super) v1_controllers: BTreeSet<String>,
    /// Whether this process is said to be in the root of every hierarchy, as far as its namespace shows.
    pub(super) all_at_root: bool,
}

/// A group's directory, and those above it that can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    dir: PathBuf,
    /// Where the hierarchy is mounted; `dir` is this or below it.
    top: PathBuf,
}

/// Where something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// In the group itself: of its processes, and no others.
    Here,
    /// In an ancestor alone: of others as well.
    Above,
    Nowhere,
}

impl Group {
    /// The group's own file.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Its directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Who has a file that counts. Where a controller is not handed down to a group, it counts the group's processes
    /// in an ancestor, with those of other groups. The root of version 2 has none of the files that count.
    pub(super) fn counted(&self, name: &str) -> Counted {
        match self.upward().position(|dir| dir.join(name).exists()) {
            Some(0) => Counted::Here,
            Some(_) => Counted::Above,
            None => Counted::Nowhere,
        }
    }

    /// A file of the group and of each ancestor that can be seen, from the group upward.
    pub(super) fn files_upward<'a>(&'a self, name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
        self.upward().map(move |dir| dir.join(name))
    }

    fn upward(&self) -> impl Iterator<Item = &Path> {
        let depth = self.dir.strip_prefix(&self.top).map_or(0, |below| below.components().count());
        self.dir.ancestors().take(depth + 1)
    }
}

impl Groups {
    /// Finds the groups of the process whose folder in `/proc` is `own`, such as `/proc/self`, and which sees these
    /// mounts, below `root`, which is `/` outside tests.
    pub(super) fn locate(root: &Path, own: &Path, mounts: &Mounts) -> Self {
        let Some(paths) = files::read(&own.join("cgroup")) else { return Groups::default() };
        let hierarchies = |kind: &'static str| {
            mounts.iter().filter(move |mount| mount.kind == kind).filter(|mount| mounts.is_clear(mount))
        };
        let mut groups = Groups { all_at_root: true, ..Groups::default() };
        for (controllers, path) in paths.lines().filter_map(own_group) {
            groups.all_at_root &= path == Path::new("/");
            if controllers.is_empty() {
                groups.v2 = find(root, hierarchies("cgroup2"), path).filter(|group| !is_v2_root(group));
            }
            for controller in controllers.split(',').filter(|name| !name.is_empty()) {
                groups.v1_controllers.insert(controller.to_owned());
                let has_it = |mount: &&Mount| mount.options.iter().any(|option| option == controller);
                if let Some(group) =
                    find(root, hierarchies("cgroup").filter(has_it), path).filter(|group| !is_v1_root(group))
                {
                    groups.v1.insert(controller.to_owned(), group);
                }
            }
        }
        groups
    }

    /// The group that stands for the sandbox: version 2 has one for everything, else it is that of the controller
    /// that most often confines. Systemd's own hierarchy confines nothing, but it tells processes apart.
    pub(super) fn own(&self) -> Option<&Group> {
        let first = ["pids", "memory", "cpu", "cpuacct"].iter().find_map(|controller| self.v1.get(*controller));
        self.v2.as_ref().or(first).or_else(|| self.v1.values().next())
    }

    /// The version 2 group, if that version has a controller.
    pub(super) fn v2_with(&self, controller: &str) -> Option<&Group> {
        self.v2.as_ref().filter(|_| !self.v1_controllers.contains(controller))
    }
}

/// A line of `/proc/self/cgroup`, such as `4:memory:/a/b`: its controllers (none in version 2) and the path.
fn own_group(line: &str) -> Option<(&str, &Path)> {
    let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
    Some((controllers, Path::new(path)))
}

/// The group's directory in the first mount that shows it, else what the first mount shows at its top: in a
/// container, a path that is not there is the host's name for what is mounted.
fn find<'a>(root: &Path, mounts: impl Iterator<Item = &'a Mount>, path: &Path) -> Option<Group> {
    if climbs(path) {
        return None;
    }
    let mut fallback = None;
    for mount in mounts.filter(|mount| !climbs(&mount.root)) {
        let top = below(root, &mount.point);
        if let Ok(rest) = path.strip_prefix(&mount.root) {
            let dir = if rest.as_os_str().is_empty() { top.clone() } else { top.join(rest) };
            if dir.is_dir() {
                return Some(Group { dir, top });
            }
        }
        if fallback.is_none() && top.is_dir() {
            fallback = Some(Group { dir: top.clone(), top });
        }
    }
    fallback
}

/// A group outside the namespace is shown with `..`; what is between is not known.
fn climbs(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Only the hierarchy's own root lacks `cgroup.events`; a namespaced root has it.
fn is_v2_root(group: &Group) -> bool {
    !group.file("cgroup.events").exists()
}

/// Only the hierarchy's own root has these.
fn is_v1_root(group: &Group) -> bool {
    group.file("cgroup.sane_behavior").exists() || group.file("release_agent").exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree::Tree;

    fn locate(tree: &Tree) -> Groups {
        Groups::locate(tree.root(), &tree.own(), &tree.mounts())
    }

    #[test]
    fn a_nested_v2_group_shows_its_ancestors_up_to_the_mount() {
        let tree = Tree::v2("/a/b");
        let group = locate(&tree).v2.unwrap();
        let files: Vec<PathBuf> = group.files_upward("cpu.max").collect();
        let at = |path: &str| tree.root().join("sys/fs/cgroup").join(path);
        assert_eq!(files, [at("a/b/cpu.max"), at("a/cpu.max"), at("cpu.max")]);
    }

    #[test]
    fn a_container_that_sees_its_own_part_is_at_its_top() {
        let tree = Tree::new("4:memory:/docker/abc\n")
            .mount("/docker/abc", "/sys/fs/cgroup/memory", "cgroup", "rw,memory")
            .file("sys/fs/cgroup/memory/memory.usage_in_bytes", "1");
        let groups = locate(&tree);
        assert_eq!(groups.v1["memory"].dir, tree.root().join("sys/fs/cgroup/memory"));
    }

    #[test]
    fn the_hosts_name_for_a_group_that_is_not_there_means_the_mount() {
        let tree = Tree::new("0::/kubepods/pod1/c1\n")
            .mount("/", "/sys/fs/cgroup", "cgroup2", "rw")
            .file("sys/fs/cgroup/cgroup.events", "");
        assert_eq!(locate(&tree).v2.unwrap().dir, tree.root().join("sys/fs/cgroup"));
    }

    #[test]
    fn the_true_root_of_a_hierarchy_is_no_group() {
        let tree = Tree::new("3:memory:/\n0::/\n")
            .mount("/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory")
            .mount("/", "/sys/fs/cgroup/unified", "cgroup2", "rw")
            .file("sys/fs/cgroup/memory/release_agent", "")
            .file("sys/fs/cgroup/unified/cpu.stat", "usage_usec 5");
        let groups = locate(&tree);
        assert_eq!(groups.v2, None);
        assert!(groups.v1.is_empty());
        assert!(groups.v1_controllers.contains("memory"));
    }

    #[test]
    fn a_controller_that_is_not_handed_down_counts_in_an_ancestor() {
        let tree = Tree::v2("/a/b").file("sys/fs/cgroup/a/pids.current", "5");
        let group = locate(&tree).v2.unwrap();
        assert_eq!(group.counted("pids.current"), Counted::Above);
        assert_eq!(group.counted("memory.current"), Counted::Nowhere);
        tree.write("sys/fs/cgroup/a/b/pids.current", "2");
        assert_eq!(group.counted("pids.current"), Counted::Here);
    }

    #[test]
    fn the_sandbox_is_the_version_2_group_or_that_of_the_controller_that_confines() {
        let tree = Tree::new("5:name=systemd:/s\n4:memory:/m\n3:pids:/\n0::/\n")
            .mount("/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory")
            .mount("/", "/sys/fs/cgroup/systemd", "cgroup", "rw,name=systemd")
            .file("sys/fs/cgroup/memory/m/tasks", "")
            .file("sys/fs/cgroup/systemd/s/tasks", "");
        let groups = locate(&tree);
        assert_eq!(groups.own(), Some(&groups.v1["memory"]));
        assert!(!groups.all_at_root);
        let tree = Tree::v2("/a");
        assert_eq!(locate(&tree).own(), locate(&tree).v2.as_ref());
        assert!(locate(&Tree::new("1:cpu:/\n0::/\n")).all_at_root);
    }

    #[test]
    fn a_hierarchy_that_something_is_mounted_over_or_in_is_not_read() {
        for (point, found) in [("/mnt", true), ("/sys/fs/cgroup", false), ("/sys/fs/cgroup/a/memory.stat", false)] {
            let tree = Tree::v2("/a").mount("/", point, "fuse.lxcfs", "rw");
            assert_eq!(locate(&tree).v2.is_some(), found, "{point}");
        }
    }

    #[test]
    fn a_group_outside_the_namespace_is_not_guessed() {
        let tree = Tree::new("0::/../other\n")
            .mount("/", "/sys/fs/cgroup", "cgroup2", "rw")
            .file("sys/fs/cgroup/cgroup.events", "");
        assert_eq!(locate(&tree).v2, None);
    }
}
