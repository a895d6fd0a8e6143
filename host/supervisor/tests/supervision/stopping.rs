//! Requests, and stops that leave nothing behind.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sandbeat_status::ProcessState;
use sandbeat_supervisor::{Exit, Phase, Request, RequestError};

use crate::harness::{
    DEADLINE, Sandbox, alive, eventually, exists, failed, gone, last_error, process, running, signal,
};

fn stopped(details: &sandbeat_supervisor::Details) -> bool {
    details.phase == Phase::Exited && details.status.status == ProcessState::Stopped
}

#[tokio::test]
async fn a_requested_stop_is_stopped_and_not_restarted() {
    let sandbox = Sandbox::script("exec sleep 1000", "restart = \"always\"");
    let pid = sandbox.until(running).await.status.pid.unwrap();
    sandbox.ask(Request::Stop).await;
    let web = sandbox.until(stopped).await;
    assert_eq!((web.last_exit, web.status.last_error), (Some(signal("SIGTERM")), None));
    assert_eq!((web.status.pid, web.status.uptime_ms), (None, None));
    assert!(!exists(pid), "it is reaped, too");

    sandbox.ask(Request::Start).await;
    let web = sandbox.until(running).await;
    assert_eq!(web.status.restart_count, 1);
    sandbox.ask(Request::Restart).await;
    let again = sandbox.until(|now| now.status.restart_count == 2 && running(now)).await;
    assert_ne!(again.status.pid, web.status.pid);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_waits_for_its_restart_can_be_stopped_and_started() {
    let keys = "restart = \"always\"\nbackoff = { initial = \"1h\", max = \"1h\" }";
    let sandbox = Sandbox::script("exit 7", keys);
    let waits = |web: &sandbeat_supervisor::Details| web.status.next_restart_ms > Some(1000);
    let web = sandbox.until(waits).await;
    assert_eq!(web.status.restart_count, 1);
    sandbox.ask(Request::Start).await;
    let web = sandbox.until(|web| waits(web) && web.status.restart_count > 1).await;
    assert_eq!(web.status.restart_count, 3, "started, and restarted at once as if for the first time");
    sandbox.ask(Request::Stop).await;
    let web = sandbox.until(stopped).await;
    assert_eq!(last_error(&web), "exited with code 7");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn requests_for_nobody_are_refused() {
    let sandbox = Sandbox::script("exec sleep 1000", "");
    let handle = sandbox.handle.clone();
    let stop = handle.ask("wbe", Request::Stop, DEADLINE).await;
    assert_eq!(stop.unwrap_err(), RequestError::Unknown("wbe".into()));
    assert!(handle.log("wbe").is_none());
    sandbox.until(running).await;
    sandbox.shutdown().await;
    let start = handle.ask("web", Request::Start, DEADLINE).await;
    assert_eq!(start.unwrap_err(), RequestError::Over);
    assert_eq!(handle.snapshot()["web"].status, ProcessState::Stopped);
}

#[tokio::test]
async fn what_ignores_the_signal_is_killed_at_the_timeout() {
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let sandbox = Sandbox::script(script, "stop = { timeout = \"300ms\" }");
    sandbox.first_line("web").await;
    let asked = Instant::now();
    sandbox.ask(Request::Stop).await;
    let web = sandbox.until(|web| web.phase == Phase::Stopping).await;
    assert!(running(&web) && web.status.pid.is_some(), "it runs until it is gone");
    let web = sandbox.until(stopped).await;
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert_eq!(web.last_exit, Some(signal("SIGKILL")));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_signal_is_the_configured_one_and_reaches_what_is_suspended() {
    let script = "trap 'echo got it; exit 0' USR1; echo ready; kill -STOP $$; while :; do sleep 0.05; done";
    let sandbox = Sandbox::script(script, "stop = { signal = \"USR1\" }");
    sandbox.first_line("web").await;
    sandbox.ask(Request::Stop).await;
    let web = sandbox.until(stopped).await;
    assert_eq!(web.last_exit, Some(Exit::Code(0)));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_whole_group_and_kills_what_is_left_of_it() {
    let deaf = "(trap '' TERM; echo $(exec sh -c 'echo $PPID'); while :; do sleep 0.05; done) & wait";
    let sandbox = Sandbox::script(deaf, "stop = { timeout = \"300ms\" }");
    let grandchild: u32 = sandbox.first_line("web").await.parse().unwrap();
    assert!(alive(grandchild));
    let asked = Instant::now();
    sandbox.ask(Request::Stop).await;
    let web = sandbox.until(stopped).await;
    assert!(asked.elapsed() >= Duration::from_millis(300), "the group had its time");
    assert_eq!(web.last_exit, Some(signal("SIGTERM")), "the process itself had obeyed");
    assert!(!alive(grandchild));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_a_crash_leaves_in_the_group_is_killed_before_the_restart() {
    let script = "sleep 1000 & echo $!; exit 1";
    let sandbox = Sandbox::script(script, "restart = \"never\"");
    let web = sandbox.until(failed).await;
    assert_eq!(last_error(&web), "exited with code 1");
    let grandchild = sandbox.first_line("web").await.parse().unwrap();
    assert!(!alive(grandchild));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_leaves_no_process() {
    let tables = [
        process("obeys", "exec sleep 1000", ""),
        process("family", "sleep 1000 & echo $!; sleep 1000 & wait", ""),
        process("deaf", "trap '' TERM; echo $$; while :; do sleep 0.05; done", "stop = { timeout = \"200ms\" }"),
        process("flaps", "exit 1", "backoff = { initial = \"1ms\", max = \"1ms\" }"),
    ];
    let sandbox = Sandbox::start(&tables.concat());
    let mut pids = Vec::new();
    for name in ["family", "deaf"] {
        pids.push(sandbox.first_line(name).await.parse().unwrap());
    }
    for name in ["obeys", "family", "deaf"] {
        pids.push(sandbox.until_of(name, running).await.status.pid.unwrap());
    }
    sandbox.shutdown().await;
    assert_eq!(pids.into_iter().filter(|pid| alive(*pid)).collect::<Vec<_>>(), [] as [u32; 0]);
}

#[tokio::test]
async fn a_dropped_supervisor_takes_its_processes_along() {
    let sandbox = Sandbox::script("sleep 1000 & echo $!; wait", "");
    let grandchild = sandbox.first_line("web").await.parse().unwrap();
    let pid = sandbox.until(running).await.status.pid.unwrap();
    drop(sandbox);
    gone(&[pid, grandchild]).await;
}

#[tokio::test]
async fn a_kill_cuts_a_stop_short_and_what_is_asked_last_counts() {
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let sandbox = Sandbox::script(script, "stop = { timeout = \"1h\" }");
    sandbox.first_line("web").await;
    sandbox.ask(Request::Restart).await;
    sandbox.until(|web| web.phase == Phase::Stopping).await;
    let web = sandbox.handle.ask("web", Request::Kill, DEADLINE).await.unwrap();
    assert!(stopped(&web), "{web:?}");

    let first = sandbox.handle.ask("web", Request::Start, DEADLINE).await.unwrap();
    eventually(|| (sandbox.lines("web").len() == 2).then_some(()), || sandbox.lines("web")).await;
    sandbox.ask(Request::Stop).await;
    sandbox.until(|web| web.phase == Phase::Stopping).await;
    sandbox.ask(Request::Restart).await;
    kill_process(Pid::from_raw(first.status.pid.unwrap().try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    let web = sandbox.until(|web| running(web) && web.status.pid != first.status.pid).await;
    assert_eq!(web.status.restart_count, 2);
    sandbox.handle.ask("web", Request::Kill, DEADLINE).await.unwrap();
    sandbox.shutdown().await;
}
