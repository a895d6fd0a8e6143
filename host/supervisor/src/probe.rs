//! Asking a process whether it does its work.
//!
//! One task per run of a process that has a health check, owned by the process's task and ended with the run. One
//! question at a time, each with a timeout; the command of an `exec` check has a process group of its own, of which
//! nothing is left when the check is over or given up.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use sandbeat_status::names::shown;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::config::{Check, Command, Health, Stdio, host_and_port};
use crate::health::{Tracker, Verdict};
use crate::restart::End;
use crate::spawn::{MAX_SHOWN, Spawner, plain};

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 64 * 1024;

/// Who is asked, and how to start what asks.
#[derive(Clone, Debug)]
pub(crate) struct Probed {
    pub(crate) command: Command,
    /// What the commands of `exec` checks are started as; not the process's own id, so that their end is not its.
    pub(crate) id: String,
    pub(crate) spawner: Spawner,
    /// When it was started.
    pub(crate) since: Instant,
}

/// Asks the first check until it says that the process is well, and then the second one for good, and tells the
/// verdicts that differ from the one before, until nobody listens.
pub(crate) async fn watch(
    ready: Option<Health>,
    health: Option<Health>,
    probed: Probed,
    verdicts: mpsc::Sender<Verdict>,
) {
    if let Some(ready) = &ready {
        ask_on(ready, true, &probed, &verdicts).await;
    }
    if let Some(health) = &health {
        ask_on(health, false, &probed, &verdicts).await;
    }
}

async fn ask_on(health: &Health, until_well: bool, probed: &Probed, verdicts: &mpsc::Sender<Verdict>) {
    let mut tracker = Tracker::default();
    loop {
        sleep(tracker.wait(health, probed.since.elapsed())).await;
        let result = ask(health, probed).await;
        let Some(verdict) = tracker.note(health, probed.since.elapsed(), result) else { continue };
        let over = until_well && verdict == Verdict::Well;
        if verdicts.send(verdict).await.is_err() || over {
            return;
        }
    }
}

/// Asks once. The error says what was asked and what came of it, without arguments and queries: it is reported, and
/// they may hold secrets.
async fn ask(health: &Health, probed: &Probed) -> Result<(), String> {
    let answer = async {
        match &health.check {
            Check::Http(url) => http(url).await,
            Check::Tcp(address) => tcp(address).await,
            Check::Exec(words) => exec(words, probed).await,
        }
    };
    let late = || format!("no answer within {:?}", health.timeout);
    let result = timeout(health.timeout, answer).await.unwrap_or_else(|_| Err(late()));
    result.map_err(|reason| match &health.check {
        Check::Http(url) => format!("GET {}: {reason}", without_query(url)),
        Check::Tcp(address) => format!("connecting to {address}: {reason}"),
        Check::Exec(words) => {
            let program = words.first().map_or("", String::as_str);
            format!("`{}`: {reason}", shown(program, MAX_SHOWN))
        }
    })
}

fn without_query(url: &Uri) -> String {
    let text = url.to_string();
    shown(text.split('?').next().unwrap_or_default(), MAX_SHOWN)
}

async fn tcp(address: &str) -> Result<(), String> {
    TcpStream::connect(address).await.map(drop).map_err(|error| plain(&error))
}

async fn http(url: &Uri) -> Result<(), String> {
    let (host, port) = host_and_port(url).ok_or("the URL names no host")?;
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| plain(&error))?;
    let status = get(url, stream).await.map_err(|error| tell(&error))?;
    if status.is_success() || status.is_redirection() { Ok(()) } else { Err(format!("answered {}", status.as_u16())) }
}

/// The status that a GET is answered with. The body is not read; the connection is closed.
async fn get(url: &Uri, stream: TcpStream) -> hyper::Result<StatusCode> {
    let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    if let Some(host) = url.authority().and_then(|authority| authority.as_str().parse().ok()) {
        headers.insert(HOST, host);
    }
    headers.insert(USER_AGENT, hyper::header::HeaderValue::from_static("sandbeat"));
    headers.insert(CONNECTION, hyper::header::HeaderValue::from_static("close"));
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        // The connection may be over with the answer already delivered.
        _ = connection => answer.await,
    };
    answered.map(|response| response.status())
}

fn tell(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match source {
        Some(source) => plain(source),
        None if error.is_parse() => "the answer is not HTTP".to_owned(),
        None => "the connection was closed without an answer".to_owned(),
    }
}

async fn exec(words: &[String], probed: &Probed) -> Result<(), String> {
    let (program, args) = words.split_first().ok_or("the command is empty")?;
    let command =
        Command { program: program.clone(), args: args.to_vec(), stdio: Stdio::Null, ..probed.command.clone() };
    let mut tree = probed.spawner.spawn(&command, &probed.id).await.map_err(|failed| failed.to_string())?;
    tree.exited().await;
    match tree.kill().await.or_else(|stuck| stuck.end.ok_or("it cannot be killed"))? {
        End::Exited(0) => Ok(()),
        end => Err(end.to_string()),
    }
}
