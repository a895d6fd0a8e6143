//! The coding agents of a sandbox, as the local API and `sandbeat agents` tell of them.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{FakeHub, Process, Sandbox, get, wait_for};

/// Puts a script in place in one step.
fn script(path: &Path, body: &str) {
    let beside = path.with_extension("new");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&beside, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&beside, Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// A sandbox whose agents' programs are looked for in its folder `bin` first, and whose home is its own.
fn sandbox(hub: &FakeHub) -> Sandbox {
    let sandbox = Sandbox::reporting_to(hub).env("SANDBEAT_API__LISTEN", "127.0.0.1:0");
    let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
    let home = sandbox.path("home").display().to_string();
    sandbox.env("PATH", &path).env("HOME", &home)
}

fn start(sandbox: &Sandbox) -> (Process, String) {
    let agent = sandbox.start(&["run"]);
    let line = agent.says(&["local API", "127.0.0.1:"]);
    let port: String = line.split("127.0.0.1:").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    (agent, format!("http://127.0.0.1:{port}/v1/agents"))
}

fn agent<'a>(list: &'a Value, id: &str) -> &'a Value {
    list["agents"].as_array().unwrap().iter().find(|agent| agent["id"] == id).unwrap()
}

#[test]
fn what_is_installed_is_told_with_its_version_and_asked_once() {
    let hub = FakeHub::start();
    let sandbox = sandbox(&hub);
    let (bin, calls) = (sandbox.path("bin"), sandbox.path("calls"));
    let said = |name: &str, version: &str| {
        script(&bin.join(name), &format!("echo $0 $* >> {}\necho '{version}'", calls.display()));
    };
    said("claude", "2.0.14 (Claude Code)");
    said("cursor-agent", "2025.10.28-0a91dc2");
    said("mock", "9.9.9");
    script(&bin.join("opencode"), "head -c 100000 /dev/urandom; exit 0");
    script(&bin.join("amp"), "exit 0");
    std::fs::set_permissions(bin.join("amp"), Permissions::from_mode(0o644)).unwrap();
    symlink(bin.join("nowhere"), bin.join("pi")).unwrap();
    let sandbox = sandbox.env("OPENAI_API_KEY", "very-secret");
    let (running, url) = start(&sandbox);

    let asking = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| get(&url))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    let (status, list) = &asking[0];
    assert_eq!(*status, 200);
    assert!(asking.iter().all(|(_, other)| other == list));
    let ids: Vec<&str> = list["agents"].as_array().unwrap().iter().map(|agent| agent["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["claude", "codex", "opencode", "amp", "pi", "cursor", "mock"]);
    let claude = agent(list, "claude");
    assert_eq!((&claude["installed"], &claude["version"]), (&true.into(), &"2.0.14".into()));
    assert_eq!(claude["path"], bin.join("claude").display().to_string());
    assert_eq!(claude["capabilities"].as_object().unwrap().len(), 18);
    assert_eq!(claude["credentialsAvailable"], false);
    assert_eq!(agent(list, "cursor")["version"], "2025.10.28-0a91dc2");
    let opencode = agent(list, "opencode");
    assert_eq!((&opencode["installed"], &opencode["version"]), (&true.into(), &Value::Null));
    for missing in ["codex", "amp", "pi", "mock"] {
        let missing = agent(list, missing);
        assert_eq!(
            (&missing["installed"], &missing["path"], &missing["version"]),
            (&false.into(), &Value::Null, &Value::Null)
        );
    }
    assert_eq!(agent(list, "codex")["credentialsAvailable"], true);
    assert_eq!(std::fs::read_to_string(&calls).unwrap().lines().count(), 2);

    let (_, again) = get(&url);
    assert_eq!(&again, list);
    assert_eq!(std::fs::read_to_string(&calls).unwrap().lines().count(), 2);
    said("claude", "2.1.0 (Claude Code)");
    assert_eq!(get(&format!("{url}/claude")).1["version"], "2.1.0");
    assert_eq!(std::fs::read_to_string(&calls).unwrap().lines().count(), 3);
    assert_eq!(get(&format!("{url}/claude?config=true&no_cache=true")).1["version"], "2.1.0");
    assert_eq!(std::fs::read_to_string(&calls).unwrap().lines().count(), 5);

    let (status, unknown) = get(&format!("{url}/Claude"));
    assert_eq!((status, &unknown["title"]), (400, &"Unsupported Agent".into()));
    assert_eq!(unknown["type"], "urn:sandbeat:error:unsupported_agent");
    assert_eq!(get(&format!("{url}?config=maybe")).0, 400);

    let address = url.strip_prefix("http://").unwrap().strip_suffix("/v1/agents").unwrap();
    let table = sandbox.env("SANDBEAT_API__LISTEN", address).start(&["agents"]).ended();
    let codex = table.stdout.lines().find(|line| line.starts_with("codex")).unwrap();
    assert_eq!(codex.split_whitespace().collect::<Vec<_>>(), ["codex", "no", "-", "yes", "-", "-"]);
    assert!(!running.stderr().iter().any(|line| line.contains("very-secret")));
    assert!(!table.stdout.contains('\u{1b}'), "{}", table.stdout);
}

#[test]
fn a_program_that_hangs_is_waited_for_once_and_leaves_nothing() {
    let hub = FakeHub::start();
    let sandbox = sandbox(&hub);
    let pids = sandbox.path("pids");
    // A grandchild of its own session holds the pipe.
    script(
        &sandbox.path("bin/codex"),
        &format!("setsid sleep 1000 & echo $! >> {0}\necho $$ >> {0}\nexec sleep 1000", pids.display()),
    );
    script(&sandbox.path("bin/claude"), "echo 1.0.0");
    let (_running, url) = start(&sandbox);
    let asked = Instant::now();
    let (status, list) = get(&url);
    assert!(asked.elapsed() >= Duration::from_secs(3) && asked.elapsed() < Duration::from_secs(20));
    assert_eq!(status, 200);
    assert_eq!(agent(&list, "claude")["version"], "1.0.0");
    let codex = agent(&list, "codex");
    assert_eq!((&codex["installed"], &codex["version"]), (&true.into(), &Value::Null));
    let pids: Vec<String> = std::fs::read_to_string(&pids).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(pids.len(), 2);
    for pid in pids {
        wait_for("the end of what was started", || (!Path::new("/proc").join(&pid).exists()).then_some(()));
    }
    let again = Instant::now();
    get(&url);
    assert!(again.elapsed() < Duration::from_secs(2), "{:?}", again.elapsed());
}

#[test]
fn agents_that_run_here_tell_how_they_do() {
    let hub = FakeHub::start();
    let sandbox = sandbox(&hub);
    script(&sandbox.path("elsewhere/codex"), "[ \"$1\" = --version ] && echo 0.46.0 && exit\nexec sleep 1000");
    let program = sandbox.path("elsewhere/codex");
    let sandbox = sandbox.config(&format!(
        "[agents.codex]\ncommand = [\"{}\", \"app-server\"]\nbase_url = \"http://127.0.0.1:9\"\n\
         [agents.helper]\ncommand = [\"sh\", \"-c\", \"exit 7\"]\nrestart = \"never\"\n\
         [agents.gone]\ncommand = [\"/no/such/agent\"]\nrestart = \"never\"",
        program.display()
    ));
    let (_running, url) = start(&sandbox);
    let list = wait_for("the helper's end", || {
        let (_, list) = get(&url);
        let over = |id| agent(&list, id)["serverStatus"]["status"] == "error";
        (over("helper") && over("gone") && agent(&list, "codex")["serverStatus"]["status"] == "running").then_some(list)
    });
    let codex = agent(&list, "codex");
    assert_eq!((&codex["installed"], &codex["version"]), (&true.into(), &"0.46.0".into()));
    assert_eq!(codex["capabilities"]["sharedProcess"], true);
    let status = &codex["serverStatus"];
    assert_eq!((&status["baseUrl"], &status["restartCount"]), (&"http://127.0.0.1:9".into(), &0.into()));
    assert!(status["uptimeMs"].is_u64() && status["lastError"].is_null(), "{status}");
    let helper = agent(&list, "helper");
    assert_eq!((&helper["installed"], &helper["version"]), (&true.into(), &Value::Null));
    assert!(helper["serverStatus"]["lastError"].as_str().unwrap().contains('7'), "{helper}");
    assert_eq!(agent(&list, "gone")["installed"], false);
    assert!(agent(&list, "claude")["serverStatus"].is_null());
}
