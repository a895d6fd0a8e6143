//! The collector `top` on this machine, held against an independent reading.

use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{FakeHub, Sandbox, bundled, metric, wait_for};

/// What the collector comes with, but for how often it measures and how many it shows: the machine may be busy.
const SIDECAR: &str = include_str!("../../../plugins/top/top.toml");
/// Names that end like those in `/proc/PID/stat` and go on; one for each test, since processes of one name are added up.
const BURNS: &str = "burns) R 1 (cpu";
const HOLDS: &str = "holds) R 1 (mem";

/// A process that does nothing but use a CPU; it ends with the test.
struct Burner(Child);

impl Burner {
    fn start(sandbox: &Sandbox) -> Burner {
        let program = sandbox.path(BURNS);
        symlink("/bin/sh", &program).unwrap();
        let mut command = Command::new(program);
        let child = command.args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
        Burner(child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// CPU time so far in seconds: the 14th and 15th field of its `stat`.
    fn used(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_uses_cpu_is_shown_with_name_number_and_figures_until_it_stops() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    sandbox.drop_collector("top", bundled("top"), &sidecar());
    let _agent = sandbox.start(&["run"]);
    hub.report("a first measurement", |report| metric(report, "top", "system.process.threads").is_some());
    let burner = Burner::start(&sandbox);
    let id = burner.0.id();
    let entry = |report: &Value| {
        listed(report, "top.cpu")
            .into_iter()
            .find(|entry| entry.starts_with(&format!("{id}:burns%29%20R%201%20%28cpu:0.")))
    };
    hub.report("the process that uses CPU", |report| entry(report).is_some());
    wait_for("some more measurements", || (measured(&hub).len() >= 4).then_some(()));
    burner.signal(Signal::STOP);
    let report =
        hub.report("that it does nothing", |report| entry(report).is_none() && count(report, "stopped") >= 1.0);
    assert!(count(&report, "running") + count(&report, "sleeping") >= 2.0, "{report}");

    // All that it has used was told once, by the kernel's count. On a busy machine a measurement ends some time after
    // it has begun, so the times between two are rough.
    let cores = report["resources"]["cpuLimitCores"].as_f64().unwrap();
    let measured = measured(&hub);
    let told = measured.windows(2).map(|pair| pair[1].1 * cores * pair[1].0.duration_since(pair[0].0).as_secs_f64());
    let (told, used) = (told.sum::<f64>(), burner.used());
    assert!((0.6..1.7).contains(&(told / used)), "{told} s of CPU, and by the kernel {used} s: {measured:?}");
    drop(burner);
    hub.report("that it is gone", |report| value(report, "process.memory.usage", BURNS).is_none());
}

#[test]
fn memory_is_that_of_the_kernels_exact_count() {
    let sandbox = Sandbox::new();
    // It holds 300 MiB, which is more than most; `tail` keeps what has no line end.
    let program = sandbox.path(HOLDS);
    symlink("/usr/bin/tail", &program).unwrap();
    let mut command = Command::new(program);
    let child = command.args(["-n", "1"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut holder = Burner(child);
    let mut input = holder.0.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, &vec![b'x'; 300 << 20]).unwrap();
    let before =
        wait_for("the memory to be held", || Some(holder.resident()).filter(|held| *held > f64::from(300 << 20)));
    let answer = run(&sandbox, &sidecar());
    let metrics = &answer["metrics"];
    let told = value(&answer, "process.memory.usage", HOLDS).unwrap_or_else(|| panic!("{metrics}"));
    // It may have read on meanwhile.
    assert!(before <= told && told <= holder.resident(), "{before}, {told}: {metrics}");
    let listed = answer["metadata"]["top.memory"].as_str().unwrap();
    assert!(listed.contains(&format!("{}:holds%29%20R%201%20%28mem:{told} ", holder.0.id())), "{listed}");
    assert!(value(&answer, "process.cpu.utilization", HOLDS).is_none(), "of one collect there is none: {metrics}");
    drop(input);
}

#[test]
fn without_its_grants_figures_are_absent_or_nothing_is_measured() {
    let sandbox = Sandbox::new();
    for sidecar in ["", "[grant]\nread = [\"/proc/uptime\", \"/proc/[0-9]*/status\"]"] {
        let answer = run(&sandbox, sidecar);
        assert_eq!((&answer["ok"], &answer["failure"]), (&false.into(), &"denied".into()), "{answer}");
        assert!(answer["reason"].as_str().unwrap().contains("/proc/[0-9]*/stat"), "{answer}");
    }
    let limits = "[limits]\nfile_calls = 6000\n";
    let answer = run(&sandbox, &format!("[grant]\nread = [\"/proc/[0-9]*/stat\"]\n{limits}"));
    let names: Vec<_> = answer["metrics"].as_array().unwrap().iter().map(|metric| &metric["name"]).collect();
    assert!(names.iter().all(|name| name.as_str().unwrap().starts_with("system.")), "{names:?}");
    assert_eq!(names.len(), 6, "{names:?}");
}

fn sidecar() -> String {
    let sidecar = SIDECAR.replace("interval = \"10s\"", "interval = \"2s\"").replace("count = 5", "count = 20");
    assert!(sidecar.contains("\"2s\"") && sidecar.contains("count = 20"));
    sidecar
}

fn run(sandbox: &Sandbox, sidecar: &str) -> Value {
    sandbox.drop_collector("top", bundled("top"), sidecar);
    let ended = sandbox.start(&["plugin", "run", "plugins/top.wasm", "--json"]).ended();
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ended.stdout, ended.stderr))
}

fn listed(report: &Value, key: &str) -> Vec<String> {
    report["metadata"][key].as_str().unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
}

/// When the collector has measured, and the share of the process that uses CPU.
fn measured(hub: &FakeHub) -> Vec<(Instant, f64)> {
    let mut measured: Vec<(Instant, f64)> = Vec::new();
    for request in hub.requests() {
        let Some(point) = metric(&request.body, "top", "system.process.threads") else { continue };
        let at = request.at - Duration::from_millis(point["ageMs"].as_u64().unwrap());
        // Reports with the same measurement tell its age with some milliseconds more or less.
        if measured.last().is_none_or(|(last, _)| at > *last + Duration::from_millis(500)) {
            measured.push((at, value(&request.body, "process.cpu.utilization", BURNS).unwrap_or(0.0)));
        }
    }
    measured
}

/// Of the processes with a name.
fn value(report: &Value, metric: &str, name: &str) -> Option<f64> {
    let has_name = |one: &&Value| one["name"] == metric && one["attributes"]["process.executable.name"] == name;
    report["metrics"].as_array()?.iter().find(has_name)?["value"].as_f64()
}

fn count(report: &Value, state: &str) -> f64 {
    let has_state = |one: &&Value| one["name"] == "system.process.count" && one["attributes"]["process.state"] == state;
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(has_state).and_then(|one| one["value"].as_f64()).unwrap_or_default()
}
