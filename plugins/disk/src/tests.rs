//! The collector on a recorded machine.

use std::collections::BTreeMap;

use sandbeat_sdk::filesystems::Usage;
use sandbeat_sdk::testing::Sandbox;
use sandbeat_sdk::{Point, Value};

use super::*;

// Of a virtual machine with Linux 6.1; the partition is added.
const DISKSTATS: &str = "   7       0 loop0 516 7 19298 39 577 406 405650 613 0 284 855 0 0 0 0 244 202
 254       0 vda 12357929 359424 652626098 18060963 46946919 4134132 2796288592 48616783 3 2350520 67809145 2830744 3165 2049735720 555461 2342215 575937
 254       1 vda1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17
 253       0 zram0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
";
const MOUNTINFO: &str = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n22 27 0:21 / /proc rw - proc proc rw\n\
     30 27 0:40 / /run ro - tmpfs tmpfs ro\n";

fn usage() -> Usage {
    Usage { size: 1000, free: 400, available: 300, inodes: Some(50), inodes_free: Some(20), read_only: false }
}

fn machine() -> Sandbox {
    Sandbox::new()
        .file("/proc/diskstats", DISKSTATS)
        .file("/proc/self/mountinfo", MOUNTINFO)
        .filesystem("/", Some(usage()))
}

/// As `name{key=value,…}`, by the last part of each key.
fn values(points: &[Point]) -> BTreeMap<String, f64> {
    let line = |point: &Point| {
        let (Value::Counter(value) | Value::Gauge(value)) = point.value else { panic!("{point:?}") };
        let short = |key: &str| key.rsplit('.').next().unwrap().to_owned();
        let mut attributes: Vec<_> =
            point.attributes.iter().map(|one| format!("{}={}", short(&one.key), one.value)).collect();
        attributes.sort();
        (format!("{}{{{}}}", point.name, attributes.join(",")), value)
    };
    points.iter().map(line).collect()
}

#[test]
fn a_disk_has_eleven_points() {
    let points = Sandbox::new().file("/proc/diskstats", DISKSTATS).run(Disk::collect).unwrap().points;
    let expected = [
        ("system.disk.io{device=vda,direction=read}", 652_626_098.0 * 512.0),
        ("system.disk.io{device=vda,direction=write}", 2_796_288_592.0 * 512.0),
        ("system.disk.io_time{device=vda}", 2350.52),
        ("system.disk.merged{device=vda,direction=read}", 359_424.0),
        ("system.disk.merged{device=vda,direction=write}", 4_134_132.0),
        ("system.disk.operation_time{device=vda,direction=read}", 18_060.963),
        ("system.disk.operation_time{device=vda,direction=write}", 48_616.783),
        ("system.disk.operations{device=vda,direction=read}", 12_357_929.0),
        ("system.disk.operations{device=vda,direction=write}", 46_946_919.0),
        ("system.disk.pending_operations{device=vda}", 3.0),
        ("system.disk.weighted_io_time{device=vda}", 67_809.145),
    ];
    assert_eq!(values(&points), expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[test]
fn a_file_system_is_split_into_its_states() {
    let mut sandbox = Sandbox::new().file("/proc/self/mountinfo", MOUNTINFO).filesystem("/", Some(usage()));
    let points = sandbox.run(Disk::collect).unwrap().points;
    let root = "device=/dev/vda,mode=rw,mountpoint=/";
    let expected = [
        (format!("system.filesystem.inodes.usage{{{root},state=free,type=ext4}}"), 20.0),
        (format!("system.filesystem.inodes.usage{{{root},state=used,type=ext4}}"), 30.0),
        (format!("system.filesystem.limit{{{root},type=ext4}}"), 1000.0),
        (format!("system.filesystem.usage{{{root},state=free,type=ext4}}"), 300.0),
        (format!("system.filesystem.usage{{{root},state=reserved,type=ext4}}"), 100.0),
        (format!("system.filesystem.usage{{{root},state=used,type=ext4}}"), 600.0),
        (format!("system.filesystem.utilization{{{root},type=ext4}}"), 600.0 / 900.0),
    ];
    assert_eq!(values(&points), expected.into());
    // That the devices are not granted is said once, and nothing else happens.
    sandbox.run(Disk::collect).unwrap();
    assert_eq!(sandbox.lines().len(), 1);
    assert!(sandbox.lines()[0].1.contains("`/proc/diskstats` is not granted"), "{:?}", sandbox.lines());
}

#[test]
fn what_a_file_system_does_not_have_is_absent() {
    let bare = Usage { size: 0, free: 0, available: 0, inodes: None, inodes_free: None, read_only: true };
    let points = Sandbox::new().filesystem("/run/x", Some(bare)).run(Disk::collect).unwrap().points;
    let names: Vec<_> = values(&points).into_keys().collect();
    let mount = "mode=ro,mountpoint=/run/x";
    let expected = [
        format!("system.filesystem.limit{{{mount}}}"),
        format!("system.filesystem.usage{{{mount},state=free}}"),
        format!("system.filesystem.usage{{{mount},state=reserved}}"),
        format!("system.filesystem.usage{{{mount},state=used}}"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn one_mount_is_reported_once_and_one_that_is_missing_is_named() {
    let mut sandbox =
        machine().filesystem("/home", Some(usage())).filesystem("/run/lock", Some(usage())).filesystem("/data", None);
    let contribution = sandbox.run(Disk::collect).unwrap();
    let limits: Vec<_> = contribution.points.iter().filter(|point| point.name == "system.filesystem.limit").collect();
    let mounts: Vec<_> = limits.iter().map(|point| point.attributes[1].value.as_str()).collect();
    assert_eq!(mounts, ["/", "/run"]);
    assert_eq!(contribution.metadata, [mounts::UNREADABLE.value("`/data` is not there")]);
    sandbox.run(Disk::collect).unwrap();
    let lines: Vec<_> = sandbox.lines().iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, ["`/data` is not there"]);
}

#[test]
fn the_operator_chooses_the_devices() {
    let devices = |key: &str, value: &str| -> Result<Vec<String>, Error> {
        let points = machine().config(key, value).run(Disk::collect)?.points;
        let io = points.iter().filter(|point| point.name == "system.disk.io_time");
        Ok(io.map(|point| point.attributes[0].value.clone()).collect())
    };
    assert_eq!(devices("devices", "*").unwrap(), ["loop0", "vda", "vda1", "zram0"]);
    assert_eq!(devices("devices", r#"["vda?"]"#).unwrap(), ["vda1"]);
    assert_eq!(devices("exclude", "vd*").unwrap(), [""; 0]);
    for (key, value) in [("devices", "[]"), ("devices", "/dev/vda"), ("exclude", "{a}")] {
        let error = devices(key, value).unwrap_err();
        assert!(matches!(&error, Error::Config(text) if text.starts_with(&format!("`{key}` "))), "{error:?}");
    }
    let error = Sandbox::new().file("/proc/diskstats", DISKSTATS).config("devices", "sd*").run(Disk::collect);
    let words = "no block device is as configured; there are: loop0, vda, vda1, zram0";
    assert_eq!(error, Err(Error::Unavailable(words.into())));
}

#[test]
fn with_nothing_to_report_it_says_who_must_act() {
    let denied =
        Error::Denied("`/proc/diskstats` is not granted; add it to `read` under `[grant]` in the sidecar".into());
    assert_eq!(Sandbox::new().run(Disk::collect), Err(denied));
    let mut sandbox = Sandbox::new().missing("/proc/diskstats").filesystem("/data", None);
    assert_eq!(sandbox.run(Disk::collect), Err(Error::Unavailable("`/data` is not there".into())));
    let mut sandbox = Sandbox::new().file("/proc/diskstats", "8 0 sda 1\n");
    assert!(matches!(sandbox.run(Disk::collect), Err(Error::Internal(_))));
}

#[test]
fn more_than_a_contribution_holds_is_cut() {
    let lines: Vec<_> = (0..200).map(|n| format!("8 {n} disk-{n} 1 2 3 4 5 6 7 8 9 10 11\n")).collect();
    let mut sandbox = Sandbox::new().file("/proc/diskstats", lines.concat());
    for n in 0..100 {
        sandbox = sandbox.filesystem(&format!("/mnt/{n}"), Some(usage()));
    }
    let contribution = sandbox.run(Disk::collect).unwrap();
    assert_eq!(contribution.points.len(), 64 * 11 + 32 * 7);
    sandbox.run(Disk::collect).unwrap();
    // The third is that nothing is known of mounts.
    assert_eq!(sandbox.lines().len(), 3, "{:?}", sandbox.lines());
}

#[test]
fn names_that_somebody_chose_for_a_mount_are_made_plain() {
    let long = "ä".repeat(300);
    let mounts = format!(
        "40 27 0:60 / /a rw - tmpfs x\u{7}\u{85}y rw\n41 27 0:61 / /b rw - tmpfs {long} rw\n\
         42 27 0:62 / /c\\012d rw - fuse.\\011z none rw\n"
    );
    let content = [MOUNTINFO.as_bytes(), b"39 27 0:59 / /mnt rw - tmpfs bad\xff rw\n", mounts.as_bytes()].concat();
    let mut sandbox = Sandbox::new().file("/proc/diskstats", DISKSTATS).file("/proc/self/mountinfo", content);
    for path in ["/", "/a", "/b", "/c\nd/e", "/mnt"] {
        sandbox = sandbox.filesystem(path, Some(usage()));
    }
    let contribution = sandbox.run(Disk::collect).unwrap();
    let limits = contribution.points.iter().filter(|point| point.name == "system.filesystem.limit");
    let mut names: Vec<_> = limits
        .map(|point| {
            ["mountpoint", "device", "type"].map(|word| {
                let mut of_key = point.attributes.iter().filter(|one| one.key.ends_with(word));
                of_key.next().unwrap().value.clone()
            })
        })
        .collect();
    names.sort();
    let expected = [
        ["/", "/dev/vda", "ext4"],
        ["/a", "x\u{fffd}\u{fffd}y", "tmpfs"],
        ["/b", &"ä".repeat(128), "tmpfs"],
        ["/c\u{fffd}d", "none", "fuse.\u{fffd}z"],
        ["/mnt", "bad\u{fffd}", "tmpfs"],
    ];
    assert_eq!(names, expected.map(|names| names.map(str::to_owned)));
    assert_eq!(sandbox.lines(), []);
}

#[test]
fn without_what_is_mounted_where_that_is_said_once() {
    let mut sandbox = Sandbox::new().file("/proc/diskstats", DISKSTATS).filesystem("/data", Some(usage()));
    for _ in 0..2 {
        let points = sandbox.run(Disk::collect).unwrap().points;
        assert_eq!(values(&points)["system.filesystem.limit{mode=rw,mountpoint=/data}"], 1000.0);
    }
    let [(_, line)] = sandbox.lines() else { panic!("{:?}", sandbox.lines()) };
    assert!(line.starts_with("file systems without device and type: `/proc/self/mountinfo` is not granted"), "{line}");
}
