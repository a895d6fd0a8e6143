use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder, and what is put into it.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        Stage { folder: tempfile::tempdir().unwrap() }
    }

    fn put(&self, wasm: &str, sidecar: &str, gives_way: GivesWay) -> (Fate, Fate) {
        let files = [Files { name: "a", wasm: wasm.as_bytes(), sidecar: sidecar.to_owned() }];
        let put = put(self.folder.path(), &files, gives_way).unwrap();
        (put[0].component, put[0].sidecar)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// The component and the sidecar, empty where there is none.
    fn files(&self) -> (String, String) {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        (read("a.wasm"), read("a.toml"))
    }

    #[track_caller]
    fn holds(&self, wasm: &str, sidecar: &str) {
        assert_eq!(self.files(), (wasm.to_owned(), sidecar.to_owned()));
    }
}

#[test]
fn what_is_not_there_is_written_and_what_is_stays() {
    let stage = Stage::new();
    assert_eq!(stage.put("1", "one", GivesWay::None), (Fate::Written, Fate::Written));
    assert_eq!(stage.put("1", "one", GivesWay::None), (Fate::Unchanged, Fate::Unchanged));
    assert_eq!(stage.put("2", "two", GivesWay::None), (Fate::Kept, Fate::Kept));
    stage.holds("1", "one");
    let mode = fs::metadata(stage.folder.path().join("a.wasm")).unwrap().permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "an agent of another user can read it");
    fs::remove_file(stage.folder.path().join("a.wasm")).unwrap();
    stage.write("a.toml", "mine");
    assert_eq!(stage.put("2", "two", GivesWay::None), (Fate::Written, Fate::Kept));
    stage.holds("2", "mine");
}

#[test]
fn an_upgrade_replaces_the_component_and_only_a_sidecar_that_nobody_edited() {
    let stage = Stage::new();
    stage.put("1", "one", GivesWay::None);
    assert_eq!(stage.put("2", "two", GivesWay::Components), (Fate::Replaced, Fate::Replaced));
    stage.write("a.toml", "mine");
    assert_eq!(stage.put("3", "three", GivesWay::Components), (Fate::Replaced, Fate::Kept));
    stage.holds("3", "mine");
    stage.write("a.toml", "three");
    assert_eq!(stage.put("3", "three", GivesWay::Components), (Fate::Unchanged, Fate::Unchanged));
    assert_eq!(stage.put("4", "four", GivesWay::Components), (Fate::Replaced, Fate::Replaced));
}

#[test]
fn of_ones_own_only_what_was_left_alone_gives_way() {
    let stage = Stage::new();
    stage.put("1", "one", GivesWay::Own);
    assert_eq!(stage.put("2", "two", GivesWay::Own), (Fate::Replaced, Fate::Replaced));
    stage.write("a.toml", "mine");
    assert_eq!(stage.put("3", "three", GivesWay::Own), (Fate::Replaced, Fate::Kept));
    stage.write("a.wasm", "mine");
    stage.write("a.toml", "three");
    assert_eq!(stage.put("4", "four", GivesWay::Own), (Fate::Kept, Fate::Kept));
    stage.holds("mine", "three");
}

#[test]
fn a_sidecar_that_was_deleted_stays_away() {
    for gives_way in [GivesWay::None, GivesWay::Own, GivesWay::Components] {
        let stage = Stage::new();
        stage.put("1", "one", gives_way);
        fs::remove_file(stage.folder.path().join("a.toml")).unwrap();
        let (component, sidecar) = stage.put("2", "two", gives_way);
        assert_eq!(sidecar, Fate::Absent, "{gives_way:?}");
        assert_eq!(component == Fate::Replaced, gives_way != GivesWay::None);
        fs::remove_file(stage.folder.path().join("a.wasm")).unwrap();
        assert_eq!(stage.put("2", "two", gives_way), (Fate::Written, Fate::Written), "both anew");
    }
}

#[test]
fn the_demo_leaves_what_the_command_wrote() {
    let stage = Stage::new();
    stage.put("1", "one", GivesWay::None);
    assert_eq!(stage.put("1", "demo", GivesWay::Own), (Fate::Unchanged, Fate::Kept));
    assert_eq!(stage.put("2", "demo", GivesWay::Own), (Fate::Kept, Fate::Kept));
    stage.holds("1", "one");
    fs::remove_file(stage.folder.path().join("a.toml")).unwrap();
    assert_eq!(stage.put("1", "demo", GivesWay::Own), (Fate::Unchanged, Fate::Absent));
}

#[test]
fn a_record_that_is_a_pipe_and_a_link_to_nothing_hold_nothing_up() {
    let stage = Stage::new();
    let pipe = stage.folder.path().join(".sandbeat-bundled.json");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    std::os::unix::fs::symlink("/nowhere", stage.folder.path().join("a.toml")).unwrap();
    assert_eq!(stage.put("1", "one", GivesWay::None), (Fate::Written, Fate::Kept));
}

#[test]
fn nothing_is_granted_to_a_component_that_somebody_else_put_there() {
    let stage = Stage::new();
    stage.write("a.wasm", "mine");
    for gives_way in [GivesWay::None, GivesWay::Own] {
        assert_eq!(stage.put("1", "one", gives_way), (Fate::Kept, Fate::Absent));
    }
    stage.holds("mine", "");
}

#[test]
fn a_record_that_is_lost_or_damaged_makes_every_file_somebody_elses() {
    for damage in ["", "{", "[1]", "{\"a.toml\": 1}"] {
        let stage = Stage::new();
        stage.put("1", "one", GivesWay::None);
        stage.write(".sandbeat-bundled.json", damage);
        assert_eq!(stage.put("2", "two", GivesWay::Own), (Fate::Kept, Fate::Kept), "{damage}");
        assert_eq!(stage.put("2", "two", GivesWay::Components), (Fate::Replaced, Fate::Kept), "{damage}");
    }
}

#[test]
fn what_cannot_be_written_is_named_and_leaves_no_half_a_file() {
    let stage = Stage::new();
    fs::create_dir(stage.folder.path().join("b.wasm")).unwrap();
    let files = ["a", "b"].map(|name| Files { name, wasm: b"1", sidecar: "one".to_owned() });
    let told = put(stage.folder.path(), &files, GivesWay::Components).unwrap_err().to_string();
    assert!(told.contains("b.wasm is no file"), "{told}");
    stage.holds("1", "one");
    let mut left: Vec<_> = fs::read_dir(stage.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".sandbeat-bundled.json", "a.toml", "a.wasm", "b.wasm"]);
    assert_eq!(stage.put("2", "two", GivesWay::Components), (Fate::Replaced, Fate::Replaced), "it is remembered");
}
