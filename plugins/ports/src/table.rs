//! `/proc/net/{tcp,tcp6,udp,udp6}`: a heading, then a line per socket, as proc(5) and the kernel's
//! `Documentation/networking/proc_net_tcp.rst` describe them. An address is written as 32-bit words in the byte order of
//! the machine, of which all that sandbeat runs on have the lowest byte first; a port as a number.
//!
//! Pure: a table is fed with parts of a file that end with whole lines. Between two parts the kernel may have added or
//! removed sockets, so the first line of a later one may be the rest of another and is then left out. Any other line
//! of another form makes the whole table unusable: a figure in the wrong column would be an invented one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the port numbers are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// A socket that waits for whoever comes: one that listens (TCP), or one that is bound and not connected (UDP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Where it can be reached. A mapped IPv4 address is an IPv4 address.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) inode: u64,
}

/// One file, as far as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    open: u8,
    /// Those that are open, in the kernel's order.
    pub(crate) sockets: Vec<Socket>,
    /// Another socket was seen.
    others: bool,
    /// An open one was seen after another.
    mixed: bool,
}

/// A line has another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherForm;

impl Table {
    pub(crate) fn new(transport: Transport) -> Self {
        // TCP_LISTEN and TCP_CLOSE of the kernel's `net/tcp_states.h`; a UDP socket that is connected has 1.
        let open = match transport {
            Transport::Tcp => 0x0a,
            Transport::Udp => 0x07,
        };
        Self { open, sockets: Vec::new(), others: false, mixed: false }
    }

    /// Takes in whole lines of the file; `is_first` says that they are from its start on.
    pub(crate) fn add(&mut self, lines: &str, is_first: bool) -> Result<(), OtherForm> {
        for (at, line) in lines.lines().enumerate() {
            match parse(line) {
                Some((state, socket)) => self.take(state, socket),
                // The heading, or what is left of a line.
                None if at == 0 && (!is_first || line.trim_start().starts_with("sl ")) => {}
                None => return Err(OtherForm),
            }
        }
        Ok(())
    }

    /// Whether nothing more can come: the kernel lists all that listen before all that are connected. Other kernels
    /// (gVisor's) mix them.
    pub(crate) fn is_past_open_ones(&self) -> bool {
        self.open == 0x0a && self.others && !self.mixed
    }

    fn take(&mut self, state: u8, socket: Socket) {
        if state == self.open {
            self.mixed |= self.others;
            self.sockets.push(socket);
        } else {
            self.others = true;
        }
    }
}

fn parse(line: &str) -> Option<(u8, Socket)> {
    let mut fields = line.split_ascii_whitespace();
    fields.next()?.strip_suffix(':')?.parse::<u64>().ok()?;
    let (address, port) = endpoint(fields.next()?)?;
    endpoint(fields.next()?)?;
    let state = u8::from_str_radix(exactly(fields.next()?, 2)?, 16).ok()?;
    let inode = fields.nth(5)?.parse().ok()?;
    Some((state, Socket { address, port, inode }))
}

/// Such as `0100007F:1538`.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(exactly(port, 4)?, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(exactly(address.get(at * 8..at * 8 + 8)?, 8)?, 16).ok();
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_le_bytes())),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?].map(u32::to_le_bytes);
            let mut bytes = [0; 16];
            bytes.copy_from_slice(words.as_flattened());
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some((address, port))
}

/// So many hexadecimal digits; a sign, which parsing would take, is none.
fn exactly(text: &str, digits: usize) -> Option<&str> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = include_str!("../tests/recorded/tcp");
    const TCP6: &str = include_str!("../tests/recorded/tcp6");
    const UDP: &str = include_str!("../tests/recorded/udp");
    const UDP6: &str = include_str!("../tests/recorded/udp6");
    const GVISOR: &str = include_str!("../tests/recorded/mixed-tcp");

    fn table(transport: Transport, text: &str) -> Table {
        let mut table = Table::new(transport);
        table.add(text, true).unwrap();
        table
    }

    fn open(transport: Transport, text: &str) -> Vec<String> {
        let sockets = table(transport, text).sockets;
        sockets.iter().map(|socket| format!("{} {} {}", socket.address, socket.port, socket.inode)).collect()
    }

    #[test]
    fn listening_sockets_are_told_from_connected_ones() {
        assert_eq!(
            open(Transport::Tcp, TCP),
            ["127.0.0.1 5432 12308322", "0.0.0.0 3000 12308321", "0.0.0.0 2024 1681"]
        );
        assert_eq!(open(Transport::Tcp, TCP6), ["127.0.0.1 7000 12308327", "::1 6379 12308326", ":: 8080 12308325"]);
    }

    #[test]
    fn bound_sockets_are_told_from_connected_ones() {
        assert_eq!(open(Transport::Udp, UDP), ["127.0.0.53 53 12308323", "0.0.0.0 5353 12308324"]);
        assert_eq!(open(Transport::Udp, UDP6), ["::1 5353 12308328"]);
    }

    #[test]
    fn reading_ends_with_the_listening_ones_where_they_come_first() {
        assert!(table(Transport::Tcp, TCP).is_past_open_ones());
        assert!(!table(Transport::Tcp, TCP6).is_past_open_ones(), "there may be more");
        assert!(!table(Transport::Udp, UDP).is_past_open_ones(), "they have no order");
        let mixed = table(Transport::Tcp, GVISOR);
        assert!(!mixed.is_past_open_ones() && mixed.sockets.len() == 2, "{mixed:?}");
    }

    #[test]
    fn a_later_part_may_start_with_the_rest_of_a_line() {
        let second = TCP.lines().nth(2).unwrap();
        let mut table = Table::new(Transport::Tcp);
        table.add(&format!("0 12308322 1 00000000b14d7cb3 100 0 0 10 0\n{second}\n"), false).unwrap();
        assert_eq!(table.sockets.len(), 1);
        assert_eq!(table.add(&format!("{second}\n0 12308322 1\n"), false), Err(OtherForm));
    }

    #[test]
    fn another_form_is_refused() {
        let good = TCP.lines().nth(1).unwrap();
        assert!(parse(good).is_some());
        for (part, other) in [
            ("0:", "0"),
            ("0100007F", "+100007F"),
            ("0100007F", "0100007"),
            ("0100007F", "0100007F00"),
            (":1538", ":11538"),
            (":1538", ""),
            (" 0A ", " A "),
            ("12308322", "-1"),
            ("12308322", "99999999999999999999999"),
            ("00000000:0000 0A", "é0000000:0000 0A"),
        ] {
            let line = good.replacen(part, other, 1);
            assert_eq!(parse(&line), None, "{line}");
            assert_eq!(Table::new(Transport::Tcp).add(&line, true), Err(OtherForm), "{line}");
        }
        assert_eq!(Table::new(Transport::Tcp).add("", true), Ok(()));
    }
}
