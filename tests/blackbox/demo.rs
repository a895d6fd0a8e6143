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
    assert!(sandbox.plugin("net.wasm").exists() && !sandbox.plugin("top.wasm").exists());
}

#[test]
fn what_an_earlier_demo_left_is_written_anew_and_what_was_changed_since_stays() {
    let sandbox = Sandbox::new();
    let play = |arguments: &[&str]| {
        let demo = sandbox.start(&[&["demo", "--plugins", "plugins"], arguments].concat());
        let hub = after(&demo, "hub ");
        let collectors = after(&demo, "collectors");
        demo.signal(Signal::INT);
        assert_eq!(demo.ended().status.code(), Some(0));
        (hub, collectors)
    };
    let sidecar = |name: &str| std::fs::read_to_string(sandbox.plugin(name)).unwrap();
    let (first, _) = play(&["--all"]);
    assert!(sidecar("http-probe.toml").contains(&first));
    sandbox.drop_in("net.toml", "interval = \"5s\"").drop_in("load.wasm", guest("one"));
    let (second, collectors) = play(&[]);
    assert_ne!(first, second);
    assert!(sidecar("http-probe.toml").contains(&second), "{}", sidecar("http-probe.toml"));
    assert_eq!(sidecar("net.toml"), "interval = \"5s\"");
    assert_eq!(std::fs::read(sandbox.plugin("load.wasm")).unwrap(), guest("one"));
    assert!(collectors.contains("load (your component)"), "{collectors}");
}

#[test]
fn all_collectors_say_what_is_new_and_find_what_is_the_demo_s_own() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path(".git")).unwrap();
    let demo = sandbox.start(&["demo", "--all", "--interval", "200ms", "--plugins", "plugins"]);
    let names: Vec<&str> = sandbeat_bundled::COLLECTORS.iter().map(|bundled| bundled.name).collect();
    let figures = format!("  {} collectors, ", names.len());
    let first = wait_for("the first report", || demo.stdout().into_iter().find(|line| line.contains(&figures)));
    assert!(first.contains("cpu") && first.contains("web running"), "{first}");
    let wrote = |part: &str| wait_for(part, || demo.stdout().iter().any(|line| line.contains(part)).then_some(()));
    for name in names {
        // Each is named with its count in the first report, or when it has been compiled.
        wrote(&format!("{name} "));
        assert!(sandbox.plugin(&format!("{name}.toml")).exists());
    }
    let is_counted = |name: &str| {
        wait_for(name, || {
            let counted = |item: &str| item.trim().strip_prefix(name).is_some_and(|rest| !rest.starts_with(" 0"));
            demo.stdout().iter().any(|line| line.starts_with("   ") && line.split(',').any(counted)).then_some(())
        });
    };
    // The sample's two metrics with three points, and what the collector says of itself.
    ["textfile", "ports", "disk", "load"].into_iter().for_each(is_counted);
    sandbox.drop_in("mine.wasm", guest("one"));
    is_counted("mine");
    demo.signal(Signal::INT);
    assert_eq!(demo.ended().status.code(), Some(0));
}
