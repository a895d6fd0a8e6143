//! The local API and the commands that ask it.

use crate::harness::{Api, FakeHub, Process, Sandbox, bundled, get, guest, metric, post, wait_for};

/// Starts an agent with its API on a free TCP port, which its log names.
fn start(sandbox: &Sandbox) -> (Process, String) {
    let agent = sandbox.start(&["run"]);
    let line = agent.says(&["local API", "127.0.0.1:"]);
    let port: String = line.split("127.0.0.1:").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    (agent, format!("http://127.0.0.1:{port}"))
}

#[test]
fn what_the_agent_knows_can_be_asked_over_http() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub)
        .env("SANDBEAT_API__LISTEN", "127.0.0.1:0")
        .config("[processes.web]\ncommand = [\"sleep\", \"1000\"]");
    sandbox.drop_collector("test", guest("one"), "");
    let (_agent, api) = start(&sandbox);
    let health = wait_for("an accepted report", || {
        let (status, health) = get(&format!("{api}/v1/health"));
        assert_eq!((status, &health["status"]), (200, &"ok".into()));
        (health["reports"]["accepted"].as_u64() > Some(0)).then_some(health)
    });
    assert_eq!(health["sandboxId"], "test");
    let (_, plugins) = get(&format!("{api}/v1/plugins"));
    assert_eq!(plugins["plugins"][0]["name"], "test");
    wait_for("an active collector", || {
        let (status, plugin) = get(&format!("{api}/v1/plugins/test"));
        assert_eq!(status, 200, "{plugin}");
        (plugin["state"] == "active").then_some(())
    });
    assert_eq!(get(&format!("{api}/v1/processes")).1["processes"][0]["id"], "web");
    assert_eq!(get(&format!("{api}/v1/report")).1["sandboxId"], "test");
    for (status, answer) in [get(&format!("{api}/v1/nothing")), get(&format!("{api}/v1/plugins/none"))] {
        assert_eq!((status, &answer["status"]), (404, &404.into()));
        assert!(answer["type"].as_str().unwrap().starts_with("urn:sandbeat:error:"), "{answer}");
    }
    assert_eq!(post(&format!("{api}/v1/health"), "text/plain", b"").0, 405);
}

#[test]
fn a_scraper_sees_what_collectors_measured_and_what_it_means() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("SANDBEAT_API__LISTEN", "127.0.0.1:0");
    sandbox.drop_collector("ten", guest("ten"), "");
    let (_agent, api) = start(&sandbox);
    hub.report("its metrics", |report| metric(report, "ten", "hw.temperature").is_some());
    let api = Api::tcp(api.strip_prefix("http://").unwrap());
    let mut answer = api.with("accept", "application/openmetrics-text").send("GET /metrics", b"");
    assert_eq!(answer.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let lines: Vec<String> = std::iter::from_fn(|| answer.line()).collect();
    for line in [
        "# HELP hw_temperature_celsius How hot a sensor says it is.",
        "# TYPE hw_temperature_celsius gauge",
        "# UNIT hw_temperature_celsius celsius",
        "hw_temperature_celsius{hw_id=\"9\",plugin=\"ten\"} 49.0",
        "sandbeat_plugin_state{plugin=\"ten\",state=\"active\"} 1.0",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line} in {lines:#?}");
    }
    assert_eq!(lines.last().map(String::as_str), Some("# EOF"));
}

#[test]
fn with_a_token_set_all_of_v1_wants_it() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub)
        .env("SANDBEAT_API__LISTEN", "127.0.0.1:0")
        .env("SANDBEAT_API__TOKEN", "sesame-sesame-sesame");
    let (_agent, api) = start(&sandbox);
    for path in ["health", "report", "plugins", "processes", "nothing"] {
        assert_eq!(get(&format!("{api}/v1/{path}")).0, 401, "{path}");
    }
    assert_eq!(get(&format!("{api}/metrics")).0, 401);
    let address = api.strip_prefix("http://").unwrap();
    let asking = sandbox.env("SANDBEAT_API__LISTEN", address);
    assert_eq!(asking.start(&["status"]).ended().status.code(), Some(0));
    let asking = asking.env("SANDBEAT_API__TOKEN", "something-else-entirely");
    let ended = asking.start(&["status"]).ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("api.token"), "{}", ended.stderr);
}

#[test]
fn the_commands_show_a_running_agent_over_a_unix_socket() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[processes.web]\ncommand = [\"sleep\", \"1000\"]");
    sandbox.drop_collector("load", bundled("load"), "").drop_collector("test", guest("one"), "");
    let _agent = sandbox.start(&["run"]);
    hub.report("both plugins", |report| {
        report["plugins"][0]["failure"] == "denied" && report["plugins"][1]["state"] == "active"
    });
    let out = |arguments: &[&str]| {
        let ended = sandbox.start(arguments).ended();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended.stdout
    };
    let status = out(&["status"]);
    assert!(status.contains("1 active, 1 failing") && status.contains("1 running"), "{status}");
    for part in ["beating    yes, for ", "accepted   ", "s ago (", " made, ", "uses       ", "memory ", &hub.url()] {
        assert!(status.contains(part), "{part} in {status}");
    }
    assert!(!status.contains("failing   "), "{status}");
    let ps = out(&["ps"]);
    assert!(ps.lines().nth(1).is_some_and(|line| line.contains("web") && line.contains("running")), "{ps}");
    let plugins = out(&["plugins"]);
    assert!(plugins.contains("denied: ") && plugins.contains("1.0.0"), "{plugins}");
    for command in ["status", "ps", "plugins"] {
        let json: serde_json::Value = serde_json::from_str(&out(&[command, "--json"])).unwrap();
        assert!(json.is_object(), "{json}");
    }
}

#[test]
fn a_status_says_what_stands_in_the_way() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_SERVER_URL", "http://127.0.0.1:9");
    let _agent = sandbox.start(&["run"]);
    let status = wait_for("a failure", || {
        let ended = sandbox.start(&["status"]).ended();
        (ended.status.code() == Some(0) && ended.stdout.contains("failing ")).then_some(ended.stdout)
    });
    for part in
        ["accepted   no report yet", "failing    refused, began ", "at http://127.0.0.1:9", "connection refused"]
    {
        assert!(status.contains(part), "{part} in {status}");
    }
}

#[test]
fn without_an_agent_the_commands_say_where_they_asked() {
    let sandbox = Sandbox::new();
    let ended = sandbox.start(&["ps"]).ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("api.sock") && ended.stderr.contains("sandbeat run"), "{}", ended.stderr);
}
