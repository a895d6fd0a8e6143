//! One run of a bundled collector by `sandbeat plugin run --json`, under a sidecar of the test's own.

use serde_json::Value;

use crate::harness::{Sandbox, bundled};

/// What came of it.
pub(super) struct Ran {
    /// As the command prints it.
    pub(super) json: Value,
    /// The collector's log lines among them.
    pub(super) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(super) fn of(sandbox: &Sandbox, collector: &str, sidecar: &str) -> Ran {
        sandbox.drop_collector(collector, bundled(collector), sidecar);
        let ended = sandbox.start(&["plugin", "run", &format!("plugins/{collector}.wasm"), "--json"]).ended();
        let json: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
        assert_eq!(ended.status.code(), Some(if json["ok"] == true { 0 } else { 1 }), "{ended:?}");
        Ran { json, stderr: ended.stderr }
    }

    /// All accepted points; none is rejected.
    #[track_caller]
    pub(super) fn points(&self) -> &[Value] {
        assert_eq!(
            (&self.json["ok"], &self.json["rejected"]),
            (&true.into(), &serde_json::json!([])),
            "{:#}",
            self.json
        );
        self.json["metrics"].as_array().unwrap()
    }

    /// The value of the one point with this name and among its attributes these.
    #[track_caller]
    pub(super) fn value(&self, name: &str, attributes: &[(&str, &str)]) -> Option<f64> {
        let has = |point: &&Value| {
            point["name"] == name && attributes.iter().all(|(key, value)| point["attributes"][key] == *value)
        };
        let mut found = self.points().iter().filter(has);
        let point = found.next()?;
        assert!(found.next().is_none(), "two points of {name} {attributes:?}: {:#}", self.json);
        point["value"].as_f64()
    }

    /// Checks that it failed for want of a grant, which it names, and reports nothing.
    #[track_caller]
    pub(super) fn is_denied(&self, what: &str) {
        assert_eq!((&self.json["ok"], &self.json["failure"]), (&false.into(), &"denied".into()), "{:#}", self.json);
        let reason = self.json["reason"].as_str().unwrap();
        assert!(reason.contains(what), "{what} in {reason}");
        assert!(self.json["metrics"].as_array().is_none_or(Vec::is_empty), "{:#}", self.json);
    }
}
