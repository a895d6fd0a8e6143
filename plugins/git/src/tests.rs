//! The whole collector on a repository that git recorded (`tests/fixtures/record.sh`), so that no git is needed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandbeat_sdk::testing::Sandbox;
use sandbeat_sdk::{Collector, Error};
use tempfile::TempDir;

use super::Git;
use crate::budget::Budget;
use crate::objects;
use crate::oid::Oid;
use crate::repository::Repository;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/project");
const HEAD: &str = "c19f493adb3f5167f2133a3e3f2dfb20ebb7d66f";

/// The working tree as it was when the index was recorded.
const FILES: [(&str, &str); 7] = [
    ("a-b", "one\n"),
    ("a.c", "two\n"),
    ("a/b", "three\n"),
    ("a0", "four\n"),
    ("src/main.rs", "fn main() {}\n"),
    ("src/deep/mod.rs", "// deep\n"),
    ("run.sh", "#!/bin/sh\n"),
];

/// A working tree that agrees with its repository.
struct Project {
    folder: TempDir,
}

impl Project {
    fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        copy(&Path::new(FIXTURE).join("dot-git"), &project.path(".git"));
        for (path, content) in FILES {
            project.write(path, content);
        }
        symlink("src/main.rs", project.path("link")).unwrap();
        // The time of a link cannot be set from here, so that its content is looked at in every test.
        project
    }

    fn with_index(name: &str) -> Self {
        let project = Self::new();
        fs::copy(Path::new(FIXTURE).join(name), project.path(".git/index")).unwrap();
        project
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file with the time that is in the index.
    fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        File::create(self.path(path)).unwrap().write_all(content.as_bytes()).unwrap();
        self.touch(path, UNIX_EPOCH + Duration::from_millis(1_700_000_000_500));
    }

    fn touch(&self, path: &str, time: SystemTime) {
        File::options().append(true).open(self.path(path)).unwrap().set_modified(time).unwrap();
    }

    fn set_head(&self, text: &str) {
        fs::write(self.path(".git/HEAD"), text).unwrap();
    }

    fn collect(&self) -> Vec<(&'static str, String)> {
        collect(self.folder.path(), &mut Sandbox::new()).unwrap()
    }

    fn dirty(&self) -> Option<String> {
        self.collect().into_iter().find(|(key, _)| *key == "git.dirty").map(|(_, value)| value)
    }
}

fn collect(path: &Path, sandbox: &mut Sandbox) -> Result<Vec<(&'static str, String)>, Error> {
    let mut configured = sandbox.clone().config("path", path.to_str().unwrap());
    let contribution = configured.run(Git::collect);
    *sandbox = configured;
    Ok(contribution?.metadata.into_iter().map(|entry| (entry.key, entry.value)).collect())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn dirty(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn a_clean_branch() {
    let expected = [("git.branch", "main"), ("git.commit", HEAD), ("git.dirty", "false")];
    let expected = expected.map(|(key, value)| (key, value.to_owned()));
    assert_eq!(Project::new().collect(), expected);
}

#[test]
fn every_commit_has_the_tree_that_git_says() {
    let project = Project::new();
    let repository = Repository::open(project.folder.path()).unwrap();
    let text = fs::read_to_string(Path::new(FIXTURE).join("trees")).unwrap();
    let mut seen = 0;
    for (commit, tree) in text.lines().map(|line| line.split_once(' ').unwrap()) {
        let found = objects::tree_of(&repository, Oid::from_hex(commit).unwrap(), &Budget::new());
        assert_eq!(found.map(|tree| tree.to_string()).as_deref(), Ok(tree), "{commit}");
        seen += 1;
    }
    assert_eq!(seen, 17);
}

#[test]
fn head_in_its_forms() {
    let project = Project::new();
    project.set_head("ref: refs/heads/packed\n");
    let collected = project.collect();
    assert_eq!(collected[0], ("git.branch", "packed".to_owned()));
    project.set_head("ref: refs/heads/main\u{202e}txt\n");
    assert_eq!(project.collect()[0], ("git.branch", "main\u{fffd}txt".to_owned()));
    project.set_head("ref: refs/heads/packed\n");
    assert_eq!(collected[1].0, "git.commit");
    assert_eq!(project.dirty(), dirty("false"), "the tree is the same in all commits");

    project.set_head(&format!("{HEAD}\n"));
    assert_eq!(project.collect()[0], ("git.commit", HEAD.to_owned()), "detached");

    project.set_head("ref: refs/heads/not/born\n");
    let expected = [("git.branch", "not/born".to_owned()), ("git.dirty", "true".to_owned())];
    assert_eq!(project.collect(), expected);

    project.set_head("ref: ../../etc/passwd\n");
    assert!(matches!(collect(project.folder.path(), &mut Sandbox::new()), Err(Error::Unavailable(_))));
}

#[test]
fn the_index_in_its_forms() {
    for (name, expected) in [
        ("index.v4", dirty("false")),
        ("index.no-tree", dirty("false")),
        ("index.skip", dirty("false")),
        ("index.staged", dirty("true")),
        ("index.intent", dirty("true")),
        ("index.unmerged", dirty("true")),
        ("index.split", None),
    ] {
        assert_eq!(Project::with_index(name).dirty(), expected, "{name}");
    }
}

#[test]
fn what_is_not_compared_may_be_anything() {
    let project = Project::with_index("index.skip");
    fs::remove_file(project.path("a0")).unwrap();
    project.write("a-b", "assumed to be unchanged\n");
    assert_eq!(project.dirty(), dirty("false"));
}

#[test]
fn a_changed_file_is_dirty_however_it_changed() {
    type Change = (&'static str, fn(&Project));
    let changes: [Change; 7] = [
        ("another size", |project| project.write("a0", "four and more\n")),
        ("the same size, another time", |project| {
            project.write("a0", "FOUR\n");
            project.touch("a0", SystemTime::now());
        }),
        ("gone", |project| fs::remove_file(project.path("src/deep/mod.rs")).unwrap()),
        ("a folder gone", |project| fs::remove_dir_all(project.path("src")).unwrap()),
        ("a folder in its place", |project| {
            fs::remove_file(project.path("a0")).unwrap();
            fs::create_dir(project.path("a0")).unwrap();
        }),
        ("another link", |project| {
            fs::remove_file(project.path("link")).unwrap();
            symlink("src/deep/mod.rs", project.path("link")).unwrap();
        }),
        ("a link in place of a folder", |project| {
            fs::rename(project.path("src"), project.path("moved")).unwrap();
            symlink("moved", project.path("src")).unwrap();
        }),
    ];
    for (what, change) in changes {
        let project = Project::new();
        change(&project);
        assert_eq!(project.dirty(), dirty("true"), "{what}");
    }
}

#[test]
fn what_only_looks_changed_is_clean() {
    let project = Project::new();
    project.touch("a0", SystemTime::now());
    fs::write(project.path("untracked"), "x").unwrap();
    assert_eq!(project.dirty(), dirty("false"));
}

#[test]
fn a_file_as_new_as_the_index_is_looked_into() {
    let project = Project::new();
    project.write("a0", "FOUR\n");
    let index = File::options().append(true).open(project.path(".git/index")).unwrap();
    index.set_modified(UNIX_EPOCH + Duration::from_millis(1_700_000_000_500)).unwrap();
    assert_eq!(project.dirty(), dirty("true"));
    project.write("a0", "four\n");
    assert_eq!(project.dirty(), dirty("false"));
}

#[test]
fn line_ends_are_undone_and_filters_are_not_guessed() {
    let project = Project::with_index("index.crlf");
    project.set_head("ref: refs/heads/crlf\n");
    project.write("dos.txt", "a\r\nb\r\n");
    project.write(".gitattributes", "* text=auto\n");
    assert_eq!(project.dirty(), dirty("false"));
    project.touch("dos.txt", SystemTime::now());
    assert_eq!(project.dirty(), dirty("false"), "git stores it with LF");
    project.write("dos.txt", "a\r\nB\r\n");
    project.touch("dos.txt", SystemTime::now());
    assert_eq!(project.dirty(), dirty("true"));
    fs::create_dir(project.path(".git/info")).unwrap();
    fs::write(project.path(".git/info/attributes"), "*.txt filter=secret\n").unwrap();
    assert_eq!(project.dirty(), None);
    project.write("a0", "of another size\n");
    assert_eq!(project.dirty(), dirty("true"), "whatever the filter does");
}

#[test]
fn a_linked_worktree_has_its_own_head_and_index() {
    let project = Project::new();
    let linked = project.path(".git/worktrees/linked");
    fs::create_dir_all(&linked).unwrap();
    fs::write(linked.join("HEAD"), "ref: refs/heads/packed\n").unwrap();
    fs::write(linked.join("commondir"), "../..\n").unwrap();
    fs::rename(project.path(".git/index"), linked.join("index")).unwrap();
    let worktree = project.path("elsewhere");
    fs::create_dir(&worktree).unwrap();
    fs::write(worktree.join(".git"), format!("gitdir: {}\n", linked.display())).unwrap();
    let collected = collect(&worktree, &mut Sandbox::new()).unwrap();
    assert_eq!(collected[0].1, "packed");
    assert_eq!(collected[2], ("git.dirty", "true".to_owned()), "it has no files");

    fs::write(worktree.join(".git"), "gitdir: /nowhere/at/all\n").unwrap();
    let error = collect(&worktree, &mut Sandbox::new()).unwrap_err();
    assert!(matches!(&error, Error::Denied(text) if text.contains("/nowhere/at/all")), "{error:?}");
}

#[test]
fn a_submodule_counts_when_it_is_checked_out() {
    let project = Project::with_index("index.submodule");
    project.set_head("ref: refs/heads/submodule\n");
    assert_eq!(project.dirty(), dirty("true"), "its folder is gone");
    fs::create_dir(project.path("sub")).unwrap();
    assert_eq!(project.dirty(), dirty("false"), "it is not checked out");

    let checked_out = Project::new();
    let wanted = fs::read_to_string(Path::new(FIXTURE).join("trees")).unwrap();
    let wanted = wanted.lines().nth(9).unwrap().split(' ').next().unwrap().to_owned();
    checked_out.set_head(&wanted);
    fs::remove_dir(project.path("sub")).unwrap();
    fs::rename(checked_out.folder.path(), project.path("sub")).unwrap();
    assert_eq!(project.dirty(), dirty("false"));
    project.write("sub/a0", "changed in the submodule\n");
    assert_eq!(project.dirty(), dirty("true"));
    project.write("sub/a0", "four\n");
    fs::write(project.path("sub/.git/HEAD"), HEAD).unwrap();
    assert_eq!(project.dirty(), dirty("true"), "another commit");
}

#[test]
fn objects_may_lie_in_an_alternate() {
    let project = Project::new();
    fs::rename(project.path(".git/objects"), project.path("store")).unwrap();
    fs::create_dir_all(project.path(".git/objects/info")).unwrap();
    fs::write(project.path(".git/objects/info/alternates"), "../../store\n").unwrap();
    assert_eq!(project.dirty(), dirty("false"));
}

#[test]
fn what_is_not_understood_is_absent_and_said_once() {
    let project = Project::new();
    let config = "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n";
    fs::write(project.path(".git/config"), config).unwrap();
    let id = "0a".repeat(32);
    fs::write(project.path(".git/refs/heads/main"), &id).unwrap();
    let mut sandbox = Sandbox::new();
    let expected = [("git.branch", "main".to_owned()), ("git.commit", id)];
    assert_eq!(collect(project.folder.path(), &mut sandbox).unwrap(), expected);
    assert_eq!(collect(project.folder.path(), &mut sandbox).unwrap(), expected);
    assert_eq!(sandbox.lines().len(), 1, "{:?}", sandbox.lines());

    fs::write(project.path(".git/config"), "[extensions]\n\trefstorage = reftable\n").unwrap();
    let error = collect(project.folder.path(), &mut sandbox).unwrap_err();
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("reftable")), "{error:?}");
}

#[test]
fn a_missing_object_or_a_damaged_index_leaves_branch_and_commit() {
    let project = Project::new();
    fs::write(project.path(".git/index"), "DIRC").unwrap();
    assert_eq!(project.collect().len(), 2);
    let project = Project::new();
    fs::remove_dir_all(project.path(".git/objects")).unwrap();
    assert_eq!(project.collect().len(), 2);
}

#[test]
fn no_repository_says_who_must_act() {
    let folder = tempfile::tempdir().unwrap();
    let error = collect(folder.path(), &mut Sandbox::new()).unwrap_err();
    assert!(matches!(&error, Error::Unavailable(text) if text.ends_with("has no `.git`")), "{error:?}");
    let error = collect(&folder.path().join("gone"), &mut Sandbox::new()).unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error:?}");
    let error = collect(Path::new("relative"), &mut Sandbox::new()).unwrap_err();
    assert!(matches!(&error, Error::Config(text) if text.starts_with("`path` ")), "{error:?}");
}
