//! The collector `ports`: which TCP and UDP ports are open in the sandbox, who can reach them, and whose they are.
//!
//! It reads `/proc/net/{tcp,tcp6,udp,udp6}` (see `read.rs`), which show the network namespace that the agent is in, and
//! asks the agent which processes hold the sockets (`owners.rs`). Without that grant ports have no names. A transport
//! of which a table is not granted, not there or of another form is absent as a whole and named in the log at `debug`;
//! when that is both, the collect ends with the reason for TCP. More ports than are reported one by one, and tables
//! that are too long to be read whole, are said in the log once per change; the counts are then of what was read.

mod listing;
mod owners;
mod port;
mod read;
mod table;

use owners::Owners;
use port::{Port, Scope};
use sandbeat_sdk::prelude::*;
use sandbeat_sdk::{Point, export};
use table::Transport;

// The attributes are OpenTelemetry's but for the scope. It has no metric of open ports.
const TRANSPORT: Key = Key::new("network.transport", "`tcp` or `udp`.");
const SCOPE: Key =
    Key::new("network.local.scope", "`loopback` where only the sandbox itself can reach the port, else `external`.");
const NUMBER: Key = Key::new("network.local.port", "The port's number.");
const PROCESS: Key =
    Key::new("process.executable.name", "The name of the process that holds the socket; absent where nobody can say.");

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

/// Ports of one transport that have a point and a name each; 500 together, of the 1,000 points that a contribution may
/// have.
const MAX_PORTS: usize = 250;

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
        let found = match (find(Transport::Tcp), find(Transport::Udp)) {
            (Err(error), Err(_)) => return Err(error),
            (Err(error), Ok(found)) | (Ok(found), Err(error)) => {
                log::debug!("of one transport nothing is known: {error}");
                vec![found]
            }
            (Ok(tcp), Ok(udp)) => vec![tcp, udp],
        };
        say_what_is_cut(&found);
        let shown = found.iter().flat_map(|found| found.ports.iter().take(MAX_PORTS));
        let mut inodes: Vec<u64> = shown.map(|port| port.inode).collect();
        inodes.sort_unstable();
        inodes.dedup();
        let owners = owners::of(&inodes);

        let mut contribution = Contribution::new();
        for found in &found {
            contribute(&mut contribution, found, &owners);
        }
        Ok(contribution)
    }
}

export!(Ports);

fn find(transport: Transport) -> Result<Found, Error> {
    let open = read::open(transport)?;
    Ok(Found { transport, ports: port::ports(&open.sockets), is_cut: open.is_cut })
}

fn contribute(contribution: &mut Contribution, found: &Found, owners: &Owners) {
    let (transport, lists) = match found.transport {
        Transport::Tcp => ("tcp", [TCP_EXTERNAL, TCP_LOOPBACK]),
        Transport::Udp => ("udp", [UDP_EXTERNAL, UDP_LOOPBACK]),
    };
    let owner = |port: &Port| owners.get(&port.inode).map(String::as_str);
    for (scope, list) in Scope::ALL.into_iter().zip(lists) {
        let ports = || found.ports.iter().filter(move |port| port.scope == scope);
        let attributed = |point: Point| point.attribute(TRANSPORT, transport).attribute(SCOPE, scope.name());
        contribution.push(attributed(PORTS.value(ports().count())));
        contribution.push(list.value(listing::listing(ports().map(|port| (port.number, owner(port))))));
    }
    for port in found.ports.iter().take(MAX_PORTS) {
        let point = SOCKETS.value(port.sockets).attribute(TRANSPORT, transport).attribute(SCOPE, port.scope.name());
        let point = point.attribute(NUMBER, port.number);
        contribution.push(match owner(port) {
            Some(name) => point.attribute(PROCESS, name),
            None => point,
        });
    }
}

/// One line per change, so what was said last is kept.
fn say_what_is_cut(found: &[Found]) {
    const KEY: &str = "cut";
    let lines: Vec<String> = found.iter().filter_map(what_is_cut).collect();
    let said = lines.join("; ");
    if state::get(KEY).unwrap_or_default() == said.as_bytes() {
        return;
    }
    if said.is_empty() {
        state::delete(KEY);
    } else if state::set(KEY, said.as_bytes()).is_ok() {
        log::warn!("{said}");
    }
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
