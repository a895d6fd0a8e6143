//! `[plugins]`: where collectors lie and what they may be granted at most.

use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::settings::{self, Problem};
use serde::Deserialize;

use crate::budget::BudgetConfig;
use crate::compile::{CompileLimits, CompilerCommand};
use crate::sidecar::{Ceiling, RawCeiling};

/// The resolved `[plugins]`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The plugins directory.
    pub dir: PathBuf,
    /// The folder of compiled artifacts; `None`: the first usable one of the usual places.
    pub cache_dir: Option<PathBuf>,
    /// What the artifacts of all may take on disk, in bytes.
    pub cache_size: u64,
    /// The folder of what outlives the agent; `None`: the first usable one of the usual places.
    pub state_dir: Option<PathBuf>,
    /// What compiling one component may cost.
    pub compile: CompileLimits,
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
    /// What the compiled artifacts may take on disk, in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub cache_size: u64,
    /// The folder of what outlives the agent: collectors' states and last good versions.
    pub state_dir: Option<PathBuf>,
    /// How long compiling one component may take.
    #[serde(deserialize_with = "settings::duration")]
    pub compile_timeout: Duration,
    /// The address space of the compiler, in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub compile_memory: u64,
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
        let compile = CompileLimits::default();
        RawConfig {
            dir: "plugins".into(),
            cache_dir: None,
            cache_size: 512 << 20,
            state_dir: None,
            compile_timeout: compile.timeout,
            compile_memory: compile.memory,
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
        if !(Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&self.scan_interval) {
            problems.push(Problem::new("scan_interval", "has to be between 100ms and 1h"));
        }
        if !(256 << 20..=64 << 30).contains(&self.compile_memory) {
            problems.push(Problem::new("compile_memory", "has to be between 256MiB and 64GiB"));
        }
        if self.compile_timeout > Duration::from_secs(3600) {
            problems.push(Problem::new("compile_timeout", "has to be 1h or less"));
        }
        let RawConfig { dir, cache_dir, cache_size, state_dir, scan_interval, budget, .. } = self;
        let compile = CompileLimits { timeout: self.compile_timeout, memory: self.compile_memory };
        let config =
            Config { dir, cache_dir, cache_size, state_dir, compile, scan_interval, ceiling, budget, compiler };
        (config, problems)
    }
}
