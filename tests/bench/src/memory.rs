//! What a process holds of the machine's memory, as the kernel counts it.

use std::collections::BTreeMap;

use anyhow::Context;

/// The memory of one process, in megabytes of 10⁶ bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// All pages of it that are in memory.
    pub resident: f64,
    /// Of these, what it has written to: nobody can share it, and only the process can give it back.
    pub private_dirty: f64,
    /// Of these, pages of files as they are on disk, which no other process maps just now: the program and artifacts.
    /// Agents of one image on one machine share them, and the kernel takes them back when it needs memory.
    pub private_clean: f64,
}

impl Memory {
    /// Of a running process.
    ///
    /// # Errors
    /// It has ended, or belongs to another user.
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{process}/smaps_rollup");
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        parse(&text).with_context(|| format!("{path} has another form than expected"))
    }
}

fn parse(rollup: &str) -> Option<Memory> {
    let line = |line: &str| {
        let (name, value) = line.split_once(':')?;
        // The kernel's kB are 1,024 bytes.
        let kibibytes: f64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some((name.to_owned(), kibibytes * 1024.0 / 1e6))
    };
    let megabytes: BTreeMap<String, f64> = rollup.lines().filter_map(line).collect();
    let get = |name: &str| megabytes.get(name).copied();
    Some(Memory { resident: get("Rss")?, private_dirty: get("Private_Dirty")?, private_clean: get("Private_Clean")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_form_is_read() {
        let text = "55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:       15625 kB\nPss:         100 kB\n\
                    Private_Clean:      3125 kB\nPrivate_Dirty:      6250 kB\nTHPeligible: 0\n";
        let memory = parse(text).unwrap();
        assert_eq!(memory, Memory { resident: 16.0, private_clean: 3.2, private_dirty: 6.4 });
        assert_eq!(parse("Rss: 1 kB\n"), None);
        assert!(Memory::of(std::process::id()).unwrap().resident > 0.1);
    }
}
