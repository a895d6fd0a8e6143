//! Who uses most: single processes, and processes of one name added up. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::history::Since;
use crate::stat::Stat;

/// Processes of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    pub(crate) name: &'a str,
    /// CPU time since the last collect, in ticks; absent when that of none of them is known.
    pub(crate) used: Option<u64>,
    pub(crate) members: Vec<&'a Stat>,
    pages: u64,
}

/// All groups, by name.
pub(crate) fn groups<'a>(processes: &'a [Stat], since: Option<&Since<'_>>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<&str, Group<'a>> = BTreeMap::new();
    for stat in processes {
        let name = stat.group();
        let group = groups.entry(name).or_insert_with(|| Group { name, used: None, members: Vec::new(), pages: 0 });
        if let Some(used) = since.and_then(|since| since.used(stat)) {
            group.used = Some(group.used.unwrap_or(0).saturating_add(used));
        }
        group.pages = group.pages.saturating_add(stat.pages);
        group.members.push(stat);
    }
    groups.into_values().collect()
}

/// Those that use most CPU, and after them those of the others that use most memory: so many of each at most.
pub(crate) fn leading_groups<'a>(mut groups: Vec<Group<'a>>, count: usize) -> Vec<Group<'a>> {
    groups.sort_by_key(|group| Reverse(group.used));
    let by_cpu = groups.iter().take(count).take_while(|group| group.used > Some(0)).count();
    let mut others = groups.split_off(by_cpu);
    let mut by_memory: Vec<(u64, &str)> = groups.iter().chain(&others).map(|group| (group.pages, group.name)).collect();
    by_memory.sort_by_key(|(pages, _)| Reverse(*pages));
    by_memory.truncate(count);
    others.retain(|group| group.pages > 0 && by_memory.contains(&(group.pages, group.name)));
    others.sort_by_key(|group| Reverse(group.pages));
    groups.extend(others);
    groups
}

/// The processes that use most CPU, with how much of it, in ticks.
pub(crate) fn by_cpu<'a>(processes: &'a [Stat], since: &Since<'_>, count: usize) -> Vec<(&'a Stat, u64)> {
    let used = processes.iter().filter_map(|stat| Some((stat, since.used(stat).filter(|used| *used > 0)?)));
    let mut used: Vec<_> = used.collect();
    used.sort_by_key(|(stat, used)| (Reverse(*used), stat.pid));
    used.truncate(count);
    used
}

/// The processes that use most memory, by the kernel's rough count.
pub(crate) fn by_memory(processes: &[Stat], count: usize) -> Vec<&Stat> {
    let mut processes: Vec<&Stat> = processes.iter().filter(|stat| stat.pages > 0).collect();
    processes.sort_by_key(|stat| (Reverse(stat.pages), stat.pid));
    processes.truncate(count);
    processes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::stat::State;

    fn stat(pid: u32, name: &str, ticks: u64, pages: u64) -> Stat {
        let state = State::Sleeping;
        Stat { pid, name: name.into(), state, is_kernel: false, ticks, threads: 1, start: 7, pages }
    }

    fn processes() -> Vec<Stat> {
        vec![
            stat(1, "init", 10, 5),
            stat(2, "node", 20, 500),
            stat(3, "node", 30, 400),
            stat(4, "rustc", 90, 50),
            stat(5, "db", 0, 600),
            stat(6, "cat", 0, 0),
            stat(7, "", 1, 1),
        ]
    }

    #[test]
    fn processes_of_one_name_are_added_up() {
        let before = History::new(0, true, &[]);
        let processes = processes();
        let since = before.since(1000);
        let leading = leading_groups(groups(&processes, since.as_ref()), 2);
        let shown: Vec<_> = leading.iter().map(|group| (group.name, group.used, group.members.len())).collect();
        assert_eq!(shown, [("rustc", Some(90), 1), ("node", Some(50), 2), ("db", Some(0), 1)]);
        let many = leading_groups(groups(&processes, since.as_ref()), 20);
        let names: Vec<_> = many.iter().map(|group| group.name).collect();
        assert_eq!(names, ["rustc", "node", "init", "", "db"], "cat uses nothing");
    }

    #[test]
    fn without_a_time_before_memory_alone_counts() {
        let processes = processes();
        let leading = leading_groups(groups(&processes, None), 1);
        assert_eq!(leading.iter().map(|group| (group.name, group.used)).collect::<Vec<_>>(), [("node", None)]);
    }

    #[test]
    fn single_processes_are_ranked() {
        let before = History::new(0, true, &[]);
        let processes = processes();
        let since = before.since(1000).unwrap();
        let cpu: Vec<_> = by_cpu(&processes, &since, 3).iter().map(|(stat, used)| (stat.pid, *used)).collect();
        assert_eq!(cpu, [(4, 90), (3, 30), (2, 20)]);
        assert_eq!(by_cpu(&processes, &since, 99).len(), 5);
        let memory: Vec<_> = by_memory(&processes, 3).iter().map(|stat| stat.pid).collect();
        assert_eq!(memory, [5, 2, 3]);
        assert_eq!(by_memory(&processes, 99).len(), 6);
    }
}
