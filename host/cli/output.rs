//! What is printed for a person, or as JSON.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;
use anyhow::Context;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use sandbeat_status::settings::Problem;
use serde::Serialize;

use crate::logging;

/// On narrower terminals columns stand closer together.
const ROOMY: u16 = 100;
/// In narrower columns a text that is wrapped cannot be read, in letters.
const READABLE: u16 = 16;

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

/// Several reasons, each printed on a line of its own.
#[derive(Debug)]
pub(crate) struct Several(pub(crate) Vec<String>);

impl std::fmt::Display for Several {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Several {}

/// Prints why the command failed on standard error: each problem on a line. Does not wait for long where nobody reads.
pub(crate) fn error(error: &anyhow::Error) {
    // Where standard error is gone, the exit code has to do.
    let lines: Vec<String> = match (error.downcast_ref::<Problems>(), error.downcast_ref::<Several>()) {
        (Some(Problems(problems)), _) => problems.iter().map(Problem::to_string).collect(),
        (None, Some(Several(reasons))) => reasons.clone(),
        (None, None) => vec![format!("{error:#}")],
    };
    for line in lines {
        let _ = logging::Lines.write_all(format!("error: {line}\n").as_bytes());
    }
    logging::flush();
}

/// Prints on standard error what is wrong and does not keep the command from being carried out.
pub(crate) fn warning(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "warning: {text}");
}

/// Prints on standard error what is good to know besides.
pub(crate) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a line on standard output.
///
/// # Errors
/// Standard output is gone.
pub(crate) fn line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("standard output is closed")
}

/// Prints a text on standard output, on a terminal in lines of its width, of which those that go on begin with so many
/// spaces.
///
/// # Errors
/// Standard output is gone.
pub(crate) fn hanging(text: &str, indent: usize) -> anyhow::Result<()> {
    match terminal_width() {
        Some(width) => line(crate::text::hanging(text, indent, width.into()).join("\n")),
        None => line(text),
    }
}

/// Prints a part of what ends with a line.
///
/// # Errors
/// Standard output is gone.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    io::stdout().lock().write_all(text.as_bytes()).context("standard output is closed")
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
    let width = terminal_width().filter(|width| *width >= 40);
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

/// Keeps a column from being wrapped, unless it is wider than so many letters on a terminal that is too narrow for the
/// whole table; then it is as wide as that.
pub(crate) fn keep_within(table: &mut Table, column: usize, letters: u16) {
    let widths = table.column_max_content_widths();
    let widest = widths.get(column).copied().unwrap_or_default();
    let whole: usize =
        table.column_iter().zip(&widths).map(|(column, wide)| usize::from(column.padding_width() + wide)).sum();
    if widest <= letters || table.width().is_none_or(|width| whole <= usize::from(width)) {
        return keep_whole(table, &[column]);
    }
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(column.padding_width() + letters)));
    }
}

/// Keeps what is so many letters long from being broken in a column that is wrapped.
pub(crate) fn keep_at_least(table: &mut Table, column: usize, letters: usize) {
    let wide = table.column(column).map(|column| usize::from(column.padding_width()) + letters);
    let wide = wide.and_then(|wide| u16::try_from(wide).ok());
    if let (Some(wide), Some(column)) = (wide, table.column_mut(column)) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(wide)));
    }
}

/// Leaves out columns, in this order, until a terminal has room for the others: for those that may be wrapped, as much of
/// it as can be read.
pub(crate) fn make_room(table: &mut Table, columns: &[usize]) {
    let Some(room) = table.width().map(usize::from) else { return };
    let widths = table.column_max_content_widths();
    let needed = |table: &Table| -> usize {
        let shown = table.column_iter().zip(&widths).filter(|(column, _)| !column.is_hidden());
        let least = shown.map(|(column, width)| {
            let padding = column.padding_width();
            usize::from(match column.constraint() {
                Some(ColumnConstraint::ContentWidth) => padding + *width,
                Some(ColumnConstraint::Absolute(Width::Fixed(wide))) => *wide,
                _ => padding + (*width).min(READABLE),
            })
        });
        least.sum()
    };
    for at in columns {
        if needed(table) <= room {
            return;
        }
        if let Some(column) = table.column_mut(*at) {
            column.set_constraint(ColumnConstraint::Hidden);
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

/// The same, with the words of state in one column painted where standard output is coloured.
///
/// # Errors
/// Standard output is gone.
pub(crate) fn print_painted(table: &Table, column: &str) -> anyhow::Result<()> {
    if !is_coloured() || table.is_empty() {
        return print_table(table);
    }
    line(paint_column(&table.trim_fmt(), column))
}

/// Prints lines, with the words of state that begin so many letters from the left painted where standard output is
/// coloured.
///
/// # Errors
/// Standard output is gone.
pub(crate) fn print_painted_at(lines: &str, at: Option<usize>) -> anyhow::Result<()> {
    match at.filter(|_| is_coloured()) {
        Some(at) => line(paint_at(lines, at)),
        None => line(lines),
    }
}

/// A word of state in its colour, where standard output is coloured.
pub(crate) fn painted(word: &str) -> String {
    if is_coloured() { paint(word) } else { word.to_owned() }
}

/// A text in the colour of a word of state, where standard output is coloured.
pub(crate) fn painted_as(text: &str, word: &str) -> String {
    match colour(word).filter(|_| is_coloured()) {
        Some(colour) => paint_in(text, colour),
        None => text.to_owned(),
    }
}

/// On a terminal that knows colours, unless `NO_COLOR` is set.
fn is_coloured() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Paints the word that begins below a table's heading, in each line.
fn paint_column(table: &str, heading: &str) -> String {
    let header = table.lines().next().unwrap_or_default();
    let at = header.find(heading).map_or(usize::MAX, |at| header[..at].chars().count());
    paint_at(table, at)
}

/// Paints the word that begins so many letters from the left, in each line.
fn paint_at(table: &str, at: usize) -> String {
    let paint_line = |line: &str| {
        let begin = line.char_indices().nth(at).map_or(line.len(), |(begin, _)| begin);
        let (before, rest) = line.split_at(begin);
        let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
        format!("{before}{}{after}", paint(word))
    };
    table.lines().map(paint_line).collect::<Vec<_>>().join("\n")
}

fn paint(word: &str) -> String {
    colour(word).map_or_else(|| word.to_owned(), |colour| paint_in(word, colour))
}

fn paint_in(text: &str, colour: AnsiColor) -> String {
    let style = colour.on_default();
    format!("{style}{text}{style:#}")
}

/// What colour a word of state has.
fn colour(word: &str) -> Option<AnsiColor> {
    match word {
        "running" | "active" | "live" => Some(AnsiColor::Green),
        "stopped" | "compiling" | "never-reported" | "overdue" | "suspect" => Some(AnsiColor::Yellow),
        "error" | "failing" | "quarantined" | "rejected" | "lost" => Some(AnsiColor::Red),
        _ => None,
    }
}

/// The terminal's columns, where standard output is one that has some.
pub(crate) fn terminal_width() -> Option<u16> {
    let stdout = io::stdout();
    let size = stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout)).flatten();
    size.map(|(width, _)| width.0).filter(|width| *width > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_narrow_terminal_columns_are_left_out_before_a_name_is_broken() {
        let printed = |width: u16| {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            table.set_header(["NAME", "PID", "UPTIME", "LAST ERROR"]);
            for column in table.column_iter_mut() {
                column.set_padding((0, 1));
            }
            table.add_row(["a-process-with-a-long-name", "19286", "3m 5s", "exited with code 3, as it does each time"]);
            keep_whole(&mut table, &[0, 1, 2]);
            make_room(&mut table, &[1, 2]);
            table.trim_fmt()
        };
        for (width, headings) in
            [(90, "NAME PID UPTIME LAST ERROR"), (55, "NAME UPTIME LAST ERROR"), (45, "NAME LAST ERROR")]
        {
            let table = printed(width);
            let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
            assert_eq!(header.join(" "), headings, "{width}:\n{table}");
            assert!(table.contains("\na-process-with-a-long-name "), "{width}:\n{table}");
            assert!(table.lines().all(|line| line.len() <= usize::from(width)), "{width}:\n{table}");
        }
    }

    #[test]
    fn a_column_that_is_too_wide_is_wrapped_where_there_is_a_width() {
        let printed = |name: &str| {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(30);
            table.set_header(["NAME", "STATE", "CALLS"]).add_row([name, "active", "17"]);
            keep_whole(&mut table, &[1, 2]);
            keep_within(&mut table, 0, 12);
            make_room(&mut table, &[2]);
            table.trim_fmt()
        };
        let lines = |text: &str| text.lines().map(str::trim).map(str::to_owned).collect::<Vec<_>>();
        let table = printed("twelve-chars");
        assert!(table.contains("twelve-chars") && table.contains("CALLS"), "{table}");
        let table = printed("more-than-twelve-chars");
        assert_eq!(lines(&table).len(), 3, "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 30) && table.contains("17"), "{table}");
    }

    #[test]
    fn words_of_state_are_painted_below_their_heading_only() {
        let table = "NAME     STATUS   LAST ERROR\nrunning  error    error\nb\u{e4}r      running  -\nc        odd";
        let (red, green, plain) = ("\u{1b}[31m", "\u{1b}[32m", "\u{1b}[0m");
        let expected = format!(
            "NAME     STATUS   LAST ERROR\nrunning  {red}error{plain}    error\n\
             b\u{e4}r      {green}running{plain}  -\nc        odd"
        );
        assert_eq!(paint_column(table, "STATUS"), expected);
        assert_eq!(paint_column(table, "NOTHING"), table);
    }
}
