//! The tree that an index would make as a commit.
//!
//! The entries of an index are in the order of their whole paths as bytes, and a tree sorts a folder as if its name
//! ended in `/`; the two orders are the same, so one walk with a stack of open folders is enough.

use std::fmt::Write;

use crate::budget::Unknown;
use crate::index::Index;
use crate::oid::{self, Oid};

/// The id of the tree; what git noted of it is used where it is valid.
pub(crate) fn of(index: &Index) -> Result<Oid, Unknown> {
    match index.tree {
        Some(tree) => Ok(tree),
        None => compute(index),
    }
}

fn compute(index: &Index) -> Result<Oid, Unknown> {
    let mut folders = Folders::default();
    let mut entries = index.entries();
    while let Some(entry) = entries.next()? {
        folders.add(entries.path(), entry.mode, &entry.oid);
    }
    Ok(folders.finish())
}

/// The folders from the root to the one that is being filled.
#[derive(Default)]
struct Folders {
    /// The tree object of the root so far.
    root: Vec<u8>,
    /// Below it: where the folder's name ends in `path`, and its tree object so far.
    open: Vec<(usize, Vec<u8>)>,
    /// The path of the innermost open folder, with a `/` at the end of each part.
    path: Vec<u8>,
}

impl Folders {
    fn add(&mut self, path: &[u8], mode: u32, oid: &Oid) {
        while !path.starts_with(&self.path) {
            self.close();
        }
        let mut start = self.path.len();
        while let Some(length) = path[start..].iter().position(|byte| *byte == b'/') {
            start += length + 1;
            self.path.extend_from_slice(&path[self.path.len()..start]);
            self.open.push((start, Vec::new()));
        }
        self.append(&path[start..], mode, oid);
    }

    fn close(&mut self) {
        let Some((end, content)) = self.open.pop() else { return };
        let tree = oid::hash("tree", &content);
        let start = self.open.last().map_or(0, |(end, _)| *end);
        let name = self.path[start..end - 1].to_vec();
        self.path.truncate(start);
        self.append(&name, 0o40000, &tree);
    }

    fn append(&mut self, name: &[u8], mode: u32, oid: &Oid) {
        let content = self.open.last_mut().map_or(&mut self.root, |(_, content)| content);
        let mut header = String::new();
        // Writing into a `String` cannot fail.
        let _ = write!(header, "{mode:o} ");
        content.extend_from_slice(header.as_bytes());
        content.extend_from_slice(name);
        content.push(0);
        content.extend_from_slice(&oid.0);
    }

    fn finish(mut self) -> Oid {
        while !self.open.is_empty() {
            self.close();
        }
        oid::hash("tree", &self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_computed_tree_is_the_one_that_git_noted() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/project/dot-git/index");
        let index = Index::read(path.as_ref()).unwrap();
        assert_eq!(compute(&index), Ok(index.tree.unwrap()));
    }

    #[test]
    fn nothing_is_the_empty_tree() {
        assert_eq!(Folders::default().finish().to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }
}
