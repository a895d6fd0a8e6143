//! The collector on a recorded folder.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbeat_sdk::Value;
use sandbeat_sdk::testing::Sandbox;

use super::*;

macro_rules! fixtures {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../tests/fixtures/", $name)))),*]
    };
}

const FILES: [(&str, &str); 6] =
    fixtures!("backup.prom", "jobs.prom", "notes.txt", "stamped.prom", "torn.prom", "z_late.prom");

fn sandbox(files: &[(&str, &str)]) -> Sandbox {
    files.iter().fold(Sandbox::new(), |sandbox, (name, text)| {
        let path = format!("{DEFAULT_PATH}/{name}");
        sandbox.file(&path, text).modified(&path, Duration::from_millis(1_763_700_000_900))
    })
}

/// As `name{key=value,…}`, without the collector's counts of what is left out that are 0.
fn values(contribution: &Contribution) -> BTreeMap<String, String> {
    let line = |point: &sandbeat_sdk::Point| {
        let attributes: Vec<_> = point.attributes.iter().map(|one| format!("{}={}", one.key, one.value)).collect();
        let value = match &point.value {
            Value::Gauge(value) | Value::Counter(value) => value.to_string(),
            Value::Histogram(value) => format!("{:?} {:?} {}", value.bounds, value.counts, value.sum),
        };
        (format!("{}{{{}}}", point.name, attributes.join(",")), value)
    };
    let all = contribution.points.iter().map(line);
    all.filter(|(name, value)| !name.starts_with("textfile.") || value != "0").collect()
}

fn expected(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
    lines.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[test]
fn a_folder_with_broken_files_is_reported_without_them() {
    let mut sandbox = sandbox(&FILES);
    let contribution = sandbox.run(Textfile::collect).unwrap();
    let file = |name: &str| format!("node_textfile_mtime_seconds{{file={DEFAULT_PATH}/{name}}}");
    let lines = [
        ("backup_bytes_total{}", "123456789"),
        ("backup_last_success_timestamp_seconds{target=etc}", "1763600000"),
        ("backup_last_success_timestamp_seconds{target=home}", "1763700000"),
        ("job_duration_seconds{queue=mail}", "[0.5, 5.0] [3, 5, 1] 21.5"),
        ("job_wait_seconds_count{}", "7"),
        ("job_wait_seconds_sum{}", "4.5"),
        ("job_wait_seconds{quantile=0.5}", "0.25"),
        ("late_metric{}", "1"),
        (&file("backup.prom"), "1763700000"),
        (&file("jobs.prom"), "1763700000"),
        (&file("z_late.prom"), "1763700000"),
        ("node_textfile_scrape_error{}", "1"),
        ("queue.jobs.rate5m{}", "0.5"),
        ("textfile.points.left_out{textfile.reason=help}", "1"),
        ("textfile.points.left_out{textfile.reason=value}", "1"),
    ];
    assert_eq!(values(&contribution), expected(&lines));

    sandbox.run(Textfile::collect).unwrap();
    let said: Vec<_> = sandbox.lines().iter().map(|(_, line)| line.as_str()).collect();
    let parts = [
        "stamped.prom`, line 2: `pkg_updates`: it has a timestamp of its own",
        "torn.prom`, line 2: the file ends without a line feed",
        "z_late.prom: `backup_bytes_total` has another HELP than in",
        "(help, value)",
    ];
    assert_eq!(said.len(), parts.len(), "once each: {said:?}");
    assert!(said.iter().zip(parts).all(|(line, part)| line.contains(part)), "{said:?}");
}

#[test]
fn an_empty_folder_has_no_error() {
    let mut sandbox = sandbox(&FILES[2..3]);
    let contribution = sandbox.run(Textfile::collect).unwrap();
    assert_eq!(values(&contribution), expected(&[("node_textfile_scrape_error{}", "0")]));
    assert_eq!(sandbox.lines(), []);
}

#[test]
fn what_is_not_there_is_an_error_and_what_is_not_granted_is_named() {
    let contribution = Sandbox::new().missing(DEFAULT_PATH).run(Textfile::collect).unwrap();
    assert_eq!(values(&contribution), expected(&[("node_textfile_scrape_error{}", "1")]));
    let denied = "`/var/lib/node_exporter/textfile_collector/*.prom` is not granted; add it to `read` under `[grant]` \
                  in the sidecar";
    assert_eq!(Sandbox::new().run(Textfile::collect), Err(Error::Denied(denied.into())));

    let mut sandbox = sandbox(&FILES[..1]).config("path", &format!("[\"/other/\",\"{DEFAULT_PATH}/\"]"));
    let contribution = sandbox.run(Textfile::collect).unwrap();
    assert_eq!(values(&contribution)["node_textfile_scrape_error{}"], "1");
    assert_eq!(values(&contribution)["backup_bytes_total{}"], "123456789");
    assert!(sandbox.lines()[0].1.starts_with("`/other/*.prom` is not granted; "), "{:?}", sandbox.lines());
}

#[test]
fn a_wrong_path_is_a_wrong_configuration() {
    for path in ["", "textfile", "[]", "[\"/a\",\"b\"]", "[1]"] {
        let error = Sandbox::new().config("path", path).run(Textfile::collect).unwrap_err();
        assert!(matches!(&error, Error::Config(text) if text.starts_with("`path` ")), "{path}: {error:?}");
    }
}

#[test]
fn more_than_a_contribution_holds_is_cut_in_the_order_of_the_files() {
    let lines = |name: &str| (0..600).map(|n| format!("{name}{{n=\"{n}\"}} {n}\n")).collect::<String>();
    let (first, second) = (lines("a"), lines("b"));
    let contribution = sandbox(&[("1.prom", &first), ("2.prom", &second)]).run(Textfile::collect).unwrap();
    assert_eq!(contribution.points.len(), 1_000);
    let values = values(&contribution);
    assert_eq!(values.keys().filter(|name| name.starts_with("a{")).count(), 600);
    assert_eq!(values["textfile.points.left_out{textfile.reason=limit}"], "212");
    assert_eq!(values["node_textfile_scrape_error{}"], "0");
}

#[test]
fn a_file_whose_labels_keep_changing_is_named_and_leaves_room_for_others() {
    let mut sandbox = sandbox(&[("z.prom", "steady 1\n")]);
    let path = |name: &str| format!("{DEFAULT_PATH}/{name}");
    let mut all = BTreeSet::new();
    for round in 0..10 {
        let churn: String = (0..500).map(|n| format!("churn{{id=\"{round}-{n}\"}} 1\n")).collect();
        sandbox = sandbox.file(&path("churn.prom"), churn);
        all.extend(values(&sandbox.run(Textfile::collect).unwrap()).into_keys());
    }
    // New ones of another file, as of a job that was added.
    let late: String = (0..100).map(|n| format!("late{{n=\"{n}\"}} 1\n")).collect();
    let mut sandbox = sandbox.file(&path("late.prom"), late);
    let values = values(&sandbox.run(Textfile::collect).unwrap());
    assert_eq!(values.keys().filter(|name| name.starts_with("late{")).count(), 100);
    assert!(values.contains_key("steady{}"), "{values:?}");
    assert_eq!(values["textfile.points.left_out{textfile.reason=series}"], "500");
    all.extend(values.into_keys());
    // As many as the agent takes within an hour.
    assert!(all.len() + Reason::ALL.len() < 2_000, "{}", all.len());
    let said: Vec<_> = sandbox.lines().iter().map(|(_, line)| line.as_str()).collect();
    let parts = ["(series)", "churn.prom`: new series are left out, `churn` for one"];
    assert_eq!(said.len(), 2, "once each: {said:?}");
    assert!(parts.iter().all(|part| said.iter().any(|line| line.contains(part))), "{said:?}");
}

#[test]
fn of_a_file_whose_name_cannot_be_reported_the_metrics_are() {
    let long = format!("{}.prom", "x".repeat(250));
    let mut sandbox =
        sandbox(&[("a\nb.prom", "a 1\n"), ("a\u{202e}b.prom", "d 1\n"), (&long, "b 1\n"), ("c.prom", "c 1\n")]);
    let contribution = sandbox.run(Textfile::collect).unwrap();
    let lines = [
        ("a{}", "1"),
        ("b{}", "1"),
        ("c{}", "1"),
        ("d{}", "1"),
        (&format!("node_textfile_mtime_seconds{{file={DEFAULT_PATH}/a\u{fffd}b.prom}}"), "1763700000"),
        (&format!("node_textfile_mtime_seconds{{file={DEFAULT_PATH}/c.prom}}"), "1763700000"),
        ("node_textfile_scrape_error{}", "0"),
        ("textfile.points.left_out{textfile.reason=attributes}", "1"),
        ("textfile.points.left_out{textfile.reason=duplicate}", "1"),
    ];
    assert_eq!(values(&contribution), expected(&lines));
}

#[test]
fn files_are_bounded_in_number_and_size() {
    let names: Vec<_> = (0..201).map(|n| format!("{n:03}.prom")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "a 1\n")).collect();
    let mut sandbox = sandbox(&files);
    let contribution = sandbox.run(Textfile::collect).unwrap();
    assert_eq!(values(&contribution).keys().filter(|name| name.starts_with("node_textfile_mtime")).count(), 200);
    assert!(sandbox.lines()[0].1.contains("more than 200 files"), "{:?}", sandbox.lines());

    let large = "#".repeat((1 << 20) - 1) + "\n";
    let files: Vec<_> = names[..17].iter().map(|name| (name.as_str(), large.as_str())).collect();
    let mut sandbox = super::tests::sandbox(&files);
    let contribution = sandbox.run(Textfile::collect).unwrap();
    assert_eq!(values(&contribution).keys().filter(|name| name.starts_with("node_textfile_mtime")).count(), 15);
    assert!(sandbox.lines()[0].1.contains("015.prom` and those behind it are not read"), "{:?}", sandbox.lines());
}
