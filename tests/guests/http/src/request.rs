//! One exchange over `wasi:http`.

use sandbeat_sdk::prelude::*;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

/// Requests that wait for their answers together.
const AT_ONCE: usize = 100;
/// What is read of a body in one step, in bytes.
const STEP: u64 = 64 << 10;

/// Where to go, as `wasi:http` wants it.
#[derive(Clone, Debug)]
pub(crate) struct Url {
    scheme: Scheme,
    authority: String,
    path: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    /// Of the body, in bytes.
    pub(crate) length: u64,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => Scheme::Other(other.to_owned()),
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        Some(Url { scheme, authority: authority.to_owned(), path: path.to_owned() })
    }
}

/// Sends a GET and reads the answer to its end.
pub(crate) fn get(url: &Url, headers: &[(&str, &str)]) -> Result<Answer, Error> {
    let sent = send(url, headers)?;
    sent.subscribe().block();
    let answer = sent.get().and_then(Result::ok).ok_or_else(|| Error::internal("there is no answer"))?;
    let answer = answer.map_err(|code| refused(url, &code))?;
    let location = answer.headers().get("location").into_iter().next();
    let location = location.map(String::from_utf8).transpose()?;
    Ok(Answer { status: answer.status(), location, length: length(&answer)? })
}

/// Sends many before the first answer is read.
pub(crate) fn many_at_once(url: &Url) -> Result<Answer, Error> {
    let sent = (0..AT_ONCE).map(|_| send(url, &[])).collect::<Result<Vec<_>, _>>()?;
    for one in &sent {
        one.subscribe().block();
    }
    Ok(Answer { status: 200, location: None, length: 0 })
}

fn send(url: &Url, headers: &[(&str, &str)]) -> Result<FutureIncomingResponse, Error> {
    let fields = Fields::new();
    for (name, value) in headers {
        let set = fields.append(name, value.as_bytes());
        set.map_err(|error| Error::denied(format_args!("the header `{name}`: {error:?}")))?;
    }
    let request = OutgoingRequest::new(fields);
    let set = request
        .set_scheme(Some(&url.scheme))
        .and_then(|()| request.set_authority(Some(&url.authority)))
        .and_then(|()| request.set_path_with_query(Some(&url.path)));
    set.map_err(|()| Error::internal(format_args!("{url:?} is not acceptable")))?;
    outgoing_handler::handle(request, None).map_err(|code| refused(url, &code))
}

fn length(answer: &IncomingResponse) -> Result<u64, Error> {
    let taken_twice = |()| Error::internal("the body is taken already");
    let body = answer.consume().map_err(taken_twice)?;
    let stream = body.stream().map_err(taken_twice)?;
    let mut length = 0;
    loop {
        match stream.blocking_read(STEP) {
            Ok(bytes) => length += bytes.len() as u64,
            Err(StreamError::Closed) => return Ok(length),
            Err(StreamError::LastOperationFailed(error)) => return Err(Error::unavailable(error.to_debug_string())),
        }
    }
}

fn refused(url: &Url, code: &ErrorCode) -> Error {
    let words = format!("{}{}: {code:?}", url.authority, url.path);
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::denied(words),
        _ => Error::unavailable(words),
    }
}
