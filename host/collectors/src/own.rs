//! What of `/proc` belongs to single processes: what of the agent no collector may see, what of others only one that
//! names it exactly, and by which names the agent's own is known.
//!
//! Places are those that the kernel names for what was opened; a name that was asked for proves nothing.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{PROC_SUPER_MAGIC, StatFs};

/// Why a folder of processes is not granted.
pub(crate) const SHOWS_PROCESSES: &str = "it shows the agent's own process; grant single files with [grant] read";

/// What of the agent's own process may be granted; its environment and memory hold secrets.
const HARMLESS: [&str; 8] = ["cgroup", "io", "limits", "mountinfo", "mounts", "net", "stat", "status"];
/// What of any process is its own affair (proc(5)): what it was told, what it holds, where it is and what it sees.
const PRIVATE: [&str; 21] = [
    "auxv",
    "clear_refs",
    "cwd",
    "environ",
    "exe",
    "fd",
    "fdinfo",
    "map_files",
    "maps",
    "mem",
    "mountinfo",
    "mounts",
    "mountstats",
    "numa_maps",
    "pagemap",
    "personality",
    "root",
    "smaps",
    "smaps_rollup",
    "stack",
    "syscall",
];

/// Who may be shown a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Whoever was granted it.
    Open,
    /// Private to a process: a collector whose grant writes the whole path out.
    WrittenOut,
    /// The agent's own affair: nobody.
    Never,
}

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

/// Who may be shown a place on a file system of processes, wherever that is mounted.
pub(crate) fn privacy(place: &str) -> Privacy {
    let parts: Vec<&str> = place.split('/').collect();
    for (at, process) in parts.iter().enumerate().filter(|(_, part)| is_process(part)) {
        let rest = match &parts[at + 1..] {
            ["task", _, rest @ ..] => rest,
            rest => rest,
        };
        match rest.first() {
            Some(first) if is_own(&parts[..at].join("/"), process) => {
                return if HARMLESS.contains(first) { Privacy::Open } else { Privacy::Never };
            }
            _ => {}
        }
    }
    if is_private(place) { Privacy::WrittenOut } else { Privacy::Open }
}

/// Whether a path, by its text alone, names what is private to some process.
pub(crate) fn is_private(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    parts.windows(2).any(|pair| is_process(pair[0]) && PRIVATE.contains(&pair[1]))
}

/// Whether a path, by its text alone, is a folder in which processes are seen.
pub(crate) fn names_processes(path: &str) -> bool {
    path == "/" || path == "/proc" || path.starts_with("/proc/")
}

/// Whether what was opened can show processes; where that cannot be found out, it can.
pub(crate) fn is_of_processes(fd: &OwnedFd, place: &str) -> bool {
    names_processes(place) || rustix::fs::fstatfs(fd).map_or(true, is_procfs)
}

/// Whether a folder is on a file system of processes, or holds the place of one: a collector that has it as a folder
/// could read there what is the agent's own affair, which no glob stands before.
pub(crate) fn shows_processes(folder: &OwnedFd, place: &Path) -> bool {
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

fn is_procfs(stat: StatFs) -> bool {
    stat.f_type == PROC_SUPER_MAGIC
}

fn is_process(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is the number of the agent, or of one of its threads, by which `/proc` shows the whole agent as well.
/// Another mount may number processes differently; its `self` knows.
fn is_own(mount: &str, process: &str) -> bool {
    process == std::process::id().to_string() && mount == "/proc"
        || Path::new(mount).join("self/task").join(process).symlink_metadata().is_ok()
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
        let own = |rest: &str| privacy(&format!("/proc/{}/{rest}", std::process::id()));
        let own_thread = format!("task/{}/environ", std::process::id());
        for rest in ["environ", "mem", "maps", "fd", &own_thread, "cwd", "cmdline"] {
            assert_eq!(own(rest), Privacy::Never, "{rest}");
        }
        for rest in ["net/dev", "status", "mounts", "task/1/stat"] {
            assert_eq!(own(rest), Privacy::Open, "{rest}");
        }
        assert_eq!(privacy(&format!("/proc/{}", std::process::id())), Privacy::Open);
    }

    #[test]
    fn a_thread_of_the_agent_is_the_agent() {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        assert_eq!(privacy(&format!("/proc/{thread}/environ")), Privacy::Never);
        assert_eq!(privacy(&format!("/proc/{thread}/stat")), Privacy::Open);
    }

    #[test]
    fn what_is_private_to_others_has_to_be_written_out() {
        for rest in ["environ", "mem", "maps", "smaps_rollup", "fd", "fd/3", "task/1/environ", "root/etc", "mountinfo"]
        {
            assert_eq!(privacy(&format!("/proc/1/{rest}")), Privacy::WrittenOut, "{rest}");
            assert_eq!(privacy(&format!("/host/proc/1/{rest}")), Privacy::WrittenOut, "{rest}");
        }
        for place in ["/proc/1/stat", "/proc/1/task/1/status", "/proc/1", "/proc/1/net/dev", "/proc/stat", "/proc/fd"] {
            assert_eq!(privacy(place), Privacy::Open, "{place}");
        }
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
