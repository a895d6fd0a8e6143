//! Files that change under a running agent, and across its restarts: what is good takes over, what is not does not.

use serde_json::Value;

use crate::harness::{FakeHub, Sandbox, bundled, guest, plugin};
use crate::plugins::{state, value};

fn reason<'a>(report: &'a Value, name: &str) -> &'a str {
    plugin(report, name)["reason"].as_str().unwrap_or_default()
}

fn calls(report: &Value, name: &str) -> f64 {
    value(report, name, "test.calls").unwrap_or(0.0)
}

#[test]
fn a_replacement_whose_first_collect_fails_is_not_put_to_work() {
    for (behaviour, failure) in [("panic", "trap"), ("loop", "cpu-timeout"), ("allocate", "memory")] {
        let hub = FakeHub::start();
        let sandbox = Sandbox::reporting_to(&hub);
        // The sidecar of the one to come: the one that is there does not mind it.
        sandbox.drop_collector("test", guest("one"), &format!("[config]\nbehaviour = \"{behaviour}\"\n"));
        let agent = sandbox.start(&["run"]);
        let before = hub.report("the first version", |report| value(report, "test", "test.value") == Some(1.0));
        sandbox.drop_in("test.wasm", guest("hostile"));
        let report = hub.report("a refusal", |report| reason(report, "test").contains("its first collect"));
        assert_eq!(plugin(&report, "test")["failure"], failure);
        assert_eq!(plugin(&report, "test")["lastReload"]["result"], "refused");
        assert_eq!(plugin(&report, "test")["digest"], plugin(&before, "test")["digest"]);
        let at = calls(&report, "test");
        let report = hub.report("its values still growing", |report| calls(report, "test") > at + 2.0);
        assert_eq!(state(&report, "test"), Some("active"));
        assert_eq!(plugin(&report, "test")["failures"], 0);
        agent.says(&["collector not loaded", "its first collect"]);
        sandbox.drop_in("test.wasm", guest("two"));
        let report = hub.report("the good one", |report| value(report, "test", "test.value") == Some(2.0));
        assert_eq!(reason(&report, "test"), "");
    }
}

#[test]
fn what_is_started_anew_over_files_that_are_not_good_goes_back_to_those_that_were() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    sandbox.drop_collector("test", guest("one"), "[config]\nbehaviour = \"panic\"\n");
    let agent = sandbox.start(&["run"]);
    hub.report("the first version", |report| value(report, "test", "test.value") == Some(1.0));
    agent.signal(rustix::process::Signal::TERM);
    agent.ended();
    for bad in [guest("hostile"), &guest("two")[..1000]] {
        sandbox.drop_in("test.wasm", bad);
        let agent = sandbox.start(&["run"]);
        let report = hub.report("the last good version", |report| value(report, "test", "test.value") == Some(1.0));
        assert!(reason(&report, "test").contains("goes on"), "{report}");
        agent.signal(rustix::process::Signal::TERM);
        agent.ended();
    }
    // One that was deleted is not gone back to.
    std::fs::remove_file(sandbox.plugin("test.wasm")).unwrap();
    let agent = sandbox.start(&["run"]);
    hub.report("a report", |_| true);
    sandbox.drop_in("test.wasm", "nonsense");
    let report = hub.report("a rejection", |report| state(report, "test") == Some("rejected"));
    assert_eq!(value(&report, "test", "test.value"), None);
    drop(agent);
}

#[test]
fn state_outlives_the_agent_unless_the_sidecar_says_otherwise() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    for (name, sidecar) in [("always", ""), ("reload", "keep_state = \"reload\""), ("never", "keep_state = \"never\"")]
    {
        sandbox.drop_collector(name, guest("moody"), &format!("{sidecar}\n[config]\ntag = \"{name}\""));
    }
    let agent = sandbox.start(&["run"]);
    let all = ["always", "reload", "never"];
    hub.report("several calls", |report| all.iter().all(|name| calls(report, name) > 20.0));
    for (name, sidecar) in [("reload", "keep_state = \"reload\"\n"), ("never", "keep_state = \"never\"\n")] {
        sandbox.drop_in(&format!("{name}.toml"), format!("{sidecar}[config]\ntag = \"{name}\"\nchanged = true\n"));
    }
    let reloaded = |report: &Value| all.map(|name| calls(report, name));
    let report = hub.report("an empty state where none is kept", |report| reloaded(report)[2] < 20.0);
    assert!(reloaded(&report)[..2].iter().all(|calls| *calls > 20.0), "{:?}", reloaded(&report));
    agent.signal(rustix::process::Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
    let _agent = sandbox.start(&["run"]);
    let report = hub.report("calls after the restart", |report| all.iter().all(|name| calls(report, name) > 0.0));
    let [always, reload, never] = reloaded(&report);
    assert!(always > 20.0 && reload < 20.0 && never < 20.0, "{always} {reload} {never}");
}

#[test]
fn touching_files_without_changing_them_changes_nothing() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    sandbox.drop_collector("test", guest("moody"), "instance = \"keep\"");
    let agent = sandbox.start(&["run"]);
    let instance = |report: &Value| value(report, "test", "test.instance_calls").unwrap_or(0.0);
    hub.report("some calls of one instance", |report| instance(report) > 3.0);
    sandbox.drop_in("test.wasm", guest("moody"));
    let report = hub.report("a look at it", |report| plugin(report, "test")["lastReload"]["result"] == "unchanged");
    assert!(instance(&report) > 3.0, "the instance goes on");
    assert_eq!(agent.said("collector loaded"), 1);
    assert_eq!(agent.said("collector reloaded"), 0);
}

#[test]
fn an_instance_is_kept_where_the_sidecar_says_so_and_recycled_in_time() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    for (name, sidecar) in [
        ("fresh", ""),
        ("kept", "instance = \"keep\""),
        ("recycled", "instance = \"keep\"\n[recycle]\ncalls = 3"),
        ("large", "instance = \"keep\"\n[recycle]\nmemory = \"1KiB\""),
    ] {
        sandbox.drop_collector(name, guest("moody"), &format!("{sidecar}\n[config]\ntag = \"{name}\""));
    }
    let _agent = sandbox.start(&["run"]);
    let mut most = [0.0_f64; 4];
    hub.report("many calls", |report| {
        for (most, name) in most.iter_mut().zip(["fresh", "kept", "recycled", "large"]) {
            *most = most.max(value(report, name, "test.instance_calls").unwrap_or(0.0));
        }
        calls(report, "recycled") > 12.0 && most[1] > 10.0
    });
    assert_eq!([most[0], most[2], most[3]], [1.0, 3.0, 1.0]);
}

#[test]
fn a_hundred_files_at_once_are_all_loaded_and_compiled_once() {
    let hub = FakeHub::start();
    let cache = tempfile::tempdir().unwrap();
    let cache_dir = cache.path().join("artifacts");
    let sandbox = Sandbox::reporting_to(&hub).env("SANDBEAT_PLUGINS__CACHE_DIR", cache_dir.to_str().unwrap());
    let _agent = sandbox.start(&["run"]);
    hub.reports(1);
    for number in 0..100 {
        sandbox.drop_in(&format!("test{number}.wasm"), guest("one"));
    }
    let report = hub.report("a hundred collectors", |report| {
        let plugins = report["plugins"].as_array().unwrap();
        let all = plugins.len() == 100 && plugins.iter().all(|p| p["state"] == "active" && p["calls"] != 0);
        // A call that ends after its beat is told of before what it gave.
        all && value(report, "test0", "test.value").is_some()
    });
    // All but the first by name lose the same metric.
    assert_eq!(value(&report, "test0", "test.value"), Some(1.0));
    let artifacts = std::fs::read_dir(&cache_dir).unwrap().flatten();
    assert_eq!(artifacts.filter(|entry| entry.path().extension().is_some_and(|end| end == "cwasm")).count(), 1);
}

#[test]
fn a_version_that_goes_on_loses_what_the_newest_sidecar_does_not_grant() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    sandbox.drop_collector("load", bundled("load"), "[grant]\nread = [\"/proc/loadavg\"]");
    let agent = sandbox.start(&["run"]);
    let load = |report: &Value| value(report, "load", "system.cpu.load_average.1m");
    let report = hub.report("the load", |report| load(report).is_some());
    assert_eq!(plugin(&report, "load")["grants"], serde_json::json!(["read /proc/loadavg"]));
    sandbox.drop_in("load.wasm", "nonsense");
    hub.report("a refusal, and the load", |report| !reason(report, "load").is_empty() && load(report).is_some());
    sandbox.drop_in("load.toml", "");
    let report = hub.report("no grant any more", |report| plugin(report, "load")["failure"] == "denied");
    assert_eq!(plugin(&report, "load").get("grants"), None);
    agent.says(&["only those are in force"]);
}

#[test]
fn all_collectors_together_have_a_budget() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[plugins.budget]\nmemory = \"8MiB\"");
    sandbox.drop_hostile("hoards", "allocate", "[limits]\nmemory = \"1GiB\"").drop_collector("good", guest("one"), "");
    let _agent = sandbox.start(&["run"]);
    let report = hub.report("its failure", |report| plugin(report, "hoards")["failure"] == "memory");
    assert!(reason(&report, "hoards").contains("plugins.budget.memory"), "{report}");
    hub.report("the other at work", |report| calls(report, "good") > 3.0);
}
