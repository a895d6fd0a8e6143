//! A report as the agent posts it, made ready to be written many times a second. Pure.
//!
//! The shape is not written down here a second time: a [`Report`] is serialized as the agent does it, with a mark in
//! each field that changes from one report to the next, and cut at the marks. Writing a report is then a few copies,
//! which matters because whoever makes the load shares the machine with the hub. What does not change (totals of
//! pressure and CPU time, the values of collectors) costs a hub the same.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use sandbeat_status::{
    Disk, Durations, Metric, Part, PluginState, PluginStatus, Pressure, ProcessPhase, ProcessState, ProcessStatus,
    Report, ReportedMetric, Resources, SandboxStatus, Stall, Stalls, Throttling, Trigger, Value,
};

/// From this length on the agent compresses, in bytes.
const COMPRESS_FROM: usize = 4 * 1024;
/// Of each collector.
const METRICS: usize = 10;

const ID: &str = "@id@";
const BOOT: &str = "@boot@";
const SEQ: u64 = 7_000_000_000_000_001;
const UPTIME: u64 = 7_000_000_000_000_002;
const MEMORY: u64 = 7_000_000_000_000_003;
const CPU: f64 = 7_000_003.25;
const TIME: &str = "2001-02-03T04:05:06.789Z";

/// What a report carries beside the base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    /// Seconds between reports, as the report says.
    pub(crate) interval_secs: f64,
    /// How many collectors there are, each with ten metrics and two entries of metadata.
    pub(crate) plugins: usize,
    /// How many supervised processes there are.
    pub(crate) processes: usize,
}

/// What changes from one report to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) id: &'a str,
    /// A UUID's text.
    pub(crate) boot_id: &'a str,
    pub(crate) seq: u64,
    pub(crate) uptime_secs: u64,
    /// RFC 3339.
    pub(crate) timestamp: &'a str,
    /// In hundredths of a percent.
    pub(crate) cpu: u32,
    pub(crate) memory_mb: u32,
    /// Reports before this one that never arrive.
    pub(crate) missed: u64,
}

/// Writes reports of one shape.
#[derive(Debug)]
pub(crate) struct Template {
    whole: Vec<Piece>,
    /// With `metadata` and `plugins` left out; none where there is nothing to leave out.
    delta: Option<Vec<Piece>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Id,
    Boot,
    Seq,
    Uptime,
    Time,
    Cpu,
    Memory,
    /// Only there when something was missed.
    Gap,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Field(Field),
}

impl Template {
    /// For reports of this shape.
    pub(crate) fn of(shape: &Shape) -> anyhow::Result<Self> {
        let whole = report(shape)?;
        let delta = Report {
            metadata: BTreeMap::new(),
            plugins: Vec::new(),
            unchanged: vec![Part::Metadata, Part::Plugins],
            ..whole.clone()
        };
        let delta = (shape.plugins > 0).then(|| {
            let text = serde_json::to_string(&delta)?;
            // The agent does not write what it leaves out, where serde writes it as empty.
            cut(&text.replacen("\"metadata\":{},", "", 1).replacen(",\"plugins\":[]", "", 1))
        });
        Ok(Template { whole: cut(&serde_json::to_string(&whole)?)?, delta: delta.transpose()? })
    }

    /// Puts a report's body into `out`, which is emptied; says whether it is compressed. `delta`: without what has not
    /// changed. `gzip`: compressed where the agent would.
    pub(crate) fn write(&self, fields: &Fields<'_>, delta: bool, gzip: bool, out: &mut Vec<u8>) -> bool {
        out.clear();
        let pieces = self.delta.as_ref().filter(|_| delta).unwrap_or(&self.whole);
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Field(field) => field.write(fields, out),
            }
        }
        if !gzip || out.len() < COMPRESS_FROM {
            return false;
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(out.len() / 4), flate2::Compression::fast());
        match encoder.write_all(out).and_then(|()| encoder.finish()) {
            Ok(compressed) => {
                *out = compressed;
                true
            }
            // Writing to memory does not fail; if it did, the report would go as it is.
            Err(_) => false,
        }
    }

    /// Whether there is anything to leave out.
    pub(crate) fn has_delta(&self) -> bool {
        self.delta.is_some()
    }
}

impl Field {
    const ALL: [Field; 8] =
        [Field::Id, Field::Boot, Field::Seq, Field::Uptime, Field::Time, Field::Cpu, Field::Memory, Field::Gap];

    /// Where it stands in the marked text: what is replaced, and what is only found.
    fn mark(self) -> (String, bool) {
        match self {
            Field::Id => (ID.to_owned(), true),
            Field::Boot => (BOOT.to_owned(), true),
            Field::Seq => (SEQ.to_string(), true),
            Field::Uptime => (UPTIME.to_string(), true),
            Field::Time => (TIME.to_owned(), true),
            Field::Cpu => (CPU.to_string(), true),
            Field::Memory => (MEMORY.to_string(), true),
            Field::Gap => ("\"resources\":".to_owned(), false),
        }
    }

    fn write(self, fields: &Fields<'_>, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = match self {
            Field::Id => out.write_all(fields.id.as_bytes()),
            Field::Boot => out.write_all(fields.boot_id.as_bytes()),
            Field::Seq => write!(out, "{}", fields.seq),
            Field::Uptime => write!(out, "{}", fields.uptime_secs),
            Field::Time => out.write_all(fields.timestamp.as_bytes()),
            Field::Cpu => write!(out, "{}.{:02}", fields.cpu / 100, fields.cpu % 100),
            Field::Memory => write!(out, "{}", fields.memory_mb),
            Field::Gap if fields.missed == 0 => Ok(()),
            Field::Gap => write!(out, "\"gap\":{{\"missed\":{}}},", fields.missed),
        };
    }
}

/// Cuts a marked report at its marks.
fn cut(marked: &str) -> anyhow::Result<Vec<Piece>> {
    let mut marks = Vec::new();
    for field in Field::ALL {
        let (mark, replaced) = field.mark();
        let at = marked.find(&mark).with_context(|| format!("a report has no {field:?}"))?;
        marks.push((at, if replaced { mark.len() } else { 0 }, field));
    }
    marks.sort_unstable_by_key(|(at, ..)| *at);
    let (mut pieces, mut from) = (Vec::new(), 0);
    for (at, length, field) in marks {
        pieces.push(Piece::Text(marked.as_bytes()[from..at].to_vec()));
        pieces.push(Piece::Field(field));
        from = at + length;
    }
    pieces.push(Piece::Text(marked.as_bytes()[from..].to_vec()));
    Ok(pieces)
}

/// A report of an agent in a container with limits, on a kernel that tells of pressure.
fn report(shape: &Shape) -> anyhow::Result<Report> {
    Ok(Report {
        sandbox_id: ID.to_owned(),
        status: SandboxStatus::Running,
        cpu_percent: Some(CPU),
        memory_mb: Some(MEMORY),
        session_count: Some(1),
        uptime_secs: UPTIME,
        hostname: "sandbox-7f9c6d".to_owned(),
        timestamp: TIME.parse::<Timestamp>()?,
        metadata: metadata(shape.plugins),
        boot_id: Some(BOOT.to_owned()),
        seq: Some(SEQ),
        agent_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        interval_secs: Some(shape.interval_secs),
        trigger: Some(Trigger::Interval),
        stopping: false,
        resumed: None,
        gap: None,
        unchanged: Vec::new(),
        resources: resources(),
        metrics: (0..shape.plugins).flat_map(|plugin| (0..METRICS).map(move |n| metric(plugin, n))).collect(),
        processes: (0..shape.processes).map(|n| (format!("web-{n}"), process(n))).collect(),
        plugins: (0..shape.plugins).map(plugin).collect(),
        rejected: Vec::new(),
    })
}

fn metadata(plugins: usize) -> BTreeMap<String, String> {
    let own = [("region".to_owned(), "eu-1".to_owned())];
    let collected = (0..plugins).flat_map(|plugin| {
        [
            (format!("collector{plugin}.branch"), "main".to_owned()),
            (format!("collector{plugin}.commit"), "1f0c9a4d7be2".to_owned()),
        ]
    });
    own.into_iter().chain(collected).collect()
}

fn resources() -> Resources {
    let stall = |avg10: f64, total_secs| Stall { avg10, avg60: avg10 / 2.0, avg300: avg10 / 4.0, total_secs };
    let stalls = |avg10, total| Stalls { some: stall(avg10, total), full: Some(stall(avg10 / 2.0, total / 2.0)) };
    Resources {
        cpu_source: Some("cgroup2".to_owned()),
        memory_source: Some("cgroup2".to_owned()),
        cpu_limit_cores: Some(2.0),
        memory_limit_mb: Some(4096),
        cpu_time_secs: Some(51_122.18),
        cpu_throttling: Some(Throttling { periods: 61_234, throttled_periods: 118, throttled_secs: 4.62 }),
        memory_usage_bytes: Some(838_273_024),
        oom_kills: Some(0),
        pressure: Pressure {
            cpu: Some(stalls(1.52, 312.48)),
            memory: Some(stalls(0.0, 1.36)),
            io: Some(stalls(0.24, 25.12)),
        },
        pids: Some(26),
        pids_limit: Some(4096),
        open_files: Some(71),
        disks: vec![Disk {
            path: "/".to_owned(),
            size_bytes: 270_553_174_016,
            used_bytes: 32_648_314_880,
            available_bytes: 64_924_434_432,
            inodes: Some(16_777_216),
            inodes_used: Some(512_860),
        }],
    }
}

fn process(number: usize) -> ProcessStatus {
    ProcessStatus {
        status: ProcessState::Running,
        base_url: Some(format!("http://127.0.0.1:{}", 8000 + number)),
        pid: Some(112),
        uptime_ms: Some(5_000_123),
        restart_count: 0,
        last_error: None,
        phase: Some(ProcessPhase::Ready),
        exit_code: None,
        exit_signal: None,
        out_of_memory: false,
        next_restart_ms: None,
    }
}

fn metric(plugin: usize, number: usize) -> ReportedMetric {
    let interface = ("network.interface.name".to_owned(), format!("eth{number}"));
    ReportedMetric {
        metric: Metric {
            name: "system.network.io".to_owned(),
            value: Value::Counter(123_456.0),
            unit: "By".to_owned(),
            attributes: BTreeMap::from([interface]),
        },
        plugin: format!("collector{plugin}"),
        age_ms: 12,
    }
}

fn plugin(number: usize) -> PluginStatus {
    PluginStatus {
        version: Some("0.1.0".to_owned()),
        digest: Some(format!("sha256:{}", "5f".repeat(32))),
        world: Some("sandbeat:collector@0.1.0".to_owned()),
        state: PluginState::Active,
        grants: vec!["read /proc/net/dev".to_owned()],
        calls: 4711,
        duration_ms: Some(Durations { last: 0.021, p50: 0.019, p99: 0.055 }),
        peak_memory_bytes: Some(1_179_648),
        ..PluginStatus::found(format!("collector{number}"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const FIELDS: Fields<'_> = Fields {
        id: "load-7",
        boot_id: "6c0113c5-50cf-4066-950e-cfceb75b0d0c",
        seq: 42,
        uptime_secs: 3600,
        timestamp: "2026-11-21T09:23:00.264Z",
        cpu: 1205,
        memory_mb: 33,
        missed: 0,
    };

    fn written(plugins: usize, fields: &Fields<'_>, delta: bool, gzip: bool) -> (Vec<u8>, bool) {
        let template = Template::of(&Shape { interval_secs: 30.0, plugins, processes: 1 }).unwrap();
        let mut out = b"left over".to_vec();
        let compressed = template.write(fields, delta, gzip, &mut out);
        (out, compressed)
    }

    #[test]
    fn what_is_written_is_a_report_with_the_fields_in_their_places() {
        let (body, compressed) = written(0, &FIELDS, true, true);
        let read: Report = serde_json::from_slice(&body).unwrap();
        assert!(!compressed);
        assert_eq!((read.sandbox_id.as_str(), read.boot_id.as_deref()), (FIELDS.id, Some(FIELDS.boot_id)));
        assert_eq!((read.seq, read.uptime_secs, read.memory_mb), (Some(42), 3600, Some(33)));
        assert_eq!((read.cpu_percent, read.gap), (Some(12.05), None));
        assert_eq!(read.timestamp, FIELDS.timestamp.parse().unwrap());
        assert!(read.resources.pressure.io.is_some() && read.processes.len() == 1 && read.unchanged.is_empty());
    }

    #[test]
    fn what_was_missed_is_told() {
        let (body, _) = written(2, &Fields { missed: 3, ..FIELDS }, true, false);
        let read: Report = serde_json::from_slice(&body).unwrap();
        assert_eq!(read.gap.unwrap().missed, 3);
    }

    #[test]
    fn a_delta_leaves_out_what_does_not_change_and_a_large_report_is_compressed() {
        let (whole, compressed) = written(10, &FIELDS, false, true);
        assert!(compressed);
        let mut inflated = Vec::new();
        flate2::read::GzDecoder::new(whole.as_slice()).read_to_end(&mut inflated).unwrap();
        let read: Report = serde_json::from_slice(&inflated).unwrap();
        assert_eq!((read.metrics.len(), read.plugins.len(), read.metadata.len()), (100, 10, 21));

        let (delta, _) = written(10, &FIELDS, true, false);
        let read: serde_json::Value = serde_json::from_slice(&delta).unwrap();
        assert_eq!(read["unchanged"], serde_json::json!(["metadata", "plugins"]));
        assert!(read.get("metadata").is_none() && read.get("plugins").is_none());
        assert_eq!(read["metrics"].as_array().unwrap().len(), 100);
    }
}
