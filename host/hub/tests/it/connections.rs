//! Routes that are not there, clients that are slow, and the end.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::harness::{DEADLINE, Hub, answer, base};

#[tokio::test]
async fn health_says_ok_and_when() {
    let hub = Hub::start(|_| {}).await;
    let answer = hub.get("/health").send().await;
    assert_eq!((answer.status, answer.body["status"].as_str()), (200, Some("ok")));
    let timestamp = answer.body["timestamp"].as_str().unwrap();
    assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{timestamp}");
    hub.stop().await;
}

#[tokio::test]
async fn unknown_routes_and_methods_are_answered_in_the_contracts_form() {
    let hub = Hub::start(|_| {}).await;
    for path in ["/", "/nowhere", "/api/v1/sandboxes/", "/api/v1/sandboxes/s/other"] {
        hub.get(path).send().await.refused(404, "there is no route");
    }
    for (method, path) in [
        ("GET", "/api/v1/sandboxes/s/status"),
        ("PUT", "/api/v1/sandboxes"),
        ("POST", "/api/v1/sandboxes/s"),
        ("DELETE", "/health"),
    ] {
        let answer = hub.call(method, path).send().await;
        answer.refused(405, "does not take");
        assert!(answer.head.contains("allow: "), "{answer:?}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_connection_carries_one_report_after_another() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let body = base("s").to_string();
    let mut stream = hub.connect().await;
    for _ in 0..3 {
        let head = format!(
            "POST /api/v1/sandboxes/s/status HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            assert_ne!(timeout(DEADLINE, stream.read_buf(&mut read)).await.unwrap().unwrap(), 0);
        }
        assert!(read.starts_with(b"HTTP/1.1 200"));
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_head_or_a_body_that_never_comes_whole_is_not_waited_for() {
    let hub = Hub::start(|config| {
        config.limits.idle_timeout = Duration::from_millis(100);
        config.limits.request_timeout = Duration::from_millis(100);
    })
    .await;
    let token = hub.register("s").await;
    for head in ["", "POST /api/v1/sandboxes/s/status HTTP/1.1\r\nHost: hub\r\nX-Slow: "] {
        let mut stream = hub.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_ne!(answer(&mut stream).await.status, 200, "closed");
    }
    let mut stream = hub.connect().await;
    let slow = hub.post("/api/v1/sandboxes/s/status").bearer(&token).header("Content-Type", "application/json");
    stream.write_all(&slow.header("Content-Length", "100").bytes()).await.unwrap();
    stream.write_all(b"{").await.unwrap();
    answer(&mut stream).await.refused(408, "too long");
    assert_eq!(hub.sandbox("s").await["status"], "pending");
    hub.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let mut stream = hub.connect().await;
    let body = base("s").to_string();
    let call = hub.post("/api/v1/sandboxes/s/status").bearer(&token).header("Content-Type", "application/json");
    stream.write_all(&call.header("Content-Length", &(body.len() + 1).to_string()).bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    answer(&mut stream).await;
    assert_eq!(hub.sandbox("s").await["status"], "pending");
    hub.stop().await;
}

#[tokio::test]
async fn past_the_limit_of_connections_one_waits_until_another_ends() {
    let hub = Hub::start(|config| {
        config.limits.connections = 1;
        config.limits.idle_timeout = Duration::from_millis(300);
    })
    .await;
    let start = Instant::now();
    let idle = hub.connect().await;
    assert_eq!(hub.get("/health").send().await.status, 200, "the idle one was ended for it");
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
    drop(idle);
    hub.stop().await;
}

#[tokio::test]
async fn the_end_waits_for_a_request_under_way_and_for_nobody_else() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let idle = hub.connect().await;
    let mut under_way = hub.connect().await;
    let body = base("s").to_string();
    let call = hub.post("/api/v1/sandboxes/s/status").bearer(&token).text(&body).header("Expect", "100-continue");
    let bytes = call.bytes();
    let (head, body) = bytes.split_at(bytes.len() - body.len());
    under_way.write_all(head).await.unwrap();
    // The hub asks for the body: the request is under way for certain.
    let mut go_on = [0; 25];
    timeout(DEADLINE, under_way.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"));

    let start = Instant::now();
    let (address, ending) = (hub.address, tokio::spawn(hub.stop()));
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("new connections are still taken");
    under_way.write_all(body).await.unwrap();
    assert_eq!(answer(&mut under_way).await.status, 200);
    ending.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    drop(idle);
}
