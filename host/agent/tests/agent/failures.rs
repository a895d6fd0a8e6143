//! What a hub, or what stands before it, can do to an exchange, and what becomes of the reports.

use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::agent::{Agent, Builder};
use crate::support::hub::{Answer, Hub, Received, free_address};

const NOW: Duration = Duration::ZERO;

/// Ends well, and in time.
async fn stop(agent: Agent) {
    let started = Instant::now();
    agent.stop().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

fn seqs(received: &[Received]) -> Vec<u64> {
    received.iter().map(Received::seq).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_an_answer_before_its_time_is_tried_again_with_the_same_report() {
    for (answer, kind) in [
        (Answer::Reset(""), "reset"),
        (Answer::Reset("HTTP/1.1 200 OK\r\ncontent-le"), "reset"),
        (Answer::Raw("HTTP/1.1 200 OK\r\ncontent-le"), "reset"),
        (Answer::Raw("HTTP/1.1 100 Continue\r\n\r\n"), "reset"),
        (Answer::Silence, "timeout"),
        (Answer::Forever("HTTP/1.1 200 OK\r\n", "x: y\r\n", Duration::from_millis(50)), "timeout"),
        (Answer::Forever("", "HTTP/1.1 100 Continue\r\n\r\n", Duration::from_millis(1)), "timeout"),
        (Answer::Forever("HTTP/1.1 200 OK\r\n", "x: and so on and so forth and so on\r\n", NOW), "protocol"),
        (Answer::Forever("HTTP/1.1 200 OK\r\nx: ", "very very very very long", NOW), "protocol"),
        (Answer::Raw("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"), "protocol"),
        (Answer::Raw("HTTP/9.9 200 OK\r\n\r\n"), "protocol"),
        (Answer::Raw("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), "protocol"),
        (Answer::status(500), "server-error"),
        (Answer::status(408), "timeout"),
        (Answer::status(429), "throttled"),
    ] {
        let bad = answer.clone();
        let hub = Hub::start(move |count, _| if count == 0 { bad.clone() } else { Answer::ok() }).await;
        let agent = Builder::new(&hub.url()).interval(60_000).timeout(500).start().await;
        let reports = agent.health(&format!("{answer:?}: acceptance"), |reports| reports["accepted"] == 1).await;
        assert!(reports.get("failing").is_none(), "{reports}");
        assert_eq!(seqs(&hub.received()), [1, 1], "{answer:?}");
        assert!(hub.received()[1].report.get("gap").is_none(), "{answer:?}: nothing was missed");
        stop(agent).await;

        let bad = answer.clone();
        let hub = Hub::start(move |_, _| bad.clone()).await;
        let agent = Builder::new(&hub.url()).interval(60_000).timeout(500).start().await;
        assert_eq!(agent.failing().await["kind"], kind, "{answer:?}");
        stop(agent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_after_a_good_head_is_no_failure() {
    for answer in [
        Answer::Reset("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"nextReportSecs\":"),
        Answer::Raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"nextReportSecs\":"),
        Answer::Forever("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", " ", Duration::from_millis(50)),
        Answer::Forever("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "10\r\n0123456789abcdef\r\n", NOW),
        Answer::Forever("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", NOW),
    ] {
        let bad = answer.clone();
        let hub = Hub::start(move |_, _| bad.clone()).await;
        let agent = Builder::new(&hub.url()).timeout(300).start().await;
        let reports = agent.health(&format!("{answer:?}"), |reports| reports["accepted"].as_u64() > Some(2)).await;
        assert!(reports.get("failing").is_none(), "{answer:?}: {reports}");
        stop(agent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_the_next_report_says_what_is_missing() {
    let hub = Hub::start(|_, report| match report["seq"].as_u64() {
        Some(3..=6) => Answer::status(503),
        _ => Answer::ok(),
    })
    .await;
    let agent = Builder::new(&hub.url()).start().await;
    let received = hub.wait("a report after it", |all| all.last().is_some_and(|one| one.seq() >= 9)).await;
    let accepted: Vec<&Received> = received.iter().filter(|one| !(3..=6).contains(&one.seq())).collect();
    let failed: Vec<&Received> = received.iter().filter(|one| (3..=6).contains(&one.seq())).collect();
    assert!(!failed.is_empty());
    for pair in accepted.windows(2) {
        let missed = pair[1].seq() - pair[0].seq() - 1;
        let gap = &pair[1].report["gap"];
        if missed == 0 {
            assert_eq!(*gap, Value::Null, "{:?}", seqs(&received));
            continue;
        }
        assert_eq!(gap["missed"], missed);
        let first = gap["firstFailure"].as_str().unwrap();
        assert!(first >= failed[0].report["timestamp"].as_str().unwrap(), "{gap}");
        assert!(first <= pair[1].report["timestamp"].as_str().unwrap(), "{gap}");
        assert!(gap["lastError"].as_str().unwrap().contains("(503)"), "{gap}");
    }
    assert!(accepted.iter().any(|one| one.report.get("gap").is_some()), "{:?}", seqs(&received));
    stop(agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_hub_missed_is_said_without_a_failure() {
    let hub = Hub::start(|_, _| Answer::Slow(Duration::from_millis(300))).await;
    let agent = Builder::new(&hub.url()).interval(50).start().await;
    let received = hub.wait_count(4).await;
    for pair in received.windows(2) {
        let gap = &pair[1].report["gap"];
        assert_eq!(gap["missed"], pair[1].seq() - pair[0].seq() - 1, "{:?}", seqs(&received));
        assert!(gap.get("firstFailure").is_none() && gap.get("lastError").is_none(), "{gap}");
    }
    stop(agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_counts_what_was_made_meanwhile() {
    let address = free_address().await;
    let agent = Builder::new(&format!("http://{address}")).interval(50).start().await;
    agent.health("some attempts", |reports| reports["failing"]["attempts"].as_u64() > Some(5)).await;
    let hub = Hub::start_on(address, |_, _| Answer::ok()).await;
    let first = &hub.wait_count(1).await[0];
    assert_eq!(first.report["gap"]["missed"], first.seq() - 1);
    assert!(first.report["gap"]["lastError"].as_str().unwrap().contains("refused"), "{}", first.report["gap"]);
    stop(agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_token_ends_the_wait_for_a_refused_report() {
    let hub = Hub::start_by_request(|_, request, _| match request.header("authorization") {
        "Bearer new" => Answer::ok(),
        _ => Answer::status(401),
    })
    .await;
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let token_file = file.clone();
    let from_file = |sections: &mut sandbeat_agent::Sections| {
        sections.report.token = None;
        sections.report.token_file = Some(token_file);
    };
    let agent = Builder::new(&hub.url()).interval(3_600_000).with(from_file).start().await;
    assert_eq!(agent.failing().await["kind"], "denied");
    assert_eq!(hub.received().len(), 1);
    std::fs::write(&file, "new").unwrap();
    agent.health("acceptance", |reports| reports["accepted"] == 1).await;
    assert_eq!(seqs(&hub.received()), [1, 1], "the same report, long before the next one is due");
    stop(agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_as_a_date_is_obeyed_and_absurd_ones_are_within_bounds() {
    let soon = jiff::Timestamp::now() + Duration::from_secs(3);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&soon).unwrap();
    let header: &'static str = Box::leak(format!("retry-after: {date}\r\n").into_boxed_str());
    let hub = Hub::start(move |count, _| match count {
        0 => Answer::Http(503, header, String::new()),
        _ => Answer::ok(),
    })
    .await;
    let agent = Builder::new(&hub.url()).interval(50).start().await;
    let received = hub.wait_count(2).await;
    let waited = received[1].at - received[0].at;
    // The date has whole seconds.
    assert!((Duration::from_millis(1_000)..Duration::from_secs(10)).contains(&waited), "{waited:?}");
    stop(agent).await;

    for absurd in ["99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "0", "-1", "1e300", "NaN", "\u{7f}"] {
        let header: &'static str = Box::leak(format!("retry-after: {absurd}\r\n").into_boxed_str());
        let hub = Hub::start(move |count, _| match count {
            0 => Answer::Http(503, header, String::new()),
            _ => Answer::Http(200, "", r#"{"nextReportSecs":1e300}"#.to_owned()),
        })
        .await;
        let most = |sections: &mut sandbeat_agent::Sections| {
            sections.report.max_interval = Duration::from_millis(300);
        };
        let agent = Builder::new(&hub.url()).with(most).start().await;
        let received = hub.wait_count(3).await;
        assert!(received[1].at - received[0].at < Duration::from_secs(5), "{absurd}");
        stop(agent).await;
    }
}
