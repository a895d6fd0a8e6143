//! A control plane on loopback that accepts every report and says when.
//!
//! Its threads end with the process; nothing is asked of them but what they send.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use flate2::read::GzDecoder;
use serde_json::Value;

/// How long something that has to happen is waited for. Far above what it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that listens until the process ends.
pub struct Hub {
    address: SocketAddr,
    accepted: Receiver<Accepted>,
}

/// A report that was answered with a success.
#[derive(Debug)]
pub struct Accepted {
    /// When the answer had been written.
    pub at: Instant,
    /// The report.
    pub report: Value,
}

impl Hub {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// There is no free port on loopback.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (send, accepted) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let send = send.clone();
                std::thread::spawn(move || serve(&stream, &send));
            }
        });
        Ok(Hub { address, accepted })
    }

    /// What an agent's `report.server_url` has to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the next report that is as wanted; those before it are forgotten.
    ///
    /// # Errors
    /// It does not come in half a minute.
    pub fn wait_for(&self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> anyhow::Result<Accepted> {
        let start = Instant::now();
        let mut last = None;
        while let Some(left) = PATIENCE.checked_sub(start.elapsed()) {
            let Ok(accepted) = self.accepted.recv_timeout(left) else { break };
            if is_it(&accepted.report) {
                return Ok(accepted);
            }
            last = Some(accepted.report);
        }
        let last = last.map(|report| report["plugins"].to_string()).unwrap_or_else(|| "none".into());
        bail!("waited {PATIENCE:?} for {what}; plugins in the last report: {last}")
    }

    /// Forgets what has been posted so far.
    pub fn forget(&self) {
        while self.accepted.try_recv().is_ok() {}
    }
}

/// The values of one collector in a report.
pub fn values_of<'a>(report: &'a Value, plugin: &'a str) -> impl Iterator<Item = &'a Value> {
    report["metrics"].as_array().into_iter().flatten().filter(move |metric| metric["plugin"] == plugin)
}

/// How many collectors are at work.
pub fn active(report: &Value) -> usize {
    report["plugins"].as_array().into_iter().flatten().filter(|plugin| plugin["state"] == "active").count()
}

fn serve(stream: &TcpStream, send: &Sender<Accepted>) {
    let mut reader = BufReader::new(stream);
    // A connection that breaks is the agent's affair, which makes another.
    while let Ok((body, gzip)) = exchange(&mut reader, stream) {
        let at = Instant::now();
        let report = match gzip {
            true => serde_json::from_reader(GzDecoder::new(body.as_slice())),
            false => serde_json::from_slice(&body),
        };
        let Ok(report) = report else { return };
        if send.send(Accepted { at, report }).is_err() {
            return;
        }
    }
}

/// A report's body, and whether it is compressed.
fn exchange(reader: &mut impl BufRead, mut stream: &TcpStream) -> anyhow::Result<(Vec<u8>, bool)> {
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{\"success\":true}";
    let (mut length, mut gzip) = (None, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            bail!("the agent has closed the connection");
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = Some(value.parse()?),
            Some((name, value)) if name.eq_ignore_ascii_case("content-encoding") => gzip = value == "gzip",
            None if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length.context("a report has a length")?];
    reader.read_exact(&mut body)?;
    stream.write_all(ANSWER)?;
    Ok((body, gzip))
}
