//! What the host keeps for one instance of a collector, and the host's side of the imports.
//!
//! Owner: the store, and so the one call that it lives for. Nothing here may wait without the call's deadline
//! ending it, and nothing here trusts a length or a text of the guest's.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use sandbeat_status::{Sample, names};
use tokio::io::AsyncWrite;
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::bindings::files::{Entry, FileError};
use crate::bindings::{config, files, log, native, state, types};
use crate::cpu::CpuMeter;
use crate::files::Granted;
use crate::glob::Globs;
use crate::limiter::Memory;
use crate::open::with_folder;
use crate::sidecar::{Grants, Limits, Sidecar};
use crate::state::{State, StateError};

/// The longest log line, in bytes.
const MAX_LOG_LINE: usize = 1024;
/// Log lines per minute and collector.
const LOG_LINES_PER_MINUTE: u32 = 60;
/// Random bytes of one call; making them cannot be interrupted.
const MAX_RANDOM: u64 = 64 << 10;
/// Open files, streams and the like of one instance, which are file descriptors of the agent.
const MAX_RESOURCES: usize = 256;
/// What is kept of a guest's standard error: a panic's message.
const MAX_STDERR: usize = 2048;

/// What is the same for all instances of one loaded collector.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) sidecar: Sidecar,
    pub(crate) config_json: serde_json::Value,
    pub(crate) files: Granted,
    /// `dirs` of the ceiling.
    pub(crate) folders: Option<Globs>,
    pub(crate) log: LogBudget,
}

/// The data of a store.
pub(crate) struct Host {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sample: Arc<Sample>,
    pub(crate) state: State,
    pub(crate) memory: Memory,
    pub(crate) cpu: Arc<CpuMeter>,
    /// A grant that was missing when the guest asked, in words.
    pub(crate) denied: Option<String>,
    pub(crate) stderr: Tail,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Host {
    /// For a `collect`, with what is granted.
    ///
    /// # Errors
    /// A granted folder cannot be opened; in words for the operator.
    pub(crate) fn granted(
        shared: Arc<Shared>,
        sample: Arc<Sample>,
        state: State,
        cpu: Arc<CpuMeter>,
    ) -> Result<Self, String> {
        let mut wasi = WasiCtxBuilder::new();
        grant(&mut wasi, &shared.sidecar.grant, shared.folders.as_ref())?;
        Ok(Host { sample, state, ..Host::with(wasi, shared, cpu) })
    }

    /// For a `describe`, without folders and environment, on which the answer must not depend.
    pub(crate) fn bare(shared: Arc<Shared>, cpu: Arc<CpuMeter>) -> Self {
        Host::with(WasiCtxBuilder::new(), shared, cpu)
    }

    fn with(mut wasi: WasiCtxBuilder, shared: Arc<Shared>, cpu: Arc<CpuMeter>) -> Self {
        let stderr = Tail::default();
        wasi.stderr(stderr.clone()).allow_tcp(false).allow_udp(false).max_random_size(MAX_RANDOM);
        let memory = Memory::new(shared.sidecar.limits.memory);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Host {
            shared,
            sample: Arc::default(),
            state: State::default(),
            memory,
            cpu,
            denied: None,
            stderr,
            wasi: wasi.build(),
            table,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.sidecar.limits
    }

    fn note_denied(&mut self, what: &str, path: &str) {
        if self.denied.is_none() {
            let path = names::shown(path, 200);
            self.denied = Some(format!("{what} `{path}` is not granted; add it to [grant] read if it should be"));
        }
    }

    async fn on_files<T: Send + 'static>(
        &mut self,
        path: String,
        what: &'static str,
        job: impl FnOnce(&Granted, &str) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        let granted = self.shared.files.clone();
        let (answer, path) = tokio::task::spawn_blocking(move || (job(&granted, &path), path))
            .await
            .map_err(|e| FileError::Io(format!("the read failed inside the host: {e}")))?;
        if matches!(answer, Err(FileError::Denied)) {
            self.note_denied(what, &path);
        }
        answer
    }
}

fn grant(wasi: &mut WasiCtxBuilder, grant: &Grants, ceiling: Option<&Globs>) -> Result<(), String> {
    for name in &grant.env {
        if let Ok(value) = std::env::var(name) {
            wasi.env(name, value);
        }
    }
    for dir in &grant.dirs {
        let perms = if dir.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        let preopen = |opened: &Path| {
            let preopened = wasi.preopened_dir(opened, dir.path.to_string_lossy(), perms);
            preopened.map(drop).map_err(|e| e.to_string())
        };
        with_folder(&dir.path, ceiling, preopen).map_err(|e| {
            let path = dir.path.display();
            format!("the granted folder `{path}` cannot be opened: {e}; create it or change [grant] dirs")
        })?;
    }
    Ok(())
}

impl HasData for Host {
    type Data<'a> = &'a mut Host;
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for Host {}

impl log::Host for Host {
    fn write(&mut self, level: log::Level, message: String) {
        let plugin = self.shared.name.as_str();
        match self.shared.log.take(Instant::now()) {
            Grant::Granted => {}
            Grant::Last => {
                tracing::warn!(plugin, "logs more than {LOG_LINES_PER_MINUTE} lines a minute; the rest is dropped");
                return;
            }
            Grant::Refused => return,
        }
        let message = names::shown(&message, MAX_LOG_LINE);
        match level {
            log::Level::Trace => tracing::trace!(target: "collector", plugin, "{message}"),
            log::Level::Debug => tracing::debug!(target: "collector", plugin, "{message}"),
            log::Level::Info => tracing::info!(target: "collector", plugin, "{message}"),
            log::Level::Warn => tracing::warn!(target: "collector", plugin, "{message}"),
            log::Level::Error => tracing::error!(target: "collector", plugin, "{message}"),
        }
    }
}

impl config::Host for Host {
    fn get(&mut self, key: String) -> Option<String> {
        let value = key.split('.').try_fold(&self.shared.config_json, |value, part| value.get(part))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    fn json(&mut self) -> String {
        self.shared.config_json.to_string()
    }
}

impl state::Host for Host {
    fn get(&mut self, key: String) -> Option<Vec<u8>> {
        self.state.get(&key)
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), state::StateError> {
        let limit = self.limits().state;
        self.state.set(key, value, limit).map_err(|e| match e {
            StateError::BadKey => state::StateError::BadKey,
            StateError::Full => state::StateError::Full(limit),
        })
    }

    fn delete(&mut self, key: String) {
        self.state.delete(&key);
    }
}

impl native::Host for Host {
    fn current(&mut self) -> native::Sample {
        (&*self.sample).into()
    }
}

impl files::Host for Host {
    async fn read(&mut self, path: String) -> Result<Vec<u8>, FileError> {
        self.on_files(path, "reading", |granted, path| granted.read(path)).await
    }

    async fn read_at(&mut self, path: String, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
        self.on_files(path, "reading", move |granted, path| granted.read_at(path, offset, length)).await
    }

    async fn list(&mut self, directory: String) -> Result<Vec<Entry>, FileError> {
        self.on_files(directory, "listing", |granted, path| granted.list(path)).await
    }
}

/// Bounds the log lines of one collector over time, across its instances.
#[derive(Debug, Default)]
pub(crate) struct LogBudget(Mutex<Option<(Instant, u32)>>);

#[derive(Debug, PartialEq, Eq)]
enum Grant {
    Granted,
    /// The first one that is too many in this minute.
    Last,
    Refused,
}

impl LogBudget {
    fn take(&self, now: Instant) -> Grant {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, lines) = match &mut *minute {
            Some(current) if now.duration_since(current.0) < Duration::from_secs(60) => current,
            other => other.insert((now, 0)),
        };
        *lines = lines.saturating_add(1);
        match (*lines).cmp(&(LOG_LINES_PER_MINUTE + 1)) {
            std::cmp::Ordering::Less => Grant::Granted,
            std::cmp::Ordering::Equal => Grant::Last,
            std::cmp::Ordering::Greater => Grant::Refused,
        }
    }
}

/// Keeps the last bytes that a guest wrote to its standard error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    /// What was kept, as one line for a person.
    pub(crate) fn text(&self) -> Option<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        (!line.is_empty()).then(|| names::shown(&line, 512))
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Tail {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = &bytes[bytes.len().saturating_sub(MAX_STDERR)..];
        let excess = (kept.len() + tail.len()).saturating_sub(MAX_STDERR);
        kept.drain(..excess);
        kept.extend_from_slice(tail);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_log_lines_is_cut_and_said_once_a_minute() {
        let budget = LogBudget::default();
        let start = Instant::now();
        let granted = (0..1000).filter(|_| budget.take(start) == Grant::Granted).count();
        assert_eq!(granted, LOG_LINES_PER_MINUTE as usize);
        assert_eq!(budget.take(start + Duration::from_secs(61)), Grant::Granted);
    }

    #[test]
    fn the_line_after_the_last_granted_one_says_so() {
        let budget = LogBudget::default();
        let now = Instant::now();
        let grants: Vec<Grant> = (0..62).map(|_| budget.take(now)).collect();
        assert_eq!(grants[60..], [Grant::Last, Grant::Refused]);
    }
}
