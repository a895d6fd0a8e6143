//! What an IP address is: pure arithmetic.
//!
//! A collector is granted names, and whoever answers for a name chooses the addresses. So an address that is special
//! to this machine or its cloud is only reached when the grant names the address itself. Private ranges are ordinary:
//! fleets live there. After the IANA registries of special-purpose addresses (RFC 6890 and what followed it); what no
//! registry gives to unicast is taken to be reserved.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// May be reached under a granted name.
    Ordinary,
    Loopback,
    LinkLocal,
    /// A cloud's own service on this machine, which hands out credentials.
    Metadata,
    Unspecified,
    Multicast,
    Reserved,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Ordinary => "an ordinary address",
            Kind::Loopback => "a loopback address",
            Kind::LinkLocal => "a link-local address",
            Kind::Metadata => "the address of a cloud's metadata service",
            Kind::Unspecified => "no address of a host",
            Kind::Multicast => "a multicast address",
            Kind::Reserved => "a reserved address",
        })
    }
}

/// Tells what an address is, also when an IPv6 address only dresses up an IPv4 one.
pub(super) fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        // Most clouds; Amazon's containers and pods; Scaleway; Tencent.
        [169, 254, 169, 254] | [169, 254, 170, 2 | 23] | [169, 254, 42, 42] | [169, 254, 0, 23] => Kind::Metadata,
        // Alibaba; Azure's WireServer; Oracle's classic cloud.
        [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => Kind::Metadata,
        [0, ..] => Kind::Unspecified,
        [127, ..] => Kind::Loopback,
        [169, 254, ..] => Kind::LinkLocal,
        // Protocol assignments, three ranges for documentation, the relays of 6to4.
        [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => Kind::Reserved,
        [224..=239, ..] => Kind::Multicast,
        // Broadcast is among them.
        [240..=255, ..] => Kind::Reserved,
        // 198.18.0.0/15 too: meant for benchmarks, used by local proxies as a private range.
        _ => Kind::Ordinary,
    }
}

fn v6(address: Ipv6Addr) -> Kind {
    if address.is_loopback() {
        return Kind::Loopback;
    }
    if address.is_unspecified() {
        return Kind::Unspecified;
    }
    if let Some(dressed) = inner(address) {
        return v4(dressed);
    }
    match address.segments() {
        // Amazon: metadata, pod identity, DNS and time.
        [0xfd00, 0x0ec2, ..] => Kind::Metadata,
        // Google; Oracle; Scaleway; Akamai; Alibaba.
        [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254]
        | [0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
        | [0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042]
        | [0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1]
        | [0xfd00, 0x0100, 0, 0, 0, 0, 0x0100, 0x0200] => Kind::Metadata,
        [0xfe80..=0xfebf, ..] => Kind::LinkLocal,
        [0xff00..=0xffff, ..] => Kind::Multicast,
        [0xfc00..=0xfdff, ..] => Kind::Ordinary,
        // Protocol assignments (Teredo, which hides an IPv4 address, is among them); two ranges for documentation.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Kind::Reserved,
        [0x2000..=0x3fff, ..] => Kind::Ordinary,
        // Among them the local NAT64 prefix of RFC 8215, whose inner address lies where the operator put it.
        _ => Kind::Reserved,
    }
}

/// The IPv4 address that a packet to this address would end up at.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        // Mapped and compatible (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: Kind, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(kind(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn hosts_of_the_internet_and_of_private_networks_are_ordinary() {
        check(Kind::Ordinary, &["1.1.1.1", "93.184.216.34", "10.0.0.1", "172.16.5.4", "172.31.0.1", "192.168.1.1"]);
        check(Kind::Ordinary, &["100.64.0.1", "100.100.100.201", "168.63.129.17", "198.18.0.7", "192.0.1.1"]);
        check(Kind::Ordinary, &["2606:4700::1111", "fd12:3456::1", "fc00::1", "fd00:ec3::254", "2001:4860::8888"]);
        check(Kind::Ordinary, &["::ffff:10.0.0.1", "64:ff9b::8.8.8.8", "2002:0808:0808::1", "3ffe::1"]);
    }

    #[test]
    fn this_machine_is_told_apart() {
        check(Kind::Loopback, &["127.0.0.1", "127.1.2.3", "127.255.255.255", "::1"]);
        check(Kind::Unspecified, &["0.0.0.0", "0.1.2.3", "::"]);
        check(Kind::LinkLocal, &["169.254.1.1", "169.254.255.255", "fe80::1", "fe80::a9fe:a9fe", "febf::1"]);
    }

    #[test]
    fn metadata_services_are_told_apart() {
        check(Kind::Metadata, &["169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.42.42", "169.254.0.23"]);
        check(Kind::Metadata, &["100.100.100.200", "168.63.129.16", "192.0.0.192"]);
        check(Kind::Metadata, &["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"]);
        check(Kind::Metadata, &["fd00:a9fe:a9fe::1", "fd00:100::100:200"]);
    }

    #[test]
    fn what_no_host_has_is_told_apart() {
        check(Kind::Multicast, &["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"]);
        check(
            Kind::Reserved,
            &["240.0.0.1", "255.255.255.255", "192.0.0.8", "192.0.2.1", "198.51.100.1", "203.0.113.9"],
        );
        check(Kind::Reserved, &["192.88.99.1", "100::1", "2001:db8::1", "3fff::1", "5f00::1", "fec0::1", "4000::1"]);
        check(Kind::Reserved, &["2001::1", "2001:20::1", "64:ff9b:1::7f00:1"]);
    }

    #[test]
    fn an_address_in_disguise_is_what_it_hides() {
        check(Kind::Loopback, &["::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1"]);
        check(Kind::Loopback, &["2002:7f00:1::", "2002:7f00:1::5"]);
        check(Kind::Metadata, &["::ffff:169.254.169.254", "::a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]);
        check(Kind::Metadata, &["::ffff:100.100.100.200", "64:ff9b::168.63.129.16"]);
        check(Kind::LinkLocal, &["::ffff:169.254.1.1", "64:ff9b::169.254.1.1"]);
        check(Kind::Unspecified, &["::ffff:0.0.0.0", "::2", "64:ff9b::"]);
        check(Kind::Multicast, &["::ffff:224.0.0.1"]);
        check(Kind::Reserved, &["::ffff:255.255.255.255", "2002:f000:1::"]);
    }
}
