//! Putting bundled collectors into a plugins directory, for `sandbeat plugin bundled` and the demo.
//!
//! Files that somebody else wrote or changed are his: a sidecar of his is never touched, and a component only where that
//! was asked for. What was written from here is kept as digests beside it ([`record`]), so that a newer version can
//! replace a sidecar that nobody has edited. Each file appears in one step, a sidecar before its component: an agent
//! that watches the folder never sees a collector without its grants. Beside a component that stays, nothing is written:
//! what the sidecar grants is meant for the bundled one alone.

mod record;

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, bail};
use sandbeat_collectors::{MAX_COMPONENT, digest};
use serde::Serialize;

use self::record::Record;
use crate::write;

/// The two files of a collector.
pub(crate) struct Files<'a> {
    pub(crate) name: &'a str,
    pub(crate) wasm: &'a [u8],
    pub(crate) sidecar: String,
}

/// Which other files that are there give way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivesWay {
    None,
    /// Those that were written from here and have been left alone since.
    Own,
    /// These, and all components.
    Components,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    Written,
    Replaced,
    /// It is there already.
    Unchanged,
    /// Another one is there, and stays.
    Kept,
    /// None is there, since another component is.
    Absent,
}

/// What became of a collector's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Put<'a> {
    pub(crate) name: &'a str,
    pub(crate) component: Fate,
    pub(crate) sidecar: Fate,
}

/// What is there of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    TheSame,
    /// What was written from here, and nobody has changed.
    Own,
    Another,
}

/// Puts collectors into a folder, which is made where it is missing.
///
/// # Errors
/// A file cannot be read or written. What was put before stays.
pub(crate) fn put<'a>(folder: &Path, collectors: &'a [Files<'a>], gives_way: GivesWay) -> anyhow::Result<Vec<Put<'a>>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut record = Record::read(folder);
    let put: anyhow::Result<Vec<Put<'_>>> =
        collectors.iter().map(|files| put_one(folder, files, gives_way, &mut record)).collect();
    record.write(folder)?;
    put
}

fn put_one<'a>(
    folder: &Path,
    files: &'a Files<'a>,
    gives_way: GivesWay,
    record: &mut Record,
) -> anyhow::Result<Put<'a>> {
    let [sidecar, component] = ["toml", "wasm"].map(|extension| format!("{}.{extension}", files.name));
    let (text, wasm) = (files.sidecar.as_bytes(), files.wasm);
    let found = |name: &str, content: &[u8]| look(&folder.join(name), content, record.digest(name));
    let (of_component, of_sidecar) = decide(found(&component, wasm)?, found(&sidecar, text)?, gives_way);
    for (name, content, fate) in [(&sidecar, text, of_sidecar), (&component, wasm, of_component)] {
        if matches!(fate, Fate::Written | Fate::Replaced) {
            let path = folder.join(name);
            write::whole(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if !matches!(fate, Fate::Kept | Fate::Absent) {
            record.set(name, digest(content));
        }
    }
    Ok(Put { name: files.name, component: of_component, sidecar: of_sidecar })
}

fn decide(component: Found, sidecar: Found, gives_way: GivesWay) -> (Fate, Fate) {
    let component = match (component, gives_way) {
        (Found::Nothing, _) => Fate::Written,
        (Found::TheSame, _) => Fate::Unchanged,
        (_, GivesWay::Components) | (Found::Own, GivesWay::Own) => Fate::Replaced,
        (Found::Own | Found::Another, _) => Fate::Kept,
    };
    let sidecar = match (sidecar, component) {
        (Found::TheSame, _) => Fate::Unchanged,
        (Found::Nothing, Fate::Kept) => Fate::Absent,
        (Found::Nothing, _) => Fate::Written,
        (Found::Own, fate) if fate != Fate::Kept && gives_way != GivesWay::None => Fate::Replaced,
        (Found::Own | Found::Another, _) => Fate::Kept,
    };
    (component, sidecar)
}

/// What is at a path, held against what is to be there and the digest of what was written there.
fn look(path: &Path, wanted: &[u8], written: Option<&str>) -> anyhow::Result<Found> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        found => found.with_context(|| format!("cannot look at {}", path.display()))?,
    };
    if !found.is_file() {
        bail!("{} is no file; move it away, or choose another folder", path.display());
    }
    if found.len() > MAX_COMPONENT || (written.is_none() && found.len() != wanted.len() as u64) {
        return Ok(Found::Another);
    }
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(match written {
        _ if content == wanted => Found::TheSame,
        Some(written) if digest(&content) == written => Found::Own,
        _ => Found::Another,
    })
}

#[cfg(test)]
mod tests;
