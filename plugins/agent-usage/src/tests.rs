//! The whole collector, over several collects.

use super::*;
use sandbeat_sdk::Value;
use sandbeat_sdk::limits::Limits;
use sandbeat_sdk::testing::Sandbox;

const CLAUDE: &str = "/root/.claude/projects/-w/0b5f.jsonl";
const CODEX: &str = "/root/.codex/sessions/2026/09/01/rollout-2026-09-01T10-00-00-a.jsonl";
pub(crate) const OPENCODE: &str = "/root/.local/share/opencode/storage/message/ses_1/msg_1.json";

fn message(id: u32, output: u64) -> String {
    format!(
        r#"{{"isSidechain":false,"sessionId":"0b5f","version":"2.1.0","message":{{"model":"claude-opus-4-8","id":"msg_{id}","role":"assistant","content":[],"usage":{{"input_tokens":10,"cache_creation_input_tokens":20,"cache_read_input_tokens":30,"output_tokens":{output}}}}},"requestId":"req_{id}","type":"assistant","timestamp":"2026-09-01T10:00:00.000Z"}}"#
    ) + "\n"
}

fn codex() -> String {
    let turn = r#"{"timestamp":"2026-09-01T10:00:00.500Z","type":"turn_context","payload":{"model":"gpt-5.5"}}"#;
    let count = r#"{"timestamp":"2026-09-01T10:00:01.100Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":1000,"cached_input_tokens":200,"output_tokens":100,"reasoning_output_tokens":50,"total_tokens":1100}}}}"#;
    format!("{turn}\n{count}\n")
}

pub(crate) const OPENCODE_MESSAGE: &str = r#"{"id":"msg_1","sessionID":"ses_1","role":"assistant","time":{"created":1788000000000,"completed":1788000004000},"modelID":"gemini-2.5-pro","providerID":"google","cost":0.5,"tokens":{"input":100,"output":10,"reasoning":7,"cache":{"read":50,"write":5}}}"#;

fn home() -> Sandbox {
    home_without_opencode().file(OPENCODE, OPENCODE_MESSAGE)
}

fn home_without_opencode() -> Sandbox {
    Sandbox::new().file(CLAUDE, message(1, 40)).file(CODEX, codex())
}

/// Collects; returns a line for each point.
pub(crate) fn collect(sandbox: &mut Sandbox) -> Vec<String> {
    let contribution = sandbox.run(AgentUsage::collect).unwrap();
    contribution.points.iter().map(line).collect()
}

fn line(point: &Point) -> String {
    let (Value::Gauge(value) | Value::Counter(value)) = point.value else { panic!("{point:?}") };
    let attributes: Vec<_> = point.attributes.iter().map(|attribute| attribute.value.as_str()).collect();
    let name = point.name.replace("gen_ai.client.inference.usage.", "");
    format!("{name} {} {value}", attributes.join("/"))
}

pub(crate) fn value(lines: &[String], start: &str) -> Option<f64> {
    lines.iter().find_map(|line| line.strip_prefix(start)?.rsplit(' ').next()?.parse().ok())
}

#[test]
fn all_agents_are_reported() {
    let expected = [
        "input_tokens claude-code/anthropic/claude-opus-4-8 60",
        "output_tokens claude-code/anthropic/claude-opus-4-8 40",
        "cache_read.input_tokens claude-code/anthropic/claude-opus-4-8 30",
        "cache_write.input_tokens claude-code/anthropic/claude-opus-4-8 20",
        "agent_usage.requests claude-code/anthropic/claude-opus-4-8 1",
        "agent_usage.cost claude-code/anthropic/claude-opus-4-8 0.00119",
        "input_tokens codex/openai/gpt-5.5 1000",
        "output_tokens codex/openai/gpt-5.5 100",
        "cache_read.input_tokens codex/openai/gpt-5.5 200",
        "cache_write.input_tokens codex/openai/gpt-5.5 0",
        "agent_usage.requests codex/openai/gpt-5.5 1",
        "reasoning.output_tokens codex/openai/gpt-5.5 50",
        "agent_usage.cost codex/openai/gpt-5.5 0.0071",
        "input_tokens opencode/gcp.gemini/gemini-2.5-pro 155",
        "output_tokens opencode/gcp.gemini/gemini-2.5-pro 17",
        "cache_read.input_tokens opencode/gcp.gemini/gemini-2.5-pro 50",
        "cache_write.input_tokens opencode/gcp.gemini/gemini-2.5-pro 5",
        "agent_usage.requests opencode/gcp.gemini/gemini-2.5-pro 1",
        "reasoning.output_tokens opencode/gcp.gemini/gemini-2.5-pro 7",
        "agent_usage.cost opencode/gcp.gemini/gemini-2.5-pro 0.5",
        "agent_usage.pending  0",
        "agent_usage.files claude-code 1",
        "agent_usage.files codex 1",
        "agent_usage.files opencode 1",
        "agent_usage.unread  0",
        "agent_usage.unreadable  0",
        "agent_usage.forgotten  0",
    ];
    let mut sandbox = home();
    let mut lines = collect(&mut sandbox);
    for line in &mut lines {
        // Sums of prices are not exact.
        if let Some((start, cost)) = line.rsplit_once(' ').filter(|(start, _)| start.contains("cost")) {
            *line = format!("{start} {}", (cost.parse::<f64>().unwrap() * 1e9).round() / 1e9);
        }
    }
    assert_eq!(lines, expected);
    assert_eq!(collect(&mut sandbox).len(), expected.len(), "nothing counts twice");
    assert_eq!(value(&collect(&mut sandbox), "input_tokens claude-code"), Some(60.0));
}

#[test]
fn what_is_written_meanwhile_is_counted_once() {
    let mut sandbox = home();
    let output = |sandbox: &mut Sandbox| value(&collect(sandbox), "output_tokens claude-code");
    assert_eq!(output(&mut sandbox), Some(40.0));
    let mut log = message(1, 40) + &message(2, 7);
    let half = message(3, 100);
    log.push_str(&half[..half.len() / 2]);
    sandbox = sandbox.file(CLAUDE, &log);
    assert_eq!(output(&mut sandbox), Some(47.0));
    assert_eq!(value(&collect(&mut sandbox), "agent_usage.pending "), Some(0.0));
    log.push_str(&half[half.len() / 2..]);
    sandbox = sandbox.file(CLAUDE, &log);
    assert_eq!(output(&mut sandbox), Some(147.0));
    // Written anew, with what was known, a message that has grown, and a new one; and a copy elsewhere.
    log = message(1, 45) + &message(2, 7) + &message(4, 1000);
    sandbox = sandbox.file(CLAUDE, &log).file("/root/.config/claude/projects/-w/copy.jsonl", &log);
    assert_eq!(output(&mut sandbox), Some(1152.0));
    sandbox = sandbox.missing(CLAUDE);
    assert_eq!(output(&mut sandbox), Some(1152.0), "a log that is gone was used all the same");
}

#[test]
fn totals_are_absent_until_all_has_been_read() {
    let line =
        |id: u32| message(id, 1).replace("\"content\":[]", &format!("\"content\":[\"{}\"]", "x".repeat(200_000)));
    let log: String = (0..15).map(line).collect();
    let mut sandbox = Sandbox::new().file(CLAUDE, &log).limits(Limits { file_bytes: 11 << 20, ..Limits::default() });
    let mut left = log.len() as f64;
    for _ in 0..20 {
        let lines = collect(&mut sandbox);
        let pending = value(&lines, "agent_usage.pending ").unwrap();
        let total = value(&lines, "agent_usage.requests ");
        if pending == 0.0 {
            assert_eq!(total, Some(15.0));
            return;
        }
        assert!(total.is_none() && pending < left, "{lines:?}");
        left = pending;
    }
    panic!("never done");
}

#[test]
fn a_message_of_opencode_grows_until_it_is_complete() {
    let streaming = OPENCODE_MESSAGE.replace(r#","completed":1788000004000"#, "");
    let mut sandbox = Sandbox::new().file(OPENCODE, streaming.replace(r#""output":10"#, r#""output":1"#));
    assert_eq!(value(&collect(&mut sandbox), "output_tokens opencode"), Some(8.0));
    sandbox = sandbox.file(OPENCODE, &streaming[..50]);
    assert_eq!(value(&collect(&mut sandbox), "output_tokens opencode"), Some(8.0), "half-written");
    sandbox = sandbox.file(OPENCODE, OPENCODE_MESSAGE);
    assert_eq!(value(&collect(&mut sandbox), "output_tokens opencode"), Some(17.0));
}

#[test]
fn a_fork_is_counted_after_its_parent_whatever_its_folder() {
    let lines = codex();
    let parent = format!(
        "{}\n{lines}",
        r#"{"timestamp":"2026-09-01T10:00:00.000Z","type":"session_meta","payload":{"id":"A"}}"#
    );
    let fork = parent
        .replace(r#""id":"A""#, r#""id":"B","forked_from_id":"A""#)
        .replace("10:00:01.100", "11:00:00.100")
        .replace("10:00:00.000", "11:00:00.000");
    let folder = "/root/.codex/archived_sessions/rollout-2026-09-01T11-00-00-b.jsonl";
    let mut sandbox = Sandbox::new().file(CODEX, &parent).file(folder, &fork);
    assert_eq!(value(&collect(&mut sandbox), "agent_usage.requests codex"), Some(1.0));
}

#[test]
fn without_a_grant_it_is_denied_and_without_logs_it_is_empty() {
    let Err(Error::Denied(text)) = Sandbox::new().run(AgentUsage::collect) else { panic!() };
    assert!(text.contains("\"/root/.claude/projects/**/*.jsonl\""), "{text}");
    let mut sandbox = Sandbox::new().missing("/root/.codex/sessions");
    let expected =
        ["agent_usage.pending  0", "agent_usage.unread  0", "agent_usage.unreadable  0", "agent_usage.forgotten  0"];
    assert_eq!(collect(&mut sandbox), expected);
}

#[test]
fn limits_that_leave_no_room_are_named() {
    for (limits, name) in [
        (Limits { file_bytes: 1 << 20, ..Limits::default() }, "limits.file_bytes"),
        (Limits { file_calls: 1, ..Limits::default() }, "limits.file_calls"),
    ] {
        let error = home().limits(limits).run(AgentUsage::collect).unwrap_err();
        assert!(matches!(&error, Error::Config(text) if text.contains(name)), "{error}");
    }
}

#[test]
fn hostile_logs_are_counted_as_such_and_bounded() {
    let mut log = Vec::new();
    for line in [&b"\"usage\":{"[..], b"{\"usage\":{", b"\xff\"usage\":{", &[b'['; 10_000], b"{}", b""] {
        log.extend_from_slice(line);
        log.push(b'\n');
    }
    for id in 0..300 {
        log.extend(message(id, 1).replace("claude-opus-4-8", &format!("\\u001b[31m{id}{}", "y".repeat(300))).bytes());
    }
    let mut sandbox = Sandbox::new().file(CLAUDE, &log);
    let lines = collect(&mut sandbox);
    assert_eq!(value(&lines, "agent_usage.unreadable "), Some(2.0));
    assert!(lines.len() < 700, "{}", lines.len());
    assert!(lines.iter().all(|line| line.len() < 256 && !line.contains('\u{1b}')), "{lines:?}");
    let requests = lines.iter().filter(|line| line.starts_with("agent_usage.requests"));
    assert_eq!(requests.map(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()).sum::<u32>(), 300);
}

#[test]
fn all_that_is_collected_is_described() {
    let described = AgentUsage::describe().metrics;
    for point in home().run(AgentUsage::collect).unwrap().points {
        let info = described.iter().find(|metric| metric.name == point.name);
        let info = info.unwrap_or_else(|| panic!("{} is not described", point.name));
        assert_eq!(info.unit, point.unit);
    }
}

#[test]
fn a_cost_that_no_request_has_is_not_believed() {
    let line = |id, cost| message(id, 40).replace("\"type\":\"assistant\"", &format!("\"costUSD\":{cost}"));
    let log = [line(1, "1.5e308"), line(2, "1.5e308"), line(3, "1e300"), line(4, "0.25")].concat();
    let lines = collect(&mut Sandbox::new().file(CLAUDE, log));
    assert_eq!(value(&lines, "agent_usage.cost claude-code/anthropic/claude-opus-4-8"), Some(0.25));
    assert_eq!(value(&lines, "agent_usage.unreadable"), Some(3.0));
}

#[test]
fn a_folder_that_cannot_be_listed_is_named_once() {
    let mut sandbox = home_without_opencode().file("/root/.local/share/opencode", "x");
    for _ in 0..3 {
        let lines = collect(&mut sandbox);
        assert_eq!(value(&lines, "agent_usage.unread "), Some(1.0), "{lines:?}");
        assert_eq!(value(&lines, "output_tokens claude-code"), Some(40.0));
    }
    let said = sandbox.lines().iter().filter(|(_, line)| line.contains("`/root/.local/share/opencode`"));
    assert_eq!(said.count(), 1, "{:?}", sandbox.lines());
}

#[test]
fn names_of_models_without_end_are_said_once() {
    let log: String = (0..100).map(|n| message(n, 40).replace("claude-opus-4-8", &format!("model-{n}"))).collect();
    let mut sandbox = Sandbox::new().file(CLAUDE, log);
    let lines = collect(&mut sandbox);
    assert_eq!(value(&lines, "agent_usage.requests claude-code/unknown/other"), Some(39.0));
    collect(&mut sandbox);
    let said = sandbox.lines().iter().filter(|(_, line)| line.starts_with("no more models are told apart"));
    assert_eq!(said.count(), 1, "{:?}", sandbox.lines());
}
