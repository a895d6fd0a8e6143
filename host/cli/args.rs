//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::logs::Since;

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
    /// Check, run or measure one collector, without a running agent
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
    /// Say whether the agent would take a component: its world, imports and the grants they need, its sidecar, and
    /// what it describes
    Check(Subject),
    /// Collect once and print what would be merged into the report
    Run(RunOptions),
    /// Measure how long loading and collecting take
    Bench(BenchOptions),
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
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Collect again whenever the component or its sidecar changes; the collector's state goes on. Ctrl-C ends it
    #[arg(long)]
    pub(crate) watch: bool,
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
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct HubOptions {
    #[command(flatten)]
    pub(crate) serve: ServeOptions,
    #[command(subcommand)]
    pub(crate) command: Option<HubCommand>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Whether a sandbox may report without a token [default: closed]
    #[arg(long, value_enum)]
    pub(crate) enroll: Option<Enroll>,
    /// Where to keep what outlives the hub: sandboxes, tokens, events, last reports [default: nowhere]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The certificate chain to serve HTTPS with, PEM; it is read again when it changes [default: plain HTTP]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// List sandboxes
    Ls(HubLs),
    /// Show one sandbox, with all that its last report said
    Get(HubGet),
    /// Print what happened, and with --follow what happens
    Events(HubEvents),
    /// Register a sandbox and print its token
    Add(HubAdd),
    /// Delete sandboxes; their tokens open nothing any more
    Rm(HubRm),
    /// Give a sandbox a new token and print it; the present one goes on for a while
    Token(HubToken),
}

/// Which hub is asked, and how its answer is printed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HubAccess {
    /// Where the hub is [env: SANDBEAT_HUB_URL] [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) url: Option<String>,
    /// A file with its admin key in the first line [env: SANDBEAT_HUB_KEY_FILE, or the key itself in SANDBEAT_HUB_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Certificates to trust besides the system's, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HubLs {
    /// Only those that stand so: never-reported, live, lost, stopped
    #[arg(long, value_name = "WORD", value_parser = ["never-reported", "live", "lost", "stopped"], hide_possible_values = true)]
    pub(crate) liveness: Option<String>,
    /// Only those with this status: pending, running, stopped
    #[arg(long, value_name = "WORD", value_parser = ["pending", "running", "stopped"], hide_possible_values = true)]
    pub(crate) status: Option<String>,
    /// Only those that were registered with this metadata; may be repeated
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub(crate) metadata: Vec<String>,
    /// Only those with this in their id, name or host name, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Only the first so many
    #[arg(short = 'n', long, value_name = "N", value_parser = at_least_one)]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) access: HubAccess,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HubGet {
    /// The sandbox
    #[arg(value_parser = sandbox_id)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) access: HubAccess,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HubEvents {
    /// Of this sandbox alone
    #[arg(value_parser = sandbox_id)]
    pub(crate) id: Option<String>,
    /// Go on with what happens, until Ctrl-C; the hub may come and go meanwhile
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only of these types, such as `lost,recovered`
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub(crate) types: Vec<String>,
    /// Only what is newer: than a time ago (`10m`), than a time (`2026-11-20T12:00:00Z`; without a zone or an offset in
    /// UTC), or than the event with this number
    #[arg(long, value_name = "DURATION|TIME|NUMBER", value_parser = Since::parse)]
    pub(crate) since: Option<Since>,
    /// Only the last so many [default: 100; 10 with --follow; 100,000 with --since]
    #[arg(short = 'n', long = "last", value_name = "N")]
    pub(crate) last: Option<usize>,
    #[command(flatten)]
    pub(crate) access: HubAccess,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HubAdd {
    /// Its id; the hub makes one where none is given
    #[arg(value_parser = sandbox_id)]
    pub(crate) id: Option<String>,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What it is started from
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// What is good to know of it; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = entry)]
    pub(crate) metadata: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) access: HubAccess,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HubRm {
    /// The sandboxes
    #[arg(value_name = "ID", required = true, value_parser = sandbox_id)]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) access: HubAccess,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HubToken {
    /// The sandbox
    #[arg(value_parser = sandbox_id)]
    pub(crate) id: String,
    /// How long the present token, or reports without one, go on, 720h at most; 0s ends it at once [default: what the hub is set to, 1h]
    #[arg(long, value_name = "DURATION", value_parser = overlap)]
    pub(crate) overlap: Option<Duration>,
    #[command(flatten)]
    pub(crate) access: HubAccess,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Enroll {
    /// Any sandbox on this trusted network, without a token until it has used the one that it was registered with
    Open,
    /// Only registered sandboxes, each with its token
    Closed,
}

#[cfg(feature = "bundled")]
#[derive(Debug, clap::Args)]
pub(crate) struct DemoOptions {
    /// How often the agent reports
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = sandbeat_status::settings::parse_duration)]
    pub(crate) interval: Duration,
    /// The plugins directory, made where it is missing and kept [default: a new temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// The hub's address; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
}

fn sandbox_id(text: &str) -> Result<String, String> {
    sandbeat_status::names::sandbox_id(text).map(|()| text.to_owned())
}

fn overlap(text: &str) -> Result<Duration, String> {
    if text == "0s" { Ok(Duration::ZERO) } else { sandbeat_status::settings::parse_duration(text) }
}

fn entry(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it has the form KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "it is a number from 1".to_owned())
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
