//! What is waited for before a process starts, and what follows when something is given up.

use std::fs;
use std::time::{Duration, Instant};

use sandbeat_status::ProcessState;
use sandbeat_supervisor::{Phase, Request};

use crate::harness::{DEADLINE, Sandbox, failed, last_error, process, running};

fn waiting_for(details: &sandbeat_supervisor::Details, name: &str) -> bool {
    details.phase == Phase::Waiting && details.waiting_for == [name]
}

#[tokio::test]
async fn one_that_comes_after_ready_waits_for_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let sign = dir.path().join("up");
    let check = format!("ready = {{ exec = [\"test\", \"-e\", \"{}\"], interval = \"20ms\" }}", sign.display());
    let tables =
        [process("db", "exec sleep 1000", &check), process("web", "exec sleep 1000", "after = [\"db:ready\"]")];
    let sandbox = Sandbox::start(&tables.concat());
    sandbox.until_of("db", |db| db.phase == Phase::Starting).await;
    let web = sandbox.until(|web| waiting_for(web, "db:ready")).await;
    assert_eq!((web.status.status, web.status.pid), (ProcessState::Stopped, None));
    fs::write(&sign, "").unwrap();
    let web = sandbox.until(running).await;
    assert!(web.waiting_for.is_empty());
    assert_eq!(sandbox.details("db").phase, Phase::Ready);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn one_that_comes_after_completed_waits_for_exit_code_0() {
    let dir = tempfile::tempdir().unwrap();
    let sign = dir.path().join("go");
    let migrate = format!("test -e {}", sign.display());
    let tables = [
        process("migrate", &migrate, "backoff = { initial = \"20ms\", max = \"20ms\", limit = 0 }"),
        process("web", "exec sleep 1000", "after = [\"migrate:completed\"]"),
    ];
    let sandbox = Sandbox::start(&tables.concat());
    sandbox.until_of("migrate", |migrate| migrate.status.restart_count > 1).await;
    assert!(waiting_for(&sandbox.web(), "migrate:completed"), "{:?}", sandbox.web());
    fs::write(&sign, "").unwrap();
    sandbox.until(running).await;
    assert_eq!(sandbox.details("migrate").phase, Phase::Exited);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn one_that_waits_can_be_started_by_hand_and_stopped() {
    let tables = [
        process("db", "exit 1", "restart = \"never\""),
        process("web", "exec sleep 1000", "after = [\"db:completed\"]"),
    ];
    let sandbox = Sandbox::start(&tables.concat());
    sandbox.until_of("db", failed).await;
    let web = sandbox.until(|web| waiting_for(web, "db:completed") && failed(web)).await;
    assert_eq!(last_error(&web), "cannot start: it waits for `db:completed`, and that has ended: exited with code 1");
    let web = sandbox.handle.ask("web", Request::Start, DEADLINE).await.unwrap();
    assert!(running(&web) && web.waiting_for.is_empty(), "{web:?}");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_is_restarted_too_often_is_given_up_and_can_be_started_by_hand() {
    let keys = "backoff = { initial = \"1ms\", max = \"1ms\", limit = 4, window = \"1h\" }";
    let sandbox = Sandbox::script("exit 3", keys);
    let web = sandbox.until(|web| web.phase == Phase::GaveUp).await;
    assert_eq!((web.status.status, web.status.restart_count), (ProcessState::Error, 4));
    assert_eq!(last_error(&web), "given up after 4 restarts within 3600s; at last: exited with code 3");
    assert_eq!(web.status.next_restart_ms, None);
    sandbox.ask(Request::Start).await;
    sandbox.until(|web| web.phase == Phase::GaveUp && web.status.restart_count == 9).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_end_of_an_essential_process_is_told_with_its_code() {
    for (script, keys, code) in [
        ("exit 0", "restart = \"on-failure\"", 0),
        ("exit 7", "restart = \"never\"", 7),
        ("kill -TERM $$", "restart = \"never\"", 143),
        ("exit 5", "backoff = { initial = \"1ms\", max = \"1ms\", limit = 2 }", 5),
    ] {
        let sandbox = Sandbox::script(script, &format!("{keys}\nessential = true"));
        let end = tokio::time::timeout(DEADLINE, sandbox.handle.essential_end()).await.unwrap();
        assert_eq!(end, ("web".to_owned(), code), "{script}");
        sandbox.shutdown().await;
    }
}

#[tokio::test]
async fn a_stop_that_was_asked_for_is_no_end_of_an_essential_process() {
    let sandbox = Sandbox::script("exec sleep 1000", "essential = true\nrestart = \"never\"");
    sandbox.until(running).await;
    sandbox.handle.ask("web", Request::Stop, DEADLINE).await.unwrap();
    let told = tokio::time::timeout(Duration::from_millis(50), sandbox.handle.essential_end()).await;
    assert!(told.is_err(), "{told:?}");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_unhealthy_process_is_restarted_where_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let sign = dir.path().join("ill");
    let check = format!(
        "health = {{ exec = [\"test\", \"!\", \"-e\", \"{}\"], interval = \"20ms\", retries = 2, restart = true }}",
        sign.display()
    );
    let sandbox = Sandbox::script("exec sleep 1000", &check);
    let before = sandbox.until(|web| web.phase == Phase::Ready).await;
    fs::write(&sign, "").unwrap();
    sandbox.until(|web| web.status.restart_count >= 1).await;
    fs::remove_file(&sign).unwrap();
    let web = sandbox.until(|web| web.phase == Phase::Ready).await;
    assert_ne!(web.status.pid, before.status.pid);
    assert!(last_error(&web).starts_with("stopped because its health check failed: `test`"), "{}", last_error(&web));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_kill_does_not_wait_for_the_stop_timeout() {
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let sandbox = Sandbox::script(script, "stop = { timeout = \"1h\" }");
    sandbox.first_line("web").await;
    let asked = Instant::now();
    let web = sandbox.handle.ask("web", Request::Kill, DEADLINE).await.unwrap();
    assert!(asked.elapsed() < DEADLINE);
    assert_eq!((web.phase, web.status.status), (Phase::Exited, ProcessState::Stopped));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_waits_in_vain_goes_on_when_the_other_is_started_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let sign = dir.path().join("go");
    let migrate = format!("test -e {}", sign.display());
    let tables = [
        process("migrate", &migrate, "restart = \"never\""),
        process("web", "exec sleep 1000", "after = [\"migrate:completed\"]"),
    ];
    let sandbox = Sandbox::start(&tables.concat());
    sandbox.until(failed).await;
    fs::write(&sign, "").unwrap();
    sandbox.handle.ask("migrate", Request::Start, DEADLINE).await.unwrap();
    sandbox.until(running).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_essential_process_that_waits_in_vain_is_the_end() {
    let tables = [
        process("migrate", "exit 1", "backoff = { limit = 1 }"),
        process("web", "exec sleep 1000", "after = [\"migrate:completed\"]\nessential = true"),
    ];
    let sandbox = Sandbox::start(&tables.concat());
    let end = tokio::time::timeout(DEADLINE, sandbox.handle.essential_end()).await.unwrap();
    assert_eq!(end, ("web".to_owned(), 1));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn stopping_one_that_waits_starts_nothing() {
    let tables = [
        process("a", "exec sleep 1000", "ready = { exec = [\"false\"] }"),
        process("b", "exec sleep 1000", "after = [\"a:ready\"]"),
        process("web", "exec sleep 1000", "after = [\"b\"]"),
    ];
    let sandbox = Sandbox::start(&tables.concat());
    sandbox.until(|web| waiting_for(web, "b")).await;
    sandbox.handle.ask("b", Request::Stop, DEADLINE).await.unwrap();
    let b = sandbox.details("b");
    assert_eq!((b.phase, b.status.status), (Phase::Exited, ProcessState::Stopped));
    assert!(waiting_for(&sandbox.web(), "b"), "{:?}", sandbox.web());
    sandbox.handle.ask("b", Request::Start, DEADLINE).await.unwrap();
    sandbox.until(running).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn being_ready_ends_with_the_run() {
    let tables = [process("db", "exec sleep 1000", "ready = { exec = [\"true\"] }")];
    let sandbox = Sandbox::start(&tables.concat());
    sandbox.until_of("db", |db| db.phase == Phase::Ready).await;
    sandbox.handle.ask("db", Request::Stop, DEADLINE).await.unwrap();
    let more = process("web", "exec sleep 1000", "after = [\"db:ready\"]");
    sandbox.handle.reload(crate::harness::config(&(tables.concat() + &more))).await.unwrap();
    sandbox.until(|web| waiting_for(web, "db:ready")).await;
    sandbox.handle.ask("db", Request::Start, DEADLINE).await.unwrap();
    sandbox.until(running).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_is_given_up_or_stopped_for_its_health_is_no_success() {
    for (script, keys, code) in [
        ("exit 0", "restart = \"always\"\nbackoff = { initial = \"1ms\", max = \"1ms\", limit = 1 }", 1),
        (
            "trap 'exit 0' TERM; while :; do sleep 0.01; done",
            "restart = \"never\"\nhealth = { exec = [\"false\"], interval = \"10ms\", retries = 1, restart = true }",
            1,
        ),
    ] {
        let sandbox = Sandbox::script(script, &format!("{keys}\nessential = true"));
        let end = tokio::time::timeout(DEADLINE, sandbox.handle.essential_end()).await.unwrap();
        assert_eq!(end, ("web".to_owned(), code), "{script}");
        sandbox.shutdown().await;
    }
}
