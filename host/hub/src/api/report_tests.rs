//! Which reports are acceptable, field by field.

use serde_json::{Value as Json, json};

use super::*;

fn base() -> Json {
    json!({"sandboxId": "s", "status": "running", "uptimeSecs": 3, "hostname": "h", "timestamp": "2026-11-20T12:00:00Z"})
}

/// The base report with one more field, or another value of one.
fn with(field: &str, value: Json) -> String {
    let mut report = base();
    report[field] = value;
    report.to_string()
}

fn metric(field: &str, value: Json) -> String {
    let mut metric = json!({"name": "system.network.io", "kind": "counter", "unit": "By", "value": 1.0,
        "attributes": {"network.interface.name": "eth0"}, "plugin": "net", "ageMs": 12});
    metric[field] = value;
    with("metrics", json!([metric]))
}

fn stall(percent: f64, total: f64) -> Json {
    json!({"avg10": percent, "avg60": percent, "avg300": percent, "totalSecs": total})
}

fn disk(path: &str, size: u64) -> Json {
    json!({"path": path, "sizeBytes": size, "usedBytes": 1, "availableBytes": 1})
}

fn resources(field: &str, value: Json) -> String {
    with("resources", json!({field: value}))
}

fn histogram(bounds: &[f64], counts: &[u64]) -> String {
    let value = json!({"bounds": bounds, "counts": counts, "sum": 1.0});
    with("metrics", json!([{"name": "a", "unit": "s", "plugin": "p", "ageMs": 1, "kind": "histogram", "value": value}]))
}

#[test]
fn what_older_agents_send_is_a_report() {
    for timestamp in ["2026-11-20T12:00:00Z", "2026-11-20T13:00:00.123456789+01:00", "2026-11-20T12:00:00.5Z"] {
        let body = with("timestamp", json!(timestamp));
        assert!(read("s", body.as_bytes()).is_ok(), "{timestamp}");
    }
    let body = with("metadata", json!({"Any Key": "value", "empty": ""}));
    assert!(read("s", body.as_bytes()).is_ok());
}

#[test]
fn what_newer_agents_may_add_is_passed_over() {
    assert!(read("s", with("fromTheFuture", json!({"deep": [1, 2]})).as_bytes()).is_ok());
}

#[test]
fn a_word_of_a_newer_agent_costs_nothing_else() {
    let mut body: Json = serde_json::from_str(&metric("kind", json!("summary"))).unwrap();
    body["metrics"].as_array_mut().unwrap().push(json!({"name": "a", "kind": "gauge", "unit": "1", "value": 1,
        "plugin": "p", "ageMs": 0}));
    body["metrics"][0]["value"] = json!({"p50": [1, 2]});
    body["trigger"] = json!("asked");
    body["unchanged"] = json!(["processes", "metadata"]);
    body["processes"] = json!({"web": {"status": "paused", "phase": "thawing", "pid": 5}});
    body["plugins"] = json!([{"name": "net", "state": "asleep", "failure": "disk", "calls": 3,
        "failuresByName": {"disk": 2, "fuel": 3, "trap": 1},
        "lastError": {"failure": "disk", "reason": "full", "at": "2026-11-20T12:00:00Z"},
        "lastReload": {"result": "postponed", "at": "2026-11-20T12:00:00Z"}}]);
    let report = read("s", body.to_string().as_bytes()).unwrap();
    assert_eq!(report.unchanged, [Part::Metadata]);
    assert_eq!(report.metrics.iter().map(|reported| reported.metric.name.as_str()).collect::<Vec<_>>(), ["a"]);
    let shown = serde_json::to_value(&report).unwrap();
    assert_eq!(report.trigger, None);
    assert_eq!(shown["processes"]["web"], json!({"status": "unknown", "pid": 5, "restartCount": 0}));
    let [plugin] = &*report.plugins else { panic!("{:?}", report.plugins) };
    let words = [&shown["plugins"][0]["state"], &shown["plugins"][0]["failure"]];
    assert_eq!((words, plugin.calls), ([&json!("unknown"); 2], 3));
    assert_eq!(shown["plugins"][0]["failuresByName"], json!({"trap": 1, "unknown": 5}));
    assert_eq!(shown["plugins"][0]["lastError"]["failure"], "unknown");
    assert_eq!(shown["plugins"][0]["lastReload"]["result"], "unknown");
    assert_eq!(serde_json::from_value::<Report>(shown).unwrap(), report, "as it is stored");
}

#[test]
fn what_sandbeat_sends_is_a_report() {
    for body in [
        metric("name", json!("system.network.io")),
        histogram(&[0.1, 1.0], &[1, 2, 3]),
        with("processes", json!({"web": {"status": "error", "restartCount": 2, "lastError": "two\nlines"}})),
        with("plugins", json!([{"name": "net", "state": "active", "digest": "sha256:00"}])),
        with("resources", json!({"cpuLimitCores": 0.5, "memoryLimitMB": 2048, "cpuSource": "cgroup2"})),
        with("intervalSecs", json!(0.5)),
        with("stopping", json!(true)),
        with("resumed", json!({"suspendedMs": 5000, "at": "2026-11-20T12:00:00Z"})),
        with("gap", json!({"missed": 2, "firstFailure": "2026-11-20T12:00:00Z", "lastError": "refused"})),
        with("resumed", json!({"suspendedMs": u64::MAX, "at": "2026-11-20T12:00:00Z"})),
        with("gap", json!({"missed": 2})),
        with("gap", json!({"missed": u64::MAX})),
        with("unchanged", json!(["metadata", "plugins"])),
        with(
            "resources",
            json!({"cpuTimeSecs": 1.5, "oomKills": 0, "pids": 3, "pidsLimit": 100, "openFiles": 7,
            "memoryUsageBytes": 1_u64 << 40,
            "cpuThrottling": {"periods": 2, "throttledPeriods": 1, "throttledSecs": 0.5},
            "pressure": {"cpu": {"some": stall(100.0, 1.0)}, "io": {"some": stall(0.0, 0.0), "full": stall(0.5, 2.0)}},
            "disks": [disk("/", 100), disk("/workspace", 100)]}),
        ),
    ] {
        assert!(read("s", body.as_bytes()).is_ok(), "{body}: {:?}", read("s", body.as_bytes()));
    }
}

#[test]
fn what_is_out_of_bounds_is_named() {
    let long = "x".repeat(10_000);
    let many = |count: usize| (0..count).map(|i| (format!("k{i}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    for (field, body) in [
        ("sandboxId", with("sandboxId", json!("other"))),
        ("status", with("status", json!("failed"))),
        ("cpuPercent", with("cpuPercent", json!("abc"))),
        ("cpuPercent", with("cpuPercent", json!(-0.1))),
        ("cpuPercent", with("cpuPercent", json!(100_001))),
        ("memoryMB", with("memoryMB", json!(-5))),
        ("memoryMB", with("memoryMB", json!(1.5))),
        ("memoryMB", with("memoryMB", json!((1_u64 << 30) + 1))),
        ("sessionCount", with("sessionCount", json!(1_u64 << 32))),
        ("uptimeSecs", with("uptimeSecs", json!(-1))),
        ("uptimeSecs", with("uptimeSecs", json!(u64::MAX))),
        ("intervalSecs", with("intervalSecs", json!(0))),
        ("intervalSecs", with("intervalSecs", json!(86_401))),
        ("timestamp", with("timestamp", json!("yesterday"))),
        ("hostname", with("hostname", json!(long))),
        ("hostname", with("hostname", json!("a\u{1b}[0m"))),
        ("bootId", with("bootId", json!(long))),
        ("seq", with("seq", json!(-1))),
        ("metadata", with("metadata", json!(many(1025)))),
        ("metadata.k", with("metadata", json!({"k": 5}))),
        ("metadata.k", with("metadata", json!({"k": long}))),
        ("metadata", with("metadata", json!({long.clone(): "v"}))),
        ("resources.cpuTimeSecs", resources("cpuTimeSecs", json!("1"))),
        ("resources.oomKills", resources("oomKills", json!(-1))),
        ("resources.pidsLimit", resources("pidsLimit", json!("max"))),
        ("resources.disks", resources("disks", json!(vec![disk("/", 1); 17]))),
        ("resources.disks[0].path", resources("disks", json!([disk(&long, 1)]))),
        ("resources.disks[0].path", resources("disks", json!([disk("/\n", 1)]))),
        ("stopping", with("stopping", json!("yes"))),
        ("resumed.suspendedMs", with("resumed", json!({"suspendedMs": -1, "at": "2026-11-20T12:00:00Z"}))),
        ("resumed.at", with("resumed", json!({"suspendedMs": 1, "at": 5}))),
        ("gap.missed", with("gap", json!({"missed": -1}))),
        ("gap.lastError", with("gap", json!({"missed": 1, "lastError": long}))),
        ("unchanged", with("unchanged", json!(vec!["metadata"; 9]))),
        ("unchanged[0]", with("unchanged", json!([5]))),
        ("trigger", with("trigger", json!(["start"]))),
        ("metrics", with("metrics", json!({}))),
        ("metrics[0].name", metric("name", json!("Network IO"))),
        ("metrics[0].unit", metric("unit", json!(""))),
        ("metrics[0].value", metric("value", json!(-1.0))),
        ("metrics[0].attributes", metric("attributes", json!(many(65)))),
        ("metrics[0].attributes", metric("attributes", json!({"k": long}))),
        ("metrics[0].plugin", metric("plugin", json!(long))),
        ("metrics[0].value", histogram(&[1.0, 1.0], &[1, 2, 3])),
        ("metrics[0].value", histogram(&[1.0], &[1])),
        ("processes.web.status.a", with("processes", json!({"web": {"status": {"a": 1}}}))),
        ("processes.web.lastError", with("processes", json!({"web": {"status": "error", "lastError": long}}))),
        ("plugins[0].state.a", with("plugins", json!([{"name": "net", "state": {"a": 1}}]))),
        ("plugins[0].reason", with("plugins", json!([{"name": "net", "state": "failing", "reason": long}]))),
        ("plugins[0].grants", with("plugins", json!([{"name": "n", "state": "active", "grants": [long]}]))),
        ("rejected[0].name", with("rejected", json!([{"name": long, "reason": "r", "count": 1}]))),
    ] {
        let problem = format!("{:?}", read("s", body.as_bytes()).unwrap_err());
        assert!(problem.contains(&format!("details: Some(\"{field}\")")), "{field}: {problem}");
        assert!(problem.contains(&format!("message: \"{field}: ")), "{field}: {problem}");
    }
}

#[test]
fn a_figure_that_no_machine_has_is_absent_and_costs_nothing_else() {
    for (field, value) in [
        ("cpuLimitCores", json!(-1)),
        ("memoryLimitMB", json!(u64::MAX)),
        ("cpuTimeSecs", json!(-1)),
        ("cpuTimeSecs", json!(1e300)),
        ("cpuThrottling", json!({"periods": 1, "throttledPeriods": 1, "throttledSecs": -0.5})),
        ("memoryUsageBytes", json!(u64::MAX)),
        ("pids", json!(u64::MAX)),
        ("pidsLimit", json!(u64::MAX)),
        ("openFiles", json!(1_u64 << 33)),
        ("pressure", json!({"io": {"some": stall(101.0, 0.0)}})),
        ("pressure", json!({"cpu": {"some": stall(1.0, -1.0)}})),
        ("pressure", json!({"memory": {"some": stall(1.0, 1.0), "full": stall(-1.0, 1.0)}})),
        ("disks", json!([disk("/", u64::MAX)])),
    ] {
        let mut all = json!({"cpuSource": "cgroup2"});
        all[field] = value;
        let report = read("s", with("resources", all.clone()).as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&report.resources).unwrap(), json!({"cpuSource": "cgroup2"}), "{all}");
    }
    let report = read("s", resources("disks", json!([disk("/", u64::MAX), disk("/b", 1)])).as_bytes()).unwrap();
    assert_eq!(report.resources.disks.iter().map(|disk| disk.path.as_str()).collect::<Vec<_>>(), ["/b"]);
}

#[test]
fn a_part_is_left_out_once_and_only_where_it_is_not_carried() {
    let unchanged = |mut report: Json, named: &[&str]| {
        report["unchanged"] = json!(named);
        read("s", report.to_string().as_bytes()).unwrap().unchanged
    };
    assert_eq!(unchanged(base(), &["plugins", "metadata", "plugins"]), [Part::Plugins, Part::Metadata]);
    let mut carrying = base();
    carrying["metadata"] = json!({"k": "v"});
    assert_eq!(unchanged(carrying.clone(), &["metadata", "plugins"]), [Part::Plugins]);
    carrying["plugins"] = json!([{"name": "p", "state": "active"}]);
    assert_eq!(unchanged(carrying, &["metadata", "plugins"]), []);
}

#[test]
fn as_many_metrics_as_ten_collectors_may_return_are_taken_and_one_more_is_not() {
    let body = |count: usize| {
        let metric = json!({"name": "a", "kind": "gauge", "unit": "1", "value": 1.0, "plugin": "p", "ageMs": 0});
        with("metrics", json!(vec![metric; count]))
    };
    assert!(read("s", body(10_000).as_bytes()).is_ok());
    assert!(read("s", body(10_001).as_bytes()).is_err());
}

#[test]
fn names_that_may_be_anything_are_escaped_and_shortened() {
    let bad = "a\nb\u{1b}[0m".to_owned() + &"x".repeat(1000);
    let rejected = [(Some(&bad), bad.as_str(), "two\nlines"), (None, "a.b", "r")]
        .map(|(plugin, name, reason)| json!({"plugin": plugin, "name": name, "reason": reason, "count": 1}));
    let mut body = base();
    body["plugins"] = json!([{"name": "net", "state": "active"}, {"name": bad, "state": "rejected", "reason": "r"}]);
    body["rejected"] = json!(rejected);
    let report = read("s", body.to_string().as_bytes()).unwrap();
    assert_eq!(report.plugins[0].name, "net");
    let [first, second] = &*report.rejected else { panic!("{:?}", report.rejected) };
    for name in [&report.plugins[1].name, first.plugin.as_ref().unwrap(), &first.name] {
        assert!(name.starts_with("a\\nb\\u{1b}[0mx") && name.ends_with("x…") && name.len() == 255, "{name}");
    }
    assert_eq!((&*first.reason, &*second.name, &second.plugin), ("two\nlines", "a.b", &None));
}
