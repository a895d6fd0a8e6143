//! The collector `disk`: I/O per block device, and how full the granted file systems are.
//!
//! The two halves (`devices.rs`, `mounts.rs`) are independent of each other: where one is denied, not there or of an
//! unknown form, the log says so once and the other is reported alone; only when there is nothing to report at all is
//! that an error. A wrong configuration always is one, and names its key. A granted file system that cannot be looked at
//! is named in the metadata, and the others are reported.

mod devices;
mod diskstats;
mod mountinfo;
mod mounts;

use mounts::Mounts;
use sandbeat_common::{Filter, Notice};
use sandbeat_sdk::export;
use sandbeat_sdk::prelude::*;

// Names, units and attributes are from OpenTelemetry's semantic conventions for system metrics; those of pending
// operations, weighted I/O time and inodes from the OpenTelemetry Collector, which has them beside these.
const DEVICE: Key = Key::new(
    "system.device",
    "The block device, such as `sda`; of a file system what is mounted, such as `/dev/sda1`.",
);

struct Disk;

impl Collector for Disk {
    fn describe() -> Description {
        Description::new(env!("CARGO_PKG_VERSION"), "I/O per block device, and how full file systems are.")
            .with(&devices::IO)
            .with(&devices::OPERATIONS)
            .with(&devices::MERGED)
            .with(&devices::OPERATION_TIME)
            .with(&devices::IO_TIME)
            .with(&devices::WEIGHTED_IO_TIME)
            .with(&devices::PENDING)
            .with(&mounts::USAGE)
            .with(&mounts::UTILIZATION)
            .with(&mounts::LIMIT)
            .with(&mounts::INODES)
            .with(&mounts::UNREADABLE)
    }

    fn collect() -> Result<Contribution, Error> {
        let filter = Filter::from_config("devices")?;
        let devices = devices::points(&filter);
        let mounts = Mounts::measure();
        say_what_is_missing(devices.as_ref().err());

        let mut contribution = Contribution::new();
        match devices {
            Ok(points) => contribution.extend(points),
            Err(error) if mounts.points.is_empty() => return Err(mounts.error.unwrap_or(error)),
            Err(_) => {}
        }
        contribution.extend(mounts.points);
        Ok(contribution.with(mounts.unreadable))
    }
}

export!(Disk);

fn say_what_is_missing(error: Option<&Error>) {
    const DEVICES: Notice = Notice::new("no devices");
    let line = error.map(|error| format!("no I/O of block devices: {error}"));
    DEVICES.warn(line.as_deref());
}

#[cfg(test)]
mod tests;
