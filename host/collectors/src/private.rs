//! Folders that are the agent's own: where they lie, and that nobody else can write to them.
//!
//! What lies in them is trusted: native code that is run, and state that collectors get back. A folder is therefore
//! made for the agent's user alone, and refused when it is a link, belongs to another user, or can be written to by
//! others. Nothing is kept open: each caller owns what it does there.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How the name of a file begins that is not finished.
pub(crate) const UNFINISHED: &str = ".new-";

/// Compiled collectors.
pub(crate) const CACHE: Purpose = Purpose {
    what: "compiled collectors",
    key: "plugins.cache_dir",
    of_root: "/var/cache/sandbeat",
    variable: "XDG_CACHE_HOME",
    in_home: ".cache/sandbeat",
    temporary: "sandbeat",
};

/// What is kept across restarts.
pub(crate) const STATE: Purpose = Purpose {
    what: "collectors' states",
    key: "plugins.state_dir",
    of_root: "/var/lib/sandbeat",
    variable: "XDG_STATE_HOME",
    in_home: ".local/state/sandbeat",
    temporary: "sandbeat-state",
};

/// What a folder is for, and where it usually lies.
pub(crate) struct Purpose {
    what: &'static str,
    /// The key that chooses it.
    key: &'static str,
    /// For root.
    of_root: &'static str,
    /// The variable of the folder that it is one of.
    variable: &'static str,
    /// Below the user's home.
    in_home: &'static str,
    /// Below the folder for temporary files, followed by the user's number.
    temporary: &'static str,
}

/// The configured folder, or the first usable one of the usual places; made where it is missing.
///
/// # Errors
/// In words for the operator, with the key to change.
pub(crate) fn folder(configured: Option<&Path>, purpose: &Purpose) -> Result<PathBuf, String> {
    let mut tried = Vec::new();
    for dir in configured.map_or_else(|| usual_places(purpose), |dir| vec![dir.to_owned()]) {
        match make(&dir) {
            Ok(()) => return Ok(dir),
            Err(e) => tried.push(format!("{}: {e}", dir.display())),
        }
    }
    Err(format!("no folder for {} can be used ({}); set {}", purpose.what, tried.join("; "), purpose.key))
}

/// Makes the folder where it is missing, and sees that nobody else can write to it.
///
/// # Errors
/// Why it cannot be used, in words.
pub(crate) fn make(dir: &Path) -> Result<(), String> {
    if !dir.is_dir() {
        let parent = dir.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(parent).map_err(|e| e.to_string())?;
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e.to_string()),
            _ => {}
        }
    }
    // Of the folder itself: a link planted in a shared place must not count.
    let found = std::fs::symlink_metadata(dir).map_err(|e| e.to_string())?;
    if !found.is_dir() {
        return Err("it is not a folder".into());
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".into());
    }
    if found.mode() & 0o022 != 0 {
        return Err("others can write to it; `chmod go-w` it".into());
    }
    tempfile::tempfile_in(dir).map(drop).map_err(|e| e.to_string())
}

fn usual_places(purpose: &Purpose) -> Vec<PathBuf> {
    let user = rustix::process::geteuid();
    let mut places = Vec::new();
    if user.is_root() {
        places.push(PathBuf::from(purpose.of_root));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    places.extend(absolute(purpose.variable).map(|dir| dir.join("sandbeat")));
    places.extend(absolute("HOME").map(|dir| dir.join(purpose.in_home)));
    places.push(std::env::temp_dir().join(format!("{}-{}", purpose.temporary, user.as_raw())));
    places
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).unwrap();
        let refused = folder(Some(&shared), &CACHE).unwrap_err();
        assert!(refused.contains("others can write") && refused.contains("plugins.cache_dir"), "{refused}");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&shared, &link).unwrap();
        assert!(folder(Some(&link), &STATE).unwrap_err().contains("plugins.state_dir"));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(make(&file).is_err());
    }

    #[test]
    fn a_folder_that_is_missing_is_made_for_its_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().join("a/b");
        assert_eq!(folder(Some(&wanted), &CACHE), Ok(wanted.clone()));
        assert_eq!(std::fs::metadata(&wanted).unwrap().mode() & 0o777, 0o700);
        assert_eq!(folder(Some(&wanted), &CACHE), Ok(wanted));
    }
}
