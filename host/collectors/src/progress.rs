//! How far the compilation of a component is: what the compiling child says of it, and what is known of it here.
//!
//! The child counts (see [`crate::counter`]) and says so in lines on standard error, `progress COMPILED FUNCTIONS`, a
//! few in a second at most. Whoever reads them takes each line of that form out of what the child says; every other
//! line stays. Both sides are of one binary, so that the form may change with it. Pure.
//!
//! Owner of a [`Compilation`]: the load that waits for it; it is read through a watch channel, whose newest value is all
//! that counts.

use std::fmt;
use std::time::Instant;

use sandbeat_status::Compiling;
use tokio::sync::watch;

/// What a line begins with that says how far it is.
const WORD: &str = "progress";

/// What is known of a compilation; `None` while all that is needed may yet be found compiled.
pub(crate) type Told = Option<Compilation>;

/// A component that has to be compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compilation {
    /// When its turn came; `None` while another one is compiled.
    begun: Option<Instant>,
    /// Once the child has counted.
    progress: Option<Progress>,
}

/// How many functions of a component are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) compiled: u64,
    pub(crate) functions: u64,
}

impl Compilation {
    /// Its turn has come.
    pub(crate) fn begin(told: &watch::Sender<Told>) {
        told.send_replace(Some(Compilation { begun: Some(Instant::now()), progress: None }));
    }

    /// It is so far.
    pub(crate) fn advance(told: &watch::Sender<Told>, progress: Progress) {
        told.send_modify(|compilation| compilation.get_or_insert_default().progress = Some(progress));
    }

    /// For people.
    pub(crate) fn status(&self) -> Compiling {
        Compiling {
            compiled: self.progress.map_or(0, |progress| progress.compiled),
            functions: self.progress.map(|progress| progress.functions),
            elapsed_ms: self.begun.map(|begun| u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl Progress {
    /// What a line says, if it says how far it is.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let mut words = str::from_utf8(line).ok()?.strip_prefix(WORD)?.split_ascii_whitespace();
        let mut number = || words.next()?.parse().ok();
        let (compiled, functions) = (number()?, number()?);
        let is_all = words.next().is_none() && compiled <= functions;
        is_all.then_some(Progress { compiled, functions })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{WORD} {} {}", self.compiled, self.functions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let progress = Progress { compiled: 3210, functions: 7800 };
        assert_eq!(progress.to_string(), "progress 3210 7800");
        assert_eq!(Progress::read(b"progress 3210 7800\n"), Some(progress));
    }

    #[test]
    fn other_lines_are_no_progress() {
        for line in
            ["", "progress", "progress 1", "progress 1 2 3", "progress -1 2", "progress 3 2", "no progress 1 2", "{}"]
        {
            assert_eq!(Progress::read(line.as_bytes()), None, "{line}");
        }
        assert_eq!(Progress::read(b"progress 1 \xff"), None);
    }

    #[test]
    fn what_waits_has_no_time_yet_and_what_has_begun_counts() {
        let (told, newest) = watch::channel(Some(Compilation::default()));
        let status = || newest.borrow().unwrap().status();
        assert_eq!(status(), Compiling { compiled: 0, functions: None, elapsed_ms: None });
        Compilation::begin(&told);
        assert!(status().elapsed_ms.is_some_and(|elapsed| elapsed < 60_000) && status().functions.is_none());
        Compilation::advance(&told, Progress { compiled: 7, functions: 9 });
        assert_eq!((status().compiled, status().functions), (7, Some(9)));
        assert!(status().elapsed_ms.is_some());
    }
}
