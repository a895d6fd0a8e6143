//! Reads tables of an SQLite database that another process writes, without a library, a lock or a write.
//!
//! What is here knows the file format (<https://www.sqlite.org/fileformat2.html>) and nothing of what the tables mean:
//!
//! - `wal` finds which pages the write-ahead log has in a newer form, up to its last commit;
//! - `pager` has the header and hands out pages, `tree` walks a table by rowid, `record` takes rows apart;
//! - `schema` finds the columns of a table in its `CREATE` statement.
//!
//! Invariants: nothing in a file makes it panic, go on without end or hold more than some megabytes, and whatever it
//! takes ends soon when there is no more time; what cannot be read is a [`Trouble`]. A guest can take no lock, so **what
//! was read holds only if the file has not been written to meanwhile**, which whoever has the [`Storage`] has to see to:
//! a checkpoint writes pages into it that are newer than those of the log. Additions to the log do no harm;
//! [`Database::log_header`] is to know it by, should it be begun anew.

mod pager;
mod record;
mod schema;
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests;
mod tree;
mod wal;

use pager::Pager;
pub(crate) use tree::Row;
use tree::Rows;

/// The longest row that is read.
pub(crate) const MAX_ROW: usize = 8 << 20;
/// Tables and indices of a database; more are not looked through.
const MAX_OBJECTS: usize = 10_000;

/// The two files of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Main,
    /// The write-ahead log: `-wal`.
    Log,
}

/// Where a database is.
pub(crate) trait Storage {
    /// Bytes of a file from a place on, fewer only at its end; none of a log that is not there.
    ///
    /// # Errors
    /// It cannot be read, or not now.
    fn read(&mut self, file: File, offset: u64, length: usize) -> Result<Vec<u8>, Trouble>;

    /// Whether there is time to go on.
    fn has_time(&self) -> bool;
}

/// Why something was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The file is not as the format wants it.
    Broken(&'static str),
    /// It is a kind of database that is not read here.
    Unsupported(&'static str),
    /// Reading the file failed, in the words of who did.
    Failed(String),
    /// No more may be read now.
    Spent,
}

impl Trouble {
    /// In words.
    pub(crate) fn why(&self) -> &str {
        match self {
            Trouble::Broken(why) | Trouble::Unsupported(why) => why,
            Trouble::Failed(why) => why,
            Trouble::Spent => "there was no time for it",
        }
    }
}

/// A database as of its last commit.
pub(crate) struct Database<'a, S> {
    pager: Pager<'a, S>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    root: u32,
    columns: Vec<String>,
}

/// The longest statement that makes a table; each of its words is looked at.
const MAX_STATEMENT: usize = 64 << 10;

/// How a log begins, in bytes.
pub(crate) const LOG_HEADER: usize = 32;

/// A value of a row, as far as they are told apart here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    /// As it is in the file, which is UTF-8 as a rule.
    Text(Vec<u8>),
    /// A fraction or a blob.
    Other,
}

impl<'a, S: Storage> Database<'a, S> {
    /// Opens a database whose main file has this size; nothing where nobody has written to it yet.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub(crate) fn open(storage: &'a mut S, size: u64) -> Result<Option<Self>, Trouble> {
        Ok(Pager::open(storage, size)?.map(|pager| Self { pager }))
    }

    /// A table by its name; nothing where there is none.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub(crate) fn table(&mut self, name: &str) -> Result<Option<Table>, Trouble> {
        // `sqlite_schema`: type, name, tbl_name, rootpage, sql.
        let mut rows = Rows::after(1, 0);
        for _ in 0..MAX_OBJECTS {
            let Some(row) = rows.next(&mut self.pager)? else { return Ok(None) };
            let values = record::values(&mut self.pager, &row, &[0, 1, 3])?;
            let [Value::Text(kind), Value::Text(its_name), Value::Integer(root)] = &values[..] else { continue };
            if kind != b"table" || !its_name.eq_ignore_ascii_case(name.as_bytes()) {
                continue;
            }
            let statement = record::values(&mut self.pager, &row, &[4])?;
            let [Value::Text(sql)] = &statement[..] else { continue };
            if sql.len() > MAX_STATEMENT {
                return Err(Trouble::Unsupported("its table was made by a statement of more than 64 KiB"));
            }
            let columns = schema::columns(&String::from_utf8_lossy(sql));
            let columns = columns.ok_or(Trouble::Unsupported("its table is not one of rows by rowid"))?;
            let root = u32::try_from(*root).map_err(|_| Trouble::Broken("a table is at no page"))?;
            return Ok(Some(Table { root, columns }));
        }
        Err(Trouble::Unsupported("it has more than 10,000 tables and indices"))
    }

    /// Whether it has no tables.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub(crate) fn is_empty(&mut self) -> Result<bool, Trouble> {
        Ok(tree::last(&mut self.pager, 1)?.is_none())
    }

    /// The highest rowid of a table; nothing where it is empty.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub(crate) fn last(&mut self, table: &Table) -> Result<Option<i64>, Trouble> {
        tree::last(&mut self.pager, table.root)
    }

    /// One row; nothing where it is not there.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub(crate) fn row(&mut self, table: &Table, rowid: i64) -> Result<Option<Row>, Trouble> {
        let Some(before) = rowid.checked_sub(1) else { return Ok(None) };
        let row = Rows::after(table.root, before).next(&mut self.pager)?;
        Ok(row.filter(|row| row.rowid == rowid))
    }

    /// See [`Storage::has_time`].
    pub(crate) fn has_time(&self) -> bool {
        self.pager.has_time()
    }

    /// The rows after a rowid, one with each [`Database::next`].
    pub(crate) fn after(&self, table: &Table, rowid: i64) -> Rows {
        Rows::after(table.root, rowid)
    }

    /// # Errors
    /// See [`Trouble`].
    pub(crate) fn next(&mut self, rows: &mut Rows) -> Result<Option<Row>, Trouble> {
        rows.next(&mut self.pager)
    }

    /// Values of a row by the places of their columns; those that it lacks are null.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub(crate) fn values(&mut self, row: &Row, columns: &[usize]) -> Result<Vec<Value>, Trouble> {
        record::values(&mut self.pager, row, columns)
    }

    /// How the log began when it was read, which is another way once it is begun anew; nothing where there is to be none.
    pub(crate) fn log_header(&self) -> Option<&[u8]> {
        self.pager.log_header()
    }
}

impl Table {
    /// The place of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }
}

/// A number of 4 bytes as the format has them, the highest first.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number of 2 bytes.
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number of 1 to 9 bytes, and how many there are.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let bytes = bytes.get(at..)?;
    let mut value = 0;
    for (i, byte) in bytes.iter().take(8).enumerate() {
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    Some((value << 8 | u64::from(*bytes.get(8)?), 9))
}
