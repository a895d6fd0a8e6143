//! What is expected of the example collector, whatever it is written in: the length of a queue, as a file says it.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{FakeHub, Sandbox, metric, plugin};

/// The example's name.
pub(crate) const NAME: &str = "queue";

/// What is tested.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Example {
    pub(crate) wasm: &'static [u8],
    /// The sidecar that came with it.
    pub(crate) sidecar: &'static str,
    /// The component of another language.
    pub(crate) other: &'static [u8],
}

/// One test for each expectation, so that a failure names both it and the language. `crate::example` has the components.
macro_rules! hold {
    ($($language:ident)*) => {$(
        mod $language {
            $crate::suite::hold!(@tests $language: the_agent_takes_it, it_reports_what_the_file_says, it_keeps_its_state,
                another_language_s_state_counts_as_none, a_missing_grant_is_denied, a_missing_file_is_unavailable,
                what_is_no_number_is_named, a_wrong_configuration_names_its_key, it_says_once_that_the_queue_is_empty,
                too_little_memory_has_a_name, a_collect_that_needs_too_much_memory_has_a_name);
        }
    )*};
    (@tests $language:ident: $($test:ident),*) => {$(
        #[test]
        fn $test() {
            $crate::suite::$test($crate::example(stringify!($language)));
        }
    )*};
}
pub(crate) use hold;

/// Has a component compiled, for however long that takes on a busy machine: the tests have less patience.
pub(crate) fn compile(wasm: &[u8]) {
    let sandbox = Sandbox::new().env("SANDBEAT_PLUGINS__COMPILE_TIMEOUT", "30m");
    sandbox.drop_in("queue.wasm", wasm);
    let mut check = sandbox.start(&["plugin", "check", "plugins/queue.wasm"]);
    while check.is_running() {
        thread::sleep(Duration::from_millis(50));
    }
    let ended = check.ended();
    assert!(ended.status.success(), "{ended:?}");
}

/// A sandbox with the collector in it, a file that says `content`, and the grant for it.
struct Stage {
    sandbox: Sandbox,
    file: String,
}

impl Stage {
    fn set(wasm: &[u8], sandbox: Sandbox, content: &str) -> Stage {
        let file = sandbox.path("length").to_str().unwrap().to_owned();
        fs::write(&file, content).unwrap();
        let stage = Stage { sandbox, file };
        stage.sidecar("");
        stage.sandbox.drop_in("queue.wasm", wasm);
        stage
    }

    /// Grants the file, tells the collector of it, and says more in dotted form.
    fn sidecar(&self, more: &str) {
        let file = &self.file;
        self.sandbox.drop_in("queue.toml", format!("config.path = '{file}'\ngrant.read = ['{file}']\n{more}"));
    }

    /// One collect: what is said of it on standard output and standard error.
    fn run(&self) -> (Value, String) {
        let ended = self.sandbox.start(&["plugin", "run", "plugins/queue.wasm", "--json", "--log", "debug"]).ended();
        let answer = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
        (answer, ended.stderr)
    }

    #[track_caller]
    fn fails(&self, failure: &str, parts: &[&str]) {
        let (answer, said) = self.run();
        assert_eq!((&answer["ok"], &answer["failure"]), (&json!(false), &json!(failure)), "{answer:#} {said}");
        let reason = answer["reason"].as_str().unwrap();
        for part in parts {
            assert!(reason.contains(part), "{part} in {reason}");
        }
    }
}

pub(crate) fn the_agent_takes_it(example: Example) {
    let sandbox = Sandbox::new();
    sandbox.drop_collector(NAME, example.wasm, example.sidecar);
    let ended = sandbox.start(&["plugin", "check", "plugins/queue.wasm", "--json"]).ended();
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
    assert_eq!((ended.status.code(), &answer["ok"], &answer["problems"]), (Some(0), &json!(true), &json!([])));
    let attributes = json!([{ "key": "queue.name", "description": "The queue's name, as configured." }]);
    let described = |name: &str, unit: &str, kind: &str, description: &str| {
        json!({
            "name": name, "unit": unit, "kind": kind, "description": description, "attributes": attributes
        })
    };
    let metrics = json!([
        described("queue.length", "{job}", "gauge", "Jobs that wait in the queue."),
        described("queue.observations", "{observation}", "counter", "How often the queue was looked at."),
        described("queue.length.distribution", "{job}", "histogram", "How long the queue was when it was looked at."),
    ]);
    assert_eq!(answer["metrics"], metrics, "{answer:#}");
    assert_eq!(answer["metadata"], json!([{ "key": "queue.path", "description": "The file that says it." }]));
    assert_eq!(
        (&answer["version"], &answer["summary"], &answer["others"]),
        (&json!("0.1.0"), &json!("The length of a job queue, as a file says it."), &Value::Null)
    );
}

pub(crate) fn it_reports_what_the_file_says(example: Example) {
    let stage = Stage::set(example.wasm, Sandbox::new(), " 42\n");
    for more in ["", "instance = 'keep'", "config.name = 'größte'"] {
        stage.sidecar(more);
        let (answer, said) = stage.run();
        assert_eq!(answer["ok"], true, "{answer:#}");
        let name = if more.contains("name") { "größte" } else { "default" };
        let attributes = json!({ "queue.name": name });
        let point = |name: &str, unit: &str, kind: &str, value: Value| json!({ "name": name, "unit": unit, "kind": kind, "value": value, "attributes": attributes });
        let distribution = json!({ "bounds": [0.0, 10.0, 100.0, 1000.0], "counts": [0, 0, 1, 0, 0], "sum": 42.0 });
        let expected = json!([
            point("queue.length", "{job}", "gauge", json!(42.0)),
            point("queue.observations", "{observation}", "counter", json!(1.0)),
            point("queue.length.distribution", "{job}", "histogram", distribution),
        ]);
        let undated: Vec<Value> = answer["metrics"].as_array().unwrap().iter().map(undated).collect();
        assert_eq!(json!(undated), expected, "{answer:#}");
        assert_eq!(answer["metadata"], json!({ "queue.path": stage.file }));
        assert!(said.contains(&format!("read 42 from {}", stage.file)), "{said}");
    }
}

/// Without the name of the plugin and its age, of which this is not about.
fn undated(point: &Value) -> Value {
    let mut point = point.clone();
    for key in ["plugin", "ageMs"] {
        point.as_object_mut().unwrap().remove(key);
    }
    point
}

/// How often the queue was looked at, by a report.
fn looked(report: &Value) -> Option<f64> {
    metric(report, NAME, "queue.observations")?["value"].as_f64()
}

/// The same, where the counts of what was seen have to agree with it.
fn observations(report: &Value) -> Option<f64> {
    let seen = looked(report)?;
    let counts = &metric(report, NAME, "queue.length.distribution")?["value"]["counts"];
    let counted: f64 = counts.as_array().unwrap().iter().map(|count| count.as_f64().unwrap()).sum();
    assert_eq!(seen.to_bits(), counted.to_bits(), "{report:#}");
    Some(seen)
}

pub(crate) fn it_keeps_its_state(example: Example) {
    let hub = FakeHub::start();
    let stage = Stage::set(example.wasm, Sandbox::reporting_to(&hub), "7");
    for (more, least) in [("", 3.0), ("instance = 'keep'", 10.0)] {
        stage.sidecar(more);
        let mut agent = stage.sandbox.start(&["run"]);
        hub.report("the state goes on", |report| observations(report).is_some_and(|seen| seen >= least));
        // A file that changes shows in the value, and in the bucket that it belongs to.
        fs::write(&stage.file, "0").unwrap();
        let report = hub.report("the new length", |report| {
            metric(report, NAME, "queue.length").is_some_and(|metric| metric["value"] == 0.0)
        });
        let value = &metric(&report, NAME, "queue.length.distribution").unwrap()["value"];
        assert!(value["counts"][0].as_u64().unwrap() >= 1, "{value}");
        fs::write(&stage.file, "7").unwrap();
        assert!(agent.is_running());
        agent.signal(Signal::TERM);
        assert_eq!(agent.ended().status.code(), Some(0));
        hub.take();
    }
}

pub(crate) fn another_language_s_state_counts_as_none(example: Example) {
    let hub = FakeHub::start();
    let stage = Stage::set(example.other, Sandbox::reporting_to(&hub), "7");
    let agent = stage.sandbox.start(&["run"]);
    let before = hub.report("values of the one", |report| observations(report).is_some());
    stage.sandbox.drop_in("queue.wasm", example.wasm);
    let digest = |report: &Value| plugin(report, NAME)["digest"].clone();
    let after = hub.report("values of the other", |report| {
        digest(report) != digest(&before) && plugin(report, NAME)["state"] == "active" && looked(report).is_some()
    });
    assert!(plugin(&after, NAME)["lastError"].is_null(), "{after:#}");
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
}

pub(crate) fn a_missing_grant_is_denied(example: Example) {
    let stage = Stage::set(example.wasm, Sandbox::new(), "7");
    stage.sandbox.drop_in("queue.toml", format!("config.path = '{}'", stage.file));
    stage.fails("denied", &[&stage.file, "[grant]"]);
}

pub(crate) fn a_missing_file_is_unavailable(example: Example) {
    let stage = Stage::set(example.wasm, Sandbox::new(), "7");
    fs::remove_file(&stage.file).unwrap();
    stage.fails("collector", &[&format!("`{}` is not there", stage.file)]);
}

pub(crate) fn what_is_no_number_is_named(example: Example) {
    let stage = Stage::set(example.wasm, Sandbox::new(), "");
    for content in ["", "three", "-1", "+1", "1.5", "1e3", "0x10", "1 2", "1_000", "٣", "\u{0}"] {
        fs::write(&stage.file, content).unwrap();
        stage.fails("collector", &[&format!("`{}`", stage.file)]);
    }
    fs::write(&stage.file, [0xff, 0xfe]).unwrap();
    stage.fails("collector", &[&stage.file]);
    fs::write(&stage.file, "0042\n\n").unwrap();
    assert_eq!(stage.run().0["metrics"][0]["value"], 42.0);
}

pub(crate) fn a_wrong_configuration_names_its_key(example: Example) {
    let stage = Stage::set(example.wasm, Sandbox::new(), "7");
    let long = format!("'{}'", "ä".repeat(129));
    for (key, value) in
        [("path", "7"), ("path", "'length'"), ("path", "['/a']"), ("name", "true"), ("name", "''"), ("name", &long)]
    {
        let path = if key == "path" { String::new() } else { format!("path = '{}'\n", stage.file) };
        let sidecar = format!("[config]\n{path}{key} = {value}\n[grant]\nread = ['{}']", stage.file);
        stage.sandbox.drop_in("queue.toml", sidecar);
        stage.fails("collector", &[&format!("`{key}` ")]);
    }
    stage.sidecar("config.nmae = 'mail'");
    let told =
        "[config] in its sidecar is wrong: `nmae` is an unknown key; did you mean `name`? known here: path, name";
    stage.fails("collector", &[told]);
}

pub(crate) fn it_says_once_that_the_queue_is_empty(example: Example) {
    const WORDS: &str = "the queue is empty";
    let hub = FakeHub::start();
    let stage = Stage::set(example.wasm, Sandbox::reporting_to(&hub), "0");
    let agent = stage.sandbox.start(&["run"]);
    let seen = |least: f64| {
        hub.report("further values", |report| observations(report).is_some_and(|seen| seen >= least));
    };
    seen(5.0);
    assert_eq!(agent.said(WORDS), 1, "{:#?}", agent.stderr());
    fs::write(&stage.file, "1").unwrap();
    hub.report("a length", |report| metric(report, NAME, "queue.length").is_some_and(|one| one["value"] == 1.0));
    fs::write(&stage.file, "0").unwrap();
    agent.says(&[WORDS]);
    hub.report("none", |report| metric(report, NAME, "queue.length").is_some_and(|one| one["value"] == 0.0));
    assert_eq!(agent.said(WORDS), 2, "{:#?}", agent.stderr());
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
}

pub(crate) fn too_little_memory_has_a_name(example: Example) {
    let stage = Stage::set(example.wasm, Sandbox::new(), "7");
    stage.sidecar("limits.memory = '64KiB'");
    stage.fails("memory", &["limits.memory"]);
}

/// Where it is loaded and starts within the limit, and passes it only when it is called.
pub(crate) fn a_collect_that_needs_too_much_memory_has_a_name(example: Example) {
    let stage = Stage::set(example.wasm, Sandbox::new(), "7");
    let peak = stage.run().0["peakMemoryBytes"].as_u64().unwrap();
    stage.sidecar(&format!("limits.memory = '{}KiB'", peak / 1024 + 64));
    let (answer, said) = stage.run();
    assert_eq!(answer["ok"], true, "{answer:#} {said}");
    fs::write(&stage.file, "7".repeat(1_000_000)).unwrap();
    stage.fails("memory", &["limits.memory"]);
}
