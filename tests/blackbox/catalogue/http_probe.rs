//! The collector `http-probe` against servers of the test's own, whose answers and certificates are known beforehand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;

use super::ran::Ran;
use crate::harness::Sandbox;

/// When the certificates end: 2090-01-01 and 2021-01-01, in seconds since 1970-01-01.
const LATE: f64 = 3_786_912_000.0;
const EXPIRED: f64 = 1_609_459_200.0;

/// Issues certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// One that ends with a year's beginning.
    fn issue(&self, name: &str, year: i32) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// Answers by path until the test ends: `/404`, `/302` (to `/elsewhere`), `/garbage`, `/hang`; all else is `hello`.
struct Server {
    port: u16,
    /// Method and target of each request.
    requests: Arc<Mutex<Vec<String>>>,
    /// Requests for `/hang` that were open at the same time.
    hanging: Arc<AtomicUsize>,
}

impl Server {
    fn start(tls: Option<ServerConfig>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Server { port, requests: Arc::default(), hanging: Arc::default() };
        let (requests, hanging, tls) = (server.requests.clone(), server.hanging.clone(), tls.map(Arc::new));
        // The thread waits in `accept` until the test's process ends.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (requests, hanging, tls) = (requests.clone(), hanging.clone(), tls.clone());
                // Clients that go away, or do not trust the certificate, are what some of the tests are about.
                std::thread::spawn(move || match tls {
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(connection, stream), &requests, &hanging).ok()
                    }
                    None => serve(stream, &requests, &hanging).ok(),
                });
            }
        });
        server
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: impl Read + Write, requests: &Mutex<Vec<String>>, hanging: &AtomicUsize) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let head = read_head(&mut stream)?;
    let words: Vec<_> = head.split(' ').take(2).map(str::to_owned).collect();
    requests.lock().unwrap().push(words.join(" "));
    let answer = match words[1].as_str() {
        "/404" => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        "/302" => "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
        "/garbage" => "hello\r\n\r\n",
        "/hang" => {
            hanging.fetch_add(1, Ordering::SeqCst);
            return stream.read(&mut [0]).map(drop);
        }
        _ => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    };
    stream.get_mut().write_all(answer.as_bytes())?;
    stream.get_mut().flush()
}

fn read_head(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// A port on which nobody listens.
fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn until(end: f64) -> f64 {
    end - SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn certificates_are_told_whether_they_are_trusted_or_not() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let servers = [
        authority.issue("localhost", 2090),
        authority.issue("localhost", 2021),
        authority.issue("elsewhere.example", 2090),
        stranger.issue("localhost", 2090),
    ]
    .map(|tls| Server::start(Some(tls)));
    let urls = servers.each_ref().map(|server| format!("https://localhost:{}/", server.port));
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("roots.pem"), &authority.pem).unwrap();
    let roots = sandbox.path("roots.pem").display().to_string();
    let sandbox = sandbox.env("SSL_CERT_FILE", &roots);
    let ran = Ran::of(&sandbox, "http-probe", &format!("config.urls = {urls:?}\ngrant.http = {urls:?}"));
    let of = |name: &str, url: usize| ran.value(name, &[("url.full", urls[url].as_str())]);
    for (url, success, end, error) in [
        (0, 1.0, LATE, None),
        (1, 0.0, EXPIRED, Some("certificate_expired")),
        (2, 0.0, LATE, Some("certificate_other_name")),
        (3, 0.0, LATE, Some("certificate_untrusted")),
    ] {
        assert_eq!(of("httpcheck.success", url), Some(success), "{:#}", ran.json);
        let remaining = of("httpcheck.tls.cert_remaining", url).unwrap();
        assert!((remaining - until(end)).abs() < 120.0, "{url}: {remaining} and {}", until(end));
        let errors = ran.points().iter().filter(|point| {
            point["name"] == "httpcheck.error" && point["attributes"]["url.full"] == urls[url].as_str()
        });
        let types: Vec<_> = errors.map(|point| point["attributes"]["error.type"].as_str().unwrap()).collect();
        assert_eq!(types, Vec::from_iter(error), "{url}: {:#}", ran.json);
    }
    assert_eq!(servers[0].requests(), ["GET /"]);
    assert!(servers[1..].iter().all(|server| server.requests().is_empty()), "something is sent to who is not trusted");
}

#[test]
fn what_is_down_is_a_value_beside_what_is_up() {
    let (server, closed) = (Server::start(None), closed());
    let origin = format!("http://127.0.0.1:{}", server.port);
    let sidecar = format!(
        "[config]\ntimeout = \"2s\"\nurls = [\"{origin}/?token=s3cret\", {{ url = \"{origin}/404\", name = \"lost\" }},\n\
         {{ url = \"{origin}/302\", status = [200, \"3xx\"], method = \"HEAD\" }}, \"{origin}/302\",\n\
         {{ url = \"{origin}/text\", contains = \"ell\" }}, {{ url = \"{origin}/other\", contains = \"moon\" }},\n\
         \"{origin}/garbage\", \"http://127.0.0.1:{closed}/\", \"http://localhost:{closed}/p4th\"]\n\
         [grant]\nhttp = [\"{origin}\", \"http://127.0.0.1:{closed}\"]\n[limits]\ntimeout = \"20s\"\n"
    );
    let ran = Ran::of(&Sandbox::new(), "http-probe", &sidecar);
    let of = |name: &str, path: &str, more: &[(&str, &str)]| {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{origin}{path}") };
        ran.value(name, &[&[("url.full", url.as_str())], more].concat())
    };
    let get = ("http.request.method", "GET");
    let refused = format!("http://127.0.0.1:{closed}/");
    for (path, method, status, error) in [
        ("/", "GET", Some("200"), None),
        ("/302", "HEAD", Some("302"), None),
        ("/302", "GET", Some("302"), Some("status")),
        ("/text", "GET", Some("200"), None),
        ("/other", "GET", Some("200"), Some("body")),
        ("/garbage", "GET", None, Some("protocol")),
        (&refused, "GET", None, Some("refused")),
    ] {
        let method = ("http.request.method", method);
        assert_eq!(of("httpcheck.success", path, &[method]), Some(if error.is_none() { 1.0 } else { 0.0 }), "{path}");
        let code = status.map(|status| of("httpcheck.status", path, &[method, ("http.response.status_code", status)]));
        assert_eq!(code, status.map(|_| Some(1.0)), "{path}: {:#}", ran.json);
        let took = of("httpcheck.duration", path, &[method]);
        assert_eq!(took.is_some(), status.is_some(), "{path}");
        assert!(took.is_none_or(|took| took > 0.0 && took < 2.0), "{path}: {took:?}");
        let named = of("httpcheck.error", path, &[method]).is_some();
        assert_eq!(named, error.is_some(), "{path}: {:#}", ran.json);
        assert!(
            error.is_none_or(|error| of("httpcheck.error", path, &[method, ("error.type", error)]).is_some()),
            "{path}"
        );
    }
    assert_eq!(ran.value("httpcheck.success", &[("httpcheck.name", "lost")]), Some(0.0));
    let denied = format!("http://localhost:{closed}/p4th");
    assert_eq!(of("httpcheck.error", &denied, &[get, ("error.type", "denied")]), Some(1.0));
    assert_eq!(of("httpcheck.success", &denied, &[get]), None, "it was not asked");
    assert!(ran.stderr.contains(&format!("not granted: `http://localhost:{closed}`")), "{}", ran.stderr);

    let requests = server.requests();
    assert!(requests.contains(&"GET /?token=s3cret".to_owned()), "{requests:?}");
    assert!(!requests.iter().any(|request| request.contains("elsewhere")), "no redirect is followed: {requests:?}");
    assert!(!format!("{}{:#}", ran.stderr, ran.json).contains("s3cret"));
}

#[test]
fn those_that_hang_are_waited_for_together() {
    let server = Server::start(None);
    let origin = format!("http://127.0.0.1:{}", server.port);
    let names = |range: std::ops::Range<u32>| -> String {
        range.map(|n| format!("{{ url = \"{origin}/hang\", name = \"{n}\" }}, ")).collect()
    };
    let sidecar = format!(
        "[config]\ntimeout = \"2s\"\nurls = [{}\"{origin}/\"]\n[grant]\nhttp = [\"{origin}\"]\n[limits]\ntimeout = \"30s\"",
        names(0..4)
    );
    let ran = Ran::of(&Sandbox::new(), "http-probe", &sidecar);
    for name in ["0", "1", "2", "3"] {
        let attributes = [("httpcheck.name", name), ("error.type", "timeout")];
        assert_eq!(ran.value("httpcheck.error", &attributes), Some(1.0), "{:#}", ran.json);
        assert_eq!(ran.value("httpcheck.duration", &attributes[..1]), None);
    }
    assert_eq!(ran.value("httpcheck.success", &[("url.full", &format!("{origin}/"))]), Some(1.0));
    assert_eq!(server.hanging.load(Ordering::SeqCst), 4);
    let took = Duration::from_secs_f64(ran.json["tookMs"].as_f64().unwrap() / 1e3);
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(7), "four times 2 s at once: {took:?}");

    // What the call has no time for is not asked, and the rest is reported, for which a tenth of the time is left.
    let sidecar = format!(
        "[config]\ntimeout = \"15s\"\nurls = [{}]\n[grant]\nhttp = [\"{origin}\"]\n[limits]\ntimeout = \"8s\"\n\
         http_timeout = \"20s\"",
        names(0..6)
    );
    let ran = Ran::of(&Sandbox::new(), "http-probe", &sidecar);
    for (name, error) in [("0", "timeout"), ("3", "timeout"), ("4", "not_asked"), ("5", "not_asked")] {
        let attributes = [("httpcheck.name", name), ("error.type", error)];
        assert_eq!(ran.value("httpcheck.error", &attributes), Some(1.0), "{:#}", ran.json);
    }
}

#[test]
fn a_connection_is_closed_when_its_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || -> std::io::Result<u64> {
        let mut stream: TcpStream = listener.accept()?.0;
        read_head(&mut BufReader::new(&stream))?;
        // The rest of the body never comes; the copy ends when the other side closes.
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")?;
        std::io::copy(&mut stream, &mut std::io::sink())
    });
    let sidecar = format!(
        "[config]\ntimeout = \"300ms\"\nurls = [{{ url = \"{origin}/\", contains = \"hello\" }}]\n[grant]\n\
         http = [\"{origin}\"]\n"
    );
    let ran = Ran::of(&Sandbox::new(), "http-probe", &sidecar);
    assert_eq!(ran.value("httpcheck.error", &[("error.type", "timeout")]), Some(1.0), "{:#}", ran.json);
    assert_eq!(ran.value("httpcheck.status", &[("http.response.status_code", "200")]), Some(1.0), "{:#}", ran.json);
    assert_eq!(server.join().unwrap().unwrap(), 0);
}

#[test]
fn without_its_grant_it_is_denied() {
    let config = "config.urls = [\"https://a.example/x?s3cret\", \"http://b.example\"]\n";
    let ran = Ran::of(&Sandbox::new(), "http-probe", config);
    ran.is_denied("https://a.example");
    assert!(!format!("{}{:#}", ran.stderr, ran.json).contains("s3cret"));
}
