//! `sandbeat plugin bundled`: the list, and the files in a folder of the operator's.

use std::fs;

use sandbeat_bundled::{Bundled, COLLECTORS};
use serde_json::{Value, json};

use crate::harness::{FakeHub, Sandbox, bundled, metric};

/// What `plugin bundled` says, as exit code, standard output and standard error.
fn said(sandbox: &Sandbox, arguments: &[&str]) -> (i32, String, String) {
    let ended = sandbox.start(&[&["plugin", "bundled"], arguments].concat()).ended();
    (ended.status.code().unwrap(), ended.stdout, ended.stderr)
}

#[track_caller]
fn json(sandbox: &Sandbox, arguments: &[&str]) -> (i32, Value) {
    let (code, stdout, stderr) = said(sandbox, &[arguments, &["--json"]].concat());
    (code, serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}{stderr}")))
}

#[test]
fn the_list_says_what_each_measures_and_is_granted() {
    let sandbox = Sandbox::new();
    let (code, stdout, _) = said(&sandbox, &[]);
    assert_eq!((code, stdout.lines().count()), (0, COLLECTORS.len() + 1), "{stdout}");
    for Bundled { name, summary, .. } in COLLECTORS {
        assert!(stdout.lines().any(|line| line.starts_with(name) && line.contains(summary)), "{name}: {stdout}");
    }
    let (_, answer) = json(&sandbox, &[]);
    let ports = answer.as_array().unwrap().iter().find(|one| one["name"] == "ports").unwrap();
    assert_eq!(ports["grants"], json!(["processes", "read"]), "{answer:#}");
}

#[test]
fn what_is_written_is_what_an_agent_runs() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let _agent = sandbox.start(&["run"]);
    let (code, stdout, stderr) = said(&sandbox, &["plugins", "load"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    hub.report("its values", |report| metric(report, "load", "system.cpu.load_average.1m").is_some());
    let (code, answer) = json(&sandbox, &["new/folder"]);
    assert_eq!((code, answer.as_array().unwrap().len()), (0, COLLECTORS.len()), "{answer:#}");
    for Bundled { name, wasm, sidecar, .. } in COLLECTORS {
        let file = |extension: &str| fs::read(sandbox.path(&format!("new/folder/{name}.{extension}"))).unwrap();
        assert!(file("wasm") == *wasm && file("toml") == sidecar.as_bytes(), "{name}");
    }
}

#[test]
fn an_edited_sidecar_is_kept_and_a_component_gives_way_to_force_alone() {
    let sandbox = Sandbox::new();
    let names = ["plugins", "load", "net"];
    assert_eq!(said(&sandbox, &names).0, 0);
    sandbox.drop_in("net.toml", "interval = \"5s\"").drop_in("net.wasm", "mine");
    let (code, stdout, stderr) = said(&sandbox, &names);
    assert_eq!(code, 1);
    assert!(stdout.lines().any(|line| line.split_whitespace().eq(["net", "kept", "kept"])), "{stdout}");
    assert!(stderr.contains("1 component in plugins is not the bundled one: net.wasm; --force"), "{stderr}");
    assert_eq!(fs::read(sandbox.plugin("net.wasm")).unwrap(), b"mine");

    let (code, answer) = json(&sandbox, &[&names[..], &["--force"]].concat());
    let expected = json!([
        { "name": "load", "component": "unchanged", "sidecar": "unchanged" },
        { "name": "net", "component": "replaced", "sidecar": "kept" },
    ]);
    assert_eq!((code, answer), (0, expected));
    assert_eq!(fs::read(sandbox.plugin("net.wasm")).unwrap(), bundled("net"));
    assert_eq!(fs::read(sandbox.plugin("net.toml")).unwrap(), b"interval = \"5s\"");
    let (code, _, stderr) = said(&sandbox, &names);
    assert!(code == 0 && stderr.contains("not as shipped, and kept: net.toml"), "{stderr}");
}

#[test]
fn what_cannot_be_meant_is_told() {
    let sandbox = Sandbox::new();
    for (arguments, code, part) in [
        (&["load"][..], 1, "`sandbeat plugin bundled DIR load`"),
        (&["load/", "net"], 1, "`sandbeat plugin bundled DIR load`"),
        (&["plugins", "laod"], 2, "'load'"),
        (&["--force"], 2, "<DIR>"),
        (&["file"], 1, "cannot make the folder file"),
    ] {
        fs::write(sandbox.path("file"), "").unwrap();
        let (ended, stdout, stderr) = said(&sandbox, arguments);
        assert!(ended == code && stderr.contains(part), "{arguments:?}: {ended} {stdout}{stderr}");
    }
    assert!(!sandbox.path("load").exists());
    assert_eq!(said(&sandbox, &["./load", "load"]).0, 0);
    assert!(sandbox.path("load/load.wasm").exists());
}
