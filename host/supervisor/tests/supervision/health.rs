//! Health checks of each kind, failing and recovering.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use sandbeat_supervisor::{Details, Phase};

use crate::harness::{Sandbox, eventually, failed, gone, last_error, running};

/// A server on loopback that answers every request with the status that it is set to.
struct Server {
    address: SocketAddr,
    status: Arc<AtomicU16>,
}

impl Server {
    fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(status));
        let answered = Arc::clone(&status);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                let status = answered.load(Ordering::SeqCst);
                let _ = write!(stream, "HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Server { address, status }
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

fn ready(details: &Details) -> bool {
    details.phase == Phase::Ready && running(details)
}

fn unhealthy(details: &Details) -> bool {
    details.phase == Phase::Unhealthy && failed(details) && details.status.pid.is_some()
}

fn sleeping(health: &str) -> Sandbox {
    Sandbox::script("exec sleep 1000", &format!("health = {{ {health}, interval = \"20ms\", retries = 2 }}"))
}

#[tokio::test]
async fn a_url_that_answers_500_is_an_error_until_it_answers_again() {
    let server = Server::start(302);
    let url = format!("http://{}/ready", server.address);
    let sandbox = sleeping(&format!("http = \"{url}?key=secret\""));
    let web = sandbox.until(ready).await;
    assert_eq!(web.status.last_error, None);

    server.answer(500);
    let sick = sandbox.until(unhealthy).await;
    assert_eq!(last_error(&sick), format!("health check failed: GET {url}: answered 500"));
    assert!(sick.status.uptime_ms.is_some());

    server.answer(204);
    let web = sandbox.until(ready).await;
    assert_eq!((web.status.pid, web.status.restart_count), (sick.status.pid, 0), "it was left alone");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let sandbox = sleeping(&format!("http = \"{url}\", timeout = \"50ms\""));
    let web = sandbox.until(unhealthy).await;
    assert_eq!(last_error(&web), format!("health check failed: GET {url}: no answer within 50ms"));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_port_that_refuses_is_an_error_until_it_accepts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sandbox = sleeping(&format!("tcp = \"{address}\""));
    assert_eq!(sandbox.until(running).await.phase, Phase::Starting);
    let web = sandbox.until(unhealthy).await;
    assert_eq!(last_error(&web), format!("health check failed: connecting to {address}: connection refused"));
    let _listener = TcpListener::bind(address).unwrap();
    sandbox.until(ready).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_command_decides_by_its_exit_code_in_the_processes_own_place() {
    let dir = tempfile::tempdir().unwrap();
    let keys = format!(
        "cwd = \"{}\"\nenv = {{ WANTED = \"flag\" }}\n\
         health = {{ exec = [\"sh\", \"-c\", 'test -e \"$WANTED\"'], interval = \"20ms\", retries = 2 }}",
        dir.path().display()
    );
    let sandbox = Sandbox::script("exec sleep 1000", &keys);
    let web = sandbox.until(unhealthy).await;
    assert_eq!(last_error(&web), "health check failed: `sh`: exited with code 1");
    fs::write(dir.path().join("flag"), "").unwrap();
    sandbox.until(ready).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let script = format!("sleep 1000 & echo $$ $! >> {}; wait", file.display());
    let sandbox = sleeping(&format!("exec = [\"sh\", \"-c\", '{script}'], timeout = \"200ms\""));
    let web = sandbox.until(unhealthy).await;
    assert!(last_error(&web).ends_with("no answer within 200ms"), "{web:?}");
    sandbox.shutdown().await;
    let pids = eventually(|| fs::read_to_string(&file).ok(), || "no check ran").await;
    let pids: Vec<u32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() >= 2);
    gone(&pids).await;
}

#[tokio::test]
async fn failures_in_the_start_period_are_no_error() {
    let server = Server::start(503);
    let health = format!("http = \"http://{}/\", start_period = \"1h\"", server.address);
    let sandbox = sleeping(&health);
    sandbox.until(|web| web.status.uptime_ms > Some(300)).await;
    assert_eq!((sandbox.web().phase, running(&sandbox.web())), (Phase::Starting, true));
    server.answer(200);
    sandbox.until(ready).await;
    server.answer(503);
    sandbox.until(unhealthy).await;
    sandbox.shutdown().await;
}
