//! The store over real files: what is opened and what is refused, what survives, and what a failing disk does.

use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tracing::subscriber::DefaultGuard;

use super::place::Place;
use super::*;
use crate::auth::Secret;
use crate::config::Config;
use crate::event::Kind;
use crate::fleet::{Described, Tokens};
use crate::liveness::Standing;

mod bounds;
mod files;
mod opening;
mod surviving;
mod telling;
mod trouble;

/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(20);

fn config(directory: &Path) -> Config {
    Config { data: Some(directory.to_owned()), ..Config::default() }
}

fn open(directory: &Path) -> Store {
    Store::open(&config(directory)).unwrap()
}

/// The database as another program sees it.
fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("hub.db")).unwrap()
}

/// What a kill would leave just now, in another directory.
fn killed(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let read = |name| std::fs::read(directory.join(name)).unwrap();
    // The log may come into the database meanwhile.
    let (database, log) = loop {
        let (database, log) = (read("hub.db"), read("hub.db-wal"));
        if database == read("hub.db") {
            break (database, log);
        }
    };
    for (name, bytes) in [("hub.db", database), ("hub.db-wal", log)] {
        std::fs::write(copy.path().join(name), bytes).unwrap();
    }
    copy
}

fn token(id: &str) -> String {
    format!("the token of {id}")
}

fn registration(id: &str) -> Registration {
    let tokens = Some(Tokens::of(KeyHash::of(&Secret::new(token(id)))));
    Registration { tokens, ..Registration::by_report(id, Timestamp::now()) }
}

fn beat(id: &str, fields: serde_json::Value) -> Beat {
    let mut json = serde_json::json!({"sandboxId": id, "status": "running", "uptimeSecs": 1,
        "hostname": "h", "timestamp": "2026-11-20T12:00:00Z", "intervalSecs": 2.0});
    json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let report = serde_json::from_value(json).unwrap();
    Beat { report, at: Instant::now(), received: Timestamp::now(), peer: [127, 0, 0, 1].into() }
}

/// A report of a sandbox that is registered.
async fn report(store: &Store, id: &str, fields: serde_json::Value) -> Result<Outcome, Refused> {
    let sender = Sender::Known(store.registration(id).unwrap());
    let (outcome, durable) = store.report(&sender, beat(id, fields)).await?;
    durable.wait().await.map(|()| outcome)
}

/// All events, the oldest first, as sandbox and kind.
async fn told(store: &Store) -> Vec<(String, Kind)> {
    let all = EventQuery { after: Some(0), limit: 10_000, ..EventQuery::default() };
    let page = store.events(all).await.unwrap();
    page.events.iter().map(|event| (event.sandbox_id.as_deref().unwrap_or_default().to_owned(), event.kind)).collect()
}

async fn until<F: Future<Output = bool>>(what: &str, mut good: impl FnMut() -> F) {
    let deadline = Instant::now() + DEADLINE;
    while !good().await {
        assert!(Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What this thread logs for as long as this is there.
pub(super) struct Lines {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(super) fn listen() -> Self {
        let text = Arc::default();
        let writer = Writer(Arc::clone(&text));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        Lines { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// How many of them have this in them.
    pub(super) fn with(&self, part: &str) -> usize {
        String::from_utf8_lossy(&self.text.lock().unwrap()).lines().filter(|line| line.contains(part)).count()
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
