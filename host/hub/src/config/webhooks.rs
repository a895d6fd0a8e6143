//! `[[hub.webhooks]]`: who is told of events.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Uri;
use serde::Deserialize;

use super::check::Check;
use super::{Webhook, secret};
use crate::auth::Secret;
use crate::event::Kind;

/// Each has a task and up to 16 connections of its own.
const MAX_WEBHOOKS: usize = 16;
/// In bytes.
const MAX_URL: usize = 2048;
/// How a secret begins that is the base64 of the key, as Standard Webhooks has it; any other is the key itself.
const ENCODED: &str = "whsec_";
/// The least bytes of a key, as Standard Webhooks asks for.
const MIN_KEY: usize = 24;

/// One of `[[hub.webhooks]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    /// Where events are posted.
    url: String,
    /// A file with the secret that signs them in its first line: `whsec_` and base64, or a text.
    secret_file: Option<PathBuf>,
    /// The kinds of events.
    events: Option<Vec<Kind>>,
}

/// The webhooks with which nothing is wrong. Keys are `webhooks.0.url` and so on, as the settings count.
pub(super) fn resolve(check: &mut Check, webhooks: Vec<RawWebhook>) -> Vec<Webhook> {
    if webhooks.len() > MAX_WEBHOOKS {
        check.problem("webhooks", format!("there are {}; {MAX_WEBHOOKS} are the most", webhooks.len()));
        return Vec::new();
    }
    let mut good: Vec<Webhook> = Vec::new();
    for (index, RawWebhook { url, secret_file, events }) in webhooks.into_iter().enumerate() {
        let key = |name: &str| format!("webhooks.{index}.{name}");
        if let Err(reason) = uri_of(&url) {
            check.problem(&key("url"), reason);
        } else if good.iter().any(|other| other.url == url) {
            check.problem(&key("url"), "another webhook has this URL; put the events of both into one".into());
        }
        let secret = secret_file.and_then(|file| {
            let secret = secret::read(&file).and_then(|secret| key_of(&secret).map(|_| secret));
            check.secret(&key("secret_file"), secret)
        });
        let mut events = events.unwrap_or_else(Webhook::default_events);
        events.sort();
        events.dedup();
        if events.is_empty() {
            check.problem(&key("events"), "no event is named; leave the key out for the usual ones".into());
        }
        good.push(Webhook { url, secret, events });
    }
    good
}

impl Webhook {
    /// Where events are posted.
    ///
    /// # Errors
    /// Why nowhere, for the operator; never the URL, which may have a secret in it.
    pub(crate) fn uri(&self) -> Result<Uri, String> {
        uri_of(&self.url)
    }

    /// What each is called where they are told apart: by its host, with the port that the URL names, and, where others
    /// before it have the same, by which of them it is. Nothing else of a URL is shown; it may be a secret.
    pub(crate) fn names(webhooks: &[Webhook]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut hosts: Vec<String> = Vec::new();
        for webhook in webhooks {
            let host = webhook.uri().ok().and_then(|uri| {
                let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
                Some(format!("{}{port}", uri.host()?.to_ascii_lowercase()))
            });
            let host = host.unwrap_or_else(|| "unusable".to_owned());
            let others = hosts.iter().filter(|other| **other == host).count();
            names.push(if others == 0 { host.clone() } else { format!("{host}#{}", others + 1) });
            hosts.push(host);
        }
        names
    }

    /// What they are signed with, where they are.
    ///
    /// # Errors
    /// What is wrong with the secret, for the operator.
    pub(crate) fn key(&self) -> Result<Option<Vec<u8>>, String> {
        self.secret.as_ref().map(key_of).transpose()
    }
}

fn uri_of(url: &str) -> Result<Uri, String> {
    let parsed: Uri = url.parse().map_err(|_| "this is not a URL; write one such as `https://example.com/hook`")?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return Err("the URL has to begin with `https://` or `http://`".into());
    }
    match parsed.authority() {
        _ if url.len() > MAX_URL => Err(format!("the URL has {} bytes; {MAX_URL} are the most", url.len())),
        Some(authority) if authority.as_str().contains('@') => {
            Err("the URL has a name or password in it; leave it out, and name a `secret_file`, which signs".into())
        }
        Some(authority) if !authority.host().is_empty() => Ok(parsed),
        _ => Err("the URL names no host".into()),
    }
}

fn key_of(secret: &Secret) -> Result<Vec<u8>, String> {
    let Some(encoded) = secret.reveal().strip_prefix(ENCODED) else { return Ok(secret.reveal().into()) };
    match BASE64_STANDARD.decode(encoded) {
        Ok(key) if key.len() >= MIN_KEY => Ok(key),
        Ok(key) => Err(format!("the key after `{ENCODED}` has {} bytes; {MIN_KEY} are the least", key.len())),
        Err(_) => Err(format!("what follows `{ENCODED}` is not base64")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn problems(webhooks: Vec<RawWebhook>) -> Vec<String> {
        let mut check = Check::default();
        resolve(&mut check, webhooks);
        check.into_problems().iter().map(ToString::to_string).collect()
    }

    fn to(url: &str) -> RawWebhook {
        RawWebhook { url: url.to_owned(), secret_file: None, events: None }
    }

    #[test]
    fn a_url_leads_to_a_host_over_http() {
        for good in ["https://example.com/hook?to=x", "http://127.0.0.1:9000", "http://[::1]:9000/"] {
            assert_eq!(problems(vec![to(good)]), [""; 0], "{good}");
        }
        for (bad, about) in [
            ("", "not a URL"),
            ("example.com", "has to begin with `https://`"),
            ("/hook", "has to begin with `https://`"),
            ("ftp://example.com/", "has to begin with `https://`"),
            ("https://", "not a URL"),
            ("https://user:hidden@example.com/", "a name or password"),
            ("https://exa mple.com/", "not a URL"),
        ] {
            let problems = problems(vec![to("https://example.com/"), to(bad)]);
            assert!(problems.len() == 1 && problems[0].starts_with("webhooks.1.url: "), "{bad}: {problems:?}");
            assert!(problems[0].contains(about) && !problems[0].contains("hidden"), "{bad}: {problems:?}");
        }
        let long = format!("https://example.com/{}", "x".repeat(MAX_URL));
        assert!(problems(vec![to(&long)])[0].contains("2048 are the most"));
    }

    #[test]
    fn a_webhook_is_called_by_its_host() {
        let urls =
            ["https://A.example/hush", "https://b.example:8443?hush", "http://a.example", "http://[::1]:9/", "hush"];
        let named = |urls: &[&str]| {
            let of = |url: &&str| Webhook { url: (*url).to_owned(), secret: None, events: Vec::new() };
            Webhook::names(&urls.iter().map(of).collect::<Vec<_>>())
        };
        assert_eq!(named(&urls), ["a.example", "b.example:8443", "a.example#2", "[::1]:9", "unusable"]);
    }

    #[test]
    fn one_url_is_one_webhook_and_there_are_few() {
        let twice = problems(vec![to("https://example.com/"), to("https://example.com/")]);
        assert!(twice.len() == 1 && twice[0].starts_with("webhooks.1.url: another webhook"), "{twice:?}");
        let many = |count: usize| problems((0..count).map(|n| to(&format!("https://example.com/{n}"))).collect());
        assert_eq!((many(MAX_WEBHOOKS).len(), many(MAX_WEBHOOKS + 1).len()), (0, 1));
    }

    #[test]
    fn a_secret_is_a_text_or_standard_webhooks_base64() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = |text: &str| {
            fs::write(file.path(), text).unwrap();
            problems(vec![RawWebhook { secret_file: Some(file.path().into()), ..to("https://example.com/") }])
        };
        let encoded = format!("whsec_{}", BASE64_STANDARD.encode([7; 24]));
        for good in ["sixteen-letters-", "whsec", &encoded, &format!("{encoded}\nmore")] {
            let good = format!("{good:-<16}");
            assert_eq!(with(&good), [""; 0], "{good}");
        }
        for (bad, about) in [
            ("short", "has 5 bytes"),
            ("whsec_not/base64!", "is not base64"),
            (&format!("whsec_{}", BASE64_STANDARD.encode([7; 23])), "23 bytes; 24 are the least"),
        ] {
            let problems = with(bad);
            assert!(problems[0].starts_with("webhooks.0.secret_file: "), "{problems:?}");
            assert!(problems[0].contains(about) && !problems[0].contains(bad), "{problems:?}");
        }
    }

    #[test]
    fn events_are_each_named_once() {
        let mut check = Check::default();
        let named = |events| vec![RawWebhook { events: Some(events), ..to("https://example.com/") }];
        let good = resolve(&mut check, named(vec![Kind::Lost, Kind::Deleted, Kind::Lost]));
        assert_eq!(good[0].events, [Kind::Deleted, Kind::Lost]);
        assert!(problems(named(Vec::new()))[0].starts_with("webhooks.0.events: no event is named"));
    }
}
