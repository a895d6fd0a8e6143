//! Where the agent's own cgroups are in the file system.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Our own place in the version 2 hierarchy.
pub(crate) fn own_unified() -> Option<PathBuf> {
    let (mounts, own) = read()?;
    place(&mounts, &own, None)
}

/// Our own place in the version 1 hierarchy of a controller.
pub(crate) fn own_of(controller: &str) -> Option<PathBuf> {
    let (mounts, own) = read()?;
    place(&mounts, &own, Some(controller))
}

fn read() -> Option<(String, String)> {
    Some((fs::read_to_string("/proc/self/mountinfo").ok()?, fs::read_to_string("/proc/self/cgroup").ok()?))
}

/// Joins the mount of a hierarchy with our path in it. `None` where we are outside of what is mounted.
fn place(mounts: &str, own: &str, controller: Option<&str>) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let ours = match controller {
            None => number == "0" && controllers.is_empty(),
            Some(wanted) => controllers.split(',').any(|controller| controller == wanted),
        };
        ours.then_some(Path::new(path))
    })?;
    // The last mount covers those before it.
    mounts.lines().rev().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let mut after = after.split(' ');
        let ours = match controller {
            None => after.next()? == "cgroup2",
            Some(wanted) => after.next()? == "cgroup" && after.nth(1)?.split(',').any(|option| option == wanted),
        };
        let inside = path.strip_prefix(&root).ok()?;
        let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        (ours && plain).then(|| Path::new(&point).join(inside))
    })
}

/// A path of mountinfo, in which blanks and the like are octal.
fn unescaped(text: &str) -> String {
    let mut out = text.to_owned();
    for (escape, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        out = out.replace(escape, plain);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn both_versions_are_found_side_by_side() {
        let own = "4:memory:/process_api/x\n0::/a b\n";
        assert_eq!(place(HYBRID, own, None), Some("/sys/fs/cgroup/unified/a b".into()));
        assert_eq!(place(HYBRID, own, Some("memory")), Some("/sys/fs/cgroup/memory/process_api/x".into()));
        assert_eq!(place(HYBRID, own, Some("cpu")), None);
        assert_eq!(place(HYBRID, "4:memory:/\n", None), None);
    }

    #[test]
    fn a_path_is_taken_below_the_root_of_its_mount_and_never_outside() {
        let mounts = "35 31 0:32 /docker/x /sys/fs/cgroup\\040two rw - cgroup2 cgroup rw\n";
        assert_eq!(place(mounts, "0::/docker/x/y\n", None), Some("/sys/fs/cgroup two/y".into()));
        assert_eq!(place(mounts, "0::/docker/x\n", None), Some("/sys/fs/cgroup two".into()));
        assert_eq!(place(mounts, "0::/docker/z\n", None), None);
        assert_eq!(place(HYBRID, "0::/../z\n", None), None);
    }
}
