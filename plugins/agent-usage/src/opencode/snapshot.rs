//! A part of a database as it was at one time, through the files that the host lets a collector read.
//!
//! A collector can take no lock. What it has read is of one time if nobody has written to the main file meanwhile, which
//! the time of its last change tells, and if the log was not begun anew, which its header tells; additions to the log are
//! left for later. Else nothing of it is taken, and it is read again in the next collect. SQLite writes to the main file in
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
/// Of the budget, what has to be left for a database that cannot be read with it to be named.
const PLENTY: u64 = 4;

/// The files of a database.
struct Files<'a> {
    main: &'a str,
    log: String,
    budget: &'a mut Budget,
}

/// Reads a database on; nothing where somebody wrote to it meanwhile.
///
/// # Errors
/// The main file is not there or cannot be looked at. All else is the trouble of the slice.
pub(crate) fn read(path: &str, (print, known): (u64, &Known), budget: &mut Budget) -> Result<Option<Slice>, FileError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let before = files::stat(path)?;
    if before.modified.is_some_and(|modified| modified.abs_diff(now) < TICK) {
        return Ok(None);
    }
    let limits = limits::current();
    let is_plenty = budget.bytes > limits.file_bytes.saturating_sub(reading::SLACK_BYTES) / PLENTY
        && budget.calls > limits.file_calls.saturating_sub(reading::SLACK_CALLS) / PLENTY;
    let until = budget.until;
    let mut files = Files { main: path, log: log_of(path), budget };
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let mut header = None;
    let mut slice = match Database::open(&mut files, before.size) {
        Ok(None) => Slice { known: known.clone(), ..Slice::default() },
        Ok(Some(mut database)) => {
            header = database.log_header().map(<[u8]>::to_vec);
            database::read(&mut database, known, (print, now), || Instant::now() < until)
        }
        Err(trouble) => Slice { known: known.clone(), left: 1.0, trouble: Some(trouble), ..Slice::default() },
    };
    let log_now = files.log_header();
    let after = files::stat(path)?;
    if (after.size, millis(&after)) != (before.size, millis(&before)) || header.is_some_and(|header| header != log_now)
    {
        log::debug!("`{path}` was written to while it was read; it is read again in the next collect");
        return Ok(None);
    }
    if slice.trouble == Some(Trouble::Spent) {
        let is_too_little = is_plenty && !slice.advanced;
        slice.trouble = is_too_little.then(|| {
            Trouble::Failed(
                "`limits.file_bytes` or `limits.file_calls` is too small to read it; double them".to_owned(),
            )
        });
    }
    Ok(Some(slice))
}

/// What is said in the log of a database that cannot be read, or not to its end.
pub(crate) fn explain(path: &str, trouble: &Trouble) -> String {
    let why = match trouble {
        Trouble::Broken(why) | Trouble::Unsupported(why) => why,
        Trouble::Failed(why) => why.as_str(),
        Trouble::Spent => "there was no time for it",
    };
    format!("OpenCode's database `{path}` is not counted, or not all of it: {why}")
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
        if self.budget.bytes < length as u64 {
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
}
