//! Whole sessions, in the form in which Codex 0.144 writes them.

use super::*;

fn meta(id: &str, second: u32, more: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-09-01T10:00:{second:02}.000Z","type":"session_meta","payload":{{"id":"{id}","timestamp":"2026-09-01T10:00:{second:02}.000Z","cwd":"/w","originator":"codex_cli_rs","cli_version":"0.144.0"{more}}}}}"#
    )
}

fn turn(model: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-09-01T10:00:00.500Z","type":"turn_context","payload":{{"cwd":"/w","approval_policy":"never","model":"{model}","effort":"high"}}}}"#
    )
}

fn counts(input: u64, cached: u64, output: u64) -> String {
    format!(
        r#"{{"input_tokens":{input},"cached_input_tokens":{cached},"output_tokens":{output},"reasoning_output_tokens":{},"total_tokens":{}}}"#,
        output / 2,
        input + output
    )
}

fn count(second: u32, total: &str, last: Option<&str>) -> String {
    let last = last.map(|last| format!(r#","last_token_usage":{last}"#)).unwrap_or_default();
    format!(
        r#"{{"timestamp":"2026-09-01T10:00:{second:02}.100Z","type":"event_msg","payload":{{"type":"token_count","info":{{"total_token_usage":{total}{last},"model_context_window":272000}},"rate_limits":null}}}}"#
    )
}

/// Reads a session; returns what counted as `input/cached/output` and the model, and its steps.
fn read(lines: &[String], parent: &[Step]) -> (Vec<String>, Vec<Step>) {
    let mut session = Session::default();
    let (mut entries, mut steps) = (Vec::new(), Vec::new());
    for line in lines {
        let read = session.line(line.as_bytes(), parent);
        assert!(!read.broken, "{line}");
        steps.extend(read.step);
        entries.extend(read.entries);
        // Whatever comes is read the same after the state was kept.
        session = postcard::from_bytes(&postcard::to_allocvec(&session).unwrap()).unwrap();
    }
    entries.extend(session.flush().entries);
    let text = |(_, entry): &(u64, Entry)| {
        let volume = entry.volume;
        let model = entry.model.as_deref().unwrap_or("?");
        format!("{}/{}/{} {model}", volume.input, volume.cache_read, volume.output)
    };
    (entries.iter().map(text).collect(), steps)
}

fn parent() -> Vec<String> {
    vec![
        meta("A", 0, ""),
        turn("gpt-5.5"),
        count(1, &counts(1000, 200, 100), Some(&counts(1000, 200, 100))),
        count(20, &counts(3000, 1200, 300), Some(&counts(2000, 1000, 200))),
    ]
}

/// A fork of the parent at second 30, with an answer of its own.
fn child(more: &str) -> Vec<String> {
    let copy = |line: String| line.replace("10:00:01.1", "10:00:30.1").replace("10:00:20.1", "10:00:30.1");
    let mut lines = vec![meta("B", 30, more)];
    lines.extend(parent().into_iter().map(copy));
    lines.push(count(40, &counts(4000, 1300, 400), Some(&counts(1000, 100, 100))));
    lines
}

const FORK: &str = r#","forked_from_id":"A""#;

#[test]
fn requests_are_counted() {
    assert_eq!(read(&parent(), &[]).0, ["800/200/100 gpt-5.5", "1000/1000/200 gpt-5.5"]);
}

#[test]
fn without_the_last_request_the_sums_growth_is_counted() {
    let lines = [turn("gpt-5.5"), count(1, &counts(1000, 200, 100), None), count(20, &counts(3000, 1200, 300), None)];
    assert_eq!(read(&lines, &[]).0, ["800/200/100 gpt-5.5", "1000/1000/200 gpt-5.5"]);
    let shrunk = [turn("gpt-5.5"), count(1, &counts(1000, 200, 100), None), count(20, &counts(300, 120, 30), None)];
    assert_eq!(read(&shrunk, &[]).0, ["800/200/100 gpt-5.5"]);
}

#[test]
fn a_repeated_event_is_not() {
    let mut lines = parent();
    lines.push(count(21, &counts(3000, 1200, 300), Some(&counts(2000, 1000, 200))));
    lines.push(r#"{"timestamp":"2026-09-01T10:00:30.000Z","type":"event_msg","payload":{"type":"token_count","info":null,"rate_limits":{}}}"#.into());
    assert_eq!(read(&lines, &[]).0.len(), 2);
}

#[test]
fn the_model_is_the_one_that_was_named_last() {
    let lines = [
        count(1, &counts(100, 0, 10), None),
        turn("gpt-5.5"),
        count(2, &counts(200, 0, 20), None),
        count(3, &counts(300, 0, 30), None).replace("\"info\":{", "\"info\":{\"model\":\"gpt-5.6\","),
        count(4, &counts(400, 0, 40), None),
    ];
    let models: Vec<_> = read(&lines, &[]).0.iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(models, ["?", "gpt-5.5", "gpt-5.6", "gpt-5.6"]);
}

#[test]
fn input_that_was_written_to_a_cache_is_a_part_of_the_input() {
    let mut session = Session::default();
    let line = count(1, &counts(1000, 200, 100).replace("\"output", "\"cache_write_input_tokens\":300,\"output"), None);
    let volume = session.line(line.as_bytes(), &[]).entries[0].1.volume;
    assert_eq!((volume.input, volume.cache_read, volume.cache_write, volume.output), (500, 200, 300, 100));
    let line = count(1, &counts(100, 200, 10), None);
    let volume = Session::default().line(line.as_bytes(), &[]).entries[0].1.volume;
    assert_eq!((volume.input, volume.cache_read), (0, 100), "never more than there was");
}

#[test]
fn a_faster_tier_is_noted() {
    let settings = |tier: &str| {
        format!(
            r#"{{"timestamp":"2026-09-01T10:00:00.000Z","type":"event_msg","payload":{{"type":"thread_settings_applied","thread_settings":{{"service_tier":{tier},"model":"gpt-5.5"}}}}}}"#
        )
    };
    let mut session = Session::default();
    let mut fast = |line: &str| session.line(line.as_bytes(), &[]).entries.first().map(|(_, entry)| entry.fast);
    assert_eq!(fast(&settings("\"priority\"")), None);
    assert_eq!(fast(&count(1, &counts(10, 0, 1), None)), Some(true));
    assert_eq!(fast(&settings("null")), None);
    assert_eq!(fast(&count(2, &counts(20, 0, 2), None)), Some(false));
}

#[test]
fn a_fork_counts_only_what_is_its_own() {
    let steps = read(&parent(), &[]).1;
    assert_eq!(steps.len(), 2);
    let spawned = r#","source":{"subagent":{"thread_spawn":{"parent_thread_id":"A","depth":1}}}"#;
    for more in [FORK, spawned] {
        assert_eq!(read(&child(more), &steps).0, ["900/100/100 gpt-5.5"], "{more}");
    }
    assert_eq!(read(&child(""), &steps).0.len(), 3, "no fork");
}

#[test]
fn what_the_parent_did_after_the_fork_is_not_in_it() {
    let mut lines = parent();
    lines.push(count(50, &counts(4000, 1300, 400), Some(&counts(1000, 100, 100))));
    let steps = read(&lines, &[]).1;
    assert_eq!(steps.len(), 3);
    assert_eq!(read(&child(FORK), &steps).0, ["900/100/100 gpt-5.5"]);
}

#[test]
fn without_the_parent_s_log_a_burst_in_one_second_is_the_copy() {
    assert_eq!(read(&child(FORK), &[]).0, ["900/100/100 gpt-5.5"]);
    let slow: Vec<_> =
        parent().into_iter().map(|line| line.replace(r#""id":"A""#, r#""id":"B","forked_from_id":"A""#)).collect();
    assert_eq!(read(&slow, &[]).0.len(), 2, "no burst");
    assert_eq!(read(&slow[..3], &[]).0.len(), 1, "held back, and given out at the end");
}

#[test]
fn a_fork_s_steps_are_all_that_it_has_so_that_it_can_be_forked_again() {
    let first = read(&parent(), &[]).1;
    assert_eq!(read(&child(FORK), &first).1.len(), 3);
}

#[test]
fn steps_survive_being_kept() {
    for at in [None, Some(0), Some(1_788_000_000_123)] {
        let step = Step::new(0x1234_5678_9abc_def0, at);
        assert_eq!(Step::from_bytes(step.to_bytes()), step);
    }
}

#[test]
fn an_event_is_the_same_in_another_file() {
    let fingerprints = |lines: &[String]| -> Vec<u64> {
        let mut session = Session::default();
        lines.iter().flat_map(|line| session.line(line.as_bytes(), &[]).entries).map(|(id, _)| id).collect()
    };
    let first = fingerprints(&parent());
    let renamed: Vec<_> = parent().into_iter().map(|line| line.replace(r#""id":"A""#, r#""id":"C""#)).collect();
    assert_eq!(first, fingerprints(&renamed));
    let later: Vec<_> = parent().into_iter().map(|line| line.replace("T10:", "T11:")).collect();
    assert_ne!(first, fingerprints(&later));
    assert_ne!(first[0], first[1]);
}

#[test]
fn content_is_passed_over_and_hostile_lines_are_broken() {
    let mut session = Session::default();
    let mut line = |line: &str| session.line(line.as_bytes(), &[]);
    let content = r#"{"timestamp":"2026-09-01T10:00:00.000Z","type":"response_item","payload":{"type":"message","content":[{"text":"\"token_count\" \"turn_context\""}]}}"#;
    assert_eq!(line(content), Read::default());
    let spoken = r#"{"timestamp":"2026-09-01T10:00:00.000Z","type":"event_msg","payload":{"type":"agent_message","message":"\"token_count\""}}"#;
    assert_eq!(line(spoken), Read::default());
    let no_time = count(1, &counts(100, 0, 10), None).replace("2026-09-01T10:00:01.100Z", "yesterday");
    assert_eq!(line(&no_time).entries, []);
    let huge = count(1, &counts(1 << 60, 0, 10), None);
    let deep = format!(r#"{{"token_count":{}"#, "[".repeat(100_000));
    let wrong = [count(1, "-1", None), count(1, &counts(100, 0, 10).replace("100", "\"100\""), None)];
    for broken in ["{\"token_count\"", &huge, &deep, &wrong[0], &wrong[1]] {
        assert!(line(broken).broken, "{}", &broken[..broken.len().min(80)]);
    }
    for other in ["", "\u{0}", "[]", "{}", "{\"turn_context\":1}", &count(1, "null", None)] {
        assert_eq!(line(other), Read::default(), "{other}");
    }
}
