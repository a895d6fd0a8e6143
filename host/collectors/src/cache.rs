//! Compiled artifacts on disk, keyed by the component's digest, so that a component is compiled once per machine.
//!
//! An artifact is native code: whoever can write here can run code as the agent. The folder is therefore made
//! private to the agent's user and refused when it is not. A file is written beside its place, synced and renamed,
//! and never changed afterwards, because a running agent has it mapped (wasmtime#10283). Its own digest lies beside
//! it: one that the disk has damaged is made again, not run. So is one of another wasmtime, CPU or setting, which
//! wasmtime refuses to load.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::digest::digest;

/// How the name of a file begins that is not finished.
const UNFINISHED: &str = ".new-";
/// No compilation takes this long.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

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
                Ok(()) => {
                    sweep(&dir);
                    return Ok(Cache { dir });
                }
                Err(e) => tried.push(format!("{}: {e}", dir.display())),
            }
        }
        Err(format!("no folder for compiled collectors can be used ({}); set plugins.cache_dir", tried.join("; ")))
    }

    /// Where the artifact of a component lies, if it is there and as it was written. Reads all of it.
    pub(crate) fn find(&self, digest: &str) -> Option<PathBuf> {
        let path = self.path(digest);
        let written = std::fs::read_to_string(self.sum(digest)).ok()?;
        let found = digest_of_file(&path).ok()?;
        (written == found).then_some(path)
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.cwasm"))
    }

    fn sum(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.sha256"))
    }

    /// A new file beside the artifacts, to be filled and then [`Cache::keep`]ed.
    pub(crate) fn begin(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.dir)
    }

    /// Puts a filled file in its place.
    pub(crate) fn keep(&self, file: NamedTempFile, digest: &str) -> io::Result<PathBuf> {
        file.as_file().sync_all()?;
        let path = self.path(digest);
        let mut sum = self.begin()?;
        sum.write_all(digest_of_file(file.path())?.as_bytes())?;
        sum.as_file().sync_all()?;
        // Of two agents that write the same, each pair fits: a sum that does not makes the artifact anew.
        sum.persist(self.sum(digest)).map_err(|e| e.error)?;
        file.persist(&path).map_err(|e| e.error)?;
        File::open(&self.dir)?.sync_all()?;
        Ok(path)
    }
}

/// Removes what an agent that was killed left half-written.
fn sweep(dir: &Path) {
    let is_old = |entry: &std::fs::DirEntry| {
        let modified = entry.metadata().and_then(|found| found.modified());
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > LEFT_BEHIND))
    };
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && is_old(&entry) {
            // It is tried again at the next start.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn digest_of_file(path: &Path) -> io::Result<String> {
    std::fs::read(path).map(|bytes| digest(&bytes))
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
        assert_eq!(cache.find("abc"), Some(path.clone()));
        assert_eq!(std::fs::read(&path).unwrap(), b"code");
        std::fs::write(&path, "damaged").unwrap();
        assert_eq!(cache.find("abc"), None);
        assert_eq!(cache.find("abd"), None);
        assert_eq!(std::fs::metadata(dir.path().join("a/b")).unwrap().mode() & 0o777, 0o700);
    }
}
