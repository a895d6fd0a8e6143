//! The list of what did not make it into a report: equal ones counted, the whole bounded, nothing lost from the sum.

use std::collections::BTreeMap;

use sandbeat_status::Rejected;
use sandbeat_status::names::{MAX_NAME, shown};

/// The most bytes of JSON that the list takes, every character of it escaped.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// The most different ones of one plugin; more are summed up under [`FURTHER`].
const MAX_PER_PLUGIN: usize = 16;
/// The most different ones of all; more are summed up under [`FURTHER`], without a plugin.
const MAX_ALL: usize = 80;
/// The most bytes of a plugin's name.
const MAX_PLUGIN: usize = 64;
/// The most bytes of a reason.
const MAX_REASON: usize = 120;
/// The name under which those are counted that are not listed.
const FURTHER: &str = "…";

/// Plugin, name and reason.
type Key = (Option<String>, String, String);

/// Collects what is rejected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rejections {
    counts: BTreeMap<Key, u64>,
    per_plugin: BTreeMap<Option<String>, usize>,
}

impl Rejections {
    /// One entry of a collector's.
    pub(super) fn note(&mut self, plugin: &str, name: &str, reason: &str) {
        self.add(Rejected {
            plugin: Some(plugin.to_owned()),
            name: name.to_owned(),
            reason: reason.to_owned(),
            count: 1,
        });
    }

    /// What was rejected before the merge.
    pub(super) fn add(&mut self, rejected: Rejected) {
        let plugin = rejected.plugin.map(|plugin| shown(&plugin, MAX_PLUGIN));
        let key = (plugin, shown(&rejected.name, MAX_NAME), shown(&rejected.reason, MAX_REASON));
        let key = if self.counts.contains_key(&key) || self.has_room(&key.0) { key } else { self.further(key.0) };
        if !self.counts.contains_key(&key) {
            *self.per_plugin.entry(key.0.clone()).or_default() += 1;
        }
        let count = self.counts.entry(key).or_default();
        *count = count.saturating_add(rejected.count);
    }

    pub(super) fn into_list(self) -> Vec<Rejected> {
        let rejected = |((plugin, name, reason), count)| Rejected { plugin, name, reason, count };
        self.counts.into_iter().map(rejected).collect()
    }

    fn has_room(&self, plugin: &Option<String>) -> bool {
        self.counts.len() < MAX_ALL && self.per_plugin.get(plugin).is_none_or(|count| *count < MAX_PER_PLUGIN)
    }

    fn further(&self, plugin: Option<String>) -> Key {
        let reason = "further ones were rejected".to_owned();
        let of_plugin = (plugin, FURTHER.to_owned(), reason);
        // A plugin's own sum takes a place as well; the last place is for the sum of all.
        if self.counts.contains_key(&of_plugin) || self.counts.len() < MAX_ALL {
            of_plugin
        } else {
            (None, FURTHER.to_owned(), of_plugin.2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(list: &[Rejected]) -> u64 {
        list.iter().map(|rejected| rejected.count).sum()
    }

    #[test]
    fn equal_ones_are_counted() {
        let mut rejections = Rejections::default();
        rejections.note("net", "a", "why");
        rejections.note("net", "a", "why");
        rejections.note("net", "b", "why");
        let list = rejections.into_list();
        assert_eq!(list.iter().map(|r| (r.name.as_str(), r.count)).collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
    }

    #[test]
    fn a_flood_is_bounded_and_stays_in_the_sum() {
        let mut rejections = Rejections::default();
        for plugin in 0..1000 {
            for name in 0..100 {
                rejections.note(&format!("{plugin}\"").repeat(40), &format!("{name}\"").repeat(90), &"\"".repeat(999));
            }
        }
        let list = rejections.into_list();
        assert_eq!(total(&list), 100_000);
        assert!(list.len() <= MAX_ALL + 1, "{}", list.len());
        let bytes = serde_json::to_vec(&list).unwrap().len();
        assert!(bytes <= MAX_BYTES, "{bytes}");
    }

    #[test]
    fn one_plugin_cannot_take_all_places() {
        let mut rejections = Rejections::default();
        for name in 0..1000 {
            rejections.note("loud", &name.to_string(), "why");
        }
        rejections.note("quiet", "a", "why");
        let list = rejections.into_list();
        assert_eq!(list.len(), MAX_PER_PLUGIN + 2);
        assert_eq!(total(&list), 1001);
        assert!(list.iter().any(|r| r.plugin.as_deref() == Some("quiet") && r.name == "a"));
    }
}
