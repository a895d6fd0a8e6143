//! The collector `textfile` on this machine, held against an independent reading.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::ran::Ran;
use crate::harness::{FakeHub, Sandbox, bundled, plugin};
use crate::plugins::value;

const GOOD: &str = "\
# HELP backup_bytes_total What was written.\n# TYPE backup_bytes_total counter\n\
backup_bytes_total{target=\"home\"} 1.5e+03\nbackup_bytes_total{target=\"etc\"} 7\n\
# TYPE job_seconds histogram\njob_seconds_bucket{le=\"0.5\"} 3\njob_seconds_bucket{le=\"+Inf\"} 9\njob_seconds_sum 21.5\n\
job_seconds_count 9\n# TYPE wait_seconds summary\nwait_seconds{quantile=\"0.5\"} 0.25\nwait_seconds{quantile=\"0.9\"} NaN\n\
wait_seconds_sum 4.5\nwait_seconds_count 7\njob:rate5m 0.5\n_hidden 1\n";

fn sidecar(folder: &Path) -> String {
    let shown = folder.display();
    format!("config.path = \"{shown}\"\ngrant.read = [\"{shown}/*.prom\"]\ninterval = \"100ms\"\n")
}

#[test]
fn a_folder_is_reported_without_its_broken_files() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("textfile");
    std::fs::create_dir(&folder).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_700_000_900);
    for (name, text) in [
        ("a.prom", GOOD),
        ("b.prom", "from_b 1\nbackup_bytes_total{target=\"home\"} 9\n"),
        (
            "c.prom",
            "# HELP backup_bytes_total Other words.\n# TYPE backup_bytes_total counter\nbackup_bytes_total 8\nfrom_c 1\n",
        ),
        ("d.prom", "# TYPE backup_bytes_total counter\nbackup_bytes_total{target=\"home\"} 6\nfrom_d 2\n"),
        ("stamped.prom", "stamped 1 1441205977284\n"),
        ("torn.prom", "torn 1\ntor"),
        ("windows.prom", "windows 1\r\n"),
        ("twice.prom", "# TYPE twice gauge\n# TYPE twice counter\ntwice 1\n"),
        ("notes.txt", "notes 1\n"),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
        std::fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(modified).unwrap();
    }
    symlink(folder.join("a.prom"), folder.join("link.prom")).unwrap();
    std::fs::create_dir(folder.join("folder.prom")).unwrap();

    let ran = Ran::of(&sandbox, "textfile", &sidecar(&folder));
    for (name, attributes, expected) in [
        ("backup_bytes_total", &[("target", "home")][..], 1500.0),
        ("backup_bytes_total", &[("target", "etc")], 7.0),
        ("wait_seconds", &[("quantile", "0.5")], 0.25),
        ("wait_seconds_sum", &[], 4.5),
        ("wait_seconds_count", &[], 7.0),
        ("job.rate5m", &[], 0.5),
        ("from_b", &[], 1.0),
        ("from_c", &[], 1.0),
        ("from_d", &[], 2.0),
        ("node_textfile_scrape_error", &[], 1.0),
        // The NaN, the name, that of `home` in d.prom, the family in c.prom, and that without a type in b.prom.
        ("textfile.points.left_out", &[("textfile.reason", "value")], 1.0),
        ("textfile.points.left_out", &[("textfile.reason", "name")], 1.0),
        ("textfile.points.left_out", &[("textfile.reason", "type")], 1.0),
        ("textfile.points.left_out", &[("textfile.reason", "help")], 2.0),
        ("textfile.points.left_out", &[("textfile.reason", "duplicate")], 0.0),
    ] {
        assert_eq!(ran.value(name, attributes), Some(expected), "{name} {attributes:?}: {:#}", ran.json);
    }
    let histogram = ran.points().iter().find(|point| point["name"] == "job_seconds").unwrap();
    assert_eq!(histogram["value"], json!({"bounds": [0.5], "counts": [3, 6], "sum": 21.5}));
    assert_eq!((&histogram["kind"], &histogram["unit"]), (&"histogram".into(), &"s".into()));
    for name in ["stamped", "torn", "windows", "twice", "notes", "_hidden"] {
        assert_eq!(ran.value(name, &[]), None, "{name}");
    }
    let fresh = ran.points().iter().filter(|point| point["name"] == "node_textfile_mtime_seconds");
    let fresh: Vec<_> = fresh.map(|point| (point["attributes"]["file"].clone(), point["value"].clone())).collect();
    let file = |name: &str| (json!(folder.join(name)), json!(1_763_700_000.0));
    assert_eq!(fresh, ["a.prom", "b.prom", "c.prom", "d.prom"].map(file));
    for part in [
        "stamped.prom`, line 1",
        "torn.prom`, line 2",
        "windows.prom`, line 1",
        "twice.prom`, line 2",
        "link.prom",
        "folder.prom",
    ] {
        assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
    }
}

#[test]
fn a_changed_file_shows_in_the_next_reports_and_a_trouble_is_said_once() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let folder = sandbox.path("textfile");
    let put = |text: &str| {
        std::fs::write(sandbox.path("new"), text).unwrap();
        std::fs::rename(sandbox.path("new"), folder.join("a.prom")).unwrap();
    };
    sandbox.drop_collector("textfile", bundled("textfile"), &sidecar(&folder));
    let agent = sandbox.start(&["run"]);
    let of = |name: &'static str| move |report: &serde_json::Value| value(report, "textfile", name);
    hub.report("a folder that is not there", |report| of("node_textfile_scrape_error")(report) == Some(1.0));
    std::fs::create_dir(&folder).unwrap();
    put("a_total 1\n");
    hub.report("the value", |report| {
        of("a_total")(report) == Some(1.0) && of("node_textfile_scrape_error")(report) == Some(0.0)
    });
    put("a_total 2");
    hub.report("an error instead", |report| {
        of("a_total")(report).is_none() && of("node_textfile_scrape_error")(report) == Some(1.0)
    });
    hub.reports(5);
    assert_eq!(agent.said("without a line feed"), 1, "{:?}", agent.stderr());
    put("a_total 3\n");
    let report = hub.report("the next value", |report| of("a_total")(report) == Some(3.0));
    assert_eq!(plugin(&report, "textfile")["state"], "active");
}

#[test]
fn a_file_whose_labels_keep_changing_is_named_and_takes_nothing_from_a_new_one() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let folder = sandbox.path("textfile");
    std::fs::create_dir(&folder).unwrap();
    let put = |name: &str, text: &str| {
        std::fs::write(sandbox.path("new"), text).unwrap();
        std::fs::rename(sandbox.path("new"), folder.join(name)).unwrap();
    };
    sandbox.drop_collector("textfile", bundled("textfile"), &format!("{}limits.series = 60\n", sidecar(&folder)));
    let agent = sandbox.start(&["run"]);
    for round in 0..6 {
        put("churn.prom", &(0..20).map(|n| format!("churn{{id=\"{round}-{n}\"}} 1\n")).collect::<String>());
        put("round.prom", &format!("round {round}\n"));
        hub.report("the round", |report| value(report, "textfile", "round") == Some(f64::from(round)));
    }
    put("late.prom", "late 1\n");
    let report = hub.report("the new file", |report| value(report, "textfile", "late") == Some(1.0));
    assert_eq!(value(&report, "textfile", "round"), Some(5.0), "{report:#}");
    let left_out = report["metrics"].as_array().unwrap().iter().find(|metric| {
        metric["name"] == "textfile.points.left_out" && metric["attributes"]["textfile.reason"] == "series"
    });
    assert_eq!(left_out.unwrap()["value"], 20.0, "{report:#}");
    assert_eq!(agent.said("churn.prom`: new series are left out, `churn` for one"), 1, "{:?}", agent.stderr());
    assert_eq!(agent.said("not accepted"), 0, "{:?}", agent.stderr());
}

#[test]
fn without_its_grant_it_is_denied() {
    let sandbox = Sandbox::new();
    let path = "/var/lib/node_exporter/textfile_collector/*.prom";
    Ran::of(&sandbox, "textfile", "").is_denied(path);
    Ran::of(&sandbox, "textfile", "[grant]\nread = [\"/somewhere/else/*.prom\"]").is_denied(path);
}

#[test]
fn links_within_the_folder_are_followed_where_their_target_is_granted() {
    // As Kubernetes lays out a ConfigMap.
    let sandbox = Sandbox::new();
    let folder = sandbox.path("textfile");
    std::fs::create_dir_all(folder.join("..2026_11_21")).unwrap();
    std::fs::write(folder.join("..2026_11_21/mounted.prom"), "mounted 1\n").unwrap();
    symlink("..2026_11_21", folder.join("..data")).unwrap();
    symlink("..data/mounted.prom", folder.join("mounted.prom")).unwrap();

    let ran = Ran::of(&sandbox, "textfile", &sidecar(&folder));
    assert_eq!((ran.value("mounted", &[]), ran.value("node_textfile_scrape_error", &[])), (None, Some(1.0)));
    let wider = sidecar(&folder).replace("/*.prom", "/**/*.prom");
    let ran = Ran::of(&sandbox, "textfile", &wider);
    assert_eq!((ran.value("mounted", &[]), ran.value("node_textfile_scrape_error", &[])), (Some(1.0), Some(0.0)));
}
