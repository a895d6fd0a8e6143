//! What the host keeps for one instance of a collector: the data of its store.
//!
//! Owner: the store, and so the call or, for one that is kept, the plugin's task. What belongs to one call alone is
//! renewed before each.

mod imports;
mod log;
mod tail;

use std::path::Path;
use std::sync::Arc;

use sandbeat_status::Sample;
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

pub(crate) use self::log::LogBudget;
use self::tail::Tail;
use crate::budget::Budget;
use crate::cpu::CpuMeter;
use crate::files::Granted;
use crate::filesystem::Asked;
use crate::glob::Globs;
use crate::http::{self, Http, HttpAccess, HttpView};
use crate::limiter::Memory;
use crate::open::with_folder;
use crate::sidecar::{Grants, Limits, Sidecar};
use crate::state::State;

/// Random bytes of one call; making them cannot be interrupted.
const MAX_RANDOM: u64 = 64 << 10;
/// Open files, streams and the like of one instance, which are file descriptors of the agent.
pub(crate) const MAX_RESOURCES: usize = 64;

/// What is the same for all instances of one loaded collector.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) sidecar: Sidecar,
    pub(crate) config_json: serde_json::Value,
    pub(crate) files: Granted,
    /// `dirs` of the ceiling.
    pub(crate) folders: Option<Globs>,
    /// `filesystems` of the ceiling.
    pub(crate) filesystems: Option<Globs>,
    /// Shared by all collectors, over their reloads.
    pub(crate) asked: Asked,
    pub(crate) http: Arc<http::Granted>,
    pub(crate) log: Arc<LogBudget>,
    pub(crate) budget: Budget,
    /// What an instance costs the host beside its memories and tables, in bytes.
    pub(crate) base: u64,
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
    file_calls: u64,
    file_bytes: u64,
    pub(crate) http: Http,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Host {
    /// For `collect`, with what is granted.
    ///
    /// # Errors
    /// A granted folder cannot be opened; in words for the operator.
    pub(crate) fn granted(shared: Arc<Shared>) -> Result<Self, String> {
        let mut wasi = WasiCtxBuilder::new();
        grant(&mut wasi, &shared.sidecar.grant, shared.folders.as_ref())?;
        let http = shared.http.clone();
        Ok(Host::with(wasi, http, shared))
    }

    /// For `describe`, without folders, environment and HTTP, on which the answer must not depend.
    pub(crate) fn bare(shared: Arc<Shared>) -> Self {
        let http = Arc::new(shared.http.closed());
        Host::with(WasiCtxBuilder::new(), http, shared)
    }

    fn with(mut wasi: WasiCtxBuilder, http: Arc<http::Granted>, shared: Arc<Shared>) -> Self {
        let stderr = Tail::default();
        wasi.stderr(stderr.clone()).max_random_size(MAX_RANDOM);
        let memory = Memory::new(shared.sidecar.limits.memory, shared.base, shared.budget.clone());
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Host {
            shared,
            sample: Arc::default(),
            state: State::default(),
            memory,
            cpu: Arc::default(),
            denied: None,
            stderr,
            file_calls: 0,
            file_bytes: 0,
            http: Http::new(http),
            wasi: wasi.build(),
            table,
        }
    }

    /// Before each `collect`.
    pub(crate) fn show(&mut self, sample: Arc<Sample>, state: State) {
        (self.sample, self.state) = (sample, state);
    }

    /// Between two calls of an instance that is kept.
    pub(crate) fn forget(&mut self) {
        (self.file_calls, self.file_bytes) = (0, 0);
        self.denied = None;
        self.http.renew();
        self.memory.forget();
        self.cpu.reset();
        self.stderr.clear();
    }

    /// Whether the guest has closed everything that it opened: descriptors of the agent's are for all.
    pub(crate) fn holds_nothing_open(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.sidecar.limits
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
            format!("the granted folder `{path}` cannot be opened: {e}")
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

impl HttpView for Host {
    fn http(&mut self) -> HttpAccess<'_> {
        HttpAccess { http: &mut self.http, table: &mut self.table }
    }
}
