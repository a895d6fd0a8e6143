//! The last good version of each plugin: what to go back to when a new one fails, even across a restart.
//!
//! A version is its component's digest, which finds the compiled artifact in the cache, and the text of its sidecar,
//! since the grants and limits that it was good with belong to it. Kept in memory, and in the agent's folder
//! ([`Home`]) where there is one; what cannot be written is written with the next change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::home::{Home, Kind};

/// A sidecar of 64 KiB, and more than a digest.
const KIND: Kind = Kind { end: "good", version: 1, most: 128 << 10, what: "collectors' last good versions" };

/// A version that was good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Good {
    /// Of the component: 64 hexadecimal digits.
    pub(crate) digest: String,
    /// The text of its sidecar; empty when it had none.
    pub(crate) sidecar: String,
}

/// The last good versions of all plugins; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Goods {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    home: Option<Arc<Home>>,
    known: Mutex<BTreeMap<String, Known>>,
    /// Held while files are written or removed, so that they follow what is known.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Known {
    good: Good,
    written: bool,
}

impl Goods {
    /// Reads what is kept. Blocks as the disk does.
    pub(crate) fn open(home: Option<Arc<Home>>) -> Self {
        let mut known = BTreeMap::new();
        for (home, name) in home.iter().flat_map(|home| home.names(KIND).into_iter().map(move |name| (home, name))) {
            let Some(content) = home.read(&name, KIND) else { continue };
            match decoded(&content) {
                Some(good) => drop(known.insert(name, Known { good, written: true })),
                None => home.set_aside(&name, KIND, "it does not hold a version"),
            }
        }
        Goods { shared: Arc::new(Shared { home, known: Mutex::new(known), writing: Mutex::default() }) }
    }

    /// A plugin's last good version. Does not block.
    pub(crate) fn get(&self, name: &str) -> Option<Good> {
        self.known().get(name).map(|known| known.good.clone())
    }

    /// The plugins of which a last good version is known. Does not block.
    pub(crate) fn names(&self) -> Vec<String> {
        self.known().keys().cloned().collect()
    }

    /// Takes a plugin's last good version; writes it when it is another one. Blocks as the disk does.
    pub(crate) fn set(&self, name: &str, good: &Good) {
        let _writing = self.writing();
        let is_known = |known: &Known| known.good == *good && (known.written || self.shared.home.is_none());
        if self.known().get(name).is_some_and(is_known) {
            return;
        }
        self.known().insert(name.to_owned(), Known { good: good.clone(), written: false });
        let Some(home) = &self.shared.home else { return };
        // Two texts have a form; were there none, it would be read as damaged.
        let content = postcard::to_allocvec(good).unwrap_or_default();
        // What fails is said there.
        let written = home.write(name, KIND, &content).and_then(|()| home.sync()).is_ok();
        if let Some(known) = self.known().get_mut(name) {
            known.written = written;
        }
    }

    /// Forgets a plugin's last good version. Blocks as the disk does.
    pub(crate) fn forget(&self, name: &str) {
        let _writing = self.writing();
        self.known().remove(name);
        let Some(home) = &self.shared.home else { return };
        if let Err(e) = home.remove(name, KIND) {
            tracing::warn!(plugin = name, "its last good version, which is not to be kept, cannot be removed: {e}");
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decoded(content: &[u8]) -> Option<Good> {
    let (good, rest): (Good, _) = postcard::take_from_bytes(content).ok()?;
    // It becomes part of a file's name.
    let is_digest = good.digest.len() == 64 && good.digest.bytes().all(|b| b.is_ascii_hexdigit());
    (rest.is_empty() && is_digest).then_some(good)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::digest::digest;

    fn goods(dir: &Path) -> Goods {
        let home = Home::open(Some(dir), Path::new("/plugins"), &BTreeSet::new()).unwrap();
        Goods::open(Some(Arc::new(home)))
    }

    fn good(of: &str) -> Good {
        Good { digest: digest(of.as_bytes()), sidecar: format!("interval = \"{of}\"") }
    }

    fn file(dir: &Path, name: &str) -> PathBuf {
        std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path().join(name)
    }

    #[test]
    fn the_last_good_version_outlives_the_agent() {
        let dir = tempfile::tempdir().unwrap();
        let first = goods(dir.path());
        assert_eq!(first.get("a"), None);
        first.set("a", &good("1s"));
        first.set("b", &good("2s"));
        first.set("a", &good("3s"));
        first.forget("b");
        drop(first);
        let second = goods(dir.path());
        assert_eq!((second.get("a"), second.get("b")), (Some(good("3s")), None));
    }

    #[test]
    fn only_another_version_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let goods = goods(dir.path());
        goods.set("a", &good("1s"));
        std::fs::remove_file(file(dir.path(), "a.good")).unwrap();
        goods.set("a", &good("1s"));
        assert!(!file(dir.path(), "a.good").exists());
        goods.set("a", &Good { sidecar: String::new(), ..good("1s") });
        assert!(file(dir.path(), "a.good").exists());
    }

    #[test]
    fn what_was_not_written_is_written_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let goods = goods(dir.path());
        std::fs::create_dir(file(dir.path(), "a.good")).unwrap();
        goods.set("a", &good("1s"));
        assert_eq!(goods.get("a"), Some(good("1s")));
        std::fs::remove_dir(file(dir.path(), "a.good")).unwrap();
        goods.set("a", &good("1s"));
        assert!(file(dir.path(), "a.good").is_file());
    }

    #[test]
    fn what_is_no_version_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = |of: &str| postcard::to_allocvec(&Good { digest: of.into(), sidecar: String::new() }).unwrap();
        for content in [path("../../etc"), path(""), vec![255; 9]] {
            let home = Home::open(Some(dir.path()), Path::new("/plugins"), &BTreeSet::new()).unwrap();
            home.write("a", KIND, &content).unwrap();
            assert_eq!(Goods::open(Some(Arc::new(home))).get("a"), None);
            assert!(file(dir.path(), "a.good.bad").exists());
        }
    }

    #[test]
    fn without_a_folder_it_is_known_in_memory() {
        let goods = Goods::open(None);
        goods.set("a", &good("1s"));
        assert_eq!(goods.get("a"), Some(good("1s")));
        goods.forget("a");
        assert_eq!(goods.get("a"), None);
    }
}
