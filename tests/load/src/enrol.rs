//! Registers a fleet: one `POST /api/v1/sandboxes` for each sandbox, tried again for as long as that can help.
//!
//! A sandbox is asked for under an id, and is what the answer calls it: other servers give ids of their own.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use crate::answer::Answer;
use crate::engine::{Failure, Next, Work};
use crate::figures::Figures;
use crate::fleet::id;

/// The pause after one that did not succeed but may.
const PAUSE: Duration = Duration::from_millis(50);

/// Registrations under way.
#[derive(Debug)]
pub(crate) struct Enrol {
    prefix: String,
    host: String,
    key: Option<String>,
    image: Option<String>,
    /// Of each sandbox, once it has one.
    pub(crate) tokens: Vec<Option<Box<str>>>,
    /// The ids of those that are called otherwise than was asked for.
    pub(crate) renamed: BTreeMap<u32, Box<str>>,
    waiting: VecDeque<u32>,
    under_way: usize,
    /// Nothing is sent before.
    pause: Instant,
    deadline: Instant,
    pub(crate) figures: Figures,
    /// What was said to the first that was refused for good.
    pub(crate) refused: Option<String>,
}

impl Enrol {
    /// For so many sandboxes, until `deadline` at the latest.
    pub(crate) fn new(prefix: &str, agents: u32, host: String, deadline: Instant) -> Self {
        Enrol {
            prefix: prefix.to_owned(),
            host,
            key: None,
            image: None,
            tokens: (0..agents).map(|_| None).collect(),
            renamed: BTreeMap::new(),
            waiting: (0..agents).collect(),
            under_way: 0,
            pause: Instant::now(),
            deadline,
            figures: Figures::default(),
            refused: None,
        }
    }

    /// With the hub's admin key, and with an image.
    pub(crate) fn with(self, key: Option<String>, image: Option<String>) -> Self {
        Enrol { key, image, ..self }
    }

    fn again(&mut self, ticket: u32, at: Instant) {
        self.waiting.push_back(ticket);
        self.pause = self.pause.max(at);
    }
}

impl Work for Enrol {
    fn next(&mut self, now: Instant, out: &mut Vec<u8>) -> Next {
        if now >= self.deadline || self.refused.is_some() {
            return Next::End;
        }
        if now < self.pause {
            return Next::At(self.pause);
        }
        let Some(ticket) = self.waiting.pop_front() else {
            return if self.under_way == 0 { Next::End } else { Next::Wait };
        };
        let body = match &self.image {
            None => json!({"id": id(&self.prefix, ticket)}),
            Some(image) => json!({"id": id(&self.prefix, ticket), "image": image}),
        };
        let body = body.to_string();
        let key = self.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
        // Writing to memory does not fail.
        let _ = write!(
            out,
            "POST /api/v1/sandboxes HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{key}content-length: \
             {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.under_way += 1;
        self.figures.note_sent(out.len(), None);
        Next::Send(ticket)
    }

    fn answered(&mut self, ticket: u32, sent: Instant, now: Instant, answer: &Answer<'_>) {
        #[derive(Deserialize)]
        struct Registered<'a> {
            token: &'a str,
            #[serde(borrow)]
            sandbox: Named<'a>,
        }
        #[derive(Deserialize)]
        struct Named<'a> {
            id: &'a str,
        }
        self.under_way -= 1;
        self.figures.note_answer(answer.status, now.duration_since(sent));
        match (answer.status, serde_json::from_slice::<Registered<'_>>(answer.body)) {
            (201, Ok(registered)) => {
                self.figures.accepted += 1;
                if let Some(token) = self.tokens.get_mut(ticket as usize) {
                    *token = Some(registered.token.into());
                }
                if registered.sandbox.id != id(&self.prefix, ticket) {
                    self.renamed.insert(ticket, registered.sandbox.id.into());
                }
            }
            // What an earlier attempt came to, whose answer was lost with its token: there is no other way to one.
            (409, _) => {}
            (429 | 503, _) => self.again(ticket, now + answer.retry_after.unwrap_or(PAUSE)),
            _ => self.refused = Some(String::from_utf8_lossy(answer.body).into_owned()),
        }
    }

    fn failed(&mut self, ticket: u32, now: Instant, failure: Failure) {
        self.under_way = self.under_way.saturating_sub(1);
        self.figures.note_failure(failure);
        self.again(ticket, now + PAUSE);
    }

    fn tick(&mut self, _now: Instant) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_is_what_the_answer_calls_it() {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut enrol = Enrol::new("a", 2, "hub".to_owned(), deadline).with(None, Some("debian".to_owned()));
        let now = Instant::now();
        let mut out = Vec::new();
        assert_eq!(enrol.next(now, &mut out), Next::Send(0));
        assert!(out.ends_with(br#"{"id":"a-0000000","image":"debian"}"#), "{}", String::from_utf8_lossy(&out));
        assert_eq!(enrol.next(now, &mut out), Next::Send(1));
        for (ticket, body) in [
            (0, &br#"{"sandbox":{"id":"other"},"token":"x"}"#[..]),
            (1, br#"{"sandbox":{"id":"a-0000001"},"token":"y"}"#),
        ] {
            let answer = Answer { status: 201, body, retry_after: None, close: false, length: body.len() };
            enrol.answered(ticket, now, now, &answer);
        }
        assert_eq!(enrol.tokens, [Some("x".into()), Some("y".into())]);
        assert_eq!(enrol.renamed, BTreeMap::from([(0, "other".into())]));
    }
}
