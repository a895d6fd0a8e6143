//! I/O of block devices: which of them, and their points.

use sandbeat_common::{Filter, Notice};
use sandbeat_sdk::Point;
use sandbeat_sdk::prelude::*;

use crate::DEVICE;
use crate::diskstats::{Device, Transfers};

const DIRECTION: Key = Key::new("disk.io.direction", "`read` or `write`.");
const BOTH: &[Key] = &[DEVICE, DIRECTION];
pub(crate) const IO: Counter =
    Counter::new("system.disk.io", "By", "Bytes read and written since boot.").with_keys(BOTH);
pub(crate) const OPERATIONS: Counter =
    Counter::new("system.disk.operations", "{operation}", "Reads and writes that were completed.").with_keys(BOTH);
pub(crate) const MERGED: Counter = Counter::new(
    "system.disk.merged",
    "{operation}",
    "Reads and writes that were merged into another one before the device saw them.",
)
.with_keys(BOTH);
pub(crate) const OPERATION_TIME: Counter =
    Counter::new("system.disk.operation_time", "s", "How long all reads and writes took together.").with_keys(BOTH);
pub(crate) const IO_TIME: Counter =
    Counter::new("system.disk.io_time", "s", "How long the device was busy with at least one operation.")
        .with_keys(&[DEVICE]);
pub(crate) const WEIGHTED_IO_TIME: Counter = Counter::new(
    "system.disk.weighted_io_time",
    "s",
    "How long operations were under way, counted once for each; its rate is their average number.",
)
.with_keys(&[DEVICE]);
pub(crate) const PENDING: Gauge =
    Gauge::new("system.disk.pending_operations", "{operation}", "Operations that are under way right now.")
        .with_keys(&[DEVICE]);

/// Eleven points each, which leaves 256 of the 1,000 of a contribution to file systems.
const MAX_DEVICES: usize = 64;
/// The kernel counts in units of 512 bytes, whatever the device's own sectors are.
const SECTOR: u64 = 512;

/// The points of the chosen devices.
///
/// # Errors
/// The file is denied, not there or of another form; or the operator chose devices, and none of them is there.
pub(crate) fn points(filter: &Filter) -> Result<Vec<Point>, Error> {
    let text = files::read_to_string("/proc/diskstats")?;
    let devices = Device::parse(&text)
        .ok_or_else(|| Error::internal("/proc/diskstats has another form than the one with 11 figures per line"))?;
    let mut chosen: Vec<_> =
        devices.iter().filter(|device| filter.takes(device.name, Device::is_disk(device.name, &devices))).collect();
    if chosen.is_empty() && filter.is_a_choice() {
        let names: Vec<_> = devices.iter().map(|device| device.name).collect();
        let names = names.join(", ");
        return Err(Error::unavailable(format_args!("no block device is as configured; there are: {names}")));
    }
    say_what_is_cut(chosen.len());
    chosen.truncate(MAX_DEVICES);
    Ok(chosen.into_iter().flat_map(of).collect())
}

fn of(device: &Device<'_>) -> Vec<Point> {
    let mut points = Vec::with_capacity(11);
    points.extend(of_direction("read", &device.reads));
    points.extend(of_direction("write", &device.writes));
    points.push(IO_TIME.value(seconds(device.busy_ms)));
    points.push(WEIGHTED_IO_TIME.value(seconds(device.weighted_ms)));
    points.push(PENDING.value(device.in_flight));
    points.into_iter().map(|point| point.attribute(DEVICE, device.name)).collect()
}

fn of_direction(direction: &str, transfers: &Transfers) -> [Point; 4] {
    [
        IO.value(transfers.sectors.saturating_mul(SECTOR)),
        OPERATIONS.value(transfers.operations),
        MERGED.value(transfers.merged),
        OPERATION_TIME.value(seconds(transfers.time_ms)),
    ]
    .map(|point| point.attribute(DIRECTION, direction))
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn say_what_is_cut(devices: usize) {
    const CUT: Notice = Notice::new("cut devices");
    let line = format!("only the first {MAX_DEVICES} block devices are reported; choose with `devices`");
    CUT.warn((devices > MAX_DEVICES).then_some(&line));
}
