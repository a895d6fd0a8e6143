//! A database that takes nothing, by triggers of another program that let it fail at each point, by a lock that
//! another program holds, and by a limit on its size.

use futures_util::FutureExt;
use serde_json::json;

use super::*;
use crate::store::place::BUSY;
use crate::store::snapshot::Rounds;

/// Lets every change of a kind fail from now on. `how` is `ABORT`, which leaves the transaction open, or `ROLLBACK`,
/// which ends it, as SQLite does by itself on a full disk.
pub(super) fn fail(directory: &Path, change: &str, how: &str) {
    let sql = format!("CREATE TRIGGER full BEFORE {change} BEGIN SELECT RAISE({how}, 'a test says so'); END");
    database(directory).execute_batch(&sql).unwrap();
}

pub(super) fn heal(directory: &Path) {
    database(directory).execute_batch("DROP TRIGGER full").unwrap();
}

/// Waits until the store has noticed that the disk takes changes again.
async fn healed(store: &Store) {
    until("changes are taken again", || async {
        let probe = store.register(registration("probe")).await;
        assert!(matches!(probe, Ok(_) | Err(Refused::Disk)), "{probe:?}");
        probe.is_ok()
    })
    .await;
}

#[tokio::test]
async fn nothing_changes_when_a_change_fails() {
    nothing_changes_when_it_fails_by("ABORT").await;
}

#[tokio::test]
async fn nothing_changes_when_a_failure_ends_the_transaction() {
    nothing_changes_when_it_fails_by("ROLLBACK").await;
}

async fn nothing_changes_when_it_fails_by(how: &str) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    let mut listener = store.subscribe();
    for (change, fails) in [
        ("INSERT ON events", [true, true, true]),
        ("INSERT ON sandboxes", [true, false, false]),
        ("DELETE ON sandboxes", [false, true, false]),
        ("UPDATE ON sandboxes", [false, false, true]),
    ] {
        fail(directory.path(), change, how);
        let other = KeyHash::of(&Secret::new("another token"));
        let register = async { if fails[0] { store.register(registration("b")).await.map(drop) } else { disk() } };
        let remove = async { if fails[1] { store.remove("a").await } else { disk() } };
        let rotate = async { if fails[2] { store.rotate("a", other, Duration::ZERO).await } else { disk() } };
        let (registered, removed, rotated) = tokio::join!(register, remove, rotate);
        assert_eq!((registered, removed, rotated), (disk(), disk(), disk()), "{change}");

        assert!(store.registration("b").is_none(), "{change}");
        let tokens = store.registration("a").unwrap().tokens.clone().unwrap();
        assert!(tokens.matches(&token("a"), Timestamp::now()), "{change}");
        heal(directory.path());
        healed(&store).await;
        assert_eq!(listener.try_recv().unwrap().kind, Kind::Registered, "only the probe");
        store.remove("probe").await.unwrap();
        assert_eq!(listener.try_recv().unwrap().kind, Kind::Deleted);
        assert!(listener.try_recv().is_err(), "{change}");
    }
    let copy = killed(directory.path());
    assert!(open(copy.path()).registration("b").is_none());
    store.remove("a").await.unwrap();
}

fn disk() -> Result<(), Refused> {
    Err(Refused::Disk)
}

#[tokio::test]
async fn events_wait_in_order_and_beats_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for id in ["a", "b"] {
        store.register(registration(id)).await.unwrap();
    }
    let before = told(&store).await;
    let mut listener = store.subscribe();
    fail(directory.path(), "INSERT ON events", "ROLLBACK");
    for (id, status) in [("a", "running"), ("b", "running"), ("b", "stopped"), ("a", "stopped"), ("b", "running")] {
        let refused = report(&store, id, json!({"status": status})).await.unwrap_err();
        assert_eq!(refused, Refused::Disk);
    }
    assert!(report(&store, "b", json!({"cpuPercent": 7.0})).await.is_ok(), "it brings no event");
    assert_eq!(store.find("a").unwrap().standing, Standing::Stopped, "the fleet is as it is");
    assert!(listener.try_recv().is_err(), "nobody is told");
    assert_eq!(told(&store).await, before);

    heal(directory.path());
    let expected = [
        ("a", Kind::Reported),
        ("b", Kind::Reported),
        ("b", Kind::Stopped),
        ("a", Kind::Stopped),
        ("b", Kind::Started),
    ];
    for (id, kind) in expected {
        let event = tokio::time::timeout(DEADLINE, listener.recv()).await.unwrap().unwrap();
        assert_eq!((event.sandbox_id.as_deref(), event.kind), (Some(id), kind));
    }
    assert_eq!(store.measures().disk.events_lost.get(), 0);
    assert!(report(&store, "a", json!({})).await.is_ok(), "all is well again");
    store.close().await.unwrap();
    let store = open(directory.path());
    assert_eq!(told(&store).await.len(), before.len() + expected.len() + 1);
    assert_eq!(store.find("b").unwrap().beat.unwrap().report().cpu_percent, Some(7.0));
}

#[tokio::test]
async fn beats_that_could_not_be_saved_are_saved_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.keep.snapshot_interval = Duration::from_millis(50);
    let store = Store::open(&config).unwrap();
    store.register(registration("a")).await.unwrap();
    report(&store, "a", json!({})).await.unwrap();
    let saved = || async {
        let after = killed(directory.path());
        let report: String =
            database(after.path()).query_row("SELECT report FROM beats", [], |row| row.get(0)).unwrap();
        report.contains("\"cpuPercent\":5.0")
    };
    fail(directory.path(), "UPDATE ON beats", "ROLLBACK");
    report(&store, "a", json!({"cpuPercent": 5.0})).await.unwrap();
    // A registration goes on while only beats fail.
    store.register(registration("b")).await.unwrap();
    until("that they are not saved is noticed", || async { store.measures().disk.trouble() }).await;
    assert!(!saved().await);
    heal(directory.path());
    until("what was reported meanwhile is saved", saved).await;
    until("all is well", || async { !store.measures().disk.trouble() }).await;
}

#[tokio::test]
async fn a_lock_of_another_program_is_waited_for_and_then_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let other = database(directory.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(store.register(registration("a")).await.unwrap_err(), Refused::Disk);
    assert_eq!(told(&store).await, [], "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    healed(&store).await;
}

#[tokio::test]
async fn a_writer_that_ends_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert!(tokio::time::timeout(Duration::from_millis(20), store.ended()).await.is_err());
    store.queue.send(Command::Close);
    let error = tokio::time::timeout(DEADLINE, store.ended()).await.unwrap();
    assert!(matches!(error, Error::Ended));
    assert_eq!(store.register(registration("a")).await.unwrap_err(), Refused::Disk);
}

#[tokio::test]
async fn a_report_that_is_repeated_is_taken_once_what_it_changed_survives() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for id in ["a", "b"] {
        store.register(registration(id)).await.unwrap();
        report(&store, id, json!({"bootId": "x", "seq": 1})).await.unwrap();
    }
    let other = database(directory.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let last = json!({"bootId": "x", "seq": 2, "status": "stopped"});
    let unnumbered = json!({"status": "stopped"});
    for _ in 0..3 {
        assert_eq!(report(&store, "a", last.clone()).await.unwrap_err(), Refused::Disk);
        assert_eq!(report(&store, "b", unnumbered.clone()).await.unwrap_err(), Refused::Disk);
    }
    let copy = killed(directory.path());
    let after = open(copy.path());
    assert_eq!(after.find("a").unwrap().standing, Standing::Live, "nobody was told otherwise");
    assert!(matches!(report(&after, "a", last.clone()).await, Ok(Outcome::Accepted { .. })), "so it is told now");
    assert_eq!(told(&after).await.last().unwrap(), &("a".to_owned(), Kind::Stopped));

    other.execute_batch("ROLLBACK").unwrap();
    until("the repeated report is taken", || async {
        let repeated = report(&store, "a", last.clone()).await;
        assert!(matches!(repeated, Ok(Outcome::Duplicate { .. }) | Err(Refused::Disk)), "{repeated:?}");
        repeated.is_ok() && report(&store, "b", unnumbered.clone()).await.is_ok()
    })
    .await;
    let copy = killed(directory.path());
    let after = open(copy.path());
    for id in ["a", "b"] {
        assert_eq!(after.find(id).unwrap().standing, Standing::Stopped);
        let stops = told(&after).await.into_iter().filter(|event| *event == (id.to_owned(), Kind::Stopped)).count();
        assert_eq!(stops, 1, "{id}");
    }
    assert!(!store.shared.pending().has("a"), "nothing is remembered of what is on disk");
}

#[tokio::test]
async fn no_beat_is_saved_before_what_it_changed() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for id in ["a", "b"] {
        store.register(registration(id)).await.unwrap();
        report(&store, id, json!({"bootId": "x", "seq": 1})).await.unwrap();
    }
    // As if the writer had not come to them yet.
    let (commands, queue) = mpsc::channel();
    let writer = std::mem::replace(&mut store.queue.commands, commands);
    let last = json!({"bootId": "x", "seq": 2, "status": "stopped", "cpuPercent": 5.0});
    let sender = Sender::Known(store.registration("a").unwrap());
    let (_, durable) = store.report(&sender, beat("a", last.clone())).await.unwrap();
    report(&store, "b", json!({"bootId": "x", "seq": 2, "cpuPercent": 5.0})).await.unwrap();
    let mut rounds = Rounds::every(Duration::ZERO);
    let mut connection = database(directory.path());
    assert!(!rounds.write_part(&mut connection, &store.shared).unwrap());

    let copy = killed(directory.path());
    let after = open(copy.path());
    let cpu = |id: &str| after.find(id).unwrap().beat.unwrap().report().cpu_percent;
    assert_eq!((cpu("a"), cpu("b")), (None, Some(5.0)));
    report(&after, "a", last).await.unwrap();
    assert_eq!(told(&after).await.last().unwrap(), &("a".to_owned(), Kind::Stopped));

    queue.try_iter().for_each(|command| writer.send(command).unwrap());
    durable.wait().await.unwrap();
    assert!(!rounds.write_part(&mut connection, &store.shared).unwrap());
    let saved = "SELECT count(*) FROM beats WHERE report LIKE '%\"cpuPercent\":5.0%' AND history <> x''";
    let count: i64 = connection.query_row(saved, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 2, "the next round has what this one left out");
}

#[tokio::test]
async fn a_part_that_failed_does_not_overwrite_what_is_newer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    report(&store, "a", json!({})).await.unwrap();
    report(&store, "a", json!({"cpuPercent": 1.0})).await.unwrap();
    let mut rounds = Rounds::every(Duration::ZERO);
    let mut connection = database(directory.path());
    fail(directory.path(), "UPDATE ON beats", "ROLLBACK");
    rounds.write_part(&mut connection, &store.shared).unwrap_err();
    heal(directory.path());
    report(&store, "a", json!({"cpuPercent": 2.0, "status": "stopped"})).await.unwrap();
    assert!(!rounds.write_part(&mut connection, &store.shared).unwrap());
    let report: String = connection.query_row("SELECT report FROM beats", [], |row| row.get(0)).unwrap();
    assert!(report.contains("\"cpuPercent\":2.0"), "{report}");
}

#[tokio::test]
async fn more_than_one_batch_keeps_its_order() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    let before = told(&store).await.len();
    let id: Arc<str> = "a".into();
    let tell = |number: usize| {
        let event = Event::of(&id, Kind::ProcessFailed, Timestamp::now());
        store.tell(vec![Event { name: Some(number.to_string()), ..event }], None)
    };
    // While the writer waits for this, more is queued than the transaction that fails then takes.
    let other = database(directory.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.set_webhook_position("http://hook", 1);
    let mut stored: Vec<_> = (0..3000).map(tell).collect();
    let sql = "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ROLLBACK, 'a test says so'); END; COMMIT";
    other.execute_batch(sql).unwrap();
    assert_eq!(stored.remove(0).wait().await, Err(Refused::Disk));
    assert_eq!(tell(3000).wait().await, Err(Refused::Disk));
    heal(directory.path());
    let all = || EventQuery { after: Some(before as u64), limit: 10_000, ..EventQuery::default() };
    until("all is told", || async { store.events(all()).await.unwrap().events.len() == 3001 }).await;
    let page = store.events(all()).await.unwrap();
    let numbers: Vec<usize> = page.events.iter().map(|event| event.name.as_deref().unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{:?}", numbers.windows(2).find(|pair| pair[0] > pair[1]));
}

#[tokio::test]
async fn a_report_of_one_that_is_being_deleted_is_of_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(directory.path()));
    store.register(registration("a")).await.unwrap();
    let sender = Sender::Known(store.registration("a").unwrap());
    until("the writer has nothing to do", || async { store.measures().disk.backlog.get() == 0 }).await;
    let other = database(directory.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let removing = Arc::clone(&store);
    let removed = tokio::spawn(async move { removing.remove("a").await });
    until("the writer is at it", || async { store.measures().disk.backlog.get() == 1 }).await;
    let (_, durable) = store.report(&sender, beat("a", json!({}))).await.unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!((removed.await.unwrap(), durable.wait().await), (Ok(()), Err(Refused::Unknown)));
    assert!(!store.shared.pending().has("a"));
}

#[tokio::test]
async fn a_disk_that_hangs_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open_with(&config(directory.path()), Duration::from_millis(100)).unwrap());
    let watch = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.watch().await }
    });
    store.register(registration("a")).await.unwrap();
    report(&store, "a", json!({})).await.unwrap();
    assert!(!store.measures().disk.trouble());

    let other = database(directory.path());
    let began = Instant::now();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The writer waits for its lock for a second.
    let stops = || report(&store, "a", json!({"status": "stopped"}));
    let (stopped, registered, removed) = tokio::join!(stops(), store.register(registration("b")), store.remove("a"));
    assert_eq!(stopped.unwrap_err(), Refused::Disk);
    assert_eq!((registered.map(drop), removed), (disk(), disk()));
    assert!(store.measures().disk.trouble());
    assert_eq!(store.register(registration("c")).await.unwrap_err(), Refused::Disk);
    assert_eq!(stops().await.unwrap_err(), Refused::Disk, "it is not on disk");
    assert!(began.elapsed() < BUSY, "{:?}", began.elapsed());
    other.execute_batch("ROLLBACK").unwrap();

    until("the stop is told", || async { told(&store).await.last().unwrap().1 == Kind::Stopped }).await;
    until("all is well", || async { !store.measures().disk.trouble() }).await;
    assert!(store.registration("a").is_some(), "what was refused has not happened");
    assert!(store.registration("b").is_none() && store.registration("c").is_none());
    assert!(store.register(registration("c")).await.is_ok());
    watch.abort();
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_does_not_happen() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let other = database(directory.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let first = store.register(registration("a"));
    let second = async {
        until("the writer is at the first", || async { store.measures().disk.backlog.get() == 1 }).await;
        let registered = tokio::time::timeout(Duration::from_millis(1), store.register(registration("b")));
        assert!(registered.await.is_err());
        other.execute_batch("ROLLBACK").unwrap();
    };
    assert!(tokio::join!(first, second).0.is_ok());
    store.register(registration("c")).await.unwrap();
    assert!(store.registration("b").is_none());
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_disk_that_hangs() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_with(&config(directory.path()), Duration::from_millis(100)).unwrap();
    store.register(registration("a")).await.unwrap();
    let other = database(directory.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    report(&store, "a", json!({"status": "stopped"})).now_or_never();
    let began = Instant::now();
    let error = store.close().await.unwrap_err().to_string();
    assert!(error.contains("hub.db did not take the last changes"), "{error}");
    assert!(began.elapsed() < BUSY, "{:?}", began.elapsed());
}
