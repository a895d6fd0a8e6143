//! The whole collector over databases that SQLite writes from one collect to the next.

mod open;

use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use sandbeat_sdk::limits::Limits;
use sandbeat_sdk::testing::Sandbox;
use tempfile::TempDir;

use crate::tests::{OPENCODE, OPENCODE_MESSAGE, collect, value};

const PATH: &str = "/root/.local/share/opencode/opencode.db";
const CANARY: &str = "/root/.local/share/opencode/opencode-canary.db";
const LOG: &str = "/root/.local/share/opencode/opencode.db-wal";
const OUTPUT: &str = "output_tokens opencode";

/// OpenCode's database, open and written.
struct Database {
    folder: TempDir,
    connection: Connection,
    sandbox: Sandbox,
}

impl Database {
    fn new() -> Database {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("db")).unwrap();
        let database = Database { folder, connection, sandbox: Sandbox::new().limits(plenty()) };
        database.connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        database.sql("PRAGMA wal_autocheckpoint = 0");
        for (table, more) in [("message", ""), ("session_message", "type text NOT NULL, seq integer,")] {
            database.sql(&format!(
                "CREATE TABLE `{table}` (`id` text PRIMARY KEY, `session_id` text NOT NULL, {more} \
                 `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `data` text NOT NULL)"
            ));
        }
        database
    }

    fn sql(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    fn checkpoint(&self) {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }

    /// A message as it is now.
    fn write(&self, id: &str, session: &str, data: &str) {
        let sql = "INSERT INTO message VALUES (?1, ?2, 1, 1, ?3) ON CONFLICT (id) DO UPDATE SET data = excluded.data";
        self.connection.execute(sql, (id, session, data)).unwrap();
    }

    /// An answer of OpenCode 2.
    fn answer(&self, id: &str, kind: &str, data: &str) {
        let sql = "INSERT INTO session_message VALUES (?1, 'ses_1', ?2, 1, 1, 1, ?3)";
        self.connection.execute(sql, (id, kind, data)).unwrap();
    }

    /// The database as it is now, with these changes, in the collector's sandbox.
    fn collect_with(&mut self, change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) -> Vec<String> {
        let read = |name| std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        let (mut main, mut log) = (read("db"), read("db-wal"));
        change(&mut main, &mut log);
        // What was changed last is told by the time.
        let changed = Duration::from_millis((main.len() + log.len()) as u64);
        let sandbox = std::mem::take(&mut self.sandbox).file(PATH, main).modified(PATH, changed);
        self.sandbox = if log.is_empty() { sandbox.missing(LOG) } else { sandbox.file(LOG, log) };
        collect(&mut self.sandbox)
    }

    fn collect(&mut self) -> Vec<String> {
        self.collect_with(|_, _| {})
    }
}

/// As much time as it takes, also on a busy machine.
fn plenty() -> Limits {
    let time = Duration::from_secs(60);
    Limits { cpu: time, timeout: time, file_bytes: 96 << 20, state: 1 << 20, ..Limits::default() }
}

fn data(output: u64) -> String {
    message(output, r#"{"created":1,"completed":2}"#)
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// One that was begun now.
fn streaming(output: u64) -> String {
    let now = now().as_millis();
    message(output, &format!(r#"{{"created":{now}}}"#))
}

fn message(output: u64, time: &str) -> String {
    format!(
        r#"{{"role":"assistant","time":{time},"modelID":"gpt-5.5","providerID":"openai","cost":0,"tokens":{{"input":1,"output":{output},"reasoning":0,"cache":{{"read":0,"write":0}}}}}}"#
    )
}

#[test]
fn messages_are_counted_from_the_log_and_once() {
    let mut database = Database::new();
    assert_eq!(value(&database.collect(), OUTPUT), None);
    database.write("msg_1", "ses_1", &data(10));
    database.write("msg_2", "ses_1", r#"{"role":"user","time":{"created":1}}"#);
    database.write("msg_3", "ses_2", &streaming(1));
    assert_eq!(value(&database.collect(), OUTPUT), Some(11.0));
    database.checkpoint();
    assert_eq!(value(&database.collect(), OUTPUT), Some(11.0));
    database.write("msg_4", "ses_1", &data(100));
    database.write("msg_3", "ses_2", &data(7));
    let lines = database.collect();
    assert_eq!(value(&lines, OUTPUT), Some(117.0), "one that has grown, and a new one");
    assert_eq!(value(&lines, "agent_usage.requests opencode"), Some(3.0));
    assert_eq!(value(&lines, "agent_usage.files opencode"), Some(1.0));
    assert_eq!(value(&lines, "agent_usage.pending "), Some(0.0));
}

#[test]
fn rowids_that_are_given_anew_do_not_hide_a_message() {
    let mut database = Database::new();
    for id in 1..=20 {
        database.write(&format!("msg_{id}"), "ses_1", &data(1));
    }
    assert_eq!(value(&database.collect(), OUTPUT), Some(20.0));
    database.sql("DELETE FROM message WHERE rowid > 10");
    assert_eq!(value(&database.collect(), OUTPUT), Some(20.0), "what was used was used");
    for id in 21..=30 {
        database.write(&format!("msg_{id}"), "ses_2", &data(100));
    }
    assert_eq!(value(&database.collect(), OUTPUT), Some(1020.0), "in the places of the deleted ones");
    database.sql("DELETE FROM message WHERE rowid < 5; VACUUM;");
    for id in 31..=40 {
        database.write(&format!("msg_{id}"), "ses_2", &data(10_000));
    }
    database.checkpoint();
    assert_eq!(value(&database.collect(), OUTPUT), Some(101_020.0), "all of them moved");
}

#[test]
fn files_of_older_versions_count_where_the_database_lacks_them() {
    let mut database = Database::new();
    database.write("msg_1", "ses_1", &data(1000));
    let of_files = OPENCODE.replace("msg_1.json", "msg_2.json");
    let sandbox = std::mem::take(&mut database.sandbox);
    database.sandbox =
        sandbox.file(OPENCODE, OPENCODE_MESSAGE).file(&of_files, OPENCODE_MESSAGE.replace("msg_1", "msg_2"));
    let lines = database.collect();
    assert_eq!(value(&lines, "output_tokens opencode/openai/gpt-5.5"), Some(1000.0));
    assert_eq!(value(&lines, "output_tokens opencode/gcp.gemini/gemini-2.5-pro"), Some(17.0));
    assert_eq!(value(&lines, "agent_usage.files opencode"), Some(3.0));
}

#[test]
fn answers_of_opencode_2_are_counted_beside_the_messages() {
    let answer = |output: u64| {
        format!(
            r#"{{"model":{{"id":"gpt-5.5","providerID":"openai"}},"content":[{{"type":"text","text":"{}"}}],"tokens":{{"input":1,"output":{output},"reasoning":0,"cache":{{"read":0,"write":0}}}},"time":{{"created":1,"completed":2}}}}"#,
            "an answer, ".repeat(1000)
        )
    };
    let mut database = Database::new();
    database.write("msg_1", "ses_1", &data(10));
    database.answer("msg_1", "assistant", &answer(9999));
    database.answer("evt_2", "assistant", &answer(100));
    database.answer("evt_3", "user", &answer(9999));
    assert_eq!(value(&database.collect(), OUTPUT), Some(110.0));
}

#[test]
fn an_old_database_is_read_in_slices() {
    let mut database = Database::new();
    database.sql("BEGIN");
    for id in 0..2_000 {
        database.write(&format!("msg_{id}"), "ses_1", &format!("{}{}", data(1), " ".repeat(10_000)));
    }
    database.sql("COMMIT");
    database.checkpoint();
    let limits = Limits { file_bytes: (10 << 20) + (6 << 20), ..plenty() };
    database.sandbox = std::mem::take(&mut database.sandbox).limits(limits);
    let mut left = f64::INFINITY;
    for slice in 1..20 {
        let lines = database.collect();
        let pending = value(&lines, "agent_usage.pending ").unwrap();
        assert!(pending < left, "{pending} after {left}");
        left = pending;
        if pending == 0.0 {
            assert_eq!(value(&lines, OUTPUT), Some(2_000.0));
            assert!(slice > 3, "{slice}");
            return;
        }
        assert_eq!(value(&lines, OUTPUT), None);
    }
    panic!("never done");
}

#[test]
fn a_database_that_is_being_written_to_is_left_for_later() {
    let database = Database::new();
    database.write("msg_1", "ses_1", &data(10));
    let now = now();
    let read = |name: &str| std::fs::read(database.folder.path().join(name)).unwrap();
    let mut sandbox = Sandbox::new().file(PATH, read("db")).file(LOG, read("db-wal")).modified(PATH, now);
    let lines = collect(&mut sandbox);
    assert_eq!(value(&lines, OUTPUT), None);
    assert!(value(&lines, "agent_usage.pending ").unwrap() > 0.0, "{lines:?}");
    let mut sandbox = sandbox.modified(PATH, now - Duration::from_secs(10));
    assert_eq!(value(&collect(&mut sandbox), OUTPUT), Some(10.0));
}

#[test]
fn one_that_is_always_written_to_holds_back_the_totals_of_others_only_for_some_collects() {
    let database = Database::new();
    database.write("msg_1", "ses_1", &data(10));
    let busy = Database::new();
    busy.write("msg_2", "ses_1", &data(100));
    busy.checkpoint();
    let main = std::fs::read(busy.folder.path().join("db")).unwrap();
    // A state in which nothing is complete yet.
    let mut sandbox = Sandbox::new().limits(plenty()).file(CANARY, &main).missing(&format!("{CANARY}-wal"));
    let read = |name: &str| std::fs::read(database.folder.path().join(name)).unwrap();
    sandbox = sandbox.file(PATH, read("db")).file(LOG, read("db-wal")).modified(PATH, Duration::from_secs(1));
    let mut collect = |is_written: bool| {
        // So that it is lately when it is looked at; where the machine was too busy for that, it is done over again.
        let lately = Duration::from_millis(90);
        let lines = loop {
            let begun = Instant::now();
            let modified = if is_written { now() + lately } else { Duration::from_secs(1) };
            let mut after = sandbox.clone().modified(CANARY, modified);
            let lines = collect(&mut after);
            if !is_written || begun.elapsed() < lately {
                sandbox = after;
                break lines;
            }
        };
        let said = sandbox.lines().iter().filter(|(_, line)| line.contains(CANARY) && line.contains("each time"));
        (value(&lines, OUTPUT), value(&lines, "agent_usage.unread "), said.count())
    };
    for _ in 1..5 {
        assert_eq!(collect(true), (None, Some(0.0), 0));
    }
    for _ in 0..3 {
        assert_eq!(collect(true), (Some(10.0), Some(1.0), 1));
    }
    assert_eq!(collect(false), (Some(110.0), Some(0.0), 1));
    assert_eq!(collect(true), (Some(110.0), Some(0.0), 1), "a first failure is none again");
}

#[test]
fn one_that_is_broken_is_named_once_and_shown_for_as_long() {
    let mut database = Database::new();
    database.write("msg_1", "ses_1", &data(10));
    database.checkpoint();
    let broken = |main: &mut Vec<u8>, _: &mut Vec<u8>| main[100] = 0;
    for _ in 0..3 {
        assert_eq!(value(&database.collect_with(broken), "agent_usage.unread "), Some(1.0));
    }
    database.write("msg_2", "ses_1", &data(10));
    assert_eq!(value(&database.collect_with(broken), "agent_usage.unread "), Some(1.0));
    let said = |database: &Database| database.sandbox.lines().iter().filter(|(_, line)| line.contains(PATH)).count();
    assert_eq!(said(&database), 1, "{:?}", database.sandbox.lines());
    database.write("msg_3", "ses_1", &data(10));
    let lines = database.collect();
    assert_eq!((value(&lines, "agent_usage.unread "), value(&lines, OUTPUT)), (Some(0.0), Some(30.0)));
    assert_eq!(said(&database), 1);
}

#[test]
fn rows_that_are_no_messages_are_counted_as_such() {
    let mut database = Database::new();
    for (id, data) in ["{", "[]", r#"{"role":"assistant","tokens":{"input":"7"}}"#, &data(5)].into_iter().enumerate() {
        database.write(&format!("msg_{id}"), "ses_1", data);
    }
    for _ in 0..2 {
        let lines = database.collect();
        assert_eq!((value(&lines, "agent_usage.unreadable "), value(&lines, OUTPUT)), (Some(3.0), Some(5.0)));
    }
    database.sql("UPDATE message SET rowid = rowid + 10");
    database.write("msg_4", "ses_1", "{");
    let lines = database.collect();
    assert_eq!(value(&lines, "agent_usage.unreadable "), Some(4.0), "those that are read again count once");
}

#[test]
fn rows_before_those_that_were_deleted_are_not_read_again() {
    let mut database = Database::new();
    for id in 1..=1000 {
        database.write(&format!("msg_{id}"), "ses_1", &data(1));
    }
    database.checkpoint();
    assert_eq!(value(&database.collect(), OUTPUT), Some(1000.0));
    // Nobody does this; it shows what is read.
    for id in 1..=1000 {
        database.write(&format!("msg_{id}"), "ses_1", &data(10));
    }
    assert_eq!(value(&database.collect(), OUTPUT), Some(1000.0));
    database.sql("DELETE FROM message WHERE rowid > 990");
    database.write("msg_new", "ses_2", &data(100_000));
    let output = value(&database.collect(), OUTPUT).unwrap();
    assert!((101_000.0..101_300.0).contains(&output), "{output}");
    // As `VACUUM` may do.
    database.sql("DELETE FROM message WHERE rowid < 11; UPDATE message SET rowid = rowid - 10;");
    assert_eq!(value(&database.collect(), OUTPUT), Some(109_820.0), "all that moved, and twenty that are gone");
}

#[test]
fn rows_below_0_are_read() {
    let mut database = Database::new();
    let sql =
        "INSERT INTO message(rowid, id, session_id, time_created, time_updated, data) VALUES (?1, ?2, 's', 1, 1, ?3)";
    for rowid in [-5, 0, 5] {
        database.connection.execute(sql, (rowid, format!("msg_{rowid}"), data(10))).unwrap();
    }
    for _ in 0..2 {
        let lines = database.collect();
        assert_eq!((value(&lines, OUTPUT), value(&lines, "agent_usage.pending ")), (Some(30.0), Some(0.0)));
    }
}

#[test]
fn what_the_database_lacks_is_named() {
    let named = |database: &mut Database, part: &str| {
        assert_eq!(value(&database.collect(), "agent_usage.unread "), Some(1.0));
        let lines = database.sandbox.lines();
        assert!(lines.iter().any(|(_, line)| line.contains(part) && line.contains(PATH)), "{part}: {lines:?}");
    };
    let mut database = Database::new();
    database.sql("ALTER TABLE message RENAME COLUMN data TO content");
    named(&mut database, "lacks a column");
    let mut database = Database::new();
    database.sql("DROP TABLE message; ALTER TABLE session_message RENAME TO messages");
    named(&mut database, "`session_message`");

    let database = Database::new();
    database.write("msg_1", "ses_1", &data(10));
    let mut sandbox = Sandbox::new().file(PATH, std::fs::read(database.folder.path().join("db")).unwrap());
    assert_eq!(value(&collect(&mut sandbox), "agent_usage.unread "), Some(1.0));
    let lines = sandbox.lines();
    assert!(lines.iter().any(|(_, line)| line.contains(LOG) && line.contains("`read`")), "{lines:?}");
}

#[test]
fn a_grant_or_limit_that_is_mended_helps_a_database_that_does_not_change() {
    let database = Database::new();
    database.write("msg_1", "ses_1", &format!("{}{}", data(10), " ".repeat(3_000_000)));
    database.checkpoint();
    let main = std::fs::read(database.folder.path().join("db")).unwrap();
    let denied = Sandbox::new().limits(plenty()).file(PATH, main).modified(PATH, Duration::from_secs(1));
    let small = denied.clone().missing(LOG).limits(Limits { file_bytes: 11 << 20, ..plenty() });
    for mut sandbox in [denied, small] {
        for _ in 0..2 {
            let lines = collect(&mut sandbox);
            assert_eq!((value(&lines, "agent_usage.unread "), value(&lines, OUTPUT)), (Some(1.0), None));
        }
        let lines = collect(&mut sandbox.missing(LOG).limits(plenty()));
        assert_eq!((value(&lines, "agent_usage.unread "), value(&lines, OUTPUT)), (Some(0.0), Some(10.0)));
    }
}

#[test]
fn rows_that_cannot_be_read_come_in_slices() {
    let mut database = Database::new();
    database.sql("BEGIN");
    for id in 0..12_000 {
        database.write(&format!("msg_{id}"), "ses_1", "{");
    }
    database.sql("COMMIT");
    let counts = [(); 4].map(|()| value(&database.collect(), "agent_usage.unreadable ").unwrap());
    assert_eq!(counts, [5_000.0, 10_000.0, 12_000.0, 12_000.0]);
}
