//! The local API as a client inside the sandbox sees it.

use serde_json::json;

use crate::support::agent::Builder;
use crate::support::eventually;
use crate::support::http::{Message, ask};
use crate::support::hub::{Answer, Hub};
use sandbeat_agent::{Listen, Listener};

/// What a problem's body must have, and its type.
fn problem(message: &Message) -> String {
    assert_eq!(message.header("content-type"), "application/problem+json");
    let body = message.json();
    assert_eq!(body["status"], message.status());
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    body["type"].as_str().unwrap().strip_prefix("urn:sandbeat:error:").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_ok_and_how_reports_fare() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).start().await;
    agent.health("acceptance", |reports| reports["accepted"].as_u64() >= Some(2)).await;
    let health = agent.get("/v1/health").await;
    assert_eq!(health["status"], "ok");
    assert_eq!(health["sandboxId"], "sbox-1");
    // What this machine does not tell of a sandbox is named; what every machine tells is not.
    let named: Vec<_> = health["unavailable"].as_array().unwrap().iter().map(|missing| &missing["figure"]).collect();
    assert!(!named.iter().any(|figure| *figure == "cpuPercent" || *figure == "memoryMB"), "{named:?}");
    assert!(health["beatingSince"].is_string() && health["reports"]["lastAccepted"].is_string(), "{health}");
    assert_eq!(health["bootId"], hub.received()[0].report["bootId"]);
    assert_eq!(health["serverUrl"], hub.url());
    assert!(health["reports"]["lastAcceptedSeq"].as_u64() >= Some(2), "{health}");
    assert_eq!((&health["reports"]["failures"], &health["reports"]["givenUp"]), (&json!({}), &0.into()));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_and_processes_are_listed() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url())
        .plugin("junk.wasm", b"no component")
        .process("sleeper", &["sleep", "600"])
        .start()
        .await;
    let plugin = eventually("the plugin's verdict", || async {
        let list = agent.get("/v1/plugins").await;
        list["plugins"].as_array().unwrap().iter().find(|plugin| plugin["state"] == "rejected").cloned()
    })
    .await;
    assert_eq!(plugin["name"], "junk");
    assert_eq!(agent.get("/v1/plugins/junk").await, plugin);
    let process = eventually("the process", || async {
        let list = agent.get("/v1/processes").await;
        list["processes"].as_array().unwrap().iter().find(|process| process["status"] == "running").cloned()
    })
    .await;
    assert_eq!((&process["id"], &process["restartCount"]), (&json!("sleeper"), &json!(0)));
    hub.wait("the plugin in a report", |all| all.iter().any(|one| one.report["plugins"][0]["name"] == "junk")).await;
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_loaded_again_when_asked_to() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent =
        Builder::new(&hub.url()).plugin("junk.wasm", b"no component").plugin("bad name.wasm", b"").start().await;
    let reloaded = || async {
        let plugin = agent.get("/v1/plugins/junk").await;
        plugin["lastReload"]["at"].as_str().map(str::to_owned)
    };
    let before = eventually("the first load", reloaded).await;
    eventually("the bad name", || async { agent.get("/v1/plugins/bad%20name").await.get("reason").cloned() }).await;
    for (request, status, kind) in [
        ("POST /v1/plugins/nobody/reload", 404, "plugin_not_found"),
        ("POST /v1/plugins/bad%20name/reload", 409, "plugin_not_reloadable"),
        ("POST /v1/plugins/%ff/reload", 400, "bad_path"),
        ("GET /v1/plugins/junk/reload", 405, "method_not_allowed"),
        ("POST /v1/plugins/junk", 405, "method_not_allowed"),
    ] {
        let answer = agent.ask(request, &[]).await;
        assert_eq!((answer.status(), problem(&answer).as_str()), (status, kind), "{request}");
    }
    assert_eq!(agent.ask("GET /v1/plugins/junk/reload", &[]).await.header("allow"), "POST");

    let own = agent.address().to_string();
    for headers in [
        vec![("host", own.as_str()), ("origin", "http://evil.example")],
        vec![("host", own.as_str()), ("origin", "null")],
        vec![("host", own.as_str()), ("origin", "http://127.0.0.1:1")],
        vec![("host", "evil.example"), ("origin", "http://evil.example")],
        vec![("sec-fetch-site", "same-site")],
    ] {
        let answer = agent.ask("POST /v1/plugins/junk/reload", &headers).await;
        assert_eq!(answer.status(), 403, "{headers:?}");
        problem(&answer);
    }
    assert_eq!(reloaded().await, Some(before.clone()), "nobody was let through");

    let answer = agent.ask("POST /v1/plugins/junk/reload", &[]).await;
    assert_eq!((answer.status(), &answer.json()["state"]), (200, &json!("rejected")));
    assert_eq!(answer.json()["lastReload"]["result"], "refused");
    assert!(answer.json()["lastReload"]["at"].as_str() > Some(before.as_str()), "{}", answer.json());
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_takes_long_is_answered_before_its_end() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let empty = b"\0asm\x0d\0\x01\0";
    let agent = Builder::new(&hub.url()).plugin("slow.wasm", empty).slow_compiler().start().await;
    eventually("the plugin", || async { agent.get("/v1/plugins/slow").await.get("name").cloned() }).await;
    let answer = agent.ask("POST /v1/plugins/slow/reload", &[]).await;
    assert_eq!((answer.status(), &answer.json()["state"]), (202, &json!("compiling")));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_problems() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).start().await;
    for (request, status, kind) in [
        ("GET /v1/nothing", 404, "not_found"),
        ("GET /", 404, "not_found"),
        ("GET /v1/plugins/nobody", 404, "plugin_not_found"),
        ("GET /v1/plugins/%ff", 400, "bad_path"),
        ("POST /v1/health", 405, "method_not_allowed"),
    ] {
        let answer = agent.ask(request, &[]).await;
        assert_eq!((answer.status(), problem(&answer).as_str()), (status, kind), "{request}");
    }
    assert!(agent.ask("POST /v1/health", &[]).await.header("allow").contains("GET"));
    for headers in [[("host", "evil.example")], [("origin", "http://evil.example")], [("sec-fetch-site", "cross-site")]]
    {
        let answer = agent.ask("GET /v1/health", &headers).await;
        assert_eq!(answer.status(), 403, "{headers:?}");
        problem(&answer);
    }
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_everything_wants_it() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent =
        Builder::new(&hub.url()).with(|sections| sections.api.token = Some("k3y".to_owned().into())).start().await;
    for path in ["/v1/health", "/v1/report", "/metrics", "/v1/plugins", "/v1/processes", "/v1/nothing"] {
        for headers in [vec![], vec![("authorization", "Bearer k3")]] {
            let answer = agent.ask(&format!("GET {path}"), &headers).await;
            assert_eq!((answer.status(), problem(&answer).as_str()), (401, "unauthorized"), "{path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    let answer = agent.ask("GET /v1/health", &[("authorization", "Bearer k3y"), ("host", "sandbox.example")]).await;
    assert_eq!(answer.status(), 200);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_serves_and_goes() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("api.sock");
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let listen = format!("unix:{}", path.display());
    let agent = Builder::new(&hub.url()).with(|sections| sections.api.listen = listen).start().await;
    assert_eq!(agent.socket(), path);
    assert_eq!(agent.ask("GET /v1/health", &[("host", "any.name")]).await.json()["status"], "ok");
    let taken = Listener::bind(&Listen::Unix(path.clone())).await;
    assert!(taken.is_err(), "somebody listens there");
    agent.stop().await.unwrap();
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_hold_up_neither_others_nor_the_end() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).start().await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(tokio::net::TcpStream::connect(agent.address()).await.unwrap());
    }
    let stream = tokio::net::TcpStream::connect(agent.address()).await.unwrap();
    assert_eq!(ask(stream, "GET /v1/health", &[]).await.status(), 200);
    agent.stop().await.unwrap();
}

/// Every route there is. One that is added is described where it is written, and named here.
const ROUTES: [&str; 25] = [
    "DELETE /v1/processes/{id}",
    "GET /metrics",
    "GET /openapi.json",
    "GET /v1/agents",
    "GET /v1/agents/{id}",
    "GET /v1/health",
    "GET /v1/plugins",
    "GET /v1/plugins/{name}",
    "GET /v1/processes",
    "GET /v1/processes/config",
    "GET /v1/processes/{id}",
    "GET /v1/processes/{id}/logs",
    "GET /v1/processes/{id}/terminal/ws",
    "GET /v1/report",
    "POST /v1/plugins/{name}/reload",
    "POST /v1/processes",
    "POST /v1/processes/config",
    "POST /v1/processes/run",
    "POST /v1/processes/{id}/input",
    "POST /v1/processes/{id}/kill",
    "POST /v1/processes/{id}/restart",
    "POST /v1/processes/{id}/start",
    "POST /v1/processes/{id}/stop",
    "POST /v1/processes/{id}/terminal/resize",
    "POST /v1/reload",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_and_every_route_answers() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).process("one", &["sleep", "600"]).start().await;
    let description = agent.get("/openapi.json").await;
    let paths = description["paths"].as_object().unwrap().iter();
    let methods = |(path, methods): (&String, &serde_json::Value)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    let mut described: Vec<String> = paths.flat_map(methods).collect();
    described.sort();
    assert_eq!(described, ROUTES);
    for route in &described {
        let answer = agent.ask(&route.replace("{id}", "one").replace("{name}", "nobody"), &[]).await;
        let is_problem = answer.header("content-type") == "application/problem+json";
        let kind = if is_problem { problem(&answer) } else { Default::default() };
        assert!(!["not_found", "method_not_allowed"].contains(&kind.as_str()), "{route}: {kind}");
    }
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            for status in ["401", "403", "405"] {
                assert!(responses.contains_key(status), "{method} {path} says nothing of {status}");
            }
            assert!(operation["security"][0]["token"].is_array(), "{method} {path}");
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                assert!(response["content"]["application/problem+json"].is_object(), "{method} {path} {status}");
            }
        }
    }
    assert_eq!(description["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    let logs = &description["paths"]["/v1/processes/{id}/logs"]["get"]["responses"]["200"]["content"];
    assert!(logs["application/json"].is_object() && logs["text/event-stream"].is_object(), "{logs}");
    let text = description.to_string();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for name in text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(schemas.contains_key(name), "{name} is referred to and not described");
    }
    agent.stop().await.unwrap();
}
