use sandbeat_collectors::Contribution;
use sandbeat_status::{Disk, Metric, Rejected, Source, Value};

use super::*;

const ATTRIBUTE: &str = "network.interface.name";

fn metric(name: &str, attribute: &str) -> Metric {
    Metric {
        name: name.to_owned(),
        value: Value::Gauge(1.5),
        unit: "1".to_owned(),
        attributes: BTreeMap::from([(ATTRIBUTE.to_owned(), attribute.to_owned())]),
    }
}

fn contribution(plugin: &str, now: Instant, metrics: Vec<Metric>, metadata: &[(&str, &str)]) -> Contribution {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Contribution { plugin: plugin.to_owned(), metrics, metadata, rejected: Vec::new(), measured_at: now }
}

fn parts(now: Instant, contributions: Vec<Contribution>) -> Parts {
    Parts {
        identity: Identity {
            status: SandboxStatus::Running,
            boot_id: "b".to_owned(),
            seq: 7,
            interval: Duration::from_millis(1500),
            trigger: Trigger::Interval,
            stopping: false,
            resumed: None,
        },
        sample: Sample { sandbox_id: "s".to_owned(), ..Sample::default() },
        gathered: gather(BTreeMap::from([("region".to_owned(), "eu".to_owned())]), &contributions),
        plugins: Vec::new(),
        now,
        timestamp: Timestamp::UNIX_EPOCH,
    }
}

fn rejected_total(report: &Report) -> u64 {
    report.rejected.iter().map(|rejected| rejected.count).sum()
}

#[test]
fn native_figures_are_rounded_as_the_contract_writes_them() {
    let now = Instant::now();
    let mut parts = parts(now, Vec::new());
    parts.sample.cpu_percent = Some(12.3456);
    parts.sample.cpu_source = Some(Source::Cgroup2);
    parts.sample.memory_bytes = Some((512 << 20) + (1 << 19));
    parts.sample.memory_limit_bytes = Some((2048 << 20) + 1);
    let json = serde_json::to_value(merge(parts)).unwrap();
    assert_eq!(json["cpuPercent"], 12.35);
    assert_eq!(json["memoryMB"], 513);
    assert_eq!(json["resources"]["memoryLimitMB"], 2048);
    assert_eq!(json["resources"]["cpuSource"], "cgroup2");
    assert_eq!(json["intervalSecs"], 1.5);
    assert_eq!(json["seq"], 7);
    assert_eq!(json["metadata"], serde_json::json!({"region": "eu"}));
    assert!(json.get("sessionCount").is_none());
    assert!(json.get("rejected").is_none());
}

#[test]
fn the_operator_wins_then_the_first_name() {
    let now = Instant::now();
    let report = merge(parts(
        now,
        vec![
            contribution("b", now, vec![metric("m", "eth0")], &[("git.branch", "b"), ("region", "b")]),
            contribution("a", now, vec![metric("m", "eth0"), metric("m", "eth1")], &[("git.branch", "a")]),
        ],
    ));
    assert_eq!(report.metadata["region"], "eu");
    assert_eq!(report.metadata["git.branch"], "a");
    assert_eq!(report.metrics.iter().map(|m| m.plugin.as_str()).collect::<Vec<_>>(), ["a", "a"]);
    let rejected: Vec<_> = report.rejected.iter().map(|r| (r.name.as_str(), r.plugin.as_deref())).collect();
    assert_eq!(rejected, [("git.branch", Some("b")), ("m", Some("b")), ("region", Some("b"))]);
    assert!(report.rejected[0].reason.contains("`a`"), "{:?}", report.rejected[0]);
    assert!(report.rejected[2].reason.contains("operator"), "{:?}", report.rejected[2]);
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let now = Instant::now();
    let mut random = fastrand::Rng::with_seed(7);
    let mut contributions: Vec<Contribution> = (0..8)
        .map(|plugin| {
            let metrics = (0..6).map(|n| metric(&format!("m{}", n % 3), &format!("eth{}", random.u8(0..4)))).collect();
            let key = format!("k{}", plugin % 3);
            contribution(&format!("p{plugin}"), now, metrics, &[(key.as_str(), "v")])
        })
        .collect();
    let status = |name: &str| PluginStatus::found(name);
    let mut first: Option<Report> = None;
    for _ in 0..50 {
        random.shuffle(&mut contributions);
        contributions.iter_mut().for_each(|contribution| random.shuffle(&mut contribution.metrics));
        let mut parts = parts(now, contributions.clone());
        parts.plugins = vec![status("p1"), status("p0")];
        random.shuffle(&mut parts.plugins);
        let report = merge(parts);
        assert_eq!(report.metrics.len() as u64 + report.metadata.len() as u64 - 1 + rejected_total(&report), 8 * 7);
        assert_eq!(*first.get_or_insert_with(|| report.clone()), report);
    }
}

#[test]
fn an_old_contribution_says_how_old_it_is() {
    let measured = Instant::now();
    let now = measured + Duration::from_millis(1234);
    let report = merge(parts(now, vec![contribution("a", measured, vec![metric("m", "x")], &[])]));
    assert_eq!(report.metrics[0].age_ms, 1234);
}

#[test]
fn too_many_metrics_are_cut_from_the_end_and_counted() {
    let now = Instant::now();
    let many = |plugin: &str| {
        let metrics = (0..3_000).map(|n| metric(&format!("m{n:05}"), "x")).collect();
        contribution(plugin, now, metrics, &[])
    };
    let mut second = many("b");
    second.metrics.iter_mut().for_each(|metric| metric.name.insert(0, 'b'));
    let report = merge(parts(now, vec![second, many("a")]));
    assert_eq!(report.metrics.iter().filter(|metric| metric.plugin == "a").count(), 3_000);
    assert_eq!(report.metrics.len() as u64 + rejected_total(&report), 6_000);
    assert!(report.rejected.iter().all(|rejected| rejected.plugin.as_deref() == Some("b")));
    let bytes = serde_json::to_vec(&report).unwrap().len();
    assert!(bytes <= MAX_REPORT_BYTES, "{bytes}");
}

#[test]
fn a_report_stays_small_whatever_the_collectors_bring() {
    let now = Instant::now();
    let value = "\"".repeat(256);
    let large = "\"".repeat(1024);
    let contributions = (0..20)
        .map(|plugin| {
            let metrics = (0..300).map(|n| metric(&format!("p{plugin}.m{n}"), &value)).collect();
            let entries: Vec<(String, String)> = (0..64).map(|n| (format!("k{plugin}.{n}"), large.clone())).collect();
            let entries: Vec<(&str, &str)> = entries.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            contribution(&format!("p{plugin:02}"), now, metrics, &entries)
        })
        .collect();
    let report = merge(parts(now, contributions));
    let bytes = serde_json::to_vec(&report).unwrap().len();
    assert!(bytes <= MAX_REPORT_BYTES, "{bytes}");
    let bytes = serde_json::to_vec(&report.metadata).unwrap().len();
    assert!((MAX_METADATA_BYTES / 2..=MAX_METADATA_BYTES).contains(&bytes), "{bytes}");
    let kept = report.metrics.len() + report.metadata.len() - 1;
    assert_eq!(kept as u64 + rejected_total(&report), 20 * (300 + 64));
}

#[test]
fn metadata_past_its_number_is_rejected_and_the_operators_stays() {
    let now = Instant::now();
    let keys: Vec<String> = (0..300).map(|n| format!("k{n}")).collect();
    let entries: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    let report = merge(parts(now, vec![contribution("a", now, Vec::new(), &entries)]));
    assert_eq!(report.metadata.len(), MAX_METADATA);
    assert_eq!(report.metadata["region"], "eu");
    assert_eq!(rejected_total(&report), 301 - MAX_METADATA as u64);
}

/// Everything at once, with texts of which each byte takes two.
#[test]
fn a_report_stays_small_and_has_metrics_whatever_there_is_beside_them() {
    let now = Instant::now();
    let quotes = |count: usize| "\"".repeat(count);
    let metrics = (0..3_000).map(|n| metric(&format!("m{n:05}"), "x")).collect();
    let mut loud = contribution("loud", now, metrics, &[("region", "x")]);
    let rejected = |n| Rejected { plugin: Some(quotes(n)), name: quotes(n), reason: quotes(n), count: 1 };
    loud.rejected = (1..500).map(rejected).collect();
    let mut parts = parts(now, Vec::new());
    parts.sample.hostname = quotes(64);
    parts.sample.disks = (0..crate::config::MAX_DISKS)
        .map(|n| Disk {
            path: format!("/{n:02}{}", quotes(crate::config::MAX_DISK_PATH - 3)),
            size_bytes: u64::MAX,
            used_bytes: u64::MAX,
            available_bytes: u64::MAX,
            inodes: Some(u64::MAX),
            inodes_used: Some(u64::MAX),
        })
        .collect();
    parts.sample.processes = words::tests::worst_processes();
    parts.plugins = words::tests::worst_plugins();
    let operators = (0..crate::config::MAX_OPERATOR_METADATA)
        .map(|n| (format!("{n:02}{}", "k".repeat(126)), quotes(1024)))
        .collect();
    parts.gathered = gather(operators, &[loud]);
    let report = merge(parts);
    let bytes = serde_json::to_vec(&report).unwrap().len();
    assert!(bytes <= MAX_REPORT_BYTES, "{bytes}");
    assert_eq!((report.processes.len(), report.plugins.len()), (512, 288));
    assert!(report.metrics.len() > 100, "{}", report.metrics.len());
}
