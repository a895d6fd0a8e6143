//! What follows an end, and how it is told.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sandbeat_status::ProcessState;
use sandbeat_supervisor::{Exit, Phase, Request};

use crate::harness::{Sandbox, eventually, failed, last_error, process, running, signal};

#[tokio::test]
async fn the_first_restart_is_at_once_and_the_next_ones_wait_longer_and_longer() {
    let sandbox = Sandbox::script("date +%s%N; exit 3", "backoff = { initial = \"500ms\", max = \"10s\" }");
    let lines = eventually(|| Some(sandbox.lines("web")).filter(|lines| lines.len() >= 4), || sandbox.web()).await;
    let at: Vec<u64> = lines.iter().map(|line| line.parse().unwrap()).collect();
    let waits: Vec<Duration> = at.windows(2).map(|pair| Duration::from_nanos(pair[1] - pair[0])).collect();
    assert!(waits[0] < Duration::from_millis(400), "{waits:?}");
    assert!(waits[1] >= Duration::from_millis(400), "{waits:?}");
    assert!(waits[2] >= Duration::from_millis(800), "{waits:?}");

    let web = sandbox.until(|web| web.phase == Phase::BackingOff && web.status.next_restart_ms > Some(0)).await;
    assert_eq!((web.status.status, web.status.restart_count), (ProcessState::Error, 3));
    assert_eq!((web.status.pid, web.status.uptime_ms), (None, None));
    assert_eq!(web.last_exit, Some(Exit::Code(3)));
    assert_eq!(last_error(&web), "exited with code 3");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_stable_stretch_makes_the_next_restart_one_at_once() {
    let keys = "backoff = { initial = \"1h\", max = \"1h\", stable = \"50ms\" }";
    let sandbox = Sandbox::script("sleep 0.1; exit 1", keys);
    sandbox.until(|web| web.status.restart_count >= 3).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn exit_code_0_is_stopped_and_no_failure() {
    let sandbox = Sandbox::script("exit 0", "");
    let web = sandbox.until(|web| web.phase == Phase::Exited).await;
    assert_eq!((web.status.status, web.status.restart_count), (ProcessState::Stopped, 0));
    assert_eq!((web.status.last_error, web.last_exit), (None, Some(Exit::Code(0))));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn always_means_after_exit_code_0_too() {
    let sandbox = Sandbox::script("exit 0", "restart = \"always\"\nbackoff = { initial = \"1h\", max = \"1h\" }");
    let web = sandbox.until(|web| web.status.restart_count == 1 && web.phase == Phase::BackingOff).await;
    assert_eq!(web.status.status, ProcessState::Stopped);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn never_means_not_after_a_signal_either() {
    let sandbox = Sandbox::script("exec sleep 1000", "restart = \"never\"");
    let pid = sandbox.until(running).await.status.pid.unwrap();
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    let web = sandbox.until(failed).await;
    assert_eq!((web.phase, web.status.restart_count), (Phase::Exited, 0));
    assert_eq!(web.last_exit, Some(signal("SIGKILL")));
    assert_eq!(last_error(&web), "killed by SIGKILL");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why_and_what_to_check() {
    let sandbox = Sandbox::start(
        r#"
        [processes.missing]
        command = ["no-such-program"]
        [processes.nowhere]
        command = ["true"]
        cwd = "/no/such/directory"
        [agents.plain]
        command = ["/"]
        restart = "never"
        "#,
    );
    let missing = sandbox.until_of("missing", failed).await;
    assert_eq!(
        last_error(&missing),
        "cannot start `no-such-program`: no such file or directory; check processes.missing.command"
    );
    assert_eq!((missing.phase, missing.status.restart_count), (Phase::BackingOff, 0));
    let nowhere = sandbox.until_of("nowhere", failed).await;
    assert_eq!(
        last_error(&nowhere),
        "cannot start `true`: its directory `/no/such/directory` does not exist or is none; check processes.nowhere.cwd"
    );
    let plain = sandbox.until_of("plain", failed).await;
    assert_eq!(last_error(&plain), "cannot start `/`: permission denied; check agents.plain.command");
    assert_eq!(plain.phase, Phase::Exited);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_start_that_fails_is_tried_again_until_it_works() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("late");
    let table = format!("[processes.web]\ncommand = [\"{}\", \"1000\"]\n", program.display());
    let sandbox = Sandbox::start(&format!("{table}backoff = {{ initial = \"10ms\" }}"));
    sandbox.until(failed).await;
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let web = sandbox.until(running).await;
    assert_eq!(web.status.restart_count, 0);
    assert!(last_error(&web).starts_with("cannot start"), "what was wrong stays readable");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn readers_wait_for_nobody_while_processes_flap() {
    let flap = |name: &str| process(name, "exit 1", "backoff = { initial = \"1ms\", max = \"1ms\" }");
    let sandbox = Sandbox::start(&["a", "b", "c", "d"].map(flap).concat());
    let handle = sandbox.handle.clone();
    let reader = std::thread::spawn(move || {
        let started = Instant::now();
        let mut slowest = Duration::ZERO;
        while started.elapsed() < Duration::from_millis(500) {
            let before = Instant::now();
            let snapshot = handle.snapshot();
            slowest = slowest.max(before.elapsed());
            for (name, status) in snapshot {
                let runs = status.status == ProcessState::Running;
                assert_eq!((status.pid.is_some(), status.uptime_ms.is_some()), (runs, runs), "{name}: {status:?}");
            }
        }
        slowest
    });
    eventually(|| reader.is_finished().then_some(()), || "reading").await;
    assert!(reader.join().unwrap() < Duration::from_millis(250));
    sandbox.until_of("d", |flapping| flapping.status.restart_count > 2).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn every_change_is_told() {
    let sandbox = Sandbox::script("read -r never < /dev/null; exec sleep 1000", "");
    let mut changes = sandbox.handle.changes();
    sandbox.until(running).await;
    let seen = *changes.borrow_and_update();
    assert!(seen >= 1);
    sandbox.ask(Request::Stop).await;
    tokio::time::timeout(Duration::from_secs(10), changes.changed()).await.unwrap().unwrap();
    assert!(*changes.borrow() > seen);
    sandbox.shutdown().await;
}
