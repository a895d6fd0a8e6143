//! What an exchange with the hub means, and how to say so to the operator: pure.

use std::time::Duration;

use hyper::StatusCode;
use jiff::Timestamp;
use sandbeat_status::names::shown;
use serde::Deserialize;

/// The most bytes of a hub's own words in a message.
const MAX_WORDS: usize = 200;
/// More entries of `accepts` are not looked at.
const MAX_ACCEPTS: usize = 16;

/// How one attempt to deliver a report ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The hub has it.
    Accepted {
        /// When the hub wants the next one, as it said.
        next: Option<Duration>,
        /// Whether it says that it keeps what it was sent, so that unchanged parts may be left out.
        keeps: bool,
    },
    /// The hub does not have it, or did not say so.
    Failed(Failure),
}

/// Why the hub does not have a report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    /// Which kind.
    pub(crate) kind: FailureKind,
    /// What happened, and what to do about it where someone can; for the operator. No secret is in it.
    pub(crate) message: String,
    /// How long the hub wants to be left alone, as it said.
    pub(crate) retry_after: Option<Duration>,
}

/// The kinds of failure that need different answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The hub's name does not resolve.
    Dns,
    /// Nobody listens there.
    Refused,
    /// There is no way there.
    Unreachable,
    /// TLS was not agreed on: a certificate, a name, a version.
    Tls,
    /// The exchange took longer than the timeout, or 408: the report took longer than the hub waits.
    Timeout,
    /// The connection ended before the answer.
    Reset,
    /// The answer is not HTTP, or the report could not be written.
    Protocol,
    /// 401 or 403: the token.
    Denied(u16),
    /// 404: the sandbox's id.
    NotFound,
    /// 429: too many reports.
    Throttled,
    /// 3xx; redirects are not followed.
    Redirect(u16),
    /// Another 4xx.
    Rejected(u16),
    /// 5xx.
    Server(u16),
}

impl FailureKind {
    /// The word that the local API shows.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            FailureKind::Dns => "dns",
            FailureKind::Refused => "refused",
            FailureKind::Unreachable => "unreachable",
            FailureKind::Tls => "tls",
            FailureKind::Timeout => "timeout",
            FailureKind::Reset => "reset",
            FailureKind::Protocol => "protocol",
            FailureKind::Denied(_) => "denied",
            FailureKind::NotFound => "not-found",
            FailureKind::Throttled => "throttled",
            FailureKind::Redirect(_) => "redirect",
            FailureKind::Rejected(_) => "rejected",
            FailureKind::Server(_) => "server-error",
        }
    }

    /// Whether it may be over by itself, so that the same report is worth another attempt. The others are answers that
    /// stay the same until someone does something. TLS is among the first: clocks get set and certificates renewed.
    pub(crate) fn is_transient(self) -> bool {
        match self {
            FailureKind::Dns
            | FailureKind::Refused
            | FailureKind::Unreachable
            | FailureKind::Tls
            | FailureKind::Timeout
            | FailureKind::Reset
            | FailureKind::Protocol
            | FailureKind::Throttled
            | FailureKind::Server(_) => true,
            FailureKind::Denied(_) | FailureKind::NotFound | FailureKind::Redirect(_) | FailureKind::Rejected(_) => {
                false
            }
        }
    }

    /// The status of an answer that says something about the report itself: 400 and above, other than those with a
    /// kind of their own.
    pub(super) fn of_report(self) -> Option<u16> {
        match self {
            FailureKind::Rejected(code) | FailureKind::Server(code) => Some(code),
            _ => None,
        }
    }
}

impl Failure {
    /// A failure without an answer.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into(), retry_after: None }
    }
}

/// An answer as far as it matters. A body that is not there, too long, or not what is expected says nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<&'a str>,
    pub(super) location: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// Who asked whom, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) server: &'a str,
    pub(super) sandbox_id: &'a str,
    /// Whether a token was sent.
    pub(super) has_token: bool,
    pub(super) now: Timestamp,
}

/// What an answer means.
pub(super) fn of_answer(exchange: Exchange<'_>, answer: Answer<'_>) -> Outcome {
    let words: Words = serde_json::from_slice(answer.body).unwrap_or_default();
    if answer.status.is_success() {
        let next = words.next_report_secs.as_ref().and_then(serde_json::Value::as_f64).and_then(seconds);
        return Outcome::Accepted { next, keeps: words.keeps() };
    }
    let (kind, mut message) = explain(exchange, answer);
    if let Some(said) = words.message.as_ref().and_then(serde_json::Value::as_str).filter(|said| !said.is_empty()) {
        message.push_str(&format!("; it says: {}", shown(said, MAX_WORDS)));
    }
    let retry_after = answer.retry_after.and_then(|text| retry_after(text, exchange.now));
    Outcome::Failed(Failure { kind, message, retry_after })
}

/// The parts of a hub's JSON that matter here; of any type, because anything may come.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Words {
    next_report_secs: Option<serde_json::Value>,
    message: Option<serde_json::Value>,
    accepts: Option<serde_json::Value>,
}

impl Words {
    fn keeps(&self) -> bool {
        let accepts = self.accepts.as_ref().and_then(serde_json::Value::as_array);
        accepts.is_some_and(|accepts| accepts.iter().take(MAX_ACCEPTS).any(|what| what == "delta"))
    }
}

fn explain(exchange: Exchange<'_>, answer: Answer<'_>) -> (FailureKind, String) {
    let Exchange { server, sandbox_id, .. } = exchange;
    let code = answer.status.as_u16();
    match code {
        401 if !exchange.has_token => (
            FailureKind::Denied(code),
            format!("{server} wants a token (401), and none is configured; set report.token_file or AGENT_TOKEN"),
        ),
        401 => (
            FailureKind::Denied(code),
            format!("{server} refuses the token (401); check report.token_file or AGENT_TOKEN"),
        ),
        403 => (
            FailureKind::Denied(code),
            format!(
                "{server} says that the token is not for sandbox `{sandbox_id}` (403); check sandbox.id and the token"
            ),
        ),
        404 => (
            FailureKind::NotFound,
            format!(
                "{server} does not know sandbox `{sandbox_id}` (404); register it there, or check sandbox.id and \
                 report.server_url"
            ),
        ),
        408 => (FailureKind::Timeout, format!("{server} did not get the report in time (408)")),
        413 => (
            FailureKind::Rejected(code),
            format!(
                "{server} does not take a report of this size (413); raise its limit (`hub.body_limit`, or that of a \
                 proxy before it), or have the collectors report less"
            ),
        ),
        429 => (FailureKind::Throttled, format!("{server} asks for fewer reports (429)")),
        300..=399 => {
            let to = answer.location.map_or("elsewhere".to_owned(), |to| format!("to `{}`", shown(to, MAX_WORDS)));
            let message = format!(
                "{server} redirects {to} ({code}), which is not followed; set report.server_url to where the hub is"
            );
            (FailureKind::Redirect(code), message)
        }
        ..300 => (FailureKind::Protocol, format!("{server} answers {code} to a report, which means nothing here")),
        500.. => (FailureKind::Server(code), format!("{server} answers with an error of its own ({code})")),
        _ => (FailureKind::Rejected(code), format!("{server} does not accept the report ({code})")),
    }
}

/// `Retry-After`: whole seconds, or an HTTP date in one of its three forms (RFC 9110, 5.6.7 and 10.2.3). A time that is
/// over is none.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are as long as can be.
        return Some(Duration::from_secs(text.parse().unwrap_or(u32::MAX).into()));
    }
    let until = jiff::fmt::rfc2822::parse(text).map(|date| date.timestamp()).ok().or_else(|| obsolete_date(text))?;
    Duration::try_from(until.duration_since(now)).ok()
}

/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`, which recipients still have to read.
fn obsolete_date(text: &str) -> Option<Timestamp> {
    let civil = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .into_iter()
        .find_map(|form| jiff::civil::DateTime::strptime(form, text).ok())?;
    jiff::tz::Offset::UTC.to_timestamp(civil).ok()
}

/// A number of seconds that a duration can have.
fn seconds(number: f64) -> Option<Duration> {
    (number > 0.0).then(|| Duration::try_from_secs_f64(number).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, retry_after: Option<&str>, body: &str) -> Outcome {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let exchange = Exchange { server: "http://hub", sandbox_id: "sbox-1", has_token: true, now };
        let status = StatusCode::from_u16(status).unwrap();
        of_answer(exchange, Answer { status, retry_after, location: Some("http://else\nwhere"), body: body.as_bytes() })
    }

    fn failure(status: u16, retry_after: Option<&str>, body: &str) -> Failure {
        match outcome(status, retry_after, body) {
            Outcome::Failed(failure) => failure,
            accepted => panic!("{accepted:?}"),
        }
    }

    #[test]
    fn any_2xx_is_success_whatever_its_body() {
        for body in
            ["", "<html>", "[]", "{\"nextReportSecs\":\"soon\"}", "{\"nextReportSecs\":-1}", "{\"success\":true}"]
        {
            assert_eq!(outcome(200, None, body), Outcome::Accepted { next: None, keeps: false }, "{body}");
        }
        assert_eq!(outcome(204, None, ""), Outcome::Accepted { next: None, keeps: false });
        let next = Some(Duration::from_millis(2500));
        assert_eq!(
            outcome(202, None, "{\"nextReportSecs\":2.5,\"message\":7}"),
            Outcome::Accepted { next, keeps: false }
        );
        assert_eq!(outcome(200, None, "{\"nextReportSecs\":1e300}"), Outcome::Accepted { next: None, keeps: false });
    }

    #[test]
    fn a_refusal_names_the_cure() {
        for (status, kind, part) in [
            (401, FailureKind::Denied(401), "AGENT_TOKEN"),
            (403, FailureKind::Denied(403), "sandbox.id"),
            (404, FailureKind::NotFound, "register it"),
            (301, FailureKind::Redirect(301), "not followed"),
            (400, FailureKind::Rejected(400), "(400)"),
            (413, FailureKind::Rejected(413), "hub.body_limit"),
        ] {
            let failure = failure(status, None, "");
            assert_eq!(failure.kind, kind);
            assert!(failure.message.contains(part) && failure.message.starts_with("http://hub "), "{failure:?}");
            assert!(!failure.message.contains('\n'), "{failure:?}");
            assert!(!failure.kind.is_transient());
        }
        for (status, kind) in [
            (101, FailureKind::Protocol),
            (408, FailureKind::Timeout),
            (429, FailureKind::Throttled),
            (503, FailureKind::Server(503)),
            (999, FailureKind::Server(999)),
        ] {
            let failure = failure(status, None, "");
            assert_eq!(failure.kind, kind);
            assert!(failure.kind.is_transient() && failure.message.contains(&status.to_string()), "{failure:?}");
        }
    }

    #[test]
    fn a_server_keeps_parts_only_when_it_says_so() {
        for (body, keeps) in [
            (r#"{"accepts":["delta"]}"#.to_owned(), true),
            (r#"{"accepts":["zip",7,"delta"],"nextReportSecs":"x"}"#.to_owned(), true),
            (r#"{"accepts":"delta"}"#.to_owned(), false),
            (r#"{"accepts":{"delta":true}}"#.to_owned(), false),
            (r#"{"accepts":["Delta"]}"#.to_owned(), false),
            (r#"{"accepts":[["delta"]]}"#.to_owned(), false),
            (r#"{"accepts":null}"#.to_owned(), false),
            (r#"{"accepts":["delta"]"#.to_owned(), false),
            (format!(r#"{{"accepts":[{}"delta"]}}"#, "0,".repeat(1000)), false),
        ] {
            assert_eq!(outcome(200, None, &body), Outcome::Accepted { next: None, keeps }, "{body}");
        }
    }

    #[test]
    fn the_hubs_own_words_are_shown_harmlessly() {
        let failure = failure(400, None, "{\"code\":\"bad\",\"message\":\"no\\n\\u001b[2J\"}");
        assert!(failure.message.ends_with("it says: no\\n\\u{1b}[2J"), "{failure:?}");
    }

    #[test]
    fn retry_after_has_two_forms() {
        assert_eq!(failure(429, Some("120"), "").retry_after, Some(Duration::from_secs(120)));
        let date = "Fri, 20 Nov 2026 12:00:30 GMT";
        assert_eq!(failure(503, Some(date), "").retry_after, Some(Duration::from_secs(30)));
        for date in ["Friday, 20-Nov-26 12:00:30 GMT", "Fri Nov 20 12:00:30 2026"] {
            assert_eq!(failure(503, Some(date), "").retry_after, Some(Duration::from_secs(30)), "{date}");
        }
        for absurd in ["4294967296", "99999999999999999999999999999999"] {
            assert_eq!(failure(503, Some(absurd), "").retry_after, Some(Duration::from_secs(u32::MAX.into())));
        }
        for nothing in ["soon", "-5", "1e300", "NaN", "Fri, 20 Nov 2026 11:00:30 GMT", "Fri Nov 20 11:00:30 1926", ""] {
            assert_eq!(failure(503, Some(nothing), "").retry_after, None, "{nothing}");
        }
    }
}
