//! `wasi:http` for collectors: requests to granted origins, and to nothing else.
//!
//! ```text
//! link (the guest's `handle`) → Http: count, check the origin → exchange → connect: resolve, check addresses, TCP, TLS
//!                                                                    └ body: count bytes, watch the clock
//! ```
//!
//! Owner: [`Http`] belongs to one instance and ends with its store; exchanges that are under way are aborted then.
//! [`Granted`] is shared by the instances of one loaded collector, and the [`Connector`] by all collectors.
//!
//! A request is refused unless its origin is granted, exactly. What is granted by name may resolve to any ordinary
//! address; loopback, link-local, metadata and other special addresses are only reached when the grant names the
//! address itself (or `localhost`). No redirect is followed here, no proxy used, no protocol upgraded. What happens on
//! each failure: the guest is told in `wasi:http`'s own words, and the first refusal, breach and other trouble is kept
//! in words for the operator ([`Http::denied`], [`Http::breach`], [`Http::trouble`]). One request too many is no
//! answer but a trap, [`TooManyRequests`]. Nothing is logged here.

mod address;
mod body;
mod connect;
mod exchange;
mod ledger;
mod link;
mod origin;
mod preface;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;

use hyper::Request;
use sandbeat_status::names;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks};

pub(crate) use connect::Connector;
pub(crate) use ledger::HttpLimits;
pub(crate) use link::{HttpAccess, HttpView, add_to_linker};
pub(crate) use origin::Origins;

use exchange::{Answer, Exchange};
use ledger::Ledger;
use origin::Origin;

/// The largest set of header fields that a guest can make, in bytes of the host's memory.
const MAX_FIELDS: usize = 32 << 10;
/// The most that a guest writes into a request's body at once, in bytes; the host holds two such pieces.
const MAX_CHUNK: usize = 16 << 10;

/// What one collector may reach, and how much of it.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) origins: Origins,
    pub(crate) limits: HttpLimits,
    pub(crate) connector: Arc<Connector>,
}

/// The HTTP of one instance; cheap to make.
pub(crate) struct Http {
    ctx: WasiHttpCtx,
    gate: Gate,
}

/// Raised when an instance makes one request too many; it ends the call.
#[derive(Debug, thiserror::Error)]
#[error("made more HTTP requests than limits.http_requests ({limit})")]
pub(crate) struct TooManyRequests {
    /// How many it may make.
    pub(crate) limit: u64,
}

/// What every request has to pass.
struct Gate {
    granted: Arc<Granted>,
    /// Requests so far.
    requests: u64,
    /// Made with the first request, because most instances make none.
    ledger: Option<Arc<Ledger>>,
}

impl Granted {
    /// The same with no origin at all, for calls whose answer must not depend on what is granted.
    pub(crate) fn closed(&self) -> Self {
        Granted { origins: Origins::default(), limits: self.limits, connector: self.connector.clone() }
    }
}

impl Http {
    pub(crate) fn new(granted: Arc<Granted>) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(MAX_FIELDS);
        Http { ctx, gate: Gate { granted, requests: 0, ledger: None } }
    }

    /// Makes ready for the next call of an instance that is kept: limits count from zero, and nothing is noted.
    pub(crate) fn renew(&mut self) {
        self.gate.requests = 0;
        self.gate.ledger = self.gate.ledger.take().map(|ledger| Arc::new(ledger.next()));
    }

    /// The first request that was refused for want of a grant, in words with their cure.
    pub(crate) fn denied(&self) -> Option<&str> {
        self.gate.ledger.as_ref()?.denied()
    }

    /// The first limit that was passed, in words that name its key.
    pub(crate) fn breach(&self) -> Option<&str> {
        self.gate.ledger.as_ref()?.breach()
    }

    /// The first exchange that failed on its way (name, connection, TLS), in words.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.gate.ledger.as_ref()?.trouble()
    }

    /// The certificate of its own that the server of an origin showed last in this call, in DER.
    pub(crate) fn certificate(&self, origin: &str) -> Option<Vec<u8>> {
        self.gate.ledger.as_ref()?.certificate(&Origin::parse(origin).ok()?)
    }

    fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.gate, table, ctx: &mut self.ctx }
    }
}

impl Gate {
    fn ledger(&mut self) -> &Arc<Ledger> {
        self.ledger.get_or_insert_with(|| Arc::new(Ledger::new(self.granted.limits)))
    }

    fn count(&mut self) -> Result<(), TooManyRequests> {
        let limit = self.granted.limits.requests;
        if self.requests >= limit {
            self.ledger().note_requests();
            return Err(TooManyRequests { limit });
        }
        self.requests += 1;
        Ok(())
    }

    /// The origin of a request, when it is granted.
    fn admit(&mut self, request: &Request<WasiBody>) -> Result<Origin, Error> {
        let (scheme, authority) = (request.uri().scheme_str(), request.uri().authority());
        let (Some(scheme), Some(authority)) = (scheme, authority) else { return Err(Error::HttpRequestUriInvalid) };
        let text = format!("{scheme}://{authority}");
        let origin = Origin::parse(&text);
        match origin {
            Ok(origin) if self.granted.origins.contains(&origin) => return Ok(origin),
            Ok(origin) => self.ledger().note_denied(|| {
                let text = names::shown(origin.text(), 200);
                format!("HTTP to `{text}` is not granted; add it to [grant] http if it should be")
            }),
            Err(reason) => self.ledger().note_denied(|| format!("a request cannot be granted: {reason}")),
        }
        Err(Error::HttpRequestDenied)
    }
}

impl WasiHttpHooks for Gate {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Answer, Error>> + Send> {
        let origin = match self.admit(&request) {
            Ok(origin) => origin,
            Err(e) => return Box::new(std::future::ready(Err(e))),
        };
        let exchange = Exchange {
            connector: self.granted.connector.clone(),
            ledger: self.ledger().clone(),
            origin,
            options: options.unwrap_or_default(),
        };
        Box::new(exchange.run(request))
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_CHUNK
    }
}
