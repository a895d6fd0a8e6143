//! The load against a server that answers as it is told, over real sockets.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test ends with its first surprise")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sandbeat_load_generator::{Fleet, Load, Running};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(100);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"success\":true}";

/// A server that keeps what it is sent and answers it as it is told.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(Instant, Value)>>>,
}

impl Server {
    /// `answer` has the reports before this one and this one; without an answer the connection is closed.
    fn start(answer: impl Fn(usize, &Value) -> Option<String> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, answer) = (listener.local_addr().unwrap(), Arc::new(answer));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        // Its threads end with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                std::thread::spawn(move || serve(&stream, &kept, &*answer));
            }
        });
        Server { address, seen }
    }

    fn seen(&self) -> Vec<(Instant, Value)> {
        self.seen.lock().unwrap().clone()
    }

    fn load(&self) -> Load {
        Load::to(self.address).interval(INTERVAL).connections(4).timeout(Duration::from_secs(5))
    }
}

fn serve(
    mut stream: &TcpStream,
    seen: &Mutex<Vec<(Instant, Value)>>,
    answer: &dyn Fn(usize, &Value) -> Option<String>,
) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if length == 0 || reader.read_exact(&mut body).is_err() {
            return;
        }
        let body: Value = serde_json::from_slice(&body).expect("a report as it is");
        let before = {
            let mut seen = seen.lock().unwrap();
            seen.push((Instant::now(), body.clone()));
            seen.len() - 1
        };
        match answer(before, &body) {
            Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
            None => return,
        }
    }
}

fn with(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[track_caller]
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn play(load: &Load, agents: u32) -> Running {
    load.start(&Arc::new(Fleet::open("box", agents))).unwrap()
}

/// The `seq` of each report by sandbox, in the order of arrival.
fn seqs(seen: &[(Instant, Value)]) -> BTreeMap<String, Vec<u64>> {
    let mut all = BTreeMap::new();
    for (_, report) in seen {
        let id = report["sandboxId"].as_str().unwrap().to_owned();
        all.entry(id).or_insert_with(Vec::new).push(report["seq"].as_u64().unwrap());
    }
    all
}

#[test]
fn each_agent_reports_in_its_interval_and_what_was_answered_is_in_the_account() {
    let server = Server::start(|_, _| Some(OK.to_owned()));
    let running = play(&server.load(), 10);
    wait_for("some reports", || (server.seen().len() >= 100).then_some(()));
    let elapsed = running.origin().elapsed();
    let accepted = running.accepted();
    let fair = 10.0 * elapsed.as_secs_f64() / INTERVAL.as_secs_f64();
    assert!((0.5 * fair..1.5 * fair).contains(&(accepted as f64)), "{accepted} in {elapsed:?}");
    let last: Vec<_> =
        (0..10).map(|number| (running.fleet().id(number), running.fleet().acknowledged(number))).collect();
    let figures = running.stop().unwrap();
    assert_eq!((figures.failed(), figures.missed, figures.status(200)), (0, 0, figures.accepted), "{figures}");
    for (id, seqs) in seqs(&server.seen()) {
        assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{id}: {seqs:?}");
        let (_, acknowledged) = last.iter().find(|(known, _)| *known == id).unwrap();
        assert!(acknowledged.is_some_and(|(seq, _)| seqs.contains(&seq)), "{id}: {acknowledged:?}");
    }
}

#[test]
fn a_directed_interval_is_kept_and_a_silent_agent_says_nothing() {
    let server = Server::start(|_, _| Some(with("200 OK", "", "{\"success\":true,\"nextReportSecs\":0.4}")));
    let running = play(&server.load().directed_within(Duration::from_millis(10), PATIENCE).jitter(0.0), 1);
    wait_for("some reports", || (server.seen().len() >= 5).then_some(()));
    running.silence(1.0);
    let seen = server.seen();
    let gaps: Vec<Duration> = seen.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps[1..].iter().all(|gap| *gap > Duration::from_millis(300)), "{gaps:?}");
    let since = Instant::now();
    wait_for("some silence", || (since.elapsed() > Duration::from_secs(1)).then_some(()));
    assert!(server.seen().len() <= seen.len() + 1, "one may have been under way");
    running.silence(0.0);
    wait_for("it to go on", || (server.seen().len() > seen.len() + 1).then_some(()));
}

#[test]
fn a_hub_that_wants_to_be_left_alone_is_and_what_was_missed_is_told() {
    let server = Server::start(|before, _| {
        let refusal = || with("503 Service Unavailable", "retry-after: 1\r\n", "");
        Some(if before == 1 { refusal() } else { OK.to_owned() })
    });
    let running = play(&server.load(), 1);
    wait_for("some reports", || (server.seen().len() >= 4).then_some(()));
    let figures = running.stop().unwrap();
    let seen = server.seen();
    assert!(seen[2].0 - seen[1].0 >= Duration::from_millis(900), "{:?}", seen[2].0 - seen[1].0);
    let (before, after) = (seen[1].1["seq"].as_u64().unwrap(), seen[2].1["seq"].as_u64().unwrap());
    assert!(after > before + 3, "newer ones took its place: {before}, then {after}");
    assert_eq!(seen[2].1["gap"]["missed"], after - before, "{}", seen[2].1);
    assert!(seen[3].1.get("gap").is_none(), "told once");
    assert_eq!((figures.status(503), figures.missed), (1, after - before), "{figures}");
}

#[test]
fn a_connection_that_breaks_costs_a_retry_and_no_number_is_used_twice() {
    let server = Server::start(|before, _| (before % 5 != 4).then(|| OK.to_owned()));
    let running = play(&server.load(), 4);
    wait_for("many reports", || (running.accepted() >= 60).then_some(()));
    let figures = running.stop().unwrap();
    assert!(figures.closed > 5 && figures.failed() == figures.closed, "{figures}");
    for (id, seqs) in seqs(&server.seen()) {
        // A report that met a closed connection is sent again under its own number.
        assert!(seqs.windows(2).all(|pair| pair[0] <= pair[1]), "{id}: {seqs:?}");
    }
}

#[test]
fn what_the_hub_keeps_is_left_out() {
    let answer = with("200 OK", "", "{\"success\":true,\"accepts\":[\"delta\"]}");
    let server = Server::start(move |_, _| Some(answer.clone()));
    let running = play(&server.load().plugins(1).uncompressed(), 1);
    wait_for("some reports", || (server.seen().len() >= 3).then_some(()));
    drop(running);
    let seen = server.seen();
    assert!(seen[0].1["plugins"].is_array() && seen[0].1.get("unchanged").is_none(), "{}", seen[0].1);
    for (_, report) in &seen[1..] {
        assert!(report["unchanged"].is_array() && report.get("plugins").is_none(), "{report}");
    }
}

#[test]
fn a_closed_loop_is_as_fast_as_the_answers() {
    let server = Server::start(|_, _| Some(OK.to_owned()));
    let running = play(&server.load().closed().interval(PATIENCE), 10);
    wait_for("far more than the interval gives", || (running.accepted() > 1000).then_some(()));
    running.silence(1.0);
    let figures = running.stop().unwrap();
    assert_eq!(figures.failed(), 0, "{figures}");
}
