//! What is printed for a person, or as JSON.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use sandbeat_status::settings::Problem;
use serde::Serialize;

/// On narrower terminals columns stand closer together.
const ROOMY: u16 = 100;

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

/// A table without borders whose columns fit their content, on a terminal wrapped to its width; elsewhere a row is a
/// line. The columns whose numbers are in `right` hold numbers.
pub(crate) fn table<const N: usize>(header: [&str; N], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    let width = width();
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let gap = if width.is_some_and(|width| width < ROOMY) { 1 } else { 2 };
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if at + 1 == N { 0 } else { gap }));
        if right.contains(&at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Keeps these columns from being wrapped.
pub(crate) fn keep_whole(table: &mut Table, columns: &[usize]) {
    for (at, column) in table.column_iter_mut().enumerate() {
        if columns.contains(&at) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// Prints a table, if it has rows.
///
/// # Errors
/// Standard output is gone.
pub(crate) fn print_table(table: &Table) -> anyhow::Result<()> {
    if table.is_empty() { Ok(()) } else { line(table.trim_fmt()) }
}

/// The terminal's columns, where standard output is one.
fn width() -> Option<u16> {
    let stdout = io::stdout();
    let size = stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout)).flatten();
    size.map(|(width, _)| width.0).filter(|width| *width >= 40)
}
