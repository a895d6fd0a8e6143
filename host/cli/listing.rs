//! A list that is printed page by page while it is read: one line for each entry, whatever the terminal.
//!
//! The columns stand in the order of their worth. On a terminal that has no room for all of them those that can be cut
//! are, with `…`, and then columns are left out from the right. The first one is always whole: it is what an entry is
//! known by. Where standard output is no terminal nothing is left out or cut. Columns are as wide as their widest cell
//! so far; when that leaves out others than before, the headings come again.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};

/// On narrower terminals columns stand closer together.
const ROOMY: usize = 100;

/// A column, and what may happen to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    heading: &'static str,
    alignment: CellAlignment,
    /// How wide it stays when it is cut.
    least: Option<usize>,
}

/// What is printed so far of a list with columns.
#[derive(Debug)]
pub(crate) struct Listing<const N: usize> {
    columns: [Column; N],
    /// The terminal's columns.
    room: Option<usize>,
    /// The widest cell of each column so far.
    widths: [usize; N],
    /// How many columns have headings on the screen.
    headed: usize,
}

impl Column {
    /// One of words.
    pub(crate) const fn words(heading: &'static str) -> Self {
        Column { heading, alignment: CellAlignment::Left, least: None }
    }

    /// One of numbers.
    pub(crate) const fn numbers(heading: &'static str) -> Self {
        Column { heading, alignment: CellAlignment::Right, least: None }
    }

    /// One of texts, of which the beginning is good for something as well.
    pub(crate) const fn cut(heading: &'static str, least: usize) -> Self {
        Column { heading, alignment: CellAlignment::Left, least: Some(least) }
    }

    /// The least that it takes, of what it would take.
    fn least(&self, width: usize) -> usize {
        self.least.map_or(width, |least| least.max(self.heading.len()).min(width))
    }
}

impl<const N: usize> Listing<N> {
    /// An empty one, for a terminal of so many columns, or for none.
    pub(crate) fn new(columns: [Column; N], room: Option<usize>) -> Self {
        let widths = columns.map(|column| column.heading.len());
        Listing { columns, room, widths, headed: 0 }
    }

    /// The lines of some more entries, with the headings where they are needed.
    pub(crate) fn lines(&mut self, rows: Vec<[String; N]>) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_truncation_indicator("…");
        for row in rows {
            let mut row = Row::from(row);
            row.max_height(1);
            table.add_row(row);
        }
        for (width, widest) in self.widths.iter_mut().zip(table.column_max_content_widths()) {
            *width = (*width).max(widest.into());
        }
        let shown = self.shown();
        if self.headed != shown.len() {
            self.headed = shown.len();
            table.set_header(self.columns.map(|column| column.heading));
        }
        let gap = self.gap();
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_cell_alignment(self.columns[at].alignment);
            let gap = if at + 1 < shown.len() { gap } else { 0 };
            column.set_padding((0, narrow(gap)));
            column.set_constraint(match shown.get(at) {
                Some(width) => ColumnConstraint::Absolute(Width::Fixed(narrow(width + gap))),
                None => ColumnConstraint::Hidden,
            });
        }
        table.trim_fmt()
    }

    /// Where the column with a heading begins in a line, if it is shown and nothing before it is wider than its letters.
    pub(crate) fn begin(&self, heading: &str) -> Option<usize> {
        let at = self.columns.iter().position(|column| column.heading == heading)?;
        let shown = self.shown();
        (at < shown.len()).then(|| shown[..at].iter().map(|width| width + self.gap()).sum())
    }

    /// How wide the columns are that are shown.
    fn shown(&self) -> Vec<usize> {
        let Some(room) = self.room else { return self.widths.to_vec() };
        for count in (1..=N).rev() {
            let columns = || self.columns.iter().zip(self.widths).take(count);
            let least: usize = columns().map(|(column, width)| column.least(width)).sum();
            let least = least + self.gap() * (count - 1);
            if least <= room || count == 1 {
                let mut spare = room.saturating_sub(least);
                let width = |(column, width): (&Column, usize)| {
                    let least = column.least(width);
                    let more = spare.min(width - least);
                    spare -= more;
                    least + more
                };
                return columns().map(width).collect();
            }
        }
        Vec::new()
    }

    fn gap(&self) -> usize {
        if self.room.is_some_and(|room| room < ROOMY) { 1 } else { 2 }
    }
}

fn narrow(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 5] = [
        Column::words("ID"),
        Column::words("STATE"),
        Column::numbers("CPU"),
        Column::words("SINCE"),
        Column::cut("HOST", 8),
    ];
    const ID: &str = "0b7a2d4e-5d3c-4f0e-9a55-3c1f6a7e2b11";

    fn row(id: &str, host: &str) -> [String; 5] {
        [id, "overdue", "12.5%", "1h", host].map(str::to_owned)
    }

    #[test]
    fn an_entry_is_a_line_of_the_terminal_however_narrow() {
        let long = "a-very-long-name-of-a-host-that-somebody-gave-it.example.com";
        for (room, end) in [
            (20, ID),
            (40, ID),
            (45, "overdue"),
            (60, "1h"),
            (70, "1h    a-very-long-…"),
            (80, "1h    a-very-long-name-of-a-…"),
            (100, "1h     a-very-long-name-of-a-host-that-somebo…"),
            (130, "a-very-long-name-of-a-host-that-somebody-gave-it.example.com"),
        ] {
            let text = Listing::new(COLUMNS, Some(room)).lines(vec![row(ID, long), row("short", "h")]);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 3, "{room}: {text}");
            assert!(lines[1].starts_with(ID) && lines[1].ends_with(end), "{room}: {text}");
            assert!(room < ID.len() || lines.iter().all(|line| line.chars().count() <= room), "{room}: {text}");
        }
    }

    #[test]
    fn elsewhere_nothing_is_left_out() {
        let host = "h".repeat(300);
        let text = Listing::new(COLUMNS, None).lines(vec![row(ID, &host)]);
        assert_eq!(text, format!("{:<36}  STATE      CPU  SINCE  HOST\n{ID}  overdue  12.5%  1h     {host}", "ID"));
    }

    #[test]
    fn a_later_page_has_headings_only_where_it_shows_other_columns() {
        let mut listing = Listing::new(COLUMNS, Some(40));
        assert_eq!(listing.lines(vec![row("a", "h")]), "ID STATE     CPU SINCE HOST\na  overdue 12.5% 1h    h");
        assert_eq!(listing.begin("STATE"), Some(3));
        assert_eq!(listing.lines(vec![row("bcde", "h")]), "bcde overdue 12.5% 1h    h");
        let wider = listing.lines(vec![row(ID, "h"), row("f", "h")]);
        assert_eq!(wider, format!("ID\n{ID}\nf"));
        assert_eq!((listing.begin("STATE"), listing.lines(vec![row("g", "h")])), (None, "g".to_owned()));
    }
}
