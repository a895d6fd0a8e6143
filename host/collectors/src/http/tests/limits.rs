//! How much a call may do.

use std::time::Duration;

use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Method};
use wasmtime_wasi_http::{Error, RequestOptions};

use super::super::{HttpLimits, TooManyRequests};
use super::guest::{Guest, LIMITS, nowhere, request, until};
use super::server::{Manner, Server};

fn limited(origin: &str, limits: HttpLimits) -> Guest {
    Guest::with(&[origin], limits, nowhere())
}

fn short() -> HttpLimits {
    HttpLimits { timeout: Duration::from_millis(150), ..LIMITS }
}

async fn held(start: &[u8]) -> (Server, String) {
    let server = Server::start(Manner::Hold(start.to_vec())).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    (server, origin)
}

#[tokio::test]
async fn one_request_too_many_ends_the_call() {
    let server = Server::answering("x").await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let mut guest = limited(&origin, HttpLimits { requests: 2, ..LIMITS });
    assert!(guest.get(&origin).await.is_ok());
    assert!(guest.get("http://elsewhere/").await.is_err(), "a refused one counts as well");
    let trap = guest.start(request(Method::Get, &origin), None).map(drop).unwrap_err();
    assert_eq!(trap.downcast_ref::<TooManyRequests>().unwrap().limit, 2);
    assert_eq!(guest.http.breach(), Some("made more HTTP requests than limits.http_requests (2)"));
    guest.http.renew();
    assert_eq!((guest.http.breach(), guest.http.denied()), (None, None));
    assert!(guest.get(&origin).await.is_ok(), "the next call counts from zero");
}

#[tokio::test]
async fn bytes_of_all_responses_are_counted_together() {
    let server = Server::answering(&"x".repeat(600)).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let mut guest = limited(&origin, HttpLimits { bytes: 1000, ..LIMITS });
    let reply = guest.get(&origin).await.unwrap();
    assert_eq!(guest.body(&reply).await.unwrap().len(), 600);
    let reply = guest.get(&origin).await.unwrap();
    let (_, error) = guest.body(&reply).await.unwrap_err();
    assert!(matches!(error, Error::HttpResponseBodySize(Some(1000))), "{error:?}");
    assert_eq!(guest.http.breach(), Some("received more over HTTP than limits.http_bytes (1000 bytes)"));
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    let flood = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(4 << 20));
    let server = Server::start(Manner::Answer(flood.into())).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let mut guest = limited(&origin, LIMITS);
    let reply = guest.get(&origin).await.unwrap();
    let (read, error) = guest.body(&reply).await.unwrap_err();
    assert!(read.len() <= 1 << 20 && matches!(error, Error::HttpResponseBodySize(_)), "{error:?}");
}

#[tokio::test]
async fn a_request_body_is_bounded() {
    let (_server, origin) = held(b"").await;
    let mut guest = limited(&origin, HttpLimits { bytes: 1000, ..LIMITS });
    let code = guest.post(&origin, vec![b'x'; 1001]).await.map(|reply| reply.status).unwrap_err();
    assert!(matches!(code, ErrorCode::HttpRequestBodySize(Some(1000))), "{code:?}");
    assert_eq!(guest.http.breach(), Some("sent more over HTTP than limits.http_bytes (1000 bytes)"));
}

#[tokio::test]
async fn the_head_of_a_response_is_bounded() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(256 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: x\r\n".repeat(1000));
    for head in [long, many] {
        let server = Server::start(Manner::Answer(head.into())).await;
        let origin = format!("http://127.0.0.1:{}", server.port);
        let mut guest = limited(&origin, LIMITS);
        let code = guest.get(&origin).await.map(|reply| reply.status).unwrap_err();
        assert!(matches!(code, ErrorCode::HttpResponseHeaderSectionSize(None)), "{code:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left() {
    let (server, origin) = held(b"").await;
    let mut guest = limited(&origin, short());
    let code = guest.get(&origin).await.map(|reply| reply.status).unwrap_err();
    assert!(matches!(code, ErrorCode::HttpResponseTimeout), "{code:?}");
    assert_eq!(
        guest.http.breach(),
        Some(format!("HTTP with `{origin}` took longer than limits.http_timeout (150ms)").as_str())
    );
    until("the connection is closed", || server.open() == 0).await;
}

#[tokio::test]
async fn a_body_that_trickles_or_stalls_is_left() {
    let start = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec();
    for manner in [Manner::Trickle(start.clone()), Manner::Hold(start)] {
        let server = Server::start(manner).await;
        let origin = format!("http://127.0.0.1:{}", server.port);
        let mut guest = limited(&origin, short());
        let reply = guest.get(&origin).await.unwrap();
        let (_, error) = guest.body(&reply).await.unwrap_err();
        assert!(matches!(error, Error::HttpResponseTimeout), "{error:?}");
        assert!(guest.http.breach().unwrap().contains("limits.http_timeout"));
    }
}

#[tokio::test]
async fn a_guest_may_be_less_patient() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let ((_silent, silent), (_stalled, stalled)) = (held(b"").await, held(head).await);
    let mut guest = Guest::new(&[&silent, &stalled]);
    let soon = Some(Duration::from_millis(20));
    let options = RequestOptions { first_byte_timeout: soon, ..RequestOptions::default() };
    let response = guest.start(request(Method::Get, &silent), Some(options)).unwrap().unwrap();
    let code = guest.wait(response).await.map(|reply| reply.status).unwrap_err();
    assert!(matches!(code, ErrorCode::ConnectionReadTimeout), "{code:?}");
    let options = RequestOptions { between_bytes_timeout: soon, ..RequestOptions::default() };
    let response = guest.start(request(Method::Get, &stalled), Some(options)).unwrap().unwrap();
    let reply = guest.wait(response).await.unwrap();
    let (_, error) = guest.body(&reply).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error:?}");
    assert_eq!(guest.http.breach(), None, "its own patience is no limit of ours");
}

#[tokio::test]
async fn so_many_connections_are_open_at_once() {
    let (server, origin) = held(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let mut guest = limited(&origin, LIMITS);
    let mut replies = Vec::new();
    for _ in 0..8 {
        replies.push(guest.get(&origin).await.unwrap());
    }
    let code = guest.get(&origin).await.map(|reply| reply.status).unwrap_err();
    assert!(matches!(code, ErrorCode::ConnectionLimitReached), "{code:?}");
    guest.http.renew();
    assert!(guest.get(&origin).await.is_err(), "they are open in the next call as well");
    let reply = replies.pop().unwrap();
    guest.table.delete(reply.response).unwrap();
    until("a connection is closed", || server.open() == 7).await;
    assert!(guest.get(&origin).await.is_ok());
}

#[tokio::test]
async fn the_end_of_the_store_closes_every_connection() {
    let (silent, quiet) = held(b"").await;
    let (started, begun) = held(b"HTTP/1.1 200 OK\r\n\r\nsome").await;
    let mut guest = Guest::new(&[&quiet, &begun]);
    let _waiting = guest.start(request(Method::Get, &quiet), None).unwrap().unwrap();
    let _reply = guest.get(&begun).await.unwrap();
    until("both are open", || silent.open() == 1 && started.open() == 1).await;
    drop(guest);
    until("both are closed", || silent.open() == 0 && started.open() == 0).await;
}

#[tokio::test]
async fn a_kept_instance_holds_no_connection_past_the_deadline() {
    let (server, origin) = held(b"HTTP/1.1 200 OK\r\n\r\nsome").await;
    let mut guest = limited(&origin, short());
    let _unread = guest.get(&origin).await.unwrap();
    until("it is closed", || server.open() == 0).await;
}

#[test]
fn an_instance_without_requests_costs_next_to_nothing() {
    let guest = Guest::new(&[]);
    assert!(guest.http.gate.ledger.is_none());
}

#[tokio::test]
async fn interim_responses_without_end_are_no_answer() {
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40_000);
    let (_server, origin) = held(hints.as_bytes()).await;
    let mut guest = limited(&origin, LIMITS);
    assert!(guest.get(&origin).await.is_err());
    let trouble = guest.http.trouble().unwrap();
    assert!(trouble.contains(&origin) && trouble.contains("before its answer"), "{trouble}");

    let some = format!("{}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(3));
    let (_server, origin) = held(some.as_bytes()).await;
    let mut guest = limited(&origin, LIMITS);
    assert_eq!(guest.get(&origin).await.unwrap().status, 200);
}
