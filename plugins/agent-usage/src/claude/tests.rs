//! Lines as Claude Code writes them, and worse.

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
fn figures_of_a_wrong_type_are_broken() {
    let good = line(&message(USAGE), r#","costUSD":0.25"#);
    let progress = format!(r#"{{"type":"progress","data":{{"message":{good}}}}}"#);
    assert!(matches!(Line::read(progress.as_bytes()), Line::Messages(_)));
    for (part, other) in [
        (r#""input_tokens":3"#, r#""input_tokens":-3"#),
        (r#""input_tokens":3"#, r#""input_tokens":"3""#),
        (r#""output_tokens":70"#, r#""output_tokens":7.5"#),
        (r#""cache_read_input_tokens":9000"#, r#""cache_read_input_tokens":[9000]"#),
        (r#""ephemeral_1h_input_tokens":500"#, r#""ephemeral_1h_input_tokens":true"#),
        (r#""costUSD":0.25"#, r#""costUSD":"0.25""#),
    ] {
        for line in [&good, &progress] {
            assert!(line.contains(part), "{part}");
            assert_eq!(Line::read(line.replace(part, other).as_bytes()), Line::Broken, "{other}");
        }
    }
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
