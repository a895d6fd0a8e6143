//! The demo as a newcomer sees it.

use rustix::process::Signal;

use crate::harness::{Process, Sandbox, get, guest, wait_for};

/// Waits for a line of a report, printed after now.
#[track_caller]
fn line(demo: &Process, what: &str, is_it: impl Fn(&str) -> bool) -> String {
    let seen = demo.stdout().len();
    wait_for(what, || demo.stdout().into_iter().skip(seen).find(|line| is_it(line)))
}

#[track_caller]
fn after(demo: &Process, label: &str) -> String {
    wait_for(label, || {
        demo.stdout().iter().find_map(|line| line.strip_prefix(label).map(|rest| rest.trim().to_owned()))
    })
}

#[test]
fn a_whole_demo() {
    let sandbox = Sandbox::new();
    let repository = sandbox.path(".git");
    std::fs::create_dir(&repository).unwrap();
    let demo = sandbox.start(&["demo", "--interval", "200ms"]);
    let plugins = after(&demo, "plugins ");
    let hub = after(&demo, "hub ");
    let report = line(&demo, "values of both collectors", |line| line.contains("load ") && line.contains("net "));
    assert!(report.contains("cpu") && report.contains("memory"), "{report}");
    line(&demo, "the sample process", |line| line.contains("web running"));

    let (status, body) = get(&format!("{hub}api/v1/sandboxes/demo"));
    assert_eq!(status, 200);
    assert_eq!(body["sandbox"]["liveness"], "live", "{body}");

    let put = |name: &str, wasm: &[u8]| std::fs::write(format!("{plugins}/{name}"), wasm).unwrap();
    put("mine.wasm", guest("one"));
    line(&demo, "a dropped collector", |line| line.contains("mine 2"));
    put("mine.wasm", b"broken");
    line(&demo, "the reason beside the values", |line| line.contains("mine 2") && line.contains("not WebAssembly"));
    std::fs::remove_file(format!("{plugins}/mine.wasm")).unwrap();
    line(&demo, "a removed collector", |line| !line.contains("mine"));

    demo.signal(Signal::INT);
    let ended = demo.ended();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let last = ended.stdout.lines().last().unwrap();
    assert!(last.contains("stopped"), "{last}");
    assert!(!std::path::Path::new(&plugins).exists(), "the temporary folder is removed");
}

#[test]
fn a_plugins_directory_of_ones_own_is_kept_and_not_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.drop_in("load.wasm", "mine");
    let demo = sandbox.start(&["demo", "--interval", "100ms", "--plugins", "plugins"]);
    line(&demo, "the own file's reason", |line| line.contains("[load rejected: it is not WebAssembly]"));
    demo.signal(Signal::TERM);
    assert_eq!(demo.ended().status.code(), Some(0));
    assert_eq!(std::fs::read(sandbox.plugin("load.wasm")).unwrap(), b"mine");
    assert!(sandbox.plugin("net.wasm").exists());
}
