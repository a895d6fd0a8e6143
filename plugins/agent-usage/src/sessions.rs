//! How far each file of Codex has been read, and the events of each session, which its forks begin with.
//!
//! Both are kept in [`BUCKETS`] values of the state each, of which only those are read and written that a collect
//! touches. Bounds: [`MAX_SESSIONS`] files and [`MAX_BYTES`] of events in a bucket; beyond that the oldest are forgotten.
//! A file that is forgotten goes on without its model until that is named again; of a session that is forgotten, forks
//! are recognised by the burst of events that they begin with.

use std::collections::BTreeMap;

use sandbeat_sdk::state::{self, StateError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codex::{Session, Step};

const BUCKETS: u8 = 64;
/// At about 110 bytes, 1.8 MiB in all.
const MAX_SESSIONS: usize = 256;
/// 2 MiB in all.
const MAX_BYTES: usize = 32 << 10;
const STEP: usize = 10;

/// All files and sessions of Codex, as far as they have been looked at.
#[derive(Debug)]
pub(crate) struct Sessions {
    files: Table<Session>,
    steps: Table<Vec<u8>>,
}

/// Values by fingerprint, oldest first.
#[derive(Debug)]
struct Table<T> {
    prefix: char,
    buckets: BTreeMap<u8, (Vec<(u64, T)>, bool)>,
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions {
            files: Table { prefix: 'c', buckets: BTreeMap::new() },
            steps: Table { prefix: 's', buckets: BTreeMap::new() },
        }
    }
}

impl Sessions {
    /// How far a file has been read.
    pub(crate) fn file(&mut self, path: u64) -> Session {
        self.files
            .bucket(path)
            .0
            .iter()
            .find(|(known, _)| *known == path)
            .map(|(_, file)| file.clone())
            .unwrap_or_default()
    }

    pub(crate) fn set_file(&mut self, path: u64, session: Session) {
        let files = self.files.put(path, session);
        if files.len() > MAX_SESSIONS {
            files.remove(0);
        }
    }

    /// A file that is gone.
    pub(crate) fn forget_file(&mut self, path: u64) {
        let (files, changed) = self.files.bucket(path);
        let before = files.len();
        files.retain(|(known, _)| *known != path);
        *changed |= files.len() != before;
    }

    /// The events of a session so far.
    pub(crate) fn steps(&mut self, session: u64) -> Vec<Step> {
        let known = self.steps.bucket(session).0.iter().find(|(known, _)| *known == session);
        let bytes = known.map(|(_, steps)| steps.as_slice()).unwrap_or_default();
        bytes.as_chunks::<STEP>().0.iter().map(|step| Step::from_bytes(*step)).collect()
    }

    /// Sets the events of a session, or adds to them.
    pub(crate) fn add_steps(&mut self, session: u64, new: &[Step], anew: bool) {
        let bucket = self.steps.bucket(session);
        let known = bucket.0.iter().find(|(known, _)| *known == session && !anew);
        let mut bytes = known.map(|(_, steps)| steps.clone()).unwrap_or_default();
        bytes.extend(new.iter().flat_map(|step| step.to_bytes()));
        let sessions = self.steps.put(session, bytes);
        while sessions.iter().map(|(_, steps)| steps.len()).sum::<usize>() > MAX_BYTES {
            sessions.remove(0);
        }
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// The state is full.
    pub(crate) fn keep(&self) -> Result<(), StateError> {
        self.files.keep()?;
        self.steps.keep()
    }
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    fn bucket(&mut self, fingerprint: u64) -> &mut (Vec<(u64, T)>, bool) {
        let [number, ..] = fingerprint.to_le_bytes();
        let number = number % BUCKETS;
        let read = || state::get(&key(self.prefix, number)).and_then(|bytes| postcard::from_bytes(&bytes).ok());
        self.buckets.entry(number).or_insert_with(|| (read().unwrap_or_default(), false))
    }

    /// Puts a value where it was, or at the end.
    fn put(&mut self, fingerprint: u64, value: T) -> &mut Vec<(u64, T)> {
        let (values, changed) = self.bucket(fingerprint);
        *changed = true;
        match values.iter_mut().find(|(known, _)| *known == fingerprint) {
            Some((_, old)) => *old = value,
            None => values.push((fingerprint, value)),
        }
        values
    }

    fn keep(&self) -> Result<(), StateError> {
        for (number, (values, _)) in self.buckets.iter().filter(|(_, (_, changed))| *changed) {
            state::set(&key(self.prefix, *number), &postcard::to_allocvec(values).unwrap_or_default())?;
        }
        Ok(())
    }
}

fn key(prefix: char, number: u8) -> String {
    format!("{prefix}{number:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::testing::Sandbox;

    fn step(number: u8) -> Step {
        Step::from_bytes([number; STEP])
    }

    #[test]
    fn files_and_steps_are_kept() {
        let mut sandbox = Sandbox::new();
        let mut begun = Session::default();
        begun.line(b"{}", &[]);
        sandbox.run(|| {
            let mut sessions = Sessions::default();
            sessions.set_file(1, begun.clone());
            sessions.add_steps(2, &[step(1)], true);
            sessions.add_steps(2, &[step(2)], false);
            sessions.keep().unwrap();
        });
        sandbox.run(|| {
            let mut sessions = Sessions::default();
            assert_eq!((sessions.file(1), sessions.file(2)), (begun, Session::default()));
            assert_eq!(sessions.steps(2), [step(1), step(2)]);
            sessions.add_steps(2, &[step(3)], true);
            assert_eq!((sessions.steps(2), sessions.steps(1)), (vec![step(3)], vec![]));
            sessions.forget_file(1);
            assert_eq!(sessions.file(1), Session::default());
        });
    }

    #[test]
    fn beyond_the_bounds_the_oldest_are_forgotten() {
        Sandbox::new().run(|| {
            let mut sessions = Sessions::default();
            let mut begun = Session::default();
            begun.line(b"{}", &[]);
            for number in 0..=MAX_SESSIONS as u64 {
                sessions.set_file(number << 8, begun.clone());
            }
            assert_eq!((sessions.file(0), sessions.file(1 << 8)), (Session::default(), begun));
            let many: Vec<_> = (0..2000).map(|_| step(7)).collect();
            sessions.add_steps(1 << 8, &many, true);
            sessions.add_steps(2 << 8, &many, true);
            assert_eq!((sessions.steps(1 << 8).len(), sessions.steps(2 << 8).len()), (0, 2000));
        });
    }
}
