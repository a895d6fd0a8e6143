//! One build script at a time in the shared folder.
//!
//! Cargo has a lock of its own there, but gives it back before the results are copied, and rustup has none.

use std::fs::{self, File};
use std::path::Path;

use crate::Error;

/// Waits for the lock; it is given back when the file is dropped or the process ends, however it ends.
pub(crate) fn hold(folder: &Path) -> Result<File, Error> {
    let wrong = |error| Error::Io(folder.display().to_string(), error);
    fs::create_dir_all(folder).map_err(wrong)?;
    let file = File::create(folder.join(".lock")).map_err(wrong)?;
    file.lock().map_err(wrong)?;
    Ok(file)
}
