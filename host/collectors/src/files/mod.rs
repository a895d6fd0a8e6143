//! The `files` import: reading what the sidecar's `[grant] read` names, and nothing else.
//!
//! A path is checked twice: as it was asked for, against the globs; and as it was opened, because a name can lead
//! through symbolic links. The components that the operator wrote out before the first wild one (and the last one)
//! are opened as the kernel resolves them, since `/proc/net` is itself a link; from there on `openat2` keeps the
//! walk beneath that folder, and the opened file's own place below it has to match the glob again. Magic links, such
//! as `/proc/PID/root`, are followed nowhere. `[plugins.ceiling]`, which binds the sidecar's author as well, is held
//! against the place that the kernel names for what was opened, and so is the privacy of processes: the agent's own is
//! shown to nobody, that of others only where the grant (and the ceiling) writes the whole path out. Only regular
//! files and folders are served, so that no pipe or device can hold a reader.
//!
//! A guest is told that it was denied; [`Granted::why_denied`] has for the operator why, and what to do.
//!
//! All functions here block; the caller runs them where that is allowed and bounds their time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, OFlags};
use sandbeat_status::names;

use crate::bindings::files::{Entry, EntryKind, FileError, Info};
use crate::glob::{Pattern, components};
use crate::open::{errno, io_error, open_below, opened_path};
use crate::own::{self, Privacy};

/// The longest answer to `read` and `read-at`, in bytes.
pub(crate) const MAX_READ: u64 = 1 << 20;
/// The most entries of a folder; `/proc` has one for each process, of which Linux has so many by default.
const MAX_ENTRIES: u64 = 32_768;
/// How much of a path, or of the ceiling, a reason shows, in bytes.
const MAX_SHOWN: usize = 200;

/// What one collector may read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Granted(Arc<Rules>);

#[derive(Debug, Default)]
struct Rules {
    read: Vec<Pattern>,
    ceiling: Option<Vec<Pattern>>,
}

/// What a grant has to cover.
#[derive(Clone, Copy, Debug)]
enum Aim {
    /// The place itself.
    File,
    /// Something below it.
    Folder,
}

/// Why what was opened is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Objection {
    /// Nobody can say where it lies.
    Nowhere,
    /// The ceiling does not name the place.
    Ceiling(String),
    /// It is private to a process, and the path is not written out.
    Private,
    /// It is the agent's own affair.
    Own,
}

enum Refused {
    Error(FileError),
    Objection(Objection),
}

impl Granted {
    pub(crate) fn new(read: Vec<Pattern>, ceiling: Option<Vec<Pattern>>) -> Self {
        Granted(Arc::new(Rules { read, ceiling }))
    }

    /// A whole file.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let mut file = self.open_file(path)?;
        let mut bytes = Vec::new();
        file.by_ref().take(MAX_READ + 1).read_to_end(&mut bytes).map_err(|e| io_error(&e))?;
        if bytes.len() as u64 > MAX_READ { Err(FileError::TooLarge(MAX_READ)) } else { Ok(bytes) }
    }

    /// A part of a file; empty at or past its end.
    pub(crate) fn read_at(&self, path: &str, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
        if u64::from(length) > MAX_READ {
            return Err(FileError::TooLarge(MAX_READ));
        }
        let mut file = self.open_file(path)?;
        file.seek(SeekFrom::Start(offset)).map_err(|e| io_error(&e))?;
        let mut bytes = Vec::new();
        file.take(length.into()).read_to_end(&mut bytes).map_err(|e| io_error(&e))?;
        Ok(bytes)
    }

    /// The entries of a folder that are granted or lead to something that may be, by name.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<Entry>, FileError> {
        let parts = components(folder).ok_or(FileError::Denied)?;
        let dir = self.open_folder(folder, &parts)?;
        let place = opened_path(&dir).and_then(|place| place.into_os_string().into_string().ok());
        let place = place.filter(|place| own::is_of_processes(&dir, place));
        let mut entries = Vec::new();
        for entry in Dir::read_from(&dir).map_err(errno)? {
            let entry = entry.map_err(errno)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let kind = match entry.file_type() {
                FileType::Unknown => entry_type(&dir, entry.file_name()),
                known => known,
            };
            if name == "." || name == ".." || !self.shows(&parts, place.as_deref(), name, kind) {
                continue;
            }
            if entries.len() as u64 == MAX_ENTRIES {
                return Err(FileError::TooLarge(MAX_ENTRIES));
            }
            entries.push(Entry { name: name.to_owned(), kind: entry_kind(kind) });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// What is known of a file, or of a folder in which something may be granted.
    pub(crate) fn stat(&self, path: &str) -> Result<Info, FileError> {
        let parts = components(path).ok_or(FileError::Denied)?;
        let found = match self.open_file(path) {
            Ok(file) => OwnedFd::from(file),
            // Not as a file; a folder is granted differently. Of what is no folder, either, nothing is told.
            Err(FileError::Denied) => self.open_folder(path, &parts).map_err(|e| match e {
                FileError::WrongType => FileError::Denied,
                other => other,
            })?,
            Err(FileError::WrongType) => self.open_folder(path, &parts)?,
            Err(e) => return Err(e),
        };
        let stat = rustix::fs::fstat(&found).map_err(errno)?;
        let modified = u64::try_from(stat.st_mtime)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000_000_000)?.checked_add(stat.st_mtime_nsec));
        let kind = entry_kind(FileType::from_raw_mode(stat.st_mode));
        Ok(Info { kind, size: u64::try_from(stat.st_size).unwrap_or_default(), modified })
    }

    /// Why a path was denied, as a clause about it, and who may change that. It looks at the files again.
    pub(crate) fn why_denied(&self, path: &str) -> String {
        let why = components(path).and_then(|parts| self.objection_to(path, &parts));
        format!("is not granted{}", why.unwrap_or_else(|| "; add it to [grant] read if it should be".to_owned()))
    }

    fn objection_to(&self, path: &str, parts: &[&str]) -> Option<String> {
        let aims = |aim| self.0.read.iter().filter(move |pattern| covers(aim, pattern, path)).map(move |it| (aim, it));
        aims(Aim::File).chain(aims(Aim::Folder)).find_map(|(aim, pattern)| match self.reach(aim, pattern, parts) {
            Err(Refused::Objection(objection)) => Some(self.words(&objection)),
            Err(Refused::Error(FileError::Denied)) => link_words(parts, pattern),
            Err(Refused::Error(_)) | Ok(_) => None,
        })
    }

    fn words(&self, objection: &Objection) -> String {
        match objection {
            Objection::Nowhere => ": nobody can say where it really lies".to_owned(),
            Objection::Own => ": it is the agent's own affair, which nobody is granted".to_owned(),
            Objection::Private => ": it is private to a process, which no glob reaches; write the whole path out in \
                                   [grant] read, and in [plugins.ceiling] read where there is one, if it should be"
                .to_owned(),
            Objection::Ceiling(place) => format!(
                ": it is really `{}`, and [plugins.ceiling] read, which only who configures the agent may change, \
                 allows {}",
                names::shown(place, MAX_SHOWN),
                texts(self.0.ceiling.as_deref().unwrap_or_default()),
            ),
        }
    }

    /// Whether an entry is listed; `place` is where its folder lies among processes.
    fn shows(&self, folder: &[&str], place: Option<&str>, name: &str, kind: FileType) -> bool {
        let mut path = folder.to_vec();
        path.push(name);
        let whole = format!("/{}", path.join("/"));
        let leads = matches!(kind, FileType::Directory | FileType::Symlink);
        let privacy = place.map_or(Privacy::Open, |place| own::privacy(&format!("{place}/{name}")));
        let shown = |pattern: &Pattern| {
            (privacy == Privacy::Open || pattern.literal().is_some())
                && (pattern.matches(&whole) || leads && pattern.may_lead_below(&path))
        };
        privacy != Privacy::Never
            && self.0.read.iter().any(shown)
            && self.0.ceiling.as_ref().is_none_or(|ceiling| ceiling.iter().any(shown))
    }

    fn open_file(&self, path: &str) -> Result<File, FileError> {
        let parts = components(path).ok_or(FileError::Denied)?;
        let mut answer = FileError::Denied;
        for pattern in self.0.read.iter().filter(|pattern| covers(Aim::File, pattern, path)) {
            match self.reach(Aim::File, pattern, &parts) {
                Ok(fd) if file_type(&fd)? == FileType::RegularFile => return Ok(File::from(fd)),
                Ok(_) => answer = FileError::WrongType,
                Err(refused) => answer = refused.into(),
            }
        }
        Err(answer)
    }

    fn open_folder(&self, path: &str, parts: &[&str]) -> Result<OwnedFd, FileError> {
        let mut answer = FileError::Denied;
        for pattern in self.0.read.iter().filter(|pattern| covers(Aim::Folder, pattern, path)) {
            match self.reach(Aim::Folder, pattern, parts) {
                Ok(fd) => return Ok(fd),
                Err(refused) => answer = refused.into(),
            }
        }
        Err(answer)
    }

    /// Opens a path by one grant, unless something stands against what it leads to.
    fn reach(&self, aim: Aim, granted: &Pattern, parts: &[&str]) -> Result<OwnedFd, Refused> {
        let flags = match aim {
            Aim::File => OFlags::RDONLY,
            Aim::Folder => OFlags::RDONLY | OFlags::DIRECTORY,
        };
        let matches = |opened: &str| covers(aim, granted, opened);
        let fd = open_below(parts, granted.trusted(), flags, &matches).map_err(Refused::Error)?;
        let place = opened_path(&fd).and_then(|place| place.into_os_string().into_string().ok());
        let place = place.ok_or(Refused::Objection(Objection::Nowhere))?;
        let privacy = if own::is_of_processes(&fd, &place) { own::privacy(&place) } else { Privacy::Open };
        match self.objection(aim, granted, &place, privacy) {
            None => Ok(fd),
            Some(objection) => Err(Refused::Objection(objection)),
        }
    }

    /// What stands against showing a place, wherever the way there led.
    fn objection(&self, aim: Aim, granted: &Pattern, place: &str, privacy: Privacy) -> Option<Objection> {
        let names = own::names(place);
        let names_it = |pattern: &Pattern| names.iter().any(|name| covers(aim, pattern, name));
        let writes_it_out = |pattern: &Pattern| pattern.literal().is_some() && names_it(pattern);
        let ceiling = self.0.ceiling.as_deref();
        if privacy == Privacy::Never {
            Some(Objection::Own)
        } else if ceiling.is_some_and(|ceiling| !ceiling.iter().any(names_it)) {
            Some(Objection::Ceiling(place.to_owned()))
        } else if privacy == Privacy::WrittenOut
            && !(writes_it_out(granted) && ceiling.is_none_or(|ceiling| ceiling.iter().any(writes_it_out)))
        {
            Some(Objection::Private)
        } else {
            None
        }
    }
}

impl From<Refused> for FileError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Error(e) => e,
            Refused::Objection(_) => FileError::Denied,
        }
    }
}

fn covers(aim: Aim, pattern: &Pattern, path: &str) -> bool {
    match aim {
        Aim::File => pattern.matches(path),
        Aim::Folder => components(path).is_some_and(|parts| pattern.may_lead_below(&parts)),
    }
}

/// Why a link stands in the way of a granted path: the first one that is not followed, or else the last one that is.
fn link_words(parts: &[&str], pattern: &Pattern) -> Option<String> {
    let mut link = None;
    for count in 1..=parts.len() {
        let at = format!("/{}", parts[..count].join("/"));
        if !std::fs::symlink_metadata(&at).ok()?.is_symlink() {
            continue;
        }
        let to = std::fs::read_link(&at).map_or_else(|_| "…".into(), |to| to.to_string_lossy().into_owned());
        let (at, to) = (names::shown(&at, MAX_SHOWN), names::shown(&to, MAX_SHOWN));
        let last = count == parts.len() && pattern.literal().is_some();
        let why =
            if last { "the last part of a granted path is never followed" } else { "which the grant does not name" };
        link = Some(format!(": `{at}` is a link to `{to}`, {why}; add where it leads to [grant] read if it should be"));
        let followed = open_below(&parts[..count], pattern.trusted(), OFlags::RDONLY, &|_| true);
        if matches!(followed, Err(FileError::Denied)) {
            break;
        }
    }
    link
}

/// Patterns in words.
fn texts(patterns: &[Pattern]) -> String {
    let texts: Vec<_> = patterns.iter().map(|pattern| format!("`{}`", pattern.text())).collect();
    if texts.is_empty() { "nothing".to_owned() } else { names::shown(&texts.join(", "), MAX_SHOWN) }
}

fn file_type(fd: &OwnedFd) -> Result<FileType, FileError> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd).map_err(errno)?.st_mode))
}

fn entry_type(dir: &OwnedFd, name: &std::ffi::CStr) -> FileType {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

fn entry_kind(kind: FileType) -> EntryKind {
    match kind {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        _ => EntryKind::Other,
    }
}

#[cfg(test)]
mod tests;
