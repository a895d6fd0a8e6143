//! `sandbeat plugin check`, `run` and `bench`, and `plugins reload`.

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{FakeHub, Sandbox, bundled, guest, wait_for};

/// What a command says, as exit code, standard output and standard error.
fn said(sandbox: &Sandbox, arguments: &[&str]) -> (i32, String, String) {
    let ended = sandbox.start(arguments).ended();
    (ended.status.code().unwrap(), ended.stdout, ended.stderr)
}

/// The same of one that prints JSON.
fn json(sandbox: &Sandbox, arguments: &[&str]) -> (i32, Value) {
    let (code, stdout, stderr) = said(sandbox, arguments);
    (code, serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}{stderr}")))
}

fn problems(answer: &Value) -> Vec<&str> {
    answer["problems"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap()).collect()
}

#[test]
fn check_says_all_there_is_to_know_of_a_good_collector() {
    let sandbox = Sandbox::new();
    let sidecar = "[grant]\nread = [\"/proc/loadavg\"]\n[limits]\nmemory = \"16MiB\"\ntimeout = \"1s\"";
    sandbox.drop_collector("load", bundled("load"), sidecar);
    let (code, stdout, stderr) = said(&sandbox, &["plugin", "check", "plugins/load.wasm"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    for part in [
        "sha256:",
        "sandbeat:collector@0.1.0",
        "read /proc/loadavg",
        "limits.memory = 16MiB (default: 32MiB)",
        "system.cpu.load_average.1m",
        "[grant] read",
        "the agent would take it",
    ] {
        assert!(stdout.contains(part), "{part} in\n{stdout}");
    }
    assert!(!stdout.contains("limits.timeout"), "that is the default:\n{stdout}");

    let (code, answer) = json(&sandbox, &["plugin", "check", "plugins/load.wasm", "--json"]);
    assert_eq!((code, &answer["ok"], problems(&answer)), (0, &true.into(), vec![]));
    assert_eq!(
        (&answer["world"], &answer["bytes"]),
        (&"sandbeat:collector@0.1.0".into(), &bundled("load").len().into())
    );
    let files =
        answer["imports"].as_array().unwrap().iter().find(|one| one["name"] == "sandbeat:collector/files@0.1.0");
    assert_eq!(files.unwrap()["offered"], true);
    assert_eq!(answer["metrics"][0]["name"], "system.cpu.load_average.1m");
}

#[test]
fn check_names_every_problem_at_once_and_lists_the_imports_all_the_same() {
    let sandbox = Sandbox::new().config("[plugins.ceiling]\nread = [\"/proc/**\"]");
    let component = wat::parse_str(
        r#"(component (import "acme:gpu/device@1.0.0" (instance)) (import "acme:gpu/memory@1.0.0" (instance))
           (import "wasi:sockets/tcp@0.2.6" (instance)) (instance $i)
           (export "sandbeat:collector/guest@0.9.0" (instance $i)))"#,
    );
    sandbox.drop_collector("gpu", &component.unwrap(), "[grant]\nread = [\"/etc/passwd\"]\n[limits]\nmemory = \"1B\"");
    let (code, answer) = json(&sandbox, &["plugin", "check", "plugins/gpu.wasm", "--json"]);
    let problems = problems(&answer);
    assert_eq!((code, &answer["ok"], &answer["world"]), (1, &false.into(), &"sandbeat:collector@0.9.0".into()));
    for part in
        ["[plugins.ceiling]", "line 4: limits.memory", "0.9.0", "acme:gpu/device@1.0.0", "acme:gpu/memory@1.0.0"]
    {
        assert_eq!(problems.iter().filter(|problem| problem.contains(part)).count(), 1, "{part}: {problems:#?}");
    }
    assert_eq!((problems.len(), answer["imports"].as_array().unwrap().len()), (5, 3), "{answer:#}");
    let (code, stdout, stderr) = said(&sandbox, &["plugin", "check", "plugins/gpu.wasm"]);
    assert_eq!((code, stderr.as_str()), (1, "error: 5 problems found"), "{stdout}");
    assert!(stdout.contains("never offered"), "{stdout}");
}

#[test]
fn check_refuses_what_the_agent_would_refuse() {
    let sandbox = Sandbox::new();
    sandbox.drop_in("text.wasm", "hello").drop_in("bad name.wasm", guest("one"));
    sandbox.drop_hostile("dies", "trap in describe", "").drop_in("one.wasm", guest("one"));
    for (arguments, part) in [
        (vec!["plugins/text.wasm"], "not WebAssembly"),
        (vec!["plugins/bad name.wasm"], "rename the file"),
        (vec!["plugins/dies.wasm"], "trap: describe: "),
        (vec!["plugins/none.wasm"], "is not there"),
        (vec!["plugins/one.wasm", "--sidecar", "none.toml"], "is not there"),
        (vec!["plugins/one.wasm", "--config", "none.toml"], "none.toml"),
    ] {
        let (code, stdout, stderr) = said(&sandbox, &[&["plugin", "check"], arguments.as_slice()].concat());
        assert_eq!(code, 1, "{arguments:?}");
        assert!(format!("{stdout}{stderr}").contains(part), "{arguments:?}: {stdout}{stderr}");
    }
}

#[test]
fn run_prints_what_would_be_merged() {
    let sandbox = Sandbox::new().env("AGENT_SANDBOX_ID", "sbox-7");
    sandbox.drop_collector("load", bundled("load"), "[grant]\nread = [\"/proc/loadavg\"]");
    let (code, stdout, stderr) = said(&sandbox, &["plugin", "run", "plugins/load.wasm"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let row = stdout.lines().find(|line| line.contains("system.cpu.load_average.1m")).unwrap();
    assert!(row.contains("{thread}") && row.contains("gauge"), "{stdout}");
    assert!(stdout.contains("0 rejected; took ") && stdout.contains("peak memory "), "{stdout}");

    let (code, answer) = json(&sandbox, &["plugin", "run", "plugins/load.wasm", "--json"]);
    assert_eq!((code, &answer["plugin"]), (0, &"load".into()));
    assert!(answer["metrics"].as_array().unwrap().len() >= 3 && answer["tookMs"].as_f64() > Some(0.0), "{answer}");
    assert!(answer["peakMemoryBytes"].as_u64() > Some(65_536), "{answer}");

    // Another sidecar than the one beside it: without the grant.
    std::fs::write(sandbox.path("bare.toml"), "").unwrap();
    let (code, _, stderr) = said(&sandbox, &["plugin", "run", "plugins/load.wasm", "--sidecar", "bare.toml"]);
    assert_eq!(code, 1);
    assert!(stderr.starts_with("error: denied: ") && stderr.contains("/proc/loadavg"), "{stderr}");
}

#[test]
fn run_names_what_went_wrong_and_shows_the_collector_s_own_lines() {
    let sandbox = Sandbox::new();
    sandbox.drop_hostile("loops", "loop", "").drop_hostile("points", "not finite", "");
    sandbox.drop_hostile("floods", "flood the log", "[limits]\nlog_lines = 5").drop_in("text.wasm", "hello");
    let (code, stdout, stderr) = said(&sandbox, &["plugin", "run", "plugins/loops.wasm"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.starts_with("error: cpu-timeout: ") && stderr.contains("\n  in "), "{stderr}");
    let (code, answer) = json(&sandbox, &["plugin", "run", "plugins/loops.wasm", "--json"]);
    assert_eq!((code, &answer["ok"], &answer["failure"]), (1, &false.into(), &"cpu-timeout".into()));
    assert!(
        answer["trace"].as_array().unwrap().iter().any(|one| one.as_str().unwrap().contains("collect")),
        "{answer}"
    );

    let (code, stdout, _) = said(&sandbox, &["plugin", "run", "plugins/points.wasm"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("NaN") && stdout.contains("3 rejected"), "{stdout}");
    let (code, _, stderr) = said(&sandbox, &["plugin", "run", "plugins/floods.wasm"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("line 4") && !stderr.contains("line 5") && stderr.contains("limits.log_lines"), "{stderr}");
    let (code, _, stderr) = said(&sandbox, &["plugin", "run", "plugins/text.wasm"]);
    assert_eq!((code, stderr.as_str()), (1, "error: invalid: it is not WebAssembly"));
}

#[test]
fn run_watches_the_files_and_carries_the_state_on() {
    let sandbox = Sandbox::new();
    sandbox.drop_in("test.wasm", guest("one"));
    let run = sandbox.start(&["plugin", "run", "plugins/test.wasm", "--watch", "--json"]);
    let next = |so_far: usize| -> Value {
        let line = wait_for(&format!("line {}", so_far + 1), || run.stdout().get(so_far).cloned());
        serde_json::from_str(&line).unwrap()
    };
    let value = |answer: &Value, name: &str| -> f64 {
        let metric = answer["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name);
        metric.unwrap_or_else(|| panic!("{name} in {answer}"))["value"].as_f64().unwrap()
    };
    let first = next(0);
    assert_eq!((value(&first, "test.value"), value(&first, "test.calls")), (1.0, 1.0));
    sandbox.drop_in("test.wasm", guest("two"));
    let second = next(1);
    assert_eq!((value(&second, "test.value"), value(&second, "test.calls")), (2.0, 2.0));
    sandbox.drop_in("test.wasm", "broken");
    let third = next(2);
    assert_eq!((&third["ok"], &third["failure"]), (&false.into(), &"invalid".into()));
    sandbox.drop_in("test.wasm", guest("one"));
    assert_eq!(value(&next(3), "test.calls"), 3.0);
    sandbox.drop_in("test.toml", "keep_state = \"never\"");
    assert_eq!(value(&next(4), "test.calls"), 1.0);
    run.signal(Signal::INT);
    let ended = run.ended();
    assert_eq!((ended.status.code(), ended.stdout.lines().count()), (Some(0), 5), "{ended:?}");
}

#[test]
fn bench_measures_loading_and_both_kinds_of_instances() {
    let sandbox = Sandbox::new();
    sandbox.drop_in("test.wasm", guest("one")).drop_hostile("panics", "panic", "").drop_in("text.wasm", "hello");
    let (code, answer) = json(&sandbox, &["plugin", "bench", "plugins/test.wasm", "--calls", "20", "--json"]);
    assert_eq!(code, 0, "{answer}");
    for (kind, count) in [("load", None), ("fresh", Some(20)), ("kept", Some(20))] {
        let spread = &answer[kind];
        assert!(count.is_none_or(|count| spread["count"] == count), "{kind}: {answer}");
        let figures = ["minMs", "p50Ms", "p90Ms", "p99Ms", "maxMs"].map(|name| spread[name].as_f64().unwrap());
        assert!(figures.is_sorted() && figures[0] > 0.0 && spread["perSecond"].as_f64() > Some(0.0), "{answer}");
    }
    for kind in ["fresh", "kept"] {
        let calls = &answer[kind];
        assert!(calls["cpuMs"].as_f64() > Some(0.0) && calls["peakMemoryBytes"].as_u64() > Some(65_536), "{answer}");
    }
    let points = &answer["points"];
    assert!(points["metrics"].as_u64() > Some(0) && points["outputBytes"].as_u64() > Some(50), "{answer}");
    let (code, stdout, _) = said(&sandbox, &["plugin", "bench", "plugins/test.wasm", "--calls", "3"]);
    assert_eq!(code, 0);
    assert!(
        ["load from cache", "collect, fresh", "collect, kept", "P90", "PER SECOND", "PEAK MEMORY", "; output "]
            .iter()
            .all(|part| stdout.contains(part))
    );
    for (file, part) in [("panics", "error: trap: "), ("text", "error: invalid: ")] {
        let (code, _, stderr) = said(&sandbox, &["plugin", "bench", &format!("plugins/{file}.wasm")]);
        assert_eq!(code, 1);
        assert!(stderr.starts_with(part), "{stderr}");
    }
}

#[test]
fn plugins_tell_how_they_are_and_are_loaded_again_when_asked_to() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[plugins]\nscan_interval = \"100ms\"");
    sandbox.drop_hostile("loops", "panic", "[failure]\nbackoff = \"60s\"").drop_collector("good", guest("one"), "");
    let _agent = sandbox.start(&["run"]);
    let is = |report: &Value, at: usize, field: &str, value: &str| report["plugins"][at][field] == value;
    hub.report("both", |report| is(report, 0, "state", "active") && is(report, 1, "failure", "trap"));
    sandbox.drop_in("good.wasm", "broken");
    hub.report("the refusal", |report| is(report, 0, "failure", "invalid") && is(report, 0, "state", "active"));

    let (code, stdout, _) = said(&sandbox, &["plugins"]);
    assert_eq!(code, 0);
    let line = |name: &str| stdout.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("good ").contains("active") && line("good ").contains("refused "), "{stdout}");
    assert!(line("good:").contains("the version before them goes on"), "{stdout}");
    assert!(line("loops ").contains("1 trap") && line("loops:").contains("rests "), "{stdout}");
    let (_, stdout, _) = said(&sandbox, &["status"]);
    assert!(stdout.contains("1 active, 1 failing, 1 with refused files"), "{stdout}");

    let (code, _, stderr) = said(&sandbox, &["plugins", "reload", "good"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("good: invalid: ") && stderr.contains("not WebAssembly"), "{stderr}");
    sandbox.drop_in("good.wasm", guest("two"));
    let (code, stdout, stderr) = said(&sandbox, &["plugins", "reload", "good"]);
    assert_eq!((code, stdout.as_str()), (0, "good: loaded 2.0.0; active"), "{stderr}");
    let (code, answer) = json(&sandbox, &["plugins", "reload", "loops", "--json"]);
    assert_eq!((code, &answer["lastReload"]["result"], &answer["failure"]), (0, &"loaded".into(), &"trap".into()));
    assert_eq!(answer["failures"], 2, "called again although it rested");
    for (name, part) in [("nobody", "no plugin is called"), ("a/b", "no plugin has such a name")] {
        let (code, _, stderr) = said(&sandbox, &["plugins", "reload", name]);
        assert_eq!(code, 1);
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn check_of_the_configuration_looks_at_plugins_in_spite_of_wrong_keys() {
    let sandbox = Sandbox::new()
        .env("AGENT_SANDBOX_ID", "a")
        .env("AGENT_SERVER_URL", "http://127.0.0.1:1")
        .config("[plugins]\nscan_intervall = \"1s\"\ncompile_memory = \"1KiB\"");
    sandbox.drop_collector("good", guest("one"), "[limits]\ncpu = \"50ms\"").drop_in("lost.toml", "");
    let (code, answer) = json(&sandbox, &["check", "--json"]);
    assert_eq!((code, answer["problems"].as_array().unwrap().len()), (1, 2), "{answer:#}");
    assert_eq!((&answer["plugins"][0]["name"], &answer["plugins"][0]["ok"]), (&"good".into(), &true.into()));
    assert_eq!(answer["plugins"][0]["settings"][0]["key"], "limits.cpu");
    let notes = answer["notes"].to_string();
    assert!(notes.contains("lost.toml") && notes.contains("lost.wasm"), "{notes}");
}
