//! Those that speak HTTP: to granted origins and no others, however they are led there, and within their limits.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Fails, Outcome, Rejected, Suite};
use crate::harness::{guest, metric};

/// A web server that listens until the test ends. `/to/URL` redirects there, `/large` has 8 MiB, `/slow` is never
/// answered; all else is `hello`.
struct Web {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Web {
    fn start() -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        // The thread waits in `accept` until the test's process ends; nothing of it is asserted on.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counted = counted.clone();
                // A client that goes away early is what some of the tests are about.
                std::thread::spawn(move || serve(&stream, &counted).ok());
            }
        });
        Web { address, requests }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: &TcpStream, requests: &AtomicUsize) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next().transpose()?.and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    requests.fetch_add(1, Ordering::SeqCst);
    let head =
        |status: &str, length: usize| format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n");
    if let Some(location) = path.strip_prefix("/to/") {
        return stream.write_all(format!("{}location: {location}\r\n\r\n", head("302 Found", 0)).as_bytes());
    }
    match path.as_str() {
        "/slow" => lines.next().map_or(Ok(()), |line| line.map(drop)),
        "/large" => {
            stream.write_all(format!("{}\r\n", head("200 OK", 8 << 20)).as_bytes())?;
            (0..128).try_for_each(|_| stream.write_all(&[b'x'; 64 << 10]))
        }
        _ => stream.write_all(format!("{}\r\nhello", head("200 OK", 5)).as_bytes()),
    }
}

fn visit(suite: Suite, name: &str, url: &str, grant: &str, more: &str, outcome: Outcome) -> Suite {
    let sidecar = format!("config.url = \"{url}\"\ngrant.http = [\"{grant}\"]\n{more}");
    suite.collector(name, guest("http"), &sidecar, outcome)
}

#[test]
fn only_granted_origins_are_spoken_to() {
    let (granted, other) = (Web::start(), Web::start());
    let (origin, elsewhere) = (granted.origin(), other.origin());
    let denied = Fails("denied", "not granted");
    let mut suite = Suite::new();
    let hub = suite.hub.url();
    let cases = [
        ("other-port", format!("{elsewhere}/"), denied),
        ("other-name", format!("http://localhost:{}/", granted.address.port()), denied),
        ("other-scheme", origin.replace("http:", "https:"), denied),
        ("redirected", format!("{origin}/to/{elsewhere}/"), denied),
        ("redirected-twice", format!("{origin}/to/{origin}/to/{elsewhere}/"), denied),
        ("cloud", "http://169.254.169.254/latest/meta-data/".to_owned(), denied),
        ("redirected-to-cloud", format!("{origin}/to/http://169.254.169.254/"), denied),
        ("the-hub", format!("{hub}/api/v1/sandboxes"), denied),
    ];
    for (name, url, outcome) in &cases {
        suite = visit(suite, name, url, &origin, "", *outcome);
    }
    let forged = |suite, name, behaviour: &str| {
        let behaviour = format!("config.behaviour = \"{behaviour}\"");
        visit(suite, name, &format!("{origin}/"), &origin, &behaviour, Fails("denied", "header"))
    };
    suite = forged(suite, "forged-host", "forged host");
    suite = forged(suite, "forged-connection", "forged connection");
    suite.sandbox.drop_collector(
        "allowed",
        guest("http"),
        &format!("config.url = \"{origin}/to/{origin}/\"\n[grant]\nhttp = [\"{origin}\"]"),
    );
    let ran = suite.run();
    let report = ran.hub.report("an answer", |report| metric(report, "allowed", "test.http.status").is_some());
    assert_eq!(metric(&report, "allowed", "test.http.status").unwrap()["value"], 200.0);
    assert_eq!(metric(&report, "allowed", "test.http.length").unwrap()["value"], 5.0);
    assert_eq!(other.requests(), 0, "somebody got where it was not granted");
    ran.end();
}

#[test]
fn without_a_grant_there_is_no_web_and_what_is_no_origin_is_no_grant() {
    let web = Web::start();
    let url = format!("{}/", web.origin());
    let mut suite = Suite::new().collector(
        "ungranted",
        guest("http"),
        &format!("config.url = \"{url}\""),
        Fails("denied", "[grant] http"),
    );
    for (name, grant) in
        [("path", "http://a.example/b"), ("star", "*"), ("file", "file:///etc"), ("user", "http://a@b")]
    {
        suite = visit(suite, name, &url, grant, "", Rejected("invalid", "grant.http.0"));
    }
    suite.run().end();
    assert_eq!(web.requests(), 0);
}

#[test]
fn requests_bytes_and_time_of_http_are_bounded() {
    let web = Web::start();
    let origin = web.origin();
    let patient = "timeout = \"20s\"\ncpu = \"10s\"";
    let bounded = |suite, name, path: &str, behaviour: &str, limit: &str, words| {
        let more = format!("config.behaviour = \"{behaviour}\"\n[limits]\n{patient}\n{limit}");
        visit(suite, name, &format!("{origin}{path}"), &origin, &more, Fails("http", words))
    };
    let mut suite = Suite::new();
    suite = bounded(suite, "many", "/", "many", "http_requests = 5", "limits.http_requests");
    suite = bounded(suite, "at-once", "/slow", "at once", "http_timeout = \"500ms\"", "limits.http_");
    suite = bounded(suite, "large", "/large", "", "http_bytes = \"1MiB\"", "limits.http_bytes");
    suite = bounded(suite, "slow", "/slow", "", "http_timeout = \"300ms\"", "limits.http_timeout");
    suite.run().end();
}
