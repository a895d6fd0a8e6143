//! The collector `ports`: which TCP and UDP ports are open in the sandbox, who can reach them, and whose they are.
//!
//! It reads `/proc/net/{tcp,tcp6,udp,udp6}` (see `read.rs`), which show the network namespace that the agent is in, and
//! asks the agent which processes hold the sockets (`owners.rs`). Without that grant ports have no names. A transport
//! of which a table is not granted, not there or of another form is absent as a whole and named in the log at `debug`;
//! when that is both, the collect ends with the reason for TCP. More ports than are reported one by one, and tables
//! that are too long to be read whole, are said in the log once per change; the counts are then of what was read. So that
//! nobody hides the ports of others behind many of his own, owners take turns (`turns.rs`) and share the series that
//! there may be (`places.rs`).

mod listing;
mod owners;
mod places;
mod port;
mod read;
mod table;
mod turns;

use owners::Owners;
use places::{Point, Room};
use port::{Port, Scope};
use sandbeat_common::Notice;
use sandbeat_sdk::export;
use sandbeat_sdk::prelude::*;
use table::Transport;
use turns::in_turns;

// The attributes are OpenTelemetry's but for the scope. It has no metric of open ports.
const TRANSPORT: Key = Key::new("network.transport", "`tcp` or `udp`.");
const SCOPE: Key =
    Key::new("network.local.scope", "`loopback` where only the sandbox itself can reach the port, else `external`.");
const NUMBER: Key = Key::new("network.local.port", "The port's number.");
const PROCESS: Key = Key::new(
    "process.executable.name",
    "The name of the process that holds the socket; absent where nobody can say, or where names keep changing.",
);

const PORTS: Gauge = Gauge::new(
    "system.network.port.count",
    "{port}",
    "Ports at which something listens (TCP) or is bound and not connected (UDP).",
)
.with_keys(&[TRANSPORT, SCOPE]);
const SOCKETS: Gauge = Gauge::new(
    "system.network.port.sockets",
    "{socket}",
    "Sockets that wait at an open port; several where workers share it or each version of IP has its own.",
)
.with_keys(&[TRANSPORT, SCOPE, NUMBER, PROCESS]);

const TCP_EXTERNAL: Metadata = Metadata::new(
    "ports.tcp",
    "Open TCP ports that can be reached from outside, with names of processes: 3000:node 8080:python3.",
);
const TCP_LOOPBACK: Metadata =
    Metadata::new("ports.tcp.loopback", "Open TCP ports that only the sandbox itself can reach, in the same form.");
const UDP_EXTERNAL: Metadata =
    Metadata::new("ports.udp", "Open UDP ports that can be reached from outside, in the same form.");
const UDP_LOOPBACK: Metadata =
    Metadata::new("ports.udp.loopback", "Open UDP ports that only the sandbox itself can reach, in the same form.");

/// Ports of one transport that have a point each; 500 together, of the 1,000 points that a contribution may have.
const MAX_PORTS: usize = 250;
/// Ports of one transport whose owner is asked for; of both together, as many as the agent answers at once.
const MAX_ASKED: usize = 2048;

struct Ports;

/// What is open of one transport.
struct Found {
    transport: Transport,
    ports: Vec<Port>,
    is_cut: bool,
}

impl Collector for Ports {
    fn describe() -> Description {
        Description::new(env!("CARGO_PKG_VERSION"), "Open TCP and UDP ports, who can reach them, and whose they are.")
            .with(&PORTS)
            .with(&SOCKETS)
            .with(&TCP_EXTERNAL)
            .with(&TCP_LOOPBACK)
            .with(&UDP_EXTERNAL)
            .with(&UDP_LOOPBACK)
    }

    fn collect() -> Result<Contribution, Error> {
        config::only(&[])?;
        let found = match (find(Transport::Tcp), find(Transport::Udp)) {
            (Err(error), Err(_)) => return Err(error),
            (Err(error), Ok(found)) | (Ok(found), Err(error)) => {
                log::debug!("of one transport nothing is known: {error}");
                vec![found]
            }
            (Ok(tcp), Ok(udp)) => vec![tcp, udp],
        };
        let owners = owners::of(&asked(&found));
        let mut room = Room::open();
        let mut contribution = Contribution::new();
        for found in &found {
            contribute(&mut contribution, found, &owners, &mut room);
        }
        say_what_is_cut(&found, room.keep());
        Ok(contribution)
    }
}

export!(Ports);

fn find(transport: Transport) -> Result<Found, Error> {
    let open = read::open(transport)?;
    Ok(Found { transport, ports: port::ports(&open.sockets), is_cut: open.is_cut })
}

/// Sockets whose owners are asked for. Where they are too many, those that were made first: whoever opens ports to hide
/// those of others comes later than these.
fn asked(found: &[Found]) -> Vec<u64> {
    let of_transport = |found: &Found| {
        let mut inodes: Vec<u64> = found.ports.iter().map(|port| port.inode).collect();
        inodes.sort_unstable();
        inodes.truncate(MAX_ASKED);
        inodes
    };
    let mut inodes: Vec<u64> = found.iter().flat_map(of_transport).collect();
    inodes.sort_unstable();
    inodes.dedup();
    inodes
}

fn contribute(contribution: &mut Contribution, found: &Found, owners: &Owners, room: &mut Room) {
    let (transport, lists) = match found.transport {
        Transport::Tcp => ("tcp", [TCP_EXTERNAL, TCP_LOOPBACK]),
        Transport::Udp => ("udp", [UDP_EXTERNAL, UDP_LOOPBACK]),
    };
    let owner = |port: &Port| owners.get(&port.inode).map(String::as_str);
    for (scope, list) in Scope::ALL.into_iter().zip(lists) {
        let ports = in_turns(found.ports.iter().filter(|port| port.scope == scope), owners);
        let count = PORTS.value(ports.len()).attribute(TRANSPORT, transport).attribute(SCOPE, scope.name());
        contribution.push(count);
        contribution.push(list.value(listing::listing(ports.iter().map(|port| (port.number, owner(port))))));
    }
    let with_point = |port| Some((port, room.point(transport, port, owner(port))?));
    let mut shown: Vec<_> = in_turns(&found.ports, owners).into_iter().filter_map(with_point).take(MAX_PORTS).collect();
    shown.sort_by_key(|(port, _)| (port.scope, port.number));
    for (port, how) in shown {
        let point = SOCKETS.value(port.sockets).attribute(TRANSPORT, transport).attribute(SCOPE, port.scope.name());
        let point = point.attribute(NUMBER, port.number);
        contribution.push(match how {
            Point::Named(name) => point.attribute(PROCESS, name),
            Point::Nameless => point,
        });
    }
}

fn say_what_is_cut(found: &[Found], is_room_short: bool) {
    const CUT: Notice = Notice::new("cut");
    let short = "ports or their names keep changing; some that are new have no point (`limits.series`) and are only \
                 counted and listed";
    let mut lines: Vec<String> = found.iter().filter_map(what_is_cut).collect();
    lines.extend(is_room_short.then(|| short.to_owned()));
    CUT.warn_each(&lines);
}

/// Without figures: they change with each socket.
fn what_is_cut(found: &Found) -> Option<String> {
    let Found { transport, ports, is_cut } = found;
    match (is_cut, ports.len() > MAX_PORTS) {
        (true, _) => Some(format!("{transport:?}: more sockets than are read; open ports are missing")),
        (false, true) => Some(format!("{transport:?}: more than {MAX_PORTS} open ports; the rest is only counted")),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
