//! The commands that ask a running hub.

mod list;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Process, Sandbox, post, wait_for};

/// A hub on a free port, and what asks it.
struct Fleet {
    sandbox: Sandbox,
    hub: Process,
    url: String,
}

/// Starts one without a key.
fn start(arguments: &[&str]) -> Fleet {
    start_in(Sandbox::new(), arguments)
}

/// Starts one with the sandbox's configuration.
fn start_in(sandbox: Sandbox, arguments: &[&str]) -> Fleet {
    let mut all = vec!["hub", "--listen", "127.0.0.1:0"];
    all.extend(arguments);
    let hub = sandbox.start(&all);
    let line = hub.says(&["the hub listens", "address="]);
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    let url = format!("http://{address}");
    let sandbox = sandbox.env("SANDBEAT_HUB_URL", &url);
    Fleet { sandbox, hub, url }
}

impl Fleet {
    /// What a command says, and its exit code.
    fn asks(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut all = vec!["hub"];
        all.extend(arguments);
        let ended = self.sandbox.start(&all).ended();
        (ended.status.code().unwrap(), ended.stdout, ended.stderr)
    }

    /// What one prints that must go well.
    #[track_caller]
    fn prints(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.asks(arguments);
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        stdout
    }

    /// Posts a report with more fields to an open hub.
    fn reports(&self, id: &str, more: Value) {
        let mut report = json!({"sandboxId": id, "status": "running", "uptimeSecs": 7200, "hostname": format!("host-{id}"),
                                "timestamp": "2026-11-20T12:00:00Z"});
        report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let url = format!("{}/api/v1/sandboxes/{id}/status", self.url);
        let (status, answer) = post(&url, "application/json", report.to_string().as_bytes());
        assert_eq!(status, 200, "{answer}");
    }
}

#[test]
fn one_sandbox_is_shown_on_one_screen() {
    let fleet = start(&["--enroll", "open"]);
    fleet.reports(
        "s",
        json!({"cpuPercent": 12.5, "memoryMB": 512, "intervalSecs": 30.0, "metadata": {"git.branch": "main"},
               "agentVersion": "0.1.0", "resources": {"memoryLimitMB": 2048, "cpuLimitCores": 2.0},
               "processes": {"web": {"status": "running", "restartCount": 0},
                             "db": {"status": "error", "restartCount": 3, "lastError": "exited\u{1b}[31m with 1"}},
               "plugins": [{"name": "net", "state": "active"},
                           {"name": "bad", "state": "quarantined", "reason": "it trapped"}]}),
    );
    let screen = fleet.prints(&["get", "s"]);
    for part in [
        "sandbox    s, registered ",
        "liveness   live, since ",
        " from 127.0.0.1 (host host-s), every 30 s",
        "agent      0.1.0, up 2h",
        "uses       cpu 12.5% of 2 CPU, memory 512 MiB of 2.00 GiB (25%)",
        "reported   git.branch=main",
        "processes  1 error, 1 running",
        "db: exited\\u{1b}[31m with 1 (restarts: 3)",
        "collectors 1 active, 1 quarantined",
        "bad: quarantined: it trapped",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert!(!screen.contains('\u{1b}'), "nothing that a sandbox says reaches the terminal as it is: {screen}");
    let json: Value = serde_json::from_str(&fleet.prints(&["get", "s", "--json"])).unwrap();
    let sandbox = &json["sandbox"];
    assert_eq!((&sandbox["id"], &sandbox["processes"]["db"]["restartCount"]), (&json!("s"), &json!(3)));
    let (code, _, stderr) = fleet.asks(&["get", "none"]);
    assert_eq!(code, 1);
    assert_eq!(stderr, "error: none: the hub has no sandbox with this id");
    assert_eq!(fleet.asks(&["get", "a/b"]).0, 2);
    for arguments in [&["events", "none"][..], &["events", "none", "--follow"], &["token", "none"]] {
        let (code, _, stderr) = fleet.asks(arguments);
        assert_eq!((code, stderr.as_str()), (1, "error: none: the hub has no sandbox with this id"), "{arguments:?}");
    }
}

#[test]
fn a_sandbox_is_added_given_a_new_token_and_removed() {
    let fleet = start(&[]);
    let first = fleet.prints(&["add", "s", "--name", "one", "--image", "debian:12"]);
    assert_eq!(first.len(), 64, "the token alone: {first}");
    let (code, stdout, stderr) = fleet.asks(&["add", "s"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("registered already"), "{stderr}");
    let made: Value = serde_json::from_str(&fleet.prints(&["add", "--json"])).unwrap();
    assert_eq!(made["token"].as_str().unwrap().len(), 64);

    let (code, second, stderr) = fleet.asks(&["token", "s", "--overlap", "10m"]);
    assert_eq!((code, second.len()), (0, 64));
    assert!(stderr.contains("the token before this one goes on until 2"), "{stderr}");
    let (_, third, stderr) = fleet.asks(&["token", "s", "--overlap", "0s"]);
    assert!(stderr.contains("the token before this one has ended"), "{stderr}");
    assert!(first != second && second != third);
    let (code, _, stderr) = fleet.asks(&["token", "s", "--overlap", "721h"]);
    assert!(code == 1 && stderr.contains("overlapSecs"), "{stderr}");
    // The agent reports with the last one, and with no other.
    let agent = |token: &str| {
        let sandbox = Sandbox::new()
            .env("AGENT_SERVER_URL", &fleet.url)
            .env("AGENT_SANDBOX_ID", "s")
            .env("AGENT_TOKEN", token)
            .env("AGENT_REPORT_INTERVAL", "100ms");
        let agent = sandbox.start(&["run"]);
        (sandbox, agent)
    };
    let (_sandbox, refused) = agent(&second);
    refused.says(&["401"]);
    drop(refused);
    let (_sandbox, _agent) = agent(&third);
    wait_for("a live sandbox", || fleet.prints(&["get", "s"]).contains("liveness   live").then_some(()));

    let other = made["sandbox"]["id"].as_str().unwrap();
    let (code, stdout, stderr) = fleet.asks(&["rm", "none", other]);
    assert_eq!((code, stdout), (1, format!("{other}: deleted")));
    assert!(stderr.contains("none: the hub has no sandbox with this id"), "{stderr}");
    assert_eq!(fleet.prints(&["rm", "s"]), "s: deleted");
    assert_eq!(fleet.asks(&["rm"]).0, 2);
}

#[test]
fn events_are_printed_the_oldest_first_and_narrowed() {
    let fleet = start(&["--enroll", "open"]);
    fleet.prints(&["add", "a"]);
    let failing = json!({"bootId": "b", "seq": 1, "processes": {
        "web": {"status": "error", "restartCount": 1, "lastError": "exited\u{1b}[31m with code 1"}}});
    fleet.reports("b", failing);
    let events = |arguments: &[&str]| {
        let mut all = vec!["events"];
        all.extend(arguments);
        let stdout = fleet.prints(&all);
        stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = events(&[]);
    assert!(all.len() >= 4 && all[0].contains("  registered           a"), "{all:#?}");
    let failed = all.iter().find(|line| line.contains("process-failed")).unwrap();
    assert!(failed.contains("  b  web") && !failed.contains('\u{1b}'), "{failed:?}");
    assert_eq!(events(&["a"]).len(), 1);
    assert_eq!(events(&["--type", "registered"]).len(), 2);
    assert_eq!(events(&["--type", "registered,reported"]).len(), 3);
    assert_eq!(events(&["-n", "1"]), all[all.len() - 1..]);
    assert_eq!(events(&["--since", "1h"]), all);
    let json: Vec<Value> = events(&["--json"]).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&json[0]["type"], &json[0]["sandboxId"]), (&json!("registered"), &json!("a")));
    assert_eq!(events(&["--since", &json[0]["id"].to_string()]), all[1..]);
    let (code, _, stderr) = fleet.asks(&["events", "--type", "odd"]);
    assert!(code == 1 && stderr.contains("type: `odd` is none of"), "{stderr}");
    assert_eq!(fleet.asks(&["events", "none"]).0, 1);
}

#[test]
fn events_are_followed_even_when_the_hub_is_gone_for_a_while() {
    let Fleet { sandbox, hub, url } = start(&[]);
    let add = |id: &str| assert_eq!(sandbox.start(&["hub", "add", id]).ended().status.code(), Some(0));
    add("a");
    let following = sandbox.start(&["hub", "events", "--follow", "--type", "registered"]);
    let prints = |id: &str| {
        let end = format!("  registered           {id}");
        wait_for(&end, || following.stdout().iter().any(|line| line.ends_with(&end)).then_some(()));
    };
    prints("a");
    add("b");
    prints("b");
    hub.signal(Signal::TERM);
    assert_eq!(hub.ended().status.code(), Some(0), "one who follows does not keep it");
    following.says(&["trying until it is there again"]);
    let again = sandbox.start(&["hub", "--listen", url.trim_start_matches("http://")]);
    again.says(&["the hub listens"]);
    following.says(&["the hub is there again"]);
    add("c");
    prints("c");
    assert_eq!(following.stdout().len(), 3, "{:?}", following.stdout());
    following.signal(Signal::INT);
    assert_eq!(following.ended().status.code(), Some(0));
}

#[test]
fn what_is_in_the_way_is_told_with_its_cure() {
    let sandbox = Sandbox::new().config("[hub]\nadmin_key_file = \"key\"");
    std::fs::write(sandbox.path("key"), "an-admin-key-for-this-test\n").unwrap();
    let fleet = start_in(sandbox, &[]);
    let (code, _, stderr) = fleet.asks(&["ls"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("--key-file") && stderr.contains("SANDBEAT_HUB_KEY"), "{stderr}");
    let (code, _, stderr) = fleet.asks(&["ls", "--key-file", "key"]);
    assert_eq!(code, 0, "{stderr}");
    std::fs::write(fleet.sandbox.path("wrong"), "another-admin-key-here\n").unwrap();
    let (_, _, stderr) = fleet.asks(&["ls", "--key-file", "wrong"]);
    assert_eq!(stderr, "error: the key in wrong (--key-file) is not the hub's admin key");
    let by_variables = |variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sandbeat"));
        command.args(["hub", "ls"]).current_dir(fleet.sandbox.path("")).env("SANDBEAT_HUB_URL", &fleet.url);
        let ended = command.envs(variables.iter().copied()).output().expect("the binary starts");
        String::from_utf8(ended.stderr).unwrap()
    };
    let (key, file) = ("SANDBEAT_HUB_KEY", "SANDBEAT_HUB_KEY_FILE");
    let stderr = by_variables(&[(file, "wrong")]);
    assert_eq!(stderr, "error: the key in wrong (SANDBEAT_HUB_KEY_FILE) is not the hub's admin key\n");
    let stderr = by_variables(&[(key, "another-admin-key-here")]);
    assert_eq!(stderr, "error: the key in SANDBEAT_HUB_KEY is not the hub's admin key\n");
    let stderr = by_variables(&[(file, "key"), (key, "another-admin-key-here")]);
    assert!(stderr.contains("SANDBEAT_HUB_KEY_FILE and SANDBEAT_HUB_KEY are both set"), "{stderr}");
    let (_, _, stderr) = fleet.asks(&["ls", "--key-file", "nowhere"]);
    assert!(stderr.contains("cannot read the key file nowhere"), "{stderr}");
    let (code, _, stderr) = fleet.asks(&["ls", "--url", "http://127.0.0.1:9"]);
    assert!(
        code == 1 && stderr.contains("no hub answers at http://127.0.0.1:9 (") && stderr.contains("--url"),
        "{stderr}"
    );
    let (_, _, stderr) = fleet.asks(&["ls", "--url", "hub.example"]);
    assert!(stderr.contains("is no address of a hub"), "{stderr}");
    let (_, _, stderr) = fleet.asks(&["ls", "--url", "http://hub.example/foo/"]);
    assert!(
        stderr.contains("`http://hub.example/foo` has a path") && stderr.ends_with("write `http://hub.example`"),
        "{stderr}"
    );
    let https = fleet.url.replace("http:", "https:");
    let (_, _, stderr) = fleet.asks(&["ls", "--url", &https]);
    assert!(stderr.contains("does not speak https"), "{stderr}");
}

#[test]
fn a_hub_with_a_certificate_of_its_own_is_asked_over_tls() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/host/collectors/src/http/tests/data");
    let (certificate, key) = (format!("{data}/certificate.pem"), format!("{data}/key.pem"));
    let fleet = start(&["--tls-cert", &certificate, "--tls-key", &key]);
    let https = fleet.url.replace("http:", "https:");
    let trusting = ["--url", &https, "--ca-file", &certificate];
    fleet.prints(&[&["add", "s"], &trusting[..]].concat());
    assert!(fleet.prints(&[&["ls"], &trusting[..]].concat()).contains("never-reported"));
    let (code, _, stderr) = fleet.asks(&["ls", "--url", &https]);
    assert!(code == 1 && stderr.contains("--ca-file"), "{stderr}");
    let other = https.replace("127.0.0.1", "127.0.0.2");
    let (code, _, stderr) = fleet.asks(&["ls", "--url", &other, "--ca-file", &certificate]);
    assert!(code == 1 && stderr.contains("127.0.0.2"), "{stderr}");
    let (code, _, stderr) = fleet.asks(&["ls", "--ca-file", &key]);
    assert!(code == 1 && stderr.contains("there is no certificate in"), "{stderr}");
    let (code, _, stderr) = fleet.asks(&["ls"]);
    assert!(code == 1 && stderr.contains("use an https URL"), "{stderr}");
}

#[test]
fn a_certificate_that_is_an_authoritys_own_is_told_in_plain_words() {
    let sandbox = Sandbox::new();
    let (certificate, key) = (sandbox.path("ca.pem"), sandbox.path("ca.key"));
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pair = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    let fleet = start_in(sandbox, &["--tls-cert", "ca.pem", "--tls-key", "ca.key"]);
    fleet.hub.says(&["WARN", "hub.tls_cert", "an authority's own (CA:TRUE)", "CA:FALSE"]);
    let https = fleet.url.replace("http:", "https:");
    let (code, _, stderr) = fleet.asks(&["ls", "--url", &https, "--ca-file", "ca.pem"]);
    assert!(code == 1 && stderr.contains("is an authority's own (CA:TRUE), not a server's"), "{stderr}");
    assert!(!stderr.contains("CaUsedAsEndEntity"), "{stderr}");
}
