//! The graph of `after`: which names wait for which.
//!
//! Pure. The graph may name what is not in it; such names are no edges here.

use std::collections::{BTreeMap, BTreeSet};

/// For each name, the names that it comes after.
pub(crate) type Graph<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The cycles, each as the path from a name back to itself without the repetition. No two share a name; without the
/// names in them the graph has none.
pub(crate) fn cycles(graph: &Graph<'_>) -> Vec<Vec<String>> {
    let mut left = graph.clone();
    let mut found = Vec::new();
    loop {
        trim(&mut left);
        let Some(cycle) = any_cycle(&left) else { return found };
        left.retain(|name, _| !cycle.iter().any(|member| member == name));
        found.push(cycle);
    }
}

/// Of those that are left, the names that no other one comes after, which is the order of stopping.
pub(crate) fn last<'a>(left: &BTreeSet<&'a str>, graph: &Graph<'_>) -> Vec<&'a str> {
    let needed: BTreeSet<&str> = left.iter().filter_map(|name| graph.get(name)).flatten().copied().collect();
    left.iter().filter(|name| !needed.contains(*name)).copied().collect()
}

/// Takes out what can be started, again and again, until only cycles and what waits for them is left.
fn trim(left: &mut Graph<'_>) {
    loop {
        let names: BTreeSet<&str> = left.keys().copied().collect();
        let before = left.len();
        left.retain(|_, after| after.iter().any(|name| names.contains(name)));
        if left.len() == before {
            return;
        }
    }
}

/// In a trimmed graph every name waits for another one in it, so that following them comes back to a name.
fn any_cycle(left: &Graph<'_>) -> Option<Vec<String>> {
    let mut path: Vec<&str> = vec![left.keys().next()?];
    loop {
        let next = left.get(path.last()?)?.iter().find(|name| left.contains_key(*name))?;
        if let Some(start) = path.iter().position(|name| name == next) {
            return Some(path[start..].iter().map(|name| (*name).to_owned()).collect());
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph<'a>(edges: &[(&'a str, &[&'a str])]) -> Graph<'a> {
        edges.iter().map(|(name, after)| (*name, after.to_vec())).collect()
    }

    #[test]
    fn a_graph_without_cycles_has_none() {
        assert_eq!(
            cycles(&graph(&[("web", &["db", "cache"]), ("cache", &["db"]), ("db", &[])])),
            [] as [Vec<String>; 0]
        );
        assert_eq!(cycles(&graph(&[("web", &["elsewhere"])])), [] as [Vec<String>; 0]);
    }

    #[test]
    fn each_cycle_is_named_once_and_without_those_that_wait_for_it() {
        let graph = graph(&[
            ("a", &["b"]),
            ("b", &["c"]),
            ("c", &["b"]),
            ("own", &["own"]),
            ("web", &["own", "fine"]),
            ("fine", &[]),
        ]);
        assert_eq!(cycles(&graph), [vec!["b".to_owned(), "c".into()], vec!["own".to_owned()]]);
    }

    #[test]
    fn those_that_nobody_needs_stop_first() {
        let graph = graph(&[("web", &["db"]), ("job", &["db"]), ("db", &[])]);
        let mut left: BTreeSet<&str> = graph.keys().copied().collect();
        assert_eq!(last(&left, &graph), ["job", "web"]);
        left.remove("web");
        assert_eq!(last(&left, &graph), ["job"]);
        left.remove("job");
        assert_eq!(last(&left, &graph), ["db"]);
    }
}
