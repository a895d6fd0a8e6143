//! Databases that SQLite itself wrote, in every state in which they can be found, and broken ones.

mod hostile;

use std::cell::Cell;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// The two files, as they are at one time.
#[derive(Clone, Default)]
struct Files {
    main: Vec<u8>,
    log: Vec<u8>,
    read: usize,
    reads: usize,
    /// How often there is still time; always where it is absent.
    time: Option<Cell<u32>>,
}

impl Storage for Files {
    fn read(&mut self, file: File, offset: u64, length: usize) -> Result<Vec<u8>, Trouble> {
        let bytes = if file == File::Main { &self.main } else { &self.log };
        let begin = usize::try_from(offset).unwrap().min(bytes.len());
        let part = &bytes[begin..begin.saturating_add(length).min(bytes.len())];
        self.read += part.len();
        self.reads += 1;
        Ok(part.to_vec())
    }

    fn has_time(&self) -> bool {
        let Some(time) = &self.time else { return true };
        time.replace(time.get().saturating_sub(1)) > 0
    }
}

/// A database that is open and being written.
struct Live {
    folder: TempDir,
    connection: Connection,
}

impl Live {
    fn new(page_size: u32, mode: &str) -> Live {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("db")).unwrap();
        let live = Live { folder, connection };
        live.sql(&format!("PRAGMA page_size = {page_size}; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF;"));
        live.connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
        live.sql(
            "CREATE TABLE other(a); CREATE TABLE `message`(`id` text PRIMARY KEY, n integer, `data` text NOT NULL);",
        );
        live
    }

    fn sql(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    fn checkpoint(&self, mode: &str) {
        self.connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())).unwrap();
    }

    /// Messages with data of these lengths, in one commit.
    fn insert(&self, lengths: impl IntoIterator<Item = usize>) {
        self.sql("BEGIN");
        for length in lengths {
            let sql = "INSERT INTO message VALUES (hex(randomblob(8)), ?1, ?2); ";
            self.connection.execute(sql, (length as i64 - 100, text(length))).unwrap();
            self.sql("INSERT INTO other VALUES (zeroblob(700));");
        }
        self.sql("COMMIT");
    }

    fn files(&self) -> Files {
        let read = |name| std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        Files { main: read("db"), log: read("db-wal"), ..Files::default() }
    }

    /// What SQLite reads.
    fn expected(&self) -> Vec<(i64, String, String)> {
        let mut statement = self.connection.prepare("SELECT rowid, id, data FROM message ORDER BY rowid").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

fn text(length: usize) -> String {
    (0..length).map(|i| char::from(b'a' + (i * 7 + length) as u8 % 26)).collect()
}

fn open(files: &mut Files) -> Result<Option<Database<'_, Files>>, Trouble> {
    let size = files.main.len() as u64;
    Database::open(files, size)
}

/// What is read here, from a rowid on.
fn rows_after(files: &mut Files, rowid: i64) -> Result<Vec<(i64, String, String)>, Trouble> {
    let Some(mut database) = open(files)? else { return Ok(Vec::new()) };
    let Some(table) = database.table("message")? else { return Ok(Vec::new()) };
    let columns = ["id", "data"].map(|name| table.column(name).unwrap_or(99));
    let mut rows = database.after(&table, rowid);
    let mut all = Vec::new();
    while let Some(row) = database.next(&mut rows)? {
        let mut values = database.values(&row, &columns)?.into_iter().map(|value| match value {
            Value::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            other => format!("{other:?}"),
        });
        all.push((row.rowid, values.next().unwrap_or_default(), values.next().unwrap_or_default()));
    }
    Ok(all)
}

fn rows(files: &mut Files) -> Vec<(i64, String, String)> {
    rows_after(files, 0).unwrap()
}

#[test]
fn rows_are_those_that_sqlite_reads_with_and_without_a_log() {
    for page_size in [512, 1024, 4096, 65_536] {
        let live = Live::new(page_size, "WAL");
        assert_eq!(rows(&mut live.files()), []);
        live.insert((0..300).map(|i| i * 37 % 900));
        live.insert([100_000, 0, 5_000, 470, 471, 472, 473, 4_060, 4_061, 4_062, 4_063, 65_500, 200_000]);
        assert_eq!(rows(&mut live.files()), live.expected(), "all in the log");
        live.checkpoint("PASSIVE");
        assert_eq!(rows(&mut live.files()), live.expected(), "in both");
        live.insert((0..300).map(|i| i * 41 % 2_000));
        live.sql(
            "DELETE FROM message WHERE rowid % 3 = 0; UPDATE message SET data = data || 'more' WHERE rowid % 5 = 0;",
        );
        let files = live.files();
        assert_eq!(rows(&mut files.clone()), live.expected(), "a log that was begun anew");
        live.checkpoint("TRUNCATE");
        assert!(live.files().log.is_empty());
        assert_eq!(rows(&mut live.files()), live.expected(), "no log");
        let all = live.expected();
        for from in [0, 1, 2, 100, 301, 600] {
            let expected: Vec<_> = all.iter().filter(|(rowid, ..)| *rowid > from).cloned().collect();
            assert_eq!(rows_after(&mut files.clone(), from).unwrap(), expected, "{page_size} from {from}");
        }
    }
}

#[test]
fn a_database_without_a_log_mode_is_read_whatever_lies_beside_it() {
    let live = Live::new(4096, "DELETE");
    live.insert([10, 10_000]);
    let mut files = Files { log: vec![7; 5_000], ..live.files() };
    assert_eq!(rows(&mut files), live.expected());
    assert_eq!(open(&mut files).unwrap().unwrap().log_header(), None);
}

#[test]
fn only_whole_commits_of_the_log_count() {
    let live = Live::new(512, "WAL");
    let mut commits = vec![(live.files().log.len(), live.expected())];
    for i in 0..6 {
        live.insert([i * 300, 40]);
        commits.push((live.files().log.len(), live.expected()));
    }
    let whole = live.files();
    let of_schema = commits[0].0;
    for length in (of_schema..whole.log.len()).step_by(97).chain([whole.log.len()]) {
        let mut files = Files { log: whole.log[..length].to_vec(), ..whole.clone() };
        let expected = commits.iter().rev().find(|(end, _)| *end <= length).unwrap();
        assert_eq!(rows(&mut files), expected.1, "{length}");
    }
    let mut flipped = whole.clone();
    flipped.log[commits[3].0 + 200] ^= 1;
    assert_eq!(rows(&mut flipped), commits[3].1, "a checksum that is wrong ends the log");
    flipped.log[10] ^= 1;
    assert_eq!(rows(&mut flipped), [], "and one of the header all of it");
}

#[test]
fn a_log_of_a_machine_with_another_order_of_bytes_is_read() {
    let live = Live::new(1024, "WAL");
    live.insert([10, 3_000, 20]);
    let mut files = live.files();
    files.log[3] = 0x83;
    let (mut a, mut b) = (0_u32, 0_u32);
    let mut sum = |bytes: &[u8]| {
        for pair in bytes.chunks_exact(8) {
            a = a.wrapping_add(be32(pair, 0).unwrap()).wrapping_add(b);
            b = b.wrapping_add(be32(pair, 4).unwrap()).wrapping_add(a);
        }
        [a.to_be_bytes(), b.to_be_bytes()].concat()
    };
    let of_header = sum(&files.log[..24]);
    files.log[24..32].copy_from_slice(&of_header);
    for frame in files.log[32..].chunks_exact_mut(24 + 1024) {
        sum(&frame[..8]);
        let of_frame = sum(&frame[24..]);
        frame[16..24].copy_from_slice(&of_frame);
    }
    assert_eq!(rows(&mut files), live.expected());
}

#[test]
fn single_rows_and_the_last_one_are_found() {
    let live = Live::new(512, "WAL");
    live.insert((0..500).map(|_| 100));
    live.sql("DELETE FROM message WHERE rowid IN (7, 500)");
    let mut files = live.files();
    let mut database = open(&mut files).unwrap().unwrap();
    let table = database.table("MESSAGE").unwrap().unwrap();
    let mut found = |rowid| database.row(&table, rowid).unwrap().map(|row| row.rowid);
    assert_eq!(
        [1, 6, 7, 499, 500, 0, -1, i64::MIN, i64::MAX].map(&mut found),
        [Some(1), Some(6), None, Some(499), None, None, None, None, None]
    );
    assert_eq!(database.last(&table).unwrap(), Some(499));
    assert_eq!(database.table("nothing").unwrap(), None);
    assert!(!database.is_empty().unwrap());
}

#[test]
fn pages_of_other_tables_are_not_read() {
    let live = Live::new(4096, "WAL");
    live.insert((0..100).map(|_| 300));
    live.sql("INSERT INTO other SELECT zeroblob(3000) FROM message a, message b;");
    live.insert((0..100).map(|_| 300));
    live.checkpoint("TRUNCATE");
    let mut files = live.files();
    assert!(files.main.len() > 30 << 20);
    assert_eq!(rows(&mut files).len(), 200);
    assert!(files.read < 1 << 20 && files.reads < 60, "{} bytes in {} reads", files.read, files.reads);
    files.reads = 0;
    assert_eq!(rows_after(&mut files, 198).unwrap().len(), 2);
    assert!(files.reads < 10, "{}", files.reads);
}

#[test]
fn what_cannot_be_read_is_named() {
    let trouble = |files: &mut Files| rows_after(files, 0).unwrap_err();
    let live = Live::new(4096, "WAL");
    live.insert([10, 20_000]);
    live.checkpoint("TRUNCATE");
    let good = live.files();
    let with = |at: usize, byte: u8| {
        let mut files = good.clone();
        files.main[at] = byte;
        trouble(&mut files)
    };
    assert_eq!(with(0, 0), Trouble::Broken("it is not an SQLite database"));
    assert_eq!(with(19, 3), Trouble::Unsupported("it has a newer format"));
    assert_eq!(with(16, 0x11), Trouble::Broken("its pages have an impossible size"));
    assert_eq!(with(59, 2), Trouble::Unsupported("its text is not in UTF-8"));
    assert_eq!(with(100, 0x0a), Trouble::Broken("a page is not one of a table"));
    let mut short = Files { main: good.main[..50].to_vec(), ..Files::default() };
    assert_eq!(trouble(&mut short), Trouble::Broken("it ends before it should"));
    let mut short = Files { main: good.main[..4096].to_vec(), ..Files::default() };
    assert_eq!(trouble(&mut short), Trouble::Broken("it refers to a page that it does not have"));
    assert!(open(&mut Files::default()).unwrap().is_none());

    let other = Live::new(1024, "WAL");
    other.insert([10]);
    let mut mixed = Files { log: other.files().log, ..good.clone() };
    assert_eq!(trouble(&mut mixed), Trouble::Unsupported("its log has pages of another size"));

    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join("db")).unwrap();
    connection.execute_batch("CREATE TABLE message(id text PRIMARY KEY, data text) WITHOUT ROWID").unwrap();
    let mut files = Files { main: std::fs::read(folder.path().join("db")).unwrap(), ..Files::default() };
    assert_eq!(trouble(&mut files), Trouble::Unsupported("its table is not one of rows by rowid"));
}

#[test]
fn a_row_that_is_too_long_is_passed_over() {
    let live = Live::new(65_536, "WAL");
    live.insert([10, MAX_ROW + 10, 10]);
    live.checkpoint("TRUNCATE");
    let mut files = live.files();
    let data: Vec<_> = rows(&mut files).into_iter().map(|(_, _, data)| data.len()).collect();
    assert_eq!(data, [10, "Other".len(), 10]);
    assert!(files.read < 1 << 20, "{}", files.read);
}

#[test]
fn columns_that_are_computed_and_rowids_below_0_are_as_sqlite_has_them() {
    let live = Live::new(4096, "WAL");
    live.sql(
        "DROP TABLE message; CREATE TABLE message(id text, a int AS (length(data)) VIRTUAL, b int GENERATED ALWAYS AS \
         (7) STORED, data text NOT NULL);
         INSERT INTO message(rowid, id, data) VALUES (-7, 'x', 'one'), (0, 'y', 'two'), (3, 'z', 'three');",
    );
    assert_eq!(rows_after(&mut live.files(), i64::MIN).unwrap(), live.expected());
}
