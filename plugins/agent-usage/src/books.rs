//! All that is kept from one collect to the next.
//!
//! Invariant: what of a file has been counted and how far it has been read are written together, at the end of a collect;
//! a collect that fails before that has done nothing. Where the state turns out to be too small, all of it is erased and
//! the operator told, since half of it would be worse than nothing.

use sandbeat_sdk::Error;
use sandbeat_sdk::state::{self, StateError};
use serde::{Deserialize, Serialize};

use crate::databases::Databases;
use crate::index::Index;
use crate::ledger::Ledger;
use crate::messages::Messages;
use crate::seen::Seen;
use crate::sessions::Sessions;

const KEY: &str = "books";
/// To be raised with every change of what is kept, or of what of a log counts: what another version has kept is erased,
/// and all logs are read again.
const VERSION: u8 = 3;

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) page: Page,
    pub(crate) index: Index,
    pub(crate) messages: Messages,
    pub(crate) seen: Seen,
    pub(crate) sessions: Sessions,
    pub(crate) databases: Databases,
    /// The page as it was kept.
    kept: Vec<u8>,
}

/// What is small.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    version: u8,
    pub(crate) ledger: Ledger,
    /// All that was there has been read at least once, so the totals mean something.
    pub(crate) complete: bool,
    /// Lines and files that should have counted and could not be read.
    pub(crate) unreadable: u64,
    /// Messages and events that were forgotten.
    pub(crate) forgotten: u64,
    /// The round that is under way.
    pub(crate) round: Round,
    /// The last round that was done.
    pub(crate) last: Round,
}

/// What a round has found so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    /// Where it goes on.
    pub(crate) cursor: Option<String>,
    /// Files of each agent.
    pub(crate) files: [u64; 3],
    /// Folders and files that cannot be looked at.
    pub(crate) unread: u64,
    /// Why, for the log; of databases these are in [`Databases`].
    pub(crate) troubles: Vec<String>,
    /// Bytes that are to be read.
    pub(crate) pending: u64,
}

impl Books {
    pub(crate) fn open() -> Books {
        let kept = state::get(KEY).unwrap_or_default();
        match postcard::from_bytes::<Page>(&kept) {
            Ok(page) if page.version == VERSION => {
                Books { page, index: Index::open(), databases: Databases::open(), kept, ..Books::default() }
            }
            _ => {
                Books::erase();
                Books { page: Page { version: VERSION, ..Page::default() }, ..Books::default() }
            }
        }
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// The state is too small for it.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.page.forgotten += self.messages.forgotten + self.seen.forgotten;
        self.keep().map_err(|error| {
            Books::erase();
            let why = format!("{error}; raise `limits.state` in the sidecar to 16MiB");
            Error::Config(why)
        })
    }

    fn keep(&self) -> Result<(), StateError> {
        self.index.keep()?;
        self.messages.keep()?;
        self.seen.keep()?;
        self.sessions.keep()?;
        self.databases.keep()?;
        let page = postcard::to_allocvec(&self.page).unwrap_or_default();
        if page == self.kept { Ok(()) } else { state::set(KEY, &page) }
    }

    fn erase() {
        state::keys().iter().for_each(|key| state::delete(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claude::Identity;
    use crate::prices::Prices;
    use crate::usage::{Agent, Entry};
    use sandbeat_sdk::testing::Sandbox;

    fn count(books: &mut Books, messages: u64) {
        let charge = books.page.ledger.charge(Agent::Codex, &Entry::default(), &Prices::default());
        for message in 0..messages {
            let message = crate::usage::fingerprint(&message.to_le_bytes());
            books.messages.admit(&Identity { message, request: 1, aside: false }, &charge);
        }
        books.page.unreadable = messages;
    }

    #[test]
    fn they_are_kept_and_only_where_something_changed() {
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            let mut books = Books::open();
            count(&mut books, 10);
            books.close().unwrap();
        });
        sandbox.run(|| {
            assert_eq!(Books::open().page.unreadable, 10);
            let books = Books::open();
            state::delete(KEY);
            books.close().unwrap();
            assert_eq!(state::get(KEY), None);
        });
    }

    #[test]
    fn what_another_version_kept_is_erased() {
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            let mut books = Books::open();
            count(&mut books, 10);
            books.page.version = VERSION + 1;
            books.close().unwrap();
        });
        sandbox.run(|| {
            let mut books = Books::open();
            assert_eq!(books.page, Page { version: VERSION, ..Page::default() });
            count(&mut books, 10);
            assert_eq!(books.messages.forgotten, 0);
        });
    }

    #[test]
    fn a_state_that_is_too_small_is_erased_and_named() {
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            let mut books = Books::open();
            // The sandbox has room for 64 KiB.
            count(&mut books, 20_000);
            let error = books.close().unwrap_err();
            assert!(matches!(&error, Error::Config(text) if text.contains("limits.state")), "{error}");
            assert_eq!(Books::open().page.unreadable, 0);
            assert_eq!(state::get("m00"), None);
        });
    }
}
