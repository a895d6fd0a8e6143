//! Connections: a bounded number of them, kept alive, one request at a time on each, all on one thread.
//!
//! Sockets by hand, because speed needs it: a client that brings a task, a parsed head and a few allocations to each
//! request costs as much as the hub that it loads, and both share the machine. Here a request is one `write`, an answer
//! one `read`, and a wait is shared by all that is ready. What is sent, and what an answer means, is the [`Work`]'s.
//!
//! On failure: a connection that breaks, or an answer that does not come in time, ends the connection; its request is
//! handed back to the work as failed, and the next request on that connection makes a new one.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::answer::{self, Answer};

/// How long the engine sleeps at most; the work may have been told to end meanwhile.
const LONGEST_WAIT: Duration = Duration::from_millis(20);
/// How often requests without an answer are looked for.
const LOOK: Duration = Duration::from_millis(50);
/// What is read at once, in bytes: more than an answer has.
const READ: usize = 4096;

/// What is sent.
pub(crate) trait Work {
    /// Puts the next request into `out`, which is empty.
    fn next(&mut self, now: Instant, out: &mut Vec<u8>) -> Next;

    /// A request was answered.
    fn answered(&mut self, ticket: u32, sent: Instant, now: Instant, answer: &Answer<'_>);

    /// A request was not.
    fn failed(&mut self, ticket: u32, now: Instant, failure: Failure);

    /// Called now and then, whatever else happens.
    fn tick(&mut self, now: Instant);
}

/// What a [`Work`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The request in `out` to be sent; by this number it is told of the answer.
    Send(u32),
    /// Nothing before then.
    At(Instant),
    /// Nothing before something happens.
    Wait,
    /// Nothing any more.
    End,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There was no connection to be had.
    Unreachable,
    /// The connection ended.
    Closed,
    /// It took longer than it may.
    TooSlow,
    /// What came is not an answer.
    Garbled,
}

/// Where requests go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The address that connections come from; the system's choice where there is none.
    pub(crate) from: Option<IpAddr>,
    /// How many connections there may be.
    pub(crate) connections: usize,
    /// From a request to its answer.
    pub(crate) timeout: Duration,
}

/// The connections to one hub.
#[derive(Debug)]
pub(crate) struct Engine {
    target: Target,
    poll: Poll,
    connections: Vec<Connection>,
    /// Those without a request, the one that had one last first: no more are kept at work than it takes, and a hub may
    /// close the others.
    idle: VecDeque<usize>,
    request: Vec<u8>,
}

#[derive(Debug, Default)]
struct Connection {
    stream: Option<TcpStream>,
    /// Whether the connection is known to be there.
    is_open: bool,
    busy: Option<Busy>,
    /// What could not be sent at once.
    unsent: Vec<u8>,
    received: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    ticket: u32,
    sent: Instant,
}

impl Engine {
    /// No connection is made before there is something to send.
    pub(crate) fn new(target: Target) -> std::io::Result<Self> {
        let connections = target.connections.max(1);
        Ok(Engine {
            target,
            poll: Poll::new()?,
            connections: (0..connections).map(|_| Connection::default()).collect(),
            idle: (0..connections).collect(),
            request: Vec::with_capacity(READ),
        })
    }

    /// Sends what the work wants until it wants nothing more and everything is answered or has failed.
    pub(crate) fn run(&mut self, work: &mut impl Work) -> std::io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut looked = Instant::now();
        loop {
            let now = Instant::now();
            work.tick(now);
            let next = self.assign(work, now);
            if next == Next::End && self.idle.len() == self.connections.len() {
                return Ok(());
            }
            if now.duration_since(looked) >= LOOK {
                looked = now;
                self.end_slow_ones(work, now);
            }
            let wait = match next {
                Next::At(at) => at.saturating_duration_since(Instant::now()).min(LONGEST_WAIT),
                _ => LONGEST_WAIT,
            };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                let Token(at) = event.token();
                if event.is_writable() {
                    self.send_rest(at, work);
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.receive(at, work);
                }
            }
        }
    }

    /// Gives requests to connections that have none, as long as there are both.
    fn assign(&mut self, work: &mut impl Work, now: Instant) -> Next {
        while let Some(&at) = self.idle.front() {
            self.request.clear();
            let ticket = match work.next(now, &mut self.request) {
                Next::Send(ticket) => ticket,
                other => return other,
            };
            self.idle.pop_front();
            self.send(at, Busy { ticket, sent: now }, work);
        }
        Next::Wait
    }

    fn send(&mut self, at: usize, busy: Busy, work: &mut impl Work) {
        if self.connections[at].stream.is_none()
            && let Err(_error) = self.connect(at)
        {
            self.idle.push_front(at);
            work.failed(busy.ticket, busy.sent, Failure::Unreachable);
            return;
        }
        let connection = &mut self.connections[at];
        connection.busy = Some(busy);
        let written = match &mut connection.stream {
            Some(stream) if connection.is_open => match stream.write(&self.request) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => return self.fail(at, Failure::Closed, work),
            },
            _ => 0,
        };
        connection.unsent.extend_from_slice(&self.request[written..]);
    }

    fn connect(&mut self, at: usize) -> std::io::Result<()> {
        let Target { address, from, .. } = self.target;
        let mut stream = match from {
            None => TcpStream::connect(address)?,
            Some(from) => TcpStream::from_std(connect_from(from, address)?),
        };
        stream.set_nodelay(true)?;
        self.poll.registry().register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE)?;
        self.connections[at].stream = Some(stream);
        Ok(())
    }

    /// The connection is there, or takes more.
    fn send_rest(&mut self, at: usize, work: &mut impl Work) {
        let connection = &mut self.connections[at];
        let Some(stream) = &mut connection.stream else { return };
        if !connection.is_open {
            // POSIX, `connect`: when the socket is writable, the attempt has ended, one way or the other.
            if stream.take_error().is_ok_and(|error| error.is_some()) {
                return self.fail(at, Failure::Unreachable, work);
            }
            connection.is_open = stream.peer_addr().is_ok();
        }
        while connection.is_open && !connection.unsent.is_empty() {
            match stream.write(&connection.unsent) {
                Ok(written) => drop(connection.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.fail(at, Failure::Closed, work),
            }
        }
    }

    /// Reads what has come. The wait is edge-triggered, so until there is nothing more: a read that fills less than the
    /// buffer says so as well (`epoll(7)`), and saves the one that would only say so.
    fn receive(&mut self, at: usize, work: &mut impl Work) {
        let mut buffer = [0; READ];
        loop {
            let connection = &mut self.connections[at];
            let Some(stream) = &mut connection.stream else { return };
            let failure = if connection.is_open { Failure::Closed } else { Failure::Unreachable };
            match stream.read(&mut buffer) {
                Ok(0) => return self.fail(at, failure, work),
                Ok(count) => {
                    connection.received.extend_from_slice(&buffer[..count]);
                    if !self.take_answer(at, work) || count < READ {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.fail(at, failure, work),
            }
        }
    }

    /// Hands an answer over where it is whole, and sends the next request; `false` when the connection has ended.
    fn take_answer(&mut self, at: usize, work: &mut impl Work) -> bool {
        let connection = &mut self.connections[at];
        let (length, close) = match (answer::read(&connection.received), connection.busy) {
            (Ok(None), _) => return true,
            (Ok(Some(answer)), Some(Busy { ticket, sent })) => {
                work.answered(ticket, sent, Instant::now(), &answer);
                (answer.length, answer.close)
            }
            (Ok(Some(_)) | Err(_), _) => {
                self.fail(at, Failure::Garbled, work);
                return false;
            }
        };
        connection.busy = None;
        connection.received.drain(..length);
        // An answer that came before the request was out ends what can be sent.
        if close || !connection.unsent.is_empty() {
            self.end(at);
        }
        self.idle.push_front(at);
        self.assign(work, Instant::now());
        self.connections[at].stream.is_some()
    }

    fn fail(&mut self, at: usize, failure: Failure, work: &mut impl Work) {
        self.end(at);
        if let Some(Busy { ticket, .. }) = self.connections[at].busy.take() {
            work.failed(ticket, Instant::now(), failure);
            self.idle.push_front(at);
        }
    }

    fn end(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        connection.unsent.clear();
        connection.received.clear();
        connection.is_open = false;
        if let Some(mut stream) = connection.stream.take() {
            // It goes with its descriptor in any case.
            let _ = self.poll.registry().deregister(&mut stream);
        }
    }

    fn end_slow_ones(&mut self, work: &mut impl Work, now: Instant) {
        for at in 0..self.connections.len() {
            let is_slow = |busy: Busy| now.saturating_duration_since(busy.sent) > self.target.timeout;
            if self.connections[at].busy.is_some_and(is_slow) {
                self.fail(at, Failure::TooSlow, work);
            }
        }
    }
}

/// Begins a connection that comes from a certain address.
pub(crate) fn connect_from(from: IpAddr, to: SocketAddr) -> std::io::Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(SocketAddr::new(from, 0)))?;
    match socket.connect(&SockAddr::from(to)) {
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
        other => other?,
    }
    Ok(socket.into())
}
