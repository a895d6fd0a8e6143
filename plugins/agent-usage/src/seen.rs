//! Which events of Codex, and which rows of databases that cannot be read, have been counted: a set of fingerprints.
//!
//! Kept in [`BUCKETS`] values of the state, of which only those are read and written that a collect touches. Bound:
//! [`MAX_EVENTS`] events in a bucket. Beyond that the oldest one of the bucket is forgotten: if a copy of it turns up, it
//! is counted again.

use std::collections::BTreeMap;

use sandbeat_sdk::state::{self, StateError};

const BUCKETS: u8 = 64;
/// All buckets together take 1.5 MiB at most.
const MAX_EVENTS: usize = 4_096;
/// Of a fingerprint: with the number of the bucket 54 bits, so that among all that fit two are taken for one in one of
/// half a million logs.
const BYTES: usize = 6;

/// The events, as far as they have been looked at.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    buckets: BTreeMap<u8, Bucket>,
    /// How many were forgotten.
    pub(crate) forgotten: u64,
}

#[derive(Debug)]
struct Bucket {
    events: Vec<[u8; BYTES]>,
    changed: bool,
}

impl Seen {
    /// Notes an event; whether it is new.
    pub(crate) fn insert(&mut self, fingerprint: u64) -> bool {
        let [first, event @ .., _] = fingerprint.to_le_bytes();
        let number = first % BUCKETS;
        let bucket = self.buckets.entry(number).or_insert_with(|| Bucket::read(number));
        if bucket.events.contains(&event) {
            return false;
        }
        if bucket.events.len() >= MAX_EVENTS {
            bucket.events.remove(0);
            self.forgotten += 1;
        }
        bucket.events.push(event);
        bucket.changed = true;
        true
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// The state is full.
    pub(crate) fn keep(&self) -> Result<(), StateError> {
        for (number, bucket) in self.buckets.iter().filter(|(_, bucket)| bucket.changed) {
            state::set(&key(*number), bucket.events.as_flattened())?;
        }
        Ok(())
    }
}

impl Bucket {
    fn read(number: u8) -> Bucket {
        let kept = state::get(&key(number)).unwrap_or_default();
        Bucket { events: kept.as_chunks::<BYTES>().0.to_vec(), changed: false }
    }
}

fn key(number: u8) -> String {
    format!("e{number:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::fingerprint;
    use sandbeat_sdk::testing::Sandbox;

    #[test]
    fn an_event_is_new_once() {
        let of = |number: u64| fingerprint(&number.to_le_bytes());
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            let mut seen = Seen::default();
            assert!((0..1000).all(|number| seen.insert(of(number))));
            assert!(!(0..1000).any(|number| seen.insert(of(number))));
            seen.keep().unwrap();
        });
        sandbox.run(|| {
            let mut seen = Seen::default();
            assert!(!seen.insert(of(7)) && seen.insert(of(1000)));
        });
    }

    #[test]
    fn beyond_the_bound_the_oldest_is_forgotten() {
        Sandbox::new().run(|| {
            let mut seen = Seen::default();
            assert!((0..=MAX_EVENTS as u64).all(|number| seen.insert(number << 8)));
            assert_eq!(seen.forgotten, 1);
            assert!(!seen.insert(1 << 8) && seen.insert(0));
        });
    }
}
