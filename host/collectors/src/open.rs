//! Opening what a path leads to, within bounds that symbolic links cannot pass, and telling where that really is.
//!
//! Nothing here knows what is granted; [`crate::files`] does.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::bindings::files::FileError;
use crate::glob::Globs;
use crate::own;

/// How often an open is tried that the kernel asks to try again.
const MAX_TRIES: u32 = 8;

/// Opens a granted folder and holds it against a ceiling by where it really lies. `use_it` gets a path to what was
/// opened, which no later renaming changes.
///
/// # Errors
/// What is wrong, as a sentence's end, and who may do what about it.
pub(crate) fn with_folder<T>(
    path: &Path,
    ceiling: Option<&Globs>,
    use_it: impl FnOnce(&Path) -> Result<T, String>,
) -> Result<T, String> {
    let fd = folder(path).map_err(folder_words)?;
    let place = opened_path(&fd).ok_or("nobody can say where it really lies")?;
    if ceiling.is_some_and(|ceiling| !ceiling.matches(&place.to_string_lossy())) {
        return Err(format!("it is really `{}`, which is more than [plugins.ceiling] dirs allows", place.display()));
    }
    if own::shows_processes(&fd, &place) {
        return Err(own::SHOWS_PROCESSES.to_owned());
    }
    use_it(&by_descriptor(&fd))
}

/// A folder, whatever is in it.
pub(crate) fn folder(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
}

/// Opens a path of which the first `trusted` components are resolved as the kernel does and the rest stays beneath
/// them; `matches` is asked about the place that was reached, written with the trusted components in front.
pub(crate) fn open_below(
    parts: &[&str],
    trusted: usize,
    flags: OFlags,
    matches: &dyn Fn(&str) -> bool,
) -> Result<OwnedFd, FileError> {
    let (trusted, rest) = parts.split_at(trusted.min(parts.len()));
    let base_path = format!("/{}", trusted.join("/"));
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if rest.is_empty() {
        let fd = open_resolved(CWD, &base_path, flags, ResolveFlags::empty())?;
        return if matches(&base_path) { Ok(fd) } else { Err(FileError::Denied) };
    }
    let base_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let base = open_resolved(CWD, &base_path, base_flags, ResolveFlags::empty())?;
    let fd = open_resolved(base.as_fd(), &rest.join("/"), flags, ResolveFlags::BENEATH)?;
    let reached = place_below(&base, &fd).ok_or(FileError::Denied)?;
    let reached = format!("{}/{reached}", base_path.trim_end_matches('/'));
    if matches(&reached) { Ok(fd) } else { Err(FileError::Denied) }
}

/// Opens without following a magic link, and within the given bounds.
fn open_resolved(base: BorrowedFd<'_>, path: &str, flags: OFlags, bounds: ResolveFlags) -> Result<OwnedFd, FileError> {
    let resolve = bounds | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..MAX_TRIES {
        return match rustix::fs::openat2(base, path, flags, Mode::empty(), resolve) {
            // Something was renamed on the way, and the kernel asks to try again; or somebody holds a lease.
            Err(Errno::AGAIN | Errno::INTR) => continue,
            // Before Linux 5.6, and under filters that do not know the call.
            Err(Errno::NOSYS | Errno::PERM) => open_without_links(base, path, flags),
            Err(Errno::XDEV | Errno::LOOP) => Err(FileError::Denied),
            opened => opened.map_err(errno),
        };
    }
    Err(FileError::Io("it is being changed or locked by another process".into()))
}

fn open_without_links(base: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, FileError> {
    let path = path.trim_start_matches('/');
    let denied = |e| if e == Errno::LOOP || e == Errno::NOTDIR { FileError::Denied } else { errno(e) };
    let (folders, name) = path.rsplit_once('/').map_or((None, path), |(folders, name)| (Some(folders), name));
    let start = if base.as_raw_fd() == CWD.as_raw_fd() { "/" } else { "." };
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = rustix::fs::openat(base, start, step, Mode::empty()).map_err(denied)?;
    for part in folders.into_iter().flat_map(|folders| folders.split('/')) {
        folder = rustix::fs::openat(&folder, part, step, Mode::empty()).map_err(denied)?;
    }
    let name = if name.is_empty() { "." } else { name };
    rustix::fs::openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(denied)
}

/// Why a granted folder cannot be opened, with the cure.
pub(crate) fn folder_words(e: Errno) -> String {
    let cure = match e {
        Errno::NOENT => "create it or change [grant] dirs",
        Errno::ACCESS | Errno::PERM => "let the agent's user read it or change [grant] dirs",
        _ => "change [grant] dirs",
    };
    format!("{}; {cure}", io::Error::from(e))
}

/// Where an opened file lies below an opened folder, by the kernel's own account; `None` when it does not.
fn place_below(base: &OwnedFd, fd: &OwnedFd) -> Option<String> {
    let base = opened_path(base)?;
    let path = opened_path(fd)?;
    path.strip_prefix(base).ok()?.to_str().map(str::to_owned)
}

pub(crate) fn opened_path(fd: &OwnedFd) -> Option<PathBuf> {
    std::fs::read_link(by_descriptor(fd)).ok()
}

/// The path under which the agent itself finds what it has opened, whatever becomes of the name.
fn by_descriptor(fd: &OwnedFd) -> PathBuf {
    Path::new("/proc/self/fd").join(fd.as_raw_fd().to_string())
}

/// The error as a guest is told.
pub(crate) fn errno(e: Errno) -> FileError {
    io_error(&io::Error::from(e))
}

/// The same for the standard library's.
pub(crate) fn io_error(e: &io::Error) -> FileError {
    match e.kind() {
        ErrorKind::NotFound => FileError::NotFound,
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => FileError::WrongType,
        // A pipe without a reader, a socket: nothing that can be read.
        _ if e.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => FileError::WrongType,
        _ => FileError::Io(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("in")).unwrap();
        std::fs::create_dir_all(dir.path().join("out")).unwrap();
        std::fs::write(dir.path().join("in/file"), "in").unwrap();
        std::fs::write(dir.path().join("out/file"), "out").unwrap();
        symlink("../out", dir.path().join("in/link")).unwrap();
        dir
    }

    #[test]
    fn where_openat2_is_missing_no_link_is_followed() {
        let tree = tree();
        let base = std::fs::File::open(tree.path()).unwrap();
        let open = |path: &str| open_without_links(base.as_fd(), path, OFlags::RDONLY);
        assert!(open("in/file").is_ok());
        assert!(matches!(open("in/link/file"), Err(FileError::Denied)));
        assert!(open_without_links(CWD, "/proc/stat", OFlags::RDONLY).is_ok());
        assert!(matches!(open_without_links(CWD, "/proc/self/stat", OFlags::RDONLY), Err(FileError::Denied)));
    }

    #[test]
    fn a_granted_folder_is_what_it_really_is() {
        let tree = tree();
        let root = tree.path().canonicalize().unwrap();
        let (ceiling, _) = Globs::new(&[root.join("in").display().to_string()]);
        let list = |below: &str| {
            with_folder(&root.join(below), Some(&ceiling), |opened| {
                std::fs::read_dir(opened).map(Iterator::count).map_err(|e| e.to_string())
            })
        };
        assert_eq!(list("in"), Ok(2));
        assert!(list("in/link").unwrap_err().contains("plugins.ceiling"));
        let nowhere = list("nowhere").unwrap_err();
        assert!(
            nowhere.contains("No such file") && nowhere.ends_with("; create it or change [grant] dirs"),
            "{nowhere}"
        );
        assert!(list("in/file").unwrap_err().ends_with("; change [grant] dirs"));
        let shown = with_folder(Path::new("/proc/self/net"), None, |_| Ok(())).unwrap_err();
        assert_eq!(shown, own::SHOWS_PROCESSES);
    }
}
