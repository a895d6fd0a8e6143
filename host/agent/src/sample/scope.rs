//! Which processes are the sandbox: those of its control group, or all that can be seen, where that is no more.
//!
//! The machine is only the sandbox where the agent sits in the root of every hierarchy and in the machine's own
//! namespaces: what the machine says of itself would otherwise be of more than the sandbox. Where neither is so, the
//! sandbox's processes are not known, and what would have to be counted over them is absent.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::cgroup::{Group, Groups};
use super::files;

/// A sandbox with more has what is counted over its processes not counted.
pub(super) const MAX_PROCESSES: usize = 10_000;
/// As many processes as that have about 80 KiB of numbers.
const MAX_PROCS_FILE: u64 = 1024 * 1024;
/// Of groups inside the sandbox's, when they are looked at for their processes.
const MAX_GROUPS: usize = 1_000;

/// The machine's own namespaces have fixed numbers (`linux/nsfs.h`).
const FIRST_CGROUP_NAMESPACE: &str = "cgroup:[4026531835]";
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// What the sandbox consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// A control group and those inside it.
    Group(Group),
    /// A PID namespace without a control group that can be seen: all of `/proc`.
    Namespace,
    /// The whole machine: all of `/proc`.
    Machine,
    /// Less than the machine, and nobody says what.
    Unknown,
}

impl Scope {
    /// That of the process whose folder is `own`, such as `/proc/self`.
    pub(super) fn of(own: &Path, groups: &Groups) -> Self {
        let namespace = |name: &str| fs::read_link(own.join("ns").join(name)).ok();
        if let Some(group) = groups.own() {
            return Scope::Group(group.clone());
        }
        // Without such namespaces, paths of groups are the machine's.
        let true_paths = namespace("cgroup").is_none_or(|name| name == Path::new(FIRST_CGROUP_NAMESPACE));
        match namespace("pid") {
            Some(name) if name != Path::new(FIRST_PID_NAMESPACE) => Scope::Namespace,
            Some(_) if true_paths && groups.all_at_root => Scope::Machine,
            _ => Scope::Unknown,
        }
    }

    /// The processes, in order.
    ///
    /// # Errors
    /// They are not known or too many, for a person.
    pub(super) fn processes(&self, root: &Path) -> Result<BTreeSet<u32>, String> {
        let processes = match self {
            Scope::Group(group) => in_groups(group)?,
            Scope::Namespace | Scope::Machine => in_proc(&root.join("proc"))?,
            Scope::Unknown => {
                return Err(
                    "no control group and no PID namespace tells the sandbox's processes from others".to_owned()
                );
            }
        };
        // A group shows a process of another PID namespace as 0.
        match processes.contains(&0) {
            true => Err("processes of the sandbox's control group are outside the agent's PID namespace".to_owned()),
            false => Ok(processes),
        }
    }
}

fn in_groups(group: &Group) -> Result<BTreeSet<u32>, String> {
    let mut processes = BTreeSet::new();
    for dir in subtree(group.dir(), MAX_GROUPS)? {
        // A group that has just been removed has none, and a threaded one has its processes in another.
        let path = dir.join("cgroup.procs");
        let list = match files::try_read_up_to(&path, MAX_PROCS_FILE) {
            Ok(list) => list,
            Err(_) if dir != group.dir() => continue,
            Err(e) => return Err(files::unreadable(&path, &e)),
        };
        for process in list.lines().filter_map(|line| line.trim().parse().ok()) {
            add(&mut processes, process)?;
        }
    }
    Ok(processes)
}

fn in_proc(proc: &Path) -> Result<BTreeSet<u32>, String> {
    let entries = fs::read_dir(proc).map_err(|e| files::unreadable(proc, &e))?;
    let mut processes = BTreeSet::new();
    for process in entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()) {
        add(&mut processes, process)?;
    }
    Ok(processes)
}

fn add(processes: &mut BTreeSet<u32>, process: u32) -> Result<(), String> {
    processes.insert(process);
    match processes.len() > MAX_PROCESSES {
        true => Err(format!("the sandbox has more than {MAX_PROCESSES} processes")),
        false => Ok(()),
    }
}

/// A group's directory and those of all groups inside it.
///
/// # Errors
/// There are more than `max`, or the first cannot be read.
pub(super) fn subtree(dir: &Path, max: usize) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(dir) = found.get(next).cloned() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if next > 0 && e.kind() == ErrorKind::NotFound => {
                next += 1;
                continue;
            }
            Err(e) => return Err(files::unreadable(&dir, &e)),
        };
        let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        // No more of them are listed than count: a group may have tens of thousands inside it.
        let room = (max + 1).saturating_sub(found.len());
        found.extend(entries.filter_map(Result::ok).filter(is_dir).map(|entry| entry.path()).take(room));
        if found.len() > max {
            return Err(format!("the sandbox's control group has more than {max} inside it"));
        }
        next += 1;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree::Tree;

    fn scope(tree: &Tree) -> Scope {
        Scope::of(&tree.own(), &Groups::locate(tree.root(), &tree.own(), &tree.mounts()))
    }

    #[test]
    fn a_group_is_what_it_holds_with_those_inside_it() {
        let tree = Tree::v2("/a")
            .file("sys/fs/cgroup/a/cgroup.procs", "30\n7\n")
            .file("sys/fs/cgroup/a/b/c/cgroup.procs", "8\n30\n")
            .file("sys/fs/cgroup/other/cgroup.procs", "99\n");
        assert_eq!(scope(&tree).processes(tree.root()), Ok(BTreeSet::from([7, 8, 30])));
        tree.write("sys/fs/cgroup/a/b/c/cgroup.procs", "0\n8\n");
        assert!(scope(&tree).processes(tree.root()).unwrap_err().contains("PID namespace"));
    }

    #[test]
    fn the_machine_is_the_sandbox_only_in_its_own_namespaces_and_at_every_root() {
        let at = |own: &str, cgroup: &str, pid: &str| {
            scope(&Tree::new(own).namespace("cgroup", cgroup).namespace("pid", pid))
        };
        let (first_cgroup, first_pid) = (FIRST_CGROUP_NAMESPACE, FIRST_PID_NAMESPACE);
        assert_eq!(at("4:memory:/\n0::/\n", first_cgroup, first_pid), Scope::Machine);
        assert_eq!(at("0::/a\n", first_cgroup, first_pid), Scope::Unknown, "a group that cannot be seen");
        assert_eq!(at("0::/\n", "cgroup:[4026532001]", first_pid), Scope::Unknown, "a namespaced root");
        assert_eq!(at("0::/\n", first_cgroup, "pid:[4026532002]"), Scope::Namespace);
        assert_eq!(scope(&Tree::new("0::/\n")), Scope::Unknown, "no namespaces to tell by");
        assert!(Scope::Unknown.processes(Path::new("/")).unwrap_err().contains("tells"));
    }

    #[test]
    fn all_of_proc_is_what_has_a_number() {
        let tree = Tree::new("0::/\n").file("proc/12/stat", "").file("proc/7/stat", "").file("proc/7x/stat", "");
        assert_eq!(Scope::Machine.processes(tree.root()), Ok(BTreeSet::from([7, 12])));
    }

    #[test]
    fn too_many_are_not_counted_in_part() {
        let list: String = (1..=MAX_PROCESSES + 1).map(|process| format!("{process}\n")).collect();
        let tree = Tree::v2("/a").file("sys/fs/cgroup/a/cgroup.procs", &list);
        assert!(scope(&tree).processes(tree.root()).unwrap_err().contains("more than"));
    }
}
