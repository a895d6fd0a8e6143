//! Where the agents' programs are. Blocking: it looks at files, and leaves nothing open.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use sandbeat_supervisor::Details;

use super::credentials::{Credentials, Needs};
use super::known::{KNOWN, Known};

/// What was found of an agent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) id: String,
    /// Its program; `None` where it is not installed.
    pub(super) place: Option<Place>,
    /// Whether that is the agent's own program, which can be asked for its version.
    pub(super) speaks: bool,
    pub(super) credentials: bool,
}

/// A program, and what would differ if it were another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// As it was found; links are not resolved, because programs look at the name that they are called by.
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
}

/// Another file, or another content, has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// Looks for every agent: those that are known, then those of `[agents.NAME]` under other names.
pub(super) fn all(configured: &[Details]) -> Vec<Found> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::home_dir();
    let credentials = Credentials::look(|name| std::env::var_os(name), home.as_deref());
    list(configured, &search, credentials)
}

fn list(configured: &[Details], search: &OsStr, credentials: Credentials) -> Vec<Found> {
    let command = |id: &str| configured.iter().find(|process| process.id == id);
    let known = KNOWN.iter().map(|known| {
        let place = find_known(known, command(known.id), search);
        let speaks = known.program.is_some();
        Found { id: known.id.to_owned(), place, speaks, credentials: credentials.meet(known.needs) }
    });
    let others = configured.iter().filter(|process| KNOWN.iter().all(|known| known.id != process.id)).map(|process| {
        let place = of_command(process, search);
        Found { id: process.id.clone(), place, speaks: false, credentials: credentials.meet(Needs::Nothing) }
    });
    known.chain(others).collect()
}

/// What `[agents.ID]` runs, where that is the agent's own program, else what `PATH` has.
fn find_known(known: &Known, configured: Option<&Details>, search: &OsStr) -> Option<Place> {
    let Some(program) = known.program else { return configured.and_then(|process| of_command(process, search)) };
    let own = |process: &&Details| {
        let command = process.command.first().map(Path::new);
        command.and_then(Path::file_name) == Some(OsStr::new(program))
    };
    configured.filter(own).and_then(|process| of_command(process, search)).or_else(|| in_path(program, search))
}

/// The program of a process's command.
fn of_command(process: &Details, search: &OsStr) -> Option<Place> {
    let program = process.command.first()?;
    match program.contains('/') {
        true => place(process.cwd.clone().unwrap_or_default().join(program)),
        false => in_path(program, search),
    }
}

/// The first directory's that has it. A directory without a full path is passed over: what it has depends on where the
/// agent was started.
fn in_path(program: &str, search: &OsStr) -> Option<Place> {
    std::env::split_paths(search).filter(|dir| dir.is_absolute()).find_map(|dir| place(dir.join(program)))
}

/// A file that this process may execute.
fn place(path: PathBuf) -> Option<Place> {
    let metadata = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
    access(&path, Access::EXEC_OK).ok()?;
    let identity = Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    };
    Some(Place { path, identity })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn program(path: &Path, mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_executable_file_of_path_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        program(&first.join("codex"), 0o644);
        fs::create_dir_all(first.join("amp")).unwrap();
        symlink(first.join("gone"), first.join("pi")).unwrap();
        for name in ["codex", "amp", "pi", "claude-1.0"] {
            program(&second.join(name), 0o755);
        }
        symlink(second.join("claude-1.0"), second.join("claude")).unwrap();
        let search = std::env::join_paths([Path::new("relative"), &first, &second]).unwrap();
        let path = |name| in_path(name, &search).map(|place| place.path);
        for name in ["codex", "amp", "pi", "claude"] {
            assert_eq!(path(name), Some(second.join(name)), "{name}");
        }
        assert_eq!(path("opencode"), None);
        let only_first = std::env::join_paths([&first]).unwrap();
        for name in ["codex", "amp", "pi"] {
            assert_eq!(in_path(name, &only_first), None, "{name}");
        }
    }

    #[test]
    fn another_content_is_another_place() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("codex-1"), dir.path().join("codex"));
        program(&path, 0o755);
        symlink(&path, &link).unwrap();
        let before = place(link.clone()).unwrap();
        assert_eq!(place(link.clone()).unwrap(), before);
        let newer = dir.path().join("codex-2");
        program(&newer, 0o755);
        fs::rename(&newer, &path).unwrap();
        assert_ne!(place(link).unwrap(), before);
    }
}
