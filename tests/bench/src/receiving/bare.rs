//! This program again, as the least that can receive a report: hyper, and serde into the same types. It knows nobody,
//! checks nothing and keeps nothing.

use std::convert::Infallible;
use std::io::Read;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use sandbeat_status::Report;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};

/// The word that makes this program be [`bare`].
pub const BARE: &str = "bare-server";

/// Serves on a port of its own, which its first line of output names, until its standard input is closed.
///
/// # Errors
/// There is no port on loopback.
pub fn bare() -> anyhow::Result<()> {
    std::thread::spawn(|| {
        let _closed = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    // As many threads as the hub has.
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("address={}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await.context("the listener")?;
            tokio::spawn(connection(stream));
        }
    })
}

async fn connection(stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut http = hyper::server::conn::http1::Builder::new();
    // A connection that ends is the client's affair.
    let _ = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Taken<'a> {
        success: bool,
        sandbox_id: &'a str,
    }
    let read = async {
        let body = request.into_body().collect().await.ok()?.to_bytes();
        let report: Report = serde_json::from_slice(&body).ok()?;
        serde_json::to_vec(&Taken { success: true, sandbox_id: &report.sandbox_id }).ok()
    };
    let (status, body) = read.await.map_or((StatusCode::BAD_REQUEST, Vec::new()), |body| (StatusCode::OK, body));
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}
