//! Claude Code: `projects/**/*.jsonl`, a line for each message.
//!
//! A line counts when it carries `message.usage`, and follows the rules of `ccusage` (20.x), so that both say the same:
//!
//! - A message is written several times: while it streams, and into each session that goes on from an older one. Its
//!   identity is the pair of message id and request id; [`Identity`] and `ledger` see to that.
//! - A line with `null` under one of a few keys is not counted, wherever in the line that is.
//! - Usage of the advisor is in `usage.iterations` and not in the sums beside it; it is an entry of its own.
//! - Progress of a subagent carries the message one level deeper.
//! - `costUSD`, which older versions wrote, is what the message cost.
//!
//! A line that looks as if it counted and cannot be read is [`Line::Broken`].

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;

use crate::figure::Figure;
use crate::timestamp;
use crate::usage::{Entry, Volume, fingerprint, name};

/// What marks a line that can count: the logs are written without spaces.
pub(crate) const MARKER: &[u8] = b"\"usage\":{";

/// What a line says.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// Messages with what they took: one, and one for each time that the advisor was asked.
    Messages(Vec<Message>),
    /// Nothing that counts.
    Other,
    /// Something that should count and cannot be read.
    Broken,
}

/// A message.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    /// Absent where the message has no id: then nobody can tell whether it was seen.
    pub(crate) identity: Option<Identity>,
    pub(crate) entry: Entry,
}

/// What a message is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Of the message's id.
    pub(crate) message: u64,
    /// Of the request's id; 0 where there is none.
    pub(crate) request: u64,
    /// Written aside of the conversation: a copy of a message under another request, if the message is known.
    pub(crate) aside: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Direct<'a> {
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    message: Answer<'a>,
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    session_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
    #[serde(rename = "costUSD")]
    cost: Option<f64>,
    is_sidechain: Option<bool>,
}

#[derive(Deserialize)]
struct Progress<M> {
    data: ProgressData<M>,
}

#[derive(Deserialize)]
struct ProgressData<M> {
    message: M,
}

#[derive(Deserialize)]
struct Answer<'a> {
    usage: Usage,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Deserialize)]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    #[serde(default)]
    cache_creation_input_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    speed: Option<Speed>,
    cache_creation: Option<CacheCreation>,
}

/// A line as far as it has figures, of whatever type they are.
#[derive(Deserialize)]
struct Shape {
    message: ShapeOfAnswer,
    #[serde(rename = "costUSD")]
    cost: Option<Figure>,
}

#[derive(Deserialize)]
struct ShapeOfAnswer {
    usage: Figures,
}

#[derive(Deserialize)]
struct Figures {
    input_tokens: Option<Figure>,
    output_tokens: Option<Figure>,
    cache_creation_input_tokens: Option<Figure>,
    cache_read_input_tokens: Option<Figure>,
    cache_creation: Option<Figure>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Speed {
    Standard,
    Fast,
}

#[derive(Clone, Copy, Deserialize)]
struct CacheCreation {
    #[serde(default)]
    ephemeral_5m_input_tokens: u64,
    #[serde(default)]
    ephemeral_1h_input_tokens: u64,
}

/// A line with each of its iterations as a name or as its usage: both at once cost more code than all the rest here.
#[derive(Deserialize)]
struct WithIterations<T> {
    message: AnswerWithIterations<T>,
}

#[derive(Deserialize)]
struct AnswerWithIterations<T> {
    usage: Iterations<T>,
}

#[derive(Deserialize)]
struct Iterations<T> {
    #[serde(default = "Vec::new")]
    iterations: Vec<T>,
}

#[derive(Deserialize)]
struct Name<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
}

impl Line {
    /// What a line that has the [`MARKER`] says.
    pub(crate) fn read(line: &[u8]) -> Line {
        if has_forbidden_null(line) {
            return Line::Other;
        }
        let direct = match message_of::<Direct<'_>>(line) {
            Ok(direct) => direct,
            // A number that is beyond all bounds is an error only where it is read.
            Err(errors) if errors.iter().all(serde_json::Error::is_data) && !Shape::has_impossible_figures(line) => {
                return Line::Other;
            }
            Err(_) => return Line::Broken,
        };
        if timestamp::millis(&direct.timestamp).is_none() || !direct.is_valid() {
            return Line::Other;
        }
        let messages = direct.messages(line);
        match messages.iter().all(|message| message.entry.is_sane()) {
            true => Line::Messages(messages),
            false => Line::Broken,
        }
    }
}

/// The message that a line is, or that a line of progress has in it.
fn message_of<'a, M: Deserialize<'a>>(line: &'a [u8]) -> Result<M, [serde_json::Error; 2]> {
    serde_json::from_slice(line).or_else(|error| match serde_json::from_slice::<Progress<M>>(line) {
        Ok(progress) => Ok(progress.data.message),
        Err(other) => Err([error, other]),
    })
}

impl Shape {
    /// Whether a line has the shape of a message, with figures that are not numbers of tokens or money.
    fn has_impossible_figures(line: &[u8]) -> bool {
        let Ok(shape) = message_of::<Shape>(line) else { return false };
        let usage = shape.message.usage;
        let tokens =
            [usage.input_tokens, usage.output_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens];
        tokens.into_iter().flatten().any(|figure| !matches!(figure, Figure::Whole(_)))
            || usage.cache_creation.is_some_and(|parts| parts != Figure::Parts)
            || shape.cost.is_some_and(|cost| !matches!(cost, Figure::Whole(_) | Figure::Number))
    }
}

impl Direct<'_> {
    fn is_valid(&self) -> bool {
        let texts = [&self.session_id, &self.request_id, &self.message.id, &self.message.model];
        let is_empty = |text: &Option<Cow<'_, str>>| text.as_deref() == Some("");
        self.version.as_deref().is_none_or(is_version) && !texts.into_iter().any(is_empty)
    }

    fn messages(&self, line: &[u8]) -> Vec<Message> {
        let request = self.request_id.as_deref().map_or(0, |id| fingerprint(id.as_bytes()).max(1));
        let aside = self.is_sidechain == Some(true);
        let identity = |id: &str| Identity { message: fingerprint(id.as_bytes()), request, aside };
        let id = self.message.id.as_deref();
        // An agent's own error has this model, and as a rule no tokens.
        let model = self.message.model.as_deref().filter(|model| *model != "<synthetic>");
        let mut entry = self.message.usage.entry(model);
        entry.usd = self.cost;
        let own = Message { identity: id.map(identity), entry };
        let advised = advisors(line)
            .into_iter()
            .enumerate()
            .map(|(at, entry)| Message { identity: id.map(|id| identity(&format!("{id}:advisor:{at}"))), entry });
        std::iter::once(own).chain(advised).collect()
    }
}

impl Usage {
    fn entry(self, model: Option<&str>) -> Entry {
        let (cache_write, cache_write_1h) = match self.cache_creation {
            Some(parts) => (parts.ephemeral_5m_input_tokens, parts.ephemeral_1h_input_tokens),
            None => (self.cache_creation_input_tokens, 0),
        };
        Entry {
            model: model.and_then(name),
            volume: Volume {
                input: self.input_tokens,
                output: self.output_tokens,
                cache_read: self.cache_read_input_tokens,
                cache_write,
                cache_write_1h,
            },
            fast: self.speed == Some(Speed::Fast),
            ..Entry::default()
        }
    }
}

fn advisors(line: &[u8]) -> Vec<Entry> {
    const KIND: &str = "advisor_message";
    if memmem::find(line, KIND.as_bytes()).is_none() {
        return Vec::new();
    }
    let (Some(names), Some(usages)) = (iterations::<Name<'_>>(line), iterations::<Usage>(line)) else {
        return Vec::new();
    };
    let entry = |(name, usage): (Name<'_>, Usage)| {
        let model = name.model.filter(|model| name.kind == KIND && !model.is_empty())?;
        Some(usage.entry(Some(&model)))
    };
    names.into_iter().zip(usages).filter_map(entry).collect()
}

fn iterations<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<Vec<T>> {
    Some(serde_json::from_slice::<WithIterations<T>>(line).ok()?.message.usage.iterations)
}

fn has_forbidden_null(line: &[u8]) -> bool {
    const NULL: &[u8] = b"\":null";
    memmem::find_iter(line, NULL).any(|end| {
        let before = line.get(..end).unwrap_or_default();
        let start = memchr::memrchr(b'"', before).map_or(0, |quote| quote + 1);
        matches!(
            before.get(start..).unwrap_or_default(),
            b"id"
                | b"cwd"
                | b"model"
                | b"speed"
                | b"costUSD"
                | b"version"
                | b"sessionId"
                | b"requestId"
                | b"isApiErrorMessage"
                | b"cache_read_input_tokens"
                | b"cache_creation_input_tokens"
        )
    })
}

/// Whether a text begins like `1.2.3`.
fn is_version(text: &str) -> bool {
    let mut parts = text.splitn(3, '.');
    let mut is_number =
        || parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let (major, minor) = (is_number(), is_number());
    major && minor && parts.next().is_some_and(|patch| patch.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
