//! How a report looks in memory: bytes, in parts that are read and carried over each by itself.
//!
//! The base is all that a list shows and all that every report has; it begins with the host name, so that a search
//! reads no more than that. After it, in the same bytes, come the [`Lists`], where one of them is not empty: one
//! allocation costs less than two. What is kept apart of every report (its id, start, number and status) is not in it.
//! Nothing here fails for an acceptable report: writing to memory does not, and what is read is what was written. If
//! either ever did, the part would be empty, which is what a report is that does not carry it.

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::io::{Result, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use jiff::Timestamp;
use sandbeat_status::binary::{
    read_integer, read_optional_integer, read_optional_number, read_text, read_time, write_integer,
    write_optional_integer, write_optional_number, write_text, write_time,
};
use sandbeat_status::{Gap, Part, ProcessStatus, Rejected, Report, ReportedMetric, Resources, SandboxStatus};

/// [`Part::Metadata`] among [`bits`].
pub(super) const METADATA: u8 = 1;
/// [`Part::Plugins`] among them.
pub(super) const PLUGINS: u8 = 2;

/// What is kept apart of every report.
#[derive(Debug)]
pub(super) struct Identity {
    pub sandbox_id: String,
    pub status: SandboxStatus,
    pub boot_id: Option<String>,
    pub seq: Option<u64>,
}

/// The parts that only one sandbox alone is shown with, and that are in every report.
#[derive(Debug, Default, BorshDeserialize)]
pub(super) struct Lists {
    pub metrics: Vec<ReportedMetric>,
    pub processes: BTreeMap<String, ProcessStatus>,
    pub rejected: Vec<Rejected>,
}

/// Writes the base of a report and its lists, and says how long the base is.
pub(super) fn write_report(report: &Report) -> (Arc<[u8]>, usize) {
    // Nearly all fit here; what is allocated only for a moment leaves holes among what stays.
    let mut buffer = [0; 1024];
    let mut rest = &mut buffer[..];
    if base(report, &mut rest).is_ok() {
        let length = 1024 - rest.len();
        if lists(report, &mut rest).is_ok() {
            let all = 1024 - rest.len();
            return (buffer[..all].into(), length);
        }
    }
    let mut bytes = Vec::new();
    let written = base(report, &mut bytes);
    let length = bytes.len();
    match written.and_then(|()| lists(report, &mut bytes)) {
        Ok(()) => (bytes.into(), length),
        Err(_) => (Arc::default(), 0),
    }
}

/// Writes the base alone.
pub(super) fn write_base(report: &Report) -> Arc<[u8]> {
    let mut bytes = Vec::new();
    base(report, &mut bytes).map(|()| bytes.into()).unwrap_or_default()
}

/// The host name in a base.
pub(super) fn hostname(base: &[u8]) -> &str {
    let mut rest = base;
    let length = read_integer(&mut rest).ok().and_then(|length| usize::try_from(length).ok());
    length.and_then(|length| str::from_utf8(rest.get(..length)?).ok()).unwrap_or_default()
}

/// Reads a base back; the rest of the report is empty.
pub(super) fn read_base(identity: Identity, mut bytes: &[u8]) -> Report {
    let mut report = blank(identity);
    // What was read until then stays.
    let _ = read_into(&mut report, &mut bytes);
    report
}

/// Reads a base back with the lists after it.
pub(super) fn read_report(identity: Identity, mut bytes: &[u8]) -> Report {
    let mut report = blank(identity);
    if read_into(&mut report, &mut bytes).is_ok() && !bytes.is_empty() {
        let Lists { metrics, processes, rejected } = read(Some(bytes));
        (report.metrics, report.processes, report.rejected) = (metrics, processes, rejected);
    }
    report
}

/// Writes a part; `None` where it is empty.
pub(super) fn write_part<T: BorshSerialize>(part: &T, is_empty: bool) -> Option<Arc<[u8]>> {
    if is_empty { None } else { write(part).map(Arc::from) }
}

/// Reads back a part or the lists.
pub(super) fn read<T: BorshDeserialize + Default>(bytes: Option<&[u8]>) -> T {
    bytes.and_then(|bytes| borsh::from_slice(bytes).ok()).unwrap_or_default()
}

/// Parts as bits.
pub(super) fn bits(parts: &[Part]) -> u8 {
    parts.iter().fold(0, |bits, part| bits | bit(*part))
}

/// Bits as parts.
pub(super) fn parts(bits: u8) -> Vec<Part> {
    [Part::Metadata, Part::Plugins].into_iter().filter(|part| bits & bit(*part) != 0).collect()
}

fn bit(part: Part) -> u8 {
    match part {
        Part::Metadata => METADATA,
        Part::Plugins => PLUGINS,
    }
}

fn write<T: BorshSerialize>(value: &T) -> Option<Box<[u8]>> {
    borsh::to_vec(value).ok().map(Vec::into_boxed_slice)
}

fn lists<W: Write>(report: &Report, to: &mut W) -> Result<()> {
    let Report { metrics, processes, rejected, .. } = report;
    if metrics.is_empty() && processes.is_empty() && rejected.is_empty() {
        return Ok(());
    }
    (metrics, processes, rejected).serialize(to)
}

fn base<W: Write>(report: &Report, to: &mut W) -> Result<()> {
    // Named one by one, so that a new field is not forgotten.
    let Report {
        sandbox_id: _,
        status: _,
        cpu_percent,
        memory_mb,
        session_count,
        uptime_secs,
        hostname,
        timestamp,
        metadata: _,
        boot_id: _,
        seq: _,
        agent_version,
        interval_secs,
        trigger,
        stopping,
        resumed,
        gap,
        unchanged,
        resources,
        metrics: _,
        processes: _,
        plugins: _,
        rejected: _,
    } = report;
    write_text(hostname, to)?;
    write_optional_number(cpu_percent, to)?;
    write_optional_integer(memory_mb, to)?;
    write_optional_integer(&session_count.map(u64::from), to)?;
    write_integer(uptime_secs, to)?;
    write_time(timestamp, to)?;
    agent_version.is_some().serialize(to)?;
    agent_version.as_ref().map_or(Ok(()), |version| write_text(version, to))?;
    write_optional_number(interval_secs, to)?;
    trigger.serialize(to)?;
    stopping.serialize(to)?;
    resumed.serialize(to)?;
    gap.serialize(to)?;
    bits(unchanged).serialize(to)?;
    resources.serialize(to)
}

fn read_into(report: &mut Report, from: &mut &[u8]) -> Result<()> {
    report.hostname = read_text(from)?;
    report.cpu_percent = read_optional_number(from)?;
    report.memory_mb = read_optional_integer(from)?;
    report.session_count = read_optional_integer(from)?.and_then(|count| u32::try_from(count).ok());
    report.uptime_secs = read_integer(from)?;
    report.timestamp = read_time(from)?;
    report.agent_version = bool::deserialize_reader(from)?.then(|| read_text(from)).transpose()?;
    report.interval_secs = read_optional_number(from)?;
    report.trigger = Option::deserialize_reader(from)?;
    report.stopping = bool::deserialize_reader(from)?;
    report.resumed = Option::deserialize_reader(from)?;
    report.gap = Option::<Gap>::deserialize_reader(from)?;
    report.unchanged = parts(u8::deserialize_reader(from)?);
    report.resources = Resources::deserialize_reader(from)?;
    Ok(())
}

fn blank(identity: Identity) -> Report {
    let Identity { sandbox_id, status, boot_id, seq } = identity;
    Report {
        sandbox_id,
        status,
        cpu_percent: None,
        memory_mb: None,
        session_count: None,
        uptime_secs: 0,
        hostname: String::new(),
        timestamp: Timestamp::UNIX_EPOCH,
        metadata: BTreeMap::new(),
        boot_id,
        seq,
        agent_version: None,
        interval_secs: None,
        trigger: None,
        stopping: false,
        resumed: None,
        gap: None,
        unchanged: Vec::new(),
        resources: Resources::default(),
        metrics: Vec::new(),
        processes: BTreeMap::new(),
        plugins: Vec::new(),
        rejected: Vec::new(),
    }
}
