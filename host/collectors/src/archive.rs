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
        Archive { states: States::new(home.clone()), goods: Goods::open(home), noted: Arc::default() }
    }

    /// A plugin's state. Blocks as the disk does.
    pub(crate) fn state(&self, plugin: &str) -> State {
        self.states.get(plugin)
    }

    /// Takes a plugin's new state; `persist` says whether it is to outlive the agent.
    pub(crate) fn note_state(&self, plugin: &str, state: State, persist: bool) {
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
        let Noted { goods, states_to_forget } = std::mem::take(&mut *self.noted());
        for (plugin, good) in goods {
            match good {
                Some(good) => self.goods.set(&plugin, &good),
                None => self.goods.forget(&plugin),
            }
        }
        states_to_forget.iter().for_each(|plugin| self.states.forget_persisted(plugin));
        self.states.flush();
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
