//! Reading a commit from the object database, to learn its tree.
//!
//! An object lies in a file of its own or in a pack, in this repository's folder or in one that it names as an
//! alternate. A repack moves it meanwhile, so what is not found is looked for once more.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::ZlibDecoder;

use crate::budget::{Budget, MAX_OBJECT_BYTES, Unknown};
use crate::oid::Oid;
use crate::pack;
use crate::repository::{Repository, read_text};

/// Object folders, with alternates of alternates.
const MAX_FOLDERS: usize = 16;
/// Packs in one folder.
const MAX_PACKS: usize = 1000;

/// The tree of a commit.
pub(crate) fn tree_of(repository: &Repository, commit: Oid, budget: &Budget) -> Result<Oid, Unknown> {
    let folders = folders(&repository.common_dir.join("objects"));
    let mut content = None;
    for _ in 0..2 {
        content = find(&folders, commit, budget)?;
        if content.is_some() {
            break;
        }
    }
    let content = content.ok_or_else(|| Unknown::new(format_args!("the commit {commit} is not in the repository")))?;
    let line = content.strip_prefix(b"tree ").and_then(|rest| rest.get(..40));
    line.and_then(|digits| Oid::from_hex(std::str::from_utf8(digits).ok()?))
        .ok_or_else(|| Unknown::new(format_args!("the object {commit} is not a commit")))
}

/// The object folder, and the alternates as far as they can be read.
fn folders(first: &Path) -> Vec<PathBuf> {
    let mut folders = vec![first.to_owned()];
    let mut at = 0;
    while at < folders.len() {
        let text = read_text(&folders[at].join("info/alternates")).ok().flatten().unwrap_or_default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let folder = folders[at].join(line);
            if folders.len() < MAX_FOLDERS && !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        at += 1;
    }
    folders
}

fn find(folders: &[PathBuf], id: Oid, budget: &Budget) -> Result<Option<Vec<u8>>, Unknown> {
    for folder in folders {
        if let Some(content) = loose(folder, id)? {
            return Ok(Some(content));
        }
        for index in pack_indices(&folder.join("pack"))? {
            budget.check_time()?;
            if let Some(content) = pack::find(&index, id)? {
                return Ok(Some(content));
            }
        }
    }
    Ok(None)
}

/// An object in a file of its own: its kind, its size, a NUL and its content, deflated.
fn loose(folder: &Path, id: Oid) -> Result<Option<Vec<u8>>, Unknown> {
    let id = id.to_string();
    let path = folder.join(&id[..2]).join(&id[2..]);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unknown::io(path.display(), &error)),
    };
    let mut content = Vec::new();
    let mut inflated = ZlibDecoder::new(file).take(MAX_OBJECT_BYTES);
    inflated.read_to_end(&mut content).map_err(|error| Unknown::io(path.display(), &error))?;
    let header = content.iter().position(|byte| *byte == 0);
    match header {
        Some(end) if content.starts_with(b"commit ") => Ok(Some(content.split_off(end + 1))),
        _ => Err(Unknown::new(format_args!("the object {id} is not a commit"))),
    }
}

fn pack_indices(folder: &Path) -> Result<Vec<PathBuf>, Unknown> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Unknown::io(folder.display(), &error)),
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let indices: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "idx")).collect();
    if indices.len() > MAX_PACKS {
        return Err(Unknown::new(format_args!("the repository has more than {MAX_PACKS} packs; run `git gc`")));
    }
    Ok(indices)
}
