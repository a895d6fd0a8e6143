//! The commands that show and control supervised processes.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{FakeHub, Process, Sandbox, wait_for};

/// A running agent that answers on its socket.
fn start(sandbox: &Sandbox) -> Process {
    let agent = sandbox.start(&["run"]);
    agent.says(&["local API"]);
    agent
}

/// What a command prints, and its exit code.
fn out(sandbox: &Sandbox, arguments: &[&str]) -> (i32, String, String) {
    let ended = sandbox.start(arguments).ended();
    (ended.status.code().unwrap(), ended.stdout, ended.stderr)
}

/// Waits until `ps` has a line for a process that contains all parts.
fn ps_shows(sandbox: &Sandbox, name: &str, parts: &[&str]) -> String {
    wait_for(&format!("{name} {parts:?}"), || {
        let (_, stdout, _) = out(sandbox, &["ps"]);
        let line = stdout.lines().find(|line| line.split_whitespace().next() == Some(name))?.to_owned();
        parts.iter().all(|part| line.contains(part)).then_some(line)
    })
}

#[test]
fn processes_are_shown_stopped_started_and_restarted() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config(
        "[processes.web]\ncommand = [\"sleep\", \"1000\"]\n\
         [processes.db]\ncommand = [\"sleep\", \"1000\"]\n\
         [processes.bad]\ncommand = [\"false\"]\nbackoff = { initial = \"1h\", max = \"1h\" }",
    );
    let _agent = start(&sandbox);
    ps_shows(&sandbox, "web", &["running", "ready"]);
    ps_shows(&sandbox, "bad", &["error", "backing-off (", "m)"]);

    let (code, status, _) = out(&sandbox, &["status"]);
    assert_eq!(code, 0);
    assert!(status.contains("1 error, 2 running") && status.contains("bad: starts again in "), "{status}");

    let (code, stdout, _) = out(&sandbox, &["stop", "web", "db"]);
    assert_eq!((code, stdout.as_str()), (0, "web: stopped\ndb: stopped"));
    ps_shows(&sandbox, "web", &["stopped", "exited"]);
    let (code, stdout, _) = out(&sandbox, &["start", "web"]);
    assert!(code == 0 && stdout.starts_with("web: running with pid "), "{stdout}");
    let before = ps_shows(&sandbox, "web", &["running"]);
    let (code, stdout, _) = out(&sandbox, &["restart", "web", "--json"]);
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &json["processes"][0]["state"]), (0, &"running".into()));
    assert_ne!(before.split_whitespace().nth(3).unwrap(), json["processes"][0]["pid"].to_string());

    let (code, stdout, stderr) = out(&sandbox, &["start", "bad", "wbe", "db"]);
    assert_eq!(code, 1);
    assert!(stdout.starts_with("db: running"), "{stdout}");
    let errors: Vec<&str> = stderr.lines().collect();
    assert!(errors[0].starts_with("error: bad: ") && errors[0].contains('1'), "{stderr}");
    assert!(errors[1].ends_with("did you mean `web`?"), "{stderr}");
    for usage in [&["stop"][..], &["stop", ""], &["restart", "web", ""], &["logs", ""]] {
        assert_eq!(out(&sandbox, usage).0, 2, "{usage:?}");
    }
    assert_eq!(out(&sandbox, &["stop", "../../web"]).0, 1);
}

#[test]
fn several_are_asked_for_at_the_same_time_and_told_of_in_the_order_of_their_names() {
    let hub = FakeHub::start();
    // The first one named ends only when the second one has been asked to.
    let sandbox = Sandbox::reporting_to(&hub).config(
        "[processes.first]\nstop = { timeout = \"60s\" }\n\
         command = [\"sh\", \"-c\", \"trap 'until [ -e second-asked ]; do sleep 0.02; done; exit' TERM; echo up; \
         while :; do sleep 0.05; done\"]\n\
         [processes.second]\n\
         command = [\"sh\", \"-c\", \"trap 'touch second-asked; exit' TERM; echo up; while :; do sleep 0.05; done\"]",
    );
    let _agent = start(&sandbox);
    for name in ["first", "second"] {
        wait_for("its first line", || out(&sandbox, &["logs", name]).1.contains("up").then_some(()));
    }
    let (code, stdout, stderr) = out(&sandbox, &["stop", "first", "nobody", "second"]);
    assert_eq!((code, stdout.as_str()), (1, "first: stopped\nsecond: stopped"), "{stderr}");
    assert!(stderr.starts_with("error: nobody: no process is called that"), "{stderr}");
}

#[test]
fn a_file_that_is_no_toml_keeps_nobody_from_asking() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[processes.web]\ncommand = [\"sleep\", \"1000\"]");
    let _agent = start(&sandbox);
    ps_shows(&sandbox, "web", &["running"]);
    std::fs::write(sandbox.path("sandbeat.toml"), "[processes.web\n").unwrap();
    let (code, stdout, stderr) = out(&sandbox, &["ps"]);
    assert!(code == 0 && stdout.contains("web"), "{stdout}{stderr}");
    assert!(stderr.starts_with("warning: sandbeat.toml line 1: ") && stderr.lines().count() == 1, "{stderr}");
    assert_eq!(out(&sandbox, &["stop", "web"]).1, "web: stopped");
    // What is changed by a file is refused with it.
    assert_eq!(out(&sandbox, &["check"]).0, 1);
}

#[test]
fn a_status_as_json_is_the_whole_screen() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[processes.web]\ncommand = [\"sleep\", \"1000\"]");
    let _agent = start(&sandbox);
    ps_shows(&sandbox, "web", &["running"]);
    let (code, stdout, _) = out(&sandbox, &["status", "--json"]);
    let status: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &status["status"], &status["plugins"]), (0, &"ok".into(), &Value::Array(Vec::new())));
    assert_eq!((&status["processes"][0]["id"], &status["processes"][0]["state"]), (&"web".into(), &"running".into()));
}

#[test]
fn a_stop_that_takes_too_long_is_said() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config(
        "[processes.deaf]\ncommand = [\"sh\", \"-c\", \"trap '' TERM; echo up; while :; do sleep 1; done\"]\n\
         stop = { timeout = \"2s\" }",
    );
    let _agent = start(&sandbox);
    wait_for("its first line", || out(&sandbox, &["logs", "deaf"]).1.contains("up").then_some(()));
    let (code, _, stderr) = out(&sandbox, &["stop", "deaf", "--wait", "100ms"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("deaf: still stopping with pid "), "{stderr}");
    let (code, stdout, stderr) = out(&sandbox, &["stop", "deaf"]);
    assert_eq!((code, stdout.as_str()), (0, "deaf: stopped"), "{stderr}");
}

#[test]
fn logs_are_as_written_and_picked_out() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config(
        "[processes.talk]\ncommand = [\"sh\", \"-c\", \"echo one; sleep 0.2; echo two >&2; sleep 0.2; printf three\"]\n\
         restart = \"never\"",
    );
    let _agent = start(&sandbox);
    ps_shows(&sandbox, "talk", &["exited"]);
    // Of one that has ended, a follow ends at once.
    let (code, stdout, stderr) = out(&sandbox, &["logs", "talk", "--follow"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "one\nthree", "two"));
    assert_eq!(out(&sandbox, &["logs", "talk", "--stream", "stderr"]), (0, String::new(), "two".to_owned()));
    assert_eq!(out(&sandbox, &["logs", "talk", "--tail", "1"]).1, "three");
    assert_eq!(out(&sandbox, &["logs", "talk", "--since", "2"]).1, "three");
    assert_eq!(out(&sandbox, &["logs", "talk", "--since", "2999-01-01T00:00:00Z"]).1, "");
    assert_eq!(out(&sandbox, &["logs", "talk", "--since", "1h", "--tail", "1"]).1, "three");
    let (_, stamped, _) = out(&sandbox, &["logs", "talk", "--timestamps"]);
    assert!(stamped.starts_with("20") && stamped.contains("Z one\n"), "{stamped}");
    let (_, json, _) = out(&sandbox, &["logs", "talk", "--json"]);
    let entries: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 3);
    assert_eq!((&entries[1]["sequence"], &entries[1]["stream"]), (&2.into(), &"stderr".into()));
    let (code, _, stderr) = out(&sandbox, &["logs", "tlak"]);
    assert!(code == 1 && stderr.contains("did you mean `talk`?"), "{stderr}");
    assert_eq!(out(&sandbox, &["logs", "talk", "--since", "soon"]).0, 2);
}

#[test]
fn a_follow_goes_on_until_it_is_interrupted_or_the_process_is_over() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub)
        .config("[processes.clock]\ncommand = [\"sh\", \"-c\", \"while :; do echo tick; sleep 0.05; done\"]");
    let _agent = start(&sandbox);
    let follows = |follower: &Process| {
        let seen = follower.stdout().len();
        wait_for("more ticks", || (follower.stdout().len() > seen + 2).then_some(()));
    };
    let (interrupted, ending) = (sandbox.start(&["logs", "-f", "clock"]), sandbox.start(&["logs", "-f", "clock"]));
    follows(&interrupted);
    follows(&ending);
    interrupted.signal(Signal::INT);
    let ended = interrupted.ended();
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(out(&sandbox, &["stop", "clock"]).0, 0);
    let ended = ending.ended();
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn whoever_has_read_enough_ends_the_logs_quietly() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub)
        .config("[processes.clock]\ncommand = [\"sh\", \"-c\", \"while :; do echo tick; sleep 0.01; done\"]");
    let _agent = start(&sandbox);
    let socket = format!("unix:{}", sandbox.path("api.sock").display());
    let ended = std::process::Command::new("sh")
        .args(["-c", "{ \"$0\" logs -f clock; echo code $? >&2; } | head -n 1", env!("CARGO_BIN_EXE_sandbeat")])
        .env("SANDBEAT_API__LISTEN", socket)
        .current_dir(sandbox.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "tick\n");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "code 0\n");
}

#[test]
fn a_reload_is_told_in_words() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[processes.a]\ncommand = [\"sleep\", \"1000\"]");
    let _agent = start(&sandbox);
    assert_eq!(out(&sandbox, &["reload"]), (0, "nothing changed".to_owned(), String::new()));
    let sandbox = sandbox.config("[processes.b]\ncommand = [\"sleep\", \"1000\"]");
    assert_eq!(out(&sandbox, &["reload"]), (0, "added b; 1 unchanged".to_owned(), String::new()));
    std::fs::write(sandbox.path("sandbeat.toml"), "[processes.a]\ncommand = []\n[processes.c]\n").unwrap();
    let asking = sandbox.start(&["reload", "--config", "/dev/null"]).ended();
    assert_eq!(asking.status.code(), Some(1));
    for part in ["refused whole", "processes.a.command", "processes.c.command"] {
        assert!(
            asking.stderr.lines().any(|line| line.starts_with("error: ") && line.contains(part)),
            "{}",
            asking.stderr
        );
    }
}
