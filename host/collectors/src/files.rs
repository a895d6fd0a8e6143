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

use crate::bindings::files::{Entry, EntryKind, FileError};
use crate::glob::{Pattern, components};
use crate::open::{errno, io_error, open_below, opened_path};
use crate::own::{self, Privacy};

/// The longest answer to `read` and `read-at`, in bytes.
pub(crate) const MAX_READ: u64 = 1 << 20;
/// The most entries of a folder.
const MAX_ENTRIES: u64 = 4096;
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

    /// A process with a secret in its environment, which ends with the test.
    struct Holder(std::process::Child);

    impl Holder {
        fn start() -> Self {
            let child = std::process::Command::new("sleep").arg("60").env("SOME_SECRET", "very-secret").spawn();
            Holder(child.unwrap())
        }

        fn path(&self, rest: &str) -> String {
            format!("/proc/{}/{rest}", self.0.id())
        }
    }

    impl Drop for Holder {
        fn drop(&mut self) {
            self.0.kill().and_then(|()| self.0.wait()).unwrap();
        }
    }

    fn grant(read: &str, ceiling: Option<&str>) -> Granted {
        let pattern = |glob: &str| vec![Pattern::new(glob).unwrap()];
        Granted::new(pattern(read), ceiling.map(pattern))
    }

    #[test]
    fn what_is_private_to_a_process_is_reached_by_its_whole_path_alone() {
        let process = Holder::start();
        let (environ, task) = (process.path("environ"), process.path(&format!("task/{}/environ", process.0.id())));
        for glob in ["/proc/**", "/proc/*/environ", "/proc/[0-9]*/**", "/**"] {
            for path in [&environ, &task, &process.path("maps"), &process.path("fdinfo/0")] {
                assert!(is_denied(grant(glob, None).read(path)), "{path} by {glob}");
            }
        }
        assert!(grant("/proc/*/environ", None).why_denied(&environ).contains("private to a process"));
        assert!(is_denied(grant(&environ, Some("/proc/**")).read(&environ)));
        assert!(grant(&environ, None).read(&environ).is_ok());
        assert!(grant(&environ, Some(&environ)).read(&environ).is_ok());

        let all = grant("/proc/**", None);
        assert!(all.read(&process.path("stat")).is_ok());
        assert!(is_denied(all.list(&process.path("fd"))));
        let listed = all.list(&format!("/proc/{}", process.0.id())).unwrap();
        assert!(listed.iter().any(|entry| entry.name == "stat"));
        assert!(!listed.iter().any(|entry| ["environ", "fd", "root"].contains(&entry.name.as_str())));
    }

    #[test]
    fn a_link_to_what_is_private_does_not_write_it_out() {
        let (tree, process) = (Tree::new(), Holder::start());
        symlink(format!("/proc/{}", process.0.id()), tree.path("logs/process")).unwrap();
        let path = tree.path("logs/process/environ");
        assert!(is_denied(grant(&path, None).read(&path)));
    }

    #[test]
    fn a_denial_says_who_may_change_it() {
        let tree = Tree::new();
        symlink("one.log", tree.path("logs/last")).unwrap();
        symlink(tree.path("secret"), tree.path("logs/out")).unwrap();
        let (one, two) = (tree.path("logs/one.log"), tree.path("logs/last"));
        for (granted, path, part) in [
            (grant("/etc/*", None), one.as_str(), "is not granted; add it to [grant] read"),
            (grant("/etc/*", None), "/etc/../x", "is not granted; add it to [grant] read"),
            (grant(&tree.path("**"), Some("/sys/*")), &one, "[plugins.ceiling] read, which only"),
            (grant(&tree.path("**"), Some("/sys/*")), &one, "allows `/sys/*`"),
            (grant(&two, None), &two, "last` is a link to `one.log`, the last part of a granted path is never"),
            (grant(&tree.path("logs/**"), None), &tree.path("logs/out/key"), "logs/out` is a link to"),
            (grant("/proc/**", None), "/proc/self/environ", "the agent's own affair"),
            (grant("/proc/**", None), "/proc/self/root/etc/passwd", "/root` is a link to"),
        ] {
            assert!(granted.read(path).is_err(), "{path}");
            let why = granted.why_denied(path);
            assert!(why.starts_with("is not granted") && why.contains(part), "{path}: {why}");
        }
    }
}
