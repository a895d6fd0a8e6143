use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use super::trouble::fail;
use super::*;
use crate::store::snapshot::Rounds;

#[tokio::test]
async fn everything_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let metadata = BTreeMap::from([("team".to_owned(), "ü".to_owned())]);
    let described = Described { name: Some("One".into()), image: Some("i:1".into()), metadata }.kept();
    let full = Registration { described, ..registration("a") };
    let first = store.register(full).await.unwrap();
    store.register(registration("b")).await.unwrap();
    store.register(registration("c")).await.unwrap();
    store.remove("c").await.unwrap();
    store.rotate("b", KeyHash::of(&Secret::new("another token")), Duration::from_secs(60)).await.unwrap();
    report(&store, "a", json!({"bootId": "x", "seq": 7, "cpuPercent": 12.5, "metadata": {"k": "v"}})).await.unwrap();
    report(&store, "b", json!({})).await.unwrap();
    report(&store, "b", json!({"status": "stopped"})).await.unwrap();
    let before = told(&store).await;
    store.close().await.unwrap();

    let store = open(directory.path());
    assert_eq!(told(&store).await, before);
    let a = store.find("a").unwrap();
    assert_eq!((a.registration.serial, a.standing), (first.serial, Standing::Live));
    assert_eq!(a.registration.name(), "One");
    assert_eq!(a.registration.image(), Some("i:1"));
    assert_eq!(a.registration.metadata()["team"], "ü");
    assert_eq!(a.registration.created_at, first.created_at);
    let last = a.beat.unwrap();
    let report = last.report();
    assert_eq!((report.seq, report.cpu_percent, report.metadata["k"].as_str()), (Some(7), Some(12.5), "v"));
    assert_eq!((last.peer, last.interval), ([127, 0, 0, 1].into(), Duration::from_secs(2)));

    let now = Timestamp::now();
    let tokens = |id: &str| store.registration(id).unwrap().tokens.clone().unwrap();
    assert!(tokens("a").matches(&token("a"), now) && !tokens("a").matches("other", now));
    assert!(tokens("b").matches(&token("b"), now) && tokens("b").matches("another token", now));
    let later = now.checked_add(Duration::from_secs(60)).unwrap();
    assert!(!tokens("b").matches(&token("b"), later) && tokens("b").matches("another token", later));
    assert_eq!(store.find("b").unwrap().standing, Standing::Stopped);

    assert!(store.find("c").is_none());
    let again = store.register(registration("c")).await.unwrap();
    assert!(again.serial > 3, "a number is never given twice: {}", again.serial);
}

#[tokio::test]
async fn that_a_token_was_shown_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let until = |store: &Store, id: &str| store.registration(id).unwrap().tokens.as_ref().unwrap().tokenless_until;
    for id in ["shown", "never", "rotated"] {
        store.register(registration(id)).await.unwrap();
    }
    report(&store, "never", json!({})).await.unwrap();
    store.rotate("rotated", KeyHash::of(&Secret::new("another token")), Duration::from_secs(60)).await.unwrap();
    let sender = Sender::FirstToken(store.registration("shown").unwrap());
    let (_, durable) = store.report(&sender, beat("shown", json!({}))).await.unwrap();
    durable.wait().await.unwrap();
    let after = open(killed(directory.path()).path());
    let soon = Timestamp::now().checked_add(Duration::from_secs(61)).unwrap().into();
    for store in [&store, &after] {
        assert_eq!(until(store, "shown"), None);
        assert!(until(store, "never") > Some(soon));
        assert!(until(store, "rotated").is_some_and(|until| until < soon), "as long as was promised");
    }
}

#[tokio::test]
async fn a_kill_costs_nothing_that_was_answered() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    assert!(open(killed(directory.path()).path()).registration("a").is_some());

    store.rotate("a", KeyHash::of(&Secret::new("another token")), Duration::ZERO).await.unwrap();
    let copy = killed(directory.path());
    let after = open(copy.path());
    let tokens = after.registration("a").unwrap().tokens.clone().unwrap();
    assert!(tokens.matches("another token", Timestamp::now()) && !tokens.matches(&token("a"), Timestamp::now()));

    report(&store, "a", json!({"cpuPercent": 1.0})).await.unwrap();
    report(&store, "a", json!({"status": "stopped", "cpuPercent": 2.0})).await.unwrap();
    let copy = killed(directory.path());
    let after = open(copy.path());
    let snapshot = after.find("a").unwrap();
    assert_eq!(snapshot.standing, Standing::Stopped);
    let said = snapshot.beat.unwrap().report();
    assert_eq!(said.cpu_percent, Some(2.0), "the report that brought the event is there with it");
    assert_eq!(told(&after).await, told(&store).await);

    store.remove("a").await.unwrap();
    let copy = killed(directory.path());
    let after = open(copy.path());
    assert!(after.registration("a").is_none());
    assert_eq!(told(&after).await.last().unwrap().1, Kind::Deleted);
}

#[tokio::test]
async fn beats_are_saved_every_interval() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.keep.snapshot_interval = Duration::from_millis(50);
    let store = Store::open(&config).unwrap();
    // More than one part.
    for number in 0..1500 {
        store.register(Registration::by_report(&format!("s{number}"), Timestamp::now())).await.unwrap();
    }
    let saved = || async {
        let copy = killed(directory.path());
        let after = open(copy.path());
        (0..1500).all(|number| {
            let beat = after.find(&format!("s{number}")).unwrap().beat;
            beat.is_some_and(|beat| beat.report().cpu_percent == Some(50.0))
        })
    };
    for cpu in [1.0, 50.0] {
        for number in 0..1500 {
            report(&store, &format!("s{number}"), json!({"cpuPercent": cpu})).await.unwrap();
        }
    }
    until("the last reports are on disk", saved).await;
}

#[tokio::test]
async fn what_was_asked_for_is_soon_in_the_database_itself() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let log = || fs::metadata(directory.path().join("hub.db-wal")).unwrap().len();
    for id in ["a", "b"] {
        store.register(registration(id)).await.unwrap();
        assert!(log() > 0, "{id}");
        until("the log is empty", || async { log() == 0 }).await;
    }
}

#[tokio::test]
async fn that_something_was_not_kept_of_a_report_is_known_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.keep.report_memory = 1;
    let store = Store::open(&config).unwrap();
    store.register(registration("a")).await.unwrap();
    let plugins = json!([{"name": "p", "state": "active"}]);
    for _ in 0..2 {
        report(&store, "a", json!({"plugins": plugins})).await.unwrap();
    }
    assert!(store.find("a").unwrap().beat.unwrap().dropped);
    store.close().await.unwrap();
    let store = open(directory.path());
    assert!(store.find("a").unwrap().beat.unwrap().dropped, "though there is room now");
}

#[tokio::test]
async fn what_is_answered_is_waited_for_whatever_becomes_of_a_part_of_the_beats() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (place, _lock) = Place::open(Some(other.path())).unwrap();
    assert!(is_synced(&place.writer().unwrap()));
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    let mut connection = database(directory.path());
    connection.pragma_update(None, "synchronous", "full").unwrap();
    let mut rounds = Rounds::every(Duration::ZERO);
    for fails in [false, true] {
        report(&store, "a", json!({"cpuPercent": 1.0})).await.unwrap();
        report(&store, "a", json!({"cpuPercent": 2.0})).await.unwrap();
        if fails {
            fail(directory.path(), "UPDATE ON beats", "ROLLBACK");
        }
        assert_eq!(rounds.write_part(&mut connection, &store.shared).is_err(), fails);
        assert!(is_synced(&connection), "{fails}");
    }
}

/// Whether a commit is on disk when it returns.
fn is_synced(connection: &Connection) -> bool {
    connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).unwrap() >= 2
}

#[tokio::test]
async fn closing_saves_what_no_interval_has() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    report(&store, "a", json!({"cpuPercent": 1.0})).await.unwrap();
    report(&store, "a", json!({"cpuPercent": 2.0})).await.unwrap();
    store.set_webhook_position("http://hook", 7);
    store.close().await.unwrap();
    assert_eq!(store.register(registration("b")).await.unwrap_err(), Refused::Disk, "nothing is taken any more");
    let log = directory.path().join("hub.db-wal");
    assert!(fs::metadata(log).map_or(0, |file| file.len()) == 0, "all of it is in the database");

    let store = open(directory.path());
    assert_eq!(store.find("a").unwrap().beat.unwrap().report().cpu_percent, Some(2.0));
    assert_eq!(store.webhook_position("http://hook").await, Ok(Some(7)));
    assert_eq!(store.webhook_position("http://other").await, Ok(None));
}

#[tokio::test]
async fn closing_writes_all_that_waits_however_much_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let tell = || {
        let event = Event::of(&"a".into(), Kind::ProcessFailed, Timestamp::now());
        store.tell(vec![event], None)
    };
    // While the writer waits for this, more is queued than one transaction takes.
    let other = database(directory.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let stored: Vec<_> = (0..5000).map(|_| tell()).collect();
    other.execute_batch("ROLLBACK").unwrap();
    store.close().await.unwrap();
    for stored in stored {
        assert_eq!(stored.wait().await, Ok(()));
    }
    assert_eq!(told(&open(directory.path())).await.len(), 5000);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_costs_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for id in ["a", "b", "c", "d"] {
        store.register(registration(id)).await.unwrap();
        report(&store, id, json!({})).await.unwrap();
    }
    store.close().await.unwrap();
    let damage = "
        UPDATE beats SET report = '{\"sandboxId\"' WHERE serial = 1;
        UPDATE sandboxes SET metadata = '[]' WHERE serial = 2;
        UPDATE sandboxes SET token_hash = x'00' WHERE serial = 3;";
    database(directory.path()).execute_batch(damage).unwrap();

    let store = open(directory.path());
    assert_eq!(store.counts().total(), 3);
    assert!(store.find("a").unwrap().beat.is_none() && store.find("d").unwrap().beat.is_some());
    let tokens = store.registration("a").unwrap().tokens.clone().unwrap();
    assert!(tokens.matches(&token("a"), Timestamp::now()), "its registration is whole");
    assert!(store.registration("b").unwrap().metadata().is_empty());
    assert_eq!(store.register(registration("c")).await.unwrap_err(), Refused::Exists, "its row is still there");
    store.close().await.unwrap();
    let rows: i64 =
        database(directory.path()).query_row("SELECT count(*) FROM sandboxes", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 4);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_costs_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for id in ["a", "b", "c", "d", "e"] {
        store.register(registration(id)).await.unwrap();
    }
    store.close().await.unwrap();
    let damage = "
        UPDATE events SET type = 'no-such' WHERE id = 1;
        UPDATE events SET sandbox_id = CAST(x'ff' AS TEXT) WHERE id = 3;
        UPDATE events SET at = 9223372036854775807 WHERE id = 5;";
    database(directory.path()).execute_batch(damage).unwrap();

    let store = open(directory.path());
    let two = EventQuery { after: Some(0), limit: 2, ..EventQuery::default() };
    for query in [two.clone(), EventQuery { after: None, ..two.clone() }] {
        let page = store.events(query).await.unwrap();
        let mut ids: Vec<_> = page.events.iter().map(|event| event.id).collect();
        ids.sort_unstable();
        assert_eq!((ids, page.more), (vec![2, 4], false));
    }
    assert_eq!(store.measures().disk.events_unreadable.get(), 6);
    store.register(registration("f")).await.unwrap();
    let after = EventQuery { after: Some(4), ..two };
    assert_eq!(store.events(after).await.unwrap().events[0].id, 6);
}

#[tokio::test]
async fn no_token_is_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let secret = Secret::random().unwrap();
    let tokens = Some(Tokens::of(KeyHash::of(&secret)));
    store.register(Registration { tokens, ..registration("a") }).await.unwrap();
    report(&store, "a", json!({})).await.unwrap();
    let contains = |needle: &[u8]| {
        fs::read_dir(directory.path())
            .unwrap()
            .any(|file| fs::read(file.unwrap().path()).unwrap().windows(needle.len()).any(|window| window == needle))
    };
    assert!(!contains(secret.reveal().as_bytes()));
    assert!(contains(KeyHash::of(&secret).digest()));
    store.close().await.unwrap();
    assert!(!contains(secret.reveal().as_bytes()));
    assert!(contains(KeyHash::of(&secret).digest()));
}

#[tokio::test]
async fn without_a_directory_it_is_the_same_until_the_end() {
    let store = Store::open(&Config::default()).unwrap();
    let other = Store::open(&Config::default()).unwrap();
    store.register(registration("a")).await.unwrap();
    assert_eq!(store.register(registration("a")).await.unwrap_err(), Refused::Exists);
    report(&store, "a", json!({})).await.unwrap();
    assert_eq!(told(&store).await, [("a".into(), Kind::Registered), ("a".into(), Kind::Reported)]);
    assert_eq!(told(&other).await, []);
    store.remove("a").await.unwrap();
    assert_eq!(store.remove("a").await.unwrap_err(), Refused::Unknown);
    store.close().await.unwrap();
}

#[tokio::test]
async fn tokens_that_were_promised_survive() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    for (new, seconds) in [("second", 100), ("third", 200)] {
        store.rotate("a", KeyHash::of(&Secret::new(new)), Duration::from_secs(seconds)).await.unwrap();
    }
    store.close().await.unwrap();

    let store = open(directory.path());
    let tokens = store.registration("a").unwrap().tokens.clone().unwrap();
    let after = |seconds| Timestamp::now() + Duration::from_secs(seconds);
    assert!(tokens.previous_until() > Some(after(150)), "that of the last one before");
    let good = |given: &str, seconds| tokens.matches(given, after(seconds));
    assert!(good(&token("a"), 50) && good("second", 50) && good("third", 50));
    assert!(!good(&token("a"), 150) && good("second", 150) && !good("second", 250));
}

#[tokio::test]
async fn a_standing_without_an_event_survives() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    // What is told of a process makes the last event that is told of `b` the other one.
    let processes = [("a", json!({})), ("b", json!({"web": {"status": "error"}}))];
    for (id, processes) in &processes {
        store.register(registration(id)).await.unwrap();
        for seq in 0..102 {
            let status = if seq % 2 == 0 { "stopped" } else { "running" };
            let fields = json!({"bootId": "x", "seq": seq, "status": status, "processes": processes});
            report(&store, id, fields).await.unwrap();
        }
        assert!(told(&store).await.contains(&((*id).into(), Kind::Suppressed)));
    }
    let events = told(&store).await;
    store.close().await.unwrap();

    let store = open(directory.path());
    for (id, _) in processes {
        assert_eq!(store.find(id).unwrap().standing, Standing::Live, "{id}");
    }
    assert_eq!(told(&store).await, events);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_doubt_ends_with_the_hub_and_that_is_said_once() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).close().await.unwrap();
    let insert = "INSERT INTO events (at, type) VALUES (0, 'suspect')";
    database(directory.path()).execute(insert, []).unwrap();
    for _ in 0..2 {
        let store = open(directory.path());
        let query = EventQuery { kinds: vec![Kind::Suspect, Kind::Trusted], limit: 10, ..EventQuery::default() };
        let deadline = Instant::now() + DEADLINE;
        let told = loop {
            let page = store.events(query.clone()).await.unwrap();
            if page.events.len() > 1 || Instant::now() > deadline {
                break page.events.iter().map(|event| event.kind).collect::<Vec<_>>();
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(told, [Kind::Trusted, Kind::Suspect]);
        store.close().await.unwrap();
    }
}
