//! One line of a rollout.

use std::borrow::Cow;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::timestamp;
use crate::usage::{fingerprint, name};

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// Which session this is, and which one it was forked from.
    Meta {
        id: Option<String>,
        parent: Option<String>,
        at: Option<i64>,
    },
    /// The model of what follows.
    Turn {
        model: Option<String>,
    },
    /// Whether what follows costs more.
    Settings {
        fast: bool,
    },
    TokenCount(TokenCount),
    /// Nothing that counts.
    Other,
    /// Something that should count and cannot be read.
    Broken,
}

/// An event `token_count`.
#[derive(Debug, PartialEq)]
pub(super) struct TokenCount {
    pub(super) at: Option<i64>,
    /// Of the time's text up to the second.
    pub(super) second: u64,
    /// What the session took in all.
    pub(super) total: Option<Counts>,
    /// What the last request took.
    pub(super) last: Option<Counts>,
    /// Where the event itself says it.
    pub(super) model: Option<String>,
}

/// Tokens, as Codex counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_input_tokens: u64,
    output_tokens: u64,
    reasoning_output_tokens: u64,
    total_tokens: u64,
}

#[derive(Deserialize)]
struct Record<'a, P> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
    payload: P,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    forked_from_id: Option<Cow<'a, str>>,
}

/// Of a session that an agent began; in others `source` is a text.
#[derive(Deserialize)]
struct Spawned<'a> {
    #[serde(borrow)]
    source: Source<'a>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    subagent: Subagent<'a>,
}

#[derive(Deserialize)]
struct Subagent<'a> {
    #[serde(borrow)]
    thread_spawn: ThreadSpawn<'a>,
}

#[derive(Deserialize)]
struct ThreadSpawn<'a> {
    #[serde(borrow)]
    parent_thread_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    info: Option<Info<'a>>,
    #[serde(borrow)]
    thread_settings: Option<Settings<'a>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Info<'a> {
    total_token_usage: Option<Counts>,
    last_token_usage: Option<Counts>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Settings<'a> {
    #[serde(borrow)]
    service_tier: Option<Cow<'a, str>>,
}

/// A `turn_context`.
#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
}

impl Line {
    /// Reads a line. Who the session is, only its first line says: a fork has a copy of its parent's further down.
    pub(super) fn read(line: &[u8], is_first: bool) -> Line {
        let has = |needle: &str| memmem::find(line, needle.as_bytes()).is_some();
        if is_first && has("\"session_meta\"") {
            return Line::meta(line);
        }
        if is_content(line) {
            return Line::Other;
        }
        if has("\"token_count\"") || has("\"thread_settings_applied\"") {
            return Line::event(line);
        }
        match has("\"turn_context\"") {
            true => Line::turn(line),
            false => Line::Other,
        }
    }

    fn meta(line: &[u8]) -> Line {
        let Ok(record) = serde_json::from_slice::<Record<'_, Meta<'_>>>(line) else { return Line::Broken };
        if record.kind != "session_meta" {
            return Line::Other;
        }
        let meta = record.payload;
        let spawned = serde_json::from_slice::<Record<'_, Spawned<'_>>>(line).ok();
        let spawned = spawned.map(|record| record.payload.source.subagent.thread_spawn.parent_thread_id);
        let parent = meta.forked_from_id.or(spawned).filter(|id| !id.is_empty());
        let at = record.timestamp.as_deref().and_then(timestamp::millis);
        Line::Meta { id: meta.id.map(Cow::into_owned), parent: parent.map(Cow::into_owned), at }
    }

    fn turn(line: &[u8]) -> Line {
        match serde_json::from_slice::<Record<'_, Turn<'_>>>(line) {
            Ok(record) if record.kind == "turn_context" => {
                Line::Turn { model: record.payload.model.as_deref().and_then(name) }
            }
            Ok(_) => Line::Other,
            Err(error) => Line::unread(&error),
        }
    }

    fn event(line: &[u8]) -> Line {
        let record = match serde_json::from_slice::<Record<'_, Event<'_>>>(line) {
            Ok(record) if record.kind == "event_msg" => record,
            Ok(_) => return Line::Other,
            Err(_) if is_token_count(line) => return Line::Broken,
            Err(error) => return Line::unread(&error),
        };
        let event = record.payload;
        match (&*event.kind, event.info, event.thread_settings) {
            ("thread_settings_applied", _, Some(settings)) => {
                Line::Settings { fast: matches!(settings.service_tier.as_deref(), Some("priority" | "fast")) }
            }
            ("token_count", Some(info), _) if info.total_token_usage.is_some() || info.last_token_usage.is_some() => {
                let Some(time) = record.timestamp else { return Line::Other };
                Line::TokenCount(TokenCount {
                    at: timestamp::millis(time.trim()),
                    second: fingerprint(time.trim().as_bytes().get(..19).unwrap_or_default()),
                    total: info.total_token_usage,
                    last: info.last_token_usage,
                    model: event.model.or(info.model).as_deref().and_then(name),
                })
            }
            _ => Line::Other,
        }
    }

    /// JSON of another shape than what counts has, or no JSON.
    fn unread(error: &serde_json::Error) -> Line {
        if error.is_data() { Line::Other } else { Line::Broken }
    }
}

impl Counts {
    /// Input, what of it was cached, what of it was written to the cache, output, what of it was reasoning, all.
    pub(super) fn parts(&self) -> [u64; 6] {
        [
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_write_input_tokens,
            self.output_tokens,
            self.reasoning_output_tokens,
            self.total_tokens,
        ]
    }

    pub(super) fn reasoning(&self) -> u64 {
        self.reasoning_output_tokens
    }

    pub(super) fn are_zero(&self) -> bool {
        [self.input_tokens, self.cached_input_tokens, self.output_tokens, self.reasoning_output_tokens] == [0; 4]
    }

    /// What these sums have grown by; sums that have shrunk, not at all.
    pub(super) fn since(&self, before: Option<&Counts>) -> Counts {
        let before = before.copied().unwrap_or_default();
        Counts {
            input_tokens: self.input_tokens.saturating_sub(before.input_tokens),
            cached_input_tokens: self.cached_input_tokens.saturating_sub(before.cached_input_tokens),
            cache_write_input_tokens: self.cache_write_input_tokens.saturating_sub(before.cache_write_input_tokens),
            output_tokens: self.output_tokens.saturating_sub(before.output_tokens),
            reasoning_output_tokens: self.reasoning_output_tokens.saturating_sub(before.reasoning_output_tokens),
            total_tokens: self.total_tokens.saturating_sub(before.total_tokens),
        }
    }
}

/// Whether a line is an event with figures, whatever their types.
fn is_token_count(line: &[u8]) -> bool {
    let record = serde_json::from_slice::<Record<'_, Kind<'_>>>(line);
    record.is_ok_and(|record| record.kind == "event_msg" && record.payload.kind == "token_count")
}

/// Whether a line is a part of the conversation, by how it begins: that is most of a file, and never counts.
fn is_content(line: &[u8]) -> bool {
    // `{"timestamp":"2026-09-01T10:00:00.000Z","type":"response_item",…`
    let head = line.get(..80).unwrap_or(line);
    head.starts_with(b"{\"timestamp\":\"") && memmem::find(head, b"\",\"type\":\"response_item\",").is_some()
}
