//! Asks the running agent's local API, over TCP or a Unix socket.

use std::time::Duration;

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use sandbeat_agent::Listen;
use sandbeat_agent::api::Config;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::signals::Terminate;

/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The same for what the agent may take its time for, which it bounds itself.
const LONG_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer, in bytes: a process's whole log, with what JSON adds to it.
const MAX_ANSWER: usize = 128 << 20;

/// An answer that is an error.
#[derive(Debug, thiserror::Error)]
#[error("the agent answers {status}: {detail}")]
pub(crate) struct Refused {
    status: StatusCode,
    /// What it says, and what to do about it.
    pub(crate) detail: String,
    /// Several things that it found at once.
    pub(crate) problems: Vec<String>,
}

/// GET of a path, as JSON.
///
/// # Errors
/// Nobody answers there, or the answer is an error ([`Refused`]); in words for the person at the terminal.
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

/// The same where the agent itself waits for so long.
///
/// # Errors
/// As for [`get`].
pub(crate) fn post_within(api: &Config, path: &str, wait: Duration) -> anyhow::Result<(StatusCode, Value)> {
    ask(api, Method::POST, path, wait + TIMEOUT)
}

/// GET of a path whose answer comes in pieces for as long as it lasts. Ends quietly on SIGINT and SIGTERM.
///
/// # Errors
/// As for [`get`]; the answer breaks off; or `take` fails.
pub(crate) fn stream(
    api: &Config,
    path: &str,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let read = async {
        let mut exchange = timeout(TIMEOUT, send(api, Method::GET, path)).await.with_context(|| late(TIMEOUT))??;
        if !exchange.answer.status().is_success() {
            return exchange.judged().await.map(|_| ());
        }
        while let Some(frame) = exchange.answer.body_mut().frame().await {
            if let Some(piece) = frame.context("the agent is gone")?.data_ref() {
                take(piece)?;
            }
        }
        Ok(())
    };
    runtime()?.block_on(async {
        let mut terminate = Terminate::listen()?;
        tokio::select! {
            read = read => read,
            _ = terminate.received() => Ok(()),
        }
    })
}

/// A part of an answer as what it should be.
///
/// # Errors
/// It is not that.
pub(crate) fn read<T: DeserializeOwned>(answer: &Value) -> anyhow::Result<T> {
    T::deserialize(answer).context("the answer is not what this version understands; is the agent another one?")
}

/// An answer whose body has not been read, and the connection that carries it.
struct Exchange {
    answer: Response<Incoming>,
    connection: JoinHandle<()>,
}

impl Refused {
    /// Whether what was asked about does not exist.
    pub(crate) fn is_unknown(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    fn new(status: StatusCode, answer: &Value) -> Self {
        let detail = match status {
            StatusCode::UNAUTHORIZED => "it wants a token; set api.token_file, or SANDBEAT_API__TOKEN",
            _ => answer["detail"].as_str().or(answer["title"].as_str()).unwrap_or("no reason given"),
        };
        let problems = answer["problems"].as_array().into_iter().flatten();
        let problems = problems.filter_map(Value::as_str).map(str::to_owned).collect();
        Refused { status, detail: detail.to_owned(), problems }
    }
}

fn ask(api: &Config, method: Method, path: &str, within: Duration) -> anyhow::Result<(StatusCode, Value)> {
    let exchange = async { send(api, method, path).await?.judged().await };
    runtime()?.block_on(async { timeout(within, exchange).await.with_context(|| late(within))? })
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn send(api: &Config, method: Method, path: &str) -> anyhow::Result<Exchange> {
    let listen = api.listen.as_ref().context("the local API is off; set api.listen to ask a running agent")?;
    let request = Request::builder().method(method).uri(path);
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
}

fn nobody(address: &Listen) -> String {
    format!("no agent answers on {address}; is `sandbeat run` running with the same [api] listen?")
}

fn late(within: Duration) -> String {
    format!("no answer within {within:?}")
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    mut request: Builder,
    api: &Config,
) -> anyhow::Result<Exchange> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // What goes wrong with it is told by the answer that does not come.
    let connection = tokio::spawn(async move { drop(connection.await) });
    if let Some(token) = &api.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    }
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    Ok(Exchange { answer, connection })
}

impl Exchange {
    /// Reads the body: the answer, or the error that it is.
    async fn judged(mut self) -> anyhow::Result<(StatusCode, Value)> {
        let status = self.answer.status();
        let body =
            Limited::new(self.answer.body_mut(), MAX_ANSWER).collect().await.map_err(anyhow::Error::from_boxed)?;
        let answer: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        if !status.is_success() {
            return Err(Refused::new(status, &answer).into());
        }
        ensure!(!answer.is_null(), "the answer is not JSON; is that address the agent's?");
        Ok((status, answer))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
