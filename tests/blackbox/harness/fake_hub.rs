//! A control plane that knows HTTP and nothing of sandbeat: it keeps what is posted and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

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
        let shared = Arc::new(Shared { answer: Mutex::new(OK), requests: Mutex::default() });
        let server = shared.clone();
        // The thread waits in `accept` until the test's process ends; nothing of it is asserted on.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                std::thread::spawn(move || serve(&stream, &server));
            }
        });
        FakeHub { address, shared }
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
    while let Some(request) = read(&mut reader) {
        shared.requests.lock().expect("no server panics").push(request);
        let answer = shared.answer.lock().expect("no server panics").clone();
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
    Some(Request { path, headers, body: serde_json::from_slice(&body).ok()?, at: Instant::now() })
}
