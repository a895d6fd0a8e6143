//! The exchanges over `wasi:http`: several at the same time, each with a deadline of its own.
//!
//! Owner: the one collect. An exchange ends with its answer, with what the host says is wrong, or at its deadline, when its
//! resources are dropped, which closes the connection. The host ends the whole collect for more requests than
//! `limits.http_requests`, for an exchange longer than `limits.http_timeout`, and for bodies over `limits.http_bytes`: the
//! caller sees to it that there is less of each.

use std::time::{Duration, Instant};

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    self, ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, OutgoingRequest, Scheme,
};
use wasip2::io::poll::{self, Pollable};
use wasip2::io::streams::{InputStream, StreamError};

use crate::body::{Body, Piece, Progress};
use crate::check::{Check, Method};
use crate::outcome::{Answer, Outcome, Trouble};

/// Exchanges at the same time. The agent allows twice as many connections, since one may be there for a moment longer than
/// the exchange that it was for.
const AT_ONCE: usize = 4;
/// What is read of a body in one piece at most, in bytes.
const STEP: u64 = 16 << 10;

/// What all exchanges together may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// When all have to be over.
    pub(crate) deadline: Instant,
    /// What may be read of one body, in bytes.
    pub(crate) body: usize,
}

/// Asks all, and returns what came of each, in the same order.
pub(crate) fn ask(checks: &[Check], budget: Budget) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::failed(Trouble::NotAsked); checks.len()];
    let mut waiting = checks.iter().enumerate();
    let mut flights: Vec<Flight<'_>> = Vec::new();
    loop {
        while flights.len() < AT_ONCE && Instant::now() < budget.deadline {
            let Some((at, check)) = waiting.next() else { break };
            match Flight::start(at, check, budget) {
                Ok(flight) => flights.push(flight),
                Err(trouble) => outcomes[at] = Outcome::failed(trouble),
            }
        }
        if flights.is_empty() {
            return outcomes;
        }
        wait(&flights);
        let mut still = Vec::with_capacity(flights.len());
        for flight in flights {
            let at = flight.at;
            match flight.advance() {
                Ok(flight) => still.push(flight),
                Err(outcome) => outcomes[at] = outcome,
            }
        }
        flights = still;
    }
}

/// An exchange that is under way.
struct Flight<'a> {
    at: usize,
    check: &'a Check,
    started: Instant,
    deadline: Instant,
    most: usize,
    stage: Stage,
}

enum Stage {
    Head(FutureIncomingResponse),
    Body(Reading),
}

/// A body that is being read. Children are dropped before what they are parts of.
struct Reading {
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
    answer: Answer,
    read: Body,
}

impl<'a> Flight<'a> {
    fn start(at: usize, check: &'a Check, budget: Budget) -> Result<Self, Trouble> {
        let request = request(check).ok_or(Trouble::Other)?;
        let started = Instant::now();
        let future = outgoing_handler::handle(request, None).map_err(|code| trouble(&code))?;
        let deadline = budget.deadline.min(started + check.timeout);
        Ok(Self { at, check, started, deadline, most: budget.body, stage: Stage::Head(future) })
    }

    /// What it waits for.
    fn subscribe(&self) -> Pollable {
        match &self.stage {
            Stage::Head(future) => future.subscribe(),
            Stage::Body(reading) => reading.stream.subscribe(),
        }
    }

    /// Goes as far as it can without waiting; an error is its end, good or not.
    fn advance(mut self) -> Result<Self, Outcome> {
        if let Stage::Head(future) = &self.stage {
            match future.get() {
                None => return self.in_time(None),
                Some(Ok(Ok(response))) => self.stage = Stage::Body(self.head(response)?),
                Some(Ok(Err(code))) => return Err(Outcome::failed(trouble(&code))),
                Some(Err(())) => return Err(Outcome::failed(Trouble::Other)),
            }
        }
        let Stage::Body(reading) = &mut self.stage else { return self.in_time(None) };
        let answer = reading.answer;
        let piece = || match reading.stream.read(STEP) {
            Ok(bytes) if bytes.is_empty() => Piece::Pending,
            Ok(bytes) => Piece::Bytes(bytes),
            Err(StreamError::Closed) => Piece::End,
            Err(StreamError::LastOperationFailed(_)) => Piece::Broken,
        };
        match reading.read.fill(self.most, piece) {
            Progress::Pending => self.in_time(Some(answer)),
            Progress::Done => Err(Outcome::answered(self.check, answer, Some(&reading.read.text))),
            Progress::Failed(trouble) => Err(Outcome { answer: Some(answer), trouble: Some(trouble) }),
        }
    }

    /// Begins with the body, where that matters.
    fn head(&self, response: IncomingResponse) -> Result<Reading, Outcome> {
        let answer = Answer { status: response.status(), took: self.started.elapsed() };
        if self.check.contains.is_none() || !self.check.expects(answer.status) {
            return Err(Outcome::answered(self.check, answer, None));
        }
        let other = |()| Outcome { answer: Some(answer), trouble: Some(Trouble::Other) };
        let body = response.consume().map_err(other)?;
        let stream = body.stream().map_err(other)?;
        Ok(Reading { stream, _body: body, _response: response, answer, read: Body::default() })
    }

    fn in_time(self, answer: Option<Answer>) -> Result<Self, Outcome> {
        match Instant::now() < self.deadline {
            true => Ok(self),
            false => Err(Outcome { answer, trouble: Some(Trouble::Timeout) }),
        }
    }
}

/// Waits until one of them can go on, or the first deadline is there.
fn wait(flights: &[Flight<'_>]) {
    let now = Instant::now();
    let left =
        flights.iter().map(|flight| flight.deadline.saturating_duration_since(now)).min().unwrap_or(Duration::ZERO);
    let clock = monotonic_clock::subscribe_duration(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX));
    let pollables: Vec<_> = flights.iter().map(Flight::subscribe).chain([clock]).collect();
    poll::poll(&pollables.iter().collect::<Vec<_>>());
}

fn request(check: &Check) -> Option<OutgoingRequest> {
    let headers = [("accept", "*/*"), ("user-agent", concat!("sandbeat-http-probe/", env!("CARGO_PKG_VERSION")))];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let request = OutgoingRequest::new(Fields::from_list(&headers).ok()?);
    let method = match check.method {
        Method::Get => types::Method::Get,
        Method::Head => types::Method::Head,
        Method::Options => types::Method::Options,
    };
    let scheme = if check.url.https { Scheme::Https } else { Scheme::Http };
    let set = request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(&check.url.authority)))
        .and_then(|()| request.set_path_with_query(Some(&check.url.path)));
    set.is_ok().then_some(request)
}

fn trouble(code: &ErrorCode) -> Trouble {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Trouble::Denied,
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => Trouble::Dns,
        ErrorCode::ConnectionRefused => Trouble::Refused,
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => Trouble::Unreachable,
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Trouble::Timeout,
        ErrorCode::TlsCertificateError => Trouble::Certificate(None),
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => Trouble::Tls,
        ErrorCode::HttpProtocolError
        | ErrorCode::HttpUpgradeFailed
        | ErrorCode::HttpResponseIncomplete
        | ErrorCode::HttpResponseHeaderSectionSize(_) => Trouble::Protocol,
        ErrorCode::ConnectionTerminated => Trouble::Closed,
        _ => Trouble::Other,
    }
}
