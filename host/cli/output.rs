//! What is printed for a person, or as JSON.

use std::io::{self, Write};

use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets};
use sandbeat_status::settings::Problem;
use serde::Serialize;

/// Several problems that were found at once; each is printed on a line of its own.
#[derive(Debug)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Prints why the command failed on standard error: each problem on a line.
pub(crate) fn error(error: &anyhow::Error) {
    let mut stderr = io::stderr().lock();
    // Where standard error is gone, the exit code has to do.
    match error.downcast_ref::<Problems>() {
        Some(Problems(problems)) => {
            for problem in problems {
                let _ = writeln!(stderr, "error: {problem}");
            }
        }
        None => {
            let _ = writeln!(stderr, "error: {error:#}");
        }
    }
}

/// Prints a line on standard output.
///
/// # Errors
/// Standard output is gone.
pub(crate) fn line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("standard output is closed")
}

/// Prints a value as indented JSON.
///
/// # Errors
/// Standard output is gone.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// A table without borders whose columns fit their content and the terminal.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table
}
