//! Routes that are not there, clients that are slow, and the end.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use sandbeat_hub::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
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
    for path in ["/nowhere", "/api/v1/sandboxes/", "/api/v1/sandboxes/s/other"] {
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
async fn each_wait_for_a_client_has_its_own_end() {
    let short = Duration::from_millis(100);
    let idle = |config: &mut Config| config.limits.idle_timeout = short;
    let head = |config: &mut Config| config.limits.header_timeout = short;
    let ended = async |hub: Hub, sent: &[u8]| {
        let mut stream = hub.connect().await;
        stream.write_all(sent).await.unwrap();
        let start = Instant::now();
        let answer = answer(&mut stream).await;
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        hub.stop().await;
        answer.status
    };
    assert_eq!(ended(Hub::start(idle).await, b"").await, 0, "nothing comes");
    let whole = b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n";
    assert_eq!(ended(Hub::start(idle).await, whole).await, 200, "nothing more comes");
    assert_eq!(ended(Hub::start(head).await, b"GET /health HTTP/1.1\r\nX-Slow: ").await, 0, "a head stays half");
    let more = [whole.as_slice(), b"GET /health HT"].concat();
    assert_eq!(ended(Hub::start(idle).await, &more).await, 200, "a second head stays half");
}

#[tokio::test]
async fn a_head_that_drips_is_late_all_the_same() {
    let hub = Hub::start(|config| config.limits.header_timeout = Duration::from_millis(300)).await;
    let mut stream = hub.connect().await;
    let start = Instant::now();
    stream.write_all(b"GET /health HTTP/1.1\r\nX-Slow: ").await.unwrap();
    let mut closed = [0];
    // Each byte comes well within the time that the whole has.
    while timeout(Duration::from_millis(20), stream.read(&mut closed)).await.is_err() {
        assert!(start.elapsed() < DEADLINE, "it goes on");
        if stream.write_all(b"x").await.is_err() {
            break;
        }
    }
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    hub.stop().await;
}

#[tokio::test]
async fn a_head_that_began_behind_another_request_is_late_from_its_next_byte_on() {
    let hub = Hub::start(|config| config.limits.header_timeout = Duration::from_millis(300)).await;
    let mut stream = hub.connect().await;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\nGET /health HT").await.unwrap();
    let mut read = [0; 1024];
    assert!(timeout(DEADLINE, stream.read(&mut read)).await.unwrap().unwrap() > 0);
    let start = Instant::now();
    while timeout(Duration::from_millis(20), stream.read(&mut read)).await.is_err() {
        assert!(start.elapsed() < DEADLINE, "it goes on");
        if stream.write_all(b"T").await.is_err() {
            break;
        }
    }
    hub.stop().await;
}

#[tokio::test]
async fn between_two_requests_the_time_for_a_head_does_not_run() {
    let hub = Hub::start(|config| config.limits.header_timeout = Duration::from_millis(100)).await;
    let mut stream = hub.connect().await;
    let mut read = [0; 17];
    for _ in 0..2 {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n").await.unwrap();
        timeout(DEADLINE, stream.read_exact(&mut read)).await.unwrap().unwrap();
        assert_eq!(&read, b"HTTP/1.1 200 OK\r\n");
        // Its end, and then nothing for longer than a head may take.
        let mut rest = [0; 1024];
        while timeout(Duration::from_millis(300), stream.read(&mut rest)).await.is_ok_and(|read| read.unwrap() > 0) {}
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_body_that_never_comes_whole_is_not_waited_for() {
    let hub = Hub::start(|config| config.limits.request_timeout = Duration::from_millis(100)).await;
    let token = hub.register("s").await;
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
async fn a_connection_that_asks_without_end_leaves_time_for_others() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let (mut asking, mut sending) = hub.connect_from([127, 0, 0, 2]).await.into_split();
    let flood = tokio::spawn(async move {
        let many = b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(1000);
        while sending.write_all(&many).await.is_ok() {}
    });
    let mut answers = vec![0; 1 << 20];
    assert!(asking.read(&mut answers).await.unwrap() > 0, "it is under way");
    let reading = tokio::spawn(async move { while asking.read(&mut answers).await.is_ok_and(|read| read > 0) {} });
    for _ in 0..10 {
        let start = Instant::now();
        assert_eq!(hub.report(&token, &base("s")).await.status, 200);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
    flood.abort();
    reading.abort();
    hub.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_not_read_takes_little_of_the_systems_memory() {
    let hub = Hub::start(|_| {}).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(hub.address).await.unwrap();
    let one = b"GET /openapi.json HTTP/1.1\r\nHost: hub\r\n\r\n";
    let many = one.repeat(1000);
    let mut sent = 0;
    while timeout(Duration::from_secs(1), stream.writable()).await.is_ok() {
        match stream.try_write(&many[sent % one.len()..]) {
            Ok(more) => sent += more,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    let (unread, unasked) = queues(hub.address, stream.local_addr().unwrap());
    assert!((1..512 << 10).contains(&unread), "{unread} bytes of answers");
    assert!((1..512 << 10).contains(&unasked), "{unasked} bytes of requests");
    hub.stop().await;
}

/// How many bytes the system keeps of what one side of a connection has sent, and of what it has yet to read
/// (proc_net_tcp(5)).
#[cfg(target_os = "linux")]
fn queues(local: SocketAddr, remote: SocketAddr) -> (usize, usize) {
    let ports = [local, remote].map(|address| format!(":{:04X}", address.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|line| line[1].ends_with(&ports[0]) && line[2].ends_with(&ports[1])).unwrap();
    let (sent, received) = line[4].split_once(':').unwrap();
    let bytes = |hexadecimal| usize::from_str_radix(hexadecimal, 16).unwrap();
    (bytes(sent), bytes(received))
}

#[tokio::test]
async fn large_bodies_share_the_memory_that_there_is() {
    let hub = Hub::start(|config| {
        config.limits.body_memory = 128 << 10;
        config.limits.request_timeout = Duration::from_secs(1);
    })
    .await;
    let (token, other) = (hub.register("s").await, hub.register("other").await);
    let call = hub.post("/api/v1/sandboxes/s/status").bearer(&token).header("Content-Type", "application/json");
    let half = [&call.header("Content-Length", "65536").bytes(), " ".repeat(30_000).as_bytes()].concat();
    let mut slow = [hub.connect_from([127, 0, 0, 2]).await, hub.connect_from([127, 0, 0, 2]).await];
    for stream in &mut slow {
        stream.write_all(&half).await.unwrap();
    }

    let mut large = base("other").to_string();
    large.push_str(&" ".repeat(60_000));
    let others = hub.post("/api/v1/sandboxes/other/status").bearer(&other).text(&large).send().await;
    assert_eq!(others.status, 200, "the other half is for others: {others:?}");
    let mut answers = [answer(&mut slow[0]).await, answer(&mut slow[1]).await];
    answers.sort_by_key(|answer| answer.status);
    let [late, refused] = answers;
    late.refused(408, "too long");
    refused.refused(503, "hub.body_memory");
    assert!(refused.head.contains("retry-after: "), "{refused:?}");
    hub.stop().await;
}

#[tokio::test]
async fn bodies_that_are_announced_and_do_not_come_take_no_room() {
    let hub = Hub::start(|config| {
        config.enroll = sandbeat_hub::Enroll::Open;
        config.limits.body_memory = 128 << 10;
    })
    .await;
    let token = hub.register("s").await;
    let mut announced = Vec::new();
    for number in 0..8 {
        let mut stream = hub.connect_from([127, 0, 0, 2 + number % 4]).await;
        let call = hub.post(&format!("/api/v1/sandboxes/new-{number}/status")).header("Expect", "100-continue");
        let head = call.header("Content-Type", "application/json").header("Content-Length", "65536").bytes();
        stream.write_all(&head).await.unwrap();
        timeout(DEADLINE, stream.read_exact(&mut [0; 25])).await.expect("it waits for room").unwrap();
        announced.push(stream);
    }
    let large = base("s").to_string() + &" ".repeat(60_000);
    let start = Instant::now();
    let taken = hub.post("/api/v1/sandboxes/s/status").bearer(&token).text(&large).send().await;
    assert_eq!(taken.status, 200, "{taken:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    drop(announced);
    hub.stop().await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_who_waits() {
    let hub = Hub::start(|_| {}).await;
    let fresh = hub.connect().await;
    let half = hub.half_open([127, 0, 0, 1]).await;
    let mut idle = hub.connect().await;
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n").await.unwrap();
    assert!(timeout(DEADLINE, idle.read(&mut [0; 1024])).await.unwrap().unwrap() > 0);
    let start = Instant::now();
    hub.stop().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    drop((fresh, half, idle));
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

#[tokio::test]
async fn what_one_sandbox_sends_slowly_holds_up_no_other_at_the_same_address() {
    let hub = Hub::start(|config| config.limits.body_memory = 2 << 20).await;
    let (slow, other) = (hub.register("slow").await, hub.register("other").await);
    let body = format!("{{{}", " ".repeat(29 << 10));
    let mut uploads = Vec::new();
    for path in ["slow/status", "s%6Cow/status"] {
        for _ in 0..10 {
            let mut stream = hub.connect().await;
            let call = hub.post(&format!("/api/v1/sandboxes/{path}")).bearer(&slow);
            let head = call.header("Content-Type", "application/json").header("Transfer-Encoding", "chunked").bytes();
            let chunk = format!("{:x}\r\n{body}\r\n", body.len());
            stream.write_all(&[&head, chunk.as_bytes()].concat()).await.unwrap();
            uploads.push(stream);
        }
    }
    let report = base("other").to_string() + &" ".repeat(30 << 10);
    let start = Instant::now();
    let answer = hub.post("/api/v1/sandboxes/other/status").bearer(&other).text(&report).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    for mut stream in uploads.split_off(15) {
        let answer = self::answer(&mut stream).await;
        answer.refused(429, "come again");
        assert!(answer.head.contains("retry-after: ") && answer.head.contains("connection: close"), "{answer:?}");
    }
    drop(uploads);
    hub.stop().await;
}

#[tokio::test]
async fn only_chunked_is_a_transfer_encoding() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let call = hub.post("/api/v1/sandboxes/s/status").bearer(&token).header("Transfer-Encoding", "gzip, chunked");
    call.header("Content-Type", "application/json").send().await.refused(501, "`chunked` alone");
    hub.stop().await;
}

#[tokio::test]
async fn a_refusal_before_the_body_keeps_the_connection_or_says_that_it_ends() {
    let hub = Hub::start(|_| {}).await;
    hub.register("s").await;
    let head = |length: usize| {
        format!("POST /api/v1/sandboxes/s/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
    };
    let mut stream = hub.connect().await;
    for _ in 0..2 {
        stream.write_all(head(10_000).as_bytes()).await.unwrap();
        stream.write_all(&[b' '; 10_000]).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            assert_ne!(timeout(DEADLINE, stream.read_buf(&mut read)).await.unwrap().unwrap(), 0);
        }
        let text = String::from_utf8(read).unwrap();
        assert!(text.starts_with("HTTP/1.1 401") && !text.contains("connection: close"), "{text}");
    }
    stream.write_all(head(100_000).as_bytes()).await.unwrap();
    let answer = answer(&mut stream).await;
    answer.refused(401, "unauthorized");
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    hub.stop().await;
}
