//! The `processes` import: which process holds a socket.
//!
//! The kernel shows what a process has open only to who may look into it (proc(5), `PTRACE_MODE_READ_FSCREDS`), and
//! nothing but the names of links is read here: a guest learns an id and a name, not what else a process holds.
//! Processes come and go while this runs; one that is gone by the time it is looked at holds nothing.
//!
//! All functions here block; the caller runs them where that is allowed and bounds their time.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::bindings::processes::Owner;

/// The most sockets that are asked for at once.
pub(crate) const MAX_INODES: usize = 4096;
/// The most descriptors that are looked at for one question; the processes after that are taken to hold nothing.
const MAX_DESCRIPTORS: usize = 1 << 18;
/// The most of one process, so that no single one can use up those of all.
const MAX_OF_ONE: usize = MAX_DESCRIPTORS / 64;

/// A process that may be the answer: of several the one that started first, which handed the socket down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    /// In ticks since boot.
    started: u64,
    pid: u32,
}

/// Who holds each of these sockets, in the same order.
///
/// # Errors
/// There are no processes to be seen.
pub(crate) fn owners(inodes: &[u64]) -> io::Result<Vec<Option<Owner>>> {
    let mut holders: HashMap<u64, Option<Holder>> = inodes.iter().map(|inode| (*inode, None)).collect();
    let mut left = MAX_DESCRIPTORS;
    for process in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Not ours to look into, or gone.
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let mut holder = None;
        for descriptor in descriptors.flatten().take(left.min(MAX_OF_ONE)) {
            left -= 1;
            let Some(found) = socket(&descriptor.path()).and_then(|inode| holders.get_mut(&inode)) else { continue };
            let started = *holder.get_or_insert_with(|| started(&process.path()));
            if let Some(started) = started {
                let this = Holder { started, pid };
                *found = Some(found.map_or(this, |other| other.min(this)));
            }
        }
    }
    Ok(inodes.iter().map(|inode| holders.get(inode).copied().flatten().and_then(owner)).collect())
}

/// The inode of a socket behind a descriptor's link, which reads `socket:[4711]`.
fn socket(link: &Path) -> Option<u64> {
    let target = fs::read_link(link).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// When a process started: the 22nd field of `stat`, of which the second may contain anything (proc(5)).
fn started(process: &Path) -> Option<u64> {
    let stat = fs::read(process.join("stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn owner(holder: Holder) -> Option<Owner> {
    let process = Path::new("/proc").join(holder.pid.to_string());
    let name = fs::read(process.join("comm")).ok()?;
    // The number may be another process's by now.
    (started(&process) == Some(holder.started))
        .then(|| Owner { pid: holder.pid, name: String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn the_holder_of_a_socket_is_found_and_of_no_socket_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Path::new("/proc/self/fd").join(listener.as_raw_fd().to_string());
        let inode = socket(&link).unwrap();
        let found = owners(&[u64::MAX, inode, inode]).unwrap();
        assert_eq!(found[0].as_ref().map(|owner| owner.pid), None);
        let owner = found[1].as_ref().unwrap();
        assert_eq!(owner.pid, std::process::id());
        assert_eq!(owner.name, fs::read_to_string("/proc/self/comm").unwrap().trim_end());
        assert_eq!(found[2].as_ref().map(|owner| owner.pid), Some(owner.pid));
        drop(listener);
        assert!(owners(&[inode]).unwrap()[0].is_none());
    }

    #[test]
    fn the_first_of_several_holders_counts_whatever_its_number() {
        let [early, late] = [(10, 900), (20, 300)].map(|(started, pid)| Holder { started, pid });
        assert_eq!(early.min(late), early);
    }
}
