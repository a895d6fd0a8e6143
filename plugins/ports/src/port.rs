//! Open ports: sockets brought together by their number and by who can reach them. Pure.

use std::collections::BTreeMap;

use crate::table::Socket;

/// Who can reach a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// Whoever reaches one of the sandbox's addresses.
    External,
    /// The sandbox itself.
    Loopback,
}

/// A number that something waits at, in one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) scope: Scope,
    /// How many wait there: several workers, or one for each version of IP.
    pub(crate) sockets: usize,
    /// Of the one that was made first.
    pub(crate) inode: u64,
}

impl Scope {
    /// In the order of [`Scope`].
    pub(crate) const ALL: [Self; 2] = [Self::External, Self::Loopback];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Loopback => "loopback",
        }
    }
}

/// The open ports: those that can be reached from outside first, and by number.
pub(crate) fn ports(sockets: &[Socket]) -> Vec<Port> {
    let mut ports: BTreeMap<(Scope, u16), Port> = BTreeMap::new();
    for socket in sockets {
        let scope = if socket.address.is_loopback() { Scope::Loopback } else { Scope::External };
        let new = Port { number: socket.port, scope, sockets: 0, inode: socket.inode };
        let port = ports.entry((scope, socket.port)).or_insert(new);
        port.sockets += 1;
        port.inode = port.inode.min(socket.inode);
    }
    ports.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_a_port_are_one_port_in_each_scope() {
        let socket = |address: &str, port, inode| Socket { address: address.parse().unwrap(), port, inode };
        let sockets = [
            socket("127.0.0.53", 53, 9),
            socket("0.0.0.0", 3000, 8),
            socket("::", 3000, 7),
            socket("::1", 53, 6),
            socket("10.0.0.2", 53, 5),
            socket("fe80::1", 22, 4),
        ];
        let port = |number, scope, sockets, inode| Port { number, scope, sockets, inode };
        assert_eq!(
            ports(&sockets),
            [
                port(22, Scope::External, 1, 4),
                port(53, Scope::External, 1, 5),
                port(3000, Scope::External, 2, 7),
                port(53, Scope::Loopback, 2, 6),
            ]
        );
        assert_eq!(ports(&[]), []);
    }
}
