//! One exchange: a checked request goes out, a response comes back. Redirects are the guest's affair: it gets the
//! response as it is, and what it asks for next is a new request.
//!
//! Owner: the resource that the guest holds. When that is dropped, with the store at the latest, the future here or
//! the connection's task is aborted, and the connection is closed. Each exchange has a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::body::{Received, Sent};
use super::connect::{ConnectError, Connected, Connector, Stream};
use super::ledger::{Ledger, Place};
use super::origin::Origin;
use super::preface::{Bounded, Preface};

/// The largest head of a response, in bytes; hyper may take as much again before it notices.
const MAX_HEAD: usize = 64 << 10;
/// The most headers of a response.
const MAX_HEADERS: usize = 128;

/// A response, and what drives its connection.
pub(super) type Answer = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// An exchange that is about to begin; its origin is granted.
pub(super) struct Exchange {
    pub(super) connector: Arc<Connector>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) origin: Origin,
    pub(super) options: RequestOptions,
}

impl Exchange {
    /// Ends when the head of the response is there.
    pub(super) async fn run(self, mut request: Request<WasiBody>) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.ledger.limits().timeout;
        address_to(&self.origin, &mut request)?;
        let place = self.ledger.place().ok_or(Error::ConnectionLimitReached)?;
        let stream = self.connect(deadline).await?;
        let preface = Preface::default();
        let (mut sender, connection) = self.handshake(preface.bound(stream), place, deadline).await?;
        let request = request.map(|body| Sent::new(body, self.ledger.clone()));
        let wait = self.options.first_byte_timeout;
        let response = match self.within(deadline, wait, sender.send_request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(e)) => return Err(self.no_response(&e)),
            Err(Late::Host) => return Err(Error::HttpResponseTimeout),
            Err(Late::Guest) => return Err(Error::ConnectionReadTimeout),
        };
        preface.is_over();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::HttpUpgradeFailed);
        }
        let Exchange { ledger, origin, options, .. } = self;
        let response = response.map(|body| {
            let wait = options.between_bytes_timeout;
            Received::new(body, ledger, origin.text().to_owned(), deadline, wait).boxed_unsync()
        });
        let drive = async move {
            connection.await;
            Ok(())
        };
        Ok((response, Box::new(drive)))
    }

    async fn connect(&self, deadline: Instant) -> Result<Box<dyn Stream>, Error> {
        let connecting = self.connector.connect(&self.origin, deadline);
        match self.within(deadline, self.options.connect_timeout, connecting).await {
            Ok(Ok(Connected { stream, certificate })) => {
                self.keep(certificate);
                Ok(stream)
            }
            Ok(Err(mut e)) => {
                if let ConnectError::Tls { certificate, .. } = &mut e {
                    self.keep(certificate.take());
                }
                match e {
                    ConnectError::Prohibited { .. } => self.ledger.note_denied(|| e.to_string()),
                    _ => self.ledger.note_trouble(|| e.to_string()),
                }
                Err(e.code())
            }
            Err(Late::Host | Late::Guest) => Err(Error::ConnectionTimeout),
        }
    }

    fn keep(&self, certificate: Option<Vec<u8>>) {
        if let Some(der) = certificate {
            self.ledger.keep_certificate(&self.origin, der);
        }
    }

    async fn handshake(
        &self,
        stream: Bounded<Box<dyn Stream>>,
        place: Place,
        deadline: Instant,
    ) -> Result<(SendRequest<Sent>, AbortOnDropJoinHandle<()>), Error> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.no_response(&e))?;
        let connection = spawn(async move {
            // How it ended is told to whoever waits for the response or its body; at the deadline nobody may.
            let _ = timeout_at(deadline, connection).await;
            drop(place);
        });
        Ok((sender, connection))
    }

    /// Waits at most until the deadline, which is noted, and at most as long as the guest wants.
    async fn within<T>(
        &self,
        deadline: Instant,
        patience: Option<Duration>,
        work: impl Future<Output = T>,
    ) -> Result<T, Late> {
        let own = patience.and_then(|patience| Instant::now().checked_add(patience));
        let (at, late) = match own {
            Some(own) if own < deadline => (own, Late::Guest),
            _ => (deadline, Late::Host),
        };
        timeout_at(at, work).await.map_err(|_| {
            if late == Late::Host {
                self.ledger.note_timeout(self.origin.text());
            }
            late
        })
    }

    fn no_response(&self, error: &hyper::Error) -> Error {
        if self.ledger.has_oversent() {
            return Error::HttpRequestBodySize(Some(self.ledger.limits().bytes));
        }
        self.ledger.note_trouble(|| {
            // hyper keeps the cause out of its own words.
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("`{}` gave no response: {error}{cause}", self.origin.text())
        });
        match error {
            e if e.is_parse_too_large() => Error::HttpResponseHeaderSectionSize(None),
            e if e.is_parse() || e.is_user() => Error::HttpProtocolError,
            _ => Error::ConnectionTerminated,
        }
    }
}

/// Whose patience has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    Host,
    Guest,
}

/// Gives a request the form in which it goes to the origin's own server.
fn address_to(origin: &Origin, request: &mut Request<WasiBody>) -> Result<(), Error> {
    // A proxy's method. Compared loosely, since servers do so as well.
    if request.method().as_str().eq_ignore_ascii_case(Method::CONNECT.as_str()) {
        return Err(Error::HttpRequestMethodInvalid);
    }
    // As text, because an empty path is `/` there and stays empty otherwise.
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let path = Uri::builder().path_and_query(path).build().map_err(|_| Error::HttpRequestUriInvalid)?;
    *request.uri_mut() = path;
    let authority = HeaderValue::try_from(origin.authority()).map_err(|_| Error::HttpRequestUriInvalid)?;
    request.headers_mut().insert(HOST, authority);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(())
}
