//! Collectors that come, change and go while the agent runs.

use serde_json::Value;

use crate::harness::{FakeHub, Sandbox, bundled, guest, metric, plugin};

pub(crate) fn value(report: &Value, plugin: &str, name: &str) -> Option<f64> {
    metric(report, plugin, name)?["value"].as_f64()
}

pub(crate) fn state<'a>(report: &'a Value, name: &str) -> Option<&'a str> {
    plugin(report, name)["state"].as_str()
}

#[test]
fn dropped_replaced_and_removed_collectors_show_in_the_next_reports() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let _agent = sandbox.start(&["run"]);
    let report = hub.reports(1)[0].body.clone();
    assert_eq!(report["plugins"], serde_json::json!([]));

    sandbox.drop_collector("test", guest("one"), "");
    hub.report("the first version", |report| value(report, "test", "test.value") == Some(1.0));
    sandbox.drop_in("test.wasm", guest("two"));
    let report = hub.report("the second version", |report| value(report, "test", "test.value") == Some(2.0));
    assert!(value(&report, "test", "test.calls") > Some(1.0), "state survives a reload: {report}");
    std::fs::remove_file(sandbox.plugin("test.wasm")).unwrap();
    hub.report("no plugin", |report| state(report, "test").is_none() && value(report, "test", "test.value").is_none());
}

#[test]
fn a_broken_replacement_leaves_the_running_version_at_work() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    sandbox.drop_collector("test", guest("one"), "");
    let agent = sandbox.start(&["run"]);
    hub.report("the first version", |report| value(report, "test", "test.value") == Some(1.0));
    // In place, as a copy does it.
    std::fs::write(sandbox.plugin("test.wasm"), &guest("two")[..1000]).unwrap();
    agent.says(&["not loaded", "the version before them goes on"]);
    let report = hub.report("values and a reason", |report| {
        report["plugins"][0]["reason"].is_string() && value(report, "test", "test.value") == Some(1.0)
    });
    assert_eq!(state(&report, "test"), Some("active"));
    std::fs::write(sandbox.plugin("test.wasm"), guest("two")).unwrap();
    let report = hub.report("the whole replacement", |report| value(report, "test", "test.value") == Some(2.0));
    assert_eq!(report["plugins"][0].get("reason"), None);
}

#[test]
fn a_sidecar_alone_changes_what_is_granted() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    sandbox.drop_in("load.wasm", bundled("load"));
    let _agent = sandbox.start(&["run"]);
    let report = hub.report("denied", |report| report["plugins"][0]["failure"] == "denied");
    assert_eq!(state(&report, "load"), Some("failing"));
    sandbox.drop_in("load.toml", "[grant]\nread = [\"/proc/loadavg\"]");
    hub.report("the load", |report| value(report, "load", "system.cpu.load_average.1m").is_some());
    sandbox.drop_in("load.toml", "");
    hub.report("denied again", |report| report["plugins"][0]["failure"] == "denied");
}

#[test]
fn a_directory_that_comes_later_and_goes_again_is_followed() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[plugins]\nscan_interval = \"100ms\"");
    let directory = sandbox.path("plugins");
    std::fs::remove_dir(&directory).unwrap();
    let agent = sandbox.start(&["run"]);
    agent.says(&["plugins directory cannot be read", "create it"]);
    for _ in 0..2 {
        std::fs::create_dir(&directory).unwrap();
        sandbox.drop_collector("test", guest("one"), "");
        hub.report("the collector", |report| value(report, "test", "test.value").is_some());
        std::fs::remove_dir_all(&directory).unwrap();
        hub.report("no plugin", |report| state(report, "test").is_none());
    }
    assert_eq!(agent.said("cannot be read"), 3);
}

#[test]
fn a_collector_with_an_interval_of_its_own_says_how_old_its_values_are() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let _agent = sandbox.start(&["run"]);
    hub.reports(1);
    // Dropped later: its first values do not wait for its interval.
    sandbox.drop_collector("test", guest("one"), "interval = \"1h\"");
    hub.report("values older than half a second", |report| {
        let metrics = report["metrics"].as_array().into_iter().flatten();
        metrics.into_iter().any(|metric| metric["plugin"] == "test" && metric["ageMs"].as_u64() > Some(500))
    });
    let last = hub.report("one more", |report| value(report, "test", "test.calls").is_some());
    assert_eq!(value(&last, "test", "test.calls"), Some(1.0));
}

#[test]
fn the_bundled_collectors_measure_what_the_kernel_says() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    for collector in sandbeat_bundled::COLLECTORS.iter().filter(|collector| collector.name != "git") {
        sandbox.drop_collector(collector.name, collector.wasm, collector.sidecar);
    }
    let _agent = sandbox.start(&["run"]);
    // Active is one that was not called yet as well.
    let report = hub.report("values of both", |report| {
        let has = |plugin, name| value(report, plugin, name).is_some();
        has("load", "system.cpu.load_average.1m") && has("net", "system.network.io")
    });
    let load: f64 = std::fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().parse().unwrap();
    let reported = value(&report, "load", "system.cpu.load_average.1m").unwrap();
    assert!((load - reported).abs() < 1.0, "{load} against {reported}");
}

#[test]
fn a_granted_folder_that_comes_later_is_used_when_it_is_there() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let folder = sandbox.path("workspace");
    let path = folder.display();
    let sidecar = format!("[config]\npath = \"{path}\"\n[grant]\ndirs = [\"{path}\"]\n");
    sandbox.drop_collector("git", bundled("git"), &sidecar);
    let _agent = sandbox.start(&["run"]);
    let report = hub.report("its failure", |report| state(report, "git") == Some("failing"));
    let reason = report["plugins"][0]["reason"].as_str().unwrap();
    assert!(reason.contains(&path.to_string()) && reason.contains("create it"), "{reason}");
    std::fs::create_dir_all(folder.join(".git/objects")).unwrap();
    std::fs::create_dir_all(folder.join(".git/refs")).unwrap();
    std::fs::write(folder.join(".git/HEAD"), "ref: refs/heads/trunk\n").unwrap();
    hub.report("the branch", |report| report["metadata"]["git.branch"] == "trunk");
}

#[test]
fn a_damaged_artifact_is_made_again() {
    let hub = FakeHub::start();
    let cache = tempfile::tempdir().unwrap();
    let cache_dir = cache.path().join("artifacts");
    let sandbox = Sandbox::reporting_to(&hub).env("SANDBEAT_PLUGINS__CACHE_DIR", cache_dir.to_str().unwrap());
    sandbox.drop_collector("test", guest("one"), "");
    let works = |report: &Value| value(report, "test", "test.value") == Some(1.0);
    let agent = sandbox.start(&["run"]);
    hub.report("a value", works);
    drop(agent);
    let of_code = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "cwasm");
    let artifact = std::fs::read_dir(&cache_dir).unwrap().flatten().find(of_code).unwrap().path();
    let mut code = std::fs::read(&artifact).unwrap();
    let good = code.clone();
    let middle = code.len() / 2;
    code[middle..].fill(0xcc);
    std::fs::write(&artifact, code).unwrap();
    let _agent = sandbox.start(&["run"]);
    hub.report("a value again", works);
    assert_eq!(std::fs::read(&artifact).unwrap().len(), good.len());
}
