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
        _ => "warn",
    };
    let (filter, wrong) = match filter.map(EnvFilter::try_new) {
        None => (EnvFilter::new(usual), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(e)) => (EnvFilter::new(usual), Some(e)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    if let Some(e) = wrong {
        tracing::warn!("the log filter is not used: {e}; write one such as `info` or `sandbeat_hub=debug`");
    }
}
