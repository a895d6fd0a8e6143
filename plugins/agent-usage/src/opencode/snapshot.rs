//! A part of a database as it was at one time, through the files that the host lets a collector read.
//!
//! A collector can take no lock. What it has read is of one time if nobody has written to the main file meanwhile, which
//! the time of its last change tells, and if the log was not begun anew, which its header tells; additions to the log are
//! left for later. Else nothing of it is taken, and it is tried again in the next collect. SQLite writes to the main file in
//! checkpoints, after every 4 MB of changes or so.

use std::time::{Duration, Instant, SystemTime};

use sandbeat_sdk::files::{self, FileError, Reason};
use sandbeat_sdk::{limits, log};

use super::database::{self, Known, Slice};
use crate::reading::{self, Budget};
use crate::sqlite::{Database, File, LOG_HEADER, Storage, Trouble};
use crate::walk::{log_of, millis};

/// Two writes that are closer to each other may have the same time.
const TICK: Duration = Duration::from_millis(100);
/// What part of the budget has to be left for a database that cannot be read with it to be named.
const PLENTY: u32 = 4;
/// In characters.
const MAX_TEXT: usize = 1_000;
const CHANGES: &str = "somebody wrote to it each time that it was read; it is tried again in each collect";
const SLOW: &str = "half of `limits.cpu` or `limits.timeout` is not enough to read on in it; double them";

/// What came of an attempt.
pub(crate) enum Attempt {
    Read(Box<Slice>),
    /// Nothing, and why, should it stay so. The next attempt may be lucky.
    Later(&'static str),
}

/// The files of a database.
struct Files<'a> {
    main: &'a str,
    log: String,
    budget: &'a mut Budget,
}

/// Reads a database on.
///
/// # Errors
/// The main file is not there or cannot be looked at. All else is the trouble of the slice.
pub(crate) fn read(path: &str, (print, known): (u64, &Known), budget: &mut Budget) -> Result<Attempt, FileError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let before = files::stat(path)?;
    if before.modified.is_some_and(|modified| modified.abs_diff(now) < TICK) {
        return Ok(Attempt::Later(CHANGES));
    }
    let is_plenty = is_plenty(budget);
    let mut files = Files { main: path, log: log_of(path), budget };
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let mut header = None;
    let mut slice = match Database::open(&mut files, before.size) {
        Ok(None) => Slice { known: known.clone(), ..Slice::default() },
        Ok(Some(mut database)) => {
            header = database.log_header().map(<[u8]>::to_vec);
            database::read(&mut database, known, (print, now))
        }
        Err(trouble) => Slice { known: known.clone(), left: 1.0, trouble: Some(trouble), ..Slice::default() },
    };
    let log_now = files.log_header();
    let after = files::stat(path)?;
    if (after.size, millis(&after)) != (before.size, millis(&before)) || header.is_some_and(|header| header != log_now)
    {
        log::debug!("`{path}` was written to while it was read; it is read again in the next collect");
        return Ok(Attempt::Later(CHANGES));
    }
    if slice.trouble == Some(Trouble::Spent) {
        let is_too_little = is_plenty && !slice.advanced;
        if is_too_little && !files.has_time() {
            return Ok(Attempt::Later(SLOW));
        }
        slice.trouble = is_too_little.then(|| {
            Trouble::Failed(
                "`limits.file_bytes` or `limits.file_calls` is too small to read it; double them".to_owned(),
            )
        });
    }
    Ok(Attempt::Read(Box::new(slice)))
}

/// Whether so much is left of what a collect may take that it has to be enough for a part of any database.
fn is_plenty(budget: &Budget) -> bool {
    let limits = limits::current();
    let part = |all: u64, slack| all.saturating_sub(slack) / u64::from(PLENTY);
    budget.bytes > part(limits.file_bytes, reading::SLACK_BYTES)
        && budget.calls > part(limits.file_calls, reading::SLACK_CALLS)
        && budget.until.saturating_duration_since(Instant::now()) > reading::time(&limits) / PLENTY
}

/// What is said in the log of a database that cannot be read, or not to its end.
pub(crate) fn explain(path: &str, why: &str) -> String {
    let text = format!("OpenCode's database `{path}` is not counted, or not all of it: {why}");
    text.chars().take(MAX_TEXT).collect()
}

impl Files<'_> {
    /// How the log begins now. What it takes is left alone by the budget.
    fn log_header(&self) -> Vec<u8> {
        files::read_at(&self.log, 0, LOG_HEADER as u32).unwrap_or_default()
    }
}

impl Storage for Files<'_> {
    fn read(&mut self, file: File, offset: u64, length: usize) -> Result<Vec<u8>, Trouble> {
        let path = match file {
            File::Main => self.main,
            File::Log => &self.log,
        };
        if self.budget.bytes < length as u64 || !self.has_time() {
            return Err(Trouble::Spent);
        }
        let mut bytes = Vec::new();
        while bytes.len() < length {
            if self.budget.calls == 0 {
                return Err(Trouble::Spent);
            }
            let missing = u32::try_from(length - bytes.len()).unwrap_or(u32::MAX);
            match self.budget.read_part(path, offset + bytes.len() as u64, missing) {
                Ok(part) if part.is_empty() => break,
                Ok(part) if bytes.is_empty() => bytes = part,
                Ok(part) => bytes.extend_from_slice(&part),
                Err(error) if file == File::Log && error.reason == Reason::NotFound => break,
                Err(error) => return Err(Trouble::Failed(error.to_string())),
            }
        }
        Ok(bytes)
    }

    fn has_time(&self) -> bool {
        Instant::now() < self.budget.until
    }
}
