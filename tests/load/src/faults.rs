//! Clients that mean ill, or just fail: half a request, a slow one, and more than a hub wants.
//!
//! Each runs on a thread of its own and ends with what its caller holds.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::engine::{Engine, Failure, Next, Target, Work, connect_from};

/// Between two looks at the connections.
const PAUSE: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The end of the head is missing.
const HALF: &[u8] = b"POST /api/v1/sandboxes/nobody/status HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\n";
/// Its body comes a byte at a time.
const SLOW: &[u8] = b"POST /api/v1/sandboxes/nobody/status HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\n\
    content-length: 1000\r\n\r\n";
const FLOOD: &[u8] = b"POST /api/v1/sandboxes/nobody/status HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer nothing\r\n\
    content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// What such clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Half a head, and then nothing.
    HalfOpen,
    /// A head, and then ten bytes of its body a second.
    Slow,
    /// Reports for a sandbox that nobody knows, one after another.
    Flood,
}

/// Such clients at work; they end with this.
#[derive(Debug)]
pub struct Faults {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    closed: AtomicU64,
    answered: AtomicU64,
}

impl Faults {
    /// Starts so many of them, from an address on loopback or the system's choice. Connections that the hub closes are
    /// made again.
    ///
    /// # Errors
    /// The system has no thread or no socket to give.
    pub fn start(fault: Fault, hub: SocketAddr, from: Option<IpAddr>, clients: usize) -> std::io::Result<Faults> {
        let (counts, stop) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        let (seen, told) = (Arc::clone(&counts), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("faults".to_owned()).spawn(move || match fault {
            Fault::Flood => {
                let target = Target { address: hub, from, connections: clients, timeout: TIMEOUT };
                Engine::new(target)?.run(&mut Flood { counts: seen, stop: told, pause: None })
            }
            Fault::HalfOpen | Fault::Slow => {
                hold(fault, hub, from, clients, &seen, &told);
                Ok(())
            }
        })?;
        Ok(Faults { counts, stop, thread: Some(thread) })
    }

    /// Connections that are open now, as far as this side knows.
    pub fn open(&self) -> usize {
        self.counts.open.load(Relaxed)
    }

    /// Connections that the hub has closed.
    pub fn closed(&self) -> u64 {
        self.counts.closed.load(Relaxed)
    }

    /// Requests that were answered.
    pub fn answered(&self) -> u64 {
        self.counts.answered.load(Relaxed)
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it did is in the counts.
            let _ = thread.join();
        }
    }
}

/// Keeps connections that do not do what they should, until told to stop.
fn hold(fault: Fault, hub: SocketAddr, from: Option<IpAddr>, clients: usize, counts: &Counts, stop: &AtomicBool) {
    let from = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let mut held: Vec<Option<(TcpStream, bool)>> = (0..clients).map(|_| None).collect();
    while !stop.load(Relaxed) {
        for slot in &mut held {
            match slot {
                // Where there is no connection to be had now, there may be one at the next look.
                None => *slot = connect_from(from, hub).ok().map(|stream| (stream, false)),
                Some((stream, begun)) => {
                    if !step(fault, stream, begun, counts) {
                        *slot = None;
                    }
                }
            }
        }
        counts.open.store(held.iter().flatten().filter(|(_, begun)| *begun).count(), Relaxed);
        std::thread::park_timeout(PAUSE);
    }
}

/// One look at a connection; `false` when it has ended.
fn step(fault: Fault, stream: &mut TcpStream, begun: &mut bool, counts: &Counts) -> bool {
    let begins: &[u8] = if fault == Fault::Slow { SLOW } else { HALF };
    let bytes: &[u8] = match (*begun, fault) {
        (false, _) => begins,
        (true, Fault::Slow) => b" ",
        (true, _) => b"",
    };
    let written = if bytes.is_empty() { Ok(0) } else { stream.write(bytes) };
    match written {
        Ok(_) => *begun = true,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return true,
        Err(_) => {
            counts.closed.fetch_add(u64::from(*begun), Relaxed);
            return false;
        }
    }
    match stream.read(&mut [0; 1024]) {
        Ok(0) => {}
        Ok(_) => {
            counts.answered.fetch_add(1, Relaxed);
            return true;
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
        Err(_) => {}
    }
    counts.closed.fetch_add(1, Relaxed);
    false
}

struct Flood {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    /// After a failure nothing is sent before.
    pause: Option<Instant>,
}

impl Work for Flood {
    fn next(&mut self, now: Instant, out: &mut Vec<u8>) -> Next {
        if self.stop.load(Relaxed) {
            return Next::End;
        }
        if let Some(pause) = self.pause.filter(|pause| now < *pause) {
            return Next::At(pause);
        }
        out.extend_from_slice(FLOOD);
        Next::Send(0)
    }

    fn answered(&mut self, _ticket: u32, _sent: Instant, _now: Instant, _answer: &Answer<'_>) {
        self.counts.answered.fetch_add(1, Relaxed);
    }

    fn failed(&mut self, _ticket: u32, now: Instant, _failure: Failure) {
        self.counts.closed.fetch_add(1, Relaxed);
        self.pause = Some(now + PAUSE);
    }

    fn tick(&mut self, _now: Instant) {}
}
