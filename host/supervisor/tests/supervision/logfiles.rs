//! Output that is kept in files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sandbeat_supervisor::{Phase, Request};

use crate::harness::{Sandbox, eventually, running};

fn keys(path: &Path, more: &str) -> String {
    format!("restart = \"never\"\nlog = {{ file = \"{}\"{more} }}", path.display())
}

/// The lines of a file without their times, which must be there; not one that is being written.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let rest = |line: &str| {
        let (at, rest) = line.split_once(' ').unwrap();
        assert!(at.len() == "2026-11-20T12:00:00.000Z".len() && at.ends_with('Z'), "{line}");
        rest.to_owned()
    };
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(rest).collect()
}

#[tokio::test]
async fn lines_stand_in_the_file_with_time_and_stream_over_all_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.log");
    let sandbox = Sandbox::script("echo out; echo err >&2; printf '\\377\\033[0m never ended'", &keys(&path, ""));
    let sorted = || {
        let mut lines = lines(&path);
        lines.sort();
        lines
    };
    let expected = ["stderr err", "stdout \\xff\\u{1b}[0m never ended", "stdout out"].map(str::to_owned).to_vec();
    eventually(|| (sorted() == expected).then_some(()), sorted).await;
    sandbox.until(|web| web.phase == Phase::Exited).await;
    sandbox.ask(Request::Start).await;
    let twice = [expected.clone(), expected].concat();
    eventually(|| lines(&path).iter().all(|line| twice.contains(line)).then_some(()), || lines(&path)).await;
    eventually(|| (lines(&path).len() == 6).then_some(()), || lines(&path)).await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777 & !0o640, 0);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn full_files_are_set_aside_and_the_oldest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.log");
    let sandbox = Sandbox::script("seq 1 10000", &keys(&path, ", max_size = \"64KiB\", keep = 2"));
    let newest = || lines(&path).last().cloned();
    eventually(|| newest().filter(|line| line == "stdout 10000"), newest).await;
    sandbox.shutdown().await;
    let files = ["web.log.2", "web.log.1", "web.log"].map(|name| dir.path().join(name));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().len() <= 64 << 10));
    let all: Vec<String> = files.iter().flat_map(|file| lines(file)).collect();
    let first = 10_001 - all.len();
    assert!(first > 1 && all.len() > 3000, "{first}");
    assert!(all.iter().zip(first..).all(|(line, number)| *line == format!("stdout {number}")));
}

#[tokio::test]
async fn a_missing_directory_costs_the_file_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing/web.log");
    let sandbox = Sandbox::script("seq 1 3; exec sleep 1000", &keys(&path, ""));
    eventually(|| (sandbox.lines("web") == ["1", "2", "3"]).then_some(()), || sandbox.lines("web")).await;
    sandbox.until(running).await;
    sandbox.shutdown().await;
    assert!(!dir.path().join("missing").exists(), "nothing is created where the operator has not said so");
}
