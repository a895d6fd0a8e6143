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
struct Progress<'a> {
    #[serde(borrow)]
    data: ProgressData<'a>,
}

#[derive(Deserialize)]
struct ProgressData<'a> {
    #[serde(borrow)]
    message: Direct<'a>,
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

#[derive(Deserialize)]
struct WithIterations<'a> {
    #[serde(borrow)]
    message: AnswerWithIterations<'a>,
}

#[derive(Deserialize)]
struct AnswerWithIterations<'a> {
    #[serde(borrow)]
    usage: Iterations<'a>,
}

#[derive(Deserialize)]
struct Iterations<'a> {
    #[serde(borrow, default)]
    iterations: Vec<Iteration<'a>>,
}

#[derive(Deserialize)]
struct Iteration<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    input_tokens: u64,
    output_tokens: u64,
    #[serde(default)]
    cache_creation_input_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    speed: Option<Speed>,
    cache_creation: Option<CacheCreation>,
}

impl Line {
    /// What a line that has the [`MARKER`] says.
    pub(crate) fn read(line: &[u8]) -> Line {
        if has_forbidden_null(line) {
            return Line::Other;
        }
        let direct = match serde_json::from_slice::<Direct<'_>>(line) {
            Ok(direct) => direct,
            Err(error) => match serde_json::from_slice::<Progress<'_>>(line) {
                Ok(progress) => progress.data.message,
                // A number that is beyond all bounds is an error only where it is read.
                Err(other) => return if error.is_data() && other.is_data() { Line::Other } else { Line::Broken },
            },
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

impl Iteration<'_> {
    /// Written out above, since flattening it costs more code than all the rest of this file.
    fn usage(&self) -> Usage {
        Usage {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cache_creation_input_tokens: self.cache_creation_input_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            speed: self.speed,
            cache_creation: self.cache_creation,
        }
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
    let Ok(read) = serde_json::from_slice::<WithIterations<'_>>(line) else { return Vec::new() };
    let iterations = read.message.usage.iterations.into_iter().filter(|iteration| iteration.kind == KIND);
    let with_model = iterations.filter_map(|iteration| {
        let usage = iteration.usage();
        let model = iteration.model.filter(|model| !model.is_empty())?;
        Some(usage.entry(Some(&model)))
    });
    with_model.collect()
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
mod tests {
    use super::*;

    /// As Claude Code 2.1 writes it, with the parts that do not matter here cut short.
    fn line(message: &str, more: &str) -> String {
        format!(
            r#"{{"parentUuid":null,"isSidechain":false,"userType":"external","cwd":"/w","sessionId":"0b5f","version":"2.1.218","gitBranch":"main","message":{message},"requestId":"req_1","type":"assistant","uuid":"9c","timestamp":"2026-09-01T10:00:00.000Z"{more}}}"#
        )
    }

    fn message(usage: &str) -> String {
        format!(
            r#"{{"model":"claude-opus-4-8","id":"msg_1","type":"message","role":"assistant","content":[{{"type":"text","text":"\"usage\":{{"}}],"stop_reason":null,"usage":{usage}}}"#
        )
    }

    const USAGE: &str = r#"{"input_tokens":3,"cache_creation_input_tokens":600,"cache_read_input_tokens":9000,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":500},"output_tokens":70,"service_tier":"standard"}"#;

    fn entries(line: &str) -> Vec<Entry> {
        match Line::read(line.as_bytes()) {
            Line::Messages(messages) => messages.into_iter().map(|message| message.entry).collect(),
            other => panic!("{other:?} of {line}"),
        }
    }

    #[test]
    fn a_message_is_read() {
        let volume = Volume { input: 3, output: 70, cache_read: 9000, cache_write: 100, cache_write_1h: 500 };
        let expected = Entry { model: Some("claude-opus-4-8".into()), volume, ..Entry::default() };
        assert_eq!(entries(&line(&message(USAGE), "")), [expected]);
    }

    #[test]
    fn older_and_faster_ones_are_read() {
        let old = &entries(&line(&message(r#"{"input_tokens":1,"output_tokens":2}"#), r#","costUSD":0.25"#))[0];
        assert_eq!((old.usd, old.volume.total()), (Some(0.25), 3));
        let fast = &entries(&line(&message(r#"{"input_tokens":1,"output_tokens":2,"speed":"fast"}"#), ""))[0];
        assert!(fast.fast);
        let synthetic = message(r#"{"input_tokens":0,"output_tokens":0}"#).replace("claude-opus-4-8", "<synthetic>");
        assert_eq!(entries(&line(&synthetic, r#","isApiErrorMessage":true"#))[0].model, None);
    }

    #[test]
    fn the_advisor_has_an_entry_of_its_own() {
        let usage = r#"{"input_tokens":1,"output_tokens":2,"iterations":[{"type":"message","input_tokens":1,"output_tokens":2},{"type":"advisor_message","model":"claude-opus-5","input_tokens":100,"output_tokens":7}]}"#;
        let Line::Messages(messages) = Line::read(line(&message(usage), "").as_bytes()) else { panic!() };
        let [own, advisor] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!((own.entry.volume.total(), advisor.entry.volume.total()), (3, 107));
        assert_eq!(advisor.entry.model.as_deref(), Some("claude-opus-5"));
        assert_ne!(own.identity, advisor.identity);
    }

    #[test]
    fn progress_of_a_subagent_is_read() {
        let line = r#"{"type":"progress","data":{"message":{"timestamp":"2026-09-01T10:00:00.000Z","requestId":"r","isSidechain":true,"message":{"id":"m","model":"claude-opus-5","usage":{"input_tokens":5,"output_tokens":6}}},"type":"agent_progress"}}"#;
        let Line::Messages(messages) = Line::read(line.as_bytes()) else { panic!() };
        assert_eq!(messages[0].entry.volume.total(), 11);
        assert!(messages[0].identity.unwrap().aside);
    }

    #[test]
    fn a_message_is_known_by_both_its_ids() {
        let identity = |line: &str| match Line::read(line.as_bytes()) {
            Line::Messages(messages) => messages[0].identity,
            _ => None,
        };
        let first = line(&message(USAGE), "");
        assert_eq!(identity(&first), identity(&first.replace("9c", "9d")));
        assert_ne!(identity(&first), identity(&first.replace("req_1", "req_2")));
        assert_ne!(identity(&first), identity(&first.replace("msg_1", "msg_2")));
        assert_eq!(identity(&first.replace(r#""id":"msg_1","#, "")), None);
        assert_eq!(identity(&first.replace(r#""requestId":"req_1","#, "")).unwrap().request, 0);
    }

    #[test]
    fn what_does_not_count_is_left_out() {
        let good = line(&message(USAGE), "");
        for (part, other) in [
            (r#""model":"claude-opus-4-8""#, r#""model":null"#),
            (r#""id":"msg_1""#, r#""id":"""#),
            (r#""version":"2.1.218""#, r#""version":"next""#),
            (r#""sessionId":"0b5f""#, r#""sessionId":"""#),
            (r#""2026-09-01T10:00:00.000Z""#, r#""2026-09-01""#),
            (r#""input_tokens":3"#, r#""input_tokens":-3"#),
            (r#""service_tier":"standard""#, r#""speed":"warp""#),
            (r#""output_tokens":70,"#, ""),
        ] {
            assert!(good.contains(part), "{part}");
            assert_eq!(Line::read(good.replace(part, other).as_bytes()), Line::Other, "{other}");
        }
        // The result of a tool that reports the usage of a subagent, whose own log has it as well.
        let result = r#"{"type":"user","timestamp":"2026-09-01T10:00:00.000Z","message":{"role":"user","content":[]},"toolUseResult":{"usage":{"input_tokens":1,"output_tokens":2}}}"#;
        assert_eq!(Line::read(result.as_bytes()), Line::Other);
    }

    #[test]
    fn hostile_lines_are_broken_and_no_more() {
        let deep = format!(r#"{{"usage":{{"a":{}"#, "[".repeat(100_000));
        let huge = line(&message(&USAGE.replace("9000", "18446744073709551615")), "");
        let costs = ["1.5e308", "1e300", "1e999", "100000.01", "-0.01"];
        let [max, large, infinite, more, negative] =
            &costs.map(|cost| line(&message(USAGE), &format!(r#","costUSD":{cost}"#)));
        for line in [r#"{"usage":{"#, r#"x"usage":{}"#, "\u{0}", &deep, &huge, max, large, infinite, more, negative] {
            assert_eq!(Line::read(line.as_bytes()), Line::Broken, "{}", &line[..line.len().min(80)]);
        }
        let no_text = [b"\xff\xfe\"usage\":{".as_slice(), b"}"].concat();
        assert_eq!(Line::read(&no_text), Line::Broken);
        let no_text_inside = line(&message(USAGE), "").replace("main", "\u{1}").into_bytes();
        let no_text_inside: Vec<u8> = no_text_inside.iter().map(|b| if *b == 1 { 0xff } else { *b }).collect();
        assert!(matches!(Line::read(&no_text_inside), Line::Messages(_)), "where it does not matter");
    }
}
