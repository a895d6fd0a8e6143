//! The collector `ports` on this machine, held against an independent reading.
//!
//! What is open is known beforehand: the test runs itself once more in a network of its own, made by bubblewrap, in
//! which only loopback exists and nothing listens but the test and the agent.

use std::collections::BTreeSet;
use std::net::{TcpListener, UdpSocket};

use serde_json::Value;

use crate::harness::{FakeHub, Sandbox, alone, bundled, wait_for};

/// What the collector comes with.
const SIDECAR: &str = include_str!("../../../plugins/ports/ports.toml");
const READ: &str = "read = [\"/proc/net/tcp\", \"/proc/net/tcp6\", \"/proc/net/udp\", \"/proc/net/udp6\"]";

#[test]
fn a_port_that_is_opened_or_closed_is_in_the_next_report_with_the_name_of_whose_it_is() {
    alone(
        "catalogue::ports::a_port_that_is_opened_or_closed_is_in_the_next_report_with_the_name_of_whose_it_is",
        || {
            // As a process may call itself; of it in the metadata, the spaces and the colon are encoded.
            rename("a b:1 2");
            let hub = FakeHub::start();
            let hub_port = hub.address().port();
            let sandbox = Sandbox::reporting_to(&hub);
            sandbox.drop_collector("ports", bundled("ports"), SIDECAR);
            let _agent = sandbox.start(&["run"]);
            let only_the_hub = [entry(hub_port)];
            hub.report("the hub alone", |report| listed(report, "ports.tcp.loopback") == set(&only_the_hub));

            let wildcard = TcpListener::bind("0.0.0.0:0").unwrap();
            let second = TcpListener::bind("127.0.0.1:0").unwrap();
            let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
            let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
            connected.connect(datagrams.local_addr().unwrap()).unwrap();
            let [open, inside, datagram] = [wildcard.local_addr(), second.local_addr(), datagrams.local_addr()]
                .map(|address| address.unwrap().port());
            let report = hub.report("the open port", |report| listed(report, "ports.tcp") == set(&[entry(open)]));
            assert_eq!(listed(&report, "ports.tcp.loopback"), set(&[entry(hub_port), entry(inside)]), "{report}");
            assert_eq!(listed(&report, "ports.udp.loopback"), set(&[entry(datagram)]), "{report}");
            assert_eq!(listed(&report, "ports.udp"), set(&[]), "{report}");
            let expected = [("tcp", "external", open), ("tcp", "loopback", inside), ("udp", "loopback", datagram)];
            for (transport, scope, port) in expected {
                let point = points(&report, "system.network.port.sockets")
                    .find(|point| point["network.local.port"] == *port.to_string())
                    .unwrap_or_else(|| panic!("{port} in {report}"));
                assert_eq!(
                    (&point["network.transport"], &point["network.local.scope"]),
                    (&transport.into(), &scope.into())
                );
                assert_eq!(point["process.executable.name"], "a b:1 2");
            }
            assert_eq!(points(&report, "system.network.port.sockets").count(), 4, "{report}");

            drop((wildcard, datagrams));
            let report = hub.report("the closed port", |report| listed(report, "ports.tcp").is_empty());
            assert_eq!(listed(&report, "ports.tcp.loopback"), set(&[entry(hub_port), entry(inside)]), "{report}");
            assert_eq!(listed(&report, "ports.udp.loopback"), set(&[]), "{report}");
        },
    );
}

#[test]
fn a_port_is_in_the_metrics_after_many_others_have_come_and_gone() {
    alone("catalogue::ports::a_port_is_in_the_metrics_after_many_others_have_come_and_gone", || {
        let hub = FakeHub::start();
        let sandbox = Sandbox::reporting_to(&hub);
        sandbox.drop_collector("ports", bundled("ports"), &format!("{SIDECAR}series = 40\n"));
        let agent = sandbox.start(&["run"]);
        for _ in 0..6 {
            let others: Vec<_> = (0..10).map(|_| TcpListener::bind("0.0.0.0:0").unwrap()).collect();
            let entries: Vec<_> = others.iter().map(|other| entry(other.local_addr().unwrap().port())).collect();
            hub.report("all the others", |report| listed(report, "ports.tcp") == set(&entries));
        }
        let _server = TcpListener::bind("0.0.0.0:3000").unwrap();
        let report = hub.report("the server", |report| listed(report, "ports.tcp") == set(&[entry(3000)]));
        let of_server = |point: &&Value| point["network.local.port"] == "3000";
        assert!(points(&report, "system.network.port.sockets").find(of_server).is_some(), "{report:#}");
        assert_eq!(agent.said("limits.series"), 1, "{:?}", agent.stderr());
    });
}

#[test]
fn with_many_connections_the_listening_port_is_still_found() {
    alone("catalogue::ports::with_many_connections_the_listening_port_is_still_found", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections: Vec<_> =
            (0..400).map(|_| (std::net::TcpStream::connect(address).unwrap(), listener.accept().unwrap())).collect();
        let answer = run(SIDECAR);
        assert_eq!(answer["metadata"]["ports.tcp.loopback"], format!("{}:{}", address.port(), encoded_own_name()));
        assert_eq!(connections.len(), 400);
    });
}

#[test]
fn without_its_grants_ports_have_no_names_or_nothing_is_measured() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = run(&format!("[grant]\n{READ}"));
    let listed = answer["metadata"]["ports.tcp.loopback"].as_str().unwrap();
    assert!(listed.split(' ').any(|entry| entry == port.to_string()), "{port} without a name: {answer}");
    assert!(!listed.contains(':'), "{answer}");

    let answer = run("[grant]\nprocesses = true");
    assert_eq!((&answer["ok"], &answer["failure"]), (&false.into(), &"denied".into()), "{answer}");
    assert!(answer["reason"].as_str().unwrap().contains("/proc/net/tcp"), "{answer}");

    // Half a transport is not told as a whole one.
    let answer = run("[grant]\nread = [\"/proc/net/tcp\", \"/proc/net/udp\", \"/proc/net/udp6\"]");
    assert!(answer["metadata"].get("ports.tcp").is_none() && answer["metadata"]["ports.udp"].is_string(), "{answer}");
}

fn run(sidecar: &str) -> Value {
    let sandbox = Sandbox::new();
    sandbox.drop_collector("ports", bundled("ports"), sidecar);
    let ended = sandbox.start(&["plugin", "run", "plugins/ports.wasm", "--json"]).ended();
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ended.stdout, ended.stderr))
}

/// What the metadata lists; nothing where there is no such entry, or an empty one.
fn listed(report: &Value, key: &str) -> BTreeSet<String> {
    let value = report["metadata"][key].as_str().unwrap_or_default();
    value.split_ascii_whitespace().map(str::to_owned).collect()
}

fn set(entries: &[String]) -> BTreeSet<String> {
    entries.iter().cloned().collect()
}

/// An open port of this process, as the metadata shows it.
fn entry(port: u16) -> String {
    format!("{port}:{}", encoded_own_name())
}

fn encoded_own_name() -> String {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", std::process::id())).unwrap();
    name.trim_end().replace(' ', "%20").replace(':', "%3A")
}

/// Attributes of the points with a name.
fn points<'a>(report: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    let metrics = report["metrics"].as_array().unwrap().iter();
    metrics.filter(move |metric| metric["name"] == name).map(|metric| &metric["attributes"])
}

/// Changes what this process is called.
fn rename(name: &str) {
    let id = std::process::id();
    std::fs::write(format!("/proc/self/task/{id}/comm"), name).unwrap();
    wait_for("the new name", || {
        let comm = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap();
        (comm.trim_end() == name).then_some(())
    });
}
