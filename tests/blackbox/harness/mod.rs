//! What the tests are written with: a sandbox's folder, the running binary, and the servers that it talks to.

mod alone;
mod fake_hub;
mod process;
mod raw;
mod sandbox;
mod terminal;

use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) use alone::alone;
pub(crate) use fake_hub::{Answer, FakeHub, OK, Request};
pub(crate) use process::Process;
pub(crate) use raw::Api;
pub(crate) use sandbox::{Sandbox, bundled, guest};
pub(crate) use terminal::Terminal;

/// How long a test waits for something that has to happen. Far above what it takes, for busy machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer, and says what was awaited when there is none in time.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The plugin's entry of a report.
pub(crate) fn plugin<'a>(report: &'a Value, name: &str) -> &'a Value {
    let plugins = report["plugins"].as_array().expect("a list of plugins");
    plugins.iter().find(|plugin| plugin["name"] == name).unwrap_or(&Value::Null)
}

/// A metric of the plugin's.
pub(crate) fn metric<'a>(report: &'a Value, plugin: &str, name: &str) -> Option<&'a Value> {
    report["metrics"].as_array()?.iter().find(|metric| metric["plugin"] == plugin && metric["name"] == name)
}

/// GET, with the status and the body as JSON (null where it is none).
pub(crate) fn get(url: &str) -> (u16, Value) {
    answer(client().get(url).call())
}

/// POST of a body as it is.
pub(crate) fn post(url: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
    answer(client().post(url).content_type(content_type).send(body))
}

/// DELETE.
pub(crate) fn delete(url: &str) -> (u16, Value) {
    answer(client().delete(url).call())
}

fn client() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).proxy(None).build().into()
}

fn answer(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    let mut answer = answer.expect("the server answers");
    let text = answer.body_mut().read_to_string().expect("the answer is text");
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
}
