//! Supervision in hard times: crash loops, many processes, floods of output, a suspended agent, a clock set back.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Answer, FakeHub, Process, Sandbox, wait_for};

fn process<'a>(report: &'a Value, name: &str) -> &'a Value {
    &report["processes"][name]
}

fn pid(report: &Value, name: &str) -> Option<Pid> {
    process(report, name)["pid"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().ok()?))
}

fn exists(pid: Pid) -> bool {
    fs::exists(format!("/proc/{}", pid.as_raw_nonzero())).unwrap()
}

/// Megabytes of 10⁶ bytes that a process holds in memory.
fn resident(agent: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024 / 1_000_000
}

#[test]
fn crash_loops_are_given_up_and_delay_no_beat() {
    let hub = FakeHub::start();
    let table = |n: u32| {
        format!(
            "[processes.p{n}]\ncommand = [\"sh\", \"-c\", \"exit 3\"]\nbackoff = {{ initial = \"5ms\", max = \"5ms\", limit = 40 }}\n"
        )
    };
    let sandbox = Sandbox::reporting_to(&hub)
        .config(&(0..20).map(table).collect::<String>())
        .config("[processes.good]\ncommand = [\"sleep\", \"1000\"]");
    let _agent = sandbox.start(&["run"]);
    let report =
        hub.report("all given up", |report| (0..20).all(|n| process(report, &format!("p{n}"))["phase"] == "gave-up"));
    let given_up = process(&report, "p7");
    assert_eq!((&given_up["status"], &given_up["restartCount"]), (&"error".into(), &40.into()), "{given_up}");
    assert_eq!(given_up["lastError"], "given up after 40 restarts within 600s; at last: exited with code 3");
    assert_eq!(process(&report, "good")["status"], "running");
    for pair in hub.requests().windows(2) {
        let silence = pair[1].at - pair[0].at;
        assert!(silence < Duration::from_secs(2), "{silence:?}");
    }
}

#[test]
fn two_hundred_processes_start_and_end_together() {
    let hub = FakeHub::start();
    let table = |n: u32| format!("[processes.p{n}]\ncommand = [\"sh\", \"-c\", \"sleep 1000 & sleep 1000\"]\n");
    let sandbox = Sandbox::reporting_to(&hub).config(&(0..200).map(table).collect::<String>());
    let agent = sandbox.start(&["run"]);
    let all = |report: &Value| (0..200).map(|n| pid(report, &format!("p{n}"))).collect::<Option<Vec<_>>>();
    let report = hub.report("all of them", |report| all(report).is_some());
    let pids = all(&report).unwrap();
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
    let left: Vec<_> = pids.into_iter().filter(|pid| exists(*pid)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_flood_of_output_costs_no_memory_and_delays_no_beat() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config(
        "[processes.flood]\ncommand = [\"sh\", \"-c\", \"yes a line of output | head -c 200000000; echo over\"]\n\
         restart = \"never\"",
    );
    let agent = sandbox.start(&["run"]);
    hub.report("the flood", |report| process(report, "flood")["status"] == "running");
    let before = resident(&agent);
    hub.report("its end", |report| process(report, "flood")["phase"] == "exited");
    assert!(resident(&agent) < before + 40, "{before} MB before, {} MB after", resident(&agent));
    for pair in hub.requests().windows(2) {
        let silence = pair[1].at - pair[0].at;
        assert!(silence < Duration::from_secs(2), "{silence:?}");
    }
    let logs = sandbox.start(&["logs", "flood", "--tail", "1"]).ended();
    assert!(logs.stdout.ends_with("over"), "{logs:?}");
}

#[test]
fn a_suspended_agent_finds_out_on_its_return_what_has_happened() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config(
        "[processes.web]\ncommand = [\"sleep\", \"1000\"]\nhealth = { exec = [\"true\"], interval = \"20ms\" }\n\
         [processes.kept]\ncommand = [\"sleep\", \"1000\"]",
    );
    let agent = sandbox.start(&["run"]);
    let report = hub.report("both", |report| {
        process(report, "web")["phase"] == "ready" && process(report, "kept")["status"] == "running"
    });
    let (web, kept) = (pid(&report, "web").unwrap(), pid(&report, "kept").unwrap());
    agent.signal(Signal::STOP);
    kill_process(web, Signal::KILL).unwrap();
    let suspended = Instant::now();
    wait_for("a while without a beat", || (suspended.elapsed() > Duration::from_secs(2)).then_some(()));
    hub.take();
    agent.signal(Signal::CONT);
    let report = hub.report("the restart", |report| process(report, "web")["restartCount"] == 1);
    assert_eq!(process(&report, "web")["lastError"], "killed by SIGKILL");
    assert_eq!(pid(&report, "kept"), Some(kept));
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
    assert!(!exists(kept));
}

#[test]
fn a_clock_set_back_changes_no_wait_and_no_uptime() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let (library, clock) = (sandbox.path("clock.so"), sandbox.path("clock"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox/clock.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status().unwrap();
    assert!(built.success());
    fs::write(&clock, "0").unwrap();
    let sandbox = sandbox
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("SANDBEAT_TEST_CLOCK", clock.to_str().unwrap())
        .config(
            "[processes.flaps]\ncommand = [\"sh\", \"-c\", \"echo run; sleep 0.3; exit 1\"]\n\
             backoff = { initial = \"50ms\", max = \"50ms\", limit = 0 }\n\
             [processes.web]\ncommand = [\"sleep\", \"1000\"]",
        );
    let agent = sandbox.start(&["run"]);
    let report = hub.report("some restarts", |report| process(report, "flaps")["restartCount"].as_u64() > Some(2));
    let (restarts, uptime) =
        (process(&report, "flaps")["restartCount"].clone(), process(&report, "web")["uptimeMs"].clone());
    let year = |report: &Value| report["timestamp"].as_str().unwrap()[..4].parse::<u32>().unwrap();
    let now = year(&report);

    fs::write(&clock, "-94694400").unwrap();
    hub.take();
    let report = hub.report("another clock", |report| year(report) < now);
    let since = process(&report, "web")["uptimeMs"].as_u64().unwrap() - uptime.as_u64().unwrap();
    assert!(since < 60_000, "{since} ms more");
    hub.report("further restarts", |report| {
        process(report, "flaps")["restartCount"].as_u64().unwrap() > restarts.as_u64().unwrap() + 2
    });
    // Times of output go on; an hour ago by this clock is before all of it.
    let logs = sandbox.start(&["logs", "flaps", "--timestamps", "--tail", "3"]).ended();
    assert_eq!(logs.stdout.lines().filter(|line| line.ends_with("run")).count(), 3, "{logs:?}");
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
}

#[test]
fn the_last_report_tells_how_the_processes_ended_and_the_api_answers_until_then() {
    let hub = FakeHub::start();
    let script = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.02; done";
    let sandbox =
        Sandbox::reporting_to(&hub).config(&format!("[processes.slow]\ncommand = [\"sh\", \"-c\", \"{script}\"]"));
    let agent = sandbox.start(&["run"]);
    hub.report("it", |report| report["processes"]["slow"]["status"] == "running");
    agent.signal(Signal::TERM);
    wait_for("the stop to be seen", || {
        let ps = sandbox.start(&["ps"]).ended();
        ps.stdout.contains("stopping").then_some(())
    });
    assert_eq!(agent.ended().status.code(), Some(0));
    let last = hub.requests().last().unwrap().body.clone();
    assert_eq!(
        (&last["status"], &last["processes"]["slow"]["status"]),
        (&"stopped".into(), &"stopped".into()),
        "{last}"
    );
}

#[test]
fn a_hub_that_does_not_answer_delays_no_stop() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let sign = sandbox.path("told");
    let script = format!("trap 'touch {}; exit 0' TERM; echo ready; while :; do sleep 0.02; done", sign.display());
    let sandbox = sandbox.config(&format!("[processes.web]\ncommand = [\"sh\", \"-c\", \"{script}\"]"));
    let agent = sandbox.start(&["run"]);
    wait_for("it", || sandbox.start(&["logs", "web"]).ended().stdout.contains("ready").then_some(()));
    hub.answer(Answer::Silence);
    let asked = Instant::now();
    agent.signal(Signal::TERM);
    wait_for("its stop", || sign.exists().then_some(()));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}

#[test]
fn asked_to_stop_twice_the_agent_kills_what_has_not_stopped() {
    let hub = FakeHub::start();
    let script = "trap '' TERM; echo ready; while :; do sleep 0.02; done";
    let sandbox = Sandbox::reporting_to(&hub)
        .config(&format!("[processes.deaf]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nstop = {{ timeout = \"1h\" }}"));
    let agent = sandbox.start(&["run"]);
    wait_for("it", || sandbox.start(&["logs", "deaf"]).ended().stdout.contains("ready").then_some(()));
    agent.signal(Signal::TERM);
    agent.says(&["stopping", "deaf"]);
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
}

#[test]
fn what_the_agent_was_started_with_open_reaches_no_process() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[processes.spy]\ncommand = [\"ls\", \"/proc/self/fd\"]");
    let lock = sandbox.path("lock");
    let agent = sandbox.start_by(&["sh", "-c", &format!("exec \"$@\" 9> {}", lock.display()), "sh"], &["run"]);
    hub.report("its end", |report| process(report, "spy")["phase"] == "exited");
    let logs = sandbox.start(&["logs", "spy"]).ended();
    // The last one is that of the listing.
    assert_eq!(logs.stdout.lines().collect::<Vec<_>>(), ["0", "1", "2", "3"], "{logs:?}");
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
}
