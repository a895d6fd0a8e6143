//! Commands that are run to their end.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use sandbeat_supervisor::{Exit, RequestError, Run};

use crate::harness::{DEADLINE, Sandbox, alive, eventually, gone};

fn run(script: &str) -> Run {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    Run { command, cwd: None, env: BTreeMap::new(), timeout: DEADLINE, max_output: 1 << 20 }
}

/// Soon enough that nothing was waited for.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn both_outputs_and_the_end_are_answered() {
    let sandbox = Sandbox::start("");
    let mut asked = run("pwd; echo $WORD >&2; read -r line || exit 3");
    (asked.cwd, asked.env) = (Some("/".into()), [("WORD".to_owned(), "word".to_owned())].into());
    let ran = sandbox.handle.run(asked).await.unwrap();
    assert_eq!((&ran.stdout[..], &ran.stderr[..]), (&b"/\n"[..], &b"word\n"[..]));
    assert_eq!((ran.exit, ran.timed_out), (Some(Exit::Code(3)), false), "there is nothing to read");
    assert!(!ran.stdout_truncated && !ran.stderr_truncated && ran.duration < SOON);
    assert_eq!(sandbox.handle.list(), []);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_is_too_much_is_read_and_dropped() {
    let sandbox = Sandbox::start("");
    let asked = Run { max_output: 10, ..run("yes | head -c 10000000; printf 1234567890 >&2") };
    let ran = sandbox.handle.run(asked).await.unwrap();
    assert_eq!((&ran.stdout[..], ran.stdout_truncated), (&b"y\ny\ny\ny\ny\n"[..], true));
    assert_eq!((&ran.stderr[..], ran.stderr_truncated), (&b"1234567890"[..], false));
    assert_eq!(ran.exit, Some(Exit::Code(0)));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_timeout_is_kept_whoever_holds_the_outputs_and_kills_all() {
    let sandbox = Sandbox::start("");
    let script = "setsid sleep 1000 & echo $!; sleep 1000 & echo $!; exec sleep 1000";
    let asked = Run { timeout: Duration::from_millis(300), ..run(script) };
    let started = Instant::now();
    let ran = sandbox.handle.run(asked).await.unwrap();
    assert!(ran.timed_out && started.elapsed() < SOON, "{ran:?} after {:?}", started.elapsed());
    assert!(ran.duration >= Duration::from_millis(300));
    assert!(matches!(ran.exit, Some(Exit::Signal { number: 9, .. })), "{ran:?}");
    gone(&pids(&ran.stdout)).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_the_command_leaves_behind_does_not_delay_the_answer_and_is_killed() {
    let sandbox = Sandbox::start("");
    let started = Instant::now();
    let ran = sandbox.handle.run(run("setsid sleep 1000 & echo $!; sleep 1000 & echo $!")).await.unwrap();
    assert_eq!((ran.exit, ran.timed_out), (Some(Exit::Code(0)), false));
    assert!(started.elapsed() < SOON);
    gone(&pids(&ran.stdout)).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn nobody_who_waits_means_the_end() {
    let sandbox = Sandbox::start("");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let asked = run(&format!("sleep 1000 & echo $$ $! > {}; wait", file.display()));
    let text = || fs::read(&file).ok().filter(|text| text.ends_with(b"\n"));
    let text = tokio::select! {
        ran = sandbox.handle.run(asked) => panic!("{ran:?}"),
        text = eventually(text, || "no file") => text,
    };
    assert_eq!(pids(&text).len(), 2);
    gone(&pids(&text)).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_ends_it() {
    let sandbox = Sandbox::start("");
    let (handle, dir) = (sandbox.handle.clone(), tempfile::tempdir().unwrap());
    let file = dir.path().join("pid");
    let asked = run(&format!("echo $$ > {}; exec sleep 1000", file.display()));
    let running = tokio::spawn(async move { handle.run(asked).await });
    let text = || fs::read(&file).ok().filter(|text| text.ends_with(b"\n"));
    let pids = pids(&eventually(text, || "no file").await);
    assert!(alive(pids[0]));
    sandbox.shutdown().await;
    gone(&pids).await;
    assert_eq!(running.await.unwrap(), Err(RequestError::Over));
}

#[tokio::test]
async fn one_that_cannot_be_started_says_why() {
    let sandbox = Sandbox::start("");
    let missing = Run { command: vec!["no-such-program".into()], ..run("") };
    let failed = sandbox.handle.run(missing).await.unwrap_err();
    assert_eq!(failed.to_string(), "cannot start `no-such-program`: no such file or directory");
    let empty = Run { command: vec![], ..run("") };
    assert!(matches!(sandbox.handle.run(empty).await, Err(RequestError::Wrong(_))));
    sandbox.shutdown().await;
}

fn pids(text: &[u8]) -> Vec<u32> {
    std::str::from_utf8(text).unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}
