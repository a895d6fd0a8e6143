//! For tests: a folder that looks like `/proc` and `/sys` of some sandbox.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::mounts::Mounts;

/// A root for [`super::Sampler`]; files are added one after the other.
pub(super) struct Tree {
    dir: TempDir,
}

impl Tree {
    /// With the text of `/proc/self/cgroup` and no mounts but the root's, `/proc` and `/sys`.
    pub(super) fn new(own: &str) -> Self {
        let tree = Tree { dir: TempDir::new().unwrap() };
        tree.file("proc/self/cgroup", own)
            .file("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
            .mount("/", "/proc", "proc", "rw")
            .mount("/", "/sys", "sysfs", "rw")
    }

    /// With version 2 mounted as a whole and this process in `path`.
    pub(super) fn v2(path: &str) -> Self {
        let tree = Tree::new(&format!("0::{path}\n")).mount("/", "/sys/fs/cgroup", "cgroup2", "rw,nsdelegate");
        tree.file(&format!("sys/fs/cgroup{path}/cgroup.events"), "populated 1\n")
    }

    pub(super) fn mount(self, root: &str, point: &str, kind: &str, options: &str) -> Self {
        let path = self.dir.path().join("proc/self/mountinfo");
        let line = format!("31 23 0:28 {root} {point} rw,relatime - {kind} {kind} {options}\n");
        fs::write(&path, fs::read_to_string(&path).unwrap() + &line).unwrap();
        self
    }

    /// As the sampler reads them.
    pub(super) fn mounts(&self) -> Mounts {
        Mounts::of(&self.own())
    }

    /// A pipe that nobody writes to: whoever opens it waits for ever.
    pub(super) fn pipe(self, path: &str) -> Self {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        self
    }

    pub(super) fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The namespace that this process is in, such as `pid:[4026531836]`.
    pub(super) fn namespace(self, kind: &str, name: &str) -> Self {
        let dir = self.own().join("ns");
        fs::create_dir_all(&dir).unwrap();
        std::os::unix::fs::symlink(name, dir.join(kind)).unwrap();
        self
    }

    /// The folder of this process.
    pub(super) fn own(&self) -> PathBuf {
        self.root().join("proc/self")
    }

    pub(super) fn root(&self) -> &Path {
        self.dir.path()
    }
}
