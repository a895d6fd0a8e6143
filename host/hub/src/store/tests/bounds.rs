//! What is kept, and what is said, where there is no room for more: of sandboxes in the hub, of events while the disk
//! takes none.

use futures_util::FutureExt;

use super::trouble::{fail, heal};
use super::*;
use crate::store::queue::MOST_EVENTS;

fn events(id: &str, count: usize) -> Vec<Event> {
    vec![Event::of(&id.into(), Kind::ProcessFailed, Timestamp::now()); count]
}

#[tokio::test]
async fn of_too_many_events_in_the_queue_the_newest_are_left_out_and_counted() {
    let mut store = Store::open(&Config::default()).unwrap();
    // As if the writer had not come to them yet.
    let (commands, queue) = mpsc::channel();
    let _writer = std::mem::replace(&mut store.queue.commands, commands);
    let lost = |store: &Store| store.measures().disk.events_lost.get();
    let _first = store.tell(events("a", MOST_EVENTS - 1), None);
    let _second = store.tell([events("fits", 1), events("b", 1)].concat(), None);
    assert_eq!(lost(&store), 1);
    let told = store.tell(events("c", 2), None).wait().now_or_never();
    assert_eq!(told, Some(Err(Refused::Disk)), "its sender is to come again");
    assert_eq!(lost(&store), 3);

    let last = queue.try_iter().last().unwrap();
    let Command::Tell { events: told, .. } = &last else { panic!("{last:?}") };
    assert_eq!(told.iter().map(|event| event.sandbox_id.as_deref()).collect::<Vec<_>>(), [Some("fits")]);
    drop(last);
    let _later = store.tell(events("d", 1), None);
    assert_eq!((lost(&store), queue.try_iter().count()), (3, 1), "what is answered makes room");
}

#[tokio::test]
async fn of_too_many_events_that_wait_for_the_disk_the_newest_are_left_out_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    fail(directory.path(), "INSERT ON events", "ROLLBACK");
    assert_eq!(store.tell(events("waits", MOST_EVENTS), None).wait().await, Err(Refused::Disk));
    until("they wait", || async { store.measures().disk.backlog.get() == MOST_EVENTS as i64 }).await;
    assert_eq!(store.tell(events("lost", 2), None).wait().await, Err(Refused::Disk));
    assert_eq!(store.measures().disk.events_lost.get(), 2);
    let pending = store.shared.pending();
    assert!(pending.has("waits") && !pending.has("lost"), "it is never told, so nobody waits for that");
}

#[tokio::test]
async fn that_old_events_cannot_be_forgotten_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.keep.events = 1;
    let store = Store::open(&config).unwrap();
    fail(directory.path(), "DELETE ON events", "ABORT");
    for id in ["a", "b"] {
        store.register(registration(id)).await.unwrap();
    }
    until("the trouble shows", || async { store.measures().disk.trouble() }).await;
    store.register(registration("c")).await.unwrap();
    heal(directory.path());
    until("all is well", || async { !store.measures().disk.trouble() }).await;
    until("they are forgotten", || async { told(&store).await.len() == 1 }).await;
}

#[tokio::test]
async fn that_the_disk_takes_changes_again_is_noticed_though_nobody_asks_for_any() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    fail(directory.path(), "INSERT ON sandboxes", "ROLLBACK");
    assert_eq!(store.register(registration("a")).await.unwrap_err(), Refused::Disk);
    until("the trouble shows", || async { store.measures().disk.trouble() }).await;
    heal(directory.path());
    until("all is well", || async { !store.measures().disk.trouble() }).await;
}

#[tokio::test]
async fn how_far_a_webhook_is_outlives_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    fail(directory.path(), "INSERT ON webhooks", "ROLLBACK");
    store.set_webhook_position("http://hook", 7);
    until("the trouble shows", || async { store.measures().disk.trouble() }).await;
    heal(directory.path());
    until("it is on disk", || async { store.webhook_position("http://hook").await == Ok(Some(7)) }).await;
}

#[tokio::test]
async fn that_the_hub_is_full_is_said_once_until_it_has_had_room() {
    let lines = Lines::listen();
    let said = || (lines.with("the hub is full: it keeps its limit of 2"), lines.with("has room for new sandboxes"));
    let store = Store::open(&Config { max_sandboxes: 2, ..Config::default() }).unwrap();
    for id in ["a", "b"] {
        store.register(registration(id)).await.unwrap();
    }
    assert_eq!(said(), (0, 0));
    for id in ["c", "d"] {
        assert_eq!(store.register(registration(id)).await.unwrap_err(), Refused::Full(2));
        assert_eq!(store.report(&Sender::New, beat(id, serde_json::json!({}))).await.unwrap_err(), Refused::Full(2));
        assert_eq!(said(), (1, 0), "{id}");
    }
    for _ in 0..2 {
        store.remove("a").await.unwrap();
        assert_eq!(said(), (1, 1));
        store.register(registration("a")).await.unwrap();
    }
    store.register(registration("c")).await.unwrap_err();
    assert_eq!(said(), (2, 1));
}
