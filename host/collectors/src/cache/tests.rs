use super::*;
use crate::digest::digest;

const KEY: &str = "0123456789abcdef";

fn shape() -> Shape {
    Shape { host_bytes: 7, core_instances: 2, ..Shape::default() }
}

fn keep(cache: &Cache, content: &[u8], pinned: &[&str]) -> PathBuf {
    let file = cache.begin().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let pinned = pinned.iter().map(|digest| (*digest).to_owned()).collect();
    cache.keep(file, &digest(content), shape(), &pinned).unwrap()
}

fn used_ago(path: &Path, seconds: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

#[test]
fn a_kept_artifact_is_found_with_its_shape() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Some(&dir.path().join("a/b")), KEY, 1 << 20).unwrap();
    let path = keep(&cache, b"code", &[]);
    assert_eq!(cache.find(&digest(b"code")), Some(Found { path: path.clone(), shape: shape() }));
    assert_eq!(std::fs::read(&path).unwrap(), b"code");
    assert_eq!(cache.find(&digest(b"other")), None);
    let other = Cache::open(Some(&dir.path().join("a/b")), "fedcba9876543210", 1 << 20).unwrap();
    assert_eq!(other.find(&digest(b"code")), None);
}

#[test]
fn what_is_damaged_is_absent_until_it_is_kept_again() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Some(dir.path()), KEY, 1 << 20).unwrap();
    let path = keep(&cache, b"code", &[]);
    let beside = path.with_extension("json");
    let good = std::fs::read_to_string(&beside).unwrap();
    let found = || cache.find(&digest(b"code")).is_some();
    for damaged in ["cod", "codf", "codes", ""] {
        std::fs::write(&path, damaged).unwrap();
        assert!(!found(), "{damaged}");
    }
    keep(&cache, b"code", &[]);
    assert!(found());
    for damaged in [&good[1..], "", "{}", &good.replace('{', "{\"more\":1,"), &" ".repeat(5000)] {
        std::fs::write(&beside, damaged).unwrap();
        assert!(!found(), "{damaged}");
    }
    std::fs::remove_file(&beside).unwrap();
    assert!(!found());
    keep(&cache, b"code", &[]);
    std::fs::remove_file(&path).unwrap();
    assert!(!found());
    std::fs::create_dir(&path).unwrap();
    assert!(!found());
}

#[test]
fn what_others_can_write_or_own_is_absent() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Some(dir.path()), KEY, 1 << 20).unwrap();
    let path = keep(&cache, b"code", &[]);
    let found = || cache.find(&digest(b"code")).is_some();
    for (mode, expected) in [(0o620, false), (0o602, false), (0o644, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(found(), expected, "{mode:o}");
    }
    // Only root can give files away, and read them then.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(!found());
    }
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Some(dir.path()), KEY, 3500).unwrap();
    let contents: Vec<Vec<u8>> = (0..3).map(|i| vec![i; 1000]).collect();
    let paths: Vec<PathBuf> = contents.iter().map(|content| keep(&cache, content, &[])).collect();
    for (path, ago) in paths.iter().zip([500, 400, 300]) {
        used_ago(path, ago);
        used_ago(&path.with_extension("json"), ago);
    }
    assert!(cache.find(&digest(&contents[0])).is_some());
    keep(&cache, &[9; 1000], &[]);
    let there: Vec<bool> = paths.iter().map(|path| path.exists()).collect();
    assert_eq!(there, [true, false, true]);
    assert!(!paths[1].with_extension("json").exists());
}

#[test]
fn what_is_pinned_or_new_stays() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Some(dir.path()), KEY, 100).unwrap();
    let pinned = keep(&cache, b"pinned", &[]);
    let large = keep(&cache, &[0; 5000], &[&digest(b"pinned")]);
    assert!(pinned.exists() && large.exists());
    let next = keep(&cache, &[1; 5000], &[&digest(b"pinned")]);
    assert!(pinned.exists() && !large.exists() && next.exists());
    cache.trim(&BTreeSet::new());
    assert!(!pinned.exists() && !next.exists());
}

#[test]
fn artifacts_of_other_agents_age_and_foreign_files_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let old = digest(b"old");
    let foreign = ["notes.json", "module.cwasm", &format!("{old}.txt"), &format!("{old}-1.json")];
    let others = [format!("{old}.cwasm"), format!("{old}.sha256"), format!("{old}-{KEY}.cwasm")];
    for name in foreign.into_iter().chain(others.iter().map(String::as_str)) {
        std::fs::write(dir.path().join(name), [0; 100]).unwrap();
    }
    let cache = Cache::open(Some(dir.path()), "fedcba9876543210", 0).unwrap();
    // Pinned is what this agent runs; another version's artifact of the same component is not it.
    cache.trim(&BTreeSet::from([old.clone()]));
    assert!(foreign.iter().all(|name| dir.path().join(name).exists()));
    assert!(!others.iter().any(|name| dir.path().join(name).exists()));
}

#[test]
fn only_what_was_left_behind_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join(".new-old"), dir.path().join(".new-new"));
    std::fs::write(&old, "").unwrap();
    std::fs::write(&new, "").unwrap();
    used_ago(&old, 3700);
    Cache::open(Some(dir.path()), KEY, 100).unwrap();
    assert!(!old.exists() && new.exists());
}

#[test]
fn two_agents_may_write_and_remove_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for max_bytes in [0, 2500] {
            let cache = Cache::open(Some(dir.path()), KEY, max_bytes).unwrap();
            scope.spawn(move || {
                for round in 0..50 {
                    keep(&cache, &[round % 5; 1000], &[]);
                    for other in 0..5 {
                        let found = cache.find(&digest(&[other; 1000]));
                        assert!(found.is_none_or(|found| found.shape == shape()));
                    }
                }
            });
        }
    });
    let cache = Cache::open(Some(dir.path()), KEY, 1 << 20).unwrap();
    keep(&cache, b"after", &[]);
    assert!(cache.find(&digest(b"after")).is_some());
}

#[test]
fn a_large_artifact_is_looked_at_to_its_last_byte() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Some(dir.path()), KEY, 1 << 30).unwrap();
    let mut content = vec![7; usize::try_from(LARGE).unwrap() + 1];
    let path = keep(&cache, &content, &[]);
    assert!(cache.find(&digest(&content)).is_some());
    for at in [0, CHUNK, content.len() / 2 - 1, content.len() / 2, content.len() - 1] {
        content[at] ^= 1;
        std::fs::write(&path, &content).unwrap();
        content[at] ^= 1;
        assert!(cache.find(&digest(&content)).is_none(), "{at}");
    }
    std::fs::write(&path, &content).unwrap();
    assert!(cache.find(&digest(&content)).is_some());
}
