//! Compiled components: found in the cache, or made by the compiling child and put there.
//!
//! Owner: the loader. The same component is compiled once per cache; several are compiled one after another, so that
//! a hundred new files do not take the machine. The cache is opened when it is first needed: without one there are no
//! collectors, but there is a beat.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use rustix::fs::StatVfsMountFlags;
use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use wasmtime::component::Component;

use crate::cache::{Cache, Found};
use crate::compile::{self, CompileError, CompileLimits, CompilerCommand, MAX_COMPONENT};
use crate::config::Config;
use crate::digest::digest;
use crate::engine::Class;
use crate::key;
use crate::progress::{Compilation, Told};
use crate::read::{self, ReadError};
use crate::scan::Stamp;
use crate::shape::Shape;
use crate::world;

/// See the module.
pub(crate) struct Artifacts {
    /// What artifacts for this agent's engines depend on.
    key: String,
    cache: OnceLock<Cache>,
    cache_dir: Option<PathBuf>,
    cache_size: u64,
    compiler: CompilerCommand,
    limits: CompileLimits,
    pool: runtime::Handle,
    turn: Semaphore,
    /// The digests that each plugin runs or may go back to; the cache keeps those.
    pins: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// A component that can be linked.
pub(crate) struct Artifact {
    pub(crate) component: Component,
    pub(crate) shape: Shape,
}

impl Artifacts {
    /// Work that blocks is done in `pool`.
    pub(crate) fn new(config: &Config, class: &Class, pool: runtime::Handle) -> Self {
        Artifacts {
            key: key::of(&class.engine),
            cache: OnceLock::new(),
            cache_dir: config.cache_dir.clone(),
            cache_size: config.cache_size,
            compiler: config.compiler.clone(),
            limits: config.compile,
            pool,
            turn: Semaphore::new(1),
            pins: Mutex::default(),
        }
    }

    /// The digest of a component's file, read again or as it is remembered, or why it is plainly none. The content is not
    /// kept: there may be many.
    pub(crate) async fn digest(&self, wasm: &Path, reread: bool) -> Result<String, String> {
        // Without a cache this is no error yet.
        let (cache, wasm) = (self.cache().ok().cloned(), wasm.to_owned());
        self.blocking(move || digest_of(&wasm, cache.as_ref(), reread)).await.map_err(|e| e.to_string())?
    }

    /// The artifact of a component in a file; how far it is, `told` has from when it has to be made. The file is read
    /// when its turn has come, because a hundred waiting ones would not fit into memory.
    pub(crate) async fn get(
        &self,
        class: &Class,
        wasm: &Path,
        digest: &str,
        told: &watch::Sender<Told>,
    ) -> Result<Artifact, CompileError> {
        if let Some(artifact) = self.cached(class, digest).await? {
            return Ok(artifact);
        }
        told.send_replace(Some(Compilation::default()));
        let _turn = self.turn.acquire().await.map_err(|e| CompileError::Host(e.to_string()))?;
        // Another plugin may have had the same component made in the meantime.
        if let Some(artifact) = self.cached(class, digest).await? {
            return Ok(artifact);
        }
        let host = |e: std::io::Error| CompileError::Host(format!("the cache: {e}"));
        let cache = self.cache()?.clone();
        let (begun, path) = (cache.clone(), wasm.to_owned());
        let begun = self.blocking(move || (begun.begin(), read::bounded(&path, MAX_COMPONENT))).await?;
        let artifact = begun.0.map_err(host)?;
        let bytes = begun.1.map_err(|e| CompileError::Host(e.of("the file")))?;
        if crate::digest::digest(&bytes) != digest {
            self.cache()?.known().forget(digest);
            return Err(CompileError::Host("the file has changed while it waited for its turn".to_owned()));
        }
        let shape = compile::compile(&self.compiler, self.limits, bytes, artifact.as_file(), told).await?;
        let (pinned, class, digest) = (self.pinned(), class.clone(), digest.to_owned());
        let opened = self.blocking(move || {
            let path = cache.keep(artifact, &digest, shape, &pinned).map_err(host)?;
            open(&class, &Found { path, shape }).map_err(CompileError::Host)
        });
        opened.await?
    }

    /// The artifact, where it is in the cache and can be used.
    pub(crate) async fn cached(&self, class: &Class, digest: &str) -> Result<Option<Artifact>, CompileError> {
        let (cache, class, digest) = (self.cache()?.clone(), class.clone(), digest.to_owned());
        self.blocking(move || find(&cache, &class, &digest)).await
    }

    /// As [`Artifacts::cached`], on the caller's thread. Blocks as the disk does.
    pub(crate) fn cached_here(&self, class: &Class, digest: &str) -> Result<Option<Artifact>, CompileError> {
        Ok(find(self.cache()?, class, digest))
    }

    /// Has the cache keep these, and no others, for a plugin.
    pub(crate) fn pin(&self, plugin: &str, digests: BTreeSet<String>) {
        self.pins().insert(plugin.to_owned(), digests);
    }

    /// A plugin is gone.
    pub(crate) fn unpin(&self, plugin: &str) {
        self.pins().remove(plugin);
    }

    fn pinned(&self) -> BTreeSet<String> {
        self.pins().values().flatten().cloned().collect()
    }

    fn pins(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> Result<&Cache, CompileError> {
        if let Some(cache) = self.cache.get() {
            return Ok(cache);
        }
        let cache = Cache::open(self.cache_dir.as_deref(), &self.key, self.cache_size).map_err(CompileError::Cache)?;
        Ok(self.cache.get_or_init(|| cache))
    }

    async fn blocking<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, CompileError> {
        self.pool.spawn_blocking(job).await.map_err(|e| CompileError::Host(e.to_string()))
    }
}

fn digest_of(wasm: &Path, cache: Option<&Cache>, reread: bool) -> Result<String, String> {
    let of_file = |e: ReadError| e.of("the file");
    let stamp_of = |file: &File| file.metadata().ok().map(|found| Stamp::from(&found));
    let mut file = read::open(wasm).map_err(of_file)?;
    let (before, since) = (stamp_of(&file), SystemTime::now());
    // An image that is only read may be another one at the next mount, whose files have the same stamps.
    let is_written = rustix::fs::fstatvfs(&file).is_ok_and(|found| !found.f_flag.contains(StatVfsMountFlags::RDONLY));
    let known = before.filter(|_| is_written).zip(cache.map(Cache::known));
    if let Some(digest) = known.filter(|_| !reread).and_then(|(stamp, known)| known.digest(&stamp)) {
        return Ok(digest);
    }
    let bytes = read::content(&mut file, MAX_COMPONENT).map_err(of_file)?;
    world::recognise(&bytes)?;
    let digest = digest(&bytes);
    if let Some((stamp, known)) = known.filter(|(stamp, _)| stamp_of(&file) == Some(*stamp)) {
        known.remember(stamp, &digest, since);
    }
    Ok(digest)
}

fn find(cache: &Cache, class: &Class, digest: &str) -> Option<Artifact> {
    let found = cache.find(digest)?;
    open(class, &found).inspect_err(|e| tracing::debug!(digest, "the cached artifact is made again: {e}")).ok()
}

fn open(class: &Class, found: &Found) -> Result<Artifact, String> {
    Ok(Artifact { component: deserialize(class, &found.path)?, shape: found.shape })
}

#[expect(unsafe_code, reason = "wasmtime trusts an artifact's content")]
fn deserialize(class: &Class, path: &Path) -> Result<Component, String> {
    // SAFETY: the file was written by our own compiler into a folder that only this user can write to (`Cache`
    // refuses others), is as it was written (`Cache::find` has compared its checksum), and is never changed once it
    // is there; wasmtime refuses those of other versions and settings.
    unsafe { Component::deserialize_file(&class.engine, path) }.map_err(|e| format!("{e:#}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_large_component_that_is_remembered_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(&dir.path().join("cache")), "0123456789abcdef", 1 << 20).unwrap();
        let wasm = dir.path().join("a.wasm");
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.resize(2 << 20, 0);
        std::fs::write(&wasm, &component).unwrap();
        let right = digest(&component);
        assert_eq!(digest_of(&wasm, Some(&cache), false), Ok(right.clone()));
        let stamp = Stamp::of(&wasm).unwrap();
        // It is too young for that.
        assert_eq!(cache.known().digest(&stamp), None);
        cache.known().remember(stamp, "another", SystemTime::now() + Duration::from_secs(60));
        assert_eq!(digest_of(&wasm, Some(&cache), false), Ok("another".into()));
        assert_eq!(digest_of(&wasm, Some(&cache), true), Ok(right.clone()));
        assert_eq!(digest_of(&wasm, None, false), Ok(right.clone()));
        cache.known().forget("another");
        assert_eq!(digest_of(&wasm, Some(&cache), false), Ok(right));
    }
}
