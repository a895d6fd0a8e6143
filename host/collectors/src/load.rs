//! From two files to a collector that can be called, or to the reason why not.
//!
//! The order is the point: the sidecar is read and the file recognised before anything is compiled, and every import
//! and export is checked against the world before a single instruction of the component runs. The first one that
//! does is `describe`, under the collector's limits. A version that is to replace one that works has to pass a
//! `collect` as well, of which nothing is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;
use sandbeat_status::settings::Problem;
use sandbeat_status::{Failure, Sample};
use tokio::runtime;
use tokio::sync::{Semaphore, watch};

use crate::archive::Archive;
use crate::artifacts::{Artifact, Artifacts};
use crate::bindings::types;
use crate::budget::Budget;
use crate::call::{Callable, Failed};
use crate::config::Config;
use crate::engine::{Class, Engines, TickerHandle};
use crate::files::Granted;
use crate::filesystem::Asked;
use crate::guest::{LogBudget, Shared};
use crate::http::{self, Connector, HttpLimits};
use crate::open;
use crate::policy;
use crate::progress::Told;
use crate::read::{self, ReadError};
use crate::scan::{self, Stamp};
use crate::shape::Shape;
use crate::sidecar::{Ceiling, Grants, Sidecar};
use crate::state::State;
use crate::world::{self, Import, Seen};

/// The largest sidecar, in bytes.
pub(crate) const MAX_SIDECAR: u64 = 64 << 10;
/// Guests take turns on one thread; more of them at once would make the wall clocks of all run out.
const MAX_RUNNING: usize = 8;
/// A file that has not changed for this long is taken to be complete.
const SETTLED: Duration = Duration::from_millis(50);
/// A file that keeps changing is read after this many looks; it will be read again when it changes again.
const MAX_LOOKS: u32 = 40;

/// Loads collectors; one for the whole runtime.
pub(crate) struct Loader {
    engines: Engines,
    ticker: TickerHandle,
    pub(crate) artifacts: Artifacts,
    ceiling: Ceiling,
    connector: Arc<Connector>,
    asked: Asked,
    /// Threads for the host's own reads, apart from those that a guest's reads may hold.
    pool: runtime::Handle,
    /// So many guests run at the same time; a call's wall clock starts when it is one of them.
    places: Arc<Semaphore>,
    budget: Budget,
}

/// What to load.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) wasm: PathBuf,
    /// May be absent.
    pub(crate) sidecar: PathBuf,
    pub(crate) log: Arc<LogBudget>,
    /// What is at work; equal files are not loaded again.
    pub(crate) before: Option<Version>,
    /// Somebody asked for it: the file is read even if its digest is remembered.
    pub(crate) reread: bool,
    /// Before it replaces another component that worked.
    pub(crate) probe: Option<Probe>,
    /// Whether a description that breaks the rules is taken all the same, to be shown to its author, and granted folders
    /// that are not there are left out.
    pub(crate) tolerant: bool,
}

/// Which files a collector was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The component's SHA-256, in hexadecimal.
    pub(crate) digest: String,
    /// The sidecar's text; empty where there is none.
    pub(crate) sidecar: Arc<str>,
}

/// What a new version is tried with.
#[derive(Clone)]
pub(crate) struct Probe {
    /// The component that worked: the same one again need not be tried.
    pub(crate) digest: String,
    pub(crate) sample: Arc<Sample>,
    pub(crate) state: State,
}

/// What came of a load.
pub(crate) enum Outcome {
    Loaded(Box<Loaded>),
    /// The files are those that are at work.
    Unchanged,
}

/// A collector that has described itself.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) callable: Callable,
    pub(crate) description: types::Description,
    /// What of it breaks the rules; nothing, unless the job was tolerant.
    pub(crate) flaws: Vec<String>,
    /// Granted folders that are not there, each with its cure; as above.
    pub(crate) absent: Vec<String>,
    pub(crate) version: Version,
}

/// Files that did not become a collector.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// Once the file has been read.
    pub(crate) digest: Option<String>,
    pub(crate) failed: Failed,
    /// Worth trying again: the host or the machine was at fault, or something that may be otherwise next time.
    pub(crate) again: bool,
    /// What the newest sidecar grants, where that could be read.
    pub(crate) grants: Option<Grants>,
}

impl Job {
    /// For the first load of a plugin of a directory.
    pub(crate) fn new(name: &str, dir: &Path) -> Self {
        Job {
            name: name.to_owned(),
            wasm: dir.join(format!("{name}.wasm")),
            sidecar: dir.join(format!("{name}.toml")),
            log: Arc::default(),
            before: None,
            reread: false,
            probe: None,
            tolerant: false,
        }
    }
}

impl Loaded {
    /// What its component asks of a host.
    pub(crate) fn imports(&self) -> Vec<Import> {
        world::imports(&self.callable.engine, self.callable.pre.instance_pre().component())
    }
}

impl Loader {
    pub(crate) fn new(ticker: TickerHandle, config: &Config, pool: runtime::Handle) -> wasmtime::Result<Self> {
        let engines = Engines::new(ticker.clone())?;
        Ok(Loader {
            artifacts: Artifacts::new(config, &engines.usual()?, pool.clone()),
            engines,
            ticker,
            ceiling: config.ceiling.clone(),
            connector: Arc::new(Connector::system()),
            asked: Asked::default(),
            pool,
            places: Arc::new(Semaphore::new(MAX_RUNNING)),
            budget: Budget::new(&config.budget),
        })
    }

    /// Loads what a job names; `told` has how far that is where something has to be compiled for it.
    pub(crate) async fn load(&self, job: &Job, told: &watch::Sender<Told>) -> Result<Outcome, Refused> {
        self.settle(&job.wasm, &job.sidecar).await;
        let mut refused = Refused { digest: None, failed: invalid(String::new()), again: false, grants: None };
        let refuse = |refused: &Refused, failed| Refused { failed, ..refused.clone() };
        let digest = self.artifacts.digest(&job.wasm, job.reread).await;
        let (text, sidecar) = self.sidecar(&job.sidecar).await.map_err(|failed| refuse(&refused, failed))?;
        refused.grants = Some(sidecar.grant.clone());
        let digest = digest.map_err(|reason| refuse(&refused, invalid(reason)))?;
        let version = Version { digest, sidecar: text.into() };
        if job.before.as_ref() == Some(&version) {
            return Ok(Outcome::Unchanged);
        }
        refused.digest = Some(version.digest.clone());
        let class = self.class(&sidecar).map_err(|failed| refuse(&refused, failed))?;
        let artifact = self.artifacts.get(&class, &job.wasm, &version.digest, told).await;
        let artifact =
            artifact.map_err(|e| Refused { again: !e.is_final(), ..refuse(&refused, invalid(e.to_string())) })?;
        let loaded = self.ready(job, &class, &artifact, sidecar, version).await;
        let loaded = loaded.map_err(|failed| Refused {
            again: failed.blameless || policy::may_pass(failed.failure),
            ..refuse(&refused, failed)
        })?;
        Ok(Outcome::Loaded(Box::new(loaded)))
    }

    /// A plugin's state from the archive. A disk that fails is said there.
    pub(crate) async fn state(&self, archive: &Archive, plugin: &str) -> State {
        let (archive, plugin) = (archive.clone(), plugin.to_owned());
        self.blocking(move || archive.state(&plugin)).await.unwrap_or_default()
    }

    /// Loads a version that worked before, whose file is gone: its artifact may still be in the cache.
    pub(crate) async fn load_again(&self, job: &Job, version: Version) -> Result<Loaded, Failed> {
        let sidecar = self.parse(&version.sidecar)?;
        let class = self.class(&sidecar)?;
        let artifact = self.artifacts.cached(&class, &version.digest).await.map_err(|e| invalid(e.to_string()))?;
        let artifact = artifact.ok_or_else(gone)?;
        self.ready(&Job { probe: None, ..job.clone() }, &class, &artifact, sidecar, version).await
    }

    /// What a component is and asks for; nothing of it runs.
    pub(crate) async fn inspect(&self, wasm: &Path, digest: &str, told: &watch::Sender<Told>) -> Result<Seen, Failed> {
        let class = self.class(&self.parse("")?)?;
        let artifact = self.artifacts.get(&class, wasm, digest, told).await;
        let artifact = artifact.map_err(|e| invalid(e.to_string()))?;
        Ok(world::see(&class, &artifact.component))
    }

    /// Finds, opens and links a version's artifact: how long that took.
    pub(crate) async fn open_cached(&self, version: &Version) -> Result<Duration, Failed> {
        let class = self.class(&self.parse(&version.sidecar)?)?;
        let start = Instant::now();
        let artifact = self.artifacts.cached_here(&class, &version.digest).map_err(|e| invalid(e.to_string()))?;
        let artifact = artifact.ok_or_else(gone)?;
        world::check(&class, &artifact.component).map_err(all)?;
        Ok(start.elapsed())
    }

    /// From a component to a collector that has shown that it works.
    async fn ready(
        &self,
        job: &Job,
        class: &Class,
        artifact: &Artifact,
        mut sidecar: Sidecar,
        version: Version,
    ) -> Result<Loaded, Failed> {
        let pre = world::check(class, &artifact.component).map_err(all)?;
        let absent = if job.tolerant { take_absent(&mut sidecar.grant) } else { Vec::new() };
        let shared = Arc::new(self.shared(job, sidecar, &artifact.shape)?);
        let (engine, ticker) = (class.engine.clone(), self.ticker.clone());
        let (places, budget) = (self.places.clone(), self.budget.clone());
        let callable = Callable { engine, ticker, places, budget, pre, shared };
        let of = |what: &str, failed: Failed| Failed { reason: format!("{what}: {}", failed.reason), ..failed };
        let description = callable.describe().await.map_err(|failed| of("describe", failed))?;
        let flaws = world::flaws(&description);
        if !(flaws.is_empty() || job.tolerant) {
            return Err(invalid(format!("describe: {}", flaws.join("; "))));
        }
        if let Some(probe) = job.probe.as_ref().filter(|probe| probe.digest != version.digest) {
            let collected = callable.collect(&mut None, probe.sample.clone(), probe.state.clone()).await;
            collected.result.map_err(|failed| of("its first collect", failed))?;
        }
        Ok(Loaded { callable, description, flaws, absent, version })
    }

    async fn sidecar(&self, path: &Path) -> Result<(String, Sidecar), Failed> {
        let text = match self.read_file(path, MAX_SIDECAR).await {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| invalid("its sidecar is not UTF-8 text".into()))?,
            Err(ReadError::NotFound) => String::new(),
            Err(e) => return Err(invalid(e.of("its sidecar"))),
        };
        let sidecar = self.parse(&text)?;
        Ok((text, sidecar))
    }

    fn parse(&self, text: &str) -> Result<Sidecar, Failed> {
        Sidecar::parse(text, &self.ceiling).map_err(|problems| {
            let all: Vec<String> = problems.iter().map(Problem::to_string).collect();
            invalid(format!("its sidecar is wrong: {}", all.join("; ")))
        })
    }

    fn class(&self, sidecar: &Sidecar) -> Result<Class, Failed> {
        let class = self.engines.with_stack(sidecar.limits.stack);
        class.map_err(|e| invalid(format!("an engine with limits.stack cannot be made: {e:#}")))
    }

    fn shared(&self, job: &Job, sidecar: Sidecar, shape: &Shape) -> Result<Shared, Failed> {
        let config_json = serde_json::to_value(&sidecar.config)
            .map_err(|e| invalid(format!("its sidecar's [config] cannot be handed over: {e}")))?;
        let http = self.http(&sidecar);
        Ok(Shared {
            name: job.name.clone(),
            files: self.granted(&sidecar.grant),
            folders: self.ceiling.dirs.clone(),
            filesystems: self.ceiling.filesystems.clone(),
            asked: self.asked.clone(),
            sidecar,
            config_json,
            http,
            log: job.log.clone(),
            budget: self.budget.clone(),
            base: shape.host_bytes,
        })
    }

    /// What the `files` import may read of a grant.
    pub(crate) fn granted(&self, grant: &Grants) -> Granted {
        Granted::new(grant.read.clone(), self.ceiling.read.clone())
    }

    /// What `wasi:http` may reach, and how much of it.
    pub(crate) fn http(&self, sidecar: &Sidecar) -> Arc<http::Granted> {
        let limits = &sidecar.limits;
        let limits =
            HttpLimits { requests: limits.http_requests, bytes: limits.http_bytes, timeout: limits.http_timeout };
        let (origins, connector) = (sidecar.grant.http.clone(), self.connector.clone());
        Arc::new(http::Granted { origins, limits, connector })
    }

    /// Waits until neither file has changed for a moment, so that one that is being copied is not judged half.
    async fn settle(&self, wasm: &Path, sidecar: &Path) {
        let left_alone = |stamp| scan::is_settled(stamp, SETTLED, SystemTime::now());
        let mut seen = self.stamps(wasm, sidecar).await;
        for _ in 0..MAX_LOOKS {
            if seen.into_iter().all(left_alone) {
                return;
            }
            tokio::time::sleep(SETTLED).await;
            let now = self.stamps(wasm, sidecar).await;
            if now == seen {
                return;
            }
            seen = now;
        }
    }

    /// Off the guests' thread: a link may lead to a disk that does not answer.
    async fn stamps(&self, wasm: &Path, sidecar: &Path) -> [Option<Stamp>; 2] {
        let (wasm, sidecar) = (wasm.to_owned(), sidecar.to_owned());
        self.blocking(move || [Stamp::of(&wasm), Stamp::of(&sidecar)]).await.unwrap_or_default()
    }

    async fn read_file(&self, path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
        let path = path.to_owned();
        self.blocking(move || read::bounded(&path, most)).await.map_err(ReadError::Io)?
    }

    async fn blocking<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        self.pool.spawn_blocking(job).await.map_err(|e| e.to_string())
    }
}

/// Takes granted folders that are not there out of a grant: which, in words.
fn take_absent(grant: &mut Grants) -> Vec<String> {
    let mut absent = Vec::new();
    grant.dirs.retain(|dir| {
        let is_absent = matches!(open::folder(&dir.path), Err(Errno::NOENT));
        if is_absent {
            absent.push(format!("`{}`: {}", dir.path.display(), open::folder_words(Errno::NOENT)));
        }
        !is_absent
    });
    absent
}

fn gone() -> Failed {
    invalid("it is not in the cache any more".into())
}

fn all(problems: Vec<String>) -> Failed {
    invalid(problems.join("; "))
}

fn invalid(reason: String) -> Failed {
    Failed::new(Failure::Invalid, reason)
}
