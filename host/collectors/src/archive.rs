//! What outlives a plugin's task and the agent: states, and the versions that were good.
//!
//! Owner: the runtime, which has it written from time to time and at the end; the plugins' tasks read it and note what
//! has changed, without waiting for a disk. An agent that is killed loses what was noted since it was last written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::good::{Good, Goods};
use crate::home::Home;
use crate::state::State;
use crate::states::States;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    states: States,
    goods: Goods,
    noted: Arc<Mutex<Noted>>,
    /// Held while what was noted is written, so that an older version does not overwrite a newer one. Taken before
    /// the lock of `noted`.
    flushing: Arc<Mutex<()>>,
}

/// What is still to be done on disk.
#[derive(Debug, Default)]
struct Noted {
    /// `None`: forget it.
    goods: BTreeMap<String, Option<Good>>,
    states_to_forget: BTreeSet<String>,
}

impl Archive {
    /// For the plugins of a directory of which these are `present`. Blocks as the disk does; where no folder can be
    /// used that is said, and nothing outlives the agent.
    pub(crate) fn open(state_dir: Option<&Path>, plugins: &Path, present: &BTreeSet<String>) -> Self {
        let archive = Archive::of(Home::open_or_say(state_dir, plugins, present));
        let gone = archive.goods.names().into_iter().filter(|plugin| !present.contains(plugin));
        gone.for_each(|plugin| archive.note_gone(&plugin));
        archive
    }

    /// Nothing outlives the agent.
    pub(crate) fn in_memory() -> Self {
        Archive::of(None)
    }

    fn of(home: Option<Arc<Home>>) -> Self {
        Archive {
            states: States::new(home.clone()),
            goods: Goods::open(home),
            noted: Arc::default(),
            flushing: Arc::default(),
        }
    }

    /// A plugin's state. Blocks as the disk does.
    pub(crate) fn state(&self, plugin: &str) -> State {
        self.states.get(plugin)
    }

    /// Takes a plugin's new state; `persist` says whether it is to outlive the agent.
    pub(crate) fn note_state(&self, plugin: &str, state: State, persist: bool) {
        let mut noted = self.noted();
        if persist {
            noted.states_to_forget.remove(plugin);
        }
        self.states.put(plugin, state, persist);
    }

    /// What is on disk of a plugin's state is to go.
    pub(crate) fn note_state_to_forget(&self, plugin: &str) {
        self.noted().states_to_forget.insert(plugin.to_owned());
    }

    /// The version of a plugin that was good last.
    pub(crate) fn good(&self, plugin: &str) -> Option<Good> {
        match self.noted().goods.get(plugin) {
            Some(noted) => noted.clone(),
            None => self.goods.get(plugin),
        }
    }

    /// This version is good.
    pub(crate) fn note_good(&self, plugin: &str, good: Good) {
        self.noted().goods.insert(plugin.to_owned(), Some(good));
    }

    /// A plugin's file is gone: its versions are none to go back to. Its state waits a month for its return.
    pub(crate) fn note_gone(&self, plugin: &str) {
        self.noted().goods.insert(plugin.to_owned(), None);
        self.states.release(plugin);
    }

    /// Writes what was noted. Blocks as the disk does.
    pub(crate) fn flush(&self) {
        let _flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let goods = self.noted().goods.clone();
        for (plugin, good) in goods {
            match &good {
                Some(good) => self.goods.set(&plugin, good),
                None => self.goods.forget(&plugin),
            }
            // Until now it was the answer to who asked; what was noted since is the next flush's.
            let mut noted = self.noted();
            if noted.goods.get(&plugin) == Some(&good) {
                noted.goods.remove(&plugin);
            }
        }
        while let Some(plugin) = self.next_to_forget() {
            self.states.remove_persisted(&plugin);
        }
        self.states.flush();
    }

    /// The next plugin whose state on disk is to go. It is taken out of what is noted and becomes one that lives in
    /// memory in one step: what is noted after that, be it a state to keep or to forget, counts.
    fn next_to_forget(&self) -> Option<String> {
        let mut noted = self.noted();
        let plugin = noted.states_to_forget.pop_first()?;
        self.states.keep_in_memory(&plugin);
        Some(plugin)
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;
    use crate::states::MAX_STATE;

    fn archive(dir: &Path) -> Archive {
        Archive::open(Some(dir), Path::new("/plugins"), &["a".to_owned()].into())
    }

    fn state(value: &[u8]) -> State {
        let mut state = State::default();
        state.set("k".to_owned(), value.to_vec(), MAX_STATE).unwrap();
        state
    }

    fn good(of: &str) -> Good {
        Good { digest: crate::digest::digest(of.as_bytes()), sidecar: String::new() }
    }

    #[test]
    fn a_state_that_is_to_be_kept_again_is_not_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let first = archive(dir.path());
        first.note_state("a", state(b"1"), true);
        first.flush();
        first.note_state_to_forget("a");
        first.note_state("a", state(b"2"), true);
        first.flush();
        drop(first);
        let second = archive(dir.path());
        assert_eq!(second.state("a"), state(b"2"));
        second.note_state_to_forget("a");
        second.flush();
        drop(second);
        assert_eq!(archive(dir.path()).state("a"), State::default());
    }

    #[test]
    fn a_flush_waits_for_the_one_before_and_the_newest_version_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = archive(dir.path());
        first.note_good("a", good("1"));
        let hanging = first.flushing.lock().unwrap();
        let (done, ended) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                first.flush();
                done.send(()).unwrap();
            });
            assert!(ended.recv_timeout(Duration::from_millis(50)).is_err());
            // Nobody is told anything stale meanwhile.
            assert_eq!(first.good("a"), Some(good("1")));
            first.note_good("a", good("2"));
            assert_eq!(first.good("a"), Some(good("2")));
            drop(hanging);
        });
        assert_eq!(first.good("a"), Some(good("2")));
        assert!(first.noted().goods.is_empty());
        drop(first);
        assert_eq!(archive(dir.path()).good("a"), Some(good("2")));
    }
}
