//! A control plane that knows HTTP and nothing of sandbeat: it keeps what is posted and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::wait_for;

/// A server that listens until the test ends.
pub(crate) struct FakeHub {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// One posted report.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// Header names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) at: Instant,
    /// Whether it was answered with a success.
    pub(crate) accepted: bool,
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// This status line and these headers, and a body.
    Status(&'static str, &'static str),
    /// These bytes, and the end of the connection.
    Raw(&'static [u8]),
    /// Nothing, until the client gives up.
    Silence,
}

struct Shared {
    up: AtomicBool,
    answer: Mutex<Answer>,
    requests: Mutex<Vec<Request>>,
}

/// What an existing server answers.
pub(crate) const OK: Answer = Answer::Status("200 OK", r#"{"success":true,"sandboxId":"test"}"#);

impl FakeHub {
    pub(crate) fn start() -> FakeHub {
        FakeHub::start_on(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    pub(crate) fn start_on(address: SocketAddr) -> FakeHub {
        let listener = wait_for("the address", || TcpListener::bind(address).ok());
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared { up: AtomicBool::new(true), answer: Mutex::new(OK), requests: Mutex::default() });
        let hub = FakeHub { address, shared };
        hub.listen(listener);
        hub
    }

    /// Closes the port, and every connection with its next request, which is not answered.
    pub(crate) fn down(&self) {
        self.shared.up.store(false, Ordering::SeqCst);
        // Wakes the thread that accepts, which closes the port.
        wait_for("the port to be closed", || TcpStream::connect(self.address).is_err().then_some(()));
    }

    /// Opens it again.
    pub(crate) fn up(&self) {
        let listener = wait_for("the address", || TcpListener::bind(self.address).ok());
        self.shared.up.store(true, Ordering::SeqCst);
        self.listen(listener);
    }

    /// The thread waits in `accept` until the test's process ends or the port is to be closed; nothing of it is
    /// asserted on.
    fn listen(&self, listener: TcpListener) {
        let server = self.shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !server.up.load(Ordering::SeqCst) {
                    return;
                }
                let server = server.clone();
                std::thread::spawn(move || serve(&stream, &server));
            }
        });
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().expect("no server panics") = answer;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no server panics").clone()
    }

    /// Hands over what has been posted so far, and forgets it.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.shared.requests.lock().expect("no server panics"))
    }

    /// Waits for a report, sent after now, that satisfies a condition.
    #[track_caller]
    pub(crate) fn report(&self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let seen = self.requests().len();
        wait_for(what, || self.requests().into_iter().skip(seen).map(|request| request.body).find(&mut is_it))
    }

    /// Waits until so many reports have come.
    #[track_caller]
    pub(crate) fn reports(&self, count: usize) -> Vec<Request> {
        wait_for(&format!("{count} reports"), || Some(self.requests()).filter(|requests| requests.len() >= count))
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some(mut request) = read(&mut reader) {
        if !shared.up.load(Ordering::SeqCst) {
            return;
        }
        let answer = shared.answer.lock().expect("no server panics").clone();
        request.accepted = matches!(answer, Answer::Status(status, _) if status.starts_with('2'));
        shared.requests.lock().expect("no server panics").push(request);
        match answer {
            Answer::Status(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                if stream.write_all((head + body).as_bytes()).is_err() {
                    return;
                }
            }
            Answer::Raw(bytes) => {
                let _ = stream.write_all(bytes);
                return;
            }
            Answer::Silence => {
                // Until the other side closes.
                let _ = stream.read(&mut [0]);
                return;
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if headers.iter().any(|(name, value)| name == "content-encoding" && value == "gzip") {
        let mut inflated = Vec::new();
        GzDecoder::new(body.as_slice()).read_to_end(&mut inflated).ok()?;
        body = inflated;
    }
    Some(Request { path, headers, body: serde_json::from_slice(&body).ok()?, at: Instant::now(), accepted: false })
}
