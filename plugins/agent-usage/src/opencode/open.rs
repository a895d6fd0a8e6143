//! Rows of a table whose messages are not complete, and which of them are still to be looked at again.
//!
//! They take turns: those that are due stand first, and a slice that ends before all of them had their turn leaves the
//! rest for the next one. Bound: [`MAX_OPEN`] rows from one slice to the next; of more those with the lowest rowids are
//! taken as they are.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const MAX_OPEN: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    rows: VecDeque<Row>,
    /// So many, from the first on, are to be looked at.
    due: usize,
}

/// A row whose message is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) rowid: i64,
    /// When it was begun, or seen first if that was before or it does not say: in milliseconds since 1970.
    pub(super) since: i64,
}

impl Open {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn is_due(&self) -> bool {
        self.due > 0
    }

    /// Begins a round through all of them.
    pub(super) fn begin(&mut self) {
        self.due = self.rows.len();
    }

    /// Takes out the row whose turn it is.
    pub(super) fn next(&mut self) -> Option<Row> {
        self.due = self.due.checked_sub(1)?;
        self.rows.pop_front()
    }

    /// Adds a row that was looked at.
    pub(super) fn add(&mut self, row: Row) {
        self.rows.push_back(row);
    }

    /// Puts back a row that could not be looked at, behind all others that are due.
    pub(super) fn postpone(&mut self, row: Row) {
        self.due = self.due.min(self.rows.len());
        self.rows.insert(self.due, row);
        self.due += 1;
    }

    /// Forgets the rows behind this one.
    pub(super) fn cut(&mut self, upto: i64) {
        self.retain(|rowid| rowid <= upto);
    }

    /// Forgets the oldest of too many.
    pub(super) fn bound(&mut self) {
        let Some(excess) = self.rows.len().checked_sub(MAX_OPEN) else { return };
        let mut rowids: Vec<i64> = self.rows.iter().map(|row| row.rowid).collect();
        rowids.sort_unstable();
        if let Some(oldest) = rowids.get(excess) {
            self.retain(|rowid| rowid >= *oldest);
        }
    }

    fn retain(&mut self, is_kept: impl Fn(i64) -> bool) {
        self.due = self.rows.iter().take(self.due).filter(|row| is_kept(row.rowid)).count();
        self.rows.retain(|row| is_kept(row.rowid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(rowids: impl IntoIterator<Item = i64>) -> Open {
        let mut open = Open::default();
        rowids.into_iter().for_each(|rowid| open.add(Row { rowid, since: 0 }));
        open
    }

    fn next(open: &mut Open) -> Option<i64> {
        open.next().map(|row| row.rowid)
    }

    #[test]
    fn each_row_has_its_turn_once_in_a_round() {
        let mut open = open([1, 2, 3]);
        assert_eq!(next(&mut open), None, "none is due that was just read");
        open.begin();
        let first = open.next().unwrap();
        open.add(first);
        open.add(Row { rowid: 4, since: 0 });
        let second = open.next().unwrap();
        open.postpone(second);
        let rest: Vec<i64> = std::iter::from_fn(|| next(&mut open)).collect();
        assert_eq!((first.rowid, rest), (1, vec![3, 2]));
        assert_eq!(open.rows.iter().map(|row| row.rowid).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn of_too_many_the_oldest_go_wherever_they_stand() {
        let mut open = open(0..100);
        open.begin();
        let first = open.next().unwrap();
        open.add(first);
        (100..102).for_each(|rowid| open.add(Row { rowid, since: 0 }));
        open.bound();
        assert_eq!((open.rows.len(), open.due, next(&mut open)), (MAX_OPEN, 98, Some(2)));
        open.cut(50);
        assert_eq!((open.rows.len(), open.due), (48, 48));
    }
}
