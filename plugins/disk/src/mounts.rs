//! How full the granted file systems are.
//!
//! Several granted paths on the same mount are reported once. What is known of a mount beside its sizes comes from
//! `/proc/self/mountinfo`; where that cannot be read, which the log says once, or does not show the mount, the granted path
//! stands for its mount point, and device and type are absent. The path is looked up there as it is written: of one that
//! leads over symbolic links, grant what it leads to.

use std::collections::BTreeSet;

use sandbeat_common::{Notice, plain_within};
use sandbeat_sdk::filesystems::{self, Usage};
use sandbeat_sdk::prelude::*;
use sandbeat_sdk::{Entry, Metadata, Point};

use crate::DEVICE;
use crate::mountinfo::Mount;

const POINT: Key = Key::new("system.filesystem.mountpoint", "The folder that it is mounted on.");
const MODE: Key = Key::new("system.filesystem.mode", "`rw`, or `ro` where nothing can be written.");
const TYPE: Key = Key::new("system.filesystem.type", "Such as `ext4`.");
const STATE: Key = Key::new(
    "system.filesystem.state",
    "`used`; `free` for everyone; of bytes also `reserved`, which is free for root alone.",
);
const MOUNT: &[Key] = &[DEVICE, MODE, POINT, TYPE];
const STATES: &[Key] = &[DEVICE, MODE, POINT, STATE, TYPE];
pub(crate) const USAGE: Gauge = Gauge::new("system.filesystem.usage", "By", "Bytes by state.").with_keys(STATES);
pub(crate) const UTILIZATION: Gauge = Gauge::new(
    "system.filesystem.utilization",
    "1",
    "Used bytes as a fraction of those that are used or free for everyone, as df(1) shows it.",
)
.with_keys(MOUNT);
pub(crate) const LIMIT: Gauge =
    Gauge::new("system.filesystem.limit", "By", "All bytes of the file system.").with_keys(MOUNT);
pub(crate) const INODES: Gauge = Gauge::new(
    "system.filesystem.inodes.usage",
    "{inode}",
    "Inodes by state; absent where the file system makes them as it needs them.",
)
.with_keys(STATES);
pub(crate) const UNREADABLE: Metadata =
    Metadata::new("disk.unreadable", "The granted file systems that could not be looked at, and why.");

/// Eight points each, which leaves 744 of the 1,000 of a contribution to devices.
const MAX_MOUNTS: usize = 32;
/// Of the value of [`UNREADABLE`], in bytes.
const MAX_TROUBLES: usize = 1024;
/// Of an attribute's value, in bytes, as the agent takes it.
const MAX_VALUE: usize = 256;

/// What the granted file systems are like.
pub(crate) struct Mounts {
    pub(crate) points: Vec<Point>,
    /// Those that could not be looked at.
    pub(crate) unreadable: Option<Entry>,
    /// The first reason, where none could.
    pub(crate) error: Option<Error>,
}

impl Mounts {
    /// Looks at all that are granted.
    pub(crate) fn measure() -> Self {
        let granted = filesystems::granted();
        let mounts = if granted.is_empty() { Vec::new() } else { mounted() };
        let (mut points, mut seen, mut troubles, mut error) = (Vec::new(), BTreeSet::new(), Vec::new(), None);
        for path in &granted {
            let mount = Mount::of(path, &mounts);
            let point = mount.map_or(path.as_str(), |mount| mount.point.as_str());
            match filesystems::stat(path) {
                Ok(usage) => {
                    if seen.insert(point) && seen.len() <= MAX_MOUNTS {
                        points.extend(of(&usage, point, mount));
                    }
                }
                Err(failed) => {
                    troubles.push(failed.to_string());
                    error.get_or_insert(Error::from(failed));
                }
            }
        }
        say(&troubles, seen.len() > MAX_MOUNTS);
        let unreadable =
            (!troubles.is_empty()).then(|| UNREADABLE.value(plain_within(&troubles.join("; "), MAX_TROUBLES)));
        Self { error: error.filter(|_| points.is_empty()), points, unreadable }
    }
}

/// All mounts: only for what is told of one beside its sizes, so that without them nothing else is missing.
fn mounted() -> Vec<Mount> {
    const UNKNOWN: Notice = Notice::new("no mountinfo");
    let content = files::read("/proc/self/mountinfo");
    let line = content.as_ref().err().map(|error| format!("file systems without device and type: {error}"));
    UNKNOWN.warn(line.as_deref());
    content.map(|content| Mount::parse(&content)).unwrap_or_default()
}

fn of(usage: &Usage, point: &str, mount: Option<&Mount>) -> Vec<Point> {
    let used = usage.size.saturating_sub(usage.free);
    let reserved = usage.free.saturating_sub(usage.available);
    let for_everyone = used.saturating_add(usage.available);
    let mut points = vec![
        USAGE.value(used).attribute(STATE, "used"),
        USAGE.value(usage.available).attribute(STATE, "free"),
        USAGE.value(reserved).attribute(STATE, "reserved"),
        LIMIT.value(usage.size),
    ];
    // File systems that the kernel makes up have no size.
    if for_everyone > 0 {
        points.push(UTILIZATION.value(used as f64 / for_everyone as f64));
    }
    if let (Some(inodes), Some(free)) = (usage.inodes, usage.inodes_free) {
        points.push(INODES.value(inodes.saturating_sub(free)).attribute(STATE, "used"));
        points.push(INODES.value(free).attribute(STATE, "free"));
    }
    let mode = if usage.read_only { "ro" } else { "rw" };
    let with_mount = |one: Point| {
        let one = one.attribute(MODE, mode).attribute(POINT, attribute(point));
        match mount {
            Some(mount) => one.attribute(DEVICE, attribute(&mount.source)).attribute(TYPE, attribute(&mount.kind)),
            None => one,
        }
    };
    points.into_iter().map(with_mount).collect()
}

/// A name as an attribute can carry it: whoever mounts chooses it.
fn attribute(name: &str) -> String {
    plain_within(name, MAX_VALUE)
}

fn say(troubles: &[String], full: bool) {
    const CUT: Notice = Notice::new("cut mounts");
    const TROUBLE: Notice = Notice::new("unreadable mounts");
    let line = format!("only the first {MAX_MOUNTS} file systems are reported");
    CUT.warn(full.then_some(&line));
    TROUBLE.warn_each(troubles);
}
