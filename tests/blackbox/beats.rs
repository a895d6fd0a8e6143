//! When reports leave, and what cannot delay them. Where the intervals are an hour, no other report can be meant.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Answer, FakeHub, OK, Process, Sandbox, wait_for};

/// That of this process, and of what it starts unless that changes it.
fn own_nice() -> i32 {
    nice(&fs::read_to_string("/proc/self/stat").unwrap()).1
}

fn memory_adjustment(pid: impl std::fmt::Display) -> String {
    fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().to_owned()
}

/// The name and the nice value of a thread; proc(5).
fn nice(stat: &str) -> (String, i32) {
    let (name, fields) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
    (name.to_owned(), fields.split_ascii_whitespace().nth(16).unwrap().parse().unwrap())
}

fn nice_of_threads(pid: u32) -> Vec<(String, i32)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("stat")).ok()).map(|it| nice(&it)).collect()
}

fn is_allowed(command: &str) -> bool {
    Command::new("sh").args(["-c", command]).output().unwrap().status.success()
}

/// Waits for so much time to have passed: that a process stands still cannot be seen from outside.
fn stand_still(agent: &Process, for_at_least: Duration) {
    agent.signal(Signal::STOP);
    let since = Instant::now();
    wait_for("the end of the pause", || (since.elapsed() > for_at_least).then_some(()));
    agent.signal(Signal::CONT);
}

fn resumed(report: &Value) -> Option<u64> {
    report["resumed"]["suspendedMs"].as_u64()
}

#[test]
fn an_agent_that_stood_still_says_so_at_once_and_until_somebody_has_heard_it() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_REPORT_INTERVAL", "1s");
    let agent = sandbox.start(&["run"]);
    hub.reports(2);
    hub.answer(Answer::Status("500 Internal Server Error", "{}"));
    let paused = Duration::from_secs(4);
    stand_still(&agent, paused);
    let seen = hub.requests().len();
    let went_on = Instant::now();
    hub.report("word of it", |report| resumed(report).is_some());
    assert!(went_on.elapsed() < Duration::from_secs(2), "{:?}", went_on.elapsed());
    let of = |requests: &[Value]| requests.last().map(|last| last["seq"].as_u64().unwrap());
    let first = of(&hub.requests()[seen..].iter().map(|it| it.body.clone()).collect::<Vec<_>>()).unwrap();
    let again = hub.report("another report", |report| report["seq"].as_u64().unwrap() > first + 1);
    let told = resumed(&again).expect("nobody has accepted it yet");
    assert!((2_000..20_000).contains(&told), "{told} ms");
    let at = again["resumed"]["at"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.len() == 24, "{at}");

    hub.answer(OK);
    hub.report("a report without it", |report| resumed(report).is_none() && report["status"] == "running");
    assert_eq!(agent.said("stood still"), 1, "{:#?}", agent.stderr());
    assert_eq!(agent.said("reports are late"), 0, "it has been told why: {:#?}", agent.stderr());
}

#[test]
fn a_wall_clock_that_jumps_ahead_is_a_sandbox_that_stood_still() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_REPORT_INTERVAL", "1h");
    let (library, clock) = (sandbox.path("clock.so"), sandbox.path("clock"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox/clock.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status().unwrap();
    assert!(built.success());
    fs::write(&clock, "0").unwrap();
    let sandbox =
        sandbox.env("LD_PRELOAD", library.to_str().unwrap()).env("SANDBEAT_TEST_CLOCK", clock.to_str().unwrap());
    let agent = sandbox.start(&["run"]);
    hub.reports(1);
    fs::write(&clock, "-7200").unwrap();
    // Set ahead again only after it was seen to be behind.
    let behind = || sandbox.start(&["status", "--json"]).ended();
    assert!(behind().status.success());
    let seen_behind = Instant::now();
    wait_for("two looks at the clocks", || (seen_behind.elapsed() > Duration::from_millis(2500)).then_some(()));
    assert_eq!(hub.requests().len(), 1, "set back it means nothing");
    fs::write(&clock, "-3600").unwrap();
    let report = hub.report("word of it", |report| resumed(report).is_some());
    assert!(resumed(&report).is_some_and(|millis| millis.abs_diff(3_600_000) < 5_000), "{report}");
    assert_eq!(report["trigger"], "resumed");
    assert!(report["uptimeSecs"].as_u64().unwrap() < 60, "{report}");
    assert_eq!(agent.said("stood still"), 1, "{:#?}", agent.stderr());
}

#[test]
fn a_process_that_fails_is_told_at_once_and_one_that_crashes_on_and_on_is_told_rarely() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_REPORT_INTERVAL", "1h").config(
        "[processes.loops]\ncommand = [\"sh\", \"-c\", \"test -e go || exec sleep 600; exit 7\"]\n\
         backoff = { initial = \"10ms\", max = \"10ms\", limit = 0 }",
    );
    let _agent = sandbox.start(&["run"]);
    hub.reports(1);
    let report = wait_for("it runs", || {
        let ps = sandbox.start(&["ps", "--json"]).ended();
        serde_json::from_str::<Value>(&ps.stdout).ok().filter(|_| ps.stdout.contains("\"running\""))
    });
    let text = report.to_string();
    let pid: i32 = text.split("\"pid\":").nth(1).unwrap().split([',', '}']).next().unwrap().parse().unwrap();
    fs::write(sandbox.path("go"), "").unwrap();
    let failed = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let restarts = |report: &Value| report["processes"]["loops"]["restartCount"].as_u64().unwrap_or(0);
    let report = hub.report("word of it", |report| restarts(report) > 0);
    assert_eq!(report["trigger"], "change");
    assert!(failed.elapsed() < Duration::from_secs(3), "{:?}", failed.elapsed());
    hub.report("word of many", |report| restarts(report) > 200);
    // At the start, and then after 0, 1, 3, 7, 15, 31 and 63 s.
    assert!(hub.requests().len() <= 8, "{}", hub.requests().len());
}

#[test]
fn an_agent_that_takes_long_to_stop_says_that_it_is_stopping() {
    let hub = FakeHub::start();
    let script = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.02; done";
    let sandbox = Sandbox::reporting_to(&hub)
        .env("AGENT_REPORT_INTERVAL", "1h")
        .config(&format!("[processes.slow]\ncommand = [\"sh\", \"-c\", \"{script}\"]"));
    let agent = sandbox.start(&["run"]);
    hub.reports(1);
    wait_for("it runs", || sandbox.start(&["ps"]).ended().stdout.contains("running").then_some(()));
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
    let told = hub.requests();
    let told: Vec<_> = told.iter().map(|it| (it.body["status"].as_str().unwrap(), &it.body["stopping"])).collect();
    assert_eq!(told, [("running", &Value::Null), ("running", &true.into()), ("stopped", &Value::Null)]);
}

#[test]
fn the_agent_goes_first_and_dies_last_and_its_processes_are_as_they_would_be() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let (seen, checked) = (sandbox.path("seen"), sandbox.path("checked"));
    let script =
        format!("cat /proc/self/oom_score_adj /proc/self/stat > {0}.new; mv {0}.new {0}; sleep 600", seen.display());
    let sandbox = sandbox.config(&format!(
        "[processes.child]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n\
         health = {{ exec = [\"sh\", \"-c\", \"cat /proc/self/oom_score_adj > {}\"], interval = \"50ms\" }}",
        checked.display()
    ));
    // More than nothing, so that there is something to give up even where that takes a privilege.
    let worse = "echo 500 > /proc/self/oom_score_adj; exec \"$@\"";
    let agent = sandbox.start_by(&["sh", "-c", worse, "sh"], &["run"]);
    hub.reports(2);
    let told = wait_for("the child's words", || fs::read_to_string(&seen).ok());
    let checked = wait_for("the check's words", || fs::read_to_string(&checked).ok().filter(|it| !it.is_empty()));
    let (adjustment, stat) = told.split_once('\n').unwrap();
    let own_nice = own_nice();
    assert_eq!((adjustment, checked.trim()), ("500", "500"));
    assert_eq!(nice(stat).1, own_nice);

    let spared = match is_allowed("echo -900 > /proc/self/oom_score_adj") {
        true => "-900",
        false => "0",
    };
    assert_eq!(memory_adjustment(agent.id()), spared);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", agent.id())).unwrap();
    let name = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it == "sandbeat-guard\n");
    let guard = children.split_ascii_whitespace().find(name).expect("a guard");
    assert_eq!(memory_adjustment(guard), spared, "the guard is spared as well");

    let threads = nice_of_threads(agent.id());
    let of = |name: &str| threads.iter().find(|(known, _)| known == name).map(|(_, nice)| *nice);
    // Where it is refused, `nice` runs its command as it is.
    let first = if is_allowed("test \"$(nice -n -10 nice)\" -lt \"$(nice)\"") { -10 } else { own_nice };
    assert_eq!(of("beat"), Some(first), "{threads:?}");
    assert_eq!(of("collectors"), Some(own_nice + 5), "{threads:?}");
    assert_eq!(of("sandbeat"), Some(own_nice), "{threads:?}");
}

#[test]
fn without_privileges_it_starts_without_complaint() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[processes.child]\ncommand = [\"sleep\", \"600\"]");
    let none: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
        false => &[],
    };
    let agent = sandbox.start_by(none, &["run"]);
    hub.report("the child", |report| report["processes"]["child"]["status"] == "running");
    let own_nice = own_nice();
    let threads = nice_of_threads(agent.id());
    assert!(threads.contains(&("beat".to_owned(), own_nice)), "{threads:?}");
    assert_eq!(agent.said("WARN") + agent.said("ERROR"), 0, "{:#?}", agent.stderr());
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_report_and_no_end() {
    let hub = FakeHub::start();
    // Each end of each of them is a line.
    let flaps = |n| {
        let backoff = "{ initial = \"10ms\", max = \"10ms\", limit = 0 }";
        format!("[processes.flaps{n}]\ncommand = [\"false\"]\nbackoff = {backoff}\n")
    };
    let sandbox = Sandbox::reporting_to(&hub)
        .env("AGENT_REPORT_INTERVAL", "20ms")
        .env("SANDBEAT_LOG", "trace")
        .config(&(1..=4).map(flaps).collect::<String>());
    let path = sandbox.path("pipe");
    mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut options = fs::OpenOptions::new();
    let reader = options.read(true).write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(&path);
    let mut reader = reader.unwrap();
    let script = format!("exec \"$@\" 2>{}", path.display());
    let agent = sandbox.start_by(&["sh", "-c", &script, "sh"], &["run"]);
    // Not a page short of what a pipe holds: the next line does not fit.
    wait_for("the pipe to be full", || (rustix::io::ioctl_fionread(&reader).unwrap() > 60_000).then_some(()));
    let full = hub.requests().len();
    let since = Instant::now();
    hub.reports(full + 100);
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
    let restarts = |report: &Value| report["processes"]["flaps1"]["restartCount"].as_u64().unwrap_or(0);
    let at_full = restarts(&hub.requests()[full].body);
    hub.report("more lines than may wait", |report| restarts(report) > at_full + 400);

    // What was lost is told when somebody reads on.
    let mut read = Vec::new();
    wait_for("the word about what was lost", || {
        let mut bytes = [0; 4096];
        let count = std::io::Read::read(&mut reader, &mut bytes).unwrap_or(0);
        read.extend_from_slice(&bytes[..count]);
        String::from_utf8_lossy(&read).contains("lines of the log are lost").then_some(())
    });

    wait_for("the pipe to be full again", || (rustix::io::ioctl_fionread(&reader).unwrap() > 60_000).then_some(()));
    let since = Instant::now();
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!(hub.requests().last().unwrap().body["status"], "stopped");
}
