//! Files that are there as a whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

/// A file that is on disk, and has yet to get its name; without it, it is gone.
#[derive(Debug)]
pub(crate) struct Written(NamedTempFile);

impl Written {
    /// Writes it into the folder of what it is to be.
    pub(crate) fn beside(path: &Path, content: &[u8]) -> io::Result<Written> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let permissions = Permissions::from_mode(0o644);
        let mut file = tempfile::Builder::new().prefix(".sandbeat-").permissions(permissions).tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        Ok(Written(file))
    }

    /// Gives it its name, in the place of what has had it.
    pub(crate) fn take_its_name(self, path: &Path) -> io::Result<()> {
        self.0.persist(path)?;
        Ok(())
    }
}

/// Writes a file in one step, so that nobody who watches it sees half of it, also after a crash.
pub(crate) fn whole(to: &Path, content: &[u8]) -> io::Result<()> {
    Written::beside(to, content)?.take_its_name(to)
}
