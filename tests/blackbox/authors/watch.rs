//! `sandbeat plugin run --watch` on a terminal.

use serde_json::Value;

use crate::harness::{Sandbox, bundled, guest, wait_for};

const WATCH: [&str; 5] = ["plugin", "run", "plugins/test.wasm", "--watch", "--every=200ms"];
const OPEN: &str = "\u{1b}[?1049h";
const CLOSE: &str = "\u{1b}[?1049l";

#[test]
fn one_screen_shows_the_newest() {
    let sandbox = Sandbox::new();
    sandbox.drop_in("test.wasm", guest("one"));
    let terminal = sandbox.start_on_terminal((100, 30), &WATCH);
    let first = terminal.frame(0, "the first version's values", |frame| frame.contains("test.value"));
    for part in ["plugins/test.wasm  1.0.0  ", "took ", "(CPU ", "peak memory ", "output "] {
        assert!(first.contains(part), "{part} in\n{first}");
    }
    // It is called again although nothing changes, and its state goes on.
    terminal.frame(0, "a third call", |frame| frame.contains("  call 3  "));

    let seen = terminal.frames().len();
    sandbox.drop_in("test.wasm", guest("two"));
    terminal.frame(seen, "the second version", |frame| frame.contains("  2.0.0  "));
    let seen = terminal.frames().len();
    sandbox.drop_in("test.toml", "[limits]\nmetrics = 1");
    terminal.frame(seen, "the sidecar's change", |frame| {
        frame.contains("REJECTED") && frame.contains("more than 1 metrics")
    });

    // A build that is not finished hides nothing at first.
    let seen = terminal.frames().len();
    sandbox.drop_in("test.wasm", "half of it");
    terminal.frame(seen, "patience", |frame| frame.contains("waiting for the build: ") && frame.contains("test."));
    terminal.frame(seen, "what is wrong", |frame| frame.contains("\nerror: invalid: it is not WebAssembly"));
    let seen = terminal.frames().len();
    std::fs::remove_file(sandbox.plugin("test.toml")).unwrap();
    sandbox.drop_in("test.wasm", guest("one"));
    let back =
        terminal.frame(seen, "values again", |frame| frame.contains("  1.0.0  ") && frame.contains("test.calls"));
    let calls = back.lines().find(|line| line.contains("test.calls")).unwrap();
    assert!(calls.split_whitespace().next().unwrap().parse::<u32>().unwrap() > 4, "the state went on: {calls}");

    let (code, written) = terminal.interrupted();
    assert_eq!((code, written.matches(OPEN).count(), written.matches(CLOSE).count()), (Some(0), 1, 1));
    let (drawn, after) = written.split_once(CLOSE).unwrap();
    assert!(!drawn.contains("\u{1b}[3J") && drawn.matches("\u{1b}[2J").count() == 1, "only what changes is drawn");
    assert!(after.contains("test.calls") && after.contains("peak memory "), "the last is left: {after:?}");
}

#[test]
fn a_small_screen_and_the_collector_s_own_lines_fit() {
    let sandbox = Sandbox::new();
    sandbox.drop_hostile("floods", "flood the log", "").drop_hostile("many", "two thousand", "");
    let terminal = sandbox.start_on_terminal((60, 12), &["plugin", "run", "plugins/many.wasm", "--watch"]);
    let is_cut = |frame: &str| frame.contains("more lines; without --watch");
    terminal.frame(0, "as much as there is room for", |frame| is_cut(frame) && frame.contains("REJECTED"));
    for frame in terminal.frames() {
        assert!(frame.len() <= 12 && frame.iter().all(|line| line.chars().count() <= 60), "{frame:#?}");
    }
    let seen = terminal.frames().len();
    terminal.resize(120, 40);
    terminal.frame(seen, "the larger screen", |frame| frame.lines().count() > 12);
    assert_eq!(terminal.interrupted().0, Some(0));

    let terminal = sandbox.start_on_terminal((100, 30), &["plugin", "run", "plugins/floods.wasm", "--watch"]);
    let frame = terminal.frame(0, "its lines", |frame| frame.contains("\nLOG\n"));
    let log = frame.lines().skip_while(|line| *line != "LOG").filter(|line| !line.starts_with(' '));
    assert!(log.count() <= 7, "{frame}");
    let (code, written) = terminal.interrupted();
    let outside = written.split(OPEN).next().unwrap();
    assert!(code == Some(0) && !outside.contains("line 1"), "none before the screen: {outside}");
}

#[test]
fn a_long_line_of_the_collector_s_own_is_shown_to_its_end() {
    let sandbox = Sandbox::new();
    sandbox.drop_collector("disk", bundled("disk"), "[grant]\nfilesystems = [\"/\"]");
    let terminal = sandbox.start_on_terminal((50, 40), &["plugin", "run", "plugins/disk.wasm", "--watch"]);
    let words = "`/proc/diskstats` is not granted; add it to `read` under `[grant]` in the sidecar";
    let is_whole = |frame: &str| frame.split_whitespace().collect::<Vec<_>>().join(" ").contains(words);
    let frame = terminal.frame(0, "all of the line", is_whole);
    assert!(frame.lines().all(|line| line.chars().count() <= 50), "{frame}");
    assert_eq!(terminal.interrupted().0, Some(0));
}

#[test]
fn without_a_terminal_it_collects_at_changes_or_as_often_as_it_is_told() {
    let sandbox = Sandbox::new();
    let run = sandbox.start(&["plugin", "run", "plugins/late.wasm", "--watch", "--every", "100ms", "--json"]);
    let line = |at: usize| -> Value {
        let line = wait_for("a line", || run.stdout().get(at).cloned());
        serde_json::from_str(&line).unwrap()
    };
    assert_eq!(line(0)["failure"], "invalid", "it is not there yet");
    sandbox.drop_in("late.wasm", guest("one"));
    let calls = |answer: &Value| answer["metrics"][1]["value"].as_f64();
    assert_eq!((calls(&line(1)), calls(&line(3))), (Some(1.0), Some(3.0)), "{}", line(1));
}

#[test]
fn the_terminal_is_given_back_while_it_is_stopped() {
    let sandbox = Sandbox::new();
    sandbox.drop_in("test.wasm", guest("one"));
    // In a PID namespace of its own the numbers of its group and session are those of nobody there.
    let namespace = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--unshare-pid", "--proc", "/proc"];
    for wrapper in [&[] as &[&str], &namespace] {
        let terminal = sandbox.start_on_terminal_by(wrapper, (100, 30), &WATCH);
        for round in 1..=2 {
            let seen = terminal.frames().len();
            terminal.frame(seen.saturating_sub(1), "values", |frame| frame.contains("test.value"));
            terminal.suspend();
            terminal.stopped();
            wait_for("the terminal as it was", || terminal.written().ends_with(CLOSE).then_some(()));
            let seen = terminal.frames().len();
            terminal.resume();
            terminal.frame(seen, "the same anew", |frame| frame.contains("test.value"));
            assert_eq!(terminal.written().matches(OPEN).count(), round + 1);
        }
        let (code, written) = terminal.interrupted();
        assert_eq!((code, written.matches(OPEN).count(), written.matches(CLOSE).count()), (Some(0), 3, 3));
    }
}

#[test]
fn it_does_not_stop_where_nobody_could_let_it_go_on() {
    let sandbox = Sandbox::new();
    sandbox.drop_in("test.wasm", guest("one"));
    let leader = ["setsid", "--fork", "--wait"];
    let first = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--unshare-pid", "--as-pid-1", "--proc", "/proc"];
    for wrapper in [&leader as &[&str], &first] {
        let terminal = sandbox.start_on_terminal_by(wrapper, (100, 30), &WATCH);
        terminal.frame(0, "values", |frame| frame.contains("test.value"));
        terminal.suspend();
        wait_for("the screen again", || (terminal.written().matches(OPEN).count() == 2).then_some(()));
        let seen = terminal.frames().len();
        terminal.frame(seen, "a further call", |frame| frame.contains("test.value"));
        assert_eq!(terminal.interrupted().0, Some(0));
    }
}
