//! Asks a hub, over HTTP or HTTPS.
//!
//! Every exchange is bounded in time and size. What goes wrong is told with what to do about it: where the hub is, which
//! key it wants, whom to trust.

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sandbeat_status::names::shown;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::args::HubAccess;

/// Where a hub listens when nothing is said.
const USUAL_URL: &str = "http://127.0.0.1:8080";
/// Where it is, and the key that it wants.
const URL_VARIABLE: &str = "SANDBEAT_HUB_URL";
const KEY_VARIABLE: &str = "SANDBEAT_HUB_KEY";
const KEY_FILE_VARIABLE: &str = "SANDBEAT_HUB_KEY_FILE";
/// For a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer, in bytes: a page of a thousand sandboxes with all the metadata that they may have.
const MAX_ANSWER: usize = 64 << 20;
/// How much of a text of the hub's is shown, in bytes.
const MAX_SHOWN: usize = 1024;

/// A hub that can be asked.
pub(super) struct Hub {
    /// Without a slash at the end.
    url: String,
    key: Option<Key>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Runtime,
}

/// The admin key, and where it is from.
struct Key {
    secret: SecretString,
    /// As its owner knows it: `key (--key-file)`.
    source: String,
}

/// An answer that is an error, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Refused {
    status: StatusCode,
    detail: String,
}

impl Hub {
    /// The hub that options and environment name. Nothing is asked yet.
    ///
    /// # Errors
    /// The address is none, or a file cannot be read.
    pub(super) fn new(access: &HubAccess) -> anyhow::Result<Self> {
        let url = access.url.clone().or_else(|| variable(URL_VARIABLE)).unwrap_or_else(|| USUAL_URL.to_owned());
        let url = url.trim_end_matches('/').to_owned();
        let is_good = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none();
        url.parse::<Uri>().ok().filter(is_good).with_context(|| {
            format!("`{}` is no address of a hub; one is `https://hub.example:8080`", shown(&url, MAX_SHOWN))
        })?;
        if let Some(path) = url.parse::<Uri>().ok().as_ref().map(Uri::path).filter(|path| *path != "/") {
            let without = url.strip_suffix(path).unwrap_or(&url);
            bail!(
                "`{}` has a path, and the address of a hub has none; write `{}`",
                shown(&url, MAX_SHOWN),
                shown(without, MAX_SHOWN)
            );
        }
        let tls = trusting(access.ca_file.as_deref())?;
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT));
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new()).build(https.wrap_connector(http));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Hub { url, key: key(access.key_file.as_deref())?, client, runtime })
    }

    /// GET of a path, as JSON.
    ///
    /// # Errors
    /// Nobody answers there, or the answer is an error ([`Refused`]).
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, None)
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// As for [`Hub::get`].
    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, Some(body))
    }

    /// DELETE of a path.
    ///
    /// # Errors
    /// As for [`Hub::get`].
    pub(super) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::DELETE, path, None)
    }

    /// GET of a stream of events that has begun.
    ///
    /// # Errors
    /// As for [`Hub::get`].
    pub(super) async fn listen(&self, path: &str, after: Option<u64>) -> anyhow::Result<Incoming> {
        let mut request = Request::builder().header(header::ACCEPT, "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let sent = self.send(request.method(Method::GET), path, Bytes::new());
        let answer = timeout(TIMEOUT, sent).await.with_context(late)??;
        if !answer.status().is_success() {
            return Err(timeout(TIMEOUT, self.judged(answer)).await.with_context(late)?.err().unwrap_or_else(late));
        }
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        ensure!(
            kind.is_some_and(|kind| kind.starts_with("text/event-stream")),
            "the answer is no stream of events; is {} a hub of this version?",
            self.shown()
        );
        Ok(answer.into_body())
    }

    /// Runs what waits for the hub.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Where it is, safe to print.
    pub(super) fn shown(&self) -> String {
        shown(&self.url, MAX_SHOWN)
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut request = Request::builder().method(method);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let exchange = async { self.judged(self.send(request, path, body).await?).await };
        self.block_on(async { timeout(TIMEOUT, exchange).await.with_context(late)? })
    }

    async fn send(
        &self,
        request: hyper::http::request::Builder,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = request.uri(format!("{}{path}", self.url));
        if let Some(key) = &self.key {
            let mut value = header::HeaderValue::try_from(format!("Bearer {}", key.secret.expose_secret()))
                .map_err(|_| anyhow!("the key in {} has bytes that no header can carry", key.source))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let sent = self.client.request(request.body(Full::new(body))?).await;
        sent.map_err(|error| self.unreachable(&error))
    }

    /// Reads the body: the answer, or the error that it is.
    async fn judged(&self, answer: Response<Incoming>) -> anyhow::Result<Value> {
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed).context("the answer did not arrive whole")?;
        let answer: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        if !status.is_success() {
            return Err(self.refused(status, &answer).into());
        }
        ensure!(!answer.is_null(), "the answer is not JSON; is {} a hub?", self.shown());
        Ok(answer)
    }

    fn refused(&self, status: StatusCode, answer: &Value) -> Refused {
        let message = answer["message"].as_str().map(|message| shown(message, MAX_SHOWN));
        let detail = match (status, &self.key, message) {
            (StatusCode::UNAUTHORIZED, None, _) => {
                format!(
                    "the hub wants its admin key; name its file with --key-file or {KEY_FILE_VARIABLE}, or set {KEY_VARIABLE}"
                )
            }
            (StatusCode::UNAUTHORIZED, Some(key), _) => format!("the key in {} is not the hub's admin key", key.source),
            (_, _, Some(message)) => message,
            (_, _, None) => format!("the answer is {status} without a reason; is {} a hub?", self.shown()),
        };
        Refused { status, detail }
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error) -> anyhow::Error {
        let mut reasons = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            reasons.push(error.to_string());
            cause = error.source();
        }
        // The last ones say what happened, the first ones where in the client.
        let reason = reasons.last().cloned().unwrap_or_else(|| error.to_string());
        let url = self.shown();
        if reasons.iter().any(|reason| reason.contains("UnknownIssuer")) {
            return anyhow!(
                "nobody who is trusted vouches for {url}; name the certificate of its issuer with --ca-file"
            );
        }
        // The type of this one is the verifier's own.
        if reasons.iter().any(|reason| reason.contains("CaUsedAsEndEntity")) {
            return anyhow!(
                "the certificate of {url} is an authority's own (CA:TRUE), not a server's; issue one for the server with it"
            );
        }
        if reasons.iter().any(|reason| reason.contains("certificate")) {
            return anyhow!("the certificate of {url} is not good: {reason}");
        }
        if reasons.iter().any(|reason| reason.contains("corrupt message")) {
            return anyhow!("{url} does not speak https; is it an http:// address?");
        }
        if error.is_connect() {
            return anyhow!(
                "no hub answers at {url} ({reason}); is `sandbeat hub` running there? --url or {URL_VARIABLE} names \
                 another"
            );
        }
        anyhow!("the hub at {url} broke off ({reason}); does it speak https there, or http?")
    }
}

impl Refused {
    /// Whether it is our doing, so that asking again is of no use.
    pub(super) fn is_ours(&self) -> bool {
        self.status.is_client_error()
            && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&self.status)
    }

    /// Whether what was asked about does not exist.
    pub(super) fn is_unknown(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }
}

/// That asking about one sandbox failed, with its id where that is unknown to the hub.
pub(super) fn of_sandbox(id: &str, error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Refused>() {
        Some(refused) if refused.is_unknown() => anyhow!(unknown(id)),
        _ => error,
    }
}

/// That the hub has no sandbox with this id.
pub(super) fn unknown(id: &str) -> String {
    format!("{id}: the hub has no sandbox with this id")
}

/// A text as a part of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn late() -> anyhow::Error {
    anyhow!("the hub did not answer within {TIMEOUT:?}")
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The admin key: of the file that an option names, else of the environment, which names a file or has the key itself.
///
/// # Errors
/// The environment does both, and only its owner knows which one is meant; or the file cannot be read.
fn key(option: Option<&Path>) -> anyhow::Result<Option<Key>> {
    let (file, name) = match (option, variable(KEY_FILE_VARIABLE), variable(KEY_VARIABLE)) {
        (Some(file), _, _) => (file.to_owned(), "--key-file"),
        (None, Some(_), Some(_)) => bail!("{KEY_FILE_VARIABLE} and {KEY_VARIABLE} are both set; keep one of them"),
        (None, Some(file), None) => (PathBuf::from(file), KEY_FILE_VARIABLE),
        (None, None, Some(key)) => return Ok(Some(Key { secret: key.into(), source: KEY_VARIABLE.to_owned() })),
        (None, None, None) => return Ok(None),
    };
    let source = format!("{} ({name})", file.display());
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read the key file {source}"))?;
    let key = text.lines().next().unwrap_or_default().trim();
    ensure!(!key.is_empty(), "the first line of the key file {source} is empty");
    Ok(Some(Key { secret: key.into(), source }))
}

/// Trust in the system's roots, and in those of a file.
fn trusting(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        let read = || -> Result<Vec<_>, _> { CertificateDer::pem_file_iter(file)?.collect() };
        let certificates = read().with_context(|| format!("cannot read certificates in {}", file.display()))?;
        if certificates.is_empty() {
            bail!("there is no certificate in {}; it has to be PEM", file.display());
        }
        for certificate in certificates {
            roots.add(certificate).with_context(|| format!("a certificate in {} is not good", file.display()))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_encoded() {
        assert_eq!(encoded("team=a b&c"), "team%3Da%20b%26c");
        assert_eq!(encoded("Größe~1.0_-"), "Gr%C3%B6%C3%9Fe~1.0_-");
    }
}
