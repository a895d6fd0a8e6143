//! Reports in and out of order, whole and in part.

use sandbeat_status::Part;

use super::*;

#[test]
fn repeats_and_late_ones_change_nothing() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    assert!(matches!(hub.beat(&a, "a", 1, boot("x", 2, 20.0)), Ok(Outcome::Accepted { .. })));
    for (second, seq) in [(2, 2), (3, 1)] {
        assert!(matches!(hub.beat(&a, "a", second, boot("x", seq, 99.0)), Ok(Outcome::Duplicate { .. })));
    }
    let beat = hub.find("a").beat.unwrap();
    assert_eq!((beat.report().cpu_percent, beat.at), (Some(20.0), hub.at(1)));
    assert_eq!(hub.expire(8), [("a".into(), Kind::Lost)], "a repeat is no sign of life");

    assert!(matches!(hub.beat(&a, "a", 9, boot("y", 1, 1.0)), Ok(Outcome::Accepted { .. })), "a new start counts anew");
    assert!(matches!(hub.beat(&a, "a", 10, none()), Ok(Outcome::Accepted { .. })), "no identity, no repeat");
    assert!(matches!(hub.beat(&a, "a", 11, none()), Ok(Outcome::Accepted { .. })));
}

#[test]
fn what_a_report_leaves_out_is_what_was_in_the_one_before_it() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let (first, keeps) = kept(hub.beat(&a, "a", 1, whole("x", 1)));
    assert!(keeps);
    // Someone still looks at the one before, the first time; nobody the second time.
    for seq in [2, 3] {
        let (report, keeps) = kept(hub.beat(&a, "a", 2, delta("x", seq)));
        assert!(keeps);
        assert_eq!((&report.metadata, &report.plugins), (&first.metadata, &first.plugins), "{seq}");
        assert_eq!(report.seq, Some(seq));
    }
    assert_eq!(first.metadata["k"], "v", "what is looked at stays as it is");
    let part = serde_json::json!({"bootId": "x", "seq": 4, "metadata": {"k": "w"}, "unchanged": ["plugins"]});
    let (report, keeps) = kept(hub.beat(&a, "a", 3, part));
    assert_eq!((report.metadata["k"].as_str(), report.plugins[0].name.as_str(), keeps), ("w", "p", true));
    assert!(matches!(hub.beat(&a, "a", 4, delta("x", 4)), Ok(Outcome::Duplicate { keeps: true, .. })));
    assert_eq!(hub.find("a").beat.unwrap().missing, []);
}

#[test]
fn what_is_not_known_is_missing_until_a_whole_report_comes() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let (report, keeps) = kept(hub.beat(&a, "a", 1, delta("x", 7)));
    assert!(!keeps && report.metadata.is_empty(), "nothing came before");
    assert_eq!(hub.find("a").beat.unwrap().missing, [Part::Metadata, Part::Plugins]);
    assert!(matches!(hub.beat(&a, "a", 2, delta("x", 7)), Ok(Outcome::Duplicate { keeps: false, .. })));
    assert!(!kept(hub.beat(&a, "a", 3, delta("x", 8))).1, "what is missing in one is missing in the next");
    assert!(kept(hub.beat(&a, "a", 4, whole("x", 9))).1);
    assert!(kept(hub.beat(&a, "a", 5, delta("x", 10))).1);

    let (report, keeps) = kept(hub.beat(&a, "a", 6, delta("y", 1)));
    assert!(!keeps && report.metadata.is_empty(), "of another start nothing is taken over");
    let (_, keeps) = kept(hub.beat(&a, "a", 7, serde_json::json!({"metadata": {"k": "v"}})));
    assert!(!keeps, "who does not say which start it is cannot leave out anything");
    let (report, keeps) = kept(hub.beat(&a, "a", 8, serde_json::json!({"unchanged": ["metadata"]})));
    assert!(!keeps && report.metadata.is_empty());
}

#[test]
fn a_report_does_not_outlive_the_registration_that_let_it_in() {
    let mut hub = Hub::new(10);
    let first = hub.register("a", 0).unwrap();
    hub.fleet.remove("a").unwrap();
    assert_eq!(hub.fleet.remove("a"), Err(Refused::Unknown));
    assert_eq!(hub.beat(&first, "a", 1, none()).unwrap_err(), Refused::Unknown);
    let second = hub.register("a", 2).unwrap();
    assert_eq!(hub.beat(&first, "a", 3, none()).unwrap_err(), Refused::Unknown);
    assert_eq!(hub.beat(&Sender::New, "a", 3, none()).unwrap_err(), Refused::Unknown, "it has a token by now");
    assert!(hub.beat(&second, "a", 3, none()).is_ok());
}

fn accepted(outcome: Result<Outcome, Refused>) -> bool {
    matches!(outcome.unwrap(), Outcome::Accepted { .. })
}

#[test]
fn a_report_of_the_start_before_is_late_unless_the_present_one_is_silent() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    assert!(accepted(hub.beat(&a, "a", 1, boot("x", 1, 1.0))));
    assert_eq!(made(hub.beat(&a, "a", 2, boot("y", 1, 2.0))), [Kind::Restarted]);
    assert!(!accepted(hub.beat(&a, "a", 3, boot("x", 2, 3.0))), "it was under way for long");
    assert_eq!(hub.find("a").beat.unwrap().report().cpu_percent, Some(2.0));
    assert_eq!(hub.expire(9), [("a".into(), Kind::Lost)]);
    let back = made(hub.beat(&a, "a", 9, boot("x", 3, 4.0)));
    assert_eq!(back, [Kind::Recovered, Kind::Restarted], "set back to a snapshot");
    let stopped = serde_json::json!({"bootId": "x", "seq": 4, "status": "stopped"});
    assert_eq!(made(hub.beat(&a, "a", 10, stopped)), [Kind::Stopped]);
    assert_eq!(made(hub.beat(&a, "a", 11, boot("z", 1, 5.0))), [Kind::Started], "it had said that it stops");
}

/// Everything that a report can say, some of it in odd numbers.
fn full() -> serde_json::Value {
    serde_json::json!({"bootId": "6f1c2b0e-7d55-4b7e-9a39-0f2a53a1c9d4", "seq": 77, "agentVersion": "0.1.0",
        "hostname": "größe", "cpuPercent": 12.345678901234567, "memoryMB": 512, "sessionCount": 2, "intervalSecs": 0.25,
        "timestamp": "2026-11-20T12:00:00.123456789Z", "trigger": "resumed", "stopping": true,
        "metadata": {"k": "v", "l": ""}, "resumed": {"suspendedMs": 5, "at": "2026-11-20T12:00:00Z"},
        "gap": {"missed": 3, "firstFailure": "2026-11-20T11:00:00Z", "lastError": "refused"},
        "resources": {"cpuSource": "cgroup2", "memorySource": "odd", "cpuLimitCores": 0.1, "memoryLimitMB": 2048,
            "cpuTimeSecs": 12345.678901, "cpuThrottling": {"periods": 9, "throttledPeriods": 3, "throttledSecs": 0.1},
            "memoryUsageBytes": 987654321, "oomKills": 1, "pids": 9, "pidsLimit": 4096, "openFiles": 77,
            "pressure": {"cpu": {"some": {"avg10": 1.5, "avg60": 0.0, "avg300": 99.99, "totalSecs": 12.5}},
                "io": {"some": {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "totalSecs": 0.000001},
                    "full": {"avg10": 0.3, "avg60": 0.2, "avg300": 0.1, "totalSecs": 1e300}}},
            "disks": [{"path": "/", "sizeBytes": 1_u64 << 60, "usedBytes": 5, "availableBytes": 0, "inodes": 7}]},
        "metrics": [{"name": "a.b", "kind": "histogram", "unit": "s", "plugin": "p", "ageMs": 5, "attributes": {"x": "y"},
                "value": {"bounds": [0.1, 2.0], "counts": [1, 2, 3], "sum": -4.5}},
            {"name": "c", "kind": "counter", "unit": "By", "plugin": "p", "ageMs": 0, "value": 1e15}],
        "processes": {"web": {"status": "error", "phase": "backing-off", "restartCount": 4, "lastError": "it fell",
            "exitCode": -1, "outOfMemory": true, "nextRestartMs": 100, "pid": 7, "uptimeMs": 9, "baseUrl": "http://x"}},
        "plugins": [{"name": "p", "state": "failing", "failure": "cpu-timeout", "reason": "slow", "calls": 9,
            "failures": 1, "failuresByName": {"cpu-timeout": 1}, "grants": ["read /proc"], "pointsRejected": 2,
            "durationMs": {"last": 0.1, "p50": 2.0, "p99": 3.25}, "peakMemoryBytes": 5, "restsForMs": 7,
            "lastError": {"failure": "cpu-timeout", "reason": "slow", "at": "2026-11-20T12:00:00Z"},
            "lastReload": {"result": "loaded", "at": "2026-11-20T12:00:00Z"}, "digest": "sha256:00", "world": "w"}],
        "rejected": [{"plugin": "p", "name": "n", "reason": "r", "count": 5}]})
}

#[test]
fn a_report_is_read_as_it_came() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    for (second, fields) in
        [full(), none(), boot("x", 0, 1.0), serde_json::json!({"status": "stopped"})].iter().enumerate()
    {
        let sent = report("a", fields.clone());
        let (kept, _) = kept(hub.beat(&a, "a", second as u32, fields.clone()));
        assert_eq!(kept, sent);
        let base = hub.find("a").beat.unwrap().base();
        let without = sandbeat_status::Report {
            metadata: Default::default(),
            metrics: vec![],
            processes: Default::default(),
            plugins: vec![],
            rejected: vec![],
            ..sent
        };
        assert_eq!(base, without);
    }
}

#[test]
fn past_its_memory_the_hub_keeps_the_base_of_a_report_and_says_so() {
    let mut hub = Hub::with(Settings { report_memory: 1500, ..settings() });
    let (a, b) = (hub.register("a", 0).unwrap(), hub.register("b", 0).unwrap());
    assert!(kept(hub.beat(&a, "a", 1, whole("x", 1))).1);
    let mut fields = full();
    fields["seq"] = 1.into();
    fields["gap"]["lastError"] = "e".repeat(2000).into();
    let outcome = hub.beat(&b, "b", 1, fields.clone()).unwrap();
    let Outcome::Accepted { events, kept: big, keeps, .. } = outcome else { panic!("a duplicate") };
    assert_eq!((big.dropped, keeps, events.len()), (true, false, 1), "what is not kept makes no events");
    let report = big.report();
    assert_eq!((report.hostname.as_str(), report.memory_mb, report.resources.pids), ("größe", Some(512), Some(9)));
    assert!(report.metadata.is_empty() && report.plugins.is_empty() && report.processes.is_empty());
    assert_eq!((big.tally.processes_failed, big.tally.collectors), (1, 1), "they are counted all the same");
    assert_eq!((report.gap, report.resources.disks.len()), (None, 0), "and no long texts");
    assert!(hub.fleet.size < 1500);

    fields["seq"] = 2.into();
    fields["unchanged"] = serde_json::json!(["metadata"]);
    fields["metadata"] = serde_json::json!({});
    hub.beat(&b, "b", 2, fields).unwrap();
    assert_eq!(hub.find("b").beat.unwrap().missing, [Part::Metadata]);
    hub.fleet.remove("a").unwrap();
    hub.fleet.remove("b").unwrap();
    assert_eq!(hub.fleet.size, 0);
}

#[test]
fn large_file_systems_take_no_more_than_their_part_of_memory() {
    let all = 200_000;
    let mut hub = Hub::with(Settings { report_memory: all, ..settings() });
    let disk = |n: usize| {
        serde_json::json!({"path": format!("/{n}{}", "p".repeat(4000)), "sizeBytes": 1, "usedBytes": 1,
        "availableBytes": 0})
    };
    let disks: Vec<_> = (0..16).map(disk).collect();
    let fields = serde_json::json!({"bootId": "x", "seq": 1, "memoryMB": 7, "resources": {"disks": disks}});
    let mut dropped = 0;
    for n in 0..50 {
        let id = format!("large-{n}");
        let sender = hub.register(&id, 0).unwrap();
        let Ok(Outcome::Accepted { kept, .. }) = hub.beat(&sender, &id, 1, fields.clone()) else { panic!("refused") };
        assert_eq!(kept.report().memory_mb, Some(7), "the figures are kept");
        assert_eq!(kept.dropped, kept.report().resources.disks.is_empty());
        dropped += usize::from(kept.dropped);
    }
    assert!(dropped == 48 && hub.fleet.size < all, "{dropped} dropped, {} bytes", hub.fleet.size);
    let modest = hub.register("modest", 0).unwrap();
    let (report, keeps) = kept(hub.beat(&modest, "modest", 1, whole("x", 1)));
    assert!(keeps && report.metadata["k"] == "v");
}

#[test]
fn nothing_is_left_of_a_deleted_one_for_the_next() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    hub.beat(&a, "a", 1, boot("x", 1, 5.0)).unwrap();
    hub.fleet.remove("a").unwrap();
    for (id, second) in [("b", 2), ("a", 3)] {
        hub.register(id, second).unwrap();
        assert_eq!(hub.fleet.history(id, wall(3)), Some(vec![]), "{id}");
        assert_eq!((hub.find(id).standing, hub.find(id).status()), (Standing::NeverReported, Status::Pending));
    }
}
