//! Reading a table of sockets, which may be larger than one answer of the host, in parts.
//!
//! Each part starts where the last whole line ended. A table that has not ended after [`MAX_PARTS`] is cut, and what was
//! not read may hold more open ports; that is said in the answer. A table of TCP with a hundred thousand connections is
//! read once, not to its end: the listening sockets come first.

use sandbeat_sdk::files::{self, FileError, Reason};
use sandbeat_sdk::prelude::*;

use crate::table::{Socket, Table, Transport};

/// Of one file; together they stay below what the host hands over in one collect (16 MiB).
const MAX_PARTS: usize = 3;
/// Bytes; the most that the host hands over at once. A socket has about 150.
const PART: u32 = 1 << 20;

/// All that is open of one transport, over both versions of IP.
#[derive(Debug, Default)]
pub(crate) struct Open {
    pub(crate) sockets: Vec<Socket>,
    /// There were more sockets than are read, so there may be more open ones.
    pub(crate) is_cut: bool,
}

/// Reads the tables of both versions. One that is not there has no sockets: a kernel without IPv6 has no `tcp6`.
///
/// # Errors
/// A table is not granted or has another form, or neither is there.
pub(crate) fn open(transport: Transport) -> Result<Open, Error> {
    let paths = match transport {
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let mut open = Open::default();
    let mut missing = None;
    for path in paths {
        let mut part = |offset| files::read_at(path, offset, PART);
        match table(transport, &mut part) {
            Ok((table, is_cut)) => {
                open.sockets.extend(table.sockets);
                open.is_cut |= is_cut;
            }
            Err(Failure::File(error)) if error.reason == Reason::NotFound && missing.is_none() => missing = Some(error),
            Err(Failure::File(error)) => return Err(error.into()),
            Err(Failure::Form) => return Err(Error::internal(format_args!("`{path}` has another form"))),
        }
    }
    Ok(open)
}

#[derive(Debug)]
enum Failure {
    File(FileError),
    Form,
}

fn table(
    transport: Transport,
    part: &mut dyn FnMut(u64) -> Result<Vec<u8>, FileError>,
) -> Result<(Table, bool), Failure> {
    let mut table = Table::new(transport);
    let mut offset = 0;
    for _ in 0..MAX_PARTS {
        let bytes = part(offset).map_err(Failure::File)?;
        let is_last = bytes.len() < PART as usize;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = str::from_utf8(&bytes[..whole]).map_err(|_| Failure::Form)?;
        table.add(lines, offset == 0).map_err(|_| Failure::Form)?;
        if is_last || table.is_past_open_ones() {
            return Ok((table, false));
        }
        if whole == 0 {
            return Err(Failure::Form);
        }
        offset += whole as u64;
    }
    Ok((table, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = include_str!("../tests/recorded/tcp");
    const UDP: &str = include_str!("../tests/recorded/udp");

    /// A file of so many lines of one kind behind the heading, handed out as the host does.
    fn read(transport: Transport, lines: usize) -> (Table, bool, usize) {
        let recorded = if transport == Transport::Tcp { TCP } else { UDP };
        let mut recorded = recorded.lines();
        let (heading, line) = (recorded.next().unwrap(), recorded.next().unwrap());
        let text = format!("{heading}\n{}", format!("{line}\n").repeat(lines));
        let mut parts = 0;
        let mut part = |offset: u64| {
            parts += 1;
            let rest = text.as_bytes().iter().skip(usize::try_from(offset).unwrap());
            Ok(rest.take(PART as usize).copied().collect())
        };
        let (table, is_cut) = table(transport, &mut part).unwrap();
        (table, is_cut, parts)
    }

    #[test]
    fn a_long_table_is_read_in_parts_and_to_a_bound() {
        for (lines, parts, is_cut) in [(0, 1, false), (10, 1, false), (10_000, 2, false), (30_000, 3, true)] {
            let (table, cut, count) = read(Transport::Udp, lines);
            assert_eq!((count, cut), (parts, is_cut), "{lines}");
            assert!(is_cut || table.sockets.len() == lines, "{} of {lines}", table.sockets.len());
        }
        let (table, _, _) = read(Transport::Udp, 30_000);
        assert!(table.sockets.len() > 20_000, "{}", table.sockets.len());
    }

    #[test]
    fn connections_are_not_read_to_their_end() {
        let mut asked = 0;
        let connected = TCP.lines().nth(4).unwrap();
        let text = format!("{TCP}{}", format!("{connected}\n").repeat(20_000));
        let mut part = |offset: u64| {
            asked += 1;
            let rest = text.as_bytes().iter().skip(usize::try_from(offset).unwrap());
            Ok(rest.take(PART as usize).copied().collect())
        };
        let (table, is_cut) = table(Transport::Tcp, &mut part).unwrap();
        assert_eq!((table.sockets.len(), is_cut, asked), (3, false, 1));
    }

    #[test]
    fn what_has_no_lines_has_another_form() {
        let mut part = |_| Ok(vec![b'x'; PART as usize]);
        assert!(matches!(table(Transport::Tcp, &mut part), Err(Failure::Form)));
        let mut part = |_| Ok(b"\xff\n".to_vec());
        assert!(matches!(table(Transport::Tcp, &mut part), Err(Failure::Form)));
    }
}
