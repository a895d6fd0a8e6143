//! Sessions: established inbound TCP connections on the configured ports, from `/proc/net/tcp` and `tcp6`.
//!
//! A connection counts by its *local* port, so that an outgoing one to another host's port 22 does not, and one that
//! has both ends here counts once. Many sockets take long, so it belongs on a thread of its own (`inquiry`). Format:
//! proc_net_tcp(5).

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use super::files;

/// A sandbox with more sockets has its sessions not counted, because the kernel takes seconds to list so many.
const MAX_SOCKETS: usize = 200_000;
/// A line has about 150 bytes.
const MAX_LINE: u64 = 512;

const ESTABLISHED: &str = "01";

/// How many there are, or why that is not known. A kernel without IPv6 has no `tcp6`, which is as good as an empty one.
pub(super) fn count(root: &Path, ports: &[u16]) -> Result<u32, String> {
    let v4 = count_in(&root.join("proc/net/tcp"), ports)?.ok_or("/proc/net/tcp is not there")?;
    let v6 = count_in(&root.join("proc/net/tcp6"), ports)?.unwrap_or(0);
    Ok(v4 + v6)
}

fn count_in(path: &Path, ports: &[u16]) -> Result<Option<u32>, String> {
    let wrong = |e: std::io::Error| files::unreadable(path, &e);
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(e)),
    };
    let mut line = String::new();
    let mut found = 0;
    for _ in 0..=MAX_SOCKETS {
        line.clear();
        if file.by_ref().take(MAX_LINE).read_line(&mut line).map_err(wrong)? == 0 {
            return Ok(Some(found));
        }
        found += u32::from(established_on(&line).is_some_and(|port| ports.contains(&port)));
    }
    Err(format!("{} has more than {MAX_SOCKETS} sockets", path.display()))
}

/// The local port of an established connection.
fn established_on(line: &str) -> Option<u16> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = fields.next()?;
    let state = fields.nth(1)?;
    (state == ESTABLISHED).then(|| u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree::Tree;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";

    #[test]
    fn only_established_ones_on_the_ports_count() {
        let tree = Tree::new("")
            .file(
                "proc/net/tcp",
                &format!(
                    "{HEAD}   0: 00000000:0016 00000000:0000 0A 0:0 00:0 0 0 0 1\n\
                     \x20  1: 0100007F:0016 0100007F:D431 01 0:0 00:0 0 0 0 2\n\
                     \x20  2: 0100007F:D431 0100007F:0016 01 0:0 00:0 0 0 0 3\n\
                     \x20  3: 0100007F:0016 0100007F:D432 06 0:0 00:0 0 0 0 4\n"
                ),
            )
            .file(
                "proc/net/tcp6",
                &format!(
                    "{HEAD}   0: 0000000000000000FFFF00000100007F:08AE 0000000000000000FFFF00000100007F:D5 01 0:0 0\n"
                ),
            );
        assert_eq!(count(tree.root(), &[22, 2222]), Ok(2));
        assert_eq!(count(tree.root(), &[80]), Ok(0));
    }

    #[test]
    fn without_ipv6_version_4_is_enough_and_without_both_nothing_is_known() {
        let tree = Tree::new("").file("proc/net/tcp", HEAD);
        assert_eq!(count(tree.root(), &[22]), Ok(0));
        assert!(count(Tree::new("").root(), &[22]).unwrap_err().contains("/proc/net/tcp"));
    }

    #[test]
    fn too_many_are_not_counted_in_part() {
        let text = "   1: 0100007F:0016 0100007F:D431 01\n".repeat(MAX_SOCKETS + 1);
        let tree = Tree::new("").file("proc/net/tcp", &text);
        assert!(count(tree.root(), &[22]).unwrap_err().contains("more than"));
    }

    #[test]
    fn a_real_connection_counts_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(count(Path::new("/"), &[port]), Ok(0));
        let _near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _far = listener.accept().unwrap();
        assert_eq!(count(Path::new("/"), &[port]), Ok(1));
    }
}
