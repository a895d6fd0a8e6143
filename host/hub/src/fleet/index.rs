//! Where the fleet's sandboxes are: by place, by id, and in the order of ids.
//!
//! A place is a small number that stays as long as the sandbox does, and names it wherever a list of many is kept.
//! Finding an id costs one look into a hash table whose keys are random to strangers, so that nobody can choose ids
//! that collide. The table is in shards, because one that grows is copied as a whole while everyone waits.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::liveness::chunks::Chunks;

const SHARDS: usize = 64;

/// What has an id that never changes.
pub(super) trait Identified {
    fn id(&self) -> &Arc<str>;
}

/// Values with ids, each id once.
#[derive(Debug)]
pub(super) struct Index<T> {
    values: Chunks<Option<T>>,
    /// Places that were given and are empty again.
    free: Vec<u32>,
    /// The first place that was never given.
    next: u32,
    shards: Box<[HashTable<u32>]>,
    hasher: RandomState,
    order: BTreeSet<Arc<str>>,
}

impl<T: Identified> Index<T> {
    pub(super) fn new() -> Self {
        Index {
            values: Chunks::default(),
            free: Vec::new(),
            next: 0,
            shards: (0..SHARDS).map(|_| HashTable::new()).collect(),
            hasher: RandomState::new(),
            order: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The place of an id.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        self.shards[shard(hash)].find(hash, |place| self.is_at(id, *place)).copied()
    }

    /// What is at a place.
    pub(super) fn get(&self, place: u32) -> Option<&T> {
        self.values.get(place)?.as_ref()
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.values.get_mut(place)?.as_mut()
    }

    /// Puts in a value, and says where. One with the same id must not be there.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let id = Arc::clone(value.id());
        let place = self.free.pop().unwrap_or(self.next);
        self.next = self.next.max(place.saturating_add(1));
        *self.values.grow(place) = Some(value);
        let Index { values, shards, hasher, .. } = self;
        let hash_of = |place: &u32| {
            values.get(*place).and_then(Option::as_ref).map_or(0, |value| hasher.hash_one::<&str>(value.id()))
        };
        let hash = hasher.hash_one::<&str>(&id);
        shards[shard(hash)].insert_unique(hash, place, hash_of);
        self.order.insert(id);
        place
    }

    /// Takes out the value of an id, and says where it was.
    pub(super) fn remove(&mut self, id: &str) -> Option<(u32, T)> {
        let hash = self.hasher.hash_one(id);
        let Index { values, shards, .. } = self;
        let is_it = |place: &u32| values.get(*place).and_then(Option::as_ref).is_some_and(|value| **value.id() == *id);
        let (place, _) = shards[shard(hash)].find_entry(hash, is_it).ok()?.remove();
        self.order.remove(id);
        self.free.push(place);
        let value = self.values.get_mut(place)?.take()?;
        Some((place, value))
    }

    /// All after an id, in the order of ids.
    pub(super) fn after(&self, id: Option<&str>) -> impl Iterator<Item = (u32, &T)> {
        let start = id.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self.order.range::<str, _>((start, Bound::Unbounded));
        ids.filter_map(|id| {
            let place = self.find(id)?;
            Some((place, self.get(place)?))
        })
    }

    fn is_at(&self, id: &str, place: u32) -> bool {
        self.get(place).is_some_and(|value| **value.id() == *id)
    }
}

/// By bits that the table itself does not look at first.
fn shard(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Named(Arc<str>);

    impl Identified for Named {
        fn id(&self) -> &Arc<str> {
            &self.0
        }
    }

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out() {
        let mut index = Index::new();
        let id = |n: u32| format!("sandbox-{n:05}");
        for n in 0..5000 {
            index.insert(Named(id(n).into()));
        }
        for n in (0..5000).step_by(2) {
            let (place, value) = index.remove(&id(n)).unwrap();
            assert_eq!((&*value.0, index.get(place).is_none()), (&*id(n), true));
            assert!(index.remove(&id(n)).is_none());
        }
        assert_eq!(index.len(), 2500);
        let place = index.insert(Named("a".into()));
        assert!(place < 5000, "an empty place is used again");
        assert_eq!((index.find("a"), index.find(&id(2))), (Some(place), None));
        let found = index.find(&id(4999)).and_then(|place| index.get_mut(place)).unwrap();
        assert_eq!(*found.0, *id(4999));
        let ids = |after: &str| {
            index
                .after(Some(after).filter(|after| !after.is_empty()))
                .take(2)
                .map(|(_, value)| value.0.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(""), ["a".to_owned(), id(1)]);
        assert_eq!(ids(&id(1)), [id(3), id(5)]);
        assert_eq!(ids("sandbox-00002"), [id(3), id(5)], "also after one that is not there");
    }
}
