//! Where supervised programs tell something.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A socket in a folder of its own.
pub(super) struct Told {
    socket: UnixDatagram,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Told {
    pub(super) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandbeat-bench-").tempdir()?;
        let path = folder.path().join("told");
        let socket = UnixDatagram::bind(&path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Told { socket, path, _folder: folder })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next number, and says when it came.
    pub(super) fn next(&self) -> anyhow::Result<(Instant, u64)> {
        let mut number = [0; 8];
        self.socket.recv(&mut number).context("a supervised program has told nothing")?;
        Ok((Instant::now(), u64::from_le_bytes(number)))
    }

    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        Ok(u32::try_from(self.next()?.1)?)
    }
}
