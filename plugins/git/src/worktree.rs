//! Whether the working tree is what the index says.
//!
//! First every file's kind, size and time is compared with what git noted in the index; that alone shows most changes.
//! Where only the time differs, or the file is as new as the index itself, the content is hashed, after all others were
//! looked at. What could not be found out of one file does not matter when another one is changed.

use std::fs::{self, File, FileType, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::attributes::{self, Conversion};
use crate::budget::{Budget, Unknown};
use crate::index::{Entry, Index, Time};
use crate::oid::{self, Hasher, Oid};
use crate::repository::Repository;

/// A submodule that is checked out: where, and the commit that the index wants there.
#[derive(Debug)]
pub(crate) struct Submodule {
    pub(crate) path: PathBuf,
    pub(crate) commit: Oid,
}

/// Whether a tracked file is changed or gone, and the submodules that are left to look into.
pub(crate) fn is_changed(
    repository: &Repository,
    index: &Index,
    budget: &mut Budget,
) -> Result<(bool, Vec<Submodule>), Unknown> {
    let mut look = Look { repository, written: index.written, folder: None, doubts: Vec::new(), rules: Vec::new() };
    let mut submodules = Vec::new();
    let mut unknown = None;
    let mut entries = index.entries();
    while let Some(entry) = entries.next()? {
        budget.check_time()?;
        let Ok(path) = std::str::from_utf8(entries.path()) else {
            unknown = Some(Unknown::new("a tracked file's name is not UTF-8, which a guest cannot ask for"));
            continue;
        };
        match look.at(path, &entry) {
            Ok(Verdict::Same) => {}
            Ok(Verdict::Changed) => return Ok((true, submodules)),
            Ok(Verdict::Submodule) => {
                submodules.push(Submodule { path: repository.worktree.join(path), commit: entry.oid });
            }
            Err(reason) => unknown = Some(reason),
        }
    }
    if look.resolve_doubts(budget)? {
        return Ok((true, submodules));
    }
    unknown.map_or(Ok((false, submodules)), Err)
}

enum Verdict {
    Same,
    Changed,
    Submodule,
}

/// A file that may or may not have changed.
struct Doubt {
    path: PathBuf,
    is_link: bool,
    oid: Oid,
}

struct Look<'a> {
    repository: &'a Repository,
    written: Time,
    /// The folder that was looked at last, and whether it is one.
    folder: Option<(String, bool)>,
    doubts: Vec<Doubt>,
    /// Folders with a tracked `.gitattributes`.
    rules: Vec<String>,
}

const KIND: u32 = 0o170_000;
const LINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;

impl Look<'_> {
    /// Compares what can be compared without the content.
    fn at(&mut self, path: &str, entry: &Entry) -> Result<Verdict, Unknown> {
        if let Some(folder) = path.strip_suffix(".gitattributes").filter(|f| f.is_empty() || f.ends_with('/')) {
            self.rules.push(folder.to_owned());
        }
        if entry.skip {
            return Ok(Verdict::Same);
        }
        if !self.is_in_real_folder(path)? {
            return Ok(Verdict::Changed);
        }
        let full = self.repository.worktree.join(path);
        let Some(metadata) = stat(&full)? else { return Ok(Verdict::Changed) };
        let is_link = entry.mode & KIND == LINK;
        if entry.mode & KIND == SUBMODULE {
            return Ok(if metadata.is_dir() { Verdict::Submodule } else { Verdict::Changed });
        }
        if !self.has_kind(metadata.file_type(), is_link) {
            return Ok(Verdict::Changed);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the format has the size modulo 2³²")]
        let same_size = entry.size == metadata.len() as u32;
        let same_time = entry.modified.is(Time::of(&metadata));
        if same_size && same_time && !entry.modified.is_racy(self.written) {
            return Ok(Verdict::Same);
        }
        // The size 0 of something that is not empty says that git itself does not trust what it noted.
        if !same_size && entry.size != 0 {
            return Ok(Verdict::Changed);
        }
        self.doubts.push(Doubt { path: full, is_link: metadata.is_symlink(), oid: entry.oid });
        Ok(Verdict::Same)
    }

    /// Whether every folder above a path is one: below a link that took a folder's place, nothing is tracked.
    fn is_in_real_folder(&mut self, path: &str) -> Result<bool, Unknown> {
        let Some((folder, _)) = path.rsplit_once('/') else { return Ok(true) };
        if let Some((known, is_real)) = &self.folder
            && known == folder
        {
            return Ok(*is_real);
        }
        let is_real = self.is_in_real_folder(folder)?
            && stat(&self.repository.worktree.join(folder))?.is_some_and(|metadata| metadata.is_dir());
        self.folder = Some((folder.to_owned(), is_real));
        Ok(is_real)
    }

    fn has_kind(&self, kind: FileType, is_link: bool) -> bool {
        match is_link {
            true => kind.is_symlink() || (kind.is_file() && !self.repository.settings.symlinks),
            false => kind.is_file(),
        }
    }

    /// Whether one of the files in doubt has another content.
    fn resolve_doubts(&self, budget: &mut Budget) -> Result<bool, Unknown> {
        if self.doubts.is_empty() {
            return Ok(false);
        }
        let conversion = attributes::conversion(self.repository, &self.rules);
        let mut unknown = None;
        for doubt in &self.doubts {
            match doubt.is_change(conversion, budget) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(reason) => unknown = Some(reason),
            }
        }
        unknown.map_or(Ok(false), Err)
    }
}

impl Doubt {
    fn is_change(&self, conversion: Conversion, budget: &mut Budget) -> Result<bool, Unknown> {
        let wrong = |error: std::io::Error| Unknown::io(self.path.display(), &error);
        if self.is_link {
            let target = fs::read_link(&self.path).map_err(wrong)?;
            let target = target.to_str().ok_or_else(|| Unknown::new("a link leads to a name that is not UTF-8"))?;
            return Ok(oid::hash("blob", target.as_bytes()) != self.oid);
        }
        if hash_file(&self.path, budget)? == self.oid {
            return Ok(false);
        }
        match conversion {
            Conversion::None => Ok(true),
            Conversion::LineEnds => {
                let mut content = Vec::new();
                let size = fs::metadata(&self.path).map_err(wrong)?.len();
                budget.hash(size)?;
                if size > MAX_CONVERTED {
                    return Err(Unknown::new(format_args!("{} is too large to convert", self.path.display())));
                }
                let file = File::open(&self.path).map_err(wrong)?;
                file.take(MAX_CONVERTED).read_to_end(&mut content).map_err(wrong)?;
                Ok(oid::hash("blob", &attributes::without_cr(&content)) != self.oid)
            }
            Conversion::Any => Err(Unknown::new(format_args!(
                "{} may pass a filter, and `git status` was not run since it was written",
                self.path.display()
            ))),
        }
    }
}

/// The largest file that is held in memory.
const MAX_CONVERTED: u64 = 8 << 20;

fn hash_file(path: &Path, budget: &mut Budget) -> Result<Oid, Unknown> {
    let wrong = |error: std::io::Error| Unknown::io(path.display(), &error);
    let mut file = File::open(path).map_err(wrong)?;
    let size = file.metadata().map_err(wrong)?.len();
    budget.hash(size)?;
    let mut hasher = Hasher::new("blob", size);
    let mut buffer = vec![0; 256 << 10];
    let mut left = size;
    loop {
        let read = file.read(&mut buffer).map_err(wrong)?;
        match (read as u64, left.checked_sub(read as u64)) {
            (0, _) if left == 0 => return Ok(hasher.finish()),
            (1.., Some(rest)) => left = rest,
            _ => return Err(Unknown::new(format_args!("{} is being written", path.display()))),
        }
        hasher.update(&buffer[..read]);
        budget.check_time()?;
    }
}

/// What is at a path, without following a link; nothing when it is gone.
fn stat(path: &Path) -> Result<Option<Metadata>, Unknown> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Unknown::io(path.display(), &error)),
    }
}
