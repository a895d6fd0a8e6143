//! The binary: arguments → config → run → exit code.

mod args;
mod check;
mod client;
mod config;
#[cfg(feature = "bundled")]
mod demo;
mod format;
mod hub;
mod logging;
mod output;
mod plugin;
mod plugins;
mod reload;
mod run;
#[cfg(feature = "bundled")]
mod sample;
mod signals;
mod status;

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
        Command::Ps(options) => status::ps(&options),
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
