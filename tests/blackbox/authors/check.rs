//! `sandbeat plugin check`: everything that is wrong, at once, and what may be meant as a warning.

use std::fs::File;

use serde_json::Value;

use crate::harness::{Sandbox, bundled, wait_for};

/// The exit code and the JSON of a check.
fn check(sandbox: &Sandbox, arguments: &[&str]) -> (i32, Value) {
    let ended = sandbox.start(&[&["plugin", "check", "--json"], arguments].concat()).ended();
    let answer = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
    (ended.status.code().unwrap(), answer)
}

/// Of each part, how many of the problems or warnings contain it.
fn named(answer: &Value, list: &str, parts: &[&str]) -> Vec<usize> {
    let texts: Vec<&str> = answer[list].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    parts.iter().map(|part| texts.iter().filter(|text| text.contains(part)).count()).collect()
}

#[test]
fn every_mistake_of_a_description_is_named() {
    let sandbox = Sandbox::new();
    sandbox.drop_hostile("flawed", "flawed in describe", "");
    let (code, answer) = check(&sandbox, &["plugins/flawed.wasm"]);
    let parts = ["Absurd Name", "two words", "control character", "attribute ``: the name is empty"];
    assert_eq!((code, named(&answer, "problems", &parts)), (1, vec![1, 0, 1, 1]), "{answer:#}");
    assert_eq!(
        named(&answer, "problems", &["describe: metric `test.spaced`: the unit contains ' '"]),
        [1],
        "{answer:#}"
    );
    assert_eq!(answer["problems"].as_array().unwrap().len(), 4, "{answer:#}");
    // The rest is told all the same.
    assert_eq!((&answer["metrics"][0]["name"], &answer["collect"]["ok"]), (&"test.good".into(), &true.into()));
    // The agent says them all, too.
    let ended = sandbox.start(&["plugin", "run", "plugins/flawed.wasm"]).ended();
    assert!(
        ended.stderr.starts_with("error: invalid: describe: ") && ended.stderr.contains("test.spaced"),
        "{ended:?}"
    );
}

#[test]
fn what_is_collected_otherwise_than_described_is_a_problem() {
    let sandbox = Sandbox::new();
    sandbox.drop_hostile("other", "otherwise than described", "");
    let (code, answer) = check(&sandbox, &["plugins/other.wasm"]);
    let parts = [
        "`test.good` is a counter; `describe` says gauge",
        "`test.good` has the unit `s`; `describe` says `1`",
        "`test.good` has the attribute `test.secret`, which",
        "`test.bad` is not among the metrics",
        "`test.text` is not among the metadata",
    ];
    assert_eq!((code, named(&answer, "problems", &parts)), (1, vec![1; 5]), "{answer:#}");
    assert_eq!(answer["problems"].as_array().unwrap().len(), 5, "{answer:#}");

    let ended = sandbox.start(&["plugin", "run", "plugins/other.wasm"]).ended();
    assert_eq!(ended.status.code(), Some(0), "the agent would merge it");
    assert!(ended.stdout.contains("NOT AS DESCRIBED") && ended.stdout.contains("test.secret"), "{}", ended.stdout);
    let ended = sandbox.start(&["plugin", "run", "plugins/other.wasm", "--json"]).ended();
    let ran: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(ran["mismatches"].as_array().unwrap().len(), 5, "{ran:#}");
    assert!(ran["cpuMs"].as_f64() > Some(0.0) && ran["outputBytes"].as_u64() > Some(100), "{ran:#}");
}

#[test]
fn what_is_rejected_and_what_fails_is_a_problem() {
    let sandbox = Sandbox::new();
    sandbox.drop_hostile("points", "not finite", "").drop_hostile("loops", "loop", "");
    let (code, answer) = check(&sandbox, &["plugins/points.wasm"]);
    assert_eq!(
        (code, named(&answer, "problems", &["`test.bad` is rejected: the value is NaN"])),
        (1, vec![1]),
        "{answer:#}"
    );
    assert_eq!((&answer["collect"]["metrics"], &answer["collect"]["rejected"]), (&1.into(), &3.into()));
    let (code, answer) = check(&sandbox, &["plugins/loops.wasm"]);
    assert_eq!((code, named(&answer, "problems", &["collect: cpu-timeout: "])), (1, vec![1]), "{answer:#}");
    assert_eq!(answer["collect"]["failure"], "cpu-timeout");
    let (code, answer) = check(&sandbox, &["plugins/loops.wasm", "--no-collect"]);
    assert_eq!((code, answer["collect"].is_null()), (0, true), "{answer:#}");
}

#[test]
fn what_may_be_otherwise_on_another_machine_is_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.drop_collector("load", bundled("load"), "");
    let (code, answer) = check(&sandbox, &["plugins/load.wasm"]);
    let parts = ["imports sandbeat:collector/files@0.1.0", "`read` under [grant]", "denied: `/proc/loadavg`"];
    assert_eq!((code, named(&answer, "warnings", &parts)), (0, vec![1, 1, 1]), "{answer:#}");
    assert_eq!((&answer["ok"], &answer["collect"]["failure"]), (&true.into(), &"denied".into()));
    let ended = sandbox.start(&["plugin", "check", "plugins/load.wasm"]).ended();
    assert!(ended.stdout.contains("\nwarning  it imports") && ended.stdout.ends_with("the agent would take it"));

    let sandbox = sandbox.env("AGENT_SANDBOX_ID", "a").env("AGENT_SERVER_URL", "http://127.0.0.1:1");
    let ended = sandbox.start(&["check"]).ended();
    assert!(ended.stdout.contains("note it imports sandbeat:collector/files@0.1.0"), "{}", ended.stdout);

    sandbox.drop_collector("load", bundled("load"), "[grant]\nread = [\"/proc/loadavg\"]");
    let (code, answer) = check(&sandbox, &["plugins/load.wasm"]);
    assert_eq!((code, &answer["warnings"]), (0, &serde_json::json!([])));
}

#[test]
fn a_granted_folder_that_is_not_there_hides_nothing_of_the_rest() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("workspace").display().to_string();
    let sidecar = |config: &str| format!("[config]\n{config} = {folder:?}\n[grant]\ndirs = [{folder:?}]");
    sandbox.drop_collector("git", bundled("git"), &sidecar("path"));
    let (code, answer) = check(&sandbox, &["plugins/git.wasm"]);
    let parts = ["it was called without", "; create it or change [grant] dirs", "could not collect here"];
    assert_eq!((code, named(&answer, "warnings", &parts)), (0, vec![1; 3]), "{answer:#}");
    assert_eq!((&answer["ok"], &answer["metadata"][0]["key"]), (&true.into(), &"git.branch".into()), "{answer:#}");

    sandbox.drop_collector("git", bundled("git"), &sidecar("paht"));
    let (code, answer) = check(&sandbox, &["plugins/git.wasm"]);
    assert_eq!((code, named(&answer, "problems", &["did you mean `path`"])), (1, vec![1]), "{answer:#}");
    let ended = sandbox.start(&["plugin", "run", "plugins/git.wasm"]).ended();
    assert!(ended.stderr.starts_with("error: denied: "), "as the agent does: {ended:?}");

    std::fs::write(&folder, "a file").unwrap();
    let (code, answer) = check(&sandbox, &["plugins/git.wasm"]);
    assert_eq!(
        (code, named(&answer, "warnings", &["it was called without", "Not a directory"])),
        (0, vec![0, 1]),
        "{answer:#}"
    );
}

#[test]
fn on_a_narrow_terminal_no_name_is_broken() {
    let sandbox = Sandbox::new();
    for (name, sidecar) in [
        ("disk", include_str!("../../../plugins/disk/disk.toml")),
        ("http-probe", include_str!("../../../plugins/http-probe/http-probe.toml")),
    ] {
        sandbox.drop_collector(name, bundled(name), sidecar);
        let arguments = [&format!("plugins/{name}.wasm"), "--no-collect"];
        let (_, answer) = check(&sandbox, &arguments);
        let terminal = sandbox.start_on_terminal((80, 24), &[&["plugin", "check"], &arguments[..]].concat());
        wait_for("the end", || terminal.written().contains("the agent would take it").then_some(()));
        let written = terminal.written();
        assert!(written.lines().all(|line| line.chars().count() <= 80), "{written}");
        let items = |list: &str| answer[list].as_array().unwrap().iter();
        let attributes = items("metrics").flat_map(|metric| metric["attributes"].as_array().unwrap());
        let names = items("imports").chain(items("metrics")).map(|item| &item["name"]);
        for name in names.chain(items("metadata").chain(attributes).map(|item| &item["key"])) {
            assert!(written.contains(name.as_str().unwrap()), "{name} in\n{written}");
        }
    }
}

#[test]
fn what_is_no_collector_is_told_what_to_change() {
    let sandbox = Sandbox::new();
    let component = |text: &str| wat::parse_str(text).unwrap();
    sandbox.drop_in(
        "hollow.wasm",
        component(r#"(component (instance $i) (export "sandbeat:collector/guest@0.1.0" (instance $i)))"#),
    );
    sandbox.drop_in("module.wasm", component("(module)")).drop_in("other.wasm", component("(component)"));
    File::create(sandbox.plugin("huge.wasm")).unwrap().set_len(1 << 32).unwrap();
    for (file, parts) in [
        (
            "hollow",
            vec!["no function `describe`; add `describe: func() ->", "no function `collect`; add `collect: func()"],
        ),
        ("module", vec!["core WebAssembly module", "`sandbeat plugin wrap`"]),
        ("other", vec!["another world", "build it for the world sandbeat:collector/collector"]),
        ("huge", vec!["the file is larger than"]),
    ] {
        let (code, answer) = check(&sandbox, &[&format!("plugins/{file}.wasm")]);
        assert_eq!((code, named(&answer, "problems", &parts)), (1, vec![1; parts.len()]), "{file}: {answer:#}");
    }
}
