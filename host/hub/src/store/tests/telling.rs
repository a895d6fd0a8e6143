use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::store::batch::{Effect, write};
use crate::store::queue::Load;

#[tokio::test]
async fn who_comes_at_once_is_judged_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&Config { max_sandboxes: 10, ..config(directory.path()) }).unwrap());
    let all = |ids: Vec<String>| {
        let mut tasks = JoinSet::new();
        for id in ids {
            let store = Arc::clone(&store);
            tasks.spawn(async move { store.register(registration(&id)).await.map(|registration| registration.serial) });
        }
        tasks.join_all()
    };
    let same = all(vec!["same".to_owned(); 50]).await;
    assert_eq!(same.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(same.iter().filter(|result| **result == Err(Refused::Exists)).count(), 49);

    let many = all((0..30).map(|number| format!("s{number}")).collect()).await;
    assert_eq!(many.iter().filter(|result| result.is_ok()).count(), 9);
    assert_eq!(many.iter().filter(|result| **result == Err(Refused::Full(10))).count(), 21);
    assert_eq!(store.counts().total(), 10);
    store.remove("same").await.unwrap();
    store.register(registration("new")).await.unwrap();
}

#[tokio::test]
async fn everyone_is_told_in_the_order_of_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(directory.path()));
    let mut listener = store.subscribe();
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let id = format!("s{number}");
            store.register(registration(&id)).await.unwrap();
            for status in ["running", "stopped", "running", "stopped"] {
                report(&store, &id, json!({"status": status})).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let stored = store.events(EventQuery { after: Some(0), limit: 1000, ..EventQuery::default() }).await.unwrap();
    assert_eq!(stored.events.len(), 40 * 5);
    for event in &stored.events {
        let heard = listener.try_recv().unwrap();
        assert_eq!((heard.id, &heard.sandbox_id, heard.kind), (event.id, &event.sandbox_id, event.kind));
    }
    assert!(stored.events.is_sorted_by(|one, other| one.id < other.id));
    for number in 0..40 {
        let id = format!("s{number}");
        let of: Vec<_> = stored.events.iter().filter(|event| event.sandbox_id.as_deref() == Some(&id)).collect();
        let kinds = [Kind::Registered, Kind::Reported, Kind::Stopped, Kind::Started, Kind::Stopped];
        assert_eq!(of.iter().map(|event| event.kind).collect::<Vec<_>>(), kinds);
    }
}

#[tokio::test]
async fn what_comes_after_a_removal_is_not_told_of_the_next_with_that_id() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let a = store.register(registration("a")).await.unwrap();
    store.register(registration("b")).await.unwrap();
    let load: Arc<Load> = Arc::default();
    let tell = |id: &str| {
        let events = vec![Event::of(&Arc::from(id), Kind::Lost, Timestamp::now())];
        Command::Tell { events, beat: None, done: load.ask(0, 0).0 }
    };
    let waiting = RefCell::new(Vec::new());
    let manage = |change| {
        let (done, answer) = load.ask(0, 0);
        waiting.borrow_mut().push(answer);
        Command::Manage { change, done }
    };
    let commands = [
        tell("a"),
        manage(Manage::Remove { id: "a".into() }),
        tell("a"),
        tell("b"),
        manage(Manage::Register(registration("a"))),
        tell("a"),
        manage(Manage::Require { id: "a".into(), serial: a.serial }),
        manage(Manage::Register(registration("a"))),
        manage(Manage::Remove { id: "no-such".into() }),
    ];
    let mut connection = database(directory.path());
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    let written = write(&mut connection, &store.shared, [].iter(), &commands, &HashMap::new()).unwrap();
    let events: Vec<_> =
        written.events.iter().map(|event| (event.sandbox_id.as_deref().unwrap(), event.kind)).collect();
    assert_eq!(events, [("a", Kind::Lost), ("a", Kind::Deleted), ("b", Kind::Lost), ("a", Kind::Registered)]);
    let [
        Effect::Told,
        Effect::Removed(removed),
        Effect::Refused(Refused::Unknown),
        Effect::Told,
        Effect::Registered(registered),
        Effect::Refused(Refused::Unknown),
        Effect::Refused(Refused::Unknown),
        Effect::Refused(Refused::Exists),
        Effect::Refused(Refused::Unknown),
    ] = &written.effects[..]
    else {
        panic!("{:?}", written.effects)
    };
    assert_eq!(removed.serial, a.serial);
    assert!(registered.serial > a.serial);
}

#[tokio::test]
async fn pages_are_of_what_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for id in ["a", "b"] {
        store.register(registration(id)).await.unwrap();
        for status in ["running", "stopped", "running", "stopped"] {
            report(&store, id, json!({"status": status})).await.unwrap();
        }
    }
    let ids = |query: EventQuery| async {
        let page = store.events(query).await.unwrap();
        assert_eq!(page.forgotten, 0);
        (page.events.iter().map(|event| event.id).collect::<Vec<_>>(), page.more)
    };
    let all = EventQuery { limit: 3, ..EventQuery::default() };
    assert_eq!(ids(all.clone()).await, (vec![10, 9, 8], true));
    assert_eq!(ids(EventQuery { before: Some(4), ..all.clone() }).await, (vec![3, 2, 1], false));
    assert_eq!(ids(EventQuery { after: Some(4), ..all.clone() }).await, (vec![5, 6, 7], true));
    assert_eq!(ids(EventQuery { after: Some(10), ..all.clone() }).await, (vec![], false));
    let of_a = EventQuery { sandbox_id: Some("a".into()), ..all.clone() };
    assert_eq!(ids(of_a.clone()).await, (vec![5, 4, 3], true));
    assert_eq!(ids(EventQuery { kinds: vec![Kind::Stopped], ..of_a }).await, (vec![5, 3], false));
    let kinds = vec![Kind::Stopped, Kind::Started];
    let some = EventQuery { kinds, ..all };
    assert_eq!(ids(some.clone()).await, (vec![10, 9, 8], true));
    assert_eq!(ids(EventQuery { before: Some(8), ..some.clone() }).await, (vec![5, 4, 3], false));
    assert_eq!(ids(EventQuery { after: Some(0), ..some }).await, (vec![3, 4, 5], true));
}

#[tokio::test]
async fn a_search_looks_at_the_whole_fleet() {
    let store = Store::open(&Config::default()).unwrap();
    let registered = (0..=BATCH).map(|number| store.register(registration(&format!("s{number:05}"))));
    futures_util::future::try_join_all(registered).await.unwrap();
    let last = format!("s{BATCH:05}");
    let page = store.page(&Query { search: Some(last.clone()), limit: 1, ..Query::default() }).await;
    let ids: Vec<_> = page.sandboxes.iter().map(|sandbox| sandbox.registration.id.to_string()).collect();
    assert_eq!((ids, page.total, page.more), (vec![last], 1, false));
}

#[tokio::test]
async fn the_oldest_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.keep.events = 5;
    let store = Store::open(&config).unwrap();
    for number in 0..20 {
        store.register(registration(&format!("s{number}"))).await.unwrap();
    }
    let page = |store: Arc<Store>| async move {
        let all = EventQuery { after: Some(0), limit: 100, ..EventQuery::default() };
        let page = store.events(all).await.unwrap();
        (page.forgotten, page.events.iter().map(|event| event.id).collect::<Vec<_>>())
    };
    let store = Arc::new(store);
    until("the oldest are forgotten", || async { page(Arc::clone(&store)).await.0 == 15 }).await;
    assert_eq!(page(Arc::clone(&store)).await.1, [16, 17, 18, 19, 20]);
    store.close().await.unwrap();

    config.keep.events = 3;
    let store = Arc::new(Store::open(&config).unwrap());
    until("those of before the start count", || async { page(Arc::clone(&store)).await == (17, vec![18, 19, 20]) })
        .await;
    store.close().await.unwrap();

    config.keep.events_for = Duration::ZERO;
    let store = Arc::new(Store::open(&config).unwrap());
    until("all are too old", || async { page(Arc::clone(&store)).await == (20, vec![]) }).await;
    store.register(registration("new")).await.unwrap();
    until("so is that one", || async { page(Arc::clone(&store)).await == (21, vec![]) }).await;
}

#[tokio::test]
async fn a_wall_clock_that_jumped_forward_costs_no_event() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).close().await.unwrap();
    let day = Duration::from_secs(86_400);
    let insert = "INSERT INTO events (at, type) VALUES (?1, 'lost')";
    for days in [132, 101, 100] {
        let at = Timestamp::now() - days * day;
        database(directory.path()).execute(insert, [at.as_millisecond()]).unwrap();
    }
    let mut config = config(directory.path());
    config.keep.events_for = 31 * day;
    let store = Store::open(&config).unwrap();
    until("the oldest is forgotten", || async { told(&store).await.len() < 3 }).await;
    assert_eq!(told(&store).await.len(), 2, "the others are not old for the newest");
}
