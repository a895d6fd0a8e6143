//! Where a request may go.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Method, Scheme};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;

use super::super::Connector;
use super::super::origin::Origin;
use super::guest::{Guest, LIMITS, nowhere, request, resolving_to};
use super::server::{Manner, Server, certificate, roots};

#[tokio::test]
async fn a_granted_origin_is_reached() {
    let server = Server::answering("hello").await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let mut guest = Guest::new(&[&origin]);
    let reply = guest.get(&format!("{origin}/a?b=c")).await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(guest.body(&reply).await.unwrap(), b"hello");
    let head = server.heads()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /a?b=c http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)), "{head}");
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert_eq!((guest.http.denied(), guest.http.breach(), guest.http.trouble()), (None, None, None));
}

#[tokio::test]
async fn every_path_becomes_a_request_line() {
    let server = Server::answering("").await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let mut guest = Guest::new(&[&origin]);
    for (path, line) in
        [(None, "GET / "), (Some(""), "GET / "), (Some("?a=b"), "GET /?a=b "), (Some("//x/y"), "GET //x/y ")]
    {
        let path_with_query = path.map(str::to_owned);
        guest.send(HostOutgoingRequest { path_with_query, ..request(Method::Get, &origin) }).await.unwrap();
        let head = server.heads().pop().unwrap();
        assert!(head.starts_with(&format!("{line}HTTP/1.1\r\n")), "{path:?}: {head}");
    }
}

#[tokio::test]
async fn what_is_not_granted_is_refused_before_anything_is_sent() {
    let server = Server::answering("hello").await;
    let port = server.port;
    let granted = format!("http://127.0.0.1:{port}");
    for url in [
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://user@127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://127.0.0.1/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let mut guest = Guest::new(&[&granted]);
        let code = guest.get(&url).await.map(|reply| reply.status).unwrap_err();
        assert!(matches!(code, ErrorCode::HttpRequestDenied), "{url}: {code:?}");
        assert!(guest.http.denied().is_some(), "{url}");
    }
    assert!(server.heads().is_empty());
}

#[tokio::test]
async fn the_first_refusal_is_named_with_its_cure() {
    let mut guest = Guest::new(&[]);
    for url in ["http://x:80/secret?token=1", "http://y/"] {
        assert!(guest.get(url).await.is_err());
    }
    let denied = guest.http.denied().unwrap();
    assert_eq!(denied, "HTTP to `http://x` is not granted; add it to [grant] http if it should be");
}

#[tokio::test]
async fn a_redirect_is_handed_to_the_guest_and_checked_when_it_follows() {
    let elsewhere = Server::answering("secret").await;
    let location = format!("http://127.0.0.1:{}/", elsewhere.port);
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let server = Server::start(Manner::Answer(answer.into())).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let mut guest = Guest::new(&[&origin]);
    let reply = guest.get(&origin).await.unwrap();
    assert_eq!(reply.status, 302);
    assert_eq!(guest.header(&reply, "location"), Some(location.clone()));
    let code = guest.get(&location).await.map(|reply| reply.status).unwrap_err();
    assert!(matches!(code, ErrorCode::HttpRequestDenied), "{code:?}");
    assert!(elsewhere.heads().is_empty());
}

#[tokio::test]
async fn localhost_names_loopback_and_is_not_looked_up() {
    let server = Server::answering("hello").await;
    let origin = format!("http://localhost:{}", server.port);
    let mut guest = Guest::with(&[&origin], LIMITS, resolving_to(&["169.254.169.254"]));
    let reply = guest.get(&origin).await.unwrap();
    assert_eq!(guest.body(&reply).await.unwrap(), b"hello");
    assert!(server.heads()[0].to_ascii_lowercase().contains(&format!("host: localhost:{}\r\n", server.port)));
}

#[tokio::test]
async fn a_granted_name_does_not_lead_to_a_special_address() {
    let server = Server::answering("secret").await;
    let origin = format!("http://db.example:{}", server.port);
    for (addresses, word) in [
        (&["127.0.0.1"][..], "loopback"),
        (&["::ffff:127.0.0.1"], "loopback"),
        (&["169.254.169.254"], "metadata"),
        (&["fe80::1", "169.254.7.7"], "link-local"),
        (&["0.0.0.0"], "no address"),
    ] {
        let mut guest = Guest::with(&[&origin], LIMITS, resolving_to(addresses));
        let code = guest.get(&origin).await.map(|reply| reply.status).unwrap_err();
        assert!(matches!(code, ErrorCode::DestinationIpProhibited), "{addresses:?}: {code:?}");
        let denied = guest.http.denied().unwrap();
        assert!(
            denied.contains(&origin) && denied.contains(word) && denied.contains("granted itself (`http://"),
            "{denied}"
        );
    }
    assert!(server.heads().is_empty());
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_only_checked_addresses_are_used() {
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = lookups.clone();
    let resolver = move |_: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        let mixed = ["169.254.169.254", "10.1.2.3", "::1", "fd12::1", "127.0.0.1"];
        Ok(mixed.iter().map(|address| address.parse().unwrap()).collect())
    };
    let connector = Connector::new(Arc::new(resolver), Box::new(|| Err(String::new())));
    let addresses = connector.addresses(&Origin::parse("http://mixed.example").unwrap()).await.unwrap();
    let expected: Vec<IpAddr> = ["10.1.2.3", "fd12::1"].iter().map(|address| address.parse().unwrap()).collect();
    assert_eq!(addresses, expected);
    assert_eq!(lookups.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_address_that_the_grant_names_is_not_questioned() {
    for (origin, address) in [("http://169.254.169.254", "169.254.169.254"), ("http://[::1]:3000", "::1")] {
        let addresses = nowhere().addresses(&Origin::parse(origin).unwrap()).await.unwrap();
        assert_eq!(addresses, [address.parse::<IpAddr>().unwrap()]);
    }
}

#[tokio::test]
async fn what_fails_on_the_way_is_told_apart() {
    let closed = Server::start(Manner::Close).await;
    let broken = Server::start(Manner::Answer(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let urls = [url(closed.port), url(broken.port), url(free), "http://unknown.example".to_owned()];
    let grants = urls.each_ref().map(String::as_str);
    for (grant, expected, words) in [
        (grants[0], "ConnectionTerminated", "gave no response"),
        (grants[1], "HttpProtocolError", "gave no response"),
        (grants[2], "ConnectionRefused", "no connection to"),
        (grants[3], "DnsError", "does not resolve"),
    ] {
        let mut guest = Guest::new(&grants);
        let code = guest.get(grant).await.map(|reply| reply.status).unwrap_err();
        assert!(format!("{code:?}").contains(expected), "{grant}: {code:?}");
        let trouble = guest.http.trouble().unwrap();
        assert!(trouble.contains(grant) && trouble.contains(words), "{trouble}");
        assert_eq!(guest.http.denied(), None);
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_body() {
    let server = Server::start(Manner::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec())).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let mut guest = Guest::new(&[&origin]);
    let reply = guest.get(&origin).await.unwrap();
    let (read, error) = guest.body(&reply).await.unwrap_err();
    assert_eq!(read, b"half");
    assert!(matches!(error, Error::HttpResponseIncomplete), "{error:?}");
}

#[tokio::test]
async fn no_tunnel_and_no_other_protocol() {
    let switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let server = Server::start(Manner::Hold(switching.to_vec())).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let mut guest = Guest::new(&[&origin]);
    for method in [Method::Connect, Method::Other("connect".to_owned())] {
        let code = guest.send(request(method, &origin)).await.map(|reply| reply.status).unwrap_err();
        assert!(matches!(code, ErrorCode::HttpRequestMethodInvalid), "{code:?}");
    }
    assert!(server.heads().is_empty());
    let code = guest.get(&origin).await.map(|reply| reply.status).unwrap_err();
    assert!(matches!(code, ErrorCode::HttpUpgradeFailed), "{code:?}");
    let mut other = request(Method::Get, &origin);
    other.scheme = Some(Scheme::Other("ws".to_owned()));
    assert!(guest.send(other).await.is_err());
}

#[tokio::test]
async fn tls_is_spoken_with_trusted_servers_alone() {
    let server = Server::with_tls().await;
    let trusting = || Connector::new(Arc::new(|_| Ok(Vec::new())), Box::new(|| Ok(roots())));
    for host in ["localhost", "127.0.0.1"] {
        let origin = format!("https://{host}:{}", server.port);
        let mut guest = Guest::with(&[&origin], LIMITS, trusting());
        let reply = guest.get(&origin).await.unwrap();
        assert_eq!(guest.body(&reply).await.unwrap(), b"secret");
        // Each connection is verified anew, so each shows it.
        for _ in 0..2 {
            assert_eq!(guest.http.certificate(&format!("{origin}/")).as_deref(), Some(&*certificate()));
            guest.get(&origin).await.unwrap();
        }
        guest.http.renew();
        assert_eq!(guest.http.certificate(&origin), None, "it was shown to another call");
    }
    let origin = format!("https://localhost:{}", server.port);
    let strangers = Connector::new(
        Arc::new(|_| Ok(Vec::new())),
        Box::new(|| {
            let mut others = roots();
            others.roots[0].subject = rustls::pki_types::Der::from_slice(b"someone else");
            Ok(others)
        }),
    );
    let mut guest = Guest::with(&[&origin], LIMITS, strangers);
    let code = guest.get(&origin).await.map(|reply| reply.status).unwrap_err();
    assert!(matches!(code, ErrorCode::TlsCertificateError), "{code:?}");
    assert!(guest.http.trouble().unwrap().contains("TLS with"), "{:?}", guest.http.trouble());
    assert_eq!(guest.http.certificate(&origin).as_deref(), Some(&*certificate()), "what is refused is shown as well");
    assert_eq!(guest.http.certificate("https://elsewhere"), None);
}

#[tokio::test]
async fn without_roots_https_says_so_and_http_works() {
    let (tls, plain) = (Server::with_tls().await, Server::answering("hello").await);
    let (secure, open) = (format!("https://localhost:{}", tls.port), format!("http://localhost:{}", plain.port));
    let mut guest = Guest::new(&[&secure, &open]);
    assert_eq!(guest.get(&open).await.unwrap().status, 200);
    let code = guest.get(&secure).await.map(|reply| reply.status).unwrap_err();
    assert!(matches!(&code, ErrorCode::InternalError(Some(words)) if words.contains("no roots here")), "{code:?}");
    assert!(guest.http.trouble().unwrap().contains("no roots here"));
}
