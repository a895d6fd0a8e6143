//! Who gives way when there are as many connections as there may be.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::pin::pin;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::harness::{ADMIN_KEY, Call, DEADLINE, Hub, admin_key, base};

#[tokio::test]
async fn a_flood_of_half_open_requests_from_one_address_holds_up_no_other() {
    let hub = Hub::start(|config| config.limits.connections = 50).await;
    let token = hub.register("s").await;
    // One that is there already, and stays.
    let mut kept = hub.connect_from([127, 0, 0, 3]).await;
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n").await.unwrap();
    assert!(timeout(DEADLINE, kept.read(&mut [0; 1024])).await.unwrap().unwrap() > 0);
    let mut flood = Vec::new();
    for _ in 0..4 {
        for _ in 0..50 {
            flood.push(hub.half_open([127, 0, 0, 2]).await);
        }
        let start = Instant::now();
        assert_eq!(hub.report(&token, &base("s")).await.status, 200);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(timeout(DEADLINE, kept.read(&mut [0; 1024])).await.unwrap().unwrap() > 0, "the other address is spared");
    hub.stop().await;
}

#[tokio::test]
async fn half_open_requests_from_many_addresses_hold_up_nobody() {
    let hub = Hub::start(|config| config.limits.connections = 20).await;
    let token = hub.register("s").await;
    let mut half = Vec::new();
    for last in 1..20 {
        half.push(hub.half_open([127, 0, 1, last]).await);
    }
    // The address that holds the most, as they all do, is in the middle of a request.
    let call = hub.post("/api/v1/sandboxes/s/status").bearer(&token).header("Content-Type", "application/json");
    let mut busy = hub.connect_from([127, 0, 2, 1]).await;
    let head = call.header("Content-Length", "100").header("Expect", "100-continue").bytes();
    busy.write_all(&head).await.unwrap();
    timeout(DEADLINE, busy.read_exact(&mut [0; 25])).await.unwrap().unwrap();
    let start = Instant::now();
    let is_let_in = async || {
        let mut stream = hub.connect_from([127, 0, 0, 1]).await;
        let _ = stream.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n").await;
        let read = timeout(DEADLINE, stream.read(&mut [0; 1024])).await.unwrap();
        read.is_ok_and(|read| read > 0)
    };
    // Each has a few seconds first, for it might be slow.
    while !is_let_in().await {
        assert!(start.elapsed() < Duration::from_secs(6), "nobody gives way");
        sleep(Duration::from_millis(10)).await;
    }
    drop((half, busy));
    hub.stop().await;
}

#[tokio::test]
async fn bodies_that_drip_from_one_address_hold_up_no_other() {
    let hub = Hub::start(|config| config.limits.connections = 20).await;
    let token = hub.register("s").await;
    let call = hub.post("/api/v1/sandboxes/s/status").bearer(&token).header("Content-Type", "application/json");
    let slow = call.header("Content-Length", "100").header("Expect", "100-continue").bytes();
    let mut dripping = Vec::new();
    for _ in 0..20 {
        let mut stream = hub.connect_from([127, 0, 0, 2]).await;
        stream.write_all(&slow).await.unwrap();
        // All of them are in the middle of a request.
        timeout(DEADLINE, stream.read_exact(&mut [0; 25])).await.unwrap().unwrap();
        dripping.push(stream);
    }
    let start = Instant::now();
    assert_eq!(hub.report(&token, &base("s")).await.status, 200);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    drop(dripping);
    hub.stop().await;
}

#[tokio::test]
async fn past_the_limit_a_newcomer_takes_the_place_of_one_that_waits() {
    let hub = Hub::start(|config| config.limits.connections = 1).await;
    let mut idle = hub.connect().await;
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n").await.unwrap();
    assert!(timeout(DEADLINE, idle.read(&mut [0; 1024])).await.unwrap().unwrap() > 0);
    assert_eq!(hub.get("/health").send().await.status, 200);
    let gone = timeout(DEADLINE, idle.read(&mut [0; 1024])).await.expect("the idle one is still there");
    assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
    hub.stop().await;
}

#[tokio::test]
async fn who_has_shown_the_admin_key_is_among_the_last_to_go() {
    let hub = Hub::start(|config| {
        admin_key(config);
        config.limits.connections = 3;
    })
    .await;
    let mut listener = hub.connect().await;
    let listen = hub.get("/api/v1/events").bearer(ADMIN_KEY).header("Accept", "text/event-stream");
    listener.write_all(&listen.bytes()).await.unwrap();
    assert!(timeout(DEADLINE, listener.read(&mut [0; 4096])).await.unwrap().unwrap() > 0);
    let mut silent = [hub.connect().await, hub.connect().await];
    let start = Instant::now();
    let [one, other] = &mut silent;
    let mut gone = pin!(async {
        tokio::select! {
            _ = one.read_u8() => {}
            _ = other.read_u8() => {}
        }
    });
    while timeout(Duration::from_millis(100), &mut gone).await.is_err() {
        assert!(start.elapsed() < DEADLINE, "nobody gives way");
        drop(hub.connect().await);
    }
    let still = timeout(Duration::from_millis(300), listener.read(&mut [0; 4096])).await;
    assert!(!matches!(still, Ok(Ok(0) | Err(_))), "the one with the key has gone first: {still:?}");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_without_a_key_that_do_not_read_from_ones_own_address_shut_nobody_out() {
    sandboxes_go_on_while_answers_lie_there([127, 0, 0, 9], |_| [127, 0, 0, 9]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_without_a_key_that_do_not_read_from_many_addresses_shut_nobody_out() {
    sandboxes_go_on_while_answers_lie_there([127, 9, 9, 9], |number| [127, 0, 3, number]).await;
}

/// More clients than there may be ask without end, read nothing, and come back as soon as they are cut off; meanwhile
/// one sandbox reports on the connection that it has, and another on a new one each time.
async fn sandboxes_go_on_while_answers_lie_there(own: [u8; 4], others: impl Fn(u8) -> [u8; 4]) {
    const LIMIT: u8 = 40;
    let hub = Hub::start(|config| {
        admin_key(config);
        config.limits.connections = LIMIT.into();
    })
    .await;
    let register = hub.post("/api/v1/sandboxes").bearer(ADMIN_KEY).json(&json!({"id": "s"})).send().await;
    let token = register.body["token"].as_str().unwrap();
    let report = || hub.post("/api/v1/sandboxes/s/status").bearer(token).json(&base("s"));
    let mut kept = hub.connect_from(own).await;
    assert!(is_taken(&mut kept, report()).await);

    let mut clients = JoinSet::new();
    for number in 1..=LIMIT + 10 {
        clients.spawn(ask_and_never_read(hub.address, others(number)));
    }
    let mut taken = 0;
    let mut rounds = interval(Duration::from_millis(200));
    for _ in 0..20 {
        rounds.tick().await;
        assert!(is_taken(&mut kept, report()).await, "the connection of a sandbox gave way");
        taken += usize::from(is_taken(&mut hub.connect_from(own).await, report()).await);
    }
    assert!(taken > 10, "{taken} of 20 reports on new connections");
    clients.shutdown().await;
    hub.stop().await;
}

async fn ask_and_never_read(hub: std::net::SocketAddr, from: [u8; 4]) {
    let mut pace = interval(Duration::from_millis(250));
    let many = b"GET /openapi.json HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(300);
    loop {
        pace.tick().await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind((from, 0).into()).unwrap();
        let Ok(stream) = socket.connect(hub).await else { continue };
        let _ = stream.try_write(&many);
        let is_cut_off = |error: std::io::Error| error.kind() != std::io::ErrorKind::WouldBlock;
        while !stream.try_write(b"G").is_err_and(is_cut_off) {
            pace.tick().await;
        }
    }
}

/// Whether a report on this connection, which stays open, is answered with 200.
async fn is_taken(stream: &mut TcpStream, report: Call) -> bool {
    let bytes = String::from_utf8(report.bytes()).unwrap().replace("Connection: close\r\n", "");
    let mut read = [0; 1024];
    stream.write_all(bytes.as_bytes()).await.is_ok()
        && timeout(DEADLINE, stream.read(&mut read)).await.is_ok_and(|length| length.is_ok_and(|length| length > 0))
        && read.starts_with(b"HTTP/1.1 200")
}
