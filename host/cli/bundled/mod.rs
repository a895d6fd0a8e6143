//! Putting bundled collectors into a plugins directory, for `sandbeat plugin bundled` and the demo.
//!
//! Files that somebody else wrote or changed are his: a sidecar of his is never touched, and a component only where that
//! was asked for. A sidecar that was deleted stays away, since that is how grants are taken back. What was written is kept
//! as digests beside it ([`record`]), one record for the command and one for the demo, so that a newer version can replace
//! a sidecar that nobody has edited, and neither takes the other's files for its own.
//!
//! Both files of a collector are on disk before either gets its name, so that what fails on the way changes nothing. The
//! sidecar gets it first: an agent that watches the folder never sees a collector without its grants. Only where it takes
//! the place of somebody else's component it comes second, and beside a component that stays it is not written: what it
//! grants is meant for the bundled one alone. Two at once wait for each other.

mod record;

use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::{Context, bail};
use sandbeat_collectors::{MAX_COMPONENT, digest};
use serde::Serialize;

use self::record::Record;
use crate::output;
use crate::write::Written;

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
    /// None is there: another component is, or somebody deleted it.
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
    /// What was written from here is not there any more.
    Deleted,
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
    let lock = File::open(folder).with_context(|| format!("cannot open the folder {}", folder.display()))?;
    lock.lock().with_context(|| format!("cannot lock the folder {}", folder.display()))?;
    let mut record = Record::read(folder, gives_way);
    let mut done = Vec::new();
    for files in collectors {
        done.push(put_one(folder, files, gives_way, &mut record)?);
        if let Err(error) = record.write() {
            output::note(format_args!("{error:#}; a later version will take these sidecars for edited, and keep them"));
        }
    }
    Ok(done)
}

fn put_one<'a>(
    folder: &Path,
    files: &'a Files<'a>,
    gives_way: GivesWay,
    record: &mut Record,
) -> anyhow::Result<Put<'a>> {
    let names = ["toml", "wasm"].map(|extension| format!("{}.{extension}", files.name));
    let contents = [files.sidecar.as_bytes(), files.wasm];
    let found = |at: usize| look(&folder.join(&names[at]), contents[at], record.digest(&names[at]));
    let [sidecar, component] = [found(0)?, found(1)?];
    let (of_component, of_sidecar) = decide(component, sidecar, gives_way);
    let fates = [of_sidecar, of_component];
    let mut written = Vec::new();
    for (at, fate) in fates.into_iter().enumerate() {
        let is_written = matches!(fate, Fate::Written | Fate::Replaced);
        if is_written {
            let path = folder.join(&names[at]);
            let file = Written::beside(&path, contents[at]);
            written.push((file.with_context(|| format!("cannot write {}", path.display()))?, path));
        }
        // What the demo finds as it would write it is somebody else's all the same.
        if is_written || fate == Fate::Unchanged && gives_way != GivesWay::Own {
            record.set(&names[at], digest(contents[at]));
        }
    }
    if component == Found::Another {
        written.reverse();
    }
    for (file, path) in written {
        file.take_its_name(&path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Put { name: files.name, component: of_component, sidecar: of_sidecar })
}

fn decide(component: Found, sidecar: Found, gives_way: GivesWay) -> (Fate, Fate) {
    let of_component = match (component, gives_way) {
        (Found::Nothing | Found::Deleted, _) => Fate::Written,
        (Found::TheSame, _) => Fate::Unchanged,
        (_, GivesWay::Components) | (Found::Own, GivesWay::Own) => Fate::Replaced,
        (Found::Own | Found::Another, _) => Fate::Kept,
    };
    let of_sidecar = match (sidecar, of_component) {
        (Found::TheSame, _) => Fate::Unchanged,
        (Found::Nothing | Found::Deleted, Fate::Written) => Fate::Written,
        (Found::Nothing, Fate::Kept) | (Found::Deleted, _) => Fate::Absent,
        // Somebody put the component there without one.
        (Found::Nothing, _) if gives_way == GivesWay::Own => Fate::Absent,
        (Found::Nothing, _) => Fate::Written,
        (Found::Own, fate) if fate != Fate::Kept && gives_way != GivesWay::None => Fate::Replaced,
        (Found::Own | Found::Another, _) => Fate::Kept,
    };
    (of_component, of_sidecar)
}

/// What is at a path, held against what is to be there and the digest of what was written there.
fn look(path: &Path, wanted: &[u8], written: Option<&str>) -> anyhow::Result<Found> {
    let found = match fs::metadata(path) {
        // A link that leads nowhere is somebody's as well.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => return Ok(Found::Another),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(if written.is_some() { Found::Deleted } else { Found::Nothing });
        }
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
