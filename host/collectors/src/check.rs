//! Looks at the plugins directory once, without keeping anything running: what `sandbeat check` says of it.

use tokio::sync::watch;

use crate::load::{Job, Outcome, Refused};
use crate::runtime::{StartError, loader, pool};
use crate::workbench::{Setting, differences, granted_keys, ungranted};
use crate::{Config, scan};

/// What was found out about one plugin.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The file's name without `.wasm`.
    pub name: String,
    /// The collector's version and summary, or why it would be rejected.
    pub result: Result<Accepted, String>,
}

/// A plugin that would be loaded.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The collector's own version.
    pub version: String,
    /// What it measures, in its own words.
    pub summary: String,
    /// What its sidecar grants, one line each; empty when nothing.
    pub grants: Vec<String>,
    /// What its sidecar sets otherwise than by default.
    pub settings: Vec<Setting>,
    /// What it imports and its sidecar grants nothing of.
    pub ungranted: Vec<String>,
}

/// Loads and describes every plugin of the directory.
///
/// # Errors
/// The runtime cannot be started, or the directory cannot be read.
pub fn check(config: &Config) -> Result<Vec<Checked>, CheckError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    let (look, _) = scan::look(&config.dir)
        .map_err(|e| CheckError::Directory { dir: config.dir.display().to_string(), words: e.to_string() })?;
    let pool = pool().map_err(StartError::Thread)?;
    let (loader, _ticker) = loader(config, pool.handle().clone())?;
    let misnamed = look.misnamed.into_iter().map(|(name, reason)| Checked { name, result: Err(reason) });
    let mut checked: Vec<Checked> = misnamed.collect();
    for name in look.plugins.into_keys() {
        let job = Job::new(&name, &config.dir);
        let result = match runtime.block_on(loader.load(&job, &watch::Sender::new(None))) {
            Ok(Outcome::Unchanged) => Err("the host took it for loaded; please report this".into()),
            Ok(Outcome::Loaded(loaded)) => Ok(Accepted {
                ungranted: ungranted(&loaded.imports(), &granted_keys(&loaded.version.sidecar)),
                version: loaded.description.version,
                summary: loaded.description.summary,
                grants: loaded.callable.shared.sidecar.grant.lines(),
                settings: differences(&loaded.callable.shared.sidecar),
            }),
            Err(Refused { failed, .. }) => Err(failed.reason),
        };
        checked.push(Checked { name, result });
    }
    Ok(checked)
}

/// Why plugins could not be checked. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The directory cannot be read.
    #[error("plugins.dir: `{dir}` cannot be read: {words}; create it or change plugins.dir")]
    Directory {
        /// The directory.
        dir: String,
        /// The operating system's words.
        words: String,
    },
    /// The runtime cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
}
