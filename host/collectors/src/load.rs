//! From two files to a collector that can be called, or to the reason why not.
//!
//! The order is the point: the sidecar is read and the file recognised before anything is compiled, and every import
//! and export is checked against the world before a single instruction of the component runs. The first one that
//! does is `describe`, under the collector's limits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use sandbeat_status::settings::Problem;
use sandbeat_status::{Failure, names};
use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::bindings::{self, Collector, CollectorPre, types};
use crate::cache::Cache;
use crate::call::{Callable, Failed};
use crate::compile::{self, CompileError, CompileLimits, CompilerCommand, MAX_COMPONENT};
use crate::config::Config;
use crate::digest::digest;
use crate::engine::TickerHandle;
use crate::files::Granted;
use crate::guest::{Host, LogBudget, Shared};
use crate::key;
use crate::read::{self, ReadError};
use crate::scan::{self, Stamp};
use crate::sidecar::{Ceiling, Sidecar};

/// What all compiled artifacts may take on disk, in bytes.
const CACHE_SIZE: u64 = 512 << 20;
/// The largest sidecar, in bytes.
const MAX_SIDECAR: u64 = 64 << 10;
/// Guests take turns on one thread; more of them at once would make the wall clocks of all run out.
const MAX_RUNNING: usize = 8;
/// A file that has not changed for this long is taken to be complete.
const SETTLED: Duration = Duration::from_millis(50);
/// A file that keeps changing is read after this many looks; it will be read again when it changes again.
const MAX_LOOKS: u32 = 40;

/// Loads collectors; one for the whole runtime.
pub(crate) struct Loader {
    engine: Engine,
    ticker: TickerHandle,
    linker: Linker<Host>,
    /// Opened when it is first needed: without one there are no collectors, but there is a beat.
    cache: OnceLock<Cache>,
    cache_dir: Option<PathBuf>,
    compiler: CompilerCommand,
    ceiling: Ceiling,
    /// Threads for the host's own reads, apart from those that a guest's reads may hold.
    pool: runtime::Handle,
    /// So many guests run at the same time; a call's wall clock starts when it is one of them.
    places: Arc<Semaphore>,
    /// Components are compiled one after another, so that a hundred new files do not take the machine.
    turn: Semaphore,
}

/// A collector that has described itself.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) callable: Callable,
    pub(crate) description: types::Description,
    pub(crate) digest: String,
}

/// Files that did not become a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Once the file has been read.
    pub(crate) digest: Option<String>,
    pub(crate) failed: Failed,
    /// The host or the machine was at fault, not the files: it is worth trying again.
    pub(crate) again: bool,
}

impl Loader {
    pub(crate) fn new(
        engine: Engine,
        ticker: TickerHandle,
        config: &Config,
        pool: runtime::Handle,
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        Collector::add_to_linker::<_, Host>(&mut linker, |host| host)?;
        Ok(Loader {
            engine,
            ticker,
            linker,
            cache: OnceLock::new(),
            cache_dir: config.cache_dir.clone(),
            compiler: config.compiler.clone(),
            ceiling: config.ceiling.clone(),
            pool,
            places: Arc::new(Semaphore::new(MAX_RUNNING)),
            turn: Semaphore::new(1),
        })
    }

    /// Loads `wasm` with its sidecar, which may be absent; `compiling` becomes true when that will take long.
    pub(crate) async fn load(
        &self,
        name: &str,
        wasm: &Path,
        sidecar: &Path,
        compiling: &watch::Sender<bool>,
    ) -> Result<Loaded, Refused> {
        settle(wasm, sidecar).await;
        let refuse = |failed| Refused { digest: None, failed, again: false };
        let bytes = self.read_file(wasm, MAX_COMPONENT).await.map_err(|e| refuse(invalid(e.of("the file"))))?;
        let sidecar = self.sidecar(sidecar).await.map_err(refuse)?;
        recognise(&bytes).map_err(|reason| refuse(invalid(reason)))?;
        let digest = digest(&bytes);
        let refuse = |failed| Refused { digest: Some(digest.clone()), failed, again: false };
        let component = match self.component(bytes, &digest, compiling).await {
            Ok(component) => component,
            Err(e) => return Err(Refused { again: !e.is_final(), ..refuse(invalid(e.to_string())) }),
        };
        let pre = self.check(&component).map_err(|reason| refuse(invalid(reason)))?;
        let shared = self.shared(name, sidecar).map_err(refuse)?;
        let (engine, ticker, places) = (self.engine.clone(), self.ticker.clone(), self.places.clone());
        let callable = Callable { engine, ticker, places, pre, shared };
        let description = callable
            .describe()
            .await
            .map_err(|failed| refuse(Failed { reason: format!("describe: {}", failed.reason), ..failed }))?;
        described(&description).map_err(|reason| refuse(invalid(format!("describe: {reason}"))))?;
        Ok(Loaded { callable, description, digest })
    }

    async fn sidecar(&self, path: &Path) -> Result<Sidecar, Failed> {
        let text = match self.read_file(path, MAX_SIDECAR).await {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| invalid("its sidecar is not UTF-8 text".into()))?,
            Err(ReadError::NotFound) => String::new(),
            Err(e) => return Err(invalid(e.of("its sidecar"))),
        };
        Sidecar::parse(&text, &self.ceiling).map_err(|problems| {
            let all: Vec<String> = problems.iter().map(Problem::to_string).collect();
            invalid(format!("its sidecar is wrong: {}", all.join("; ")))
        })
    }

    fn shared(&self, name: &str, sidecar: Sidecar) -> Result<Arc<Shared>, Failed> {
        let config_json = serde_json::to_value(&sidecar.config)
            .map_err(|e| invalid(format!("its sidecar's [config] cannot be handed over: {e}")))?;
        let files = Granted::new(sidecar.grant.read.clone(), self.ceiling.read.clone());
        let folders = self.ceiling.dirs.clone();
        Ok(Arc::new(Shared { name: name.to_owned(), sidecar, config_json, files, folders, log: LogBudget::default() }))
    }

    /// The compiled component, from the cache or from the child.
    async fn component(
        &self,
        bytes: Vec<u8>,
        digest: &str,
        compiling: &watch::Sender<bool>,
    ) -> Result<Component, CompileError> {
        let cache = self.cache()?;
        let (found, wanted) = (cache.clone(), digest.to_owned());
        if let Some(found) = self.blocking(move || found.find(&wanted)).await.map_err(CompileError::Host)? {
            match self.open(found.path).await {
                Ok(component) => return Ok(component),
                Err(e) => tracing::debug!(digest, "the cached artifact is made again: {e}"),
            }
        }
        let host = |e: std::io::Error| CompileError::Host(format!("the cache: {e}"));
        compiling.send_replace(true);
        let _turn = self.turn.acquire().await.map_err(|e| CompileError::Host(e.to_string()))?;
        let artifact = cache.begin().map_err(host)?;
        let shape = compile::compile(&self.compiler, CompileLimits::default(), bytes, artifact.as_file()).await?;
        let (cache, digest) = (cache.clone(), digest.to_owned());
        let keep = move || cache.keep(artifact, &digest, shape, &BTreeSet::new());
        let path = self.blocking(keep).await.map_err(CompileError::Host)?.map_err(host)?;
        self.open(path).await.map_err(CompileError::Host)
    }

    fn cache(&self) -> Result<&Cache, CompileError> {
        if let Some(cache) = self.cache.get() {
            return Ok(cache);
        }
        let cache =
            Cache::open(self.cache_dir.as_deref(), &key::of(&self.engine), CACHE_SIZE).map_err(CompileError::Cache)?;
        Ok(self.cache.get_or_init(|| cache))
    }

    async fn open(&self, path: PathBuf) -> Result<Component, String> {
        let engine = self.engine.clone();
        #[expect(unsafe_code, reason = "wasmtime trusts an artifact's content")]
        let open = move || {
            // SAFETY: the file was written by our own compiler into a folder that only this user can write to
            // (`Cache` refuses others), is as it was written (`Cache::find` has compared its digest), and is never
            // changed once it is there; wasmtime refuses those of other versions and settings.
            unsafe { Component::deserialize_file(&engine, path) }
        };
        self.blocking(open).await?.map_err(|e| format!("{e:#}"))
    }

    async fn read_file(&self, path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
        let path = path.to_owned();
        self.blocking(move || read::bounded(&path, most)).await.map_err(ReadError::Io)?
    }

    async fn blocking<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        self.pool.spawn_blocking(job).await.map_err(|e| e.to_string())
    }

    /// Checks imports and exports against the world.
    fn check(&self, component: &Component) -> Result<CollectorPre<Host>, String> {
        let ty = component.component_type();
        let exports: Vec<&str> = ty.exports(&self.engine).map(|(name, _)| name).collect();
        let guest = exports.iter().find_map(|export| split_version(export, bindings::GUEST));
        match guest {
            Some(bindings::WORLD_VERSION) => {}
            Some(version) => return Err(other_version(version)),
            None => {
                return Err(format!(
                    "it is a component of another world: it does not export {}; build it for the world \
                     sandbeat:collector/collector",
                    bindings::GUEST
                ));
            }
        }
        for (import, _) in ty.imports(&self.engine) {
            let import = names::shown(import, 128);
            match import.split_once(':') {
                Some(("sandbeat", _)) if !import.ends_with(&format!("@{}", bindings::WORLD_VERSION)) => {
                    return Err(other_version(import.rsplit_once('@').map_or("another", |(_, version)| version)));
                }
                Some(("sandbeat" | "wasi", _)) => {}
                _ => return Err(not_offered(&import)),
            }
        }
        let pre =
            self.linker.instantiate_pre(component).map_err(|e| not_offered(&names::shown(&format!("{e:#}"), 300)))?;
        CollectorPre::new(pre).map_err(|e| format!("its exports are not those of a collector: {e:#}"))
    }
}

fn split_version<'a>(export: &'a str, name: &str) -> Option<&'a str> {
    export.strip_prefix(name)?.strip_prefix('@')
}

fn other_version(version: &str) -> String {
    format!(
        "it was built for version {} of the collector world, and this agent speaks {}; build it against that one",
        names::shown(version, 32),
        bindings::WORLD_VERSION
    )
}

fn not_offered(what: &str) -> String {
    format!("it imports something that the host does not offer: {what}")
}

/// Names what is plainly no component before a compiler sees it.
fn recognise(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [] => Err("the file is empty".into()),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            Err("it is a core WebAssembly module, not a component; build it for wasm32-wasip2".into())
        }
        [0, b'a', b's', b'm', ..] => Err("it is WebAssembly of an unknown or truncated form".into()),
        [0x7f, b'E', b'L', b'F', ..] => Err("it is native code, which is never loaded; drop in the component".into()),
        _ => Err("it is not WebAssembly".into()),
    }
}

/// Bounds what a description may hold, since it is shown to people.
fn described(description: &types::Description) -> Result<(), String> {
    names::text(&description.version, 64).map_err(|reason| format!("version: {reason}"))?;
    names::text(&description.summary, 1024).map_err(|reason| format!("summary: {reason}"))?;
    if description.metrics.len() + description.metadata.len() > 4096 {
        return Err("it lists more than 4096 metrics and metadata keys".into());
    }
    for metric in &description.metrics {
        let shown = names::shown(&metric.name, 80);
        names::metric_name(&metric.name)
            .and_then(|()| names::unit(&metric.unit))
            .and_then(|()| names::text(&metric.description, 1024))
            .map_err(|reason| format!("metric `{shown}`: {reason}"))?;
    }
    for entry in &description.metadata {
        let shown = names::shown(&entry.key, 80);
        names::metric_name(&entry.key)
            .and_then(|()| names::text(&entry.description, 1024))
            .map_err(|reason| format!("metadata `{shown}`: {reason}"))?;
    }
    Ok(())
}

fn invalid(reason: String) -> Failed {
    Failed::new(Failure::Invalid, reason)
}

/// Waits until neither file has changed for a moment, so that one that is being copied is not judged half.
async fn settle(wasm: &Path, sidecar: &Path) {
    let look = || (Stamp::of(wasm), Stamp::of(sidecar));
    let mut seen = look();
    let left_alone = |stamp| scan::is_settled(stamp, SETTLED, SystemTime::now());
    for _ in 0..MAX_LOOKS {
        if left_alone(seen.0) && left_alone(seen.1) {
            return;
        }
        tokio::time::sleep(SETTLED).await;
        let now = look();
        if now == seen {
            return;
        }
        seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_named() {
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b"#!/bin/sh", "not WebAssembly"),
            (b"\0asm\x01\0\0\0", "core WebAssembly module"),
            (b"\0asm", "truncated"),
            (b"\x7fELF\x02", "native code"),
        ] {
            assert!(recognise(bytes).unwrap_err().contains(part), "{bytes:?}");
        }
        assert_eq!(recognise(b"\0asm\x0d\0\x01\0"), Ok(()));
    }

    #[test]
    fn versions_of_the_world_are_told_apart() {
        assert_eq!(split_version("sandbeat:collector/guest@0.1.0", bindings::GUEST), Some("0.1.0"));
        assert_eq!(split_version("sandbeat:collector/guests@0.1.0", bindings::GUEST), None);
    }
}
