//! The collector `disk` on this machine, held against an independent reading.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::ran::Ran;
use crate::harness::Sandbox;

/// Whole block devices that lie neither in memory nor in a file, with the figures behind their names.
fn devices() -> BTreeMap<String, Vec<f64>> {
    let text = std::fs::read_to_string("/proc/diskstats").unwrap();
    let device = |line: &str| {
        let mut words = line.split_whitespace().skip(2).map(str::to_owned);
        Some((words.next()?, words.map(|figure| figure.parse().unwrap()).collect()))
    };
    let is_disk = |name: &str| {
        // The kernel lists whole devices there and their partitions below them.
        let is_whole = Path::new("/sys/block").join(name.replace('/', "!")).exists();
        is_whole && !["loop", "ram", "zram", "fd"].iter().any(|kind| name.starts_with(kind))
    };
    text.lines().filter_map(device).filter(|(name, _)| is_disk(name)).collect()
}

/// What `df` says of a mount: a column by its name.
fn df(column: &str, path: &str) -> f64 {
    let output = Command::new("df").args(["-B1", &format!("--output={column}"), path]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().nth(1).unwrap().trim().trim_end_matches('%').parse().unwrap()
}

const SIDECAR: &str = "[grant]\nread = [\"/proc/diskstats\", \"/proc/self/mountinfo\"]\n";

#[test]
fn i_o_of_disks_is_the_kernel_s() {
    let sandbox = Sandbox::new();
    let before = devices();
    let ran = Ran::of(&sandbox, "disk", SIDECAR);
    let after = devices();
    let of = |name: &str, device: &str, direction: Option<&str>| {
        let direction = direction.map(|direction| ("disk.io.direction", direction));
        let attributes: Vec<_> = [("system.device", device)].into_iter().chain(direction).collect();
        ran.value(name, &attributes).unwrap_or_else(|| panic!("{name} of {device}: {:#}", ran.json))
    };
    for (device, before) in &before {
        let after = &after[device];
        for (at, scale, name, direction) in [
            (0, 1.0, "system.disk.operations", Some("read")),
            (1, 1.0, "system.disk.merged", Some("read")),
            (2, 512.0, "system.disk.io", Some("read")),
            (3, 0.001, "system.disk.operation_time", Some("read")),
            (4, 1.0, "system.disk.operations", Some("write")),
            (5, 1.0, "system.disk.merged", Some("write")),
            (6, 512.0, "system.disk.io", Some("write")),
            (7, 0.001, "system.disk.operation_time", Some("write")),
            (9, 0.001, "system.disk.io_time", None),
            (10, 0.001, "system.disk.weighted_io_time", None),
        ] {
            let (value, range) = (of(name, device, direction), before[at] * scale - 1e-6..=after[at] * scale + 1e-6);
            assert!(range.contains(&value), "{name} of {device} is {value}, not in {range:?}");
        }
        assert!(of("system.disk.pending_operations", device, None) >= 0.0);
    }
    let reported: Vec<_> = ran.points().iter().filter(|point| point["name"] == "system.disk.io_time").collect();
    assert_eq!(reported.len(), before.len(), "no partition, loop or RAM device: {reported:#?}");
    let filesystems = ran.points().iter().filter(|point| point["name"].as_str().unwrap().contains("filesystem"));
    assert_eq!(filesystems.count(), 0, "none is granted");
}

#[test]
fn file_systems_are_as_df_sees_them() {
    let sandbox = Sandbox::new();
    let missing = sandbox.path("missing");
    let sidecar = format!("{SIDECAR}filesystems = [\"/\", {missing:?}]\n");
    let ran = Ran::of(&sandbox, "disk", &sidecar);
    let value = |name: &str, state: &str| {
        let state = (!state.is_empty()).then_some(("system.filesystem.state", state));
        let attributes: Vec<_> = [("system.filesystem.mountpoint", "/")].into_iter().chain(state).collect();
        ran.value(name, &attributes).unwrap_or_else(|| panic!("{name} {state:?}: {:#}", ran.json))
    };
    let size = df("size", "/");
    assert_eq!(value("system.filesystem.limit", ""), size);
    let states = ["used", "free", "reserved"].map(|state| value("system.filesystem.usage", state));
    assert_eq!(states.iter().sum::<f64>(), size);
    // Others write meanwhile.
    let slack = size / 50.0;
    for (own, column) in [(states[0], "used"), (states[1], "avail")] {
        assert!((own - df(column, "/")).abs() < slack, "{column}: {own} and {}", df(column, "/"));
    }
    assert!((value("system.filesystem.utilization", "") * 100.0 - df("pcent", "/")).abs() <= 3.0);
    if df("itotal", "/") > 0.0 {
        let used = value("system.filesystem.inodes.usage", "used");
        assert_eq!(used + value("system.filesystem.inodes.usage", "free"), df("itotal", "/"));
        assert!((used - df("iused", "/")).abs() < df("itotal", "/") / 50.0, "{used}");
    }
    let fstype = Command::new("df").args(["--output=fstype,source", "/"]).output().unwrap();
    let fstype = String::from_utf8(fstype.stdout).unwrap();
    let words: Vec<_> = fstype.lines().nth(1).unwrap().split_whitespace().collect();
    let limit = ran.points().iter().find(|point| point["name"] == "system.filesystem.limit").unwrap();
    assert_eq!(limit["attributes"]["system.filesystem.type"], words[0]);
    assert_eq!(limit["attributes"]["system.device"], words[1]);

    let words = format!("`{}` is not there", missing.display());
    assert_eq!(ran.json["metadata"]["disk.unreadable"], words);
    assert!(ran.stderr.contains(&words), "{}", ran.stderr);
}

#[test]
fn without_its_grants_it_is_denied() {
    Ran::of(&Sandbox::new(), "disk", "").is_denied("/proc/diskstats");
    // What is granted is reported without the rest.
    let ran = Ran::of(&Sandbox::new(), "disk", "[grant]\nfilesystems = [\"/\"]");
    assert!(ran.value("system.filesystem.limit", &[("system.filesystem.mountpoint", "/")]).is_some());
    assert!(ran.stderr.contains("`/proc/diskstats` is not granted"), "{}", ran.stderr);
}
