//! The `files` import: reading what the sidecar's `[grant] read` names, and nothing else.
//!
//! A path is checked twice: as it was asked for, against the globs; and as it was opened, because a name can lead
//! through symbolic links. The components that the operator wrote out before the first wild one (and the last one)
//! are opened as the kernel resolves them, since `/proc/net` is itself a link; from there on `openat2` keeps the
//! walk beneath that folder, and the opened file's own place below it has to match the glob again. Magic links, such
//! as `/proc/PID/root`, are followed nowhere. `[plugins.ceiling]`, which binds the sidecar's author as well, is held
//! against the place that the kernel names for what was opened, and so is the agent's own privacy. Only regular files
//! and folders are served, so that no pipe or device can hold a reader.
//!
//! All functions here block; the caller runs them where that is allowed and bounds their time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, OFlags};

use crate::bindings::files::{Entry, EntryKind, FileError};
use crate::glob::{Pattern, components};
use crate::open::{errno, io_error, open_below, opened_path};
use crate::own;

/// The longest answer to `read` and `read-at`, in bytes.
pub(crate) const MAX_READ: u64 = 1 << 20;
/// The most entries of a folder.
const MAX_ENTRIES: u64 = 4096;

/// What one collector may read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Granted(Arc<Rules>);

#[derive(Debug, Default)]
struct Rules {
    read: Vec<Pattern>,
    ceiling: Option<Vec<Pattern>>,
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
        let dir = self.open_folder(&parts)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&dir).map_err(errno)? {
            let entry = entry.map_err(errno)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let kind = match entry.file_type() {
                FileType::Unknown => entry_type(&dir, entry.file_name()),
                known => known,
            };
            if name == "." || name == ".." || !self.shows(&parts, name, kind) {
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

    fn shows(&self, folder: &[&str], name: &str, kind: FileType) -> bool {
        let mut path = folder.to_vec();
        path.push(name);
        let whole = format!("/{}", path.join("/"));
        let leads = matches!(kind, FileType::Directory | FileType::Symlink);
        let shown = |pattern: &Pattern| pattern.matches(&whole) || leads && pattern.may_lead_below(&path);
        self.0.read.iter().any(shown) && self.0.ceiling.as_ref().is_none_or(|ceiling| ceiling.iter().any(shown))
    }

    fn open_file(&self, path: &str) -> Result<File, FileError> {
        let parts = components(path).ok_or(FileError::Denied)?;
        let mut answer = FileError::Denied;
        for pattern in self.0.read.iter().filter(|pattern| pattern.matches(path)) {
            let matches = |opened: &str| pattern.matches(opened);
            match open_below(&parts, pattern.trusted(), OFlags::RDONLY, &matches) {
                Ok(fd) if !self.may_open(&fd, Pattern::matches) => answer = FileError::Denied,
                Ok(fd) if file_type(&fd)? == FileType::RegularFile => return Ok(File::from(fd)),
                Ok(_) => answer = FileError::WrongType,
                Err(e) => answer = e,
            }
        }
        Err(answer)
    }

    fn open_folder(&self, parts: &[&str]) -> Result<OwnedFd, FileError> {
        let mut answer = FileError::Denied;
        for pattern in &self.0.read {
            if !pattern.may_lead_below(parts) {
                continue;
            }
            let matches = |opened: &str| leads(pattern, opened);
            match open_below(parts, pattern.trusted(), OFlags::RDONLY | OFlags::DIRECTORY, &matches) {
                Ok(fd) if !self.may_open(&fd, leads) => answer = FileError::Denied,
                Ok(fd) => return Ok(fd),
                Err(e) => answer = e,
            }
        }
        Err(answer)
    }

    /// Whether what was opened, wherever the way led, may be shown at all.
    fn may_open(&self, fd: &OwnedFd, below: impl Fn(&Pattern, &str) -> bool) -> bool {
        let Some(place) = opened_path(fd) else { return false };
        let Some(place) = place.to_str() else { return false };
        let names = own::names(place);
        let allowed =
            |ceiling: &Vec<Pattern>| ceiling.iter().any(|pattern| names.iter().any(|name| below(pattern, name)));
        !own::is_private(place) && self.0.ceiling.as_ref().is_none_or(allowed)
    }
}

fn leads(pattern: &Pattern, folder: &str) -> bool {
    components(folder).is_some_and(|parts| pattern.may_lead_below(&parts))
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
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode};

    use super::*;

    struct Tree {
        dir: tempfile::TempDir,
    }

    impl Tree {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path();
            std::fs::create_dir_all(root.join("logs/a")).unwrap();
            std::fs::create_dir(root.join("secret")).unwrap();
            std::fs::write(root.join("logs/one.log"), "one").unwrap();
            std::fs::write(root.join("logs/a/two.log"), "two").unwrap();
            std::fs::write(root.join("logs/key.pem"), "key").unwrap();
            std::fs::write(root.join("secret/key"), "key").unwrap();
            Tree { dir }
        }

        fn path(&self, below: &str) -> String {
            self.dir.path().canonicalize().unwrap().join(below).to_str().unwrap().to_owned()
        }

        fn granted(&self, globs: &[&str]) -> Granted {
            Granted::new(globs.iter().map(|glob| Pattern::new(&self.path(glob)).unwrap()).collect(), None)
        }
    }

    fn is_denied<T>(answer: Result<T, FileError>) -> bool {
        matches!(answer, Err(FileError::Denied))
    }

    #[test]
    fn only_what_a_glob_names_can_be_read() {
        let tree = Tree::new();
        let granted = tree.granted(&["logs/**/*.log"]);
        assert_eq!(granted.read(&tree.path("logs/one.log")).unwrap(), b"one");
        assert_eq!(granted.read(&tree.path("logs/a/two.log")).unwrap(), b"two");
        assert!(is_denied(granted.read(&tree.path("logs/key.pem"))));
        assert!(is_denied(granted.read(&tree.path("secret/key"))));
        assert!(is_denied(granted.read(&tree.path("logs/../secret/key"))));
        assert!(is_denied(granted.read("/etc/shadow")));
        assert!(matches!(granted.read(&tree.path("logs/three.log")), Err(FileError::NotFound)));
        assert!(is_denied(Granted::default().read("/proc/loadavg")));
    }

    #[test]
    fn links_cannot_lead_out_or_to_what_is_not_granted() {
        let tree = Tree::new();
        symlink(tree.path("secret/key"), tree.path("logs/absolute.log")).unwrap();
        symlink("../secret/key", tree.path("logs/relative.log")).unwrap();
        symlink("key.pem", tree.path("logs/inside.log")).unwrap();
        symlink("one.log", tree.path("logs/good.log")).unwrap();
        symlink("../secret", tree.path("logs/folder")).unwrap();
        let granted = tree.granted(&["logs/**/*.log", "logs/folder/*"]);
        for name in ["absolute.log", "relative.log", "inside.log"] {
            assert!(is_denied(granted.read(&tree.path(&format!("logs/{name}")))), "{name}");
        }
        assert_eq!(granted.read(&tree.path("logs/good.log")).unwrap(), b"one");
    }

    #[test]
    fn a_process_cannot_be_reached_through_proc() {
        let grant = |glob: &str| Granted::new(vec![Pattern::new(glob).unwrap()], None);
        assert!(grant("/proc/net/dev").read("/proc/net/dev").is_ok());
        assert!(grant("/proc/*/stat").read("/proc/1/stat").is_ok());
        assert!(is_denied(grant("/proc/*/stat").read("/proc/1/environ")));
        let through_root = format!("/proc/{}/root/etc/passwd", std::process::id());
        assert!(is_denied(grant("/proc/*/root/etc/*").read(&through_root)));
    }

    #[test]
    fn pipes_folders_and_floods_are_named() {
        let tree = Tree::new();
        let pipe = tree.path("logs/pipe.log");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        std::fs::write(tree.path("logs/big.log"), vec![0; 1 + (1 << 20)]).unwrap();
        let granted = tree.granted(&["logs/*"]);
        assert!(matches!(granted.read(&pipe), Err(FileError::WrongType)));
        assert!(matches!(granted.read(&tree.path("logs/a")), Err(FileError::WrongType)));
        assert!(matches!(granted.read(&tree.path("logs/big.log")), Err(FileError::TooLarge(_))));
        let part = granted.read_at(&tree.path("logs/one.log"), 1, 10).unwrap();
        assert_eq!(part, b"ne");
        assert!(granted.read_at(&tree.path("logs/one.log"), 10, 10).unwrap().is_empty());
    }

    #[test]
    fn a_list_shows_only_what_may_be_read_or_leads_there() {
        let tree = Tree::new();
        let granted = tree.granted(&["logs/**/*.log"]);
        let names = |folder: &str| -> Vec<String> {
            granted.list(folder).unwrap().into_iter().map(|entry| entry.name).collect()
        };
        assert_eq!(names(&tree.path("logs")), ["a", "one.log"].map(str::to_owned));
        let flat = tree.granted(&["logs/*.log"]);
        let entries = flat.list(&tree.path("logs")).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["one.log"]);
        assert!(is_denied(granted.list(&tree.path("secret"))));
    }

    #[test]
    fn the_ceiling_holds_for_what_is_opened() {
        let tree = Tree::new();
        let pattern = |glob: &str| Pattern::new(&tree.path(glob)).unwrap();
        let granted = Granted::new(vec![pattern("logs/**")], Some(vec![pattern("logs/a/**")]));
        assert!(granted.read(&tree.path("logs/a/two.log")).is_ok());
        assert!(is_denied(granted.read(&tree.path("logs/one.log"))));
        let listed = granted.list(&tree.path("logs")).unwrap();
        assert_eq!(listed.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a"]);

        // A sidecar whose own literal path leads through a link to what is above the ceiling.
        symlink(tree.path("secret"), tree.path("logs/a/out")).unwrap();
        let granted = Granted::new(vec![pattern("logs/a/out/key")], Some(vec![pattern("logs/a/**")]));
        assert!(is_denied(granted.read(&tree.path("logs/a/out/key"))));
        let through_root = "/proc/self/root/etc/passwd";
        let grant = |ceiling| Granted::new(vec![Pattern::new(through_root).unwrap()], ceiling);
        assert!(is_denied(grant(None).read(through_root)));
        assert!(is_denied(grant(Some(vec![Pattern::new("/proc/**").unwrap()])).read(through_root)));
    }

    #[test]
    fn a_ceiling_over_proc_knows_the_links_of_proc() {
        for ceiling in ["/proc/**", "/proc/net/*", "/proc/self/net/dev"] {
            let ceiling = Some(vec![Pattern::new(ceiling).unwrap()]);
            assert!(Granted::new(vec![Pattern::new("/proc/net/dev").unwrap()], ceiling).read("/proc/net/dev").is_ok());
        }
    }

    #[test]
    fn the_agent_s_own_environment_is_never_shown() {
        let granted = Granted::new(vec![Pattern::new("/proc/**").unwrap()], None);
        let own = format!("/proc/{}/environ", std::process::id());
        for path in ["/proc/self/environ", "/proc/thread-self/environ", &own] {
            assert!(is_denied(granted.read(path)), "{path}");
        }
        assert!(granted.read("/proc/self/status").is_ok());
    }
}
