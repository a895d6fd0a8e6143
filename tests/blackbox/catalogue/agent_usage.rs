//! The collector `agent-usage` on this machine, held against the figures that the logs were made of.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{FakeHub, Process, Sandbox, bundled, metric, plugin};

const NAME: &str = "agent-usage";
const INPUT: &str = "gen_ai.client.inference.usage.input_tokens";
const OUTPUT: &str = "gen_ai.client.inference.usage.output_tokens";
const REQUESTS: &str = "agent_usage.requests";
const PENDING: &str = "agent_usage.pending";

/// A home with logs, and what is in them.
#[derive(Default)]
struct Logs {
    messages: u64,
    output: u64,
}

impl Logs {
    /// Messages of Claude Code, each of them twice and with the result of a tool, of some 4 KiB in all.
    fn claude(&mut self, count: u64) -> String {
        let text = "the result of a tool, ".repeat(100);
        let mut log = String::new();
        for _ in 0..count {
            self.messages += 1;
            self.output += self.messages % 1000;
            let message = self.message();
            let result = format!(
                r#"{{"type":"user","message":{{"role":"user","content":[{{"type":"tool_result","content":"{text}"}}]}}}}"#
            );
            writeln!(log, "{message}\n{message}\n{result}").unwrap();
        }
        log
    }

    /// The last message.
    fn message(&self) -> String {
        let (id, output) = (self.messages, self.messages % 1000);
        let usage = format!(r#"{{"input_tokens":1,"cache_read_input_tokens":2,"output_tokens":{output}}}"#);
        let content = "an answer, ".repeat(80);
        format!(
            r#"{{"isSidechain":false,"sessionId":"s","version":"2.1.218","message":{{"model":"claude-opus-4-8","id":"msg_{id}","role":"assistant","content":[{{"type":"text","text":"{content}"}}],"usage":{usage}}},"requestId":"req_{id}","type":"assistant","timestamp":"2026-09-01T10:00:00.000Z"}}"#
        )
    }
}

/// A sandbox whose home is a folder of its own, with the sidecar as it is shipped but for the paths and some settings.
fn sandbox(hub: &FakeHub, settings: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::reporting_to(hub);
    let home = sandbox.path("home").display().to_string();
    let shipped = sandbeat_bundled::COLLECTORS.iter().find(|collector| collector.name == NAME).unwrap().sidecar;
    let mut sidecar = shipped.replace("/root", &home);
    for (line, other) in settings {
        assert!(sidecar.contains(line), "{line} in {sidecar}");
        sidecar = sidecar.replace(line, other);
    }
    sandbox.drop_collector(NAME, bundled(NAME), &sidecar);
    sandbox
}

fn write(sandbox: &Sandbox, path: &str, content: &str) -> PathBuf {
    let file = sandbox.path("home").join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, content).unwrap();
    file
}

fn append(file: &PathBuf, text: &str) {
    OpenOptions::new().append(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

fn value(report: &Value, name: &str) -> Option<u64> {
    metric(report, NAME, name)?["value"].as_f64().map(|value| value as u64)
}

/// Waits for a report with these totals of requests and output.
fn wait_for_totals(hub: &FakeHub, logs: &Logs) -> Value {
    let expected = (Some(logs.messages), Some(logs.output));
    hub.report(&format!("{expected:?}"), |report| (value(report, REQUESTS), value(report, OUTPUT)) == expected)
}

fn run(sandbox: &Sandbox) -> Process {
    sandbox.start(&["run"])
}

#[test]
fn old_logs_are_read_in_slices_and_new_lines_are_counted_once() {
    let hub = FakeHub::start();
    // 10 MiB of slack, so slices of some 2 MiB.
    let sandbox = sandbox(&hub, &[("interval = \"10s\"", "interval = \"100ms\""), ("\"96MiB\"", "\"12MiB\"")]);
    let mut logs = Logs::default();
    let mut file = PathBuf::new();
    for number in 0..20 {
        let log = logs.claude(250);
        file = write(&sandbox, &format!(".claude/projects/-w{}/s{number}.jsonl", number % 3), &log);
    }
    let size: u64 = fs::read_dir(sandbox.path("home/.claude/projects/-w0"))
        .unwrap()
        .map(|f| f.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size > 6 << 20, "{size}");

    let agent = run(&sandbox);
    let first = hub.report("a slice", |report| value(report, PENDING).is_some_and(|pending| pending > 0));
    assert_eq!((value(&first, REQUESTS), value(&first, INPUT)), (None, None), "not before all is read: {first:#}");
    let done = hub.report("the totals", |report| value(report, REQUESTS).is_some());
    let mut slices: Vec<u64> = hub.requests().iter().filter_map(|request| value(&request.body, PENDING)).collect();
    assert!(slices.is_sorted_by(|a, b| a >= b), "{slices:?}");
    slices.dedup();
    assert!(slices.len() > 5, "in slices: {slices:?}");
    assert_eq!((value(&done, REQUESTS), value(&done, OUTPUT)), (Some(logs.messages), Some(logs.output)));
    assert_eq!(value(&done, INPUT), Some(3 * logs.messages));
    assert_eq!(plugin(&done, NAME)["state"], "active", "no limit was passed: {done:#}");

    append(&file, &logs.claude(3));
    wait_for_totals(&hub, &logs);

    let last = logs.claude(1);
    let (begin, end) = last.split_at(300);
    append(&file, begin);
    let so_far = hub.report("one more with the half line", |report| value(report, PENDING) == Some(0));
    assert_eq!(value(&so_far, REQUESTS), Some(logs.messages - 1));
    append(&file, end);
    wait_for_totals(&hub, &logs);

    // A copy elsewhere, and the file itself written anew, say nothing new.
    let content = fs::read_to_string(&file).unwrap();
    write(&sandbox, ".claude/projects/-w0/copy.jsonl", &content);
    fs::write(&file, &content[content.len() / 2..]).unwrap();
    append(&file, &logs.claude(1));
    wait_for_totals(&hub, &logs);

    agent.signal(Signal::TERM);
    assert!(agent.ended().status.success());
    append(&file, &logs.claude(1));
    hub.take();
    let again = run(&sandbox);
    let report = hub.report("totals after a restart", |report| value(report, REQUESTS).is_some());
    assert!(value(&report, REQUESTS) >= Some(logs.messages - 1), "they go on where they were: {report:#}");
    wait_for_totals(&hub, &logs);
    assert_eq!(again.said("wall-timeout") + again.said("cpu-timeout"), 0);
}

#[test]
fn without_its_grant_it_is_denied_and_has_no_values() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let home = sandbox.path("home").display().to_string();
    let config = format!("interval = \"100ms\"\nconfig.home = \"{home}\"");
    write(&sandbox, ".claude/projects/-w/s.jsonl", &Logs::default().claude(1));
    sandbox.drop_collector(NAME, bundled(NAME), &config);
    let _agent = run(&sandbox);
    let report = hub.report("the refusal", |report| plugin(report, NAME)["failure"] == "denied");
    let reason = plugin(&report, NAME)["reason"].to_string();
    let last = ".local/share/opencode/storage/message/*/*.json";
    assert!(reason.contains(&home) && reason.contains(last) && reason.contains("read"), "all of the cure: {reason}");
    assert!([INPUT, REQUESTS, PENDING].iter().all(|name| metric(&report, NAME, name).is_none()), "{report:#}");
}

/// A database of OpenCode that is open and being written, with a checkpoint after every few pages.
fn open_database(sandbox: &Sandbox) -> Connection {
    let file = write(sandbox, ".local/share/opencode/opencode.db", "");
    let connection = Connection::open(file).unwrap();
    let begin = "PRAGMA wal_autocheckpoint = 8; PRAGMA synchronous = OFF; CREATE TABLE message(id text PRIMARY KEY, \
                 session_id text, data text); CREATE TABLE part(id integer PRIMARY KEY, data text);";
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    connection.execute_batch(begin).unwrap();
    connection
}

/// Writes a message, and anew as it grows, with what is said in it.
fn stream(connection: &Connection, logs: &mut Logs) {
    logs.messages += 1;
    logs.output += 30;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    for (output, completed) in [(10, ""), (20, ""), (30, r#","completed":1"#)] {
        let data = format!(
            r#"{{"role":"assistant","time":{{"created":{now}{completed}}},"modelID":"gpt-5.5","providerID":"openai","tokens":{{"input":1,"output":{output}}}}}"#
        );
        let sql = "INSERT INTO message VALUES (?1, 'ses_1', ?2) ON CONFLICT (id) DO UPDATE SET data = excluded.data";
        connection.execute(sql, (format!("msg_{}", logs.messages), data)).unwrap();
        connection.execute("INSERT INTO part(data) VALUES (hex(randomblob(3000)))", []).unwrap();
    }
}

#[test]
fn a_database_is_counted_while_it_is_written() {
    let hub = FakeHub::start();
    let sandbox = sandbox(&hub, &[("interval = \"10s\"", "interval = \"100ms\"")]);
    let connection = open_database(&sandbox);
    let mut logs = Logs::default();
    stream(&connection, &mut logs);
    let agent = run(&sandbox);
    hub.report("the first message", |report| value(report, REQUESTS) == Some(1));
    // Written to on and on, until the agent has reported some more of it or nothing came of that for long.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        stream(&connection, &mut logs);
    }
    let done = wait_for_totals(&hub, &logs);
    let troubles = ["agent_usage.unread", "agent_usage.unreadable"].map(|name| value(&done, name));
    assert_eq!(troubles, [Some(0), Some(0)], "{done:#}");
    let counted: Vec<u64> = hub.requests().iter().filter_map(|request| value(&request.body, OUTPUT)).collect();
    assert!(counted.is_sorted() && counted.last() <= Some(&logs.output), "{counted:?}");

    // What is left when OpenCode has ended, and what it writes when it is started again.
    drop(connection);
    let connection = Connection::open(sandbox.path("home/.local/share/opencode/opencode.db")).unwrap();
    stream(&connection, &mut logs);
    wait_for_totals(&hub, &logs);
    assert_eq!(agent.said("wall-timeout") + agent.said("cpu-timeout"), 0);
}

/// A database whose 1,200 tables have names of a million letters, by its own account: each name goes on into those of the
/// tables behind it.
fn endless_names(sandbox: &Sandbox) {
    const PAGE: usize = 512;
    let file = write(sandbox, ".local/share/opencode/opencode-endless.db", "");
    let connection = Connection::open(&file).unwrap();
    let tables = "PRAGMA page_size = 512; PRAGMA synchronous = OFF; PRAGMA writable_schema = ON; CREATE TABLE t(a);
                  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
                  INSERT INTO sqlite_schema SELECT 'table', printf('%017000d', i), 'x', 2, 'x' FROM n;
                  DELETE FROM sqlite_schema WHERE name = 't';";
    connection.execute_batch(tables).unwrap();
    drop(connection);

    let mut bytes = fs::read(&file).unwrap();
    let number = |bytes: &[u8], at: usize| u32::from_be_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
    let three_bytes = |number: u32| [(number >> 14) as u8 | 0x80, (number >> 7) as u8 | 0x80, number as u8 & 0x7f];
    let mut chains = Vec::new();
    for page in 0..bytes.len() / PAGE {
        let (begin, head) = (page * PAGE, page * PAGE + if page == 0 { 100 } else { 0 });
        if bytes[head] != 13 {
            continue;
        }
        for cell in 0..usize::from(bytes[head + 4]) {
            let at = head + 8 + 2 * cell;
            let row = begin + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            let length = bytes[row..row + 3].iter().fold(0, |sum, byte| sum << 7 | u32::from(byte & 0x7f));
            // So many more that as much of the row stays in this page: 508 bytes are in each other one.
            bytes[row..row + 3].copy_from_slice(&three_bytes(length + 2_000 * 508));
            let header = row + 3 + bytes[row + 3..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            bytes[header + 2..header + 5].copy_from_slice(&three_bytes(13 + 2 * 1_000_000));
            let local = 39 + (length as usize - 39) % 508;
            chains.push(number(&bytes, header + if local <= 477 { local } else { 39 }));
        }
    }
    assert_eq!(chains.len(), 1_200);
    for pair in chains.windows(2) {
        let mut last = pair[0];
        while number(&bytes, (last - 1) * PAGE) != 0 {
            last = number(&bytes, (last - 1) * PAGE);
        }
        bytes[(last - 1) * PAGE..][..4].copy_from_slice(&(pair[1] as u32).to_be_bytes());
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn what_cannot_be_read_of_one_agent_holds_up_no_other() {
    let hub = FakeHub::start();
    let settings = [("interval = \"10s\"", "interval = \"100ms\""), ("cpu        = \"1s\"", "cpu = \"300ms\"")];
    let sandbox = sandbox(&hub, &settings);
    let mut logs = Logs::default();
    write(&sandbox, ".claude/projects/-w/s.jsonl", &logs.claude(3));
    endless_names(&sandbox);
    let folder = sandbox.path("home/.local/share/opencode");
    symlink(folder.join("opencode-endless.db"), folder.join("opencode.db")).unwrap();
    let agent = run(&sandbox);
    let report = wait_for_totals(&hub, &logs);
    assert_eq!((value(&report, PENDING), value(&report, "agent_usage.unread")), (Some(0), Some(2)), "{report:#}");
    for line in ["opencode-endless.db` is not counted, or not all of it: half of `limits.cpu`", "it is a symbolic link"]
    {
        agent.says(&[line]);
        assert_eq!(agent.said(line), 1, "{line}");
    }
    assert_eq!(agent.said("wall-timeout") + agent.said("cpu-timeout"), 0);
}

#[test]
fn nothing_of_a_conversation_is_reported() {
    let hub = FakeHub::start();
    let sandbox = sandbox(&hub, &[("interval = \"10s\"", "interval = \"100ms\"")]);
    let mut logs = Logs::default();
    write(&sandbox, ".claude/projects/-home-me-secret-project/s.jsonl", &logs.claude(2));
    let _agent = run(&sandbox);
    let text = wait_for_totals(&hub, &logs).to_string();
    for secret in ["secret-project", "an answer", "result of a tool", "msg_1", "req_1"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
