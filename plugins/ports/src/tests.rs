//! The whole collector on recorded tables.

use super::*;
use sandbeat_sdk::processes::Owner;
use sandbeat_sdk::testing::Sandbox;
use sandbeat_sdk::{Point, Value, log};

const TCP: &str = include_str!("../tests/recorded/tcp");
const TCP6: &str = include_str!("../tests/recorded/tcp6");
const UDP: &str = include_str!("../tests/recorded/udp");
const UDP6: &str = include_str!("../tests/recorded/udp6");

fn sandbox() -> Sandbox {
    let files = [("tcp", TCP), ("tcp6", TCP6), ("udp", UDP), ("udp6", UDP6)];
    files.into_iter().fold(Sandbox::new(), |sandbox, (name, text)| sandbox.file(&format!("/proc/net/{name}"), text))
}

fn collect(sandbox: &mut Sandbox) -> Contribution {
    sandbox.run(Ports::collect).unwrap()
}

fn metadata(contribution: &Contribution) -> Vec<(&str, &str)> {
    contribution.metadata.iter().map(|entry| (entry.key, &*entry.value)).collect()
}

fn lines(contribution: &Contribution) -> Vec<String> {
    let line = |point: &Point| {
        let Value::Gauge(value) = point.value else { panic!("{point:?}") };
        let attributes: Vec<_> = point.attributes.iter().map(|attribute| &*attribute.value).collect();
        format!("{} {} {value}", point.name, attributes.join(" "))
    };
    contribution.points.iter().map(line).collect()
}

#[test]
fn ports_are_listed_by_who_can_reach_them_with_whose_they_are() {
    let owner = |inode, name: &str| (inode, Owner { pid: 7, name: name.into() });
    let owners = [owner(12_308_321, "node"), owner(12_308_325, "node"), owner(12_308_324, "avahi daemon")];
    let contribution = collect(&mut sandbox().processes(owners));
    assert_eq!(
        metadata(&contribution),
        [
            ("ports.tcp", "2024 3000:node 8080:node"),
            ("ports.tcp.loopback", "5432 6379 7000"),
            ("ports.udp", "5353:avahi%20daemon"),
            ("ports.udp.loopback", "53 5353"),
        ]
    );
    assert_eq!(
        lines(&contribution),
        [
            "system.network.port.count tcp external 3",
            "system.network.port.count tcp loopback 3",
            "system.network.port.sockets tcp external 2024 1",
            "system.network.port.sockets tcp external 3000 node 1",
            "system.network.port.sockets tcp external 8080 node 1",
            "system.network.port.sockets tcp loopback 5432 1",
            "system.network.port.sockets tcp loopback 6379 1",
            "system.network.port.sockets tcp loopback 7000 1",
            "system.network.port.count udp external 1",
            "system.network.port.count udp loopback 2",
            "system.network.port.sockets udp external 5353 avahi daemon 1",
            "system.network.port.sockets udp loopback 53 1",
            "system.network.port.sockets udp loopback 5353 1",
        ]
    );
}

#[test]
fn without_ipv6_and_without_processes_there_are_ports() {
    let mut sandbox = sandbox().missing("/proc/net/tcp6").missing("/proc/net/udp6");
    let contribution = collect(&mut sandbox);
    assert_eq!(metadata(&contribution)[..2], [("ports.tcp", "2024 3000"), ("ports.tcp.loopback", "5432")]);
}

#[test]
fn nothing_open_is_not_nothing_known() {
    let heading = TCP.lines().next().unwrap();
    let mut sandbox = Sandbox::new().file("/proc/net/tcp", heading).missing("/proc/net/tcp6");
    let contribution = collect(&mut sandbox);
    assert_eq!(metadata(&contribution), [("ports.tcp", ""), ("ports.tcp.loopback", "")]);
    assert_eq!(lines(&contribution).len(), 2);
    assert!(sandbox.lines().iter().any(|(_, line)| line.contains("`/proc/net/udp` is not granted")));
}

#[test]
fn a_transport_is_known_as_a_whole_or_not_at_all() {
    let mut half = Sandbox::new().file("/proc/net/tcp", TCP).file("/proc/net/udp", UDP).missing("/proc/net/udp6");
    assert_eq!(metadata(&collect(&mut half)).len(), 2, "tcp6 is not granted");
    assert!(matches!(Sandbox::new().run(Ports::collect), Err(Error::Denied(text)) if text.contains("/proc/net/tcp")));
    let mut gone = Sandbox::new().missing("/proc/net/tcp").missing("/proc/net/tcp6");
    assert!(matches!(gone.run(Ports::collect), Err(Error::Unavailable(_))));
    let mut other = Sandbox::new().file("/proc/net/tcp", "State  Recv-Q\n0 0\n").missing("/proc/net/tcp6");
    assert!(matches!(other.run(Ports::collect), Err(Error::Internal(text)) if text.contains("`/proc/net/tcp`")));
}

#[test]
fn more_ports_than_are_reported_one_by_one_are_counted_and_said_once() {
    let line = |port| format!("   0: 00000000:{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 {port} 1 0 100 0 0 10 0\n");
    let text: String = (1000..2000).map(line).collect();
    let mut sandbox = Sandbox::new().file("/proc/net/tcp", text).missing("/proc/net/tcp6");
    let contribution = collect(&mut sandbox);
    assert_eq!(contribution.points.len(), 2 + MAX_PORTS);
    assert_eq!(lines(&contribution)[0], "system.network.port.count tcp external 1000");
    collect(&mut sandbox);
    let said = |sandbox: &Sandbox| sandbox.lines().iter().filter(|(level, _)| *level == log::Level::Warn).count();
    assert_eq!(said(&sandbox), 1, "{:?}", sandbox.lines());
    let mut sandbox = sandbox.file("/proc/net/tcp", TCP);
    collect(&mut sandbox);
    assert_eq!(said(&sandbox), 1);
}

/// A table of TCP in which something listens at these ports; the inodes are as given.
fn listening(ports: impl Iterator<Item = (u16, u64)>) -> String {
    let line =
        |(port, inode)| format!("   0: 00000000:{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 {inode} 1 0 100 0 0 10 0\n");
    ports.map(line).collect()
}

#[test]
fn nobody_hides_the_ports_of_others_behind_his_own() {
    let table = listening((1024..6000).map(|port| (port, if port == 3000 { 7 } else { u64::from(port) })));
    // Many ports of one, and some under each of many names.
    let flood = (1024..6000).map(|port| (port, Owner { pid: 1, name: format!("x{}", port % 50) }));
    let owners = flood.chain([(7, Owner { pid: 2, name: "node".into() })]);
    let mut sandbox = Sandbox::new().file("/proc/net/tcp", table).missing("/proc/net/tcp6").processes(owners);
    let contribution = collect(&mut sandbox);
    let lines = lines(&contribution);
    assert_eq!(lines.len(), 2 + MAX_PORTS);
    assert!(lines.contains(&"system.network.port.sockets tcp external 3000 node 1".to_owned()), "{lines:?}");
    let list = metadata(&contribution)[0].1;
    assert!(list.contains(" 3000:node ") && list.len() <= 1024, "{list}");
}

#[test]
fn names_that_keep_changing_are_left_out_and_the_ports_stay() {
    let table = listening((3000..3200).map(|port| (port, u64::from(port))));
    let mut sandbox = Sandbox::new().file("/proc/net/tcp", table).missing("/proc/net/tcp6");
    let mut all = std::collections::BTreeSet::new();
    for round in 0..50 {
        let name = |port| if port == 3000 { "node".to_owned() } else { format!("x{round}") };
        sandbox = sandbox.processes((3000..3200).map(|port| (port, Owner { pid: 1, name: name(port) })));
        // What is kept of owners would hide that they have other names.
        sandbox.run(|| state::delete("owners"));
        let lines = lines(&collect(&mut sandbox));
        assert!(lines.contains(&"system.network.port.sockets tcp external 3000 node 1".to_owned()), "{round}");
        assert_eq!(lines.len(), 2 + 200);
        all.extend(lines);
    }
    assert!(all.len() < 1_000, "{}", all.len());
}

#[test]
fn all_that_is_collected_is_described() {
    let description = Ports::describe();
    let contribution = collect(&mut sandbox().processes([(12_308_321, Owner { pid: 7, name: "node".into() })]));
    for point in &contribution.points {
        let info = description.metrics.iter().find(|info| info.name == point.name).unwrap();
        let keys: Vec<std::borrow::Cow<'static, str>> = info.keys.iter().map(|key| (*key).into()).collect();
        assert!(point.attributes.iter().all(|attribute| keys.contains(&attribute.key)), "{point:?}");
    }
    for entry in &contribution.metadata {
        assert!(description.metadata.iter().any(|info| info.key == entry.key), "{entry:?}");
    }
}
