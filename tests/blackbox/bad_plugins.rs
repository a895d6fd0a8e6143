//! Files that are no collectors and collectors that misbehave: each is named, and everything else goes on.

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::harness::{FakeHub, Sandbox, guest};

/// The plugin's entry of a report.
fn plugin<'a>(report: &'a Value, name: &str) -> &'a Value {
    let plugins = report["plugins"].as_array().expect("a list of plugins");
    plugins.iter().find(|plugin| plugin["name"] == name).unwrap_or(&Value::Null)
}

fn metric<'a>(report: &'a Value, plugin: &str, name: &str) -> Option<&'a Value> {
    report["metrics"].as_array()?.iter().find(|metric| metric["plugin"] == plugin && metric["name"] == name)
}

#[test]
fn files_that_are_no_collectors_are_listed_with_their_reason() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let whole = guest("one");
    let component = |text: &str| wat::parse_str(text).unwrap();
    sandbox
        .drop_in("empty.wasm", "")
        .drop_in("text.wasm", "hello")
        .drop_in("truncated.wasm", &whole[..whole.len() / 2]);
    sandbox.drop_in("stub.wasm", &whole[..6]).drop_in("native.wasm", b"\x7fELF\x02\x01\x01");
    sandbox.drop_in("module.wasm", component("(module)")).drop_in("world.wasm", component("(component)"));
    sandbox.drop_in(
        "version.wasm",
        component(r#"(component (instance $i) (export "sandbeat:collector/guest@0.9.0" (instance $i)))"#),
    );
    sandbox.drop_in(
        "import.wasm",
        component(
            r#"(component (import "acme:gpu/device@1.0.0" (instance)) (instance $i)
               (export "sandbeat:collector/guest@0.1.0" (instance $i)))"#,
        ),
    );
    sandbox.drop_in(
        "shape.wasm",
        component(r#"(component (instance $i) (export "sandbeat:collector/guest@0.1.0" (instance $i)))"#),
    );
    sandbox.drop_in("bad name.wasm", whole).drop_in("sidecar.wasm", whole).drop_in("sidecar.toml", "[grants]");
    mknodat(CWD, sandbox.plugin("pipe.wasm"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    std::fs::create_dir(sandbox.plugin("folder.wasm")).unwrap();
    std::os::unix::fs::symlink("/nowhere", sandbox.plugin("dangling.wasm")).unwrap();
    sandbox.drop_collector("good", whole, "");
    let _agent = sandbox.start(&["run"]);

    let expected = [
        ("empty", "empty"),
        ("text", "not WebAssembly"),
        ("truncated", "not a valid component"),
        ("stub", "truncated"),
        ("native", "native code"),
        ("module", "core WebAssembly module"),
        ("world", "another world"),
        ("version", "0.9.0"),
        ("import", "acme:gpu/device@1.0.0"),
        ("shape", "exports"),
        ("bad name", "rename the file"),
        ("sidecar", "did you mean `grant`?"),
        ("pipe", "a pipe"),
        ("folder", "a folder"),
        ("dangling", "link to nothing"),
    ];
    let report = hub.report("all of them rejected and the good one at work", |report| {
        expected.iter().all(|(name, _)| plugin(report, name)["state"] == "rejected")
            && metric(report, "good", "test.value").is_some()
    });
    for (name, part) in expected {
        let reason = plugin(&report, name)["reason"].as_str().unwrap();
        assert!(reason.contains(part), "{name}: {reason}");
    }
    assert_eq!(plugin(&report, "good")["state"], "active");
    assert_eq!(plugin(&report, "good")["version"], "1.0.0");
    assert!(plugin(&report, "good")["digest"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn each_misbehaviour_has_its_name_and_touches_nobody_else() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let cases = [
        ("panics", "panic", "", "trap"),
        ("loops", "loop", "", "cpu-timeout"),
        ("sleeps", "sleep", "[limits]\ntimeout = \"300ms\"", "wall-timeout"),
        ("hoards", "allocate", "[limits]\nmemory = \"4MiB\"", "memory"),
        ("nests", "recurse", "", "stack"),
        ("returns-megabytes", "megabytes", "", "output"),
        ("returns-many", "many", "", "output"),
        ("wants-shadow", "shadow", "[grant]\nread = [\"/etc/passwd\"]", "denied"),
    ];
    for (name, behaviour, more, _) in cases {
        sandbox.drop_hostile(name, behaviour, more);
    }
    sandbox.drop_hostile("dies-early", "trap in describe", "").drop_collector("good", guest("one"), "");
    let agent = sandbox.start(&["run"]);
    let report = hub.report("every failure, beside the good one's values", |report| {
        cases.iter().all(|(name, ..)| plugin(report, name)["failure"].is_string())
            && plugin(report, "dies-early")["failure"].is_string()
            && metric(report, "good", "test.calls").is_some_and(|calls| calls["value"].as_f64() > Some(2.0))
    });
    for (name, _, _, failure) in cases {
        let plugin = plugin(&report, name);
        assert_eq!(plugin["failure"], failure, "{plugin}");
        assert_eq!(plugin["state"], "failing", "{plugin}");
        assert!(metric(&report, name, "test.good").is_none(), "{name} contributes although it failed");
    }
    assert_eq!(plugin(&report, "dies-early")["state"], "rejected");
    assert_eq!(plugin(&report, "good")["state"], "active");
    assert_eq!(plugin(&report, "good")["failures"], 0);
    assert_eq!(agent.said("wants-shadow"), 1 + agent.said("collector loaded plugin=wants-shadow"));
}

#[test]
fn bad_points_are_rejected_one_by_one_with_their_reason() {
    for (behaviour, reasons) in [("not finite", &["NaN", "inf"][..]), ("absurd name", &["lower-case"])] {
        let hub = FakeHub::start();
        let sandbox = Sandbox::reporting_to(&hub);
        sandbox.drop_hostile("test", behaviour, "");
        let _agent = sandbox.start(&["run"]);
        let report = hub.report("the good point", |report| metric(report, "test", "test.good").is_some());
        assert!(metric(&report, "test", "test.bad").is_none());
        let rejected = report["rejected"].as_array().unwrap();
        for part in reasons {
            let names = |one: &Value| {
                one["plugin"] == "test" && one["reason"].as_str().is_some_and(|reason| reason.contains(part))
            };
            assert!(rejected.iter().any(names), "{part}: {rejected:#?}");
        }
        let plugin = plugin(&report, "test");
        assert_eq!(plugin["state"], "active");
        assert!(plugin["pointsRejected"].as_u64() >= Some(reasons.len() as u64), "{plugin}");
    }
}

#[test]
fn of_two_collectors_with_the_same_metric_the_first_by_name_is_reported() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    sandbox.drop_collector("b", guest("two"), "").drop_collector("a", guest("one"), "");
    let _agent = sandbox.start(&["run"]);
    let report = hub.report("a rejection", |report| report["rejected"].is_array());
    assert_eq!(metric(&report, "a", "test.value").unwrap()["value"], 1.0);
    assert!(metric(&report, "b", "test.value").is_none());
    assert!(
        report["rejected"].as_array().unwrap().iter().any(|one| one["plugin"] == "b" && one["name"] == "test.value")
    );
}

#[test]
fn a_flood_of_log_lines_is_cut() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    sandbox.drop_hostile("floods", "flood", "");
    let agent = sandbox.start(&["run"]);
    agent.says(&["floods", "limits.log_lines"]);
    hub.reports(hub.requests().len() + 3);
    assert!(agent.said("line ") <= 62, "{}", agent.said("line "));
}

#[test]
fn a_read_that_hangs_is_cut_and_holds_up_neither_the_others_nor_the_end() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[plugins]\nscan_interval = \"100ms\"");
    let folder = sandbox.path("folder");
    std::fs::create_dir(&folder).unwrap();
    mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let sidecar = format!(
        "[grant]\ndirs = [\"{0}\"]\n[limits]\ntimeout = \"200ms\"\n\
         [failure]\nbackoff = \"1ms\"\nbackoff_max = \"1ms\"\nquarantine_after = 0\n[config]\nbehaviour = \"open\"\npath = \"{0}/pipe\"\n",
        folder.display()
    );
    sandbox.drop_collector("hangs", guest("hostile"), &sidecar);
    let agent = sandbox.start(&["run"]);
    // More often than the host has threads for its own reads.
    hub.report("ten failures", |report| plugin(report, "hangs")["failures"].as_u64() > Some(10));
    sandbox.drop_collector("good", guest("one"), "");
    let report = hub.report("a new collector", |report| metric(report, "good", "test.value").is_some());
    assert_eq!(plugin(&report, "hangs")["failure"], "wall-timeout");
    agent.signal(rustix::process::Signal::TERM);
    let ended = agent.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn what_is_the_agent_s_own_cannot_be_granted() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_TOKEN", "very-secret");
    sandbox.drop_collector("spy", guest("one"), "[grant]\nenv = [\"AGENT_TOKEN\"]");
    let _agent = sandbox.start(&["run"]);
    let report = hub.report("its rejection", |report| plugin(report, "spy")["state"] == "rejected");
    let reason = plugin(&report, "spy")["reason"].as_str().unwrap();
    assert!(reason.contains("AGENT_TOKEN") && reason.contains("never granted"), "{reason}");
}
