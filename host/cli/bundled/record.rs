//! The digests of the files that were put into a folder, in a hidden file beside them.
//!
//! It only ever allows to replace a file that has a digest in it. Where it is missing or damaged every file counts as
//! somebody else's, so losing it loses nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;

use crate::write;

const NAME: &str = ".sandbeat-bundled.json";
/// More than all bundled collectors take.
const MAX_BYTES: u64 = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Record {
    digests: BTreeMap<String, String>,
    is_changed: bool,
}

impl Record {
    pub(super) fn read(folder: &Path) -> Record {
        let mut text = Vec::new();
        let read = File::open(folder.join(NAME)).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text));
        let digests = read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Record { digests, is_changed: false }
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

    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        let path = folder.join(NAME);
        let text = serde_json::to_vec_pretty(&self.digests).context("digests cannot be written")?;
        write::whole(&path, &text).with_context(|| format!("cannot write {}", path.display()))
    }
}
