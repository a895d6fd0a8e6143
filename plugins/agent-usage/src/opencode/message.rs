//! What OpenCode writes of a message: in a file for each one before 1.2, since then in a row of a table.
//!
//! Output and reasoning are apart in these, and together in an [`Entry`]; a total that is higher than its parts is
//! believed, as `ccusage` does.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::figure::Figure;
use crate::usage::{Entry, Volume, fingerprint, name};

/// What a file or row says.
#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    /// A message with what it took so far.
    Message {
        /// Of the message's id; absent where it has none.
        id: Option<u64>,
        entry: Entry,
        /// It will not change any more.
        complete: bool,
        /// When it was begun, in milliseconds since 1970; absent where it does not say.
        begun: Option<i64>,
    },
    /// Nothing that counts, and nothing that will.
    Other,
    /// Half-written, or no message.
    Broken,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "modelID", borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(rename = "providerID", borrow)]
    provider: Option<Cow<'a, str>>,
    tokens: Option<Tokens>,
    cost: Option<f64>,
    time: Option<Time>,
}

/// An answer in the form of OpenCode 2.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Option<Model<'a>>,
    tokens: Option<Tokens>,
    cost: Option<f64>,
    time: Option<Time>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "providerID", borrow)]
    provider: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Time {
    created: Option<Figure>,
    completed: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input: u64,
    output: u64,
    reasoning: u64,
    total: u64,
    cache: Cache,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Cache {
    read: u64,
    write: u64,
}

impl Content {
    /// Of a file, or of a row of the table `message`.
    pub(crate) fn message(content: &[u8]) -> Content {
        let Ok(message) = serde_json::from_slice::<Message<'_>>(content) else { return Content::Broken };
        let Some(tokens) = message.tokens else {
            return if message.role.as_deref() == Some("assistant") { Content::Broken } else { Content::Other };
        };
        let id = message.id.as_deref().filter(|id| !id.is_empty()).map(|id| fingerprint(id.as_bytes()));
        content_of(id, [&message.model, &message.provider], tokens, message.cost, message.time)
    }

    /// Of a row of the table `session_message`, whose type is `assistant`. It has no tokens before it is complete.
    pub(crate) fn answer(content: &[u8]) -> Content {
        let Ok(answer) = serde_json::from_slice::<Answer<'_>>(content) else { return Content::Broken };
        let Some(model) = answer.model else { return Content::Other };
        content_of(None, [&model.id, &model.provider], answer.tokens.unwrap_or_default(), answer.cost, answer.time)
    }
}

fn content_of(
    id: Option<u64>,
    [model, provider]: [&Option<Cow<'_, str>>; 2],
    tokens: Tokens,
    cost: Option<f64>,
    time: Option<Time>,
) -> Content {
    let (Some(model), Some(provider)) = (text(model), text(provider)) else { return Content::Other };
    let entry = Entry {
        model: Some(model),
        provider: Some(semantic_name(provider)),
        // OpenCode writes 0 where it knows no price.
        usd: cost.filter(|cost| *cost != 0.0),
        ..tokens.entry()
    };
    if !entry.is_sane() {
        return Content::Broken;
    }
    let Time { created, completed } = time.unwrap_or_default();
    let begun = match created {
        Some(Figure::Whole(created)) => i64::try_from(created).ok(),
        _ => None,
    };
    Content::Message { id, entry, complete: completed.is_some(), begun }
}

impl Tokens {
    fn entry(self) -> Entry {
        let parts = [self.input, self.output, self.reasoning, self.cache.read, self.cache.write];
        let known = parts.into_iter().fold(0, u64::saturating_add);
        let output = self.output.saturating_add(self.reasoning).saturating_add(self.total.saturating_sub(known));
        let volume = Volume {
            input: self.input,
            output,
            cache_read: self.cache.read,
            cache_write: self.cache.write,
            cache_write_1h: 0,
        };
        Entry { volume, reasoning: self.reasoning, ..Entry::default() }
    }
}

fn text(text: &Option<Cow<'_, str>>) -> Option<String> {
    text.as_deref().and_then(name)
}

/// OpenTelemetry's name of a provider (`gen_ai.provider.name`) where it has one, else OpenCode's.
fn semantic_name(provider: String) -> String {
    let known = match &*provider {
        "amazon-bedrock" => "aws.bedrock",
        "azure" => "azure.ai.openai",
        "google" => "gcp.gemini",
        "google-vertex" | "google-vertex-anthropic" => "gcp.vertex_ai",
        "mistral" => "mistral_ai",
        "moonshotai" => "moonshot_ai",
        "xai" => "x_ai",
        _ => return provider,
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenCode 1.1 writes it.
    const MESSAGE: &str = r#"{
  "id": "msg_b1",
  "sessionID": "ses_4e",
  "role": "assistant",
  "time": { "created": 1788000000000, "completed": 1788000004000 },
  "modelID": "claude-opus-4-8",
  "providerID": "anthropic",
  "mode": "build",
  "path": { "cwd": "/w", "root": "/w" },
  "cost": 0.0125,
  "tokens": { "input": 100, "output": 10, "reasoning": 7, "cache": { "read": 50, "write": 5 } },
  "finish": "stop"
}"#;

    fn entry(text: &str) -> (Entry, bool) {
        match Content::message(text.as_bytes()) {
            Content::Message { entry, complete, .. } => (entry, complete),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_is_read() {
        let (entry, complete) = entry(MESSAGE);
        let volume = Volume { input: 100, output: 17, cache_read: 50, cache_write: 5, cache_write_1h: 0 };
        let expected = Entry {
            model: Some("claude-opus-4-8".into()),
            provider: Some("anthropic".into()),
            volume,
            reasoning: 7,
            fast: false,
            usd: Some(0.0125),
        };
        assert_eq!((entry, complete), (expected, true));
    }

    #[test]
    fn a_higher_total_is_believed() {
        let with_total = MESSAGE.replace(r#""input": 100"#, r#""total": 200, "input": 100"#);
        assert_eq!(entry(&with_total).0.volume.output, 200 - 155);
        assert_eq!(entry(&MESSAGE.replace(r#""input": 100"#, r#""total": 1, "input": 100"#)).0.volume.output, 17);
    }

    #[test]
    fn a_message_that_streams_is_not_complete() {
        let (entry, complete) =
            entry(&MESSAGE.replace(r#", "completed": 1788000004000"#, "").replace(r#""cost": 0.0125"#, r#""cost": 0"#));
        assert_eq!((entry.usd, complete), (None, false));
    }

    #[test]
    fn what_does_not_count_is_left_out() {
        assert_eq!(Content::message(br#"{"id":"msg_a","role":"user","time":{"created":1}}"#), Content::Other);
        assert_eq!(Content::message(MESSAGE.replace("claude-opus-4-8", " ").as_bytes()), Content::Other);
        for broken in ["", "[]", "null", &MESSAGE[..200], r#"{"role":"assistant"}"#] {
            assert_eq!(Content::message(broken.as_bytes()), Content::Broken, "{broken}");
        }
        for cost in ["1.5e308", "1e300", "1e999", "100000.01", "-0.01"] {
            assert_eq!(Content::message(MESSAGE.replace("0.0125", cost).as_bytes()), Content::Broken, "{cost}");
        }
        assert_eq!(Content::message(MESSAGE.replace("100,", "10000000000,").as_bytes()), Content::Broken);
        assert_eq!(Content::message(MESSAGE.replace("100,", "18446744073709551615,").as_bytes()), Content::Broken);
    }

    #[test]
    fn an_answer_of_opencode_2_is_read() {
        let answer = r#"{"agent":"build","model":{"id":"gpt-5.5","providerID":"openai","variant":"high"},"content":[{"type":"text","text":"\"tokens\":{}"}],"cost":0.25,"tokens":{"input":1,"output":2,"reasoning":3,"cache":{"read":4,"write":5}},"time":{"created":1788000000000,"completed":1788000000001}}"#;
        let Content::Message { id, entry, complete, begun } = Content::answer(answer.as_bytes()) else { panic!() };
        assert_eq!((id, complete, begun), (None, true, Some(1_788_000_000_000)));
        assert_eq!((entry.volume.total(), entry.usd, entry.provider.as_deref()), (15, Some(0.25), Some("openai")));
        let begun = br#"{"model":{"id":"gpt-5.5","providerID":"openai"},"content":[],"time":{"created":1}}"#;
        let Content::Message { entry, complete, .. } = Content::answer(begun) else { panic!() };
        assert_eq!((entry.counts(), complete), (false, false));
        assert_eq!(Content::answer(br#"{"content":[]}"#), Content::Other);
        assert_eq!(Content::answer(answer.replace("\"input\":1", "\"input\":\"1\"").as_bytes()), Content::Broken);
    }

    #[test]
    fn providers_have_opentelemetry_s_names() {
        assert_eq!(entry(&MESSAGE.replace("anthropic", "google")).0.provider.as_deref(), Some("gcp.gemini"));
        assert_eq!(entry(&MESSAGE.replace("anthropic", "openrouter")).0.provider.as_deref(), Some("openrouter"));
    }
}
