//! The collector `cgroup` on this machine, held against an independent reading.
//!
//! Where the test may make control groups it starts the agent in some of its own, in each hierarchy that there is, with
//! limits that it has met already; elsewhere the agent stays in those that the test is in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Sandbox, bundled, wait_for};

/// What the collector comes with.
const SIDECAR: &str = include_str!("../../../plugins/cgroup/cgroup.toml");
const TOP: &str = "/sys/fs/cgroup";

/// A group that the test has made; it goes with the test.
struct Made(PathBuf);

impl Made {
    /// One inside another; nothing where that is not allowed.
    fn inside(parent: &Path) -> Option<Made> {
        let dir = parent.join(format!("sandbeat-test-{}", std::process::id()));
        fs::create_dir(&dir).ok().map(|()| Made(dir))
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // Its processes have ended; the kernel takes a moment to notice.
        if fs::remove_dir(&self.0).is_err() && !std::thread::panicking() {
            wait_for("the group to be empty", || fs::remove_dir(&self.0).ok());
        }
    }
}

#[test]
fn figures_are_those_of_the_groups_that_the_agent_is_in() {
    let mut made = Vec::new();
    let mut dirs: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for controller in ["memory", "cpu", "cpuacct", "pids", ""] {
        let Some(own) = own_group(controller) else { continue };
        let group = Made::inside(&own);
        dirs.insert(controller, group.as_ref().map_or(own, |group| group.0.clone()));
        made.extend(group);
    }
    let write = |controller: &str, file: &str, text: &str| {
        let written = made.iter().map(|group| &group.0).find(|dir| Some(*dir) == dirs.get(controller));
        written.is_some_and(|dir| fs::write(dir.join(file), text).is_ok())
    };
    let (has_limit, has_quota) = (write("pids", "pids.max", "400"), write("cpu", "cpu.cfs_quota_us", "20000"));
    write("memory", "memory.limit_in_bytes", "8589934592");
    // It uses its quota up, then has enough of it, and becomes the agent.
    let mut script = String::new();
    for group in &made {
        script += &format!("echo $$ > '{}/cgroup.procs'; ", group.0.display());
    }
    if has_quota {
        let quota = dirs["cpu"].join("cpu.cfs_quota_us").display().to_string();
        script += &format!("timeout 1 sh -c 'while :; do :; done'; echo 400000 > '{quota}'; ");
    }
    let answer = run(SIDECAR, &["sh", "-c", &(script + "exec \"$0\" \"$@\"")]);

    let is_root = |dir: &Path, is_v2: bool| match is_v2 {
        true => !dir.join("cgroup.events").exists(),
        false => dir.join("cgroup.sane_behavior").exists(),
    };
    dirs.retain(|controller, dir| !is_root(dir, controller.is_empty()));
    if dirs.is_empty() {
        assert_eq!((&answer["ok"], &answer["failure"]), (&false.into(), &"collector".into()), "{answer}");
        assert!(answer["reason"].as_str().unwrap().contains("in the root"), "{answer}");
        return;
    }
    compare(&answer, &dirs);
    if has_limit {
        assert_eq!(value(&answer, "container.pids.limit", ""), Some(400.0), "{answer}");
    }
    if has_quota {
        assert_eq!(value(&answer, "container.cpu.limit", ""), Some(4.0), "{answer}");
        assert!(value(&answer, "container.cpu.throttling.throttled_periods", "") >= Some(2.0), "{answer}");
        assert!(value(&answer, "container.cpu.throttling.time", "") > Some(0.1), "{answer}");
        let used = value(&answer, "container.cpu.time", "user").unwrap_or_default();
        assert!(used > 0.1 && used < 100.0, "{answer}");
    }
}

#[test]
fn a_missing_grant_is_named() {
    let without = |line: &str| {
        let lines: Vec<_> = SIDECAR.lines().filter(|one| !one.contains(line)).collect();
        run(&lines.join("\n"), &[])
    };
    for (answer, path) in [
        (run("", &[]), "/proc/self/cgroup"),
        (without("\"/proc/self/cgroup\""), "/proc/self/cgroup"),
        (without("\"/proc/self/mountinfo\""), "/proc/self/mountinfo"),
        (without("\"/sys/fs/cgroup"), "/sys/fs/cgroup"),
    ] {
        assert_eq!((&answer["ok"], &answer["failure"]), (&false.into(), &"denied".into()), "{path}: {answer}");
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.starts_with(&format!("`{path}")), "{path}: {answer}");
        // What it says is what it takes.
        let (_, cure) = reason.split_once("under `[grant]`: ").unwrap();
        let cured = run(&format!("[grant]\n{cure}"), &[]);
        assert_ne!(cured["failure"], "denied", "{cured}");
    }
}

/// What is counted only grows while the agent is looked at, and the groups' files are read after it.
fn compare(answer: &Value, dirs: &BTreeMap<&str, PathBuf>) {
    let number = |controller: &str, file: &str| -> Option<f64> {
        fs::read_to_string(dirs.get(controller)?.join(file)).ok()?.trim().parse().ok()
    };
    let keyed = |controller: &str, file: &str, key: &str| -> Option<f64> {
        let text = fs::read_to_string(dirs.get(controller)?.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
    };
    let all_grow = [
        ("container.memory.peak", "", number("memory", "memory.max_usage_in_bytes").or(number("", "memory.peak"))),
        ("container.memory.events", "oom_kill", keyed("memory", "memory.oom_control", "oom_kill")),
        ("container.memory.events", "oom_kill", keyed("", "memory.events", "oom_kill")),
        ("container.paging.faults", "major", keyed("memory", "memory.stat", "total_pgmajfault")),
        ("container.cpu.throttling.periods", "", keyed("cpu", "cpu.stat", "nr_periods")),
        ("container.pids.refused", "", keyed("pids", "pids.events", "max").or(keyed("", "pids.events", "max"))),
    ];
    let mut compared = 0;
    for (metric, kind, read) in all_grow {
        let Some(read) = read else { continue };
        let told = value(answer, metric, kind).unwrap_or_else(|| panic!("no {metric} {kind}: {answer}"));
        assert!(told <= read, "{metric} {kind}: {told}, and later {read}");
        compared += 1;
    }
    if dirs.contains_key("") {
        let total = value(answer, "container.pressure.time", "cpu").expect("pressure needs no controller");
        let text = fs::read_to_string(dirs[""].join("cpu.pressure")).unwrap();
        let micros: f64 = text.split("total=").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        assert!(total <= micros / 1e6, "{total} of {text}");
        compared += 1;
    }
    if dirs.contains_key("pids") {
        assert!(value(answer, "container.pids.count", "") >= Some(1.0), "the agent itself: {answer}");
    }
    if dirs.contains_key("memory") {
        let usage = value(answer, "container.memory.usage", "").unwrap();
        assert!(Some(usage) <= value(answer, "container.memory.peak", ""), "{answer}");
        assert!(value(answer, "container.memory.working_set", "") <= Some(usage), "{answer}");
    }
    assert!(compared > 0, "nothing to compare in {dirs:?}");
    let path = answer["metadata"]["cgroup.path"].as_str().unwrap();
    assert!(dirs.values().any(|dir| dir == Path::new(path)), "{path} is none of {dirs:?}");
}

/// The directory of the group that this process is in: that of a controller of version 1, or of version 2 for none.
fn own_group(controller: &str) -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|one| one == controller).then_some(path)
    })?;
    let tops = if controller.is_empty() {
        [TOP.into(), format!("{TOP}/unified")]
    } else {
        [format!("{TOP}/{controller}"), TOP.into()]
    };
    let has_groups = |top: &&String| Path::new(top).join("cgroup.procs").exists();
    let top = tops.iter().find(has_groups)?;
    let dir = fs::canonicalize(Path::new(top).join(path.trim_start_matches('/'))).ok()?;
    dir.is_dir().then_some(dir)
}

fn run(sidecar: &str, wrapper: &[&str]) -> Value {
    let sandbox = Sandbox::new();
    sandbox.drop_collector("cgroup", bundled("cgroup"), sidecar);
    let ended = sandbox.start_by(wrapper, &["plugin", "run", "plugins/cgroup.wasm", "--json"]).ended();
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ended.stdout, ended.stderr))
}

/// Of the point that has an attribute with this value, or of the only one.
fn value(answer: &Value, metric: &str, attribute: &str) -> Option<f64> {
    let is_it = |one: &&Value| {
        let has_value =
            || one["attributes"].as_object().is_some_and(|all| all.values().any(|value| value == attribute));
        one["name"] == metric && (attribute.is_empty() || has_value())
    };
    answer["metrics"].as_array()?.iter().find(is_it)?["value"].as_f64()
}
