//! The peer: Extism, as its users run plugins.
//!
//! Extism keeps what wasmtime's own cache keeps: compiled modules, compressed, by the digest of the module. It is on
//! by default; here it has a folder of its own, which lies beside everything else of the run.

use std::path::{Path, PathBuf};

use anyhow::Context;
use extism::convert::Json;
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use serde::Deserialize;

use crate::point::Point;

/// The plugin that does what the collector `ten` does.
pub const PLUGIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/extism.wasm"));

#[derive(Deserialize)]
struct Contribution {
    metrics: Vec<Point>,
}

#[derive(Deserialize)]
struct Description {
    version: String,
}

/// A file of a plugin, and where its compiled form is cached.
#[derive(Clone, Debug)]
pub struct Source {
    wasm: PathBuf,
    cache: PathBuf,
}

impl Source {
    /// Writes a plugin into a folder; all of one folder share a cache.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(folder: &Path, name: &str, plugin: &[u8]) -> anyhow::Result<Self> {
        let (wasm, cache) = (folder.join(name).with_extension("wasm"), folder.join("wasmtime-cache.toml"));
        std::fs::write(&wasm, plugin)?;
        // A debug-formatted path is a TOML string.
        std::fs::write(&cache, format!("[cache]\ndirectory = {:?}\n", folder.join("wasmtime-cache")))?;
        Ok(Source { wasm, cache })
    }

    /// Compiles it, or takes it from the cache.
    ///
    /// # Errors
    /// Extism's.
    pub fn compile(&self) -> anyhow::Result<CompiledPlugin> {
        let manifest = Manifest::new([Wasm::file(&self.wasm)]);
        PluginBuilder::new(manifest).with_cache_config(&self.cache).compile()
    }

    /// From the file to a plugin that has described itself.
    ///
    /// # Errors
    /// Extism's, and an empty description.
    pub fn load(&self) -> anyhow::Result<Plugin> {
        let mut plugin = Plugin::new_from_compiled(&self.compile()?)?;
        let Json(description) = plugin.call::<_, Json<Description>>("describe", "")?;
        anyhow::ensure!(!description.version.is_empty(), "the plugin has no version");
        Ok(plugin)
    }
}

/// One collect in an instance that is there.
///
/// # Errors
/// Extism's.
pub fn collect(plugin: &mut Plugin) -> anyhow::Result<Vec<Point>> {
    let Json(contribution) = plugin.call::<_, Json<Contribution>>("collect", "")?;
    Ok(contribution.metrics)
}

/// One collect in an instance of its own.
///
/// # Errors
/// Extism's.
pub fn collect_fresh(compiled: &CompiledPlugin) -> anyhow::Result<Vec<Point>> {
    collect(&mut Plugin::new_from_compiled(compiled).context("a new instance")?)
}
