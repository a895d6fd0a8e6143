//! What a mistake in `[config]` of a bundled collector looks like, to the operator and in the report.

use sandbeat_bundled::{Bundled, COLLECTORS};
use serde_json::Value;
use toml::Table;

use crate::harness::{FakeHub, Sandbox, bundled, guest, metric, plugin};

/// The sidecar as it is shipped, with one more setting; of folders only its own is there.
fn with_setting(bundled: &Bundled, setting: &str, sandbox: &Sandbox) -> String {
    let mut sidecar: Table = bundled.sidecar.parse().unwrap();
    let config = sidecar.entry("config").or_insert_with(|| Table::new().into()).as_table_mut().unwrap();
    config.extend(setting.parse::<Table>().unwrap());
    if let Some(dirs) = sidecar["grant"].as_table_mut().unwrap().get_mut("dirs") {
        *dirs = vec![sandbox.path("plugins").display().to_string()].into();
    }
    toml::to_string(&sidecar).unwrap()
}

#[test]
fn a_key_that_a_collector_does_not_know_is_refused_by_name_and_hurts_nothing_else() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    for bundled in COLLECTORS {
        sandbox.drop_collector(bundled.name, bundled.wasm, &with_setting(bundled, "colour = 1", &sandbox));
    }
    sandbox.drop_in("good.wasm", guest("one"));
    let agent = sandbox.start(&["run"]);
    let has_failed = |report: &Value, name: &str| plugin(report, name)["failure"] == "collector";
    let report = hub.report("what all of them say", |report| {
        COLLECTORS.iter().all(|bundled| has_failed(report, bundled.name))
            && metric(report, "good", "test.value").is_some()
    });
    for Bundled { name, .. } in COLLECTORS {
        let reason = plugin(&report, name)["reason"].as_str().unwrap();
        assert!(
            reason.starts_with("[config] in its sidecar is wrong: `colour` is an unknown key; "),
            "{name}: {reason}"
        );
        agent.says(&[name, "`colour` is an unknown key"]);
    }
    assert_eq!(plugin(&report, "good")["state"], "active");
    assert!(report["metrics"].as_array().unwrap().iter().all(|metric| metric["plugin"] == "good"), "{report:#}");
    assert!(report["memoryMB"].is_number() && report["status"] == "running", "{report:#}");
}

#[test]
fn what_is_mistyped_is_named_with_what_was_meant() {
    let sandbox = Sandbox::new();
    for (name, setting, told) in [
        ("disk", "device = 'sd*'", "`device` is an unknown key; did you mean `devices`? known here: devices, exclude"),
        ("git", "pth = '/'", "`pth` is an unknown key; did you mean `path`? known here: path"),
        (
            "http-probe",
            "timout = '1s'",
            "`timout` is an unknown key; did you mean `timeout`? known here: urls, timeout",
        ),
        ("load", "interval = '1s'", "`interval` is an unknown key; this collector has none"),
        ("net", "intefaces = 'eth*'", "`intefaces` is an unknown key; did you mean `interfaces`? known here: "),
        ("net", "interfaces = 5", "`interfaces` is 5; it has to be a string or an array of strings"),
        ("net", "exclude = ['a', true]", "`exclude` is [\"a\",true]; it has to be a string or an array of strings"),
        ("textfile", "path = 5", "`path` is 5; it has to be a string or an array of strings"),
        ("top", "count = '5'", "`count` is \"5\"; it has to be a whole number"),
        ("git", "path = ['/']", "`path` is [\"/\"]; it has to be a string"),
        ("http-probe", "timeout = 3", "`timeout` is 3; it has to be a string"),
    ] {
        let shipped = COLLECTORS.iter().find(|bundled| bundled.name == name).unwrap();
        sandbox.drop_collector(name, bundled(name), &with_setting(shipped, setting, &sandbox));
        let ended = sandbox.start(&["plugin", "check", &format!("plugins/{name}.wasm"), "--json"]).ended();
        let answer: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
        assert_eq!((ended.status.code(), &answer["ok"]), (Some(1), &false.into()), "{answer:#}");
        let problems = answer["problems"].as_array().unwrap();
        let problem = problems[0].as_str().unwrap();
        let words = format!("collect: collector: [config] in its sidecar is wrong: {told}");
        assert!(problems.len() == 1 && problem.starts_with(&words), "{name}: {problems:#?}\nwanted: {words}");
    }
}
