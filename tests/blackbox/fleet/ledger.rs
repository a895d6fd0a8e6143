//! What a hub has acknowledged to someone who registers, deletes and rotates all the time, and whether it is so
//! afterwards. What was not answered may have happened or not, and is not in the account.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

/// Someone at work, until this is gone.
pub(super) struct Clerk {
    stop: Arc<AtomicBool>,
    ledger: Arc<Mutex<Ledger>>,
    thread: Option<JoinHandle<()>>,
}

/// What was acknowledged, by sandbox.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(pub(super) BTreeMap<String, Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is registered; this is its token, and those were before it, and are over.
    There { token: String, over: Vec<String> },
    /// It was deleted.
    Gone,
    /// Something was asked for and not answered.
    Unknown,
}

impl Clerk {
    /// One whose sandboxes' ids begin so.
    pub(super) fn start(hub: SocketAddr, prefix: &'static str) -> Clerk {
        let (stop, ledger) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Ledger::default())));
        let (told, kept) = (Arc::clone(&stop), Arc::clone(&ledger));
        let thread = std::thread::spawn(move || {
            let client = Client::to(hub);
            for number in 0.. {
                let id = format!("{prefix}-{number}");
                let mut write = |entry| drop(kept.lock().expect("no clerk panics").0.insert(id.clone(), entry));
                if told.load(Ordering::SeqCst) || !one(&client, &id, number, &mut write) {
                    // The hub is away, or it is over.
                    std::thread::park_timeout(Duration::from_millis(20));
                }
                if told.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        Clerk { stop, ledger, thread: Some(thread) }
    }

    /// Ends the work.
    pub(super) fn ledger(mut self) -> Ledger {
        self.end();
        self.ledger.lock().expect("no clerk panics").clone()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no clerk panics");
        }
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Registers a sandbox, rotates the tokens of every second one, deletes every third; `false` when the hub was away.
fn one(client: &Client, id: &str, number: u32, write: &mut impl FnMut(Entry)) -> bool {
    write(Entry::Unknown);
    let Ok((201, registered)) = client.ask("POST", "/sandboxes", "", &json!({"id": id})) else { return false };
    let mut token = registered["token"].as_str().expect("a token").to_owned();
    let mut over = Vec::new();
    write(Entry::There { token: token.clone(), over: over.clone() });
    if number.is_multiple_of(2) {
        write(Entry::Unknown);
        let answer = client.ask("POST", &format!("/sandboxes/{id}/token"), "", &json!({"overlapSecs": 0}));
        let Ok((200, rotated)) = answer else { return false };
        over.push(std::mem::replace(&mut token, rotated["token"].as_str().expect("a token").to_owned()));
        write(Entry::There { token, over });
    }
    if number.is_multiple_of(3) {
        write(Entry::Unknown);
        let Ok((200, _)) = client.ask("DELETE", &format!("/sandboxes/{id}"), "", &Value::Null) else { return false };
        write(Entry::Gone);
    }
    true
}

impl Ledger {
    /// Adds another one's.
    pub(super) fn add(&mut self, other: Ledger) {
        self.0.extend(other.0);
    }

    /// Holds a hub to it.
    #[track_caller]
    pub(super) fn is_kept_by(&self, hub: SocketAddr) {
        let client = Client::to(hub);
        let report = |id: &str, token: &str| {
            let report = json!({"sandboxId": id, "status": "running", "uptimeSecs": 3, "hostname": "h",
                                "intervalSecs": 3600, "timestamp": "2026-11-20T12:00:00Z"});
            client.ask("POST", &format!("/sandboxes/{id}/status"), token, &report).expect("the hub answers").0
        };
        for (id, entry) in &self.0 {
            let shown = client.ask("GET", &format!("/sandboxes/{id}"), "", &Value::Null).expect("the hub answers").0;
            match entry {
                Entry::Unknown => assert!(shown == 200 || shown == 404, "{id}: {shown}"),
                Entry::Gone => assert_eq!(shown, 404, "{id} was deleted"),
                Entry::There { token, over } => {
                    assert_eq!(shown, 200, "{id} was registered");
                    assert_eq!(report(id, token), 200, "the token of {id}");
                    for over in over {
                        assert_eq!(report(id, over), 401, "a token of {id} that was replaced");
                    }
                }
            }
        }
    }
}

struct Client {
    hub: SocketAddr,
    agent: ureq::Agent,
}

impl Client {
    fn to(hub: SocketAddr) -> Client {
        // A connection each: a server that refuses a request before its body has come may close after the answer.
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_idle_connections(0);
        Client { hub, agent: config.timeout_global(Some(Duration::from_secs(10))).build().into() }
    }

    fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> Result<(u16, Value), ureq::Error> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}/api/v1{path}", self.hub))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(body)
            .expect("a good request");
        let mut answer = self.agent.run(request)?;
        let text = answer.body_mut().read_to_string()?;
        Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default()))
    }
}
