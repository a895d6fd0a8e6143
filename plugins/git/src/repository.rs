//! Where a repository keeps what, and the few of its settings that matter here.
//!
//! The settings of the user and the system are not looked at: they lie outside of what is granted.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sandbeat_sdk::Error;

/// The largest small text file, such as a `HEAD` or a `config`.
const MAX_TEXT: u64 = 1 << 20;

/// A working tree and its repository.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    /// The folder in which `.git` lies.
    pub(crate) worktree: PathBuf,
    /// What belongs to this working tree alone: `HEAD` and the index.
    pub(crate) git_dir: PathBuf,
    /// What all working trees share: refs and objects. The same folder unless this is a linked worktree.
    pub(crate) common_dir: PathBuf,
    /// The settings.
    pub(crate) settings: Settings,
}

/// The settings that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `extensions.objectFormat` is absent or `sha1`.
    pub(crate) sha1: bool,
    /// `extensions.refStorage` is absent or `files`.
    pub(crate) ref_files: bool,
    /// `core.autocrlf` is `true` or `input`.
    pub(crate) autocrlf: bool,
    /// `core.symlinks`: without, links are checked out as files.
    pub(crate) symlinks: bool,
}

impl Repository {
    /// Finds the parts of the repository whose working tree starts at a folder.
    ///
    /// # Errors
    /// There is none, or not all of it is granted.
    pub(crate) fn open(worktree: &Path) -> Result<Self, Error> {
        let dot_git = worktree.join(".git");
        let kind = fs::metadata(&dot_git).map_err(|error| no_repository(worktree, &error))?.file_type();
        let git_dir = if kind.is_dir() { dot_git } else { linked(worktree, &dot_git)? };
        let common_dir = match read_text(&git_dir.join("commondir"))? {
            Some(path) => git_dir.join(path.trim()),
            None => git_dir.clone(),
        };
        let text = read_text(&common_dir.join("config"))?.unwrap_or_default();
        let own = read_text(&git_dir.join("config.worktree"))?.unwrap_or_default();
        let settings = Settings::parse(&format!("{text}\n{own}"));
        Ok(Self { worktree: worktree.to_owned(), git_dir, common_dir, settings })
    }
}

impl Settings {
    /// Reads a git configuration file as far as it matters; what is unknown or malformed is passed over.
    fn parse(text: &str) -> Self {
        let mut settings = Self { sha1: true, ref_files: true, autocrlf: false, symlinks: true };
        let mut section = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix('[') {
                section = rest.split(']').next().unwrap_or_default().trim().to_ascii_lowercase();
                continue;
            }
            // A key alone means `true`.
            let (key, value) = line.split_once('=').unwrap_or((line, "true"));
            let value = value.split(['#', ';']).next().unwrap_or_default();
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            match (section.as_str(), key.trim().to_ascii_lowercase().as_str()) {
                ("extensions", "objectformat") => settings.sha1 = value == "sha1",
                ("extensions", "refstorage") => settings.ref_files = value == "files",
                ("core", "autocrlf") => settings.autocrlf = value == "input" || is_true(&value),
                ("core", "symlinks") => settings.symlinks = is_true(&value),
                _ => {}
            }
        }
        settings
    }
}

/// A small text file; nothing when it is not there.
///
/// # Errors
/// It is there and cannot be read, or is larger than any such file is.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, Error> {
    let wrong = |error: &dyn std::fmt::Display| Error::unavailable(format_args!("{}: {error}", path.display()));
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(wrong(&error)),
    };
    let mut bytes = Vec::new();
    match file.take(MAX_TEXT + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 <= MAX_TEXT => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Ok(_) => Err(wrong(&"larger than such a file is")),
        // What is a folder, opened for reading.
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(None),
        Err(error) => Err(wrong(&error)),
    }
}

/// The folder that a `.git` file names, in a linked worktree or a submodule.
fn linked(worktree: &Path, dot_git: &Path) -> Result<PathBuf, Error> {
    let text = read_text(dot_git)?.unwrap_or_default();
    let Some(path) = text.strip_prefix("gitdir:").map(str::trim) else {
        return Err(Error::unavailable(format_args!("{} names no repository", dot_git.display())));
    };
    let git_dir = worktree.join(path);
    match fs::metadata(&git_dir) {
        Ok(metadata) if metadata.is_dir() => Ok(git_dir),
        _ => Err(Error::denied(format_args!(
            "the repository of {} is {}, which is not there or not under a folder that `[grant] dirs` names",
            worktree.display(),
            git_dir.display()
        ))),
    }
}

fn no_repository(worktree: &Path, error: &std::io::Error) -> Error {
    let path = worktree.display();
    match error.kind() {
        ErrorKind::PermissionDenied => Error::denied(format_args!("{path}: {error}")),
        _ if fs::metadata(worktree).is_ok() => Error::unavailable(format_args!("{path} has no `.git`")),
        _ => Error::denied(format_args!("{path} is not there, or `[grant] dirs` does not name it")),
    }
}

fn is_true(value: &str) -> bool {
    matches!(value, "true" | "yes" | "on" | "1")
}

#[cfg(test)]
mod tests {
    use super::Settings;

    const PLAIN: Settings = Settings { sha1: true, ref_files: true, autocrlf: false, symlinks: true };

    #[test]
    fn what_is_absent_has_gits_default() {
        assert_eq!(Settings::parse("[core]\n\trepositoryformatversion = 0\n\tbare = false\n"), PLAIN);
        assert_eq!(Settings::parse("[remote \"core\"]\n\tsymlinks = false\n"), PLAIN);
    }

    #[test]
    fn what_matters_is_read() {
        let text = "[extensions]\n\tobjectFormat = sha256\n\trefstorage = reftable\n[CORE] # a comment\nautocrlf = \"input\"\n\
                    symlinks=false ; not here\n";
        let settings = Settings { sha1: false, ref_files: false, autocrlf: true, symlinks: false };
        assert_eq!(Settings::parse(text), settings);
        assert!(Settings::parse("[core]\n\tautocrlf\n").autocrlf);
    }
}
