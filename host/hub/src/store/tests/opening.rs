use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// Opens a store that is to be refused, and returns why; nothing that was there may change.
#[track_caller]
fn refused(directory: &Path) -> String {
    let before = contents(directory);
    let error = Store::open(&config(directory)).unwrap_err().to_string();
    let after = contents(directory);
    for (name, bytes) in before {
        assert!(after.get(&name) == Some(&bytes), "{name} has changed: {error}");
    }
    error
}

fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(files) = fs::read_dir(directory) else { return BTreeMap::new() };
    files
        .map(|file| file.unwrap())
        .filter(|file| file.file_name() != "hub.lock" && file.file_name() != "hub.db-shm")
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect()
}

#[tokio::test]
async fn what_is_made_is_for_the_hubs_user_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("a/b");
    let store = open(&data);
    store.register(registration("a")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let names: Vec<_> = fs::read_dir(&data).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for path in names {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_directory_has_one_hub_at_a_time_whatever_is_deleted_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let refused = || {
        let error = Store::open(&config(directory.path())).unwrap_err();
        assert!(error.to_string().contains("another hub that is running"), "{error}");
    };
    refused();
    fs::remove_file(directory.path().join("hub.lock")).unwrap();
    refused();
    store.close().await.unwrap();
    open(directory.path());
}

#[test]
fn a_directory_that_cannot_be_is_named_with_the_cure() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "text").unwrap();
    for path in [file.clone(), file.join("below"), "/proc/no-such".into()] {
        let error = refused(&path);
        assert!(error.contains(path.to_str().unwrap()) && error.contains("`data`"), "{error}");
    }
    assert_eq!(fs::read(file).unwrap(), b"text");
}

#[tokio::test]
async fn an_empty_file_is_what_is_left_of_a_database_and_half_a_new_one_is_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    fs::write(&path, "").unwrap();
    assert!(refused(directory.path()).contains("hub.db is damaged (it is empty), and is left as it is"));
    assert_eq!(fs::read(&path).unwrap(), b"");

    fs::remove_file(&path).unwrap();
    fs::write(directory.path().join("hub.db.new"), "half of one").unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    assert!(!directory.path().join("hub.db.new").exists());
}

#[test]
fn what_is_not_a_hubs_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    fs::write(&path, "some notes, and not few of them; ".repeat(100)).unwrap();
    assert!(refused(directory.path()).contains("is not a database of a hub"));
    fs::remove_file(&path).unwrap();
    database(directory.path()).execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    assert!(refused(directory.path()).contains("is not a database of a hub"));
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    store.close().await.unwrap();
    database(directory.path()).pragma_update(None, "user_version", 1000).unwrap();
    let error = refused(directory.path());
    assert!(error.contains("newer sandbeat") && error.contains("1000"), "{error}");
}

#[tokio::test]
async fn a_damaged_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..500 {
        store.register(registration(&format!("sandbox-{number}"))).await.unwrap();
    }
    store.close().await.unwrap();
    let path = directory.path().join("hub.db");
    let whole = fs::read(&path).unwrap();
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..page * 4096 + 512].fill(0xa5);
        fs::write(&path, &damaged).unwrap();
        let error = refused(directory.path());
        assert!(error.contains("damaged") && error.contains("backup"), "page {page}: {error}");
    }
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(refused(directory.path()).contains("damaged"));
    fs::write(&path, &whole).unwrap();
    assert_eq!(open(directory.path()).counts().total(), 500);
}

#[tokio::test]
async fn a_damaged_log_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for id in ["a", "b", "c"] {
        store.register(registration(id)).await.unwrap();
    }
    let copy = killed(directory.path());
    let log = copy.path().join("hub.db-wal");
    let whole = fs::read(&log).unwrap();
    for at in [20, 32 + 20, 32 + 500, 32 + 4120 + 4000] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&log, &damaged).unwrap();
        let error = refused(copy.path());
        assert!(error.contains("hub.db-wal is damaged at byte") && error.contains("backup"), "{at}: {error}");
    }
    fs::write(&log, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(open(copy.path()).counts().total(), 2, "a torn end costs what was not on disk");
}

#[tokio::test]
async fn a_log_without_its_database_is_not_taken_for_a_new_ones() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    let copy = killed(directory.path());
    fs::remove_file(copy.path().join("hub.db")).unwrap();
    let error = refused(copy.path());
    assert!(error.contains("is missing while the log"), "{error}");
}

#[tokio::test]
async fn an_earlier_schema_is_copied_and_brought_up() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    drop(store);
    let second = "ALTER TABLE sandboxes ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';";
    let steps = [schema::STEPS, &[second]].concat();
    let (place, lock) = Place::open(Some(directory.path())).unwrap();
    place.upgrade(1, &steps).unwrap();
    drop(lock);

    let version =
        |database: &Connection| database.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap();
    let after = database(directory.path());
    assert_eq!(version(&after), 2);
    let colour: String = after.query_row("SELECT colour FROM sandboxes WHERE id = 'a'", [], |row| row.get(0)).unwrap();
    assert_eq!(colour, "red");

    let copy = directory.path().join("hub.db.v1");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let other = tempfile::tempdir().unwrap();
    fs::copy(copy, other.path().join("hub.db")).unwrap();
    assert_eq!(version(&database(other.path())), 1);
    assert!(open(other.path()).registration("a").is_some(), "the copy is what one goes back to");
}

#[tokio::test]
async fn a_step_that_fails_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    drop(store);
    let steps = [schema::STEPS, &["DELETE FROM sandboxes;", "ALTER TABLE no_such RENAME TO other;"]].concat();
    let (place, lock) = Place::open(Some(directory.path())).unwrap();
    let error = place.upgrade(1, &steps).unwrap_err().to_string();
    assert!(error.contains("no_such") && error.contains("hub.db.v1"), "{error}");
    drop(lock);
    assert!(open(directory.path()).registration("a").is_some());
}
