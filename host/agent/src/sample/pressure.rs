//! Pressure: how long tasks of the sandbox waited for CPU, memory and I/O.
//!
//! Sources: `cpu.pressure` and the like of the version 2 group, which are there whether or not its controllers are,
//! else
//! `/proc/pressure` where the sandbox is the machine and the files are the kernel's own. Version 1 has none. Format:
//! the kernel's
//! `Documentation/accounting/psi.rst`.

use std::path::{Path, PathBuf};

use sandbeat_status::{Pressure, Stall, Stalls};

use super::Unavailable;
use super::cgroup::Groups;
use super::files;
use super::mounts::Mounts;
use super::scope::Scope;

/// Reads the figures of a group or the machine.
#[derive(Clone, Debug)]
pub(super) struct Pressures {
    from: From,
}

#[derive(Clone, Debug)]
enum From {
    /// This folder has `cpu.pressure` and the like.
    Group(PathBuf),
    /// This folder has `cpu` and the like.
    Machine(PathBuf),
    /// For this reason.
    Nobody(String),
}

impl Pressures {
    pub(super) fn new(root: &Path, mounts: &Mounts, groups: &Groups, scope: &Scope) -> Self {
        let from = match (&groups.v2, scope) {
            (Some(group), _) => From::Group(group.dir().to_owned()),
            (None, Scope::Machine) => match own_files(mounts) {
                Ok(()) => From::Machine(root.join("proc/pressure")),
                Err(reason) => From::Nobody(reason),
            },
            (None, _) => From::Nobody("no version 2 control group tells the sandbox's from the machine's".to_owned()),
        };
        Pressures { from }
    }

    /// What is known, and what is not.
    pub(super) fn read(&self) -> (Pressure, Vec<Unavailable>) {
        let mut unavailable = Vec::new();
        if let From::Nobody(reason) = &self.from {
            let reason = reason.clone();
            return (Pressure::default(), vec![Unavailable { figure: "resources.pressure", reason }]);
        }
        let mut of = |resource: &str, figure: &'static str| match self.stalls(resource) {
            Ok(stalls) => Some(stalls),
            Err(reason) => {
                unavailable.push(Unavailable { figure, reason });
                None
            }
        };
        let pressure = Pressure {
            cpu: of("cpu", "resources.pressure.cpu"),
            memory: of("memory", "resources.pressure.memory"),
            io: of("io", "resources.pressure.io"),
        };
        (pressure, unavailable)
    }

    fn stalls(&self, resource: &str) -> Result<Stalls, String> {
        let path = match &self.from {
            From::Group(dir) => dir.join(format!("{resource}.pressure")),
            From::Machine(dir) => dir.join(resource),
            From::Nobody(reason) => return Err(reason.clone()),
        };
        let text = files::try_read(&path).map_err(|e| files::unreadable(&path, &e))?;
        let mut stalls = parse(&text).ok_or_else(|| format!("{} has an unknown form", path.display()))?;
        if resource == "cpu" && matches!(self.from, From::Machine(_)) {
            // The kernel writes zeros, because for a whole machine it is not defined.
            stalls.full = None;
        }
        Ok(stalls)
    }
}

/// Whether the machine's can be read without waiting for anybody but the kernel.
fn own_files(mounts: &Mounts) -> Result<(), String> {
    ["cpu", "memory", "io"].iter().try_for_each(|name| mounts.kernels_own(&Path::new("/proc/pressure").join(name)))
}

fn parse(text: &str) -> Option<Stalls> {
    let line = |kind: &str| text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '));
    let full = match line("full") {
        Some(full) => Some(stall(full)?),
        None => None,
    };
    Some(Stalls { some: stall(line("some")?)?, full })
}

/// `avg10=0.00 avg60=0.00 avg300=0.00 total=0`: percent, and microseconds.
fn stall(line: &str) -> Option<Stall> {
    let field = |key: &str| line.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
    let percent = |key: &str| field(key)?.parse().ok().filter(|share| (0.0..=100.0).contains(share));
    let total: u64 = field("total")?.trim().parse().ok()?;
    Some(Stall {
        avg10: percent("avg10")?,
        avg60: percent("avg60")?,
        avg300: percent("avg300")?,
        total_secs: total as f64 / 1e6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree::Tree;

    const IDLE: &str =
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    const BUSY: &str =
        "some avg10=12.34 avg60=5.00 avg300=100.00 total=2500000\nfull avg10=1.00 avg60=0.50 avg300=0.25 total=1\n";

    fn read(tree: &Tree) -> (Pressure, Vec<Unavailable>) {
        let groups = Groups::locate(tree.root(), &tree.own(), &tree.mounts());
        Pressures::new(tree.root(), &tree.mounts(), &groups, &Scope::of(&tree.own(), &groups)).read()
    }

    fn machine() -> Tree {
        Tree::new("0::/\n").namespace("cgroup", "cgroup:[4026531835]").namespace("pid", "pid:[4026531836]")
    }

    #[test]
    fn a_groups_pressure_is_read_as_it_is() {
        let tree = Tree::v2("/a")
            .file("sys/fs/cgroup/a/cpu.pressure", BUSY)
            .file("sys/fs/cgroup/a/memory.pressure", IDLE)
            .file("sys/fs/cgroup/a/io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
        let (pressure, unavailable) = read(&tree);
        let cpu = pressure.cpu.unwrap();
        assert_eq!(cpu.some, Stall { avg10: 12.34, avg60: 5.0, avg300: 100.0, total_secs: 2.5 });
        assert_eq!(cpu.full.unwrap().total_secs, 0.000_001);
        assert_eq!(pressure.memory.unwrap().full, Some(Stall::default()));
        assert_eq!(pressure.io.unwrap().full, None, "some kernels do not tell");
        assert_eq!(unavailable, []);
    }

    #[test]
    fn the_machines_is_taken_where_it_is_the_sandbox() {
        let tree = machine().file("proc/pressure/cpu", BUSY).file("proc/pressure/memory", BUSY);
        let (pressure, unavailable) = read(&tree);
        assert_eq!(pressure.cpu.unwrap().full, None, "not defined");
        assert!(pressure.memory.unwrap().full.is_some());
        assert_eq!(unavailable.len(), 1);
        assert_eq!(unavailable[0].figure, "resources.pressure.io");
        assert!(unavailable[0].reason.contains("No such file"), "{unavailable:?}");
    }

    #[test]
    fn the_machines_is_not_taken_for_less_than_the_machine() {
        let (pressure, unavailable) = read(&Tree::new("0::/\n").file("proc/pressure/cpu", BUSY));
        assert!(pressure.is_empty());
        assert_eq!(unavailable[0].figure, "resources.pressure");
    }

    #[test]
    fn the_machines_is_not_read_where_it_could_hang() {
        let tree = machine().file("proc/pressure/io", BUSY).mount("/", "/proc/pressure/io", "fuse.lxcfs", "rw");
        let (pressure, unavailable) = read(&tree);
        assert!(pressure.is_empty());
        let reason = "/proc/pressure/io is a fuse.lxcfs file, which could hang".to_owned();
        assert_eq!(unavailable, [Unavailable { figure: "resources.pressure", reason }]);
    }

    #[test]
    fn odd_files_are_not_half_read() {
        for odd in [
            "",
            "\n",
            "some",
            "some avg10=0.00 avg60=0.00 avg300=0.00",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=-1",
            "some avg10=NaN avg60=0.00 avg300=0.00 total=1",
            "some avg10=1e9 avg60=0.00 avg300=0.00 total=1",
            "some avg10=-1 avg60=0.00 avg300=0.00 total=1",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=99999999999999999999999",
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=1",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=x",
        ] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }
}
