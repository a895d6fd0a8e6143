//! What a wrong configuration gets: every problem on a line of its own, and an exit code.

use crate::harness::Sandbox;

#[test]
fn all_problems_are_listed_at_once_with_key_and_cure() {
    let sandbox = Sandbox::new().config(
        "[report]\nintervall = \"3s\"\ntimeout = \"soon\"\n[processes.web]\ncommand = []\nafter = [\"bd\"]\n\
         [processes.db]\ncommand = [\"true\"]\n[processes.x]\ncommand = [\"true\"]\nafter = [\"y:ready\"]\n\
         [agents.y]\ncommand = [\"true\"]\nafter = [\"x\"]",
    );
    for arguments in [&["run"][..], &["check"]] {
        let ended = sandbox.start(arguments).ended();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let all = format!("{}\n{}", ended.stdout, ended.stderr);
        for parts in [
            ["line 2: report.intervall", "did you mean `interval`?"],
            ["line 3: report.timeout", "`30s`"],
            ["sandbox.id", "AGENT_SANDBOX_ID"],
            ["report.server_url", "AGENT_SERVER_URL"],
            ["processes.web.command", "line 5"],
            ["processes.web.after", "`db`"],
            ["processes.x.after.0", "none can start: `x` → `y` → `x`"],
        ] {
            let lines = all.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
            assert_eq!(lines, 1, "{parts:?} in\n{all}");
        }
    }
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_named() {
    let sandbox = Sandbox::new().config("[report\ninterval = 3");
    let ended = sandbox.start(&["run"]).ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("sandbeat.toml line 1"), "{}", ended.stderr);
    let ended = sandbox.start(&["run", "--config", "nowhere.toml"]).ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("nowhere.toml"), "{}", ended.stderr);
}

#[test]
fn a_bad_variable_is_named_as_it_was_set() {
    let sandbox = Sandbox::new()
        .env("AGENT_SANDBOX_ID", "no/slashes")
        .env("AGENT_SERVER_URL", "hub.example")
        .env("AGENT_REPORT_INTERVAL", "30")
        .env("SANDBEAT_PLUGIN__DIR", "x");
    let ended = sandbox.start(&["run"]).ended();
    for name in ["AGENT_SANDBOX_ID: ", "AGENT_SERVER_URL: ", "AGENT_REPORT_INTERVAL: ", "SANDBEAT_PLUGIN__DIR: "] {
        assert_eq!(ended.stderr.lines().filter(|line| line.contains(name)).count(), 1, "{name}\n{}", ended.stderr);
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let sandbox = Sandbox::new();
    for arguments in
        [&["rum"][..], &["run", "--confg", "x"], &[], &["demo", "--interval", "soon"], &["run", "--log", "a=b=c"]]
    {
        let ended = sandbox.start(arguments).ended();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.is_empty());
    }
}

#[test]
fn secrets_are_not_shown() {
    let sandbox = Sandbox::new().env("AGENT_TOKEN", "very-secret").config("[report]\nintervall = \"1s\"");
    for arguments in [&["run", "--log", "trace"][..], &["check", "--json"]] {
        let ended = sandbox.start(arguments).ended();
        assert!(!format!("{ended:?}").contains("very-secret"), "{ended:?}");
    }
}

#[test]
fn check_of_a_good_configuration_says_what_the_plugins_may_do() {
    let sandbox = Sandbox::new().env("AGENT_SANDBOX_ID", "a").env("AGENT_SERVER_URL", "http://127.0.0.1:1");
    sandbox.drop_collector("load", crate::harness::bundled("load"), "[grant]\nread = [\"/proc/loadavg\"]");
    let ended = sandbox.start(&["check"]).ended();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("plugin load"), "{}", ended.stdout);
    assert!(ended.stdout.contains("may read /proc/loadavg"), "{}", ended.stdout);

    sandbox.drop_in("broken.wasm", "not wasm");
    sandbox.drop_in("load.toml", "[grant]\nraed = []");
    let ended = sandbox.start(&["check", "--json"]).ended();
    assert_eq!(ended.status.code(), Some(1));
    let findings: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(findings["plugins"][0]["reason"], "it is not WebAssembly");
    assert!(findings["plugins"][1]["reason"].as_str().unwrap().contains("did you mean `read`?"), "{findings}");
}

#[test]
fn check_judges_a_file_for_those_whom_it_is_for() {
    let check = |config: &str| {
        let sandbox = Sandbox::new().config(config);
        // Without the environment of a sandbox, which is the agent's.
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_sandbeat"));
        check.args(["check", "--config"]).arg(sandbox.path("sandbeat.toml")).env_clear();
        let ended = check.output().expect("the binary starts");
        (ended.status.code(), String::from_utf8_lossy(&ended.stdout).into_owned())
    };
    let (code, said) = check("[hub]\nlisten = \"127.0.0.1:8080\"\nenroll = \"open\"");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("everything is fine") && !said.contains("plugins"), "{said}");

    let (code, said) = check(
        "[hub]\nlisten = \"0.0.0.0:8080\"\ntoken_overlp = \"1h\"\ndefault_interval = \"9ms\"\n\
         tls_cert = \"/nowhere/cert.pem\"\ntls_key = \"/nowhere/key.pem\"",
    );
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "line 2: hub.listen: listening on 0.0.0.0:8080",
        "line 3: hub.token_overlp: unknown key",
        "line 4: hub.default_interval: ",
        "line 5: hub.tls_cert: ",
    ] {
        assert_eq!(said.lines().filter(|line| line.contains(part)).count(), 1, "{part} in\n{said}");
    }
    assert!(!said.contains("sandbox.id"), "{said}");

    let (code, said) = check("[hub]\nsnapshot_interval = \"never\"\n[report]\nserver_url = \"http://127.0.0.1:1\"");
    assert_eq!(code, Some(1), "{said}");
    for part in ["hub.snapshot_interval", "sandbox.id"] {
        assert_eq!(said.lines().filter(|line| line.contains(part)).count(), 1, "{part} in\n{said}");
    }
}

#[test]
fn a_variable_that_is_not_text_is_nobody_s_business() {
    use std::os::unix::ffi::OsStrExt;
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_sandbeat"))
        .arg("check")
        .current_dir("/")
        .env("STRANGE", std::ffi::OsStr::from_bytes(b"\xff\xfe"))
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_hub_that_cannot_start_as_it_is_told_to_says_how_it_can() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("key"), "an-admin-key-for-this-test\n").unwrap();
    for address in [":8080", "localhost:8080", "18152"] {
        let ended = sandbox.start(&["hub", "--listen", address]).ended();
        let cure = format!("`{address}` is not an IP address with a port; write one such as `127.0.0.1:8080`");
        assert!(ended.status.code() == Some(2) && ended.stderr.contains(&cure), "{}", ended.stderr);
    }
    let ended = sandbox.start(&["hub", "--listen", "0.0.0.0:0"]).ended();
    assert!(ended.stderr.starts_with("error: --listen: hub.listen: listening on 0.0.0.0:0"), "{}", ended.stderr);
    assert!(ended.stderr.contains("`--admin-key-file`"), "{}", ended.stderr);
    let hub = sandbox.start(&["hub", "--listen", "0.0.0.0:0", "--admin-key-file", "key"]);
    hub.says(&["the hub listens"]);
    drop(hub);
    let written = sandbox.config("[hub]\nlisten = \"127.0.0.1:0\"\nadmin_key = \"a-key-that-the-flag-replaces\"");
    written.start(&["hub", "--admin-key-file", "key"]).says(&["the hub listens"]);
    let ended = written.start(&["hub", "--admin-key-file", "nowhere"]).ended();
    assert!(
        ended.stderr.starts_with("error: --admin-key-file: hub.admin_key_file: nowhere cannot"),
        "{}",
        ended.stderr
    );
}
