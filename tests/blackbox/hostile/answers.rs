//! Those whose answers no report may carry: what can be read is judged point by point, what cannot ends the call.

use super::crafted::{self, ANSWER, GOOD, answers, contribution};
use super::{Fails, Suite, Works, is_rejected};
use crate::harness::metric;

#[test]
fn bad_points_are_rejected_one_by_one_with_their_reason() {
    let ran = Suite::new()
        .hostile("infinite", "not finite", "", Works(&["NaN", "is inf", "-inf"]))
        .hostile("shrinks", "negative counter", "", Works(&["not negative"]))
        .hostile("shouts", "absurd name", "", Works(&["letters, digits"]))
        .hostile("rings", "control characters", "", Works(&["control character", "letters, digits"]))
        .hostile("talks", "long text", "", Works(&["2000 bytes", "300 bytes"]))
        .run();
    for name in ["infinite", "shrinks", "shouts", "rings", "talks"] {
        assert!(metric(&ran.report, name, "test.bad").is_none(), "{:#}", ran.report);
    }
    let text = ran.report.to_string();
    assert!(!text.contains("\\u001b") && !text.contains("\\u0007") && !text.contains("Absurd Name\u{7}"), "{text}");
    ran.end();
}

#[test]
fn answers_that_are_too_large_are_not_taken() {
    // The same text, a thousand times: cheap to make, and dear to take.
    let metrics = 0x1_0000;
    let text = (0x2000, 0xe000);
    let fill = format!(
        "(local $n i32) (local $at i32)
        (loop
            (local.set $at (i32.add (i32.const {metrics}) (i32.mul (local.get $n) (i32.const 56))))
            (i32.store offset=0 (local.get $at) (i32.const {})) (i32.store offset=4 (local.get $at) (i32.const {}))
            (i32.store offset=8 (local.get $at) (i32.const {})) (i32.store offset=12 (local.get $at) (i32.const {}))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $n) (i32.const 1000))))
        (i32.const {ANSWER})",
        text.0, text.1, text.0, text.1
    );
    let amplified = crafted::collector(&fill, &contribution((metrics, 1000), (0, 0)), "");
    Suite::new()
        .hostile("megabytes", "megabytes", "", Fails("output", "limits.output"))
        .hostile("many", "many", "[limits]\ncpu = \"10s\"\ntimeout = \"20s\"", Fails("output", "limits.output"))
        .collector("amplified", &amplified, "", Fails("output", "limits.output"))
        .run()
        .end();
}

#[test]
fn of_too_many_metrics_the_first_are_taken() {
    let enough = "[limits]\noutput = \"8MiB\"\n";
    let cut = format!("{enough}metrics = 10");
    let ran = Suite::new()
        .hostile("two-thousand", "two thousand", enough, Works(&["metrics in one collect"]))
        .hostile("cut", "two thousand", &cut, Works(&["metrics in one collect"]))
        .run();
    let taken = |plugin: &str| {
        ran.report["metrics"].as_array().unwrap().iter().filter(|metric| metric["plugin"] == plugin).count()
    };
    assert_eq!(taken("cut"), 10);
    ran.end();
}

#[test]
fn new_attribute_values_at_every_call_end_at_the_limit() {
    let ran = Suite::new().hostile("explodes", "new series", "[limits]\nseries = 120", Works(&["limits.series"])).run();
    let series = |report: &serde_json::Value| {
        let all = report["metrics"].as_array().unwrap();
        let own = all.iter().filter(|metric| metric["plugin"] == "explodes");
        own.map(|metric| metric["attributes"]["request.id"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let mut known: std::collections::BTreeSet<String> =
        ran.hub.requests().iter().flat_map(|request| series(&request.body)).collect();
    assert!(known.len() > 50 && known.len() <= 120, "{}", known.len());
    // What is known goes on, and nothing is added.
    let before = known.len();
    for _ in 0..3 {
        let report = ran.hub.report("a report", |report| is_rejected(report, "explodes", "limits.series"));
        assert!(metric(&report, "explodes", "test.good").is_some());
        known.extend(series(&report));
    }
    assert_eq!(known.len(), before);
    ran.end();
}

#[test]
fn answers_that_cannot_be_read_are_invalid() {
    const GIGABYTE: u32 = 1 << 30;
    let text = |text: (u32, u32)| answers(&text_answer(text));
    let not_utf8 = crafted::collector(
        &format!("(i32.store (i32.const 0x900) (i32.const 0xfffefdfc)) (i32.const {ANSWER})"),
        &text_answer((0x900, 4)),
        "",
    );
    let mut bad_kind = vec![0, ANSWER + 20, 1, 0, 0];
    bad_kind.extend([GOOD.0, GOOD.1, GOOD.0, 1, 77, 0, 0, 0]);
    let wants = |name| Fails("invalid", name);
    Suite::new()
        .collector("gigabyte", &text((0, GIGABYTE)), "", wants("cannot be taken"))
        .collector("end", &text((u32::MAX - 3, 64)), "", wants("cannot be taken"))
        .collector("overflow", &text((u32::MAX, u32::MAX)), "", wants("cannot be taken"))
        .collector("list", &answers(&contribution((0, 100_000_000), (0, 0))), "", wants("cannot be taken"))
        .collector("crooked", &answers(&contribution((3, 1), (0, 0))), "", wants("cannot be taken"))
        .collector("not-utf8", &not_utf8, "", wants("cannot be taken"))
        .collector("bad-result", &answers(&[7, 0, 0, 0, 0]), "", wants("cannot be taken"))
        .collector("bad-kind", &answers(&bad_kind), "", wants("cannot be taken"))
        .collector("nowhere", &crafted::collector("(i32.const -16)", &[], ""), "", wants("cannot be taken"))
        .run()
        .end();
}

/// A contribution of one metadata entry with this value; its words follow the answer's.
fn text_answer(value: (u32, u32)) -> [u32; 9] {
    let [ok, metrics, metrics_len, ..] = contribution((0, 0), (0, 0));
    [ok, metrics, metrics_len, ANSWER + 20, 1, GOOD.0, GOOD.1, value.0, value.1]
}
