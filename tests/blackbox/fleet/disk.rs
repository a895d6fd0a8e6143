//! A hub whose disk takes nothing: full for a while, or not to be written to at all. Both are made by bubblewrap.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Hub, unused};
use crate::harness::{Api, Process, Sandbox, get, post, wait_for};

/// What `bwrap` needs to leave everything as it is, but for what follows.
const AS_IT_IS: [&str; 5] = ["bwrap", "--die-with-parent", "--dev-bind", "/", "/"];
/// The size of the disk, in bytes.
const SIZE: &str = "4194304";
/// A disk that takes nothing for so long is full: several times what the hub takes to bring its log into the database.
const FULL: Duration = Duration::from_secs(5);

#[test]
fn a_full_disk_costs_what_would_be_lost_and_no_beat() {
    let hub = Hub::on_a_small_disk();
    let api = Api::tcp(&hub.address.to_string());
    let report = |id: &str, status: &str| {
        let report = json!({"sandboxId": id, "status": status, "uptimeSecs": 3, "hostname": "h", "intervalSecs": 60,
                            "timestamp": "2026-11-20T12:00:00Z"});
        api.ask(&format!("POST /api/v1/sandboxes/{id}/status"), &report).0
    };
    assert_eq!((report("a", "running"), report("b", "running")), (200, 200));

    let filler = fill(&hub.disk());
    // What has room in files that are there already is taken for a while, and again once the log is in the database;
    // when that has no room any more either, it stays refused.
    let (mut taken, mut since) = (Vec::new(), None);
    let (refused, answer) = wait_for("a registration that stays refused", || {
        let id = format!("new-{}", taken.len());
        // Large enough that the database soon has to grow.
        let metadata: BTreeMap<String, String> = (0..16).map(|n| (format!("key-{n}"), "x".repeat(200))).collect();
        let (status, answer) = api.ask("POST /api/v1/sandboxes", &json!({"id": id, "metadata": metadata}));
        match status {
            201 => {
                since = None;
                taken.push(id);
            }
            503 if since.get_or_insert_with(Instant::now).elapsed() > FULL => return Some((id, answer)),
            503 => {}
            other => panic!("{other}: {answer}"),
        }
        None
    });
    assert!(answer["message"].as_str().is_some_and(|message| message.contains("disk")), "{answer}");
    assert_eq!(report("a", "running"), 200, "a beat that changes nothing");
    assert_eq!(report("b", "stopped"), 503, "it would be lost");
    assert_eq!(report("unknown", "running"), 503, "it would register one");
    assert_eq!(api.ask("DELETE /api/v1/sandboxes/a", &json!({})).0, 503);
    assert_eq!(hub.events("stopped"), Vec::<Value>::new(), "told to nobody before it is on disk");
    assert_eq!(get(&hub.url("/sandboxes/a")).0, 200);
    assert_eq!(get(&hub.url(&format!("/sandboxes/{refused}"))).0, 404);

    fs::remove_file(filler).expect("our own file");
    wait_for("what had to wait", || (hub.events("stopped").len() == 1).then_some(()));
    assert_eq!(api.ask("POST /api/v1/sandboxes", &json!({"id": refused})).0, 201);
    let registered = hub.whose("registered");
    assert!(taken.iter().all(|id| registered.contains(id)), "{taken:?}: {registered:?}");
    let process = hub.process.as_ref().expect("it runs");
    process.says(&["takes changes again"]);
    let (troubles, ends) = (process.said("does not take changes"), process.said("takes changes again"));
    assert!(troubles == ends && troubles <= taken.len() + 1, "{:?}", process.stderr());
}

#[test]
fn a_disk_that_cannot_be_written_to_is_named_with_the_cure_and_left_as_it_is() {
    let sandbox = Sandbox::new();
    let data = sandbox.path("data");
    let listen = unused().to_string();
    let read_only = |folder: &Path| {
        let folder = folder.to_str().expect("a name in UTF-8");
        let wrapper = [&AS_IT_IS[..], &["--ro-bind", folder, folder]].concat();
        sandbox.start_by(&wrapper, &["hub", "--listen", &listen, "--data", "data"]).ended()
    };
    fs::create_dir(&data).expect("a folder");
    let nothing = read_only(&data);
    assert!(!nothing.status.success() && nothing.stderr.contains("data"), "{nothing:?}");
    assert_eq!(files(&data), Vec::<(PathBuf, Vec<u8>)>::new());

    let process = sandbox.start(&["hub", "--listen", &listen, "--data", "data"]);
    process.says(&["the hub listens"]);
    let body = json!({"id": "kept"}).to_string();
    let (status, answer) = post(&format!("http://{listen}/api/v1/sandboxes"), "application/json", body.as_bytes());
    assert_eq!(status, 201, "{answer}");
    process.signal(rustix::process::Signal::TERM);
    assert!(process.ended().status.success());

    let before = files(&data);
    let ended = read_only(&data);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    for part in ["data", "read-only"] {
        assert!(ended.stderr.to_lowercase().contains(part), "{part}: {ended:?}");
    }
    assert_eq!(files(&data), before);
}

impl Hub {
    /// One whose data has a disk of its own, and little of it.
    fn on_a_small_disk() -> Hub {
        let sandbox = Sandbox::new();
        let data = sandbox.path("data");
        fs::create_dir(&data).expect("a folder");
        let address = unused();
        let wrapper = [&AS_IT_IS[..], &["--size", SIZE, "--tmpfs", data.to_str().expect("a name in UTF-8")]].concat();
        let listen = address.to_string();
        let process = sandbox.start_by(&wrapper, &["hub", "--listen", &listen, "--enroll", "open", "--data", "data"]);
        process.says(&["the hub listens"]);
        Hub { sandbox, process: Some(process), address }
    }

    /// Its disk, as it is seen from outside.
    fn disk(&self) -> PathBuf {
        let process: &Process = self.process.as_ref().expect("it runs");
        let pid = process.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("bwrap has a child");
        let hub = children.split_whitespace().next().expect("bwrap has a child");
        let data = self.sandbox.path("data");
        Path::new(&format!("/proc/{hub}/root")).join(data.strip_prefix("/").expect("an absolute path"))
    }
}

/// Writes a file until the disk is full. Its path.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).expect("a file");
    let mut size = 1 << 16;
    while size > 0 {
        // Down to the last page.
        if file.write_all(&vec![0; size]).is_err() {
            size /= 2;
        }
    }
    path
}

/// All files of a folder, with what is in them.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect();
    files.sort();
    files
}
