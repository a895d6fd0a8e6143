//! The command line of `sandbeat hub`: how it serves, and what one that runs is asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Subcommand, ValueEnum};

use crate::args::ConfigFile;
use crate::logs::Since;

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
    #[arg(long, value_name = "ADDR", value_parser = sandbeat_hub::parse_listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// Whether a sandbox may report without a token [default: closed]
    #[arg(long, value_enum)]
    pub(crate) enroll: Option<Enroll>,
    /// Where to keep what outlives the hub: sandboxes, tokens, events, last reports [default: nowhere]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// A file with the admin key, which managing and reading then want, in its first line [default: no key, loopback only]
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_key_file: Option<PathBuf>,
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
    /// Only those that are registered and have not reported in time
    #[arg(long)]
    pub(crate) overdue: bool,
    /// Only those that are silent while the hub doubts its own network
    #[arg(long)]
    pub(crate) suspect: bool,
    /// Only those of which, as they last said, something fails: processes, collectors, any
    #[arg(long, value_name = "WORD", value_parser = ["processes", "collectors", "any"], hide_possible_values = true)]
    pub(crate) failing: Option<String>,
    /// Only those with this status: pending, running, stopped
    #[arg(long, value_name = "WORD", value_parser = ["pending", "running", "stopped"], hide_possible_values = true)]
    pub(crate) status: Option<String>,
    /// Only those that were registered with this metadata; may be repeated
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub(crate) metadata: Vec<String>,
    /// Only those with this in their id, name or host name, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// In which order; any but that of ids comes once the whole fleet is read
    #[arg(long, value_enum, default_value_t = Sort::Id)]
    pub(crate) sort: Sort,
    /// Only the first so many
    #[arg(short = 'n', long, value_name = "N", value_parser = at_least_one)]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) access: HubAccess,
}

/// The order of a list. What is not known comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Of ids
    Id,
    /// The busiest first
    Cpu,
    /// The largest first
    Memory,
    /// The one that has been silent for longest first
    Heard,
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
