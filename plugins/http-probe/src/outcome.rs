//! What came of asking one URL, and the points that are made of it. No I/O.

use std::time::Duration;

use sandbeat_sdk::Point;
use sandbeat_sdk::prelude::*;

use crate::certificate::Fault;
use crate::check::Check;

const URL: Key = Key::new("url.full", "The URL without its query; absent where the configuration gives it a name.");
const NAME: Key = Key::new("httpcheck.name", "The name that the configuration gives it.");
const METHOD: Key = Key::new("http.request.method", "Such as `GET`.");
const STATUS_CODE: Key = Key::new("http.response.status_code", "Such as `200`.");
const CLASS: Key = Key::new("http.status_class", "Such as `2xx`.");
const TYPE: Key = Key::new(
    "error.type",
    "`status` or `body` (not as expected), `timeout`, `dns`, `refused`, `unreachable`, `certificate_expired`, \
     `certificate_not_yet_valid`, `certificate_other_name`, `certificate_untrusted` (by what the server showed; \
     `certificate` where that is not known), `tls`, `protocol` (no HTTP, or a body in thousands of pieces), `closed`, `other`; `denied` and \
     `not_asked` where it was not asked.",
);
const KEYS: &[Key] = &[URL, NAME, METHOD];
pub(crate) const SUCCESS: Gauge =
    Gauge::new("httpcheck.success", "1", "1 where the answer was as expected, else 0.").with_keys(KEYS);
pub(crate) const STATUS: Gauge = Gauge::new("httpcheck.status", "1", "1 for the status that was answered.")
    .with_keys(&[URL, NAME, METHOD, STATUS_CODE, CLASS]);
pub(crate) const DURATION: Gauge =
    Gauge::new("httpcheck.duration", "s", "How long it took until the head of the answer was there.").with_keys(KEYS);
pub(crate) const ERROR: Gauge =
    Gauge::new("httpcheck.error", "{error}", "1 for what went wrong.").with_keys(&[URL, NAME, METHOD, TYPE]);
pub(crate) const REMAINING: Gauge = Gauge::new(
    "httpcheck.tls.cert_remaining",
    "s",
    "How long the server's certificate is still valid; negative when it has expired. Also of one that is not trusted.",
)
.with_keys(KEYS);

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) answer: Option<Answer>,
    pub(crate) trouble: Option<Trouble>,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) took: Duration,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its origin is not granted; it was not asked.
    Denied,
    /// There was no time left for it; it was not asked.
    NotAsked,
    Status,
    Body,
    Timeout,
    Dns,
    Refused,
    Unreachable,
    Certificate(Option<Fault>),
    Tls,
    Protocol,
    Closed,
    Other,
}

impl Outcome {
    /// No answer.
    pub(crate) fn failed(trouble: Trouble) -> Self {
        Self { answer: None, trouble: Some(trouble) }
    }

    /// An answer; the body is what was read of it, where that matters.
    pub(crate) fn answered(check: &Check, answer: Answer, body: Option<&[u8]>) -> Self {
        let is_there = |text: &String| body.is_some_and(|body| String::from_utf8_lossy(body).contains(text.as_str()));
        let trouble = if !check.expects(answer.status) {
            Some(Trouble::Status)
        } else if !check.contains.as_ref().is_none_or(is_there) {
            Some(Trouble::Body)
        } else {
            None
        };
        Self { answer: Some(answer), trouble }
    }

    /// The points; `remaining` is of the server's certificate, in seconds.
    pub(crate) fn points(&self, check: &Check, remaining: Option<f64>) -> Vec<Point> {
        let was_asked = !matches!(self.trouble, Some(Trouble::Denied | Trouble::NotAsked));
        let mut points = Vec::new();
        points.extend(was_asked.then(|| SUCCESS.value(u8::from(self.trouble.is_none()))));
        if let Some(Answer { status, took }) = self.answer {
            let class = format!("{}xx", status / 100);
            points.push(STATUS.value(1).attribute(STATUS_CODE, status).attribute(CLASS, class));
            points.push(DURATION.value(took));
        }
        points.extend(self.trouble.map(|trouble| ERROR.value(1).attribute(TYPE, trouble.word())));
        points.extend(remaining.map(|remaining| REMAINING.value(remaining)));
        let name = |point: Point| match &check.name {
            Some(name) => point.attribute(NAME, name),
            None => point.attribute(URL, check.url.shown()),
        };
        points.into_iter().map(|point| name(point).attribute(METHOD, check.method.word())).collect()
    }
}

impl Trouble {
    /// As it is reported.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Trouble::Denied => "denied",
            Trouble::NotAsked => "not_asked",
            Trouble::Status => "status",
            Trouble::Body => "body",
            Trouble::Timeout => "timeout",
            Trouble::Dns => "dns",
            Trouble::Refused => "refused",
            Trouble::Unreachable => "unreachable",
            Trouble::Certificate(None) => "certificate",
            Trouble::Certificate(Some(Fault::Expired)) => "certificate_expired",
            Trouble::Certificate(Some(Fault::NotYetValid)) => "certificate_not_yet_valid",
            Trouble::Certificate(Some(Fault::OtherName)) => "certificate_other_name",
            Trouble::Certificate(Some(Fault::Untrusted)) => "certificate_untrusted",
            Trouble::Tls => "tls",
            Trouble::Protocol => "protocol",
            Trouble::Closed => "closed",
            Trouble::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::Value;
    use sandbeat_sdk::limits::Limits;

    fn check(table: &str) -> Check {
        Check::all(Some(table), None, &Limits::default()).unwrap().remove(0)
    }

    fn lines(points: &[Point]) -> Vec<String> {
        let line = |point: &Point| {
            let Value::Gauge(value) = point.value else { panic!("{point:?}") };
            let attributes: Vec<_> = point.attributes.iter().map(|one| format!("{}={}", one.key, one.value)).collect();
            format!("{}{{{}}} {value}", point.name, attributes.join(","))
        };
        points.iter().map(line).collect()
    }

    fn answer(status: u16) -> Answer {
        Answer { status, took: Duration::from_millis(250) }
    }

    #[test]
    fn a_good_answer_has_four_points() {
        let check = check("https://a.example/x?token=secret");
        let points = Outcome::answered(&check, answer(204), None).points(&check, Some(-60.0));
        let expected = [
            "httpcheck.success{url.full=https://a.example/x,http.request.method=GET} 1",
            "httpcheck.status{http.response.status_code=204,http.status_class=2xx,url.full=https://a.example/x,\
             http.request.method=GET} 1",
            "httpcheck.duration{url.full=https://a.example/x,http.request.method=GET} 0.25",
            "httpcheck.tls.cert_remaining{url.full=https://a.example/x,http.request.method=GET} -60",
        ];
        assert_eq!(lines(&points), expected);
    }

    #[test]
    fn a_name_stands_for_the_url() {
        let check = check(r#"{"url":"https://a/hooks/secret","name":"hook","method":"HEAD"}"#);
        let points = lines(&Outcome::failed(Trouble::Refused).points(&check, None));
        let expected = [
            "httpcheck.success{httpcheck.name=hook,http.request.method=HEAD} 0",
            "httpcheck.error{error.type=refused,httpcheck.name=hook,http.request.method=HEAD} 1",
        ];
        assert_eq!(points, expected);
    }

    #[test]
    fn what_was_not_asked_has_no_success() {
        let check = check("http://a");
        for (trouble, word) in [(Trouble::Denied, "denied"), (Trouble::NotAsked, "not_asked")] {
            let points = lines(&Outcome::failed(trouble).points(&check, None));
            assert_eq!(
                points,
                [format!("httpcheck.error{{error.type={word},url.full=http://a/,http.request.method=GET}} 1")]
            );
        }
    }

    #[test]
    fn status_and_body_have_to_be_as_expected() {
        let check = check(r#"{"url":"http://a","status":[200,404],"contains":"grüße"}"#);
        for (status, body, trouble) in [
            (200, Some("schöne grüße!"), None),
            (404, Some("grüße"), None),
            (200, Some("gruesse"), Some(Trouble::Body)),
            (200, None, Some(Trouble::Body)),
            (301, Some("grüße"), Some(Trouble::Status)),
        ] {
            let outcome = Outcome::answered(&check, answer(status), body.map(str::as_bytes));
            assert_eq!(outcome, Outcome { answer: Some(answer(status)), trouble }, "{status} {body:?}");
        }
    }
}
