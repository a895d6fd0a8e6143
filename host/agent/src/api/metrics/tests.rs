//! Whole answers, read by a strict reader.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_collectors::Contribution;
use sandbeat_status::usage::Usage;
use sandbeat_status::{
    Disk, Histogram, Metric, PluginStatus, Pressure, Sample, SandboxStatus, Source, Stall, Stalls, Throttling, Trigger,
    Value,
};

use super::*;
use crate::api::About;
use crate::beat::Seen;
use crate::merge::{Identity, Parts, gather, merge};
use crate::report::Delivery;
use crate::sample::Unavailable;

#[path = "../../../tests/agent/support/openmetrics.rs"]
mod openmetrics;

use openmetrics::{read, value};

fn snapshot(sample: Sample, contributions: Vec<Contribution>) -> Snapshot {
    let now = Instant::now();
    let about = Arc::new(About {
        sandbox_id: "sbox-1".to_owned(),
        boot_id: "b".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        started: now,
        interval: Duration::from_secs(30),
        server_url: "http://hub".to_owned(),
        metadata: BTreeMap::new(),
    });
    let report = merge(Parts {
        identity: Identity {
            status: SandboxStatus::Running,
            boot_id: "b".to_owned(),
            seq: 7,
            interval: about.interval,
            trigger: Trigger::Interval,
            stopping: false,
            resumed: None,
        },
        sample: sample.clone(),
        gathered: gather(BTreeMap::new(), &contributions),
        plugins: contributions.iter().map(|contribution| PluginStatus::found(&contribution.plugin)).collect(),
        now,
        timestamp: Timestamp::UNIX_EPOCH,
    });
    Snapshot {
        about,
        seen: Seen {
            report: Some(Arc::new(report.clone())),
            contributions: Arc::new(contributions),
            ..Seen::default()
        },
        delivery: Delivery::default(),
        sample,
        unavailable: Vec::new(),
        usage: Usage::of_this_process(),
        descriptions: BTreeMap::new(),
        report,
        now,
    }
}

fn contribution(plugin: &str, metrics: Vec<Metric>) -> Contribution {
    let measured_at = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
    let metadata = BTreeMap::new();
    Contribution { plugin: plugin.to_owned(), metrics, metadata, rejected: Vec::new(), measured_at }
}

fn metric(name: &str, unit: &str, value: Value, attributes: &[(&str, &str)]) -> Metric {
    let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Metric { name: name.to_owned(), value, unit: unit.to_owned(), attributes }
}

#[test]
fn every_native_figure_is_told_in_its_base_unit() {
    let stall = |total_secs| Stall { total_secs, ..Stall::default() };
    let sample = Sample {
        sandbox_id: "sbox-1".to_owned(),
        cpu_percent: Some(12.5),
        cpu_limit_cores: Some(0.5),
        cpu_time_secs: Some(7.25),
        cpu_throttling: Some(Throttling { periods: 10, throttled_periods: 4, throttled_secs: 1.5 }),
        cpu_source: Some(Source::Cgroup2),
        memory_bytes: Some(1000),
        memory_usage_bytes: Some(3000),
        memory_limit_bytes: Some(4000),
        oom_kills: Some(2),
        pressure: Pressure { io: Some(Stalls { some: stall(2.0), full: Some(stall(1.0)) }), ..Pressure::default() },
        pids: Some(3),
        pids_limit: Some(99),
        open_files: Some(17),
        disks: vec![Disk {
            path: "/a\"b\\c\nd".to_owned(),
            size_bytes: 100,
            used_bytes: 60,
            available_bytes: 30,
            inodes: None,
            inodes_used: Some(5),
        }],
        session_count: Some(1),
        ..Sample::default()
    };
    let families = read(&exposition(&snapshot(sample, Vec::new()), Format::OpenMetrics)).unwrap();
    let path = [("path", "/a\"b\\c\nd")];
    for (sample, labels, expected) in [
        ("sandbox_cpu_utilization_ratio", &[][..], 0.125),
        ("sandbox_cpu_limit", &[], 0.5),
        ("sandbox_cpu_time_seconds_total", &[], 7.25),
        ("sandbox_cpu_periods_total", &[], 10.0),
        ("sandbox_cpu_throttled_periods_total", &[], 4.0),
        ("sandbox_cpu_throttled_time_seconds_total", &[], 1.5),
        ("sandbox_memory_working_set_bytes", &[], 1000.0),
        ("sandbox_memory_usage_bytes", &[], 3000.0),
        ("sandbox_memory_limit_bytes", &[], 4000.0),
        ("sandbox_oom_kills_total", &[], 2.0),
        ("sandbox_pressure_stalled_seconds_total", &[("resource", "io"), ("tasks", "some")], 2.0),
        ("sandbox_pressure_stalled_seconds_total", &[("resource", "io"), ("tasks", "all")], 1.0),
        ("sandbox_pids", &[], 3.0),
        ("sandbox_pids_limit", &[], 99.0),
        ("sandbox_open_files", &[], 17.0),
        ("sandbox_sessions", &[], 1.0),
        ("sandbox_disk_size_bytes", &path, 100.0),
        ("sandbox_disk_used_bytes", &path, 60.0),
        ("sandbox_disk_available_bytes", &path, 30.0),
        ("sandbox_disk_inodes_used", &path, 5.0),
    ] {
        assert_eq!(value(&families, sample, labels), Some(expected), "{sample}");
    }
    assert!(!families.contains_key("sandbox_disk_inodes"), "what is not known has no family");
    assert_eq!(families["sandbox_cpu_time_seconds"].unit.as_deref(), Some("seconds"));
}

#[test]
fn what_is_there_twice_cannot_break_the_answer() {
    let disk = Disk {
        path: "/".to_owned(),
        size_bytes: 100,
        used_bytes: 60,
        available_bytes: 30,
        inodes: None,
        inodes_used: None,
    };
    let mut snapshot = snapshot(Sample { disks: vec![disk.clone(), disk], ..Sample::default() }, Vec::new());
    let missing = |reason: &str| Unavailable { figure: "resources.disks", reason: reason.to_owned() };
    snapshot.unavailable = vec![missing("no /no/a"), missing("no /no/b")];
    let families = read(&exposition(&snapshot, Format::OpenMetrics)).unwrap();
    assert_eq!(value(&families, "sandbox_disk_size_bytes", &[("path", "/")]), Some(100.0));
    assert_eq!(value(&families, "sandbox_figure_unavailable", &[("figure", "resources.disks")]), Some(2.0));
}

#[test]
fn nothing_that_was_not_measured_is_told() {
    let families = read(&exposition(&snapshot(Sample::default(), Vec::new()), Format::OpenMetrics)).unwrap();
    let native: Vec<_> = families.keys().filter(|name| name.starts_with("sandbox")).collect();
    assert_eq!(native, ["sandbox"], "and that is only who it is");
    assert!(families.values().all(|family| family.help.as_ref().is_some_and(|help| help.ends_with('.'))));
}

#[test]
fn what_collectors_measured_has_its_meaning_and_its_owner() {
    let bytes = metric("system.network.io", "By", Value::Counter(7.0), &[("network.interface.name", "eth0")]);
    let mut snapshot = snapshot(Sample::default(), vec![contribution("net", vec![bytes])]);
    let described = BTreeMap::from([("system.network.io".to_owned(), "All \"that\"\nwent.".to_owned())]);
    snapshot.descriptions.insert("net".to_owned(), Arc::new(described));
    let families = read(&exposition(&snapshot, Format::OpenMetrics)).unwrap();
    let labels = [("network_interface_name", "eth0"), ("plugin", "net")];
    assert_eq!(value(&families, "system_network_io_bytes_total", &labels), Some(7.0));
    assert_eq!(families["system_network_io_bytes"].help.as_deref(), Some("All \"that\"\nwent."));
    let age = value(&families, "sandbeat_plugin_measurement_age_seconds", &[("plugin", "net")]).unwrap();
    assert!((2.0..60.0).contains(&age), "{age}");
}

#[test]
fn names_of_the_agents_own_stay_its_own() {
    let taken = |name: &str, unit: &str, value| metric(name, unit, value, &[]);
    let mine = vec![
        taken("sandbox.memory.usage", "By", Value::Gauge(1.0)),
        taken("sandbox.oom_kills", "1", Value::Counter(1.0)),
        taken("sandbeat.build.info", "{x}", Value::Gauge(1.0)),
        taken("process.cpu", "s", Value::Counter(1.0)),
        taken("sandbeat.scrape.left_out", "{x}", Value::Gauge(1.0)),
        taken("sandbeat.report.lateness.count", "s", Value::Gauge(1.0)),
        taken("sandbeat.report.lateness.seconds.count", "{x}", Value::Gauge(1.0)),
    ];
    let families = read(&exposition(&snapshot(Sample::default(), vec![contribution("p", mine)]), Format::OpenMetrics));
    let families = families.unwrap();
    assert_eq!(value(&families, "sandbeat_scrape_left_out", &[("reason", "name")]), Some(6.0));
    assert!(!families.contains_key("sandbox_memory_usage_bytes"));
}

/// Five thousand metrics of ten collectors, with everything that a collector can put into a name, a unit or a value.
fn hostile() -> Vec<Contribution> {
    let values = ["", "\"", "\\", "\n", "a\"b\\c\nd", "}", "{x=\"y\"}", "ß→\u{1F980}", "# EOF", "\\n", " ", "\u{7f}"];
    let names =
        ["a.b", "a_b", "a.b_total", "a_b.total", "up", "x.count", "x", "x_bucket", "y.sum", "y", "le", "e1.2.3"];
    let units = ["1", "By", "s", "{x}", "By/s", "{x}/s", "/", "\"", "\\", "#", "%", "1/1", "_total", "total", "9"];
    let histogram = |bounds: Vec<f64>, each: u64, sum| {
        let counts = vec![each; bounds.len() + 1];
        Value::Histogram(Histogram { bounds, counts, sum })
    };
    let make = |at: usize| {
        let number = (at as f64 - 100.0) * 1e300;
        let value = match at % 5 {
            0 | 1 => Value::Gauge(number),
            2 => Value::Counter(number.abs().min(f64::MAX)),
            3 => histogram(vec![0.0, 5e-324, 1.0, f64::MAX], 3, 1e300),
            _ => histogram(vec![-1.0, 1.0], if at.is_multiple_of(7) { u64::MAX } else { 1 }, -5.0),
        };
        let pick = |list: &[&'static str], by: usize| list[by % list.len()];
        let attributes = [
            (pick(&["le", "plugin", "quantile", "a.b"], at), pick(&values, at / 3)),
            (pick(&["a_b", "exported_plugin", "__name__", "x"], at / 2), pick(&values, at / 5)),
            ("id", &format!("{}", at / 2) as &str),
        ];
        metric(pick(&names, at / 7), pick(&units, at / 11), value, &attributes)
    };
    let of = |plugin: usize| contribution(&format!("p{plugin}"), (0..500).map(|at| make(plugin * 500 + at)).collect());
    (0..10).map(of).collect()
}

#[test]
fn hostile_metrics_cannot_break_the_answer() {
    let snapshot = snapshot(Sample::default(), hostile());
    let told = snapshot.report.metrics.len();
    assert!(told > 2000, "{told}");
    let text = exposition(&snapshot, Format::OpenMetrics);
    let families = read(&text).unwrap_or_else(|wrong| panic!("{wrong}"));
    let collected = families.values().flat_map(|family| &family.samples).filter(|(name, labels, _)| {
        labels.contains_key("plugin") && !name.starts_with("sandbeat_") && !name.ends_with("_bucket")
    });
    assert!(collected.count() > 100);
    let left_out = |reason| value(&families, "sandbeat_scrape_left_out", &[("reason", reason)]).unwrap();
    assert!(left_out("name") > 0.0 && left_out("value") > 0.0);
}

#[test]
fn five_thousand_good_metrics_are_all_told() {
    let metrics = |plugin: usize| {
        let one = |at: usize| metric("m", "1", Value::Gauge(at as f64), &[("id", &at.to_string())]);
        contribution(&format!("p{plugin}"), (0..1000).map(|at| one(plugin * 1000 + at)).collect())
    };
    let snapshot = snapshot(Sample::default(), (0..5).map(metrics).collect());
    let told = snapshot.report.metrics.len();
    for format in [Format::OpenMetrics, Format::Text] {
        let text = exposition(&snapshot, format);
        assert_eq!(text.lines().filter(|line| line.starts_with("m_ratio{")).count(), told);
    }
}
