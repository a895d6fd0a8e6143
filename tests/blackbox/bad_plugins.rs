//! Files that are no collectors, and two that report the same: each is named, and everything else goes on. What
//! collectors do that mean harm is in `hostile`.

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{FakeHub, Sandbox, guest, metric, plugin};

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
        ("shape", "no function `collect`; add `collect: func() ->"),
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
