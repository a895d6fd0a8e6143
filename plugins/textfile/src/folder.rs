//! The folders with the files: which are read, in which order, and how much of them.
//!
//! In each folder, `*.prom` in the order of their names; names that are no UTF-8 are not listed by the agent. What cannot be
//! read is a trouble, in words, and what is beside it is read; only folders of which none is granted are an error. The
//! collector stops reading before the agent would end it for having read too much ([`MAX_FILES`], [`MARGIN`]).

use sandbeat_sdk::files::{self, EntryKind, Reason};
use sandbeat_sdk::limits;
use sandbeat_sdk::prelude::*;

use crate::format::Exposition;
use crate::scrape::Scrape;

/// Files that are read; each takes two calls of the 1,000 that the agent allows, and a point of the contribution.
const MAX_FILES: usize = 200;
/// How far before the limit for bytes the last file begins, which can have 1 MiB.
const MARGIN: u64 = 2 << 20;

/// The files that there are.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// In the order in which they are read.
    pub(crate) files: Vec<(String, EntryKind)>,
    /// What could not be listed, in words.
    pub(crate) troubles: Vec<String>,
}

impl Listing {
    /// Looks into all folders.
    ///
    /// # Errors
    /// Not one of the folders is granted.
    pub(crate) fn of(folders: &[String]) -> Result<Self, Error> {
        let (mut listing, mut denied) = (Self::default(), 0);
        for folder in folders.iter().map(|folder| folder.trim_end_matches('/')) {
            match files::list(folder) {
                Ok(entries) => {
                    let wanted = entries.into_iter().filter(|entry| entry.name.ends_with(".prom"));
                    listing.files.extend(wanted.map(|entry| (format!("{folder}/{}", entry.name), entry.kind)));
                }
                Err(error) if error.reason == Reason::Denied => {
                    denied += 1;
                    let cure = "is not granted; add it to `read` under `[grant]` in the sidecar";
                    listing.troubles.push(format!("`{folder}/*.prom` {cure}"));
                }
                Err(error) => listing.troubles.push(error.to_string()),
            }
        }
        if denied == folders.len() {
            return Err(Error::denied(listing.troubles.join("; ")));
        }
        if listing.files.len() > MAX_FILES {
            listing.troubles.push(format!("there are more than {MAX_FILES} files; the others are not read"));
            listing.files.truncate(MAX_FILES);
        }
        Ok(listing)
    }

    /// Reads the files.
    pub(crate) fn read(&self, scrape: &mut Scrape) {
        let most = limits::current().file_bytes.saturating_sub(MARGIN);
        let mut bytes = 0;
        for (path, kind) in &self.files {
            if bytes > most {
                scrape.troubles.push(format!("`{path}` and those behind it are not read: the others are too large"));
                return;
            }
            if let Err(trouble) = read(path, *kind, scrape, &mut bytes) {
                scrape.troubles.push(trouble);
            }
        }
    }
}

/// Adds a file, and its length, whether it is any good or not.
fn read(path: &str, kind: EntryKind, scrape: &mut Scrape, bytes: &mut u64) -> Result<(), String> {
    let text = files::read(path).map_err(|error| match error.reason {
        Reason::Denied if kind == EntryKind::Symlink => {
            format!(
                "`{path}` is a link to what is not granted: put the file itself there, or grant `**/*.prom` below the folder"
            )
        }
        _ => error.to_string(),
    })?;
    *bytes += text.len() as u64;
    let read = Exposition::parse(&text).map_err(|refusal| format!("`{path}`, {refusal}"))?;
    scrape.add(path, &read);
    // Only of a file that is good, so that a broken one does not look fresh.
    let info = files::stat(path).map_err(|error| error.to_string())?;
    if let Some(modified) = info.modified {
        scrape.add_modified(path, modified);
    }
    Ok(())
}
