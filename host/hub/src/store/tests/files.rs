//! What another does to the hub's files while it runs.

use std::fs;

use super::*;

#[tokio::test]
async fn a_file_that_is_deleted_or_replaced_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.register(registration("a")).await.unwrap();
    for name in ["hub.db", "hub.db-wal"] {
        let (path, aside) = (directory.path().join(name), directory.path().join("aside"));
        fs::rename(&path, &aside).unwrap();
        until("that it is gone is noticed", || async { store.measures().disk.trouble() }).await;
        fs::write(&path, "another").unwrap();
        let answer = store.register(registration(name)).await;
        assert_eq!(answer.unwrap_err(), Refused::Disk, "it is not the same one, and what is kept there is lost");
        fs::rename(&aside, &path).unwrap();
        until("that it is back is noticed", || async { !store.measures().disk.trouble() }).await;
        store.register(registration(name)).await.unwrap();
        // Nobody has to have looked before.
        fs::rename(&path, &aside).unwrap();
        assert_eq!(store.register(registration("none")).await.unwrap_err(), Refused::Disk);
        fs::rename(&aside, &path).unwrap();
        until("that it is back is noticed again", || async { !store.measures().disk.trouble() }).await;
    }
    store.close().await.unwrap();
    assert_eq!(open(directory.path()).counts().total(), 3);
}

#[tokio::test]
async fn a_backup_that_is_copied_over_the_database_is_noticed_and_what_the_hub_writes_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let store = open(directory.path());
    let mut backup = Vec::new();
    for id in ["a", "b"] {
        store.register(registration(id)).await.unwrap();
        let log = directory.path().join("hub.db-wal");
        until("all of it is in the database", || async { fs::metadata(&log).unwrap().len() == 0 }).await;
        // Comes after the next look at the files.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!store.measures().disk.trouble(), "{id}");
        if id == "a" {
            backup = fs::read(&path).unwrap();
        }
    }
    fs::write(&path, backup).unwrap();
    until("that it is another's is noticed", || async { store.measures().disk.trouble() }).await;
    assert_eq!(store.register(registration("c")).await.unwrap_err(), Refused::Disk);
}
