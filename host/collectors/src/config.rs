//! `[plugins]`: where collectors lie and what they may be granted at most.

use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::settings::{self, Problem};
use serde::Deserialize;

use crate::budget::BudgetConfig;
use crate::compile::CompilerCommand;
use crate::sidecar::{Ceiling, RawCeiling};

/// The resolved `[plugins]`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The plugins directory.
    pub dir: PathBuf,
    /// The folder of compiled artifacts; `None`: the first usable one of the usual places.
    pub cache_dir: Option<PathBuf>,
    /// How often the directory is looked at even without a notification.
    pub scan_interval: Duration,
    /// What sidecars may grant at most.
    pub ceiling: Ceiling,
    /// What all collectors together may use.
    pub budget: BudgetConfig,
    /// How the compiling child is started.
    pub compiler: CompilerCommand,
}

/// `[plugins]` as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// The plugins directory; relative to the working directory.
    pub dir: PathBuf,
    /// The folder of compiled artifacts.
    pub cache_dir: Option<PathBuf>,
    /// How often the directory is looked at.
    #[serde(deserialize_with = "settings::duration")]
    pub scan_interval: Duration,
    /// What sidecars may grant at most.
    pub ceiling: RawCeiling,
    /// What all collectors together may use.
    pub budget: BudgetConfig,
}

impl Default for RawConfig {
    fn default() -> Self {
        RawConfig {
            dir: "plugins".into(),
            cache_dir: None,
            scan_interval: Duration::from_secs(5),
            ceiling: RawCeiling::default(),
            budget: BudgetConfig::default(),
        }
    }
}

impl RawConfig {
    /// The configuration, and what is wrong with it; keys are relative to `[plugins]`.
    pub fn resolve(self, compiler: CompilerCommand) -> (Config, Vec<Problem>) {
        let (ceiling, problems) = self.ceiling.resolve();
        let mut problems: Vec<Problem> = problems
            .into_iter()
            .map(|problem| Problem { key: format!("ceiling.{}", problem.key), ..problem })
            .collect();
        let budget = self.budget.wrong().into_iter();
        problems.extend(budget.map(|problem| Problem { key: format!("budget.{}", problem.key), ..problem }));
        if self.scan_interval < Duration::from_millis(100) {
            problems.push(Problem::new("scan_interval", "is too short; 100ms is the least"));
        }
        let RawConfig { dir, cache_dir, scan_interval, budget, .. } = self;
        (Config { dir, cache_dir, scan_interval, ceiling, budget, compiler }, problems)
    }
}
