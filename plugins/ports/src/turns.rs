//! Who gets room where there is not enough for all ports. Pure.
//!
//! A process can open any number of ports. Were they taken by their numbers, one that opens all low ones would hide all
//! others; so owners take turns, and to hide a port there have to be as many owners as there are places.

use std::collections::BTreeMap;

use crate::owners::Owners;
use crate::port::Port;

/// The first port of each owner, then the second of each, and so on. Owners are told apart by name; nobody is one.
pub(crate) fn in_turns<'a>(ports: impl IntoIterator<Item = &'a Port>, owners: &Owners) -> Vec<&'a Port> {
    let mut turns: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let with_turn = |port: &'a Port| {
        let turn = turns.entry(owners.get(&port.inode).map(String::as_str)).or_default();
        *turn += 1;
        (*turn, port)
    };
    let mut ports: Vec<_> = ports.into_iter().map(with_turn).collect();
    ports.sort_by_key(|(turn, _)| *turn);
    ports.into_iter().map(|(_, port)| port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Scope;

    #[test]
    fn owners_take_turns() {
        let ports: Vec<_> = (1..=8)
            .map(|number| Port { number, scope: Scope::External, sockets: 1, inode: u64::from(number) })
            .collect();
        let names = [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (6, "b"), (8, "c")];
        let owners: Owners = names.into_iter().map(|(inode, name)| (inode, name.to_owned())).collect();
        let numbers: Vec<_> = in_turns(&ports, &owners).into_iter().map(|port| port.number).collect();
        assert_eq!(numbers, [1, 4, 5, 8, 2, 6, 7, 3]);
        let numbers: Vec<_> = in_turns(&ports, &Owners::new()).into_iter().map(|port| port.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
