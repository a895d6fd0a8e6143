//! The binary: arguments → config → run → exit code.

mod agents;
mod args;
#[cfg(feature = "bundled")]
mod bundled;
mod check;
mod client;
mod config;
mod control;
#[cfg(feature = "bundled")]
mod demo;
mod format;
mod hub;
mod listing;
mod logging;
mod logs;
mod output;
mod plugin;
mod plugins;
mod ps;
mod reload;
mod run;
#[cfg(feature = "bundled")]
mod sample;
mod show;
mod signals;
mod sse;
mod status;
mod text;
mod write;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    logging::start(args.log.as_deref(), &args.command);
    let result = match args.command {
        Command::CompileComponent => return sandbeat_collectors::compile_stdin(),
        Command::Run(config) => {
            return run::run(&config).unwrap_or_else(|error| {
                output::error(&error);
                ExitCode::FAILURE
            });
        }
        Command::Hub(options) => hub::run(&options),
        #[cfg(feature = "bundled")]
        Command::Demo(options) => demo::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Status(options) => status::status(&options),
        Command::Ps(options) => ps::run(&options),
        Command::Logs(options) => logs::run(&options),
        Command::Start(options) => control::run(control::Action::Start, &options),
        Command::Stop(options) => control::run(control::Action::Stop, &options),
        Command::Restart(options) => control::run(control::Action::Restart, &options),
        Command::Reload(options) => control::reload(&options),
        Command::Agents(options) => agents::run(&options),
        Command::Plugins(options) => plugins::run(&options),
        Command::Plugin(command) => plugin::run(&command),
        #[cfg(feature = "bundled")]
        Command::Sample { listen } => sample::run(&listen),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
