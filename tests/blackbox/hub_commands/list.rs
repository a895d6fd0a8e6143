//! `sandbeat hub ls`: what it lists, in which order, and how it looks.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::{Fleet, start};
use crate::harness::{Sandbox, post, wait_for};

#[test]
fn a_fleet_is_listed_and_narrowed() {
    let fleet = start(&["--enroll", "open"]);
    let (code, stdout, stderr) = fleet.asks(&["ls"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(stderr.contains("sandbeat hub add"), "{stderr}");
    fleet.reports(
        "a-1",
        json!({"cpuPercent": 12.54, "memoryMB": 512, "sessionCount": 2, "resources": {"memoryLimitMB": 2048},
               "processes": {"web": {"status": "error", "restartCount": 1}}}),
    );
    fleet.reports("a-2", json!({"status": "stopped", "memoryMB": 700}));
    fleet.prints(&["add", "b-1", "--metadata", "team=blue", "--metadata", "url=x=y"]);

    let (code, stdout, stderr) = fleet.asks(&["ls"]);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!((code, lines.len()), (0, 4), "{stdout}");
    assert!(lines[0].starts_with("ID ") && lines[0].contains("LIVENESS"), "{stdout}");
    for part in ["a-1", "live", "12.5%", "512M/2.00G", "1 process", "host-a-1"] {
        assert!(lines[1].contains(part), "{part}: {stdout}");
    }
    assert!(lines[2].starts_with("a-2") && lines[2].contains("stopped"), "{stdout}");
    assert!(lines[3].starts_with("b-1") && lines[3].contains("never-reported"), "{stdout}");
    assert_eq!(stderr, "3 sandboxes: 1 live, 1 never-reported, 1 stopped");

    let listed = |arguments: &[&str]| {
        let mut all = vec!["ls"];
        all.extend(arguments);
        let stdout = fleet.prints(&all);
        let ids: Vec<&str> = stdout.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
        ids.join(" ")
    };
    assert_eq!(listed(&["--liveness", "live"]), "a-1");
    assert_eq!(listed(&["--status", "stopped"]), "a-2");
    assert_eq!(listed(&["--metadata", "team"]), "b-1");
    assert_eq!(listed(&["--metadata", "team=blue", "--metadata", "url=x=y"]), "b-1");
    assert_eq!(listed(&["--search", "A-"]), "a-1 a-2");
    assert_eq!(listed(&["--failing", "processes"]), "a-1");
    assert_eq!((listed(&["--failing", "collectors"]), listed(&["--overdue", "--suspect"])), Default::default());
    assert_eq!(listed(&["-n", "2"]), "a-1 a-2");
    for (order, ids) in [("id", "a-1 a-2 b-1"), ("cpu", "a-1 a-2 b-1"), ("heard", "a-1 a-2 b-1")] {
        assert_eq!(listed(&["--sort", order]), ids, "{order}");
    }
    assert_eq!(listed(&["--sort", "memory", "-n", "1"]), "a-2");
    let (_, stdout, stderr) = fleet.asks(&["ls", "--metadata", "team=red"]);
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", "no sandbox is like that"));
    let list: Value = serde_json::from_str(&fleet.prints(&["ls", "--json"])).unwrap();
    assert_eq!((&list["total"], list["sandboxes"].as_array().unwrap().len()), (&json!(3), 3));
    assert_eq!(fleet.prints(&["ls", "--json", "--search", "none"]), "{\n  \"sandboxes\": [],\n  \"total\": 0\n}");
    assert_eq!(fleet.asks(&["ls", "--liveness", "odd"]).0, 2);
}

/// What a command prints on a terminal of so many columns, line by line.
fn on_a_terminal(fleet: &Fleet, columns: usize, arguments: &str) -> Vec<String> {
    let binary = env!("CARGO_BIN_EXE_sandbeat");
    let command = format!("stty rows 24 cols {columns} && {binary} hub {arguments} 2>notes");
    let ended = std::process::Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(fleet.sandbox.path(""))
        .env("SANDBEAT_HUB_URL", &fleet.url)
        .env("NO_COLOR", "1")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("script starts");
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{said}");
    said.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

#[test]
fn a_sandbox_is_one_line_of_every_terminal() {
    let fleet = start(&["--enroll", "open"]);
    let long = "0b7a2d4e-5d3c-4f0e-9a55-3c1f6a7e2b11";
    let host = "a-host-with-a-long-name-that-somebody-gave-it.internal.example.com";
    for id in [long, "short"] {
        fleet.reports(id, json!({"hostname": host, "cpuPercent": 12.5, "memoryMB": 1740,
                                 "resources": {"memoryLimitMB": 4096}, "processes": {"web": {"status": "error", "restartCount": 1}}}));
    }
    fleet.prints(&["add", "named", "--name", "A name for people, with blanks, that is rather long"]);
    for (columns, last) in [(40, "ID"), (60, "HEARD"), (80, "CPU"), (100, "SINCE"), (130, "NAME"), (150, "HOST")] {
        let lines = on_a_terminal(&fleet, columns, "ls");
        assert_eq!(lines.len(), 4, "{columns}: {lines:#?}");
        assert!(lines[0].ends_with(last), "{columns}: {lines:#?}");
        assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns}: {lines:#?}");
        assert!(lines[1].starts_with(long), "{columns}: {lines:#?}");
        assert_eq!(lines.iter().any(|line| line.contains('…')), columns >= 130, "{columns}: {lines:#?}");
    }
    let lines = on_a_terminal(&fleet, 400, "ls");
    assert!(lines[1].ends_with(host) && lines[1].contains("  1.70G/4.00G  "), "{lines:#?}");
    let elsewhere = fleet.prints(&["ls"]);
    assert!(
        elsewhere.lines().count() == 4 && elsewhere.contains(host) && elsewhere.contains("rather long"),
        "{elsewhere}"
    );
}

#[test]
fn a_large_fleet_comes_in_pages_and_whole() {
    let fleet = start(&[]);
    let url = format!("{}/api/v1/sandboxes", fleet.url);
    for index in 0..1005 {
        let body = json!({"id": format!("s-{index}")}).to_string();
        assert_eq!(post(&url, "application/json", body.as_bytes()).0, 201);
    }
    let (_, stdout, stderr) = fleet.asks(&["ls"]);
    assert_eq!((stdout.lines().count(), stderr.as_str()), (1006, "1005 sandboxes: 1005 never-reported"));
    let (_, stdout, stderr) = fleet.asks(&["ls", "-n", "1001"]);
    assert_eq!((stdout.lines().count(), stderr.as_str()), (1002, "1001 sandboxes of 1005: 1001 never-reported"));
    assert_eq!(stdout.lines().filter(|line| line.starts_with("ID ")).count(), 1);
    let list: Value = serde_json::from_str(&fleet.prints(&["ls", "--json"])).unwrap();
    assert_eq!((&list["total"], list["sandboxes"].as_array().unwrap().len()), (&json!(1005), 1005));
}

/// Answers one request for a page with one sandbox.
fn answer(listener: &TcpListener, id: &str, next: &str) {
    let (stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(&stream).lines();
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let body = format!("{{\"sandboxes\":[{{\"id\":\"{id}\"}}],\"total\":2{next}}}");
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    (&stream).write_all(format!("{head}{body}").as_bytes()).unwrap();
}

#[test]
fn a_page_is_printed_before_the_next_one_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sandbox = Sandbox::new().env("SANDBEAT_HUB_URL", &format!("http://{}", listener.local_addr().unwrap()));
    for (arguments, line) in [(&["hub", "ls"][..], "first "), (&["hub", "ls", "--json"], "\"id\": \"first\"")] {
        let list = sandbox.start(arguments);
        answer(&listener, "first", ",\"nextCursor\":\"first\"");
        wait_for("the first page", || list.stdout().iter().any(|printed| printed.contains(line)).then_some(()));
        answer(&listener, "second", "");
        let ended = list.ended();
        assert!(ended.status.success() && ended.stdout.contains("second"), "{ended:?}");
    }
}

#[test]
fn whoever_has_read_enough_of_a_list_ends_it_quietly() {
    let fleet = start(&[]);
    for index in 0..1000 {
        let body = json!({"id": format!("s-{index}"), "name": "n".repeat(100)}).to_string();
        let url = format!("{}/api/v1/sandboxes", fleet.url);
        assert_eq!(post(&url, "application/json", body.as_bytes()).0, 201);
    }
    let script = "\"$0\" hub \"$@\" | head -n 1; echo ${PIPESTATUS[0]}";
    for arguments in [&["ls"][..], &["ls", "--json"]] {
        let ended = std::process::Command::new("bash")
            .args(["-c", script, env!("CARGO_BIN_EXE_sandbeat")])
            .args(arguments)
            .env("SANDBEAT_HUB_URL", &fleet.url)
            .output()
            .expect("bash starts");
        let (said, wrong) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(said.ends_with("\n0\n") && !wrong.contains("error"), "{said} {wrong}");
    }
}
