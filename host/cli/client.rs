//! Asks the running agent's local API, over TCP or a Unix socket.

use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::http::request::Builder;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use sandbeat_agent::Listen;
use sandbeat_agent::api::Config;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The same for what the agent may take its time for, which it bounds itself.
const LONG_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// GET of a path, as JSON.
///
/// # Errors
/// Nobody answers there, or the answer is an error; in words for the person at the terminal.
pub(crate) fn get(api: &Config, path: &str) -> anyhow::Result<Value> {
    ask(api, Method::GET, path, TIMEOUT).map(|(_, answer)| answer)
}

/// POST to a path without a body: the status and the answer.
///
/// # Errors
/// As for [`get`].
pub(crate) fn post(api: &Config, path: &str) -> anyhow::Result<(StatusCode, Value)> {
    ask(api, Method::POST, path, LONG_TIMEOUT)
}

fn ask(api: &Config, method: Method, path: &str, timeout: Duration) -> anyhow::Result<(StatusCode, Value)> {
    let listen = api.listen.as_ref().context("the local API is off; set api.listen to ask a running agent")?;
    let request = Request::builder().method(method).uri(path);
    let exchange = async {
        match listen {
            Listen::Tcp(address) => {
                let stream = TcpStream::connect(address).await.with_context(|| nobody(listen))?;
                exchange(stream, request.header(header::HOST, address.to_string()), api).await
            }
            Listen::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.with_context(|| nobody(listen))?;
                exchange(stream, request.header(header::HOST, "localhost"), api).await
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(timeout, exchange).await.with_context(|| format!("no answer within {timeout:?}"))?
    })
}

fn nobody(address: &Listen) -> String {
    format!("no agent answers on {address}; is `sandbeat run` running with the same [api] listen?")
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    mut request: Builder,
    api: &Config,
) -> anyhow::Result<(StatusCode, Value)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    if let Some(token) = &api.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    }
    let answer = async {
        let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(anyhow::Error::from_boxed)?;
        anyhow::Ok((status, body.to_bytes()))
    };
    let answered = tokio::select! {
        answer = answer => answer?,
        Err(error) = connection => return Err(error.into()),
    };
    Ok((answered.0, judge(answered.0, &answered.1)?))
}

fn judge(status: StatusCode, body: &[u8]) -> anyhow::Result<Value> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if status == StatusCode::UNAUTHORIZED {
        bail!("the agent wants a token; set api.token_file, or SANDBEAT_API__TOKEN");
    }
    if !status.is_success() {
        let detail = answer["detail"].as_str().or(answer["title"].as_str()).unwrap_or("no reason given");
        bail!("the agent answers {status}: {detail}");
    }
    anyhow::ensure!(!answer.is_null(), "the answer is not JSON; is that address the agent's?");
    Ok(answer)
}
