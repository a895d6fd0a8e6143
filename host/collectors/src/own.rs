//! What of `/proc` is the agent's own: its names, and what of it no collector may see.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{PROC_SUPER_MAGIC, StatFs};

/// What of the agent's own process may be granted; its environment and memory hold secrets.
const HARMLESS: [&str; 8] = ["cgroup", "io", "limits", "mountinfo", "mounts", "net", "stat", "status"];

/// All names of a place that the kernel names by the agent's process id: `/proc/self` and `/proc/net` are links there.
pub(crate) fn names(place: &str) -> Vec<String> {
    let mut names = vec![place.to_owned()];
    if let Some(rest) = below_own_process(place) {
        names.push(format!("/proc/self/{rest}"));
        if rest == "net" || rest.starts_with("net/") {
            names.push(format!("/proc/{rest}"));
        }
    }
    names
}

/// Whether a place shows what is the agent's own affair.
pub(crate) fn is_private(place: &str) -> bool {
    below_own_process(place).is_some_and(|rest| {
        let rest = match rest.strip_prefix("task/") {
            Some(thread) => thread.split_once('/').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let first = rest.split('/').next().unwrap_or_default();
        !first.is_empty() && !HARMLESS.contains(&first)
    })
}

/// Whether a folder is on a file system of processes, or holds the place of one: a collector that has it as a folder
/// could read there what is the agent's own affair, which no glob stands before.
pub(crate) fn shows_processes(folder: &OwnedFd, place: &Path) -> bool {
    let is_procfs = |stat: StatFs| stat.f_type == PROC_SUPER_MAGIC;
    if rustix::fs::fstatfs(folder).is_ok_and(is_procfs) {
        return true;
    }
    match std::fs::read_to_string("/proc/self/mountinfo") {
        Ok(mounts) => procfs_mounts(&mounts).any(|mount| mount.starts_with(place)),
        // Without it there is no /proc to be seen here, or none that could be found out about.
        Err(_) => place == Path::new("/"),
    }
}

/// Where file systems of processes are mounted, by `mountinfo` (proc(5)): the fifth field is the place, with `\\040`
/// for a space, and the type follows the ` - `.
fn procfs_mounts(mounts: &str) -> impl Iterator<Item = PathBuf> {
    mounts.lines().filter_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let place = mount.split(' ').nth(4)?;
        kind.starts_with("proc ").then(|| PathBuf::from(place.replace("\\040", " ")))
    })
}

fn below_own_process(place: &str) -> Option<&str> {
    let rest = place.strip_prefix("/proc/")?;
    let (process, rest) = rest.split_once('/').unwrap_or((rest, ""));
    (process == std::process::id().to_string()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_is_private_but_for_what_is_harmless() {
        let own = |rest: &str| format!("/proc/{}/{rest}", std::process::id());
        for rest in ["environ", "mem", "maps", "fd", "task/1/environ", "cwd"] {
            assert!(is_private(&own(rest)), "{rest}");
        }
        for rest in ["net/dev", "status", "task/1/stat", "task/1", ""] {
            assert!(!is_private(&own(rest)), "{rest}");
        }
        assert!(!is_private("/proc/1/environ") && !is_private("/etc/environ"));
    }

    #[test]
    fn the_links_of_proc_are_names_as_well() {
        let place = format!("/proc/{}/net/dev", std::process::id());
        assert_eq!(names(&place), [place.as_str(), "/proc/self/net/dev", "/proc/net/dev"]);
        assert_eq!(names("/proc/net/dev"), ["/proc/net/dev"]);
    }

    #[test]
    fn a_folder_that_shows_processes_is_known() {
        let shows = |path: &str| {
            let folder = OwnedFd::from(std::fs::File::open(path).unwrap());
            shows_processes(&folder, Path::new(path))
        };
        for path in ["/", "/proc", "/proc/self", "/proc/sys"] {
            assert!(shows(path), "{path}");
        }
        assert!(!shows("/etc") && !shows("/sys"));
        let mounts = "25 1 0:24 / /a\\040b rw - proc none rw\n26 1 8:1 / /proc2 rw shared:1 - ext4 /dev/proc rw\n";
        assert_eq!(procfs_mounts(mounts).collect::<Vec<_>>(), [Path::new("/a b")]);
    }
}
