//! HTTP/1.0 by hand, over TCP and Unix sockets: what a client of another kind sends, and every byte that comes back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::PATIENCE;

/// Where an API listens, and what is sent with every request.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    place: Place,
    headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp(String),
    Unix(PathBuf),
}

/// An answer whose body is still to be read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    body: BufReader<Box<dyn Read + Send>>,
}

impl Api {
    pub(crate) fn tcp(address: &str) -> Api {
        Api { place: Place::Tcp(address.to_owned()), headers: Vec::new() }
    }

    pub(crate) fn unix(path: &Path) -> Api {
        Api { place: Place::Unix(path.to_owned()), headers: Vec::new() }
    }

    /// The same with one more header.
    pub(crate) fn with(&self, name: &str, value: &str) -> Api {
        let mut api = self.clone();
        api.headers.push((name.to_owned(), value.to_owned()));
        api
    }

    /// Sends `GET /path` or `POST /path` with a body, and reads the answer's head.
    pub(crate) fn send(&self, request: &str, body: &[u8]) -> Answer {
        let mut head = format!("{request} HTTP/1.0\r\nhost: localhost\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let stream: Box<dyn Read + Send> = match &self.place {
            Place::Tcp(address) => {
                let mut stream = TcpStream::connect(address).expect("the API listens");
                stream.set_read_timeout(Some(PATIENCE)).expect("a good timeout");
                send(&mut stream, &head, body);
                Box::new(stream)
            }
            Place::Unix(path) => {
                let mut stream = UnixStream::connect(path).expect("the API listens");
                stream.set_read_timeout(Some(PATIENCE)).expect("a good timeout");
                send(&mut stream, &head, body);
                Box::new(stream)
            }
        };
        Answer::read(BufReader::new(stream))
    }

    /// The status and the JSON (null where it is none) of the answer to a request with JSON.
    pub(crate) fn ask(&self, request: &str, body: &Value) -> (u16, Value) {
        self.with("content-type", "application/json").send(request, body.to_string().as_bytes()).json()
    }

    /// The same of a request without a body.
    pub(crate) fn get(&self, request: &str) -> (u16, Value) {
        self.send(request, b"").json()
    }
}

impl Answer {
    fn read(mut body: BufReader<Box<dyn Read + Send>>) -> Answer {
        let (mut status, mut content_type) = (0, String::new());
        loop {
            let mut line = String::new();
            body.read_line(&mut line).expect("the API answers");
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-type") => value.clone_into(&mut content_type),
                Some(_) => {}
                None if status == 0 => {
                    status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("HTTP")
                }
                None => return Answer { status, content_type, body },
            }
        }
    }

    pub(crate) fn json(mut self) -> (u16, Value) {
        let mut text = String::new();
        self.body.read_to_string(&mut text).expect("the answer is text");
        (self.status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// The next line; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.body.read_line(&mut line).expect("a line, or the end, in time");
        (read > 0).then(|| line.trim_end().to_owned())
    }
}

/// One that refuses early may close before it has read everything; its answer is there all the same.
fn send(stream: &mut impl Write, head: &str, body: &[u8]) {
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
