//! The sample as a whole, over recorded trees and on the machine that runs the tests.

mod group;
mod live;

use std::time::Duration;

use sandbeat_status::{Source, Throttling};

use super::tree::Tree;
use super::*;

const STALLS: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n";
const DEADLINE: Duration = Duration::from_secs(30);

fn sampler(tree: &Tree, ports: &[u16]) -> Sampler {
    let config = Config { sandbox_id: "s".to_owned(), session_ports: ports.to_vec(), disks: Vec::new() };
    Sampler::new(config, tree.root(), Instant::now())
}

#[test]
fn a_limited_sandbox_is_measured_against_its_limits() {
    let tree = Tree::v2("/a")
        .file("sys/fs/cgroup/a/cpu.stat", "usage_usec 1000000\nnr_periods 20\nnr_throttled 5\nthrottled_usec 250000\n")
        .file("sys/fs/cgroup/a/cpu.max", "50000 100000\n")
        .file("sys/fs/cgroup/a/memory.current", "2097152\n")
        .file("sys/fs/cgroup/a/memory.stat", "inactive_file 1048576\n")
        .file("sys/fs/cgroup/a/memory.max", "4194304\n")
        .file("sys/fs/cgroup/a/memory.events", "oom_kill 2\n")
        .file("sys/fs/cgroup/a/pids.current", "7\n")
        .file("sys/fs/cgroup/a/pids.max", "max\n")
        .file("sys/fs/cgroup/a/cpu.pressure", STALLS)
        .file("sys/fs/cgroup/a/memory.pressure", STALLS)
        .file("sys/fs/cgroup/a/io.pressure", STALLS)
        .file("sys/fs/cgroup/a/cgroup.procs", "41\n42\n")
        .file("proc/41/fd/0", "")
        .file("proc/42/fd/1", "");
    let mut sampler = sampler(&tree, &[]);
    let sample = settled(&mut sampler);
    assert_eq!((sample.cpu_limit_cores, sample.cpu_source), (Some(0.5), Some(Source::Cgroup2)));
    assert_eq!((sample.memory_bytes, sample.memory_limit_bytes), (Some(1 << 20), Some(4 << 20)));
    let throttling = Throttling { periods: 20, throttled_periods: 5, throttled_secs: 0.25 };
    assert_eq!((sample.cpu_time_secs, sample.cpu_throttling), (Some(1.0), Some(throttling)));
    assert_eq!((sample.memory_usage_bytes, sample.oom_kills), (Some(2 << 20), Some(2)));
    assert_eq!((sample.pids, sample.pids_limit, sample.open_files), (Some(7), None, Some(2)));
    assert_eq!(sample.pressure.io.unwrap().some.total_secs, 1.5);
    assert_eq!(sample.session_count, None);
    assert_eq!(sampler.unavailable(), []);
}

/// A container with a cgroup namespace of its own on a host with version 1 and an idle version 2 beside it.
#[test]
fn a_namespaced_container_on_a_hybrid_host_is_measured_at_the_top_that_it_sees() {
    let tree = Tree::new("4:memory:/\n3:pids:/\n2:cpu,cpuacct:/\n0::/\n")
        .mount("/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory")
        .mount("/", "/sys/fs/cgroup/pids", "cgroup", "rw,pids")
        .mount("/", "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct")
        .mount("/", "/sys/fs/cgroup/unified", "cgroup2", "rw")
        .file("sys/fs/cgroup/unified/cgroup.events", "populated 1\n")
        .file("sys/fs/cgroup/unified/cgroup.procs", "7\n")
        .file("sys/fs/cgroup/unified/cpu.stat", "usage_usec 1\n")
        .file("sys/fs/cgroup/memory/memory.usage_in_bytes", "3000\n")
        .file("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 1000\nhierarchical_memory_limit 4000\n")
        .file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
        .file("sys/fs/cgroup/memory/memory.oom_control", "oom_kill 1\n")
        .file("sys/fs/cgroup/pids/pids.current", "2\n")
        .file("sys/fs/cgroup/pids/pids.max", "9\n")
        .file("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "2000000000\n")
        .file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "25000\n")
        .file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
        .file("sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_periods 4\nnr_throttled 1\nthrottled_time 500000000\n")
        .file("proc/7/fd/0", "");
    let mut sampler = sampler(&tree, &[]);
    let sample = settled(&mut sampler);
    assert_eq!((sample.cpu_source, sample.memory_source), (Some(Source::Cgroup1), Some(Source::Cgroup1)));
    assert_eq!((sample.cpu_time_secs, sample.cpu_limit_cores), (Some(2.0), Some(0.25)));
    let throttling = Throttling { periods: 4, throttled_periods: 1, throttled_secs: 0.5 };
    assert_eq!(sample.cpu_throttling, Some(throttling));
    assert_eq!((sample.memory_bytes, sample.memory_usage_bytes), (Some(2000), Some(3000)));
    assert_eq!((sample.memory_limit_bytes, sample.oom_kills), (Some(4000), Some(1)));
    assert_eq!((sample.pids, sample.pids_limit, sample.open_files), (Some(2), Some(9), Some(1)));
    assert_eq!(named(&sampler).len(), 3, "the pressure of each resource: {:?}", sampler.unavailable());
}

#[test]
fn whatever_the_files_say_a_figure_is_right_or_named() {
    const FILES: [&str; 9] = [
        "cpu.stat",
        "cpu.max",
        "cpuset.cpus.effective",
        "memory.current",
        "memory.stat",
        "memory.max",
        "memory.events",
        "pids.current",
        "cgroup.procs",
    ];
    let huge = "9".repeat(100_000);
    let lines = "0\n".repeat(50_000);
    let odd = [
        "",
        "\n",
        "\0",
        "-1\n",
        "NaN",
        "inf inf",
        "1e400 1\n",
        "18446744073709551616\n",
        "usage_usec -5",
        "a b c",
        "\u{fffd}",
    ];
    for text in odd.into_iter().chain([huge.as_str(), lines.as_str()]) {
        let tree = FILES.iter().fold(Tree::v2("/a"), |tree, name| tree.file(&format!("sys/fs/cgroup/a/{name}"), text));
        let mut sampler = sampler(&tree, &[]);
        let sample = settled(&mut sampler);
        let shown: String = text.chars().take(20).collect();
        assert_eq!((sample.cpu_percent, sample.cpu_time_secs), (None, None), "{shown:?}");
        assert_eq!((sample.memory_bytes, sample.oom_kills, sample.pids), (None, None, None), "{shown:?}");
        assert!(sample.cpu_limit_cores.is_none_or(|cores| cores >= 1.0), "{shown:?}");
        for figure in ["cpuPercent", "memoryMB", "resources.oomKills", "resources.pids"] {
            assert!(named(&sampler).contains(&figure), "{figure} of {shown:?}");
        }
    }
}

#[test]
fn a_percentage_comes_as_soon_as_one_can_be_told() {
    let tree = Tree::v2("/a").file("sys/fs/cgroup/a/cpu.stat", "usage_usec 0\n");
    let mut sampler = sampler(&tree, &[]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while sampler.peek(BTreeMap::new()).cpu_percent.is_none() {
        assert!(Instant::now() < deadline, "no percentage");
        std::thread::yield_now();
    }
    tree.write("sys/fs/cgroup/a/cpu.stat", "usage_usec 9999999999\n");
    assert_eq!(sampler.take(BTreeMap::new()).cpu_percent, Some(100.0));
}

#[test]
fn without_groups_the_machine_answers() {
    let tree = Tree::new("0::/\n").file("proc/stat", "cpu  1 1 1 1\ncpu0 1 1 1 1\n");
    let sample = sampler(&tree, &[]).take(BTreeMap::new());
    assert_eq!((sample.cpu_source, sample.memory_source), (Some(Source::Machine), Some(Source::Machine)));
    assert!(sample.memory_bytes < sample.memory_limit_bytes);
    assert!(sample.cpu_limit_cores >= Some(1.0));
}

/// What a report has as soon as everything that may take long has been answered.
fn settled(sampler: &mut Sampler) -> Sample {
    let asked = Instant::now();
    sampler.peek(BTreeMap::new());
    sampler.figures.survey().wait(asked, DEADLINE);
    sampler.take(BTreeMap::new())
}

/// Waits for a condition.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn named(sampler: &Sampler) -> Vec<&str> {
    sampler.unavailable().iter().map(|missing| missing.figure).collect()
}

#[test]
fn what_cannot_be_read_is_absent_and_named() {
    let tree = Tree::v2("/a").file("sys/fs/cgroup/a/memory.current", "1\n").file("sys/fs/cgroup/a/pids.current", "x\n");
    let config = Config { sandbox_id: "s".to_owned(), session_ports: vec![22], disks: vec!["/no/such/path".into()] };
    let mut sampler = Sampler::new(config, tree.root(), Instant::now());
    let sample = settled(&mut sampler);
    assert_eq!((sample.cpu_percent, sample.cpu_time_secs, sample.cpu_throttling), (None, None, None));
    assert_eq!((sample.memory_bytes, sample.memory_usage_bytes, sample.oom_kills), (None, None, None));
    assert_eq!((sample.pids, sample.open_files, sample.session_count), (None, None, None));
    assert!(sample.disks.is_empty() && sample.pressure.is_empty());
    let wanted = [
        "cpuPercent",
        "resources.cpuTimeSecs",
        "memoryMB",
        "resources.memoryUsageBytes",
        "resources.oomKills",
        "resources.pids",
        "resources.pressure.cpu",
        "resources.pressure.memory",
        "resources.pressure.io",
        "resources.disks",
        "sessionCount",
        "resources.openFiles",
    ];
    let mut named = named(&sampler);
    // The machine that stands in for the tree's has it, or has not.
    named.retain(|figure| *figure != "resources.memoryLimitMB");
    assert_eq!(named, wanted);
    assert!(sampler.unavailable().iter().all(|missing| !missing.reason.is_empty()));
}

/// As lxcfs has it, when its server hangs.
#[test]
fn files_that_are_not_the_kernels_own_are_not_read_and_named() {
    let lxcfs = ["meminfo", "stat", "vmstat", "pressure/cpu"];
    let tree = Tree::new("0::/\n").namespace("cgroup", "cgroup:[4026531835]").namespace("pid", "pid:[4026531836]");
    let tree = lxcfs.iter().fold(tree, |tree, name| {
        tree.pipe(&format!("proc/{name}")).mount("/", &format!("/proc/{name}"), "fuse.lxcfs", "rw")
    });
    let root = tree.root().to_owned();
    let (done, waiting) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let config = Config { sandbox_id: "s".to_owned(), session_ports: Vec::new(), disks: Vec::new() };
        let mut sampler = Sampler::new(config, &root, Instant::now());
        sampler.peek(BTreeMap::new());
        let observed = sampler.observer().measure(BTreeMap::new());
        let _ = done.send((sampler.take(BTreeMap::new()), sampler.unavailable().to_vec(), observed.0));
    });
    let (sample, unavailable, observed) = waiting.recv_timeout(DEADLINE).expect("nothing hangs");
    for sample in [sample, observed] {
        assert_eq!((sample.cpu_percent, sample.cpu_time_secs, sample.cpu_source), (None, None, None));
        assert_eq!((sample.memory_bytes, sample.memory_usage_bytes, sample.memory_limit_bytes), (None, None, None));
        assert!(sample.oom_kills.is_none() && sample.pressure.is_empty());
        assert!(sample.cpu_limit_cores.is_some(), "no file tells it");
    }
    for (figure, path) in [
        ("cpuPercent", "/proc/stat"),
        ("resources.cpuTimeSecs", "/proc/stat"),
        ("resources.oomKills", "/proc/vmstat"),
        ("resources.pressure", "/proc/pressure/cpu"),
    ] {
        let reason = format!("{path} is a fuse.lxcfs file, which could hang");
        assert!(unavailable.contains(&Unavailable { figure, reason }), "{unavailable:?}");
    }
    assert!(unavailable.iter().any(|missing| missing.figure == "memoryMB" && missing.reason.contains("fuse.lxcfs")));
}

#[test]
fn what_only_a_group_above_counts_is_not_told_as_the_sandboxs() {
    let tree = Tree::v2("/a/b")
        .file("sys/fs/cgroup/a/b/cgroup.procs", "41\n")
        .file("proc/41/stat", "41 (a) S 1 7 7 0 -1 0 100 0 0 0 5 6 0 0 20 0 3 0 1234 1 1")
        .file("proc/41/fd/0", "")
        .file("sys/fs/cgroup/a/memory.current", "1000\n")
        .file("sys/fs/cgroup/a/memory.stat", "inactive_file 300\n")
        .file("sys/fs/cgroup/a/memory.events", "oom_kill 3\n")
        .file("sys/fs/cgroup/a/memory.max", "4194304\n")
        .file("sys/fs/cgroup/a/pids.current", "900\n")
        .file("sys/fs/cgroup/a/pids.max", "1000\n");
    let mut sampler = sampler(&tree, &[]);
    let sample = settled(&mut sampler);
    assert_eq!((sample.memory_bytes, sample.memory_usage_bytes, sample.oom_kills), (None, None, None));
    assert_eq!((sample.memory_limit_bytes, sample.memory_source), (Some(4 << 20), None));
    assert_eq!((sample.pids, sample.pids_limit), (Some(3), Some(1000)), "its own are counted one by one");
    for figure in ["memoryMB", "resources.memoryUsageBytes", "resources.oomKills"] {
        let reason = sampler.unavailable().iter().find(|missing| missing.figure == figure).map(|it| &it.reason);
        assert!(reason.is_some_and(|reason| reason.contains("above the sandbox's")), "{figure}: {reason:?}");
    }
}

#[test]
fn what_no_machine_has_is_not_told() {
    let tree = Tree::v2("/a")
        .file("sys/fs/cgroup/a/memory.current", "1152921504606846977\n")
        .file("sys/fs/cgroup/a/memory.stat", "inactive_file 0\n")
        .file("sys/fs/cgroup/a/cpu.stat", "usage_usec 18446744073709551615\n")
        .file("sys/fs/cgroup/a/pids.current", "4294967297\n")
        .file("sys/fs/cgroup/a/pids.max", "18446744073709551615\n");
    let mut sampler = sampler(&tree, &[]);
    let sample = settled(&mut sampler);
    assert_eq!((sample.memory_bytes, sample.memory_usage_bytes, sample.memory_source), (None, None, None));
    assert_eq!((sample.cpu_time_secs, sample.cpu_percent, sample.cpu_source), (None, None, None));
    assert_eq!((sample.pids, sample.pids_limit), (None, None));
    for figure in ["memoryMB", "resources.cpuTimeSecs", "resources.pids", "resources.pidsLimit"] {
        assert_eq!(named(&sampler).iter().filter(|name| **name == figure).count(), 1, "{figure}");
    }
}

#[test]
fn the_first_sample_waits_for_nothing_and_names_nothing_that_is_on_its_way() {
    let tree = Tree::v2("/a").file("sys/fs/cgroup/a/cpu.stat", "usage_usec 0\n");
    let mut sampler = sampler(&tree, &[22]);
    assert!(sampler.take(BTreeMap::new()).session_count.is_none(), "nobody has asked");
    assert!(!named(&sampler).contains(&"sessionCount"));
}

#[test]
fn a_quota_on_cpu_time_that_nobody_accounts_has_no_percentage() {
    let tree = Tree::new("2:cpuacct:/\n1:cpu:/x\n")
        .mount("/", "/sys/fs/cgroup/cpuacct", "cgroup", "rw,cpuacct")
        .mount("/", "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu")
        .file("sys/fs/cgroup/cpuacct/release_agent", "")
        .file("proc/stat", "cpu  1 1 1 1\ncpu0 1 1 1 1\n")
        .file("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1\n")
        .file("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
    let mut sampler = sampler(&tree, &[]);
    assert_eq!(sampler.take(BTreeMap::new()).cpu_source, Some(Source::Machine));
    tree.write("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "10000\n");
    let sample = sampler.take(BTreeMap::new());
    assert_eq!((sample.cpu_limit_cores, sample.cpu_source, sample.cpu_time_secs), (Some(0.1), None, None));
    assert!(named(&sampler).contains(&"cpuPercent"));
}

#[test]
fn whoever_asks_between_reports_sees_the_same_and_changes_nothing() {
    let tree = Tree::v2("/a")
        .file("sys/fs/cgroup/a/cpu.stat", "usage_usec 0\n")
        .file("sys/fs/cgroup/a/cpu.max", "100000 100000\n");
    let mut sampler = sampler(&tree, &[]);
    let observer = sampler.observer();
    assert_eq!(observer.measure(BTreeMap::new()).0.cpu_percent, None, "too soon for a percentage");
    let deadline = Instant::now() + DEADLINE;
    while observer.measure(BTreeMap::new()).0.cpu_percent.is_none() {
        assert!(Instant::now() < deadline, "no percentage");
    }
    tree.write("sys/fs/cgroup/a/cpu.stat", "usage_usec 50000\n");
    let seen = observer.measure(BTreeMap::new()).0.cpu_percent.unwrap();
    assert!(seen > 0.0, "{seen}");
    let reported = sampler.take(BTreeMap::new()).cpu_percent.unwrap();
    assert!(reported > 0.0 && reported <= seen, "{reported} of {seen}: the same use, of a little more time");
}

/// The machine that runs the tests, whatever it is.
#[test]
fn this_very_sandbox_can_be_measured() {
    let config = Config { sandbox_id: "s".to_owned(), session_ports: vec![1], disks: vec!["/".into(), "/".into()] };
    let mut sampler = Sampler::new(config, Path::new("/"), Instant::now());
    let sample = settled(&mut sampler);
    assert!(sample.memory_bytes > Some(0) && sample.memory_usage_bytes >= sample.memory_bytes);
    assert!(!sample.hostname.is_empty());
    assert_eq!(sample.session_count, Some(0));
    assert_eq!(sample.disks.len(), 2, "one file system may be asked about twice");
    assert!(sample.disks[0].used_bytes > 0);
    // Each is there, or it is said why not.
    let named = named(&sampler);
    assert_ne!(sample.pids.is_some(), named.contains(&"resources.pids"));
    assert_ne!(sample.open_files.is_some(), named.contains(&"resources.openFiles"));
    assert_ne!(sample.oom_kills.is_some(), named.contains(&"resources.oomKills"));
    assert_ne!(sample.cpu_time_secs.is_some(), named.contains(&"resources.cpuTimeSecs"));
    assert_ne!(!sample.pressure.is_empty(), named.contains(&"resources.pressure"));
}
