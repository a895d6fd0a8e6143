//! Reports that leave out of turn. The intervals are long, so that no other report can be meant.

use std::time::{Duration, Instant};

use sandbeat_supervisor::{RawBackoff, RawHealth, RawProcess};
use serde_json::Value;

use crate::support::agent::Builder;
use crate::support::eventually;
use crate::support::hub::{Answer, Hub};

const HOUR: u64 = 60 * 60 * 1000;

/// `web`, a shell script.
fn web(builder: Builder, script: &str, backoff: Option<Duration>, more: impl FnOnce(&mut RawProcess)) -> Builder {
    let mut process = RawProcess {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        backoff: RawBackoff { initial: backoff, max: backoff, limit: Some(0), ..RawBackoff::default() },
        ..RawProcess::default()
    };
    more(&mut process);
    let mut builder = builder;
    builder.processes.insert("web".to_owned(), process);
    builder
}

fn restarts(report: &Value) -> u64 {
    report["processes"]["web"]["restartCount"].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_fails_and_one_that_recovers_are_told_at_once() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let dir = tempfile::TempDir::new().unwrap();
    let sick = dir.path().join("sick");
    let check = vec!["test".to_owned(), "!".to_owned(), "-e".to_owned(), sick.display().to_string()];
    let builder = Builder::new(&hub.url()).interval(HOUR);
    let agent = web(builder, "sleep 600", None, |process| {
        let interval = Some(Duration::from_millis(20));
        process.health = Some(RawHealth { exec: Some(check), interval, retries: Some(1), ..RawHealth::default() });
    })
    .start()
    .await;
    hub.wait_count(1).await;
    for (failed, status) in [(true, "error"), (false, "running")] {
        let seen = hub.received().len();
        match failed {
            true => std::fs::write(&sick, "").unwrap(),
            false => std::fs::remove_file(&sick).unwrap(),
        }
        let changed = Instant::now();
        let is_told = |one: &Value| one["processes"]["web"]["status"] == status;
        let received = hub.wait(status, |all| all[seen..].iter().any(|one| is_told(&one.report))).await;
        let told = received[seen..].iter().find(|one| is_told(&one.report)).unwrap();
        assert!(told.at - changed < Duration::from_secs(5), "{status}: {:?}", told.at - changed);
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_back_before_anybody_looks_is_told_as_well() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let script = "test -e there && exec sleep 600; touch there; sleep 0.3; exit 3";
    let dir = tempfile::TempDir::new().unwrap();
    let builder = Builder::new(&hub.url()).interval(HOUR);
    let agent = web(builder, script, None, |process| process.cwd = Some(dir.path().to_owned())).start().await;
    let received = hub.wait("the restart", |all| all.iter().any(|one| restarts(&one.report) == 1)).await;
    let web = &received.last().unwrap().report["processes"]["web"];
    assert!(web["lastError"].as_str().unwrap().contains("code 3"), "{web}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_is_told_rarely_and_nothing_of_it_is_lost() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let builder = Builder::new(&hub.url()).interval(2000).with(|sections| sections.report.jitter = 0.0);
    let agent = web(builder, "exit 1", Some(Duration::from_millis(20)), |_| {}).start().await;
    let first = hub.wait_count(1).await[0].at;
    let received =
        hub.wait("eight seconds", |all| all.last().is_some_and(|last| last.at - first > Duration::from_secs(8))).await;
    // Due: at the start and five times more. On change: after 0, 0.5, 1.5, 3.5, 5.5 and 7.5 s.
    assert!((8..=14).contains(&received.len()), "{}", received.len());
    let counts: Vec<u64> = received.iter().map(|one| restarts(&one.report)).collect();
    assert!(counts.is_sorted() && *counts.last().unwrap() > 40, "{counts:?}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_that_matters_waits_for_its_turn() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let builder = Builder::new(&hub.url()).interval(HOUR);
    let mut agent = web(builder, "sleep 0.2; exit 0", None, |_| {});
    // Beside one that does matter, so that there is something to be waited for.
    let process = RawProcess { command: vec!["/no/such/program".to_owned()], ..RawProcess::default() };
    agent.processes.insert("zombie".to_owned(), RawProcess { after: vec!["web:completed".to_owned()], ..process });
    let agent = agent.start().await;
    let received = hub.wait_count(2).await;
    let told = &received[1].report["processes"];
    assert_eq!((&told["web"]["status"], &told["zombie"]["status"]), (&"stopped".into(), &"error".into()), "{told}");
    agent.stop().await.unwrap();
    assert!(hub.received().len() <= 4, "{:#?}", hub.received());
}

/// They are asked for anew: what the report before had is as old as the interval.
#[tokio::test(flavor = "multi_thread")]
async fn figures_that_take_long_are_new_in_a_report_on_change_and_in_the_last_one() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let dir = tempfile::TempDir::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let builder =
        Builder::new(&hub.url()).interval(HOUR).with(|sections| sections.sessions.ports = vec![address.port()]);
    // It fails until it is told not to, and takes its time to stop, since how soon they are known depends on the machine.
    let script = "trap 'sleep 1; exit 0' TERM; until test -e go; do sleep 0.05; done; exit 3";
    let agent = web(builder, script, Some(Duration::from_secs(1)), |process| process.cwd = Some(dir.path().to_owned()));
    let agent = agent.start().await;
    let sessions = |report: &Value| report["sessionCount"].as_u64();
    let connect = || (std::net::TcpStream::connect(address).unwrap(), listener.accept().unwrap());
    // What has just been measured counts as new, for longer on a busy machine.
    let until_it_is_old = async || {
        let since = Instant::now();
        eventually("four seconds", async || (since.elapsed() > Duration::from_secs(4)).then_some(())).await;
    };
    let go = dir.path().join("go");
    hub.wait_count(1).await;
    until_it_is_old().await;
    let _first = connect();
    std::fs::write(&go, "").unwrap();
    hub.wait("a report with one session", |all| all.iter().any(|one| sessions(&one.report) == Some(1))).await;
    std::fs::remove_file(&go).unwrap();
    let runs = |report: &Value| report["processes"]["web"]["status"] == "running";
    hub.wait("the process to run", |all| all.last().is_some_and(|one| runs(&one.report))).await;
    until_it_is_old().await;
    let _second = connect();
    agent.stop().await.unwrap();
    assert_eq!(sessions(&hub.received().last().unwrap().report), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_the_agent_is_stopping_is_told_while_it_stops() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).interval(HOUR).start().await;
    hub.wait_count(1).await;
    let meanwhile = async {
        hub.wait("word of it", |all| all.iter().any(|one| one.report["stopping"] == true)).await;
    };
    agent.ask_to_stop(meanwhile).await.unwrap();
    let told: Vec<(String, bool)> =
        hub.received().iter().map(|one| (one.status().to_owned(), one.report["stopping"] == true)).collect();
    let expected = [("running", false), ("running", true), ("stopped", false)];
    assert_eq!(told, expected.map(|(status, stopping)| (status.to_owned(), stopping)));
    let triggers: Vec<Value> = hub.received().iter().map(|one| one.report["trigger"].clone()).collect();
    assert_eq!(triggers, ["start", "change", "stop"]);
}
