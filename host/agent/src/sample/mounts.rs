//! What is mounted where, and with it whether a file is the kernel's own.
//!
//! A file under `/proc` may be that of a file system mounted over it: containers have `/proc/meminfo`, `/proc/stat` and
//! `/proc/pressure` from a FUSE server (lxcfs), and reading them waits for as long as that server does. So a path is
//! asked about before it is read by whoever must not wait. Of several mounts that cover a path, the one with the
//! longest mount point counts, and of those the last. Where the mounts cannot be read, no file is known to be the
//! kernel's.
//!
//! Owner: the sampler, which reads the mounts once, when the agent starts; pure after that. Format:
//! proc_pid_mountinfo(5).

use std::path::{Path, PathBuf};

use super::files;

/// File systems whose files the kernel makes up when they are read. A file in memory (tmpfs) is none of them: it may be
/// a pipe that nobody writes to.
const KERNELS_OWN: [&str; 4] = ["proc", "sysfs", "cgroup", "cgroup2"];

/// The mounts that this process sees, in the kernel's order.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<Mount>);

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// What of the file system is seen at `point`.
    pub(super) root: PathBuf,
    pub(super) point: PathBuf,
    /// Such as `proc` or `fuse.lxcfs`.
    pub(super) kind: String,
    /// The file system's own, such as a hierarchy's controllers.
    pub(super) options: Vec<String>,
}

impl Mounts {
    /// Those of the process whose folder in `/proc` is `own`; none where they cannot be read.
    pub(super) fn of(own: &Path) -> Self {
        let text = files::read_up_to(&own.join("mountinfo"), files::MAX_MOUNTINFO).unwrap_or_default();
        Mounts(text.lines().filter_map(Mount::parse).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// Whether reading a file waits for nobody but the kernel. The path is as the mounts have it, from `/`.
    ///
    /// # Errors
    /// It may wait, or that is not known; for a person.
    pub(super) fn kernels_own(&self, path: &Path) -> Result<(), String> {
        match self.covering(path) {
            Some(mount) if mount.is_kernels_own() => Ok(()),
            Some(mount) => Err(format!("{} is a {} file, which could hang", path.display(), mount.kind)),
            None => Err(format!("it is not known what is mounted at {}, which could hang", path.display())),
        }
    }

    /// Whether a mount is what is seen at its place, with nothing in it that is not the kernel's.
    pub(super) fn is_clear(&self, mount: &Mount) -> bool {
        let covered = |other: &Mount| other.point != mount.point && other.point.starts_with(&mount.point);
        self.kernels_own(&mount.point).is_ok()
            && !self.iter().any(|other| covered(other) && self.kernels_own(&other.point).is_err())
    }

    fn covering(&self, path: &Path) -> Option<&Mount> {
        let covers = |mount: &&Mount| path.starts_with(&mount.point);
        self.iter().filter(covers).max_by_key(|mount| mount.point.components().count())
    }
}

impl Mount {
    /// A line such as `32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu`.
    fn parse(line: &str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3).map(|field| PathBuf::from(unescape(field)));
        let (root, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let name = kind.next()?.to_owned();
        let options = kind.nth(1).unwrap_or_default().split(',').map(str::to_owned).collect();
        Some(Mount { root, point, kind: name, options })
    }

    fn is_kernels_own(&self) -> bool {
        KERNELS_OWN.contains(&self.kind.as_str())
    }
}

/// Spaces and the like are written as `\040` in octal.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                out.push_str(&part[3..]);
            }
            None => {
                out.push('\\');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(of: &[(&str, &str)]) -> Mounts {
        let line = |(point, kind): &(&str, &str)| Mount::parse(&format!("31 23 0:28 / {point} rw - {kind} none rw"));
        Mounts(of.iter().filter_map(line).collect())
    }

    #[test]
    fn a_mount_is_read_with_its_part_and_options() {
        let line = "33 31 0:30 /docker/a /sys/fs/cgroup/cpu\\040x rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct";
        let mount = Mount::parse(line).unwrap();
        assert_eq!((mount.root.as_path(), mount.kind.as_str()), (Path::new("/docker/a"), "cgroup"));
        assert_eq!(mount.point, Path::new("/sys/fs/cgroup/cpu x"));
        assert!(mount.options.contains(&"cpuacct".to_owned()));
        for odd in ["", " - ", "22 1 8:1 / /", "22 1 8:1 - ext4 /dev/sda1 rw", "- - -"] {
            assert_eq!(Mount::parse(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn the_longest_mount_point_counts_and_of_equal_ones_the_last() {
        let mounts = mounts(&[
            ("/proc/meminfo", "fuse.lxcfs"),
            ("/", "overlay"),
            ("/proc", "ext4"),
            ("/proc", "proc"),
            ("/proc/pressure", "fuse.lxcfs"),
            ("/proc/stat", "proc"),
            ("/proc/stat", "tmpfs"),
        ]);
        let own = |path: &str| mounts.kernels_own(Path::new(path));
        assert_eq!(own("/proc/vmstat"), Ok(()));
        assert_eq!(own("/proc/meminfo-old"), Ok(()), "a name is compared as a whole");
        assert_eq!(own("/proc/meminfo"), Err("/proc/meminfo is a fuse.lxcfs file, which could hang".to_owned()));
        assert!(own("/proc/pressure/cpu").unwrap_err().contains("fuse.lxcfs"));
        assert!(own("/proc/stat").unwrap_err().contains("tmpfs"));
        assert!(own("/etc/passwd").unwrap_err().contains("overlay"));
        assert!(Mounts::default().kernels_own(Path::new("/proc/stat")).unwrap_err().contains("not known"));
    }

    #[test]
    fn a_hierarchy_is_clear_where_nothing_else_is_over_it_or_in_it() {
        let clear = |of: &[(&str, &str)]| {
            let mounts = mounts(of);
            mounts.is_clear(mounts.iter().find(|mount| mount.kind == "cgroup2").unwrap())
        };
        assert!(clear(&[("/sys/fs/cgroup", "tmpfs"), ("/sys/fs/cgroup", "cgroup2"), ("/sys/fs/cgroup/cpu", "cgroup")]));
        assert!(clear(&[("/sys/fs/cgroup", "cgroup2"), ("/sys/fs/cgroups", "fuse")]));
        assert!(!clear(&[("/sys/fs/cgroup", "cgroup2"), ("/sys/fs/cgroup", "fuse.lxcfs")]));
        assert!(!clear(&[("/sys/fs/cgroup", "cgroup2"), ("/sys/fs/cgroup/a/memory.max", "fuse.lxcfs")]));
    }
}
