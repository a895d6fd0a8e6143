//! Configuration: one TOML file, then environment, then flags; resolved once, every problem named.
//!
//! Each part of sandbeat owns its own settings; this file only nests them and says where a value came from.

mod environment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sandbeat_agent::Sections;
use sandbeat_agent::config::{ApiSection, DisksSection, ReportSection, SandboxSection, SessionsSection};
use sandbeat_collectors::CompilerCommand;
use sandbeat_status::settings::{Place, Problem, Settings};
use sandbeat_supervisor::RawProcess;
use serde::Deserialize;

use self::environment::{overlay, variables};
use crate::args::ConfigFile;
use crate::output::{self, Problems};

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Where the file is looked for when no flag names it.
const USUAL_FILES: [&str; 2] = ["sandbeat.toml", "/etc/sandbeat/sandbeat.toml"];
/// The section of the hub; all others are the agent's.
const HUB: &str = "hub";

/// Whom a configuration is for; the agent and the hub may share a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readers {
    pub(crate) agent: bool,
    pub(crate) hub: bool,
}

/// Everything that `sandbeat run` runs on.
pub(crate) struct Config {
    pub(crate) agent: sandbeat_agent::Config,
    pub(crate) plugins: sandbeat_collectors::Config,
    pub(crate) processes: sandbeat_supervisor::Config,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    sandbox: SandboxSection,
    report: ReportSection,
    metadata: BTreeMap<String, String>,
    api: ApiSection,
    sessions: SessionsSection,
    disks: DisksSection,
    plugins: sandbeat_collectors::RawConfig,
    processes: BTreeMap<String, RawProcess>,
    agents: BTreeMap<String, RawProcess>,
    reload: RawReload,
    hub: sandbeat_hub::RawConfig,
}

/// `[reload]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawReload {
    /// Whether a change of the file is taken without being asked.
    watch: bool,
}

/// The settings of file and environment, not yet judged.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    settings: Settings,
    /// The file, where there is one.
    pub(crate) file: Option<PathBuf>,
}

impl Source {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// The file cannot be read, or is not TOML.
    pub(crate) fn read(option: &ConfigFile) -> anyhow::Result<Self> {
        let file = match &option.config {
            Some(file) => Some(file.clone()),
            None => USUAL_FILES.iter().map(PathBuf::from).find(|file| file.exists()),
        };
        let mut settings = match &file {
            Some(file) => {
                let text = read(file).with_context(|| format!("cannot read the configuration {}", file.display()))?;
                let problem = |problem: Problem| Problems(vec![in_file(problem, Some(file))]);
                Settings::parse(&text).map_err(problem)?
            }
            None => Settings::default(),
        };
        overlay(&mut settings, variables());
        Ok(Source { settings, file })
    }

    /// The environment alone.
    fn environment(variables: impl Iterator<Item = (String, String)>) -> Self {
        let mut settings = Settings::default();
        overlay(&mut settings, variables);
        Source { settings, file: None }
    }

    /// Takes a text as the file, without environment.
    ///
    /// # Errors
    /// It is not TOML.
    #[cfg(any(test, feature = "bundled"))]
    pub(crate) fn of(text: &str) -> Result<Self, Problems> {
        let settings = Settings::parse(text).map_err(|problem| Problems(vec![problem]))?;
        Ok(Source { settings, file: None })
    }

    /// The agent's configuration.
    ///
    /// # Errors
    /// All [`Problems`] with it.
    pub(crate) fn agent(&self) -> Result<Config, Problems> {
        let (raw, mut problems) = self.judge("");
        let agent = problems.agent(raw);
        problems.end(agent)
    }

    /// Whom it is for. Without any section it is the agent's, whose keys are then missing.
    pub(crate) fn readers(&self) -> Readers {
        let sections = self.settings.differing(&Settings::default());
        let hub = sections.iter().any(|section| section == HUB);
        Readers { agent: !hub || sections.len() > 1, hub }
    }

    /// Judges it for everyone whom it is for.
    ///
    /// # Errors
    /// All [`Problems`] with it.
    pub(crate) fn check(&self) -> Result<(), Problems> {
        let readers = self.readers();
        let (mut raw, mut problems) = self.judge("");
        if readers.hub {
            problems.hub(std::mem::take(&mut raw.hub));
        }
        if readers.agent {
            problems.agent(raw);
        }
        problems.end(Some(()))
    }

    /// The plugins' configuration alone.
    ///
    /// # Errors
    /// [`Problems`] with `[plugins]`.
    pub(crate) fn plugins(&self) -> Result<sandbeat_collectors::Config, Problems> {
        let (raw, mut problems) = self.judge("plugins");
        let (plugins, wrong) = raw.plugins.resolve(compiler());
        problems.add("plugins.", wrong);
        problems.end(Some(plugins))
    }

    /// What can be read of the plugins' configuration, and what is wrong with the rest, for one who only looks.
    pub(crate) fn plugins_anyway(&self) -> (sandbeat_collectors::Config, Vec<Problem>) {
        let (raw, mut problems) = self.judge("plugins");
        let (plugins, wrong) = raw.plugins.resolve(compiler());
        problems.add("plugins.", wrong);
        (plugins, problems.problems)
    }

    /// The processes with which nothing is wrong, for one who only looks.
    pub(crate) fn processes_anyway(&self) -> sandbeat_supervisor::Config {
        let (raw, _) = self.judge("");
        sandbeat_supervisor::resolve(raw.processes, raw.agents).0
    }

    /// What is to be said of the value under a key, with the place where it is written.
    pub(crate) fn problem(&self, key: &str, message: String) -> Problem {
        in_file(self.settings.problem(key, message), self.file.as_deref())
    }

    /// Whether a change of the file is taken without being asked.
    pub(crate) fn watched(&self) -> bool {
        self.judge("reload").0.reload.watch
    }

    /// The sections that differ from those of another source.
    pub(crate) fn differing(&self, other: &Source) -> Vec<String> {
        self.settings.differing(&other.settings)
    }

    /// The sandbox's id, where it is set.
    pub(crate) fn sandbox_id(&self) -> Option<String> {
        self.judge("sandbox").0.sandbox.id
    }

    /// Where the agent's local API is, and its token. Other problems do not matter to one who only asks.
    ///
    /// # Errors
    /// [`Problems`] with `[api]`.
    fn api(&self) -> Result<sandbeat_agent::api::Config, Problems> {
        let (raw, mut problems) = self.judge("api");
        let (api, wrong) = sandbeat_agent::config::resolve_api(raw.api);
        problems.add("", wrong);
        problems.end(api)
    }

    /// The hub's configuration.
    ///
    /// # Errors
    /// All [`Problems`] with it.
    pub(crate) fn hub(&self) -> Result<sandbeat_hub::Config, Problems> {
        let (raw, mut problems) = self.judge("");
        let hub = problems.hub(raw.hub);
        problems.end(Some(hub))
    }

    /// What is written, and the problems of reading it whose keys begin like this.
    fn judge(&self, section: &str) -> (Raw, Judge<'_>) {
        let (raw, mut problems) = self.settings.read::<Raw>();
        problems.retain(|problem| problem.key.starts_with(section));
        (raw.unwrap_or_default(), Judge { source: self, problems })
    }

    /// Lays a flag over file and environment.
    pub(crate) fn flag(&mut self, path: [&str; 2], value: &str, flag: &str) {
        environment::lay(&mut self.settings, &path, value, flag);
    }
}

/// Where the running agent's local API is, and its token, for one who asks it. A file that cannot be read, as one that
/// is just being edited, does not matter where the environment says where to ask; it is warned of.
///
/// # Errors
/// The file cannot be read or is not TOML, and is needed; or [`Problems`] with `[api]`.
pub(crate) fn api(option: &ConfigFile) -> anyhow::Result<sandbeat_agent::api::Config> {
    let source = match Source::read(option) {
        Ok(source) => source,
        Err(error) => {
            let environment = Source::environment(variables());
            let Place::Named(name) = environment.settings.place("api.listen") else { return Err(error) };
            output::warning(format_args!("{error:#}; {name} says where to ask, so this goes on without the file"));
            environment
        }
    };
    Ok(source.api()?)
}

/// How the agent starts the compiler of collectors: the same binary, even where its file has been replaced since.
pub(crate) fn compiler() -> CompilerCommand {
    CompilerCommand { program: "/proc/self/exe".into(), args: vec!["compile-component".into()] }
}

/// Gathers problems from all parts and gives each its place.
struct Judge<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Judge<'_> {
    /// What the agent runs on, unless too much is wrong with it.
    fn agent(&mut self, raw: Raw) -> Option<Config> {
        let Raw { sandbox, report, metadata, api, sessions, disks, .. } = raw;
        let (agent, wrong) = sandbeat_agent::resolve(Sections { sandbox, report, metadata, api, sessions, disks });
        self.add("", wrong);
        let (plugins, wrong) = raw.plugins.resolve(compiler());
        self.add("plugins.", wrong);
        let (processes, wrong) = sandbeat_supervisor::resolve(raw.processes, raw.agents);
        self.add("", wrong);
        agent.map(|agent| Config { agent, plugins, processes })
    }

    /// What the hub runs on.
    fn hub(&mut self, raw: sandbeat_hub::RawConfig) -> sandbeat_hub::Config {
        let (hub, wrong) = raw.resolve();
        self.add("hub.", wrong);
        hub
    }

    fn add(&mut self, prefix: &str, wrong: Vec<Problem>) {
        for problem in wrong {
            let key = format!("{prefix}{}", problem.key);
            // A value that could not be read has been named already; that it is now missing would mislead.
            if !self.problems.iter().any(|known| known.key == key) {
                self.problems.push(self.source.settings.problem(&key, problem.message));
            }
        }
    }

    /// The value, when nothing is wrong with it.
    fn end<T>(mut self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => return Ok(value),
            _ => {}
        }
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
        let file = self.source.file.as_deref();
        Err(Problems(self.problems.into_iter().map(|problem| in_file(problem, file)).collect()))
    }
}

fn in_file(problem: Problem, file: Option<&Path>) -> Problem {
    match (problem.place, file) {
        (Place::Line(line), Some(file)) => {
            Problem { place: Place::Named(format!("{} line {line}", file.display())), ..problem }
        }
        (place, _) => Problem { place, ..problem },
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(file)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    anyhow::ensure!(text.len() as u64 <= MAX_FILE, "it is larger than 1 MiB");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str, variables: &[(&str, &str)]) -> Source {
        let mut source = Source::of(text).unwrap();
        overlay(&mut source.settings, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Source { file: Some("sandbeat.toml".into()), ..source }
    }

    fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let Err(Problems(problems)) = source(text, variables).agent() else { return Vec::new() };
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_documented_file_is_good() {
        let text = include_str!("../../docs/sandbeat.example.toml");
        assert_eq!(problems(text, &[]), Vec::<String>::new());
        let hub = text.split_once("# [hub]").unwrap().1.replace("\n# ", "\n");
        let section = format!("[hub]{hub}").parse::<toml::Table>().unwrap();
        assert!(section["hub"].as_table().unwrap().len() > 5);
        let files_are_missing =
            |problem: &Problem| problem.key.ends_with("_file") || problem.key.starts_with("hub.tls_");
        let Err(Problems(found)) = source(&format!("[hub]{hub}"), &[]).check() else { panic!("the files are there") };
        assert!(found.iter().all(files_are_missing), "{found:#?}");
    }

    #[test]
    fn the_environment_of_earlier_agents_is_enough() {
        let variables = [("AGENT_SERVER_URL", "http://127.0.0.1:1/"), ("AGENT_SANDBOX_ID", "1"), ("AGENT_TOKEN", "2")];
        assert_eq!(problems("", &variables), Vec::<String>::new());
    }

    #[test]
    fn every_problem_of_every_part_is_named_with_its_place() {
        let found = problems(
            "[report]\ninterval = \"soon\"\n[plugins]\nscan_interval = \"1ms\"\n[procesess.web]\ncommand = [\"x\"]\n\
             [processes.db]\ncommand = []\n",
            &[("SANDBEAT_API__LISTN", "off")],
        );
        for part in [
            "sandbeat.toml line 2: report.interval: `soon`",
            "sandbeat.toml line 4: plugins.scan_interval: ",
            "sandbeat.toml line 5: procesess: unknown key; did you mean `processes`?",
            "sandbeat.toml line 8: processes.db.command: ",
            "SANDBEAT_API__LISTN: api.listn: unknown key; did you mean `listen`?",
            "sandbox.id: is missing",
            "sandbeat.toml line 1: report.server_url: is missing",
        ] {
            assert!(found.iter().any(|problem| problem.starts_with(part)), "{part}: {found:#?}");
        }
    }

    #[test]
    fn a_token_in_the_environment_replaces_the_file_s() {
        let text = "[sandbox]\nid = \"a\"\n[report]\nserver_url = \"http://h\"\ntoken_file = \"/nowhere\"\n";
        assert_eq!(problems(text, &[("AGENT_TOKEN", "t")]), Vec::<String>::new());
        assert_eq!(problems(text, &[]).len(), 1);
    }
}
