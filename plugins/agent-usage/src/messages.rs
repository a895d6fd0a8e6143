//! Which messages of Claude Code and OpenCode have been counted, and as what.
//!
//! A message is in the logs more than once, with figures that grow while it streams, so a message that is known may take
//! the place of its older form. The rules are those of `ccusage` (20.x): a message of the conversation stands before a
//! copy that was written aside, and then the one with more tokens.
//!
//! Kept in 256 values of the state, of which only those are read and written that a collect touches. Bound:
//! [`MAX_RECORDS`] messages in a bucket. Beyond that the oldest one of the bucket is forgotten: if it turns up again, it
//! is counted again.

use std::collections::BTreeMap;

use sandbeat_sdk::state::{self, StateError};
use serde::{Deserialize, Serialize};

use crate::claude::Identity;
use crate::ledger::Charge;
use crate::usage::Volume;

/// With at most 32 bytes for each, all buckets together take 8 MiB; they take 22 bytes as a rule.
const MAX_RECORDS: usize = 1_000;

/// The messages, as far as they have been looked at.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    buckets: BTreeMap<u8, Bucket>,
    /// How many were forgotten.
    pub(crate) forgotten: u64,
}

/// What a message means for the totals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It counts.
    New,
    /// It counts in the place of what was counted as this.
    Instead(Charge),
    /// It was counted.
    Known,
}

/// Where a message of OpenCode was read; a later one stands before those above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    File,
    SessionMessage,
    Message,
}

#[derive(Debug, Default)]
struct Bucket {
    records: Vec<Record>,
    changed: bool,
}

/// A message, in few bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    message: [u8; 6],
    request: [u8; 3],
    /// Bit 0: written aside. Bit 1: dear, because its context is large. Bits 2 and 3: the origin.
    flags: u8,
    row: u8,
    tokens: [u32; 5],
    reasoning: u32,
    usd: Option<f64>,
}

impl Messages {
    /// Notes a message of Claude Code.
    pub(crate) fn admit(&mut self, identity: &Identity, charge: &Charge) -> Verdict {
        let record = Record::new(identity, charge);
        self.note(identity.message, record, Record::same_message, |new, old| new.stands_before(old))
    }

    /// Notes a message of OpenCode as it is now, which is what the highest of its origins says.
    pub(crate) fn replace(&mut self, message: u64, charge: &Charge, origin: Origin) -> Verdict {
        let identity = Identity { message, request: 0, aside: false };
        let mut record = Record::new(&identity, charge);
        record.flags |= (origin as u8) << 2;
        let stands_before = |new: &Record, old: &Record| new.flags >> 2 >= old.flags >> 2 && new != old;
        self.note(message, record, Record::same_request, stands_before)
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// The state is full.
    pub(crate) fn keep(&self) -> Result<(), StateError> {
        for (number, bucket) in self.buckets.iter().filter(|(_, bucket)| bucket.changed) {
            let bytes = postcard::to_allocvec(&bucket.records).unwrap_or_default();
            state::set(&key(*number), &bytes)?;
        }
        Ok(())
    }

    fn note(
        &mut self,
        message: u64,
        new: Record,
        is_same: fn(&Record, &Record) -> bool,
        stands_before: impl Fn(&Record, &Record) -> bool,
    ) -> Verdict {
        let [number, ..] = message.to_le_bytes();
        let bucket = self.buckets.entry(number).or_insert_with(|| Bucket::read(number));
        let records = &mut bucket.records;
        let exact = records.iter().position(|old| old.same_request(&new));
        match exact.or_else(|| records.iter().position(|old| is_same(old, &new))).and_then(|at| records.get_mut(at)) {
            Some(old) if stands_before(&new, old) => {
                bucket.changed = true;
                Verdict::Instead(std::mem::replace(old, new).charge())
            }
            Some(_) => Verdict::Known,
            None => {
                bucket.changed = true;
                if records.len() >= MAX_RECORDS {
                    records.remove(0);
                    self.forgotten += 1;
                }
                records.push(new);
                Verdict::New
            }
        }
    }
}

impl Bucket {
    /// What cannot be read, because another version wrote it, counts as none; the version of the books sees to that.
    fn read(number: u8) -> Bucket {
        let kept = state::get(&key(number));
        let records = kept.and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default();
        Bucket { records, changed: false }
    }
}

impl Record {
    fn new(identity: &Identity, charge: &Charge) -> Record {
        let [_, message @ .., _] = identity.message.to_le_bytes();
        let [a, b, c, ..] = identity.request.to_le_bytes();
        let (volume, reasoning, long, usd) = charge.parts();
        Record {
            message,
            request: [a, b, c],
            flags: u8::from(identity.aside) | u8::from(long) << 1,
            row: charge.row,
            // Bounded by `MAX_TOKENS`.
            tokens: volume.parts().map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX)),
            reasoning: u32::try_from(reasoning).unwrap_or(u32::MAX),
            usd,
        }
    }

    fn charge(&self) -> Charge {
        let [input, output, cache_read, cache_write, cache_write_1h] = self.tokens.map(u64::from);
        let volume = Volume { input, output, cache_read, cache_write, cache_write_1h };
        Charge::new(self.row, volume, self.reasoning.into(), self.flags & 2 != 0, self.usd)
    }

    fn is_aside(&self) -> bool {
        self.flags & 1 != 0
    }

    fn total(&self) -> u64 {
        self.tokens.iter().map(|tokens| u64::from(*tokens)).sum()
    }

    fn same_request(&self, other: &Record) -> bool {
        (self.message, self.request) == (other.message, other.request)
    }

    /// The same message under another request, which is a copy if one of the two was written aside.
    fn same_message(&self, other: &Record) -> bool {
        self.message == other.message && (self.is_aside() || other.is_aside())
    }

    fn stands_before(&self, other: &Record) -> bool {
        match (self.is_aside(), other.is_aside()) {
            (false, true) => true,
            (true, false) => false,
            _ => self.total() > other.total(),
        }
    }
}

fn key(number: u8) -> String {
    format!("m{number:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::testing::Sandbox;

    fn charge(output: u64) -> Charge {
        Charge::new(3, Volume { input: 7, output, ..Volume::default() }, 1, true, Some(0.5))
    }

    fn identity(message: u64, request: u64, aside: bool) -> Identity {
        Identity { message: message << 16, request, aside }
    }

    #[test]
    fn a_message_counts_once_and_with_its_last_figures() {
        Sandbox::new().run(|| {
            let mut messages = Messages::default();
            assert_eq!(messages.admit(&identity(1, 1, false), &charge(1)), Verdict::New);
            assert_eq!(messages.admit(&identity(1, 1, false), &charge(1)), Verdict::Known);
            assert_eq!(messages.admit(&identity(1, 1, false), &charge(9)), Verdict::Instead(charge(1)));
            assert_eq!(messages.admit(&identity(1, 1, false), &charge(5)), Verdict::Known);
            assert_eq!(messages.admit(&identity(1, 2, false), &charge(1)), Verdict::New, "another request");
            assert_eq!(messages.admit(&identity(2, 1, false), &charge(1)), Verdict::New, "another message");
        });
    }

    #[test]
    fn a_message_of_the_conversation_stands_before_its_copy() {
        Sandbox::new().run(|| {
            let mut messages = Messages::default();
            assert_eq!(messages.admit(&identity(1, 1, true), &charge(100)), Verdict::New);
            assert_eq!(messages.admit(&identity(1, 2, false), &charge(1)), Verdict::Instead(charge(100)));
            assert_eq!(messages.admit(&identity(1, 3, true), &charge(1000)), Verdict::Known);
            assert_eq!(messages.admit(&identity(2, 4, true), &charge(1)), Verdict::New, "an answer of its own");
        });
    }

    #[test]
    fn a_rewritten_file_has_the_newest_figures() {
        Sandbox::new().run(|| {
            let mut messages = Messages::default();
            assert_eq!(messages.replace(5, &charge(9), Origin::File), Verdict::New);
            assert_eq!(messages.replace(5, &charge(9), Origin::File), Verdict::Known);
            assert_eq!(messages.replace(5, &charge(3), Origin::File), Verdict::Instead(charge(9)));
        });
    }

    #[test]
    fn a_database_stands_before_files_that_are_left_of_older_versions() {
        Sandbox::new().run(|| {
            let mut messages = Messages::default();
            assert_eq!(messages.replace(5, &charge(9), Origin::File), Verdict::New);
            assert_eq!(messages.replace(5, &charge(7), Origin::Message), Verdict::Instead(charge(9)));
            assert_eq!(messages.replace(5, &charge(8), Origin::SessionMessage), Verdict::Known);
            assert_eq!(messages.replace(5, &charge(8), Origin::File), Verdict::Known);
            assert_eq!(messages.replace(5, &charge(3), Origin::Message), Verdict::Instead(charge(7)));
        });
    }

    #[test]
    fn they_are_known_in_the_next_collect() {
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            let mut messages = Messages::default();
            for message in 0..200 {
                messages.admit(&identity(message, 1, false), &charge(message));
            }
            messages.keep().unwrap();
        });
        sandbox.run(|| {
            let mut messages = Messages::default();
            assert_eq!(messages.admit(&identity(7, 1, false), &charge(8)), Verdict::Instead(charge(7)));
            assert_eq!(messages.admit(&identity(8, 1, false), &charge(8)), Verdict::Known);
        });
    }

    #[test]
    fn a_record_is_small() {
        let volume = Volume { input: 12, output: 2_000, cache_read: 120_000, cache_write: 3_000, cache_write_1h: 0 };
        let record = Record::new(&identity(u64::MAX >> 16, u64::MAX, false), &Charge::new(3, volume, 0, false, None));
        assert_eq!(postcard::to_allocvec(&record).unwrap().len(), 22);
    }

    #[test]
    fn beyond_the_bound_the_oldest_is_forgotten() {
        Sandbox::new().run(|| {
            let mut messages = Messages::default();
            for message in 0..=MAX_RECORDS as u64 {
                assert_eq!(messages.admit(&identity(message, 1, false), &charge(1)), Verdict::New);
            }
            assert_eq!(messages.forgotten, 1);
            assert_eq!(messages.admit(&identity(1, 1, false), &charge(1)), Verdict::Known);
            assert_eq!(messages.admit(&identity(0, 1, false), &charge(1)), Verdict::New);
        });
    }
}
