use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode};

use super::*;

struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("logs/a")).unwrap();
        std::fs::create_dir(root.join("secret")).unwrap();
        std::fs::write(root.join("logs/one.log"), "one").unwrap();
        std::fs::write(root.join("logs/a/two.log"), "two").unwrap();
        std::fs::write(root.join("logs/key.pem"), "key").unwrap();
        std::fs::write(root.join("secret/key"), "key").unwrap();
        Tree { dir }
    }

    fn path(&self, below: &str) -> String {
        self.dir.path().canonicalize().unwrap().join(below).to_str().unwrap().to_owned()
    }

    fn granted(&self, globs: &[&str]) -> Granted {
        Granted::new(globs.iter().map(|glob| Pattern::new(&self.path(glob)).unwrap()).collect(), None)
    }
}

fn is_denied<T>(answer: Result<T, FileError>) -> bool {
    matches!(answer, Err(FileError::Denied))
}

#[test]
fn only_what_a_glob_names_can_be_read() {
    let tree = Tree::new();
    let granted = tree.granted(&["logs/**/*.log"]);
    assert_eq!(granted.read(&tree.path("logs/one.log")).unwrap(), b"one");
    assert_eq!(granted.read(&tree.path("logs/a/two.log")).unwrap(), b"two");
    assert!(is_denied(granted.read(&tree.path("logs/key.pem"))));
    assert!(is_denied(granted.read(&tree.path("secret/key"))));
    assert!(is_denied(granted.read(&tree.path("logs/../secret/key"))));
    assert!(is_denied(granted.read("/etc/shadow")));
    assert!(matches!(granted.read(&tree.path("logs/three.log")), Err(FileError::NotFound)));
    assert!(is_denied(Granted::default().read("/proc/loadavg")));
}

#[test]
fn a_file_that_is_not_granted_is_denied_and_not_looked_at() {
    let tree = Tree::new();
    let granted = tree.granted(&["**/*.log"]);
    let stat = |below: &str| granted.stat(&tree.path(below));
    let one = stat("logs/one.log").unwrap();
    assert!(matches!(one.kind, EntryKind::File) && one.size == 3 && one.modified.is_some());
    assert!(matches!(stat("logs").unwrap().kind, EntryKind::Directory));
    assert!(is_denied(stat("logs/key.pem")));
    symlink(tree.path("secret"), tree.path("logs/away")).unwrap();
    symlink(tree.path("secret/key"), tree.path("logs/away.log")).unwrap();
    assert!(is_denied(tree.granted(&["logs/**/*.log"]).stat(&tree.path("logs/away.log"))));
    assert!(is_denied(tree.granted(&["logs/**/*.log"]).stat(&tree.path("logs/away"))));
    assert!(matches!(stat("logs/three.log"), Err(FileError::NotFound)));
}

#[test]
fn links_cannot_lead_out_or_to_what_is_not_granted() {
    let tree = Tree::new();
    symlink(tree.path("secret/key"), tree.path("logs/absolute.log")).unwrap();
    symlink("../secret/key", tree.path("logs/relative.log")).unwrap();
    symlink("key.pem", tree.path("logs/inside.log")).unwrap();
    symlink("one.log", tree.path("logs/good.log")).unwrap();
    symlink("../secret", tree.path("logs/folder")).unwrap();
    let granted = tree.granted(&["logs/**/*.log", "logs/folder/*"]);
    for name in ["absolute.log", "relative.log", "inside.log"] {
        assert!(is_denied(granted.read(&tree.path(&format!("logs/{name}")))), "{name}");
    }
    assert_eq!(granted.read(&tree.path("logs/good.log")).unwrap(), b"one");
}

#[test]
fn a_process_cannot_be_reached_through_proc() {
    let grant = |glob: &str| Granted::new(vec![Pattern::new(glob).unwrap()], None);
    assert!(grant("/proc/net/dev").read("/proc/net/dev").is_ok());
    assert!(grant("/proc/*/stat").read("/proc/1/stat").is_ok());
    assert!(is_denied(grant("/proc/*/stat").read("/proc/1/environ")));
    let through_root = format!("/proc/{}/root/etc/passwd", std::process::id());
    assert!(is_denied(grant("/proc/*/root/etc/*").read(&through_root)));
}

#[test]
fn pipes_folders_and_floods_are_named() {
    let tree = Tree::new();
    let pipe = tree.path("logs/pipe.log");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    std::fs::write(tree.path("logs/big.log"), vec![0; 1 + (1 << 20)]).unwrap();
    let granted = tree.granted(&["logs/*"]);
    assert!(matches!(granted.read(&pipe), Err(FileError::WrongType)));
    assert!(matches!(granted.read(&tree.path("logs/a")), Err(FileError::WrongType)));
    assert!(matches!(granted.read(&tree.path("logs/big.log")), Err(FileError::TooLarge(_))));
    let part = granted.read_at(&tree.path("logs/one.log"), 1, 10).unwrap();
    assert_eq!(part, b"ne");
    assert!(granted.read_at(&tree.path("logs/one.log"), 10, 10).unwrap().is_empty());
}

#[test]
fn a_list_shows_only_what_may_be_read_or_leads_there() {
    let tree = Tree::new();
    let granted = tree.granted(&["logs/**/*.log"]);
    let names =
        |folder: &str| -> Vec<String> { granted.list(folder).unwrap().into_iter().map(|entry| entry.name).collect() };
    assert_eq!(names(&tree.path("logs")), ["a", "one.log"].map(str::to_owned));
    let flat = tree.granted(&["logs/*.log"]);
    let entries = flat.list(&tree.path("logs")).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["one.log"]);
    assert!(is_denied(granted.list(&tree.path("secret"))));
}

#[test]
fn the_ceiling_holds_for_what_is_opened() {
    let tree = Tree::new();
    let pattern = |glob: &str| Pattern::new(&tree.path(glob)).unwrap();
    let granted = Granted::new(vec![pattern("logs/**")], Some(vec![pattern("logs/a/**")]));
    assert!(granted.read(&tree.path("logs/a/two.log")).is_ok());
    assert!(is_denied(granted.read(&tree.path("logs/one.log"))));
    let listed = granted.list(&tree.path("logs")).unwrap();
    assert_eq!(listed.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a"]);

    // A sidecar whose own literal path leads through a link to what is above the ceiling.
    symlink(tree.path("secret"), tree.path("logs/a/out")).unwrap();
    let granted = Granted::new(vec![pattern("logs/a/out/key")], Some(vec![pattern("logs/a/**")]));
    assert!(is_denied(granted.read(&tree.path("logs/a/out/key"))));
    let through_root = "/proc/self/root/etc/passwd";
    let grant = |ceiling| Granted::new(vec![Pattern::new(through_root).unwrap()], ceiling);
    assert!(is_denied(grant(None).read(through_root)));
    assert!(is_denied(grant(Some(vec![Pattern::new("/proc/**").unwrap()])).read(through_root)));
}

#[test]
fn a_ceiling_over_proc_knows_the_links_of_proc() {
    for ceiling in ["/proc/**", "/proc/net/*", "/proc/self/net/dev"] {
        let ceiling = Some(vec![Pattern::new(ceiling).unwrap()]);
        assert!(Granted::new(vec![Pattern::new("/proc/net/dev").unwrap()], ceiling).read("/proc/net/dev").is_ok());
    }
}

#[test]
fn the_agent_s_own_environment_is_never_shown() {
    let granted = Granted::new(vec![Pattern::new("/proc/**").unwrap()], None);
    let own = format!("/proc/{}/environ", std::process::id());
    for path in ["/proc/self/environ", "/proc/thread-self/environ", &own] {
        assert!(is_denied(granted.read(path)), "{path}");
    }
    assert!(granted.read("/proc/self/status").is_ok());
}

/// A process with a secret in its environment, which ends with the test.
struct Holder(std::process::Child);

impl Holder {
    fn start() -> Self {
        let child = std::process::Command::new("sleep").arg("60").env("SOME_SECRET", "very-secret").spawn();
        Holder(child.unwrap())
    }

    fn path(&self, rest: &str) -> String {
        format!("/proc/{}/{rest}", self.0.id())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).unwrap();
    }
}

fn grant(read: &str, ceiling: Option<&str>) -> Granted {
    let pattern = |glob: &str| vec![Pattern::new(glob).unwrap()];
    Granted::new(pattern(read), ceiling.map(pattern))
}

#[test]
fn what_is_private_to_a_process_is_reached_by_its_whole_path_alone() {
    let process = Holder::start();
    let (environ, task) = (process.path("environ"), process.path(&format!("task/{}/environ", process.0.id())));
    for glob in ["/proc/**", "/proc/*/environ", "/proc/[0-9]*/**", "/**"] {
        for path in [&environ, &task, &process.path("maps"), &process.path("fdinfo/0")] {
            assert!(is_denied(grant(glob, None).read(path)), "{path} by {glob}");
        }
    }
    assert!(grant("/proc/*/environ", None).why_denied(&environ).contains("private to a process"));
    assert!(is_denied(grant(&environ, Some("/proc/**")).read(&environ)));
    assert!(grant(&environ, None).read(&environ).is_ok());
    assert!(grant(&environ, Some(&environ)).read(&environ).is_ok());

    let all = grant("/proc/**", None);
    assert!(all.read(&process.path("stat")).is_ok());
    assert!(is_denied(all.list(&process.path("fd"))));
    let listed = all.list(&format!("/proc/{}", process.0.id())).unwrap();
    assert!(listed.iter().any(|entry| entry.name == "stat"));
    assert!(!listed.iter().any(|entry| ["environ", "fd", "root"].contains(&entry.name.as_str())));
}

#[test]
fn a_link_to_what_is_private_does_not_write_it_out() {
    let (tree, process) = (Tree::new(), Holder::start());
    symlink(format!("/proc/{}", process.0.id()), tree.path("logs/process")).unwrap();
    let path = tree.path("logs/process/environ");
    assert!(is_denied(grant(&path, None).read(&path)));
}

#[test]
fn a_denial_says_who_may_change_it() {
    let tree = Tree::new();
    symlink("one.log", tree.path("logs/last")).unwrap();
    symlink(tree.path("secret"), tree.path("logs/out")).unwrap();
    let (one, two) = (tree.path("logs/one.log"), tree.path("logs/last"));
    for (granted, path, part) in [
        (grant("/etc/*", None), one.as_str(), "is not granted; add it to [grant] read"),
        (grant("/etc/*", None), "/etc/../x", "is not granted; add it to [grant] read"),
        (grant(&tree.path("**"), Some("/sys/*")), &one, "[plugins.ceiling] read, which only"),
        (grant(&tree.path("**"), Some("/sys/*")), &one, "allows `/sys/*`"),
        (grant(&two, None), &two, "last` is a link to `one.log`, the last part of a granted path is never"),
        (grant(&tree.path("logs/**"), None), &tree.path("logs/out/key"), "logs/out` is a link to"),
        (grant("/proc/**", None), "/proc/self/environ", "the agent's own affair"),
        (grant("/proc/**", None), "/proc/self/root/etc/passwd", "/root` is a link to"),
    ] {
        assert!(granted.read(path).is_err(), "{path}");
        let why = granted.why_denied(path);
        assert!(why.starts_with("is not granted") && why.contains(part), "{path}: {why}");
    }
}
