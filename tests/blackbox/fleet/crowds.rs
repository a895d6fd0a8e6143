//! Clients that fail or mean ill, from one address, beside agents from another.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sandbeat_load_generator::{Fault, Faults};

use super::{Hub, more_reports};
use crate::harness::wait_for;

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const AGENTS: u32 = 100;
/// What the hub takes at once.
const CONNECTIONS: usize = 64;

/// Agents report beside such clients, all of them, in good time, and none of them is lost.
#[track_caller]
fn agents_are_heard_beside(fault: Fault, clients: usize) {
    let hub = Hub::start(&format!("max_connections = {CONNECTIONS}\nlost_grace = \"3s\"\nsuspect_fraction = 1.0"));
    let faults = Faults::start(fault, hub.address, Some(STRANGER), clients).unwrap();
    let is_there = || faults.open() >= CONNECTIONS / 2 || faults.closed() + faults.answered() > 100;
    wait_for("the crowd", || is_there().then_some(()));
    let load = hub.load(Duration::from_millis(500)).from(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let running = hub.play(&load, AGENTS);
    // More time than a loss takes.
    more_reports(&running, 0.0, 10);
    assert_eq!((hub.count("live"), hub.events("lost,suspect").len()), (AGENTS.into(), 0));
    let figures = running.stop().unwrap();
    assert!(figures.latency(0.99) < Duration::from_secs(2), "{figures}");
    assert_eq!((figures.failed(), figures.status(200)), (0, figures.accepted), "{figures}");
}

#[test]
fn half_open_requests_from_one_address_do_not_keep_others_out() {
    agents_are_heard_beside(Fault::HalfOpen, 500);
}

#[test]
fn slow_requests_from_one_address_do_not_keep_others_out() {
    agents_are_heard_beside(Fault::Slow, 500);
}

#[test]
fn a_flood_from_one_address_does_not_keep_others_out() {
    agents_are_heard_beside(Fault::Flood, 100);
}
