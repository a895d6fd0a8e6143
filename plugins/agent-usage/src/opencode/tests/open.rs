//! Messages that are not complete when they are read first.

use super::super::database::{self, Known};
use super::*;
use crate::sqlite::{self, File, Storage, Trouble};

#[test]
fn messages_that_do_not_say_when_they_were_begun_are_looked_at_again() {
    let mut database = Database::new();
    database.write("msg_1", "ses_1", &message(1, "{}"));
    database.write("msg_2", "ses_1", &message(10, r#"{"created":1.5}"#));
    assert_eq!(value(&database.collect(), OUTPUT), Some(11.0));
    database.write("msg_1", "ses_1", &data(100));
    database.write("msg_2", "ses_1", &data(1000));
    assert_eq!(value(&database.collect(), OUTPUT), Some(1100.0));
}

#[test]
fn messages_that_are_never_finished_do_not_hold_up_the_others() {
    let mut database = Database::new();
    for id in 0..300 {
        database.write(&format!("msg_{id}"), "ses_1", &streaming(1));
    }
    assert_eq!(value(&database.collect(), OUTPUT), Some(300.0));
    for id in 0..300 {
        database.write(&format!("msg_{id}"), "ses_1", &data(2));
    }
    assert_eq!(value(&database.collect(), OUTPUT), Some(400.0), "the last hundred are looked at again");
    database.write("msg_new", "ses_1", &data(1000));
    assert_eq!(value(&database.collect(), OUTPUT), Some(1400.0));
}

#[test]
fn messages_that_are_not_complete_and_long_hold_back_no_new_ones() {
    let long = |text: &str| format!("{text}{}", " ".repeat(100_000));
    let mut database = Database::new();
    for id in 0..100 {
        database.write(&format!("msg_{id}"), "ses_1", &long(&streaming(1)));
    }
    database.checkpoint();
    assert_eq!(value(&database.collect(), OUTPUT), Some(100.0));
    let limits = Limits { file_bytes: (10 << 20) + (3 << 20), ..plenty() };
    database.sandbox = std::mem::take(&mut database.sandbox).limits(limits);
    for id in [0, 50, 99] {
        database.write(&format!("msg_{id}"), "ses_1", &data(1001));
    }
    database.write("msg_new", "ses_1", &data(100_000));
    let mut counted = Vec::new();
    for _ in 0..6 {
        let lines = database.collect();
        assert_eq!(value(&lines, "agent_usage.pending "), Some(0.0), "nothing is held back: {lines:?}");
        assert_eq!(value(&lines, "agent_usage.unread "), Some(0.0));
        counted.push(value(&lines, OUTPUT).unwrap());
    }
    assert!((100_100.0..103_100.0).contains(&counted[0]), "the new one at once: {counted:?}");
    assert_eq!(counted[5], 103_100.0, "and each of the others in its turn: {counted:?}");
    // Nobody does this; it shows that nothing is read any more.
    let unseen = |main: &mut Vec<u8>, _: &mut Vec<u8>| {
        let text = br#""output":1,"#;
        let at = main.windows(text.len()).position(|window| window == text).unwrap();
        main[at + text.len() - 2] = b'9';
    };
    assert_eq!(value(&database.collect_with(unseen), OUTPUT), Some(103_100.0));
}

/// The main file of a database, without a log.
struct Main(Vec<u8>);

impl Storage for Main {
    fn read(&mut self, file: File, offset: u64, length: usize) -> Result<Vec<u8>, Trouble> {
        let rest = self.0.get(offset as usize..).filter(|_| file == File::Main).unwrap_or_default();
        Ok(rest[..length.min(rest.len())].to_vec())
    }

    fn has_time(&self) -> bool {
        true
    }
}

#[test]
fn a_message_is_looked_at_for_a_day_whatever_it_says_of_its_begin() {
    const HOUR: i64 = 3_600_000;
    let database = Database::new();
    for (id, time) in ["{}", r#"{"created":1.5}"#, r#"{"created":9000000000000000}"#].into_iter().enumerate() {
        database.write(&format!("msg_{id}"), "ses_1", &message(1, time));
    }
    database.checkpoint();
    let mut main = Main(std::fs::read(database.folder.path().join("db")).unwrap());
    let size = main.0.len() as u64;
    let mut known = Known::default();
    let mut read = |now: i64| {
        let mut database = sqlite::Database::open(&mut main, size).unwrap().unwrap();
        let slice = database::read(&mut database, &known.clone().of_form(None), (1, now));
        known = slice.known;
        slice.messages.len()
    };
    let begun = 500_000 * HOUR;
    let looks = [0, 1, 23, 25, 26].map(|hours| read(begun + hours * HOUR));
    assert_eq!(looks, [3, 3, 3, 3, 0]);
}
