//! Reads answers: of the head the status and what the agent obeys, of the body as many bytes as it has. Pure.
//!
//! A hub answers a report with a length, so that is all there is; anything else is an error here and a count in the
//! figures.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use memchr::memmem::Finder;

/// More than a hub sends with an answer to a report or a registration.
const MAX_HEADERS: usize = 32;
/// A longer answer is none that is expected here, in bytes.
const MAX_BODY: usize = 1 << 20;

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// `Retry-After`, where it names seconds.
    pub(crate) retry_after: Option<Duration>,
    /// The connection ends with it.
    pub(crate) close: bool,
    /// All of it, in bytes.
    pub(crate) length: usize,
}

impl Answer<'_> {
    /// Whether it is a success.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What the body of an answer to a report says, found without parsing it: most say nothing.
#[derive(Debug)]
pub(crate) struct Marks {
    next_report_secs: Finder<'static>,
    duplicate: Finder<'static>,
    delta: Finder<'static>,
}

impl Default for Marks {
    fn default() -> Self {
        Marks {
            next_report_secs: Finder::new("\"nextReportSecs\":"),
            duplicate: Finder::new("\"duplicate\":true"),
            delta: Finder::new("\"delta\""),
        }
    }
}

impl Marks {
    /// The `nextReportSecs`, where the hub directs an interval.
    pub(crate) fn next_report_secs(&self, body: &[u8]) -> Option<f64> {
        let found = self.next_report_secs.find(body)?;
        let text = &body[found + self.next_report_secs.needle().len()..];
        let end = text.iter().position(|byte| !b"0123456789.eE+-".contains(byte)).unwrap_or(text.len());
        std::str::from_utf8(&text[..end]).ok()?.parse().ok()
    }

    /// Whether the hub had the report already.
    pub(crate) fn is_duplicate(&self, body: &[u8]) -> bool {
        self.duplicate.find(body).is_some()
    }

    /// Whether the hub keeps what reports leave out.
    pub(crate) fn takes_deltas(&self, body: &[u8]) -> bool {
        self.delta.find(body).is_some()
    }
}

/// Reads the first answer of what has come; `None` where it is not whole yet.
///
/// # Errors
/// It is not HTTP/1, or has no length.
pub(crate) fn read(bytes: &[u8]) -> anyhow::Result<Option<Answer<'_>>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body_at) = head.parse(bytes).context("an answer that is not HTTP")? else {
        return Ok(None);
    };
    let status = head.code.context("an answer without a status")?;
    let (mut length, mut retry_after, mut close) = (None, None, head.version == Some(0));
    for header in head.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<usize>().context("content-length is not a number")?);
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            retry_after = value.parse().ok().map(Duration::from_secs);
        } else if header.name.eq_ignore_ascii_case("connection") {
            close = value.eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("an answer in chunks");
        }
    }
    let length = match (length, status) {
        (Some(length), _) => length,
        (None, 204 | 304) => 0,
        (None, _) => bail!("an answer without a length"),
    };
    ensure!(length <= MAX_BODY, "an answer of {length} bytes");
    let whole = body_at + length;
    let body = bytes.get(body_at..whole);
    Ok(body.map(|body| Answer { status, body, retry_after, close, length: whole }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 ";

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        for end in 0..OK.len() - 9 {
            assert_eq!(read(&OK[..end]).unwrap(), None, "{end}");
        }
        let answer = read(OK).unwrap().unwrap();
        assert_eq!((answer.status, answer.body, answer.length), (200, &b"{}"[..], OK.len() - 9));
        assert!(answer.is_success() && !answer.close && answer.retry_after.is_none());
    }

    #[test]
    fn what_the_agent_obeys_is_read() {
        let answer = b"HTTP/1.1 503 No\r\nretry-after: 2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let answer = read(answer).unwrap().unwrap();
        assert_eq!((answer.status, answer.retry_after), (503, Some(Duration::from_secs(2))));
        assert!(answer.close && !answer.is_success());
    }

    #[test]
    fn what_a_body_says_is_found() {
        let marks = Marks::default();
        let says = br#"{"success":true,"sandboxId":"a","duplicate":true,"nextReportSecs":2.5e1,"accepts":["delta"]}"#;
        assert_eq!(marks.next_report_secs(says), Some(25.0));
        assert!(marks.is_duplicate(says) && marks.takes_deltas(says));
        for nothing in [&br#"{"success":true}"#[..], br#"{"duplicate":false,"nextReportSecs":null}"#] {
            assert_eq!(marks.next_report_secs(nothing), None);
            assert!(!marks.is_duplicate(nothing) && !marks.takes_deltas(nothing));
        }
    }

    #[test]
    fn what_is_not_expected_is_an_error() {
        for bytes in [
            &b"SSH-2.0-OpenSSH\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        ] {
            assert!(read(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
