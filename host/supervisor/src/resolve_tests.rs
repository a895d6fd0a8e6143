//! What is accepted, and what people are told about what is not.

use rustix::process::Signal;
use sandbeat_status::settings::Settings;
use serde::Deserialize;

use super::*;
use crate::config::Policy;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tables {
    processes: BTreeMap<String, RawProcess>,
    agents: BTreeMap<String, RawProcess>,
}

/// The configuration, and the problems of reading and of checking.
fn read(text: &str) -> (Config, Vec<Problem>) {
    let settings = Settings::parse(text).unwrap();
    let (tables, mut problems) = settings.read::<Tables>();
    let tables = tables.unwrap();
    let (config, more) = resolve(tables.processes, tables.agents);
    problems.extend(more);
    (config, problems)
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect()
}

/// The only problem of a configuration.
fn only(text: &str) -> String {
    let (_, problems) = read(text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    texts(&problems).remove(0)
}

#[test]
fn the_documented_example_is_read_as_meant() {
    let (config, problems) = read(
        r#"
        [processes.web]
        command = ["python3", "-m", "http.server", "8000"]
        restart = "on-failure"                 # always | on-failure | never
        after = ["db"]
        base_url = "http://127.0.0.1:8000"
        health = { http = "http://127.0.0.1:8000/", interval = "5s" }   # or tcp = "…", or exec = […]
        stop = { signal = "TERM", timeout = "10s" }
        [agents.codex]                         # a coding agent: a process, plus what is installed of it
        command = ["codex", "app-server"]
        [processes.db]
        command = ["postgres"]
        "#,
    );
    assert_eq!(problems, []);
    let web = &config.processes["web"];
    assert_eq!((web.command.program.as_str(), web.command.args.len()), ("python3", 3));
    assert_eq!(web.after, [After { name: "db".to_owned(), until: Condition::Started }]);
    let health = web.health.as_ref().unwrap();
    assert_eq!(health.check, Check::Http("http://127.0.0.1:8000/".parse().unwrap()));
    assert_eq!((health.interval, health.timeout), (Duration::from_secs(5), Duration::from_secs(2)));
    assert_eq!((health.retries, health.start_period), (3, Duration::ZERO));
    let codex = &config.processes["codex"];
    assert_eq!((codex.kind, codex.restart), (Kind::Agent, Policy::OnFailure));
    assert_eq!((codex.stop.signal, codex.stop.timeout), (Signal::TERM, Duration::from_secs(10)));
}

#[test]
fn every_key_can_be_written() {
    let (config, problems) = read(
        r#"
        [agents.codex]
        command = ["codex"]
        cwd = "/workspace"
        env = { RUST_LOG = "info" }
        env_clear = true
        restart = "always"
        backoff = { initial = "100ms", max = "1m", stable = "5m", limit = 3, window = "1m" }
        after = ["db:ready", "migrate:completed"]
        ready = { tcp = "127.0.0.1:1", passes = 2 }
        health = { exec = ["true"], interval = "1s", timeout = "500ms", retries = 1, start_period = "30s", restart = true }
        stop = { signal = "sigint", timeout = "3s" }
        user = "nobody"
        group = "65534"
        umask = "027"
        limits = { nofile = "1024", as = "1GiB", core = "unlimited" }
        tty = true
        essential = true
        log = { file = "/var/log/codex.log", max_size = "1MiB", keep = 2, memory = "64KiB" }
        [processes.db]
        command = ["postgres"]
        [processes.migrate]
        command = ["migrate"]
        "#,
    );
    assert_eq!(problems, []);
    let codex = &config.processes["codex"];
    let until: Vec<_> = codex.after.iter().map(|after| (after.name.as_str(), after.until)).collect();
    assert_eq!(until, [("db", Condition::Ready), ("migrate", Condition::Completed)]);
    assert_eq!((codex.backoff.limit, codex.backoff.window), (3, Duration::from_secs(60)));
    assert_eq!(codex.ready.as_ref().map(|ready| ready.passes), Some(2));
    assert!(codex.essential && codex.health.as_ref().unwrap().restart);
    assert_eq!((codex.command.user.as_deref(), codex.command.group.as_deref()), (Some("nobody"), Some("65534")));
    assert_eq!((codex.command.umask, codex.command.stdio), (Some(0o27), Stdio::Terminal(Size { cols: 80, rows: 24 })));
    let limits = [(Limit::As, Some(1 << 30)), (Limit::Core, None), (Limit::Nofile, Some(1024))];
    assert_eq!(codex.command.limits, BTreeMap::from(limits));
    let log = Logging { file: Some("/var/log/codex.log".into()), max_size: 1 << 20, keep: 2, memory: 64 << 10 };
    assert_eq!(codex.log, log);
    assert!(codex.command.env_clear);
    assert_eq!(codex.backoff.max, Duration::from_secs(60));
    assert_eq!(codex.health.as_ref().unwrap().check, Check::Exec(vec!["true".into()]));
    assert_eq!(codex.stop.signal, Signal::INT);
}

#[test]
fn all_problems_are_named_at_once_with_their_keys() {
    let (config, problems) = read(
        r#"
        [processes.web]
        command = []
        after = ["bd"]
        base_url = "127.0.0.1:8000"
        backoff = { initial = "2m", max = "1s" }
        health = { tcp = "5432", retries = 0 }
        stop = { signal = "STOP" }
        env = { "A=B" = "x" }
        [processes.db]
        command = ["postgres"]
        after = ["web"]
        colour = "red"
        [agents."my codex"]
        command = ["codex"]
        "#,
    );
    let texts = texts(&problems);
    for part in [
        "processes.db.colour: unknown key",
        "agents.my codex: the name contains ' '",
        "processes.web.command: the command is missing",
        "processes.web.after.0: no process or agent is called `bd`; did you mean `db`?",
        "processes.web.base_url: `127.0.0.1:8000` is not a URL",
        "processes.web.backoff.initial: 120s is longer than backoff.max, which is 1s",
        "processes.web.health.tcp: `5432` is not an address",
        "processes.web.health.retries: 0 failures",
        "processes.web.stop.signal: `STOP` is not a signal to stop with; known: ABRT,",
        "processes.web.env: \"A=B\" cannot be a variable's name",
    ] {
        assert!(texts.iter().any(|text| text.starts_with(part)), "{part}\n{texts:#?}");
    }
    assert_eq!(texts.len(), 10, "{texts:#?}");
    let left: Vec<_> = config.processes().map(|(name, process)| (name, process.after.len())).collect();
    assert_eq!(left, [("db", 0)], "what is left can be started");
}

#[test]
fn a_base_url_can_be_reported() {
    let base_url = |url: &str| read(&format!("[processes.web]\ncommand = [\"a\"]\nbase_url = \"{url}\"")).1;
    assert_eq!(texts(&base_url(&format!("http://h/{}", "x".repeat(2039)))), [""; 0]);
    for (url, part) in [
        (format!("http://h/{}", "x".repeat(2040)), "cannot be reported: the value has 2049 bytes; 2048 are the most"),
        ("http://h/\\u007f".to_owned(), "cannot be reported: the value contains the control character"),
        ("http://h/\\u0085".to_owned(), "cannot be reported: the value contains the control character"),
        ("http://me:secret@h/".to_owned(), "a URL here must not carry a user"),
    ] {
        let problems = texts(&base_url(&url));
        assert!(problems.len() == 1 && problems[0].contains(part), "{problems:?}");
        assert!(problems[0].starts_with("processes.web.base_url: "), "{problems:?}");
    }
}

#[test]
fn a_check_is_of_one_kind_and_can_be_made() {
    let health = |health: &str| only(&format!("[processes.web]\ncommand = [\"a\"]\nhealth = {{ {health} }}"));
    assert!(health("interval = \"5s\"").contains("health: write exactly one of"));
    assert!(health("tcp = \"a:1\", exec = [\"true\"]").contains("health: write exactly one of"));
    assert!(health("http = \"https://localhost/\"").contains("health.http: only plain `http`"));
    assert!(health("http = \"http://[::1/\"").contains("health.http: `http://[::1/` is not a URL"));
    assert!(health("http = \"http://h:0/\"").contains("health.http: `http://h:0/` names no host and port"));
    assert!(health("http = \"http://me:secret@h/\"").contains("health.http: a URL here must not carry a user"));
    assert!(health("tcp = \"h:70000\"").contains("health.tcp: `h:70000` is not an address"));
    assert!(health("exec = []").contains("health.exec: the command is missing"));
    assert!(health("exec = [\"\"]").contains("health.exec: the program's name is empty"));
}

#[test]
fn what_cannot_be_meant_is_told_with_its_cure() {
    let keys = |keys: &str| only(&format!("[processes.web]\ncommand = [\"a\"]\n{keys}"));
    for (text, problem) in [
        ("umask = \"9\"", "processes.web.umask: `9` is not a mask; write up to three octal digits"),
        ("limits = { nofile = \"many\" }", "processes.web.limits.nofile: `many` is not a limit; write a number"),
        ("log = { file = \"web.log\" }", "processes.web.log.file: must be an absolute path"),
        ("log = { memory = \"1B\" }", "processes.web.log.memory: is not between 4KiB and 64MiB"),
        ("log = { max_size = \"1KiB\" }", "processes.web.log.max_size: is too small; 64KiB is the least"),
        ("after = [\"web:done\"]", "processes.web.after.0: `web:done` waits for nothing known; write `web:ready`"),
        ("ready = { tcp = \"a:1\", restart = true }", "processes.web.ready.restart: only `health` restarts"),
        ("health = { tcp = \"a:1\", passes = 0 }", "processes.web.health.passes: 0 passes show nothing"),
    ] {
        let told = keys(text);
        assert!(told.starts_with(problem), "{told}");
    }
    let named = |name: &str| only(&format!("[processes.{name}]\ncommand = [\"a\"]"));
    assert!(named("proc_7").contains("is a name that the local API gives"));
    assert!(named("config").contains("means something else in the local API"));
}

#[test]
fn a_name_is_one_processes_alone() {
    let problem = only("[processes.web]\ncommand = [\"a\"]\n[agents.web]\ncommand = [\"b\"]");
    assert_eq!(problem, "agents.web: `processes.web` has this name, too; a name is one process's alone");
}

#[test]
fn a_log_file_is_one_processes_alone() {
    let table = |name: &str| format!("[processes.{name}]\ncommand = [\"a\"]\nlog = {{ file = \"/var/log/x\" }}\n");
    let problem = only(&(table("web") + &table("db")));
    assert_eq!(problem, "processes.web.log.file: `db` writes to this file already; give each its own");
}

#[test]
fn a_cycle_is_told_with_its_members() {
    let text = r#"
        [processes.web]
        command = ["a"]
        after = ["free", "db"]
        [agents.db]
        command = ["b"]
        after = ["web"]
        [processes.free]
        command = ["c"]
        [processes.waits]
        command = ["d"]
        after = ["web"]
        "#;
    assert_eq!(only(text), "agents.db.after.0: each waits for the next, and none can start: `db` → `web` → `db`");
    let (config, _) = read(text);
    assert_eq!(config.processes().map(|(name, _)| name).collect::<Vec<_>>(), ["free", "waits"]);
    let own = only("[processes.own]\ncommand = [\"a\"]\nafter = [\"own\"]");
    assert!(own.ends_with("none can start: `own` → `own`"), "{own}");
}

#[test]
fn there_is_a_most() {
    let process = RawProcess { command: vec!["true".into()], ..RawProcess::default() };
    let many: BTreeMap<String, RawProcess> = (0..257).map(|n| (format!("p{n}"), process.clone())).collect();
    let (config, problems) = resolve(many, BTreeMap::new());
    assert_eq!(texts(&problems), ["processes: 257 processes and agents are configured; 256 are the most"]);
    assert_eq!(config.processes().count(), 256);
}
