//! Compiled artifacts on disk, keyed by the component's digest, so that a component is compiled once per machine.
//!
//! An artifact is native code: whoever can write here can run code as the agent. The folder is therefore made
//! private to the agent's user and refused when it is not. A file is written beside its place, synced and renamed,
//! and never changed afterwards, because a running agent has it mapped (wasmtime#10283). An artifact of another
//! wasmtime, CPU or setting does not load and is made again.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The folder of artifacts.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens the configured folder, or the first usable one of the usual places.
    ///
    /// # Errors
    /// In words for the operator, with the key to change.
    pub(crate) fn open(configured: Option<&Path>) -> Result<Self, String> {
        let mut tried = Vec::new();
        let places = match configured {
            Some(dir) => vec![dir.to_owned()],
            None => usual_places(),
        };
        for dir in places {
            match private(&dir) {
                Ok(()) => return Ok(Cache { dir }),
                Err(e) => tried.push(format!("{}: {e}", dir.display())),
            }
        }
        Err(format!("no folder for compiled collectors can be used ({}); set plugins.cache_dir", tried.join("; ")))
    }

    /// Where the artifact of a component lies, or would lie.
    pub(crate) fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.cwasm"))
    }

    /// A new file beside the artifacts, to be filled and then [`Cache::keep`]ed.
    pub(crate) fn begin(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(".new-").tempfile_in(&self.dir)
    }

    /// Puts a filled file in its place.
    pub(crate) fn keep(&self, file: NamedTempFile, digest: &str) -> io::Result<PathBuf> {
        file.as_file().sync_all()?;
        let path = self.path(digest);
        file.persist(&path).map_err(|e| e.error)?;
        File::open(&self.dir)?.sync_all()?;
        Ok(path)
    }
}

fn usual_places() -> Vec<PathBuf> {
    let user = rustix::process::geteuid();
    let mut places = Vec::new();
    if user.is_root() {
        places.push(PathBuf::from("/var/cache/sandbeat"));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    places.extend(absolute("XDG_CACHE_HOME").map(|dir| dir.join("sandbeat")));
    places.extend(absolute("HOME").map(|dir| dir.join(".cache/sandbeat")));
    places.push(std::env::temp_dir().join(format!("sandbeat-{}", user.as_raw())));
    places
}

/// Makes the folder where it is missing, and sees that nobody else can write to it.
fn private(dir: &Path) -> Result<(), String> {
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
        assert!(Cache::open(Some(&shared)).unwrap_err().contains("others can write"));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&shared, &link).unwrap();
        assert!(Cache::open(Some(&link)).is_err());
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(Cache::open(Some(&file)).is_err());
    }

    #[test]
    fn a_kept_artifact_lies_where_it_is_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(&dir.path().join("a/b"))).unwrap();
        let file = cache.begin().unwrap();
        std::fs::write(file.path(), "code").unwrap();
        let path = cache.keep(file, "abc").unwrap();
        assert_eq!(path, cache.path("abc"));
        assert_eq!(std::fs::read(path).unwrap(), b"code");
        assert_eq!(std::fs::metadata(dir.path().join("a/b")).unwrap().mode() & 0o777, 0o700);
    }
}
