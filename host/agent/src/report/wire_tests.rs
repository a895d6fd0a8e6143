//! What is left out and when, and what is compressed for whom.

use std::io::Read;

use flate2::read::GzDecoder;
use sandbeat_status::{Compiling, Durations, Failure as Named, LastError, LastReload, PluginState, ReloadResult};
use serde_json::{Value, json};

use super::super::outcome::FailureKind;
use super::*;

/// A report in which every field says something.
fn report() -> Report {
    let plugin = PluginStatus { grants: vec!["read".into()], calls: 7, ..PluginStatus::found("net") };
    let stall = json!({"avg10": 1.5, "avg60": 1.0, "avg300": 0.5, "totalSecs": 9.0});
    let mut report: Report = serde_json::from_value(json!({
        "sandboxId": "s", "status": "running", "cpuPercent": 1.5, "memoryMB": 2, "sessionCount": 3, "uptimeSecs": 4,
        "hostname": "h", "timestamp": "2026-11-20T12:00:00.123Z", "metadata": {"region": "eu-1"}, "bootId": "b",
        "seq": 5, "agentVersion": "0.1.0", "intervalSecs": 30.0, "stopping": true,
        "resumed": {"suspendedMs": 5000, "at": "2026-11-20T11:59:00Z"},
        "resources": {"cpuLimitCores": 2.0, "pressure": {"io": {"some": stall}}},
        "metrics": [{"name": "a", "kind": "gauge", "unit": "1", "value": 1.0, "plugin": "net", "ageMs": 1}],
        "processes": {"web": {"status": "running", "restartCount": 0}},
        "rejected": [{"name": "b", "reason": "r", "count": 1}]
    }))
    .unwrap();
    report.plugins = vec![plugin];
    report
}

fn accepts(wire: &mut Wire, report: &Report, keeps: bool, now: Instant) -> Draft {
    let draft = wire.draft(report, None, now);
    assert_eq!(wire.accepted(report, &draft, keeps, now), None);
    draft
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "")
}

fn json_of(draft: &Draft) -> Value {
    serde_json::from_slice(&draft.json).unwrap()
}

#[test]
fn whole_it_is_the_report_word_for_word() {
    let report = report();
    let draft = Wire::new(Compression::Auto).draft(&report, None, Instant::now());
    assert_eq!(String::from_utf8(draft.json.to_vec()).unwrap(), serde_json::to_string(&report).unwrap());

    let gap = Gap { missed: 2, first_failure: Some(Timestamp::UNIX_EPOCH), last_error: Some("refused".into()) };
    let with = Report { gap: Some(gap.clone()), ..report.clone() };
    let draft = Wire::new(Compression::Auto).draft(&report, Some(&gap), Instant::now());
    assert_eq!(String::from_utf8(draft.json.to_vec()).unwrap(), serde_json::to_string(&with).unwrap());
    assert_eq!(
        json_of(&draft)["gap"],
        json!({"missed": 2, "firstFailure": "1970-01-01T00:00:00.000Z", "lastError": "refused"})
    );
    let slow = Gap { missed: 1, first_failure: None, last_error: None };
    let draft = Wire::new(Compression::Auto).draft(&report, Some(&slow), Instant::now());
    assert_eq!(json_of(&draft)["gap"], json!({"missed": 1}));
}

#[test]
fn unchanged_parts_are_left_out_and_named_once_the_server_says_that_it_keeps_them() {
    let now = Instant::now();
    let mut wire = Wire::new(Compression::Auto);
    let mut report = report();
    assert_eq!(accepts(&mut wire, &report, true, now).left_out, []);

    let delta = json_of(&accepts(&mut wire, &report, true, now));
    assert_eq!(delta["unchanged"], json!(["metadata", "plugins"]));
    assert!(delta.get("metadata").is_none() && delta.get("plugins").is_none(), "{delta}");
    assert!(delta["metrics"].is_array() && delta["processes"].is_object() && delta["resources"].is_object(), "{delta}");

    report.metadata.insert("git.branch".into(), "main".into());
    assert_eq!(accepts(&mut wire, &report, true, now).left_out, [Part::Plugins], "what changed is sent");
    assert_eq!(accepts(&mut wire, &report, true, now).left_out, [Part::Metadata, Part::Plugins]);
    report.metadata.clear();
    assert_eq!(accepts(&mut wire, &report, true, now).left_out, [Part::Plugins], "none is a change, too");
    assert_eq!(accepts(&mut wire, &report, true, now).left_out, [Part::Plugins], "to name it would be longer");
}

#[test]
fn a_server_that_says_nothing_gets_everything() {
    let now = Instant::now();
    let mut wire = Wire::new(Compression::Auto);
    let report = report();
    for keeps in [false, false, true] {
        assert_eq!(accepts(&mut wire, &report, keeps, now).left_out, []);
    }
    assert_eq!(accepts(&mut wire, &report, false, now).left_out.len(), 2, "it does not say so any more");
    assert_eq!(accepts(&mut wire, &report, true, now).left_out, [], "so all is sent again");
}

#[test]
fn after_a_failure_or_a_standstill_and_at_the_end_and_every_ten_minutes_all_is_sent() {
    let start = Instant::now();
    let at = |secs: u64| start + Duration::from_secs(secs);
    let mut wire = Wire::new(Compression::Auto);
    let report = report();
    accepts(&mut wire, &report, true, at(0));
    let draft = wire.draft(&report, None, at(1));
    assert_eq!(draft.left_out.len(), 2);
    assert_eq!(wire.failed(&failure(FailureKind::Timeout), &draft), Resend::No);
    assert_eq!(accepts(&mut wire, &report, true, at(2)).left_out, []);

    wire.forget();
    assert_eq!(accepts(&mut wire, &report, true, at(3)).left_out, []);

    let last = Report { status: SandboxStatus::Stopped, ..report.clone() };
    assert_eq!(wire.draft(&last, None, at(4)).left_out, []);

    assert_eq!(accepts(&mut wire, &report, true, at(602)).left_out.len(), 2);
    assert_eq!(accepts(&mut wire, &report, true, at(603)).left_out, []);
    assert_eq!(accepts(&mut wire, &report, true, at(1202)).left_out.len(), 2);
}

#[test]
fn of_a_plugin_everything_counts_but_what_changes_with_every_call() {
    let base = PluginStatus::found("net");
    let compiling = |compiled| Compiling { compiled, functions: Some(9), elapsed_ms: Some(1) };
    let error = |at: i64, reason: &str| {
        let at = Timestamp::from_second(at).unwrap();
        Some(LastError { failure: Named::Trap, reason: reason.into(), at })
    };
    let reload = LastReload { result: ReloadResult::Loaded, at: Timestamp::UNIX_EPOCH };
    for other in [
        PluginStatus { name: "disk".into(), ..base.clone() },
        PluginStatus { version: Some("2".into()), ..base.clone() },
        PluginStatus { digest: Some("sha256:0".into()), ..base.clone() },
        PluginStatus { world: Some("w".into()), ..base.clone() },
        PluginStatus { state: PluginState::Failing, ..base.clone() },
        PluginStatus { compiling: Some(compiling(1)), ..base.clone() },
        PluginStatus { failure: Some(Named::Trap), ..base.clone() },
        PluginStatus { reason: Some("r".into()), ..base.clone() },
        PluginStatus { grants: vec!["env".into()], ..base.clone() },
        PluginStatus { last_error: error(1, "r"), ..base.clone() },
        PluginStatus { last_reload: Some(reload), ..base.clone() },
    ] {
        assert!(!same_but_for_calls(&base, &other), "{other:?}");
    }
    let called = PluginStatus {
        calls: 2,
        failures: 1,
        failures_by_name: BTreeMap::from([(Named::Trap, 1)]),
        duration_ms: Some(Durations { last: 1.0, p50: 1.0, p99: 1.0 }),
        peak_memory_bytes: Some(1),
        points_rejected: 1,
        rests_for_ms: Some(1),
        last_error: error(1, "r"),
        ..base.clone()
    };
    let again = PluginStatus { last_error: error(2, "r"), ..base.clone() };
    assert!(same_but_for_calls(&called, &again));
    let compiled = |compiled| PluginStatus { compiling: Some(compiling(compiled)), ..base.clone() };
    assert!(same_but_for_calls(&compiled(1), &compiled(2)));
    assert!(!same_but_for_calls(&called, &PluginStatus { last_error: error(2, "s"), ..base }));
}

/// A report that is worth compressing.
fn large() -> Report {
    let metadata = (0..100).map(|n| (format!("key{n}"), "some words that are like others".to_owned())).collect();
    Report { metadata, ..report() }
}

#[tokio::test]
async fn large_reports_are_compressed_and_small_ones_are_not() {
    let now = Instant::now();
    let wire = Wire::new(Compression::Auto);
    let draft = wire.draft(&large(), None, now);
    let payload = draft.payload().await;
    assert!(payload.gzip && payload.bytes.len() * 3 < draft.json.len(), "{}", payload.bytes.len());
    let mut read = Vec::new();
    GzDecoder::new(&payload.bytes[..]).read_to_end(&mut read).unwrap();
    assert_eq!(read, draft.json);

    for draft in [wire.draft(&report(), None, now), Wire::new(Compression::Off).draft(&large(), None, now)] {
        let payload = draft.payload().await;
        assert!(!payload.gzip);
        assert_eq!(payload.bytes, draft.json);
    }
}

#[test]
fn a_server_that_does_not_read_gzip_is_found_out_and_left_in_peace() {
    let (now, report) = (Instant::now(), large());
    for status in [400, 415, 422, 500, 501] {
        let kind = if status < 500 { FailureKind::Rejected(status) } else { FailureKind::Server(status) };
        let mut wire = Wire::new(Compression::Auto);
        let draft = wire.draft(&report, None, now);
        assert_eq!(wire.failed(&failure(kind), &draft), Resend::AsItIs, "{status}");
        let plain = wire.draft(&report, None, now);
        assert!(!plain.gzip);
        assert_eq!(wire.accepted(&report, &plain, false, now), Some(Unread::Status(status)), "said once");
        assert!(!accepts(&mut wire, &report, false, now).gzip);
        let draft = wire.draft(&report, None, now);
        assert_eq!(wire.failed(&failure(kind), &draft), Resend::No);
    }
}

#[test]
fn a_server_that_ends_the_connection_over_gzip_is_found_out_as_well() {
    let (now, report) = (Instant::now(), large());
    for kind in [FailureKind::Reset, FailureKind::Protocol] {
        let mut wire = Wire::new(Compression::Auto);
        let draft = wire.draft(&report, None, now);
        assert_eq!(wire.failed(&failure(kind), &draft), Resend::AsItIs, "{kind:?}");
        let plain = wire.draft(&report, None, now);
        assert!(!plain.gzip);
        assert_eq!(wire.accepted(&report, &plain, false, now), Some(Unread::Nothing));
        assert!(!accepts(&mut wire, &report, false, now).gzip);
    }
    let mut wire = Wire::new(Compression::Auto);
    assert!(accepts(&mut wire, &report, false, now).gzip);
    let draft = wire.draft(&report, None, now);
    assert_eq!(wire.failed(&failure(FailureKind::Reset), &draft), Resend::No, "it has read it before");
}

#[test]
fn other_failures_say_nothing_of_gzip() {
    let (now, report) = (Instant::now(), large());
    for kind in [
        FailureKind::Refused,
        FailureKind::Denied(401),
        FailureKind::NotFound,
        FailureKind::Rejected(413),
        FailureKind::Server(503),
        FailureKind::Throttled,
    ] {
        let mut wire = Wire::new(Compression::Auto);
        let draft = wire.draft(&report, None, now);
        assert_eq!(wire.failed(&failure(kind), &draft), Resend::No, "{kind:?}");
        assert!(wire.draft(&report, None, now).gzip, "{kind:?}");
    }
}

#[test]
fn where_both_forms_fail_it_is_tried_again_later_and_not_with_every_failure() {
    let (now, report) = (Instant::now(), large());
    let mut wire = Wire::new(Compression::Auto);
    let down = failure(FailureKind::Server(500));
    let draft = wire.draft(&report, None, now);
    assert_eq!(wire.failed(&down, &draft), Resend::AsItIs);
    for _ in 0..3 {
        let plain = wire.draft(&report, None, now);
        assert!(!plain.gzip);
        assert_eq!(wire.failed(&down, &plain), Resend::No);
    }
    assert!(!accepts(&mut wire, &report, false, now).gzip);
    assert!(accepts(&mut wire, &report, false, now).gzip, "and it reads it");
    let draft = wire.draft(&report, None, now);
    assert_eq!(wire.failed(&down, &draft), Resend::No, "which an error of its own does not unsay");
    assert!(wire.draft(&report, None, now).gzip);
    assert_eq!(
        wire.failed(&failure(FailureKind::Rejected(415)), &draft),
        Resend::AsItIs,
        "an older one took its place"
    );
}
