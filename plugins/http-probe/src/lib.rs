//! The collector `http-probe`: whether web servers answer as they should, how fast, and how long their certificates are
//! still valid.
//!
//! ```text
//! config → check, url (what is asked) → exchange (wasi:http), body → outcome (points); certificate
//! ```
//!
//! A server that is down is a value, not a failure: `httpcheck.success` is 0, and `httpcheck.error` says what is wrong. Of
//! an origin that is not granted nothing is known: it has no `httpcheck.success`, is named by `httpcheck.error` and once in
//! the log, and only when none is granted the collect fails, as `denied`. Redirects are not followed: their status is the
//! answer. A URL's query, where secrets often are, is sent and never shown; credentials in a URL are refused.

mod body;
mod certificate;
mod check;
mod exchange;
mod outcome;
mod url;

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use check::Check;
use exchange::Budget;
use outcome::{Outcome, Trouble};
use sandbeat_common::Notice;
use sandbeat_sdk::limits::Limits;
use sandbeat_sdk::prelude::*;
use sandbeat_sdk::{certificates, export, limits};

/// What is read of one body at most, in bytes.
const MAX_BODY: u64 = 256 << 10;
/// What the host may have received of a body beyond that, in bytes.
const AHEAD: u64 = 64 << 10;

struct HttpProbe;

impl Collector for HttpProbe {
    fn describe() -> Description {
        Description::new(env!("CARGO_PKG_VERSION"), "Status, latency and certificate of web servers.")
            .with(&outcome::SUCCESS)
            .with(&outcome::STATUS)
            .with(&outcome::DURATION)
            .with(&outcome::ERROR)
            .with(&outcome::REMAINING)
    }

    fn collect() -> Result<Contribution, Error> {
        config::only(&["urls", "timeout"])?;
        let limits = limits::current();
        let checks = Check::all(config::get("urls").as_deref(), config::string("timeout")?.as_deref(), &limits)?;
        let outcomes = exchange::ask(&checks, budget(&limits));
        report(&checks, &outcomes)
    }
}

export!(HttpProbe);

/// Leaves a tenth of the time for the report, and room in `limits.http_bytes` for the bodies of as many requests as there
/// may be.
fn budget(limits: &Limits) -> Budget {
    let body = (limits.http_bytes / limits.http_requests.max(1)).saturating_sub(AHEAD).min(MAX_BODY);
    Budget { deadline: Instant::now() + limits.timeout * 9 / 10, body: usize::try_from(body).unwrap_or(0) }
}

fn report(checks: &[Check], outcomes: &[Outcome]) -> Result<Contribution, Error> {
    const DENIED: Notice = Notice::new("denied");
    let is_denied = |outcome: &Outcome| outcome.trouble == Some(Trouble::Denied);
    let denied = checks.iter().zip(outcomes).filter(|(_, outcome)| is_denied(outcome));
    let denied: BTreeSet<_> = denied.map(|(check, _)| format!("`{}`", check.url.origin())).collect();
    let line = |origins: &str| {
        format!(
            "not granted: {origins}; add it to `http` under `[grant]` in the sidecar, by address where the name leads to a \
             special one such as loopback"
        )
    };
    let denied: Vec<_> = denied.into_iter().collect();
    if outcomes.iter().all(is_denied) {
        return Err(Error::denied(line(&denied.join(", "))));
    }
    DENIED.warn_each(&denied.iter().map(|origin| line(origin)).collect::<Vec<_>>());

    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let mut contribution = Contribution::new();
    for (check, outcome) in checks.iter().zip(outcomes) {
        let shown = check.url.https.then(|| certificates::shown(&check.url.origin())).flatten();
        let remaining = shown.as_ref().and_then(|der| certificate::remaining(der, now));
        let outcome = match (outcome.trouble, &shown) {
            (Some(Trouble::Certificate(_)), Some(der)) => Outcome {
                trouble: Some(Trouble::Certificate(certificate::fault(der, check.url.host(), now))),
                ..*outcome
            },
            _ => *outcome,
        };
        contribution.extend(outcome.points(check, remaining));
    }
    Ok(contribution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use sandbeat_sdk::testing::Sandbox;

    fn checks(urls: &str) -> Vec<Check> {
        Check::all(Some(urls), None, &Limits::default()).unwrap()
    }

    fn names(contribution: &Contribution) -> Vec<(&str, &str)> {
        contribution.points.iter().map(|point| (&*point.name, point.attributes[0].value.as_str())).collect()
    }

    #[test]
    fn one_that_is_not_granted_is_named_and_the_others_are_reported() {
        let checks = checks(r#"["https://a.example/x?secret","https://b.example"]"#);
        let outcomes = [Outcome::failed(Trouble::Denied), Outcome::failed(Trouble::Timeout)];
        let mut sandbox = Sandbox::new();
        let contribution = sandbox.run(|| report(&checks, &outcomes)).unwrap();
        let expected = [
            ("httpcheck.error", "denied"),
            ("httpcheck.success", "https://b.example/"),
            ("httpcheck.error", "timeout"),
        ];
        assert_eq!(names(&contribution), expected);
        sandbox.run(|| report(&checks, &outcomes)).unwrap();
        let [(log::Level::Warn, line)] = sandbox.lines() else { panic!("{:?}", sandbox.lines()) };
        assert!(line.starts_with("not granted: `https://a.example`; add it to `http`"), "{line}");
    }

    #[test]
    fn when_none_is_granted_that_is_the_error() {
        let checks = checks(r#"["https://a.example","https://a.example/b","http://c"]"#);
        let error = Sandbox::new().run(|| report(&checks, &[Outcome::failed(Trouble::Denied); 3])).unwrap_err();
        let words = "not granted: `http://c`, `https://a.example`; add it to `http` under `[grant]` in the sidecar";
        assert!(matches!(&error, Error::Denied(text) if text.starts_with(words)), "{error:?}");
    }

    #[test]
    fn the_certificate_is_reported_whatever_came_of_it() {
        let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let checks = checks(r#"["https://a.example","http://a.example","https://b.example"]"#);
        let mut sandbox = Sandbox::new()
            .certificate("https://a.example", certificate.der())
            .certificate("https://b.example", b"none");
        let contribution = sandbox.run(|| report(&checks, &[Outcome::failed(Trouble::Certificate(None)); 3])).unwrap();
        let with: Vec<_> = names(&contribution).into_iter().filter(|(name, _)| name.contains("remaining")).collect();
        assert_eq!(with, [("httpcheck.tls.cert_remaining", "https://a.example/")]);
        let types: Vec<_> = names(&contribution).into_iter().filter(|(name, _)| name.ends_with("error")).collect();
        let expected = ["certificate_untrusted", "certificate", "certificate"];
        assert_eq!(types, expected.map(|word| ("httpcheck.error", word)));
    }

    #[test]
    fn bodies_together_stay_below_the_limit() {
        for (bytes, requests) in [(4 << 20, 16), (4 << 20, 1), (1 << 20, 16), (0, 0)] {
            let limits = Limits { http_bytes: bytes, http_requests: requests, ..Limits::default() };
            let body = budget(&limits).body as u64;
            assert!(
                body <= MAX_BODY && (body == 0 || (body + AHEAD) * requests <= bytes),
                "{bytes} {requests}: {body}"
            );
        }
    }

    #[test]
    fn nothing_to_ask_is_a_wrong_configuration() {
        assert!(matches!(Sandbox::new().run(HttpProbe::collect), Err(Error::Config(_))));
    }
}
