//! What another configuration changes. Pure.

use std::collections::BTreeMap;

use crate::config::Process;
use crate::handle::Changes;

/// What is to be done with each process to come from what runs to what is wanted.
pub(crate) fn difference(running: &BTreeMap<&str, &Process>, wanted: &BTreeMap<&str, &Process>) -> Changes {
    let mut changes = Changes::default();
    for (id, process) in wanted {
        let list = match running.get(id) {
            None => &mut changes.added,
            Some(same) if same == process => &mut changes.unchanged,
            Some(_) => &mut changes.restarted,
        };
        list.push((*id).to_owned());
    }
    changes.removed = running.keys().filter(|id| !wanted.contains_key(*id)).map(|id| (*id).to_owned()).collect();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::RawProcess;
    use crate::resolve::resolve;

    #[test]
    fn only_what_differs_is_touched() {
        let raw = |program: &str| RawProcess { command: vec![program.to_owned()], ..RawProcess::default() };
        let config = |programs: &[(&str, &str)]| {
            let raw = programs.iter().map(|(name, program)| ((*name).to_owned(), raw(program))).collect();
            resolve(raw, BTreeMap::new()).0
        };
        let (before, after) =
            (config(&[("a", "x"), ("b", "x"), ("c", "x")]), config(&[("b", "x"), ("c", "y"), ("d", "x")]));
        let changes = difference(&before.processes().collect(), &after.processes().collect());
        assert_eq!(changes.added, ["d"]);
        assert_eq!(changes.removed, ["a"]);
        assert_eq!(changes.restarted, ["c"]);
        assert_eq!(changes.unchanged, ["b"]);
    }
}
