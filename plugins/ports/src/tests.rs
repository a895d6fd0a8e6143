//! The whole collector on recorded tables.

use std::collections::BTreeSet;

use super::*;
use sandbeat_sdk::processes::Owner;
use sandbeat_sdk::testing::Sandbox;
use sandbeat_sdk::{Value, log};

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
    let line = |point: &sandbeat_sdk::Point| {
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

/// What listens, with whose it is; and without what is kept of owners, which would hide that they have other names.
fn listens(sandbox: Sandbox, ports: impl IntoIterator<Item = (u16, String)>) -> Sandbox {
    let ports: Vec<_> = ports.into_iter().collect();
    let table = listening(ports.iter().map(|(port, _)| (*port, u64::from(*port))));
    let owners = ports.into_iter().map(|(port, name)| (u64::from(port), Owner { pid: 1, name }));
    let mut sandbox = sandbox.file("/proc/net/tcp", table).missing("/proc/net/tcp6").processes(owners);
    sandbox.run(|| state::delete("owners"));
    sandbox
}

/// The series of a contribution: its points without their values.
fn series(contribution: &Contribution) -> Vec<String> {
    lines(contribution).iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

const SERVER: &str = "system.network.port.sockets tcp external 3000 node";

#[test]
fn names_that_keep_changing_are_left_out_and_the_ports_stay() {
    let (mut sandbox, mut all) = (Sandbox::new(), BTreeSet::new());
    for round in 0..50 {
        let name = |port| if port == 3000 { "node".to_owned() } else { format!("x{round}") };
        sandbox = listens(sandbox, (3000..3200).map(|port| (port, name(port))));
        let series = series(&collect(&mut sandbox));
        assert!(series.contains(&SERVER.to_owned()), "{round}");
        assert_eq!(series.len(), 2 + 200);
        all.extend(series);
    }
    assert!(all.len() < 2_000, "{}", all.len());
}

#[test]
fn a_port_that_is_opened_after_thousands_of_others_has_its_point() {
    let (mut sandbox, mut all) = (Sandbox::new(), BTreeSet::new());
    // Tests of many programs at ports that the system chose, and one program that opens all low ones in turn.
    for round in 0..60 {
        let chosen = (0..100).map(|n| (32_768 + 100 * round + n, format!("test{}", round % 30)));
        let low = (0..100).map(|n| (1024 + 100 * round + n, "scan".to_owned())).filter(|(port, _)| *port != 3000);
        sandbox = listens(sandbox, chosen.chain(low));
        all.extend(series(&collect(&mut sandbox)));
    }
    sandbox = listens(sandbox, [(3000, "node".to_owned()), (40_000, "node".to_owned())]);
    let contribution = collect(&mut sandbox);
    all.extend(series(&contribution));
    assert!(series(&contribution).contains(&SERVER.to_owned()), "{:?}", series(&contribution));
    assert_eq!(metadata(&contribution)[0].1, "3000:node 40000:node");
    // As many as the agent takes within an hour; it would refuse all that come after them.
    assert!(all.len() <= 2_000 && all.len() > 900, "{}", all.len());
    let said: Vec<_> = sandbox.lines().iter().filter(|(level, _)| *level == log::Level::Warn).collect();
    assert!(matches!(&said[..], [(_, line)] if line.contains("limits.series")), "once: {said:?}");
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
