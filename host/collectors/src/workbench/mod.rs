//! One collector at a time, outside of a running agent: for its author, and for measurements. Everything here is the
//! production code of the runtime; only the loop around it is missing.
//!
//! Blocks; not to be used inside an async runtime.

mod about;
mod mismatch;
mod terms;
mod ungranted;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbeat_status::{Compiling, Failure, Sample, names};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::blame::UNAVAILABLE;
use crate::call::{Collected, Failed, Kept};
use crate::compile::MAX_COMPONENT;
use crate::digest::digest;
use crate::engine::Ticker;
use crate::load::{Job, Loaded, Loader, Outcome};
use crate::progress::Told;
use crate::runtime::{self, StartError};
use crate::scan::Stamp;
use crate::series::Series;
use crate::sidecar::{Ceiling, Instance, KeepState};
use crate::state::State;
use crate::{Config, Contribution, read, validate};

pub use self::about::{About, KeyAbout, MetricAbout};
pub use self::mismatch::Mismatch;
pub use self::terms::{Setting, Terms};
pub(crate) use self::terms::{differences, granted_keys};
pub(crate) use self::ungranted::ungranted;
pub use crate::world::Import;
use crate::world::{self, Seen};

/// How often it is said how long a compilation takes, where nothing else is new.
const LOOK: Duration = Duration::from_millis(500);

/// Loads collectors.
pub struct Workbench {
    runtime: Runtime,
    // Kept for the threads that it lends; ends with the bench.
    pool: Option<Runtime>,
    loader: Loader,
    ceiling: Ceiling,
    tell: Option<Tell>,
    _ticker: Ticker,
}

/// Learns how far the compilation of a component is, about twice a second or more often; `None` when it has ended.
pub type Tell = Box<dyn Fn(Option<Compiling>) + Send + Sync>;

/// A component as it lies there, before anything of it has run.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// `sha256:` and the digest in hexadecimal.
    pub digest: String,
    /// The file's size, in bytes.
    pub bytes: u64,
    /// The version of the collector world that it was built for, such as `sandbeat:collector@0.1.0`; `None` when it is
    /// no collector.
    pub world: Option<String>,
    /// What it asks of a host, in its own order.
    pub imports: Vec<Import>,
    /// Everything in its exports and imports for which the agent would refuse it.
    pub problems: Vec<String>,
    /// Why nothing but its size is known: it is no component, or cannot be compiled.
    pub unusable: Option<Failing>,
}

/// Which files a collector was made from, so that another look tells whether one has been replaced or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps([Option<Stamp>; 2]);

/// What a collector keeps from one version of its files to the next.
#[derive(Debug, Default)]
pub struct Carried {
    state: State,
    series: Series,
}

/// A loaded collector, ready to be called.
pub struct Specimen<'a> {
    bench: &'a Workbench,
    loaded: Loaded,
    kept: Option<Kept>,
    carried: Carried,
}

/// One collect.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What would be merged into a report.
    pub contribution: Contribution,
    /// From its turn to its end.
    pub took: Duration,
    /// The CPU that it used of that.
    pub cpu: Duration,
    /// The most memory that its instance has ever had, in bytes.
    pub peak_memory: u64,
}

/// A load or a call that failed, as the agent would show it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{failure}: {reason}")]
pub struct Failing {
    /// Its name.
    pub failure: Failure,
    /// In words.
    pub reason: String,
    /// Where in the guest, the innermost function first.
    pub trace: Option<String>,
}

impl From<Failed> for Failing {
    fn from(Failed { failure, reason, trace, .. }: Failed) -> Self {
        Failing { failure, reason, trace }
    }
}

impl Failing {
    /// Whether it may be otherwise on another machine: something is not granted, or what is measured is not there.
    pub fn is_of_this_machine(&self) -> bool {
        match self.failure {
            Failure::Denied => true,
            Failure::Collector => self.reason.starts_with(UNAVAILABLE),
            _ => false,
        }
    }
}

impl Workbench {
    /// With the cache, the ceiling and the budget of a configuration; its directory is not looked at.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let pool = runtime::pool()?;
        let (loader, ticker) = runtime::loader(config, pool.handle().clone())?;
        let ceiling = config.ceiling.clone();
        Ok(Workbench { runtime, pool: Some(pool), loader, ceiling, tell: None, _ticker: ticker })
    }

    /// From now on, `tell` learns how far it is when something has to be compiled, on the thread that waits for it.
    pub fn telling(mut self, tell: Tell) -> Self {
        self.tell = Some(tell);
        self
    }

    /// Compiles a component, or finds it compiled, and lists what it imports, whether or not it is a collector.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn inspect(&self, wasm: &Path) -> Result<Inspection, Failing> {
        let component = read::bounded(wasm, MAX_COMPONENT);
        let component = component.map_err(|e| Failed::new(Failure::Invalid, e.of("the file")))?;
        let (bytes, digest) = (component.len() as u64, digest(&component));
        let found = match world::recognise(&component) {
            Ok(()) => self.attend(async |told| self.loader.inspect(wasm, &digest, told).await),
            Err(reason) => Err(Failed::new(Failure::Invalid, reason)),
        };
        let (Seen { version, imports, problems }, unusable) = match found {
            Ok(seen) => (seen, None),
            Err(failed) => (Seen::default(), Some(failed.into())),
        };
        let world = version.map(|version| format!("sandbeat:collector@{}", names::shown(&version, 32)));
        Ok(Inspection { digest: format!("sha256:{digest}"), bytes, world, imports, problems, unusable })
    }

    /// What the named sidecar says or, without one, that which lies beside the component, if any.
    pub fn terms(&self, wasm: &Path, sidecar: Option<&Path>) -> Terms {
        Terms::read(wasm, sidecar, &self.ceiling)
    }

    /// Loads a collector: compiles it or finds it compiled, checks and describes it. Without a sidecar it gets the one
    /// that lies beside it under its name, if there is one.
    ///
    /// # Errors
    /// What the agent would refuse it for, or the named sidecar is not there.
    pub fn load(&self, wasm: &Path, sidecar: Option<&Path>) -> Result<Specimen<'_>, Failing> {
        if let Some(named) = sidecar.filter(|named| !named.exists()) {
            let reason = format!("the sidecar {} is not there", named.display());
            return Err(Failed::new(Failure::Invalid, reason).into());
        }
        let sidecar = sidecar.map_or_else(|| wasm.with_extension("toml"), PathBuf::from);
        self.run(Job { wasm: wasm.to_owned(), sidecar, ..Job::new(&name(wasm), Path::new("")) })
    }

    /// The same under terms that have been read, with a description that may break the rules ([`Specimen::flaws`]) and
    /// without the granted folders that are not there ([`Specimen::absent`]). Where the sidecar is wrong, it is as if
    /// there were none.
    ///
    /// # Errors
    /// What else the agent would refuse it for.
    pub fn load_flawed(&self, wasm: &Path, terms: &Terms) -> Result<Specimen<'_>, Failing> {
        // An empty path is that of no file.
        let sidecar = terms.file.clone().filter(|_| terms.problems.is_empty()).unwrap_or_default();
        self.run(Job { wasm: wasm.to_owned(), sidecar, tolerant: true, ..Job::new(&name(wasm), Path::new("")) })
    }

    fn run(&self, job: Job) -> Result<Specimen<'_>, Failing> {
        let outcome = self.attend(async |told| self.loader.load(&job, told).await);
        match outcome.map_err(|refused| refused.failed)? {
            Outcome::Loaded(loaded) => {
                Ok(Specimen { bench: self, loaded: *loaded, kept: None, carried: Carried::default() })
            }
            Outcome::Unchanged => Err(Failed::new(Failure::Invalid, "nothing was loaded").into()),
        }
    }

    /// Waits for work of which it is told how far it is.
    fn attend<T>(&self, work: impl AsyncFnOnce(&watch::Sender<Told>) -> T) -> T {
        let (teller, mut told) = watch::channel(None);
        let Some(tell) = &self.tell else { return self.runtime.block_on(work(&teller)) };
        let pass_on = async {
            loop {
                // Late or not: how long it takes is news as well.
                let _ = tokio::time::timeout(LOOK, told.changed()).await;
                if let Some(compilation) = *told.borrow() {
                    tell(Some(compilation.status()));
                }
            }
        };
        let done = self.runtime.block_on(async {
            tokio::select! {
                done = work(&teller) => done,
                never = pass_on => never,
            }
        });
        if teller.borrow().is_some() {
            tell(None);
        }
        done
    }
}

fn name(wasm: &Path) -> String {
    wasm.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Inspection {
    /// A line for each import that gives nothing under a sidecar's grants, with the key that would change that.
    pub fn ungranted(&self, terms: &Terms) -> Vec<String> {
        ungranted(&self.imports, &terms.granted)
    }
}

impl Stamps {
    /// Of the files as they are now; a sidecar as for [`Workbench::load`].
    pub fn of(wasm: &Path, sidecar: Option<&Path>) -> Self {
        let sidecar = sidecar.map_or_else(|| wasm.with_extension("toml"), PathBuf::from);
        Stamps([Stamp::of(wasm), Stamp::of(&sidecar)])
    }
}

impl Drop for Workbench {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.shutdown_background();
        }
    }
}

impl<'a> Specimen<'a> {
    /// With what an earlier version kept, as when the agent takes changed files: with `keep_state = "never"`, that is
    /// no state.
    pub fn carrying(self, carried: Carried) -> Specimen<'a> {
        let Carried { state, series } = carried;
        let state = match self.loaded.callable.shared.sidecar.keep_state {
            KeepState::Always | KeepState::Reload => state,
            KeepState::Never => State::default(),
        };
        Specimen { carried: Carried { state, series }, ..self }
    }

    /// What it has kept, for the next version.
    pub fn into_carried(self) -> Carried {
        self.carried
    }

    /// What the collector says of itself.
    pub fn about(&self) -> About {
        About::of(&self.loaded)
    }

    /// What of its description breaks the rules, so that the agent would refuse it; nothing unless it was loaded by
    /// [`Workbench::load_flawed`].
    pub fn flaws(&self) -> &[String] {
        &self.loaded.flaws
    }

    /// Granted folders that are not there, without which it was loaded, so that the agent would refuse it here; nothing
    /// unless it was loaded by [`Workbench::load_flawed`].
    pub fn absent(&self) -> &[String] {
        &self.loaded.absent
    }

    /// How a contribution departs from what the collector describes.
    pub fn mismatches(&self, contribution: &Contribution) -> Vec<Mismatch> {
        mismatch::mismatches(&self.loaded.description, contribution)
    }

    /// Collects once; state is carried from one call to the next, as in the agent.
    ///
    /// # Errors
    /// What the agent would show.
    pub fn collect(&mut self, sample: &Arc<Sample>) -> Result<Measured, Failing> {
        let call = self.loaded.callable.collect(&mut self.kept, sample.clone(), self.carried.state.clone());
        let collected = self.bench.runtime.block_on(call);
        if let Some(state) = collected.state {
            self.carried.state = state;
        }
        let now = Instant::now();
        let plugin = self.loaded.callable.shared.name.as_str();
        let limits = &self.loaded.callable.shared.sidecar.limits;
        let contribution = validate::contribution(plugin, collected.result?, limits, &mut self.carried.series, now);
        let Collected { took, cpu, peak_memory, .. } = collected;
        Ok(Measured { contribution, took, cpu, peak_memory })
    }

    /// Opens the compiled component from the cache and links it once more, as a start of the agent does: how long
    /// that took.
    ///
    /// # Errors
    /// It is not in the cache any more.
    pub fn open_again(&self) -> Result<Duration, Failing> {
        let version = &self.loaded.version;
        Ok(self.bench.runtime.block_on(self.bench.loader.open_cached(version))?)
    }

    /// Whether instances are kept from now on, whatever the sidecar says.
    pub fn keep_instance(&mut self, keep: bool) {
        let shared = Arc::make_mut(&mut self.loaded.callable.shared);
        shared.sidecar.instance = match keep {
            true => Instance::Keep { calls: u64::MAX, memory: u64::MAX },
            false => Instance::Fresh,
        };
        self.kept = None;
    }
}
