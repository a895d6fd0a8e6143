//! The whole collector on trees of files: those of version 1 and hybrid are recorded, those of version 2 have the forms
//! of Linux 6.

use super::*;
use sandbeat_sdk::testing::Sandbox;
use sandbeat_sdk::{Point, Value};

const TOP: &str = "/sys/fs/cgroup";

/// A sandbox in which the group of version 2 is at this directory, as a container sees it.
fn v2(dir: &str) -> Sandbox {
    let path = dir.strip_prefix(TOP).filter(|path| !path.is_empty()).unwrap_or("/");
    let files = [
        ("cgroup.events", include_str!("../tests/recorded/v2/cgroup.events")),
        ("cpu.stat", include_str!("../tests/recorded/v2/cpu.stat")),
        ("cpu.max", include_str!("../tests/recorded/v2/cpu.max")),
        ("cpu.pressure", include_str!("../tests/recorded/v2/cpu.pressure")),
        ("memory.pressure", include_str!("../tests/recorded/v2/memory.pressure")),
        ("io.pressure", include_str!("../tests/recorded/v2/io.pressure")),
        ("memory.current", include_str!("../tests/recorded/v2/memory.current")),
        ("memory.max", include_str!("../tests/recorded/v2/memory.max")),
        ("memory.peak", include_str!("../tests/recorded/v2/memory.peak")),
        ("memory.stat", include_str!("../tests/recorded/v2/memory.stat")),
        ("memory.events", include_str!("../tests/recorded/v2/memory.events")),
        ("memory.swap.current", include_str!("../tests/recorded/v2/memory.swap.current")),
        ("pids.current", include_str!("../tests/recorded/v2/pids.current")),
        ("pids.max", include_str!("../tests/recorded/v2/pids.max")),
        ("pids.events", include_str!("../tests/recorded/v2/pids.events")),
    ];
    let sandbox = Sandbox::new()
        .file("/proc/self/cgroup", format!("0::{path}\n"))
        .file("/proc/self/mountinfo", include_str!("../tests/recorded/v2/mountinfo"));
    files.into_iter().fold(sandbox, |sandbox, (name, text)| sandbox.file(&format!("{dir}/{name}"), text))
}

/// The machine that was recorded: both versions are mounted, and only the memory controller has a group of its own.
fn hybrid() -> Sandbox {
    let group = "/sys/fs/cgroup/memory/process_api/5f1c";
    let files = [
        ("usage_in_bytes", include_str!("../tests/recorded/hybrid/memory.usage_in_bytes")),
        ("max_usage_in_bytes", include_str!("../tests/recorded/hybrid/memory.max_usage_in_bytes")),
        ("limit_in_bytes", include_str!("../tests/recorded/hybrid/memory.limit_in_bytes")),
        ("stat", include_str!("../tests/recorded/hybrid/memory.stat")),
        ("oom_control", include_str!("../tests/recorded/hybrid/memory.oom_control")),
        ("failcnt", include_str!("../tests/recorded/hybrid/memory.failcnt")),
    ];
    let roots = ["cpu", "cpuacct", "pids"].map(|name| format!("{TOP}/{name}/cgroup.sane_behavior"));
    let sandbox = Sandbox::new()
        .file("/proc/self/cgroup", include_str!("../tests/recorded/hybrid/cgroup"))
        .file("/proc/self/mountinfo", include_str!("../tests/recorded/hybrid/mountinfo"))
        .missing(&format!("{group}/cgroup.sane_behavior"))
        .file(&format!("{TOP}/unified/cpu.stat"), "usage_usec 1\n")
        .missing(&format!("{TOP}/unified/cgroup.events"));
    let sandbox = roots.iter().fold(sandbox, |sandbox, path| sandbox.file(path, "0\n"));
    files.into_iter().fold(sandbox, |sandbox, (name, text)| sandbox.file(&format!("{group}/memory.{name}"), text))
}

fn lines(contribution: &Contribution) -> Vec<String> {
    contribution.points.iter().map(line).collect()
}

fn line(point: &Point) -> String {
    let (Value::Gauge(value) | Value::Counter(value)) = point.value else { panic!("{point:?}") };
    let attributes: Vec<_> = point.attributes.iter().map(|attribute| &*attribute.value).collect();
    let name = point.name.strip_prefix("container.").unwrap();
    format!("{name}{} {value}", attributes.iter().map(|value| format!(" {value}")).collect::<String>())
}

fn metadata(contribution: &Contribution) -> Vec<(&str, &str)> {
    contribution.metadata.iter().map(|entry| (entry.key, &*entry.value)).collect()
}

#[test]
fn version_2_has_all_figures() {
    let contribution = v2(TOP).run(Cgroup::collect).unwrap();
    assert_eq!(metadata(&contribution), [("cgroup.version", "2"), ("cgroup.path", TOP)]);
    assert_eq!(
        lines(&contribution),
        [
            "cpu.time user 0.571303",
            "cpu.time system 0.1",
            "cpu.limit 1.5",
            "cpu.throttling.periods 181",
            "cpu.throttling.throttled_periods 117",
            "cpu.throttling.time 5.912377",
            "memory.usage 238325760",
            "memory.working_set 208310272",
            "memory.peak 251658240",
            "memory.limit 268435456",
            "memory.swap.usage 0",
            "memory.stat anon 187514880",
            "memory.stat file 41791488",
            "memory.stat shmem 4096",
            "memory.stat kernel 9015296",
            "memory.stat slab 6705920",
            "memory.stat sock 8192",
            "paging.faults minor 118140",
            "paging.faults major 132",
            "memory.events low 0",
            "memory.events high 12",
            "memory.events max 348",
            "memory.events oom 3",
            "memory.events oom_kill 2",
            "memory.events oom_group_kill 0",
            "pids.count 17",
            "pids.limit 512",
            "pids.refused 4",
            "pressure.average.10s cpu some 0",
            "pressure.time cpu some 0.330811",
            "pressure.average.10s cpu full 0",
            "pressure.time cpu full 0.330811",
            "pressure.average.10s memory some 0",
            "pressure.time memory some 0",
            "pressure.average.10s memory full 0",
            "pressure.time memory full 0",
            "pressure.average.10s io some 0",
            "pressure.time io some 0",
            "pressure.average.10s io full 0",
            "pressure.time io full 0",
        ]
    );
}

#[test]
fn a_limit_above_holds_and_its_throttling_is_told() {
    let mut nested = v2("/sys/fs/cgroup/pod/app")
        .file("/sys/fs/cgroup/pod/app/cpu.max", "max 100000\n")
        .file("/sys/fs/cgroup/pod/cpu.max", "50000 100000\n")
        .file("/sys/fs/cgroup/pod/cpu.stat", "usage_usec 9\nnr_periods 7\nnr_throttled 5\nthrottled_usec 3000000\n")
        .file("/sys/fs/cgroup/pod/memory.max", "134217728\n")
        .file("/sys/fs/cgroup/pod/memory.current", "999\n")
        .file("/sys/fs/cgroup/pod/pids.max", "max\n");
    let lines = lines(&nested.run(Cgroup::collect).unwrap());
    for expected in [
        "cpu.time user 0.571303",
        "cpu.limit 0.5",
        "cpu.throttling.throttled_periods 5",
        "cpu.throttling.time 3",
        "memory.limit 134217728",
        "memory.usage 238325760",
        "pids.limit 512",
    ] {
        assert!(lines.contains(&expected.to_owned()), "{expected} in {lines:#?}");
    }
}

#[test]
fn a_controller_that_is_not_handed_down_has_no_figures() {
    let mut bare = Sandbox::new()
        .file("/proc/self/cgroup", "0::/a\n")
        .file("/proc/self/mountinfo", include_str!("../tests/recorded/v2/mountinfo"))
        .file("/sys/fs/cgroup/a/cgroup.events", "populated 1\n")
        .file("/sys/fs/cgroup/a/cpu.stat", "usage_usec 2\nuser_usec 1\nsystem_usec 1\n")
        .file("/sys/fs/cgroup/memory.current", "5\n");
    assert_eq!(lines(&bare.run(Cgroup::collect).unwrap()), ["cpu.time user 0.000001", "cpu.time system 0.000001"]);
}

#[test]
fn of_a_hybrid_machine_the_groups_are_told_from_the_roots() {
    let contribution = hybrid().run(Cgroup::collect).unwrap();
    let path = "/sys/fs/cgroup/memory/process_api/5f1c";
    assert_eq!(metadata(&contribution), [("cgroup.version", "1"), ("cgroup.path", path)]);
    assert_eq!(
        lines(&contribution),
        [
            "memory.usage 2864226304",
            "memory.working_set 1031086080",
            "memory.peak 3763113984",
            "memory.swap.usage 0",
            "memory.stat anon 2514944",
            "memory.stat file 2788261888",
            "memory.stat shmem 0",
            "paging.faults minor 4894846",
            "paging.faults major 783",
            "memory.events max 0",
            "memory.events oom_kill 0",
        ]
    );
}

#[test]
fn version_1_counts_by_controller() {
    let mount = |name: &str| format!("32 31 0:29 /d/c /sys/fs/cgroup/{name} ro - cgroup cgroup rw,{name}\n");
    let mut sandbox = Sandbox::new()
        .file("/proc/self/cgroup", "3:pids:/d/c\n2:cpu,cpuacct:/d/c\n1:name=systemd:/d/c\n0::/\n")
        .file("/proc/self/mountinfo", mount("pids") + &mount("cpu,cpuacct"))
        .missing("/sys/fs/cgroup/pids/cgroup.sane_behavior")
        .missing("/sys/fs/cgroup/cpu,cpuacct/cgroup.sane_behavior")
        .file("/sys/fs/cgroup/pids/pids.current", "3\n")
        .file("/sys/fs/cgroup/pids/pids.max", "30\n")
        .file("/sys/fs/cgroup/pids/pids.events", "max 1\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "20000\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_periods 21\nnr_throttled 20\nthrottled_time 1327672459\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage_user", "1500000000\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage_sys", "0\n");
    let contribution = sandbox.run(Cgroup::collect).unwrap();
    assert_eq!(metadata(&contribution)[0], ("cgroup.version", "1"));
    assert_eq!(
        lines(&contribution),
        [
            "cpu.time user 1.5",
            "cpu.time system 0",
            "cpu.limit 0.2",
            "cpu.throttling.periods 21",
            "cpu.throttling.throttled_periods 20",
            "cpu.throttling.time 1.327672459",
            "pids.count 3",
            "pids.limit 30",
            "pids.refused 1",
        ]
    );
    let mut without_a_quota = sandbox.file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    assert!(!lines(&without_a_quota.run(Cgroup::collect).unwrap()).iter().any(|line| line.starts_with("cpu.limit")));
}

#[test]
fn where_there_is_no_group_the_reason_is_said() {
    let at = |own: &str| {
        let sandbox = Sandbox::new().file("/proc/self/cgroup", own);
        sandbox.file("/proc/self/mountinfo", include_str!("../tests/recorded/v2/mountinfo"))
    };
    let mut root = at("0::/\n").file("/sys/fs/cgroup/cpu.stat", "").missing("/sys/fs/cgroup/cgroup.events");
    for (sandbox, reason) in [
        (&mut root, "version 2: it is in the root"),
        (&mut at("0::/../x\n"), "version 2: the group is outside of the cgroup namespace"),
        (&mut at("4:memory:/x\n"), "memory: the hierarchy is not mounted"),
        (&mut at("0::/gone\n").missing("/sys/fs/cgroup/gone").missing(TOP), "version 2: the group's directory is not"),
    ] {
        match sandbox.run(Cgroup::collect) {
            Err(Error::Unavailable(text)) => assert!(text.contains(reason), "{reason}: {text}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
}

#[test]
fn a_missing_grant_is_named() {
    let own = || Sandbox::new().file("/proc/self/cgroup", "0::/\n");
    let mounted = || own().file("/proc/self/mountinfo", include_str!("../tests/recorded/v2/mountinfo"));
    let is_root_or_not = || mounted().file("/sys/fs/cgroup/other", "");
    let figures = || mounted().file("/sys/fs/cgroup/cgroup.events", "populated 1\n");
    for (mut sandbox, path) in [
        (Sandbox::new(), "`/proc/self/cgroup`"),
        (own(), "`/proc/self/mountinfo`"),
        (mounted(), "`/sys/fs/cgroup`"),
        (is_root_or_not(), "`/sys/fs/cgroup/cgroup.events`"),
        (figures(), "`/sys/fs/cgroup/cpu.stat`"),
    ] {
        match sandbox.run(Cgroup::collect) {
            Err(Error::Denied(text)) => assert!(text.contains(path), "{path}: {text}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_known_for_depth_is_absent() {
    let deep = format!("{TOP}{}", "/d".repeat(40));
    let lines = lines(&v2(&deep).run(Cgroup::collect).unwrap());
    assert!(lines.contains(&"memory.usage 238325760".to_owned()), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("limit")), "{lines:#?}");
}

#[test]
fn a_missing_grant_is_told_with_all_that_there_have_to_be() {
    let error = Sandbox::new().run(Cgroup::collect).unwrap_err();
    let Error::Denied(text) = &error else { panic!("{error:?}") };
    let start =
        "`/proc/self/cgroup` is not granted; put into the sidecar, under `[grant]`: read = [\"/proc/self/cgroup\", ";
    assert!(text.starts_with(start) && text.len() <= 1024, "{text}");
    assert!(text.ends_with("\"/sys/fs/cgroup/**/pids.{current,max,events}\"]"), "{text}");
    let elsewhere = || Error::denied("`/mnt/cgroup/memory.stat` is not granted");
    assert_eq!(with_cure(elsewhere()), elsewhere());
}

#[test]
fn a_strange_name_is_shown_plainly() {
    assert_eq!(bounded("/sys/fs/cgroup/a\u{7}b"), "/sys/fs/cgroup/a\u{fffd}b");
    assert_eq!(bounded(&"ä".repeat(1000)).len(), 1024);
    assert!(bounded(&"\u{7}".repeat(1000)).len() <= 1024);
}

#[test]
fn all_that_is_collected_is_described() {
    let description = Cgroup::describe();
    for contribution in [v2(TOP).run(Cgroup::collect).unwrap(), hybrid().run(Cgroup::collect).unwrap()] {
        for point in &contribution.points {
            let info = description.metrics.iter().find(|info| info.name == point.name).unwrap();
            let keys: Vec<std::borrow::Cow<'static, str>> = info.keys.iter().map(|key| (*key).into()).collect();
            assert!(point.attributes.iter().all(|attribute| keys.contains(&attribute.key)), "{point:?}");
        }
        for entry in &contribution.metadata {
            assert!(description.metadata.iter().any(|info| info.key == entry.key), "{entry:?}");
        }
    }
}
