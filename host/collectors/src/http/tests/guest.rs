//! Stands where a guest stands: makes the resources that a component would make and calls what it would call.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::{Pollable, StreamError};
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, HostFields, HostIncomingBody as _, HostIncomingResponse as _, Method, Scheme,
};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{Error, FieldMap, RequestOptions};

use super::super::{Connector, Granted, Http, HttpAccess, HttpLimits, Origins};

pub(super) struct Guest {
    pub(super) http: Http,
    pub(super) table: ResourceTable,
}

/// Wide enough not to matter.
pub(super) const LIMITS: HttpLimits = HttpLimits { requests: 16, bytes: 1 << 20, timeout: Duration::from_secs(5) };

/// A response whose head is there.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) response: Resource<HostIncomingResponse>,
}

/// No name resolves, and no certificate is trusted.
pub(super) fn nowhere() -> Connector {
    Connector::new(Arc::new(|_| Err(io::ErrorKind::NotFound.into())), Box::new(|| Err("no roots here".into())))
}

/// Every name resolves to these.
pub(super) fn resolving_to(addresses: &[&str]) -> Connector {
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Connector::new(Arc::new(move |_| Ok(addresses.clone())), Box::new(|| Err("no roots here".into())))
}

/// A request as a guest would build it from a URL.
pub(super) fn request(method: Method, url: &str) -> HostOutgoingRequest {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.find('/').map_or((rest, None), |at| (&rest[..at], Some(rest[at..].to_owned())));
    HostOutgoingRequest {
        method,
        scheme: Some(if scheme == "https" { Scheme::Https } else { Scheme::Http }),
        authority: Some(authority.to_owned()),
        path_with_query: path,
        headers: FieldMap::default(),
        body: None,
    }
}

impl Guest {
    pub(super) fn new(grants: &[&str]) -> Guest {
        Guest::with(grants, LIMITS, nowhere())
    }

    pub(super) fn with(grants: &[&str], limits: HttpLimits, connector: Connector) -> Guest {
        let grants: Vec<String> = grants.iter().map(|grant| (*grant).to_owned()).collect();
        let (origins, wrong) = Origins::parse(&grants);
        assert_eq!(wrong, []);
        let granted = Granted { origins, limits, connector: Arc::new(connector) };
        Guest { http: Http::new(Arc::new(granted)), table: ResourceTable::new() }
    }

    pub(super) fn access(&mut self) -> HttpAccess<'_> {
        HttpAccess { http: &mut self.http, table: &mut self.table }
    }

    /// Sends and waits for the head of the response.
    pub(super) async fn send(&mut self, request: HostOutgoingRequest) -> Result<Reply, ErrorCode> {
        let response = self.start(request, None).unwrap()?;
        self.wait(response).await
    }

    pub(super) async fn get(&mut self, url: &str) -> Result<Reply, ErrorCode> {
        self.send(request(Method::Get, url)).await
    }

    pub(super) async fn post(&mut self, url: &str, body: Vec<u8>) -> Result<Reply, ErrorCode> {
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
        self.send(HostOutgoingRequest { body: Some(body), ..request(Method::Post, url) }).await
    }

    pub(super) fn start(
        &mut self,
        request: HostOutgoingRequest,
        options: Option<RequestOptions>,
    ) -> wasmtime::Result<Result<Resource<HostFutureIncomingResponse>, ErrorCode>> {
        let request = self.table.push(request).unwrap();
        let options = options.map(|options| self.table.push(options).unwrap());
        self.access().handle(request, options)
    }

    pub(super) async fn wait(&mut self, response: Resource<HostFutureIncomingResponse>) -> Result<Reply, ErrorCode> {
        self.table.get_mut(&response).unwrap().ready().await;
        let HttpAccess { http, table } = self.access();
        let mut view = http.view(table);
        let borrowed = Resource::new_borrow(response.rep());
        let received = types::HostFutureIncomingResponse::get(&mut view, borrowed).unwrap().unwrap().unwrap();
        table.delete(response).unwrap();
        let response = received?;
        let status = http.view(table).status(Resource::new_borrow(response.rep())).unwrap();
        Ok(Reply { status, response })
    }

    /// Reads the whole body; what came before an error is with it.
    pub(super) async fn body(&mut self, reply: &Reply) -> Result<Vec<u8>, (Vec<u8>, Error)> {
        let HttpAccess { http, table } = self.access();
        let mut view = http.view(table);
        let body = view.consume(Resource::new_borrow(reply.response.rep())).unwrap().unwrap();
        let stream = view.stream(body).unwrap().unwrap();
        let stream = table.get_mut(&stream).unwrap();
        let mut bytes = Vec::new();
        loop {
            stream.ready().await;
            match stream.read(64 << 10) {
                Ok(more) => bytes.extend_from_slice(&more),
                Err(StreamError::Closed) => return Ok(bytes),
                Err(StreamError::LastOperationFailed(e)) => return Err((bytes, e.downcast().unwrap())),
                Err(StreamError::Trap(e)) => panic!("{e:?}"),
            }
        }
    }

    /// A header of the response.
    pub(super) fn header(&mut self, reply: &Reply, name: &str) -> Option<String> {
        let HttpAccess { http, table } = self.access();
        let mut view = http.view(table);
        let headers = view.headers(Resource::new_borrow(reply.response.rep())).unwrap();
        let values = HostFields::get(&mut view, headers, name.to_owned()).unwrap();
        values.first().map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// Waits for a condition, five seconds at most.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(5), "{what}");
        ticks.tick().await;
    }
}
