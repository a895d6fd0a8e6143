//! `/proc/diskstats`, as the kernel's `Documentation/admin-guide/iostats.rst` describes it: per line two device numbers,
//! a name, and 11 figures; newer kernels append further ones.

/// One block device: its totals since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Device<'a> {
    /// As the kernel calls it, such as `sda`.
    pub(crate) name: &'a str,
    pub(crate) reads: Transfers,
    pub(crate) writes: Transfers,
    /// Operations that are under way right now.
    pub(crate) in_flight: u64,
    /// How long at least one operation was under way.
    pub(crate) busy_ms: u64,
    /// The same, counted once for each operation that was.
    pub(crate) weighted_ms: u64,
}

/// Totals of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transfers {
    /// Operations that were completed.
    pub(crate) operations: u64,
    /// Operations that were merged into another one before the device saw them.
    pub(crate) merged: u64,
    /// In units of 512 bytes, whatever the device's own sectors are.
    pub(crate) sectors: u64,
    /// How long all operations took together.
    pub(crate) time_ms: u64,
}

impl<'a> Device<'a> {
    /// Nothing when any line has another form: a figure in the wrong column would be an invented one.
    pub(crate) fn parse(text: &'a str) -> Option<Vec<Self>> {
        text.lines().map(Self::parse_line).collect()
    }

    fn parse_line(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.nth(2)?;
        let figures: Vec<u64> = fields.map(|figure| figure.parse().ok()).collect::<Option<_>>()?;
        let [reads, rmerged, rsectors, rtime, writes, wmerged, wsectors, wtime, in_flight, busy_ms, weighted_ms, ..] =
            figures[..]
        else {
            return None;
        };
        Some(Self {
            name,
            reads: Transfers { operations: reads, merged: rmerged, sectors: rsectors, time_ms: rtime },
            writes: Transfers { operations: writes, merged: wmerged, sectors: wsectors, time_ms: wtime },
            in_flight,
            busy_ms,
            weighted_ms,
        })
    }

    /// Whether the device is reported without being chosen: a whole disk, and none that lies in memory or in a file.
    ///
    /// A partition has the name of another device and a number, with a `p` between where that name ends in a digit.
    /// One whose disk is not there, as in some virtual machines, counts as a disk.
    pub(crate) fn is_disk(name: &str, devices: &[Device<'_>]) -> bool {
        const NO_DISKS: [&str; 4] = ["loop", "ram", "zram", "fd"];
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_numbered = |kind: &str| name.strip_prefix(kind).is_some_and(is_number);
        let is_part_of = |disk: &str| {
            let number = match disk.ends_with(|last: char| last.is_ascii_digit()) {
                true => name.strip_prefix(disk).and_then(|rest| rest.strip_prefix('p')),
                false => name.strip_prefix(disk),
            };
            number.is_some_and(is_number)
        };
        !NO_DISKS.into_iter().any(is_numbered) && !devices.iter().any(|device| is_part_of(device.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_in_its_column() {
        let line = " 254       0 vda 1 2 3 4 5 6 7 8 9 10 11";
        let device = Device {
            name: "vda",
            reads: Transfers { operations: 1, merged: 2, sectors: 3, time_ms: 4 },
            writes: Transfers { operations: 5, merged: 6, sectors: 7, time_ms: 8 },
            in_flight: 9,
            busy_ms: 10,
            weighted_ms: 11,
        };
        // Linux 4.18 has appended four figures, 5.5 two more.
        for more in ["", " 12 13 14 15", " 12 13 14 15 16 17"] {
            assert_eq!(Device::parse(&format!("{line}{more}\n")), Some(vec![device.clone()]));
        }
    }

    #[test]
    fn another_form_is_nothing() {
        for text in ["\n", "8 0 sda\n", "8 0 sda 1 2 3 4 5 6 7 8 9 10\n", "8 0 sda 1 2 3 4 5 6 7 8 9 10 -1\n"] {
            assert_eq!(Device::parse(text), None, "{text:?}");
        }
        assert_eq!(Device::parse(""), Some(vec![]));
    }

    #[test]
    fn disks_are_told_from_their_parts_and_from_what_is_none() {
        let names = [
            "sda",
            "sda1",
            "sdaa",
            "sdaa12",
            "nvme0n1",
            "nvme0n1p2",
            "mmcblk0",
            "mmcblk0p1",
            "mmcblk0boot0",
            "dm-1",
            "dm-12",
            "md1",
            "md12",
            "md12p1",
            "xvda1",
            "sr0",
            "loop0",
            "loop0p1",
            "ram15",
            "zram0",
            "fd0",
            "fdx",
        ];
        let devices = names.map(|name| Device { name, ..Device::default() });
        let disks: Vec<_> = names.into_iter().filter(|name| Device::is_disk(name, &devices)).collect();
        let expected = [
            "sda",
            "sdaa",
            "nvme0n1",
            "mmcblk0",
            "mmcblk0boot0",
            "dm-1",
            "dm-12",
            "md1",
            "md12",
            "xvda1",
            "sr0",
            "fdx",
        ];
        assert_eq!(disks, expected);
    }
}
