//! The states of all collectors, above the tasks that call them: a state outlives its plugin's instances, versions and
//! task, and, when it is to be kept, the agent.
//!
//! In memory first: [`States::put`] only notes, and [`States::flush`] writes what has changed since, from time to time
//! and at the end. Without a folder ([`Home`]) states live as long as the agent. A file that cannot be used counts as
//! an empty state, is said once and set aside; what cannot be written stays noted and is tried again.
//!
//! The state of a plugin that is gone waits for its return: on disk where it is there, else in memory, where only so
//! many of these are kept, the newest first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::home::{Home, Kind};
use crate::state::State;

/// The largest state that is kept, in bytes as [`State::set`] counts them; no limit may be beyond it.
pub(crate) const MAX_STATE: u64 = 16 << 20;
/// An entry costs a state more than it takes in the file.
const KIND: Kind = Kind { end: "state", version: 1, most: MAX_STATE, what: "collectors' states" };
/// How many states of gone plugins are kept in memory.
const MAX_GONE: usize = 64;
/// What these may take in all, in bytes as [`State::set`] counts them.
const MAX_GONE_BYTES: u64 = 32 << 20;

/// All states; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct States {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    home: Option<Arc<Home>>,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Held while files are written or removed, so that an older state does not overwrite a newer one.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Entry {
    state: State,
    /// It is to outlive the agent.
    persist: bool,
    /// It is not on disk as it is here.
    changed: bool,
    /// Its plugin is gone: of two such entries, the larger number went later.
    gone: Option<u64>,
}

impl States {
    pub(crate) fn new(home: Option<Arc<Home>>) -> Self {
        States { shared: Arc::new(Shared { home, entries: Mutex::default(), writing: Mutex::default() }) }
    }

    /// A plugin's state: from memory, else from disk, else empty. May block as the disk does, on up to 16 MiB.
    pub(crate) fn get(&self, name: &str) -> State {
        if let Some(entry) = self.entries().get_mut(name) {
            entry.gone = None;
            return entry.state.clone();
        }
        let state = self.read(name);
        let unchanged = |state| Entry { state, persist: true, changed: false, gone: None };
        self.entries().entry(name.to_owned()).or_insert_with(|| unchanged(state)).state.clone()
    }

    /// Takes a plugin's new state; `persist` says whether it is to outlive the agent. Does not block.
    pub(crate) fn put(&self, name: &str, state: State, persist: bool) {
        let mut entries = self.entries();
        match entries.get_mut(name) {
            Some(entry) => {
                entry.changed = persist && (entry.changed || !entry.persist || entry.state != state);
                (entry.persist, entry.gone) = (persist, None);
                entry.state = state;
            }
            None => {
                entries.insert(name.to_owned(), Entry { state, persist, changed: persist, gone: None });
            }
        }
    }

    /// From now on a plugin's state lives in memory only. Does not block; what is on disk of it stays there until
    /// [`States::remove_persisted`].
    pub(crate) fn keep_in_memory(&self, name: &str) {
        if let Some(entry) = self.entries().get_mut(name) {
            (entry.persist, entry.changed) = (false, false);
        }
    }

    /// Removes what is on disk of a plugin's state. Blocks as the disk does.
    pub(crate) fn remove_persisted(&self, name: &str) {
        let _writing = self.writing();
        let Some(home) = &self.shared.home else { return };
        if let Err(e) = home.remove(name, KIND) {
            tracing::warn!(plugin = name, "its state, which is not to be kept, cannot be removed: {e}");
        }
    }

    /// A plugin is gone: gives up the memory of its state where it is on disk as it is here, and else of the oldest
    /// such states beyond what is kept. Does not block.
    pub(crate) fn release(&self, name: &str) {
        // What is being written may fail, and is then needed again; the end of that flush sees to it.
        let idle = !matches!(self.shared.writing.try_lock(), Err(TryLockError::WouldBlock));
        let has_home = self.shared.home.is_some();
        let mut entries = self.entries();
        let next = entries.values().filter_map(|entry| entry.gone).max().map_or(0, |last| last + 1);
        let Some(entry) = entries.get_mut(name) else { return };
        entry.gone = Some(next);
        if idle && has_home {
            drop_written(&mut entries);
        }
        // What is still to be written waits for that.
        trim_gone(&mut entries, |entry| !has_home || !entry.persist);
    }

    /// Writes all states that have changed and are to outlive the agent. Blocks as the disk does.
    pub(crate) fn flush(&self) {
        let Some(home) = &self.shared.home else { return };
        let _writing = self.writing();
        let changed = self.take_changed();
        for (name, state) in &changed {
            if home.write(name, KIND, &encoded(state)).is_err() {
                self.note_unwritten(name);
            }
        }
        if !changed.is_empty()
            && let Err(e) = home.sync()
        {
            tracing::debug!("the folder of collectors' states cannot be synced: {e}");
        }
        let mut entries = self.entries();
        drop_written(&mut entries);
        // On a disk that fails, nor may what waits for it grow without end.
        trim_gone(&mut entries, |_| true);
    }

    fn read(&self, name: &str) -> State {
        let Some(home) = &self.shared.home else { return State::default() };
        let Some(content) = home.read(name, KIND) else { return State::default() };
        decoded(&content).unwrap_or_else(|| {
            home.set_aside(name, KIND, "it does not hold what a state holds");
            State::default()
        })
    }

    fn take_changed(&self) -> Vec<(String, State)> {
        let mut entries = self.entries();
        let changed = entries.iter_mut().filter_map(|(name, entry)| {
            std::mem::take(&mut entry.changed).then(|| (name.clone(), entry.state.clone()))
        });
        changed.collect()
    }

    fn note_unwritten(&self, name: &str) {
        if let Some(entry) = self.entries().get_mut(name) {
            entry.changed = entry.persist;
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops the states of gone plugins that are on disk as they are here.
fn drop_written(entries: &mut BTreeMap<String, Entry>) {
    entries.retain(|_, entry| entry.gone.is_none() || entry.changed || !entry.persist);
}

/// Drops the oldest states of gone plugins that count until the others are within the bounds.
fn trim_gone(entries: &mut BTreeMap<String, Entry>, counts: impl Fn(&Entry) -> bool) {
    let gone = entries.iter().filter(|(_, entry)| counts(entry));
    let mut gone: Vec<(u64, u64, String)> =
        gone.filter_map(|(name, entry)| Some((entry.gone?, State::bytes(&entry.state), name.clone()))).collect();
    gone.sort_unstable_by(|a, b| b.cmp(a));
    let mut bytes = 0;
    for (kept, (_, size, name)) in gone.iter().enumerate() {
        bytes += size;
        if kept >= MAX_GONE || bytes > MAX_GONE_BYTES {
            entries.remove(name);
        }
    }
}

fn encoded(state: &State) -> Vec<u8> {
    // A map of texts to bytes has a form; were there none, it would be read as damaged.
    postcard::to_allocvec(state.entries()).unwrap_or_default()
}

fn decoded(content: &[u8]) -> Option<State> {
    let (entries, rest) = postcard::take_from_bytes(content).ok()?;
    if rest.is_empty() { State::from_entries(entries) } else { None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn states(dir: &Path) -> States {
        let home = Home::open(Some(dir), Path::new("/plugins"), &BTreeSet::new()).unwrap();
        States::new(Some(Arc::new(home)))
    }

    fn state(key: &str, value: &[u8]) -> State {
        let mut state = State::default();
        state.set(key.to_owned(), value.to_vec(), MAX_STATE).unwrap();
        state
    }

    fn files(dir: &Path) -> Vec<String> {
        let home = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
        let names = std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "lock").collect()
    }

    #[test]
    fn a_state_outlives_the_agent_once_it_is_flushed() {
        let dir = tempfile::tempdir().unwrap();
        let first = states(dir.path());
        assert_eq!(first.get("a"), State::default());
        first.put("a", state("k", b"lost"), true);
        drop(first);
        let second = states(dir.path());
        assert_eq!(second.get("a"), State::default());
        second.put("a", state("k", b"kept"), true);
        assert_eq!(second.get("a"), state("k", b"kept"));
        second.flush();
        drop(second);
        assert_eq!(states(dir.path()).get("a"), state("k", b"kept"));
    }

    #[test]
    fn the_largest_state_fits_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut large = state("k", &vec![255; 15 << 20]);
        for i in 0..5000 {
            large.set(format!("key-{i}"), vec![1; 150], MAX_STATE).unwrap();
        }
        let first = states(dir.path());
        first.put("a", large.clone(), true);
        first.flush();
        drop(first);
        assert!(states(dir.path()).get("a") == large);
    }

    #[test]
    fn what_has_not_changed_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let states = states(dir.path());
        states.put("a", state("k", b"1"), true);
        states.flush();
        assert_eq!(files(dir.path()), ["a.state"]);
        let home = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        std::fs::remove_file(home.join("a.state")).unwrap();
        states.put("a", state("k", b"1"), true);
        states.flush();
        assert!(files(dir.path()).is_empty());
        states.put("a", state("k", b"2"), true);
        states.flush();
        assert_eq!(files(dir.path()), ["a.state"]);
    }

    #[test]
    fn a_collector_that_opts_out_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let states = states(dir.path());
        states.put("a", state("k", b"1"), true);
        states.flush();
        states.put("a", state("k", b"2"), false);
        states.keep_in_memory("a");
        states.remove_persisted("a");
        states.flush();
        assert!(files(dir.path()).is_empty());
        assert_eq!(states.get("a"), state("k", b"2"));
        states.put("a", state("k", b"2"), true);
        states.flush();
        assert_eq!(files(dir.path()), ["a.state"]);
    }

    #[test]
    fn only_what_is_on_disk_is_released() {
        let dir = tempfile::tempdir().unwrap();
        let states = states(dir.path());
        states.put("kept", state("k", b"1"), true);
        states.put("not", state("k", b"2"), false);
        states.release("kept");
        assert_eq!(states.entries().len(), 2);
        states.flush();
        for name in ["kept", "not"] {
            states.release(name);
        }
        assert_eq!(states.entries().len(), 1);
        assert_eq!((states.get("kept"), states.get("not")), (state("k", b"1"), state("k", b"2")));
    }

    #[test]
    fn a_file_with_another_content_is_an_empty_state() {
        let dir = tempfile::tempdir().unwrap();
        let bad_key = postcard::to_allocvec(&BTreeMap::from([(String::new(), vec![1_u8])])).unwrap();
        let more = [encoded(&state("k", b"1")), vec![0]].concat();
        for content in [&bad_key[..], &more, b"\xff\xff\xff\xff\x0f"] {
            let home = Home::open(Some(dir.path()), Path::new("/plugins"), &BTreeSet::new()).unwrap();
            home.write("a", KIND, content).unwrap();
            let states = States::new(Some(Arc::new(home)));
            assert_eq!(states.get("a"), State::default());
            assert_eq!(files(dir.path()), ["a.state.bad"]);
        }
    }

    #[test]
    fn what_cannot_be_written_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let states = states(dir.path());
        let home = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        // Nothing can be renamed over a folder, not even by root.
        std::fs::create_dir(home.join("a.state")).unwrap();
        states.put("a", state("k", b"1"), true);
        states.put("b", state("k", b"2"), true);
        states.flush();
        assert!(home.join("b.state").is_file() && home.join("a.state").is_dir());
        std::fs::remove_dir(home.join("a.state")).unwrap();
        states.flush();
        assert!(home.join("a.state").is_file());
    }

    #[test]
    fn without_a_folder_states_live_in_memory() {
        let states = States::new(None);
        states.put("a", state("k", b"1"), true);
        states.flush();
        states.release("a");
        states.remove_persisted("b");
        assert_eq!(states.get("a"), state("k", b"1"));
    }

    #[test]
    fn of_gone_plugins_the_newest_states_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for states in [States::new(None), self::states(dir.path())] {
            for i in 0..MAX_GONE + 10 {
                states.put(&format!("gone-{i}"), state("k", b"1"), false);
                states.release(&format!("gone-{i}"));
            }
            states.put("here", state("k", b"1"), false);
            assert_eq!(states.entries().len(), MAX_GONE + 1);
            assert!(!states.entries().contains_key("gone-9"));
            // One that is back is none of them.
            states.get("gone-10");
            states.put("large", state("k", &vec![0; 15 << 20]), false);
            states.release("large");
            states.put("larger", state("k", &vec![0; 15 << 20]), false);
            states.release("larger");
            states.put("newest", state("k", &vec![0; 15 << 20]), false);
            states.release("newest");
            let names: Vec<String> = states.entries().keys().cloned().collect();
            assert_eq!(names, ["gone-10", "here", "larger", "newest"]);
        }
    }

    #[test]
    fn what_a_gone_plugin_has_still_to_be_written_waits_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let states = states(dir.path());
        let names: Vec<String> = (0..MAX_GONE + 10).map(|i| format!("gone-{i}")).collect();
        for name in &names {
            states.put(name, state("k", b"1"), true);
            states.release(name);
        }
        assert_eq!(states.entries().len(), names.len());
        states.flush();
        assert!(states.entries().is_empty());
        assert!(names.iter().all(|name| states.get(name) == state("k", b"1")));
        // What is being written is not given up.
        let writing = states.writing();
        states.release("gone-0");
        assert!(states.entries().contains_key("gone-0"));
        drop(writing);
        states.flush();
        assert!(!states.entries().contains_key("gone-0"));
    }
}
