//! Looks through the folders for logs that have something new.
//!
//! A round goes through all folders, in the order of their paths. As a rule it is done within one collect; a round that
//! would take too many calls or too long stops where it is, and the next collect goes on from there.
//! Symbolic links are not followed. A link that is named like a log, and a folder that cannot be listed, is counted as
//! unread and named; a folder that is not there is none.

use std::cmp::Ordering;
use std::time::Instant;

use sandbeat_sdk::files::{self, EntryKind, FileError, Info, Reason};
use sandbeat_sdk::log;

use crate::index::{Index, Mark};
use crate::reading::Budget;
use crate::settings::{Logs, Root};
use crate::usage::fingerprint;

/// Below a root; the deepest that is known is 5.
const MAX_DEPTH: usize = 10;
/// So many of what cannot be looked at are named.
pub(crate) const MAX_TROUBLES: usize = 100;

/// A file with something new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) path: String,
    pub(crate) logs: Logs,
    /// With its write-ahead log, where it is a database.
    pub(crate) size: u64,
    pub(crate) modified: u64,
    /// A database that could not be read so far.
    pub(crate) broken: bool,
}

/// What one collect's part of a round found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) behind: Vec<Behind>,
    /// Files of each agent, in the order of [`crate::usage::Agent::ALL`].
    pub(crate) files: [u64; 3],
    /// Folders and files that cannot be looked at, and files for which there is no room.
    pub(crate) unread: u64,
    /// Why, of the first ones.
    pub(crate) troubles: Vec<String>,
    /// Where the next collect goes on; absent when the round is done.
    pub(crate) next: Option<String>,
    /// At least one root is not granted.
    pub(crate) denied: bool,
    /// At least one root is granted.
    pub(crate) granted: bool,
    /// How many calls of the host it took.
    pub(crate) calls: u64,
}

/// A part of a round.
pub(crate) struct Walk<'a> {
    index: &'a mut Index,
    cursor: Option<&'a str>,
    calls: u64,
    until: Instant,
    found: Found,
}

impl<'a> Walk<'a> {
    /// One that goes on where the collect before stopped, and leaves half of the budget for reading.
    pub(crate) fn new(index: &'a mut Index, cursor: Option<&'a str>, budget: &Budget) -> Walk<'a> {
        let now = Instant::now();
        let until = now + budget.until.saturating_duration_since(now) / 2;
        Walk { index, cursor, calls: budget.calls.div_ceil(2), until, found: Found::default() }
    }

    pub(crate) fn roots(mut self, roots: &[Root]) -> Found {
        for root in roots {
            self.folder(root.logs, &root.folder, 0);
        }
        self.found
    }

    fn folder(&mut self, logs: Logs, folder: &str, depth: usize) {
        if self.is_past(folder) || !self.may_go_on(folder) {
            return;
        }
        self.found.calls += 1;
        let entries = match files::list(folder) {
            Ok(entries) => entries,
            Err(error) => return self.unlisted(error, depth),
        };
        self.found.granted = true;
        for entry in entries {
            let path = format!("{folder}/{}", entry.name);
            match entry.kind {
                EntryKind::Directory if depth < max_depth(logs) => self.folder(logs, &path, depth + 1),
                EntryKind::File if is_log(logs, &entry.name) && !self.is_past(&path) => self.file(logs, path),
                EntryKind::Symlink if is_log(logs, &entry.name) && !self.is_past(&path) => {
                    self.unread(format!("`{path}` is not read: it is a symbolic link, and these are not followed"));
                }
                _ => {}
            }
            if self.found.next.is_some() {
                return;
            }
        }
    }

    fn file(&mut self, logs: Logs, path: String) {
        if !self.may_go_on(&path) {
            return;
        }
        let print = fingerprint(path.as_bytes());
        if !self.index.find(print) {
            self.found.unread += 1;
            return;
        }
        if let Some(count) = self.found.files.get_mut(logs.agent() as usize) {
            *count += 1;
        }
        if self.index.get(print).is_some_and(|mark| mark.done) {
            return;
        }
        let (size, modified) = match self.look(logs, &path) {
            Ok(look) => look,
            // What goes away meanwhile is found gone in the next round.
            Err(error) => {
                log::debug!("not looked at: {error}");
                self.found.unread += u64::from(error.reason != Reason::NotFound);
                return;
            }
        };
        let mark = self.index.get(print);
        let broken = mark.is_some_and(|mark| mark.broken);
        if mark.is_none_or(|mark: &Mark| mark.is_behind(size, modified)) {
            self.found.behind.push(Behind { path, logs, size, modified, broken });
        } else {
            self.found.unread += u64::from(broken);
        }
    }

    /// Size, and time of change in milliseconds since 1970; of a database with its write-ahead log.
    fn look(&mut self, logs: Logs, path: &str) -> Result<(u64, u64), FileError> {
        self.found.calls += 1;
        let info = files::stat(path)?;
        let (size, modified) = (info.size, millis(&info));
        if logs != Logs::Databases {
            return Ok((size, modified));
        }
        self.found.calls += 1;
        // Whether it is missing or denied matters to who reads it.
        let log = files::stat(&log_of(path)).ok();
        Ok(log.map_or((size, modified), |log| (size + log.size, modified.max(millis(&log)))))
    }

    fn unlisted(&mut self, error: FileError, depth: usize) {
        match error.reason {
            Reason::NotFound => self.found.granted = true,
            Reason::Denied if depth == 0 => {
                log::debug!("{error}");
                self.found.denied = true;
            }
            _ => self.unread(format!("its logs are not counted: {error}")),
        }
    }

    fn unread(&mut self, trouble: String) {
        self.found.unread += 1;
        if self.found.troubles.len() < MAX_TROUBLES {
            self.found.troubles.push(trouble);
        }
    }

    /// Whether the collect before was there.
    fn is_past(&self, path: &str) -> bool {
        let Some(cursor) = self.cursor else { return false };
        path.split('/').cmp(cursor.split('/')) == Ordering::Less && !is_below(cursor, path)
    }

    fn may_go_on(&mut self, path: &str) -> bool {
        let is_spent = self.found.calls >= self.calls || Instant::now() >= self.until;
        if self.found.next.is_none() && is_spent {
            self.found.next = Some(path.to_owned());
        }
        self.found.next.is_none()
    }
}

/// The write-ahead log of a database.
pub(crate) fn log_of(path: &str) -> String {
    format!("{path}-wal")
}

/// When a file was changed, in milliseconds since 1970; 0 where that is unknown.
pub(crate) fn millis(info: &Info) -> u64 {
    info.modified.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn max_depth(logs: Logs) -> usize {
    if logs == Logs::Databases { 0 } else { MAX_DEPTH }
}

fn is_log(logs: Logs, name: &str) -> bool {
    match logs {
        Logs::ClaudeCode => name.ends_with(".jsonl"),
        Logs::Codex => name.starts_with("rollout-") && name.ends_with(".jsonl"),
        Logs::Messages => name.ends_with(".json"),
        Logs::Databases => name == "opencode.db" || (name.starts_with("opencode-") && name.ends_with(".db")),
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::testing::Sandbox;
    use std::time::Duration;

    fn home() -> Sandbox {
        let files = [
            "/h/.claude/projects/a-b/1.jsonl",
            "/h/.claude/projects/a/2.jsonl",
            "/h/.claude/projects/a/2/subagents/agent-3.jsonl",
            "/h/.claude/projects/a/notes.md",
            "/h/.codex/sessions/2026/09/01/rollout-1.jsonl",
            "/h/.codex/sessions/2026/09/01/history.jsonl",
        ];
        files.into_iter().fold(Sandbox::new(), |sandbox, path| sandbox.file(path, "x"))
    }

    fn roots() -> Vec<Root> {
        let root = |folder: &str, logs| Root { folder: folder.into(), logs };
        vec![
            root("/h/.claude/projects", Logs::ClaudeCode),
            root("/h/.codex/archived_sessions", Logs::Codex),
            root("/h/.codex/sessions", Logs::Codex),
        ]
    }

    fn walk(index: &mut Index, cursor: Option<&str>, calls: u64) -> Found {
        let budget = Budget { bytes: 1, calls: calls * 2, until: Instant::now() + Duration::from_secs(60) };
        Walk::new(index, cursor, &budget).roots(&roots())
    }

    fn names(found: &Found) -> Vec<&str> {
        found.behind.iter().map(|file| file.path.rsplit('/').next().unwrap()).collect()
    }

    #[test]
    fn logs_are_found_and_nothing_else() {
        let found = home().run(|| walk(&mut Index::default(), None, 1000));
        assert_eq!(names(&found), ["agent-3.jsonl", "2.jsonl", "1.jsonl", "rollout-1.jsonl"]);
        assert_eq!((found.files, found.unread, found.next, found.granted), ([3, 1, 0], 0, None, true));
    }

    #[test]
    fn a_round_goes_on_where_it_stopped() {
        for calls in 1..20 {
            home().run(|| {
                let mut index = Index::default();
                let (mut all, mut files) = (Vec::new(), 0);
                let mut cursor = None;
                loop {
                    let found = walk(&mut index, cursor.as_deref(), calls + 6);
                    all.extend(names(&found).into_iter().map(str::to_owned));
                    files += found.files.iter().sum::<u64>();
                    cursor = found.next;
                    if cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(
                    (all.join(" ").as_str(), files),
                    ("agent-3.jsonl 2.jsonl 1.jsonl rollout-1.jsonl", 4),
                    "{calls}"
                );
            });
        }
    }

    #[test]
    fn what_was_read_is_not_behind() {
        home().run(|| {
            let mut index = Index::default();
            for file in walk(&mut index, None, 1000).behind {
                let mark = Mark { offset: file.size, modified: file.modified, ..Mark::default() };
                index.set(fingerprint(file.path.as_bytes()), mark);
            }
            assert_eq!(walk(&mut index, None, 1000).behind, []);
        });
    }

    #[test]
    fn what_is_missing_is_not_what_is_denied() {
        let found = Sandbox::new().run(|| walk(&mut Index::default(), None, 1000));
        assert!(found.denied && !found.granted);
        let mut missing = roots().iter().fold(Sandbox::new(), |sandbox, root| sandbox.missing(&root.folder));
        let found = missing.run(|| walk(&mut Index::default(), None, 1000));
        assert!(found.granted && !found.denied && found.unread == 0);
    }
}
