//! Log lines on standard error, for operators.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::args::Command;

/// Starts logging. Without a filter, servers log changes of state; what prints data logs only what is wrong.
pub(crate) fn start(filter: Option<&str>, command: &Command) {
    let usual = match command {
        Command::Run(_) | Command::Hub(_) => "info",
        // Its lines are the point; of the log, only what becomes of a dropped file.
        #[cfg(feature = "bundled")]
        Command::Demo(_) => "warn,sandbeat_collectors=info",
        // What the collector itself has to say belongs to the answer.
        Command::Plugin(_) => "warn,collector=info",
        _ => "warn",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter.unwrap_or(usual)))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
