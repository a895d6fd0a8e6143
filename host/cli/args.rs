//! The command line; that of `sandbeat hub` is in `hub/args.rs`.

#[cfg(feature = "bundled")]
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
#[cfg(feature = "bundled")]
use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::hub::args::HubOptions;
use crate::logs::Since;

/// The least time between two calls of a collector that is watched; as for `interval` in a sidecar.
const MIN_EVERY: Duration = Duration::from_millis(100);

/// The agent inside a sandbox: it reports a heartbeat, supervises processes, and collects metrics with WebAssembly
/// components that are dropped into a directory.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// What to log on standard error: error, warn, info, debug, trace, or a filter such as `sandbeat_hub=debug`
    #[arg(long, global = true, env = "SANDBEAT_LOG", value_name = "FILTER", value_parser = log_filter)]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent
    Run(ConfigFile),
    /// Run the hub, the server that receives reports, or ask one that runs
    ///
    /// Without a command it is the hub itself. The commands ask one that runs, on this machine or elsewhere.
    /// SIGHUP has the hub look at its certificate and key at once; a changed configuration takes a restart.
    Hub(Box<HubOptions>),
    #[cfg(feature = "bundled")]
    /// Run a hub, an agent, the bundled collectors and a sample process on loopback, and print each report
    Demo(DemoOptions),
    /// Validate configuration, plugins and grants without starting anything
    Check(Print),
    /// Show how the running agent does
    Status(Print),
    /// List the processes that the running agent supervises
    Ps(Print),
    /// Print what a process of the running agent has written
    Logs(LogsOptions),
    /// Start processes of the running agent, where they do not run
    ///
    /// The exit code is 0 when each of them runs, or has ended well since: one that has checks may not have passed
    /// them yet, or fail them, which `ps` shows. It is 1 when one could not be started, has failed, was given up, or
    /// still waits for what it comes after or for its next start when the time is over.
    Start(ControlOptions),
    /// Stop processes of the running agent and all that they have started; they stay stopped
    ///
    /// The exit code is 0 when none of them runs any more, and 1 when one of them still does when the time is over; it
    /// then goes on being stopped.
    Stop(ControlOptions),
    /// Stop processes of the running agent, where they run, and start them
    ///
    /// The exit code is that of `start`: 0 when each of them runs again, whether or not its checks have passed, and 1
    /// where one does not or is still stopping when the time is over.
    Restart(ControlOptions),
    /// Have the running agent read its configuration again
    Reload(Print),
    /// List the coding agents of the sandbox
    Agents(Print),
    /// List the collectors of the running agent, or have one of them loaded again
    Plugins(PluginsOptions),
    /// Make a collector's project; check, run or measure one collector; get those that come with sandbeat
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Compile a component from standard input to standard output; the agent calls this itself
    #[command(hide = true)]
    CompileComponent,
    #[cfg(feature = "bundled")]
    /// The demo's sample process: answers HTTP on loopback
    #[command(hide = true)]
    Sample {
        #[arg(long)]
        listen: SocketAddr,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration file [default: ./sandbeat.toml where it exists, else /etc/sandbeat/sandbeat.toml, else none]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Print {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ControlOptions {
    /// The processes, by name
    #[arg(value_name = "NAME", required = true, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) names: Vec<String>,
    /// How long to wait for each of them, 60s at most
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = sandbeat_status::settings::parse_duration)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LogsOptions {
    /// The process, by name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Go on with what it writes, until it has ended for good; Ctrl-C ends it
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only what is newer: than a time ago (`10m`), than a time (`2026-11-20T12:00:00Z`; without a zone or an offset,
    /// as in `2026-11-20`, in UTC, as `--timestamps` shows it), or than the entry with this sequence number
    #[arg(long, value_name = "DURATION|TIME|SEQUENCE", value_parser = Since::parse)]
    pub(crate) since: Option<Since>,
    /// Only the last so many entries of that
    #[arg(long, value_name = "N")]
    pub(crate) tail: Option<usize>,
    /// Only what it wrote there
    #[arg(long, value_enum)]
    pub(crate) stream: Option<Stream>,
    /// Begin each line with the time at which it was read
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Print JSON, one entry per line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PluginsOptions {
    #[command(flatten)]
    pub(crate) print: Print,
    #[command(subcommand)]
    pub(crate) command: Option<PluginsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginsCommand {
    /// Load a collector's files again, even where they are the same, and forgive it its failures
    Reload {
        /// The collector's name: that of its file without `.wasm`
        name: String,
        #[command(flatten)]
        print: Print,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make a project for a collector, that builds with one command and passes `plugin check`
    New(NewOptions),
    /// Say whether the agent would take a component, with everything that is wrong at once
    ///
    /// Its file, world, exports and imports, the grants they need, its sidecar, what it describes, and whether what it
    /// collects is what it describes: it is called once, under its sidecar's limits. The exit code is 1 where anything
    /// is wrong. That something is not granted, or not there on this machine, is a warning.
    Check(CheckOptions),
    /// Collect once and print what would be merged into the report, what is not accepted, what is not as described, and
    /// what it cost
    Run(RunOptions),
    /// Measure loading and collecting, in a fresh instance and in a kept one: times, CPU, memory and output
    ///
    /// CPU is the average of a call; memory the most that one instance had, so that what grows in a kept one shows. The
    /// first failure ends it.
    Bench(BenchOptions),
    /// Make a component of a core module, which is what compilers for C make
    Wrap(WrapOptions),
    #[cfg(feature = "bundled")]
    /// List the collectors that come with sandbeat, or write them with their sidecars into a folder
    ///
    /// A file that is there and another one stays: your sidecars are yours. After an upgrade, --force replaces the
    /// components that are there, with those sidecars that are as an earlier version wrote them. A sidecar that was
    /// deleted beside its component stays away. The exit code is 1 where a component stays that is not the bundled one.
    Bundled(BundledOptions),
}

#[derive(Debug, clap::Args)]
pub(crate) struct NewOptions {
    /// The collector's name: letters, digits, `-` and `_`
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// The language to write it in
    #[arg(long = "lang", value_name = "LANGUAGE", value_enum, default_value_t = Language::Rust)]
    pub(crate) language: Language,
    /// The folder to make; one that is there has to be empty [default: NAME in the working directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Language {
    C,
    #[value(alias = "js")]
    Javascript,
    Python,
    Rust,
}

/// The collector that a command is about.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Subject {
    /// The component
    #[arg(value_name = "FILE")]
    pub(crate) wasm: PathBuf,
    /// Its sidecar [default: NAME.toml beside NAME.wasm, where it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) sidecar: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) print: Print,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckOptions {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Do not call its `collect`
    #[arg(long)]
    pub(crate) no_collect: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Collect again whenever the component or its sidecar changes, and on a terminal show the newest in its place; the
    /// collector's state goes on. Ctrl-C ends it
    #[arg(long)]
    pub(crate) watch: bool,
    /// With --watch, how often to collect besides [default: 2s on a terminal, elsewhere at changes only]
    #[arg(long, value_name = "DURATION", requires = "watch", value_parser = every)]
    pub(crate) every: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BenchOptions {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Calls of each kind [default: what takes 5s, 1000 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) calls: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct WrapOptions {
    /// The core module
    #[arg(value_name = "CORE.wasm")]
    pub(crate) module: PathBuf,
    /// The component, written in one step
    #[arg(short, long, value_name = "NAME.wasm")]
    pub(crate) output: PathBuf,
}

#[cfg(feature = "bundled")]
#[derive(Debug, clap::Args)]
pub(crate) struct BundledOptions {
    /// The folder to write to, such as the agent's plugins directory; made where it is missing. Without it they are
    /// listed
    pub(crate) dir: Option<PathBuf>,
    /// Which of them [default: all; with --force those that are there]
    #[arg(value_name = "NAME", value_parser = collectors())]
    pub(crate) names: Vec<String>,
    /// Replace components that are not the bundled ones, and sidecars that this command wrote and nobody has edited
    #[arg(long, requires = "dir")]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "bundled")]
fn collectors() -> PossibleValuesParser {
    sandbeat_bundled::COLLECTORS.iter().map(|bundled| bundled.name).into()
}

#[cfg(feature = "bundled")]
#[derive(Debug, clap::Args)]
pub(crate) struct DemoOptions {
    /// Run all bundled collectors, not only load, net and git
    #[arg(long)]
    pub(crate) all: bool,
    /// How often the agent reports
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = sandbeat_status::settings::parse_duration)]
    pub(crate) interval: Duration,
    /// The plugins directory, made where it is missing and kept [default: a new temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// The hub's address; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = sandbeat_hub::parse_listen)]
    pub(crate) listen: SocketAddr,
}

fn every(text: &str) -> Result<Duration, String> {
    let every = sandbeat_status::settings::parse_duration(text)?;
    if every < MIN_EVERY { Err(format!("{MIN_EVERY:?} is the least")) } else { Ok(every) }
}

fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }
}
