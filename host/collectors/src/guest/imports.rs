//! The host's side of the collector world's imports.
//!
//! Nothing here may wait without the call's deadline ending it, and nothing here trusts a length or a text of the
//! guest's.

use std::time::{Duration, Instant};

use sandbeat_status::{Failure, names};

use super::Host;
use super::log::Line;
use crate::bindings::files::{Entry, FileError, Info};
use crate::bindings::processes::ProcessError;
use crate::bindings::{certificates, config, files, filesystems, limits, log, native, processes, state, types};
use crate::call::{Breach, Failed};
use crate::files::Granted;
use crate::filesystem;
use crate::sockets;
use crate::state::StateError;

/// The longest log line, in bytes.
const MAX_LOG_LINE: usize = 1024;
/// How much of a path is shown, in bytes.
const MAX_PATH: usize = 200;
/// The share of a call's time that one file system may take to answer.
const SHARE: u32 = 4;
/// What an entry of a folder costs beside its name.
const ENTRY_COST: usize = 16;

impl types::Host for Host {}

impl log::Host for Host {
    fn write(&mut self, level: log::Level, message: String) {
        // What nobody sees must not use up what those lines may be that somebody does.
        if !is_shown(level) {
            return;
        }
        let plugin = self.shared.name.as_str();
        let limit = self.limits().log_lines;
        match self.shared.log.take(limit, Instant::now()) {
            Line::Granted => {}
            Line::Last => {
                tracing::warn!(plugin, "logs more than limits.log_lines ({limit}) a minute; the rest is dropped");
                return;
            }
            Line::Refused => return,
        }
        let message = names::shown(&message, MAX_LOG_LINE);
        match level {
            log::Level::Trace => tracing::trace!(target: "collector", plugin, "says: {message}"),
            log::Level::Debug => tracing::debug!(target: "collector", plugin, "says: {message}"),
            log::Level::Info => tracing::info!(target: "collector", plugin, "says: {message}"),
            log::Level::Warn => tracing::warn!(target: "collector", plugin, "says: {message}"),
            log::Level::Error => tracing::error!(target: "collector", plugin, "says: {message}"),
        }
    }
}

fn is_shown(level: log::Level) -> bool {
    match level {
        log::Level::Trace => tracing::enabled!(target: "collector", tracing::Level::TRACE),
        log::Level::Debug => tracing::enabled!(target: "collector", tracing::Level::DEBUG),
        log::Level::Info => tracing::enabled!(target: "collector", tracing::Level::INFO),
        log::Level::Warn => tracing::enabled!(target: "collector", tracing::Level::WARN),
        log::Level::Error => tracing::enabled!(target: "collector", tracing::Level::ERROR),
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

    fn keys(&mut self) -> Vec<String> {
        self.state.entries().keys().cloned().collect()
    }
}

impl limits::Host for Host {
    fn current(&mut self) -> limits::Limits {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let limits = self.limits();
        limits::Limits {
            memory: limits.memory,
            timeout: nanoseconds(limits.timeout),
            cpu: nanoseconds(limits.cpu),
            output: limits.output,
            metrics: limits.metrics,
            metadata: limits.metadata,
            attributes: limits.attributes,
            series: limits.series,
            state: limits.state,
            file_calls: limits.file_calls,
            file_bytes: limits.file_bytes,
            http_requests: limits.http_requests,
            http_bytes: limits.http_bytes,
            http_timeout: nanoseconds(limits.http_timeout),
        }
    }
}

impl native::Host for Host {
    fn current(&mut self) -> native::Sample {
        (&*self.sample).into()
    }
}

impl files::Host for Host {
    async fn read(&mut self, path: String) -> wasmtime::Result<Result<Vec<u8>, FileError>> {
        self.on_files(path, "reading", Vec::len, |granted, path| granted.read(path)).await
    }

    async fn read_at(
        &mut self,
        path: String,
        offset: u64,
        length: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, FileError>> {
        self.on_files(path, "reading", Vec::len, move |granted, path| granted.read_at(path, offset, length)).await
    }

    async fn list(&mut self, directory: String) -> wasmtime::Result<Result<Vec<Entry>, FileError>> {
        let size = |entries: &Vec<Entry>| entries.iter().map(|entry| entry.name.len() + ENTRY_COST).sum();
        self.on_files(directory, "listing", size, |granted, path| granted.list(path)).await
    }

    async fn stat(&mut self, path: String) -> wasmtime::Result<Result<Info, FileError>> {
        self.on_files(path, "looking at", |_| size_of::<Info>(), |granted, path| granted.stat(path)).await
    }
}

impl filesystems::Host for Host {
    fn granted(&mut self) -> Vec<String> {
        self.shared.sidecar.grant.filesystems.clone()
    }

    async fn stat(&mut self, path: String) -> wasmtime::Result<Result<filesystems::Usage, FileError>> {
        if !self.shared.sidecar.grant.filesystems.contains(&path) {
            self.note_denied(|| {
                let path = names::shown(&path, MAX_PATH);
                format!("the file system of `{path}` is not granted; add it to [grant] filesystems if it should be")
            });
            return Ok(Err(FileError::Denied));
        }
        let Some(turn) = self.shared.asked.take(&path) else {
            return Ok(Err(FileError::Io("it has not answered since it was last asked".into())));
        };
        let ceiling = self.shared.filesystems.clone();
        // The others are to be told as well.
        let patience = self.limits().timeout / SHARE;
        let answer = self.on_host(move || filesystem::usage(&turn, ceiling.as_ref()));
        let usage = match tokio::time::timeout(patience, answer).await {
            Ok(usage) => usage?.unwrap_or_else(|e| Err(FileError::Io(e))),
            Err(_) => Err(FileError::Io("it does not answer".into())),
        };
        if matches!(usage, Err(FileError::Denied)) {
            self.note_denied(|| {
                let path = names::shown(&path, MAX_PATH);
                format!("`{path}` leads to a place that [plugins.ceiling] filesystems does not allow")
            });
        }
        Ok(usage)
    }
}

impl processes::Host for Host {
    async fn socket_owners(
        &mut self,
        inodes: Vec<u64>,
    ) -> wasmtime::Result<Result<Vec<Option<processes::Owner>>, ProcessError>> {
        if !self.shared.sidecar.grant.processes {
            self.note_denied(|| {
                "asking who holds a socket is not granted; add `processes = true` to [grant] if it should be".to_owned()
            });
            return Ok(Err(ProcessError::Denied));
        }
        if inodes.len() > sockets::MAX_INODES {
            return Ok(Err(ProcessError::TooMany(sockets::MAX_INODES as u64)));
        }
        let owners = self.on_host(move || sockets::owners(&inodes)).await?;
        Ok(owners.and_then(|owners| owners.map_err(|e| e.to_string())).map_err(ProcessError::Io))
    }
}

impl certificates::Host for Host {
    fn shown(&mut self, origin: String) -> Option<Vec<u8>> {
        self.http.certificate(&origin)
    }
}

impl Host {
    /// Runs a job on the granted files, off this thread, and counts it.
    async fn on_files<T: Send + 'static>(
        &mut self,
        path: String,
        what: &'static str,
        size: impl Fn(&T) -> usize,
        job: impl FnOnce(&Granted, &str) -> Result<T, FileError> + Send + 'static,
    ) -> wasmtime::Result<Result<T, FileError>> {
        let limits = *self.limits();
        let granted = self.shared.files.clone();
        let read = move || {
            let answer = job(&granted, &path);
            let why = || format!("{what} `{}` {}", names::shown(&path, MAX_PATH), granted.why_denied(&path));
            let why = matches!(answer, Err(FileError::Denied)).then(why);
            (answer, why)
        };
        let (answer, why) = match self.on_host(read).await? {
            Ok(ended) => ended,
            Err(e) => return Ok(Err(FileError::Io(e))),
        };
        if let Ok(value) = &answer {
            self.file_bytes += size(value) as u64;
        }
        if let Some(why) = why {
            self.note_denied(|| why);
        }
        if self.file_bytes > limits.file_bytes {
            return Err(past("bytes through `files`", "file_bytes", limits.file_bytes));
        }
        Ok(answer)
    }

    /// Runs a job that may block off this thread, and counts it. Its CPU is none of the guest's `limits.cpu`, and is
    /// spent from the budget that all collectors have.
    async fn on_host<T: Send + 'static>(
        &mut self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> wasmtime::Result<Result<T, String>> {
        let limit = self.limits().file_calls;
        self.file_calls += 1;
        if self.file_calls > limit {
            return Err(past("calls of `files` and its like", "file_calls", limit));
        }
        let cpu = self.cpu.clone();
        let ended = tokio::task::spawn_blocking(move || cpu.measure_host(job)).await;
        Ok(ended.map_err(|e| format!("it failed inside the host: {e}")))
    }

    /// Keeps the first grant that was missing: it is the cause of those that follow.
    fn note_denied(&mut self, why: impl FnOnce() -> String) {
        self.denied.get_or_insert_with(why);
    }
}

fn past(what: &str, key: &str, limit: u64) -> wasmtime::Error {
    Breach(Failed::new(Failure::Files, format!("more {what} in one call than limits.{key} ({limit})"))).into()
}
