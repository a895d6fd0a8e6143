//! The digests of the files that were put into a folder, in a hidden file beside them.
//!
//! It only ever allows to replace a file that has a digest in it. Where it is missing or damaged every file counts as
//! somebody else's, so losing it loses nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::GivesWay;
use crate::write;

/// More than all bundled collectors take.
const MAX_BYTES: u64 = 64 << 10;

#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    digests: BTreeMap<String, String>,
    is_changed: bool,
}

impl Record {
    /// That of the demo, to which only its own files give way, or that of the command.
    pub(super) fn read(folder: &Path, gives_way: GivesWay) -> Record {
        let name = if gives_way == GivesWay::Own { ".sandbeat-demo.json" } else { ".sandbeat-bundled.json" };
        let path = folder.join(name);
        let digests = text(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Record { path, digests, is_changed: false }
    }

    /// Of what was written to a file.
    pub(super) fn digest(&self, file: &str) -> Option<&str> {
        self.digests.get(file).map(String::as_str)
    }

    pub(super) fn set(&mut self, file: &str, digest: String) {
        if self.digest(file) != Some(&digest) {
            self.digests.insert(file.to_owned(), digest);
            self.is_changed = true;
        }
    }

    /// Writes it where something has changed.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&mut self) -> anyhow::Result<()> {
        if !std::mem::take(&mut self.is_changed) {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&self.digests).context("digests cannot be written")?;
        write::whole(&self.path, &text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Waits for nobody: it may be a pipe.
fn text(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}
