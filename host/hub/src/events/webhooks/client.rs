//! One post and what came of it. Nothing here decides what follows.
//!
//! Connections are kept from one post to the next. An exchange has [`TIMEOUT`] up to its answer's head, which alone
//! counts. The body is dropped; so that the connection can be kept, it is read first, up to a bound and for [`DRAIN`],
//! and one that is longer or does not end costs the connection. Redirects are not followed: a signed message would go to
//! a host that nobody named.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::window::IN_FLIGHT;

/// An exchange, up to the answer's head.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The body of an answer.
const DRAIN: Duration = Duration::from_secs(1);
/// An idle connection is kept this long.
const KEEP_IDLE: Duration = Duration::from_secs(60);
/// What is read of an answer, in bytes.
const MAX_ANSWER: usize = 64 << 10;
/// The most bytes of an error in words.
const MAX_WORDS: usize = 300;

/// Posts to any webhook.
#[derive(Clone, Debug)]
pub(in crate::events) struct Client(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What came of a post.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The event was taken: any 2xx.
    Taken,
    /// The other side wants no events any more: 410.
    Gone,
    /// Neither.
    Failed {
        /// Why, for the operator.
        reason: String,
        /// How long the other side wants to be left alone.
        asked: Option<Duration>,
    },
}

impl Client {
    /// A client that trusts the platform's roots, which are read now.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(in crate::events) async fn new() -> Result<Self, rustls::Error> {
        let roots = spawn_blocking(|| {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            let (good, _) = roots.add_parsable_certificates(found.certs);
            if good == 0 {
                let errors = found.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                tracing::warn!(errors, "no trusted roots are installed, so no webhook at an https URL works");
            }
            roots
        });
        // Whoever reads files does not panic; without roots nobody is trusted.
        Client::trusting(roots.await.unwrap_or_else(|_| RootCertStore::empty()))
    }

    fn trusting(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(TIMEOUT));
        http.set_nodelay(true);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(http);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(IN_FLIGHT)
            .build(connector);
        Ok(Client(client))
    }

    /// Posts, and waits for what comes of it for 11 s at most.
    pub(super) async fn post(&self, request: Request<Full<Bytes>>) -> Outcome {
        let failed = |reason| Outcome::Failed { reason, asked: None };
        match timeout(TIMEOUT, self.0.request(request)).await {
            Ok(Ok(response)) => {
                let outcome = judge(&response, Timestamp::now());
                // Whatever comes of it.
                let _ = timeout(DRAIN, drop_body(response.into_body())).await;
                outcome
            }
            Ok(Err(error)) => failed(explain(&error)),
            Err(_) => failed(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }
}

/// What an answer means; its body means nothing.
fn judge<B>(response: &Response<B>, now: Timestamp) -> Outcome {
    let status = response.status();
    let reason = match status {
        status if status.is_success() => return Outcome::Taken,
        StatusCode::GONE => return Outcome::Gone,
        status if status.is_redirection() => {
            format!("it redirects ({status}), which is not followed; set `url` to where it is now")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("it refuses ({status}); check `url` and `secret_file`")
        }
        status => format!("it answers {status}"),
    };
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
    Outcome::Failed { reason, asked }
}

/// Whole seconds, or an HTTP date (RFC 9110, 10.2.3). A time that is over is none.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are as long as can be.
        return Some(Duration::from_secs(text.parse().unwrap_or(u32::MAX).into()));
    }
    let until = Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()?;
    Duration::try_from(until.duration_since(now)).ok()
}

async fn drop_body(mut body: Incoming) {
    let mut left = MAX_ANSWER;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// What the innermost error says is what happened; the ones around it say only where.
fn explain(error: &legacy::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let what = if error.is_connect() { "no connection" } else { "the connection broke" };
    sandbeat_status::names::shown(&format!("{what}: {innermost}"), MAX_WORDS)
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use rustls::ServerConfig;
    use rustls_pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::Instant;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn outcome(status: u16, retry_after: Option<&str>) -> Outcome {
        let mut response = Response::builder().status(status);
        if let Some(value) = retry_after {
            response = response.header(RETRY_AFTER, value);
        }
        judge(&response.body(()).unwrap(), "2026-11-20T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn the_status_decides() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(outcome(status, None), Outcome::Taken);
        }
        assert_eq!(outcome(410, Some("5")), Outcome::Gone);
        for (status, part) in [
            (301, "not followed"),
            (308, "set `url`"),
            (401, "secret_file"),
            (404, "404 Not Found"),
            (429, "429"),
            (500, "500 Internal Server Error"),
        ] {
            match outcome(status, None) {
                Outcome::Failed { reason, asked: None } => assert!(reason.contains(part), "{reason}"),
                other => panic!("{status}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_pause_is_seconds_or_a_date() {
        for (text, seconds) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("99999999999999999999", Some(u32::MAX.into())),
            ("Fri, 20 Nov 2026 12:01:00 GMT", Some(60)),
            ("Friday, 20-Nov-26 12:01:00 GMT", Some(60)),
            ("Fri, 20 Nov 2026 11:59:00 GMT", None),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            for status in [429, 503, 400] {
                match outcome(status, Some(text)) {
                    Outcome::Failed { asked, .. } => assert_eq!(asked, seconds.map(Duration::from_secs), "{text}"),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_a_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let request =
            Request::post(format!("http://{}/", listener.local_addr().unwrap())).body(Full::from("{}")).unwrap();
        let client = Client::trusting(RootCertStore::empty()).unwrap();
        let silent = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            // Nothing but the answer is waited for from here on.
            tokio::time::pause();
            let begun = Instant::now();
            // Until the other side gives up.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            begun.elapsed()
        };
        let both = async { tokio::join!(client.post(request), silent) };
        let (outcome, waited) = timeout(2 * TIMEOUT, both).await.unwrap();
        assert_eq!(outcome, Outcome::Failed { reason: "no answer within 10 s".into(), asked: None });
        assert!(waited.abs_diff(TIMEOUT) < Duration::from_secs(1), "{waited:?}");
    }

    /// Posts to a server that has a certificate for `localhost` and answers 204.
    async fn post_over_tls(host: &str, trusting: bool) -> Outcome {
        let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = certified.cert.der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.clone()],
                PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async move {
            let (stream, _) = listener.accept().await.unwrap();
            // It fails for a client that does not trust it.
            let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else { return };
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        };
        let mut roots = RootCertStore::empty();
        if trusting {
            roots.add(certificate).unwrap();
        }
        let request = Request::post(format!("https://{host}:{port}/")).body(Full::from("{}")).unwrap();
        let client = Client::trusting(roots).unwrap();
        let (outcome, ()) = tokio::join!(client.post(request), server);
        outcome
    }

    #[tokio::test]
    async fn only_who_is_trusted_gets_events_over_tls() {
        assert_eq!(post_over_tls("localhost", true).await, Outcome::Taken);
        for (host, trusting, part) in [("localhost", false, "UnknownIssuer"), ("127.0.0.1", true, "not valid for name")]
        {
            match post_over_tls(host, trusting).await {
                Outcome::Failed { reason, asked: None } => {
                    assert!(reason.starts_with("no connection: ") && reason.contains(part), "{reason}");
                }
                other => panic!("{host}: {other:?}"),
            }
        }
    }

    /// What comes of a post to a server that answers so far and no further.
    async fn post_to_one_that_says(answer: &'static str) -> (Outcome, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            // Until the other side gives up.
            let _ = stream.read(&mut [0]).await;
        });
        let began = Instant::now();
        let client = Client::trusting(RootCertStore::empty()).unwrap();
        let outcome = client.post(Request::post(url).body(Full::from("{}")).unwrap()).await;
        server.abort();
        (outcome, began.elapsed())
    }

    #[tokio::test]
    async fn an_answer_counts_from_its_head_on() {
        for (answer, outcome) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", Outcome::Taken),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n", Outcome::Taken),
            ("HTTP/1.1 410 Gone\r\ncontent-length: 10\r\n\r\nbye", Outcome::Gone),
        ] {
            let (came, after) = post_to_one_that_says(answer).await;
            assert_eq!(came, outcome, "{answer}");
            assert!(after < TIMEOUT / 2, "{after:?}");
        }
    }
}
