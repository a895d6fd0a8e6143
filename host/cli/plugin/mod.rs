//! `sandbeat plugin new` makes a collector's project, `wrap` a component of what a C compiler makes, and `bundled` files of
//! the collectors that come with sandbeat; `check`, `run` and `bench` are about one collector, without a running agent,
//! on the code that the agent runs it with. The ceiling and the cache are those of the configuration.

mod bench;
#[cfg(feature = "bundled")]
mod bundled;
mod check;
mod findings;
mod new;
mod progress;
mod run;
mod words;
mod wrap;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sandbeat_collectors::Contribution;
use sandbeat_collectors::workbench::{Failing, Workbench};
use sandbeat_status::{Sample, names};
use serde::Serialize;

pub(crate) use self::findings::Set;
use crate::args::{PluginCommand, Subject};
use crate::config::Source;

/// How much of a text of a component's is shown, in bytes.
const MAX_SHOWN: usize = 1024;

pub(crate) fn run(command: &PluginCommand) -> anyhow::Result<()> {
    match command {
        PluginCommand::New(options) => new::run(options),
        PluginCommand::Check(options) => check::run(options),
        PluginCommand::Run(options) => run::run(options),
        PluginCommand::Bench(options) => bench::run(options),
        PluginCommand::Wrap(options) => wrap::run(options),
        #[cfg(feature = "bundled")]
        PluginCommand::Bundled(options) => bundled::run(options),
    }
}

/// A failure as JSON.
#[derive(Debug, Serialize)]
struct Fault {
    failure: &'static str,
    reason: String,
    /// Functions of the guest, the innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trace: Vec<String>,
}

impl Fault {
    fn of(failing: &Failing) -> Self {
        let trace = failing.trace.iter().flat_map(|trace| trace.split(" < ")).map(str::to_owned).collect();
        Fault { failure: failing.failure.as_str(), reason: failing.reason.clone(), trace }
    }
}

/// A failure for a person: its name, its reason, and each function of the guest on a line.
fn told(failing: &Failing) -> String {
    let fault = Fault::of(failing);
    fault.trace.iter().fold(failing.to_string(), |told, function| format!("{told}\n  in {function}"))
}

fn start(subject: &Subject) -> anyhow::Result<(Workbench, Source)> {
    let source = Source::read(&subject.print.file)?;
    let bench = Workbench::start(&source.plugins()?)?;
    Ok((bench.telling(progress::of(name(&subject.wasm))), source))
}

/// A text of a component's, as a terminal may show it.
fn shown(text: &str) -> String {
    names::shown(text, MAX_SHOWN)
}

/// What a collect adds to a report, in bytes of JSON.
fn output_bytes(contribution: &Contribution) -> usize {
    // What has been accepted can be written as JSON.
    let len = |json: serde_json::Result<Vec<u8>>| json.map_or(0, |json| json.len());
    len(serde_json::to_vec(&contribution.metrics)) + len(serde_json::to_vec(&contribution.metadata))
}

/// What is known without an agent that measures; the rest is absent.
fn sample(source: &Source, started: Instant) -> Arc<Sample> {
    Arc::new(Sample {
        sandbox_id: source.sandbox_id().unwrap_or_default(),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        uptime_secs: started.elapsed().as_secs(),
        ..Sample::default()
    })
}

/// The name that the file would have as a plugin.
fn name(wasm: &Path) -> String {
    wasm.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use sandbeat_status::Failure;

    use super::*;

    #[test]
    fn a_backtrace_has_a_line_for_each_function() {
        let failing = Failing {
            failure: Failure::Trap,
            reason: "trapped: unreachable".into(),
            trace: Some("<A as B>::collect < guest#collect".into()),
        };
        assert_eq!(told(&failing), "trap: trapped: unreachable\n  in <A as B>::collect\n  in guest#collect");
        assert_eq!(Fault::of(&failing).trace.len(), 2);
    }
}
