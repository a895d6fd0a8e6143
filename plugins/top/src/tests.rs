//! The whole collector on files of processes.

use super::*;
use sandbeat_sdk::native::Sample;
use sandbeat_sdk::testing::Sandbox;
use sandbeat_sdk::{Value, log};

/// A process: its number, name, state, ticks, start and pages. Its memory is 8 KiB for each page.
type Process<'a> = (u32, &'a str, char, u64, u64, u64);

const PROCESSES: [Process<'_>; 5] = [
    (1, "init", 'S', 50, 1, 10),
    (20, "node", 'R', 1000, 500, 3000),
    (21, "node", 'S', 40, 501, 2000),
    (30, "postgres: io)", 'D', 7, 600, 4000),
    (40, "gone", 'Z', 3, 700, 0),
];

fn sandbox(uptime: &str, cores: Option<f64>) -> Sandbox {
    let sandbox = Sandbox::new().sample(Sample { cpu_limit_cores: cores, ..Sample::default() });
    PROCESSES.into_iter().fold(sandbox.file("/proc/uptime", format!("{uptime} 1.00\n")), with)
}

fn with(sandbox: Sandbox, (pid, name, state, ticks, start, pages): Process<'_>) -> Sandbox {
    let stat = format!("{pid} ({name}) {state} 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 2 0 {start} 4096 {pages} 0 0\n");
    let memory = if pages > 0 { format!("VmRSS:\t{} kB\n", pages * 8) } else { String::new() };
    let status = format!("Name:\t{name}\n{memory}Threads:\t2\n");
    sandbox.file(&format!("/proc/{pid}/stat"), stat).file(&format!("/proc/{pid}/status"), status)
}

fn lines(contribution: &Contribution) -> Vec<String> {
    let line = |point: &Point| {
        let Value::Gauge(value) = point.value else { panic!("{point:?}") };
        let attributes: Vec<_> = point.attributes.iter().map(|attribute| &*attribute.value).collect();
        format!("{} [{}] {value}", point.name, attributes.join(" "))
    };
    contribution.points.iter().map(line).collect()
}

fn metadata(contribution: &Contribution) -> Vec<(&str, &str)> {
    contribution.metadata.iter().map(|entry| (entry.key, &*entry.value)).collect()
}

#[test]
fn the_first_collect_has_no_cpu() {
    let contribution = sandbox("100.00", Some(2.0)).run(Top::collect).unwrap();
    assert_eq!(
        lines(&contribution),
        [
            "system.process.count [running] 1",
            "system.process.count [sleeping] 2",
            "system.process.count [blocked] 1",
            "system.process.count [stopped] 0",
            "system.process.count [defunct] 1",
            "system.process.threads [] 10",
            "process.memory.usage [node] 40960000",
            "process.memory.usage [postgres: io)] 32768000",
            "process.memory.usage [init] 81920",
        ]
    );
    let memory = "30:postgres%3A%20io%29:32768000 20:node:24576000 21:node:16384000 1:init:81920";
    assert_eq!(metadata(&contribution), [("top.memory", memory)]);
}

#[test]
fn cpu_is_that_used_since_the_last_collect() {
    let mut sandbox = sandbox("100.00", Some(2.0)).config_json("count", "1");
    sandbox.run(Top::collect).unwrap();
    // Of two CPUs in 10 s: node has used 5 s and 1 s, a new process under a number that was another's 0.5 s.
    let sandbox =
        [(20, "node", 'R', 1500, 500, 3000), (21, "node", 'S', 140, 501, 2000), (1, "sh", 'S', 50, 10_100, 1)]
            .into_iter()
            .fold(sandbox.file("/proc/uptime", "110.00 1.00"), with);
    let mut sandbox = sandbox.config_json("count", "2");
    let contribution = sandbox.run(Top::collect).unwrap();
    assert_eq!(
        lines(&contribution)[6..],
        [
            "process.cpu.utilization [node] 0.3",
            "process.memory.usage [node] 40960000",
            "process.cpu.utilization [sh] 0.025",
            "process.memory.usage [sh] 8192",
            "process.cpu.utilization [postgres: io)] 0",
            "process.memory.usage [postgres: io)] 32768000",
        ]
    );
    assert_eq!(metadata(&contribution)[0], ("top.cpu", "20:node:0.25 21:node:0.05"));
}

#[test]
fn a_collect_that_comes_too_soon_leaves_the_time_to_the_next() {
    let mut sandbox = sandbox("100.00", Some(1.0));
    sandbox.run(Top::collect).unwrap();
    let mut sandbox = with(sandbox.file("/proc/uptime", "100.40 1"), (20, "node", 'R', 1050, 500, 3000));
    assert_eq!(metadata(&sandbox.run(Top::collect).unwrap()).len(), 1);
    let mut sandbox = with(sandbox.file("/proc/uptime", "102.00 1"), (20, "node", 'R', 1100, 500, 3000));
    assert_eq!(metadata(&sandbox.run(Top::collect).unwrap())[0], ("top.cpu", "20:node:0.5"));
    // A machine that has started anew.
    let mut sandbox = sandbox.file("/proc/uptime", "5.00 1");
    assert_eq!(metadata(&sandbox.run(Top::collect).unwrap()).len(), 1);
    let mut sandbox = with(sandbox.file("/proc/uptime", "7.00 1"), (20, "node", 'R', 1150, 500, 3000));
    assert_eq!(metadata(&sandbox.run(Top::collect).unwrap())[0], ("top.cpu", "20:node:0.25"));
}

#[test]
fn without_cpus_or_uptime_there_is_no_cpu() {
    for (cores, uptime) in [(None, "110.00 1"), (Some(0.0), "110.00 1"), (Some(1.0), "?")] {
        let mut sandbox = sandbox("100.00", cores);
        sandbox.run(Top::collect).unwrap();
        let mut sandbox = sandbox.file("/proc/uptime", uptime);
        let contribution = sandbox.run(Top::collect).unwrap();
        assert!(!lines(&contribution).iter().any(|line| line.contains("cpu")), "{cores:?} {uptime}");
        assert_eq!(metadata(&contribution).len(), 1);
        assert!(sandbox.lines().iter().any(|(_, line)| line.contains("no CPU figures")), "{:?}", sandbox.lines());
    }
}

#[test]
fn without_status_there_is_no_memory() {
    let stat = "1 (init) S 1 1 1 0 -1 0 0 0 0 0 5 0 0 0 20 0 2 0 1 4096 10 0 0\n";
    let mut sandbox = Sandbox::new().file("/proc/uptime", "1.00 1").file("/proc/1/stat", stat);
    let contribution = sandbox.run(Top::collect).unwrap();
    assert_eq!((contribution.points.len(), contribution.metadata.len()), (6, 0));
    assert!(sandbox.lines().iter().any(|(_, line)| line.contains("`/proc/1/status` is not granted")));
}

#[test]
fn a_missing_grant_another_form_and_a_wrong_configuration_are_told_apart() {
    match Sandbox::new().run(Top::collect) {
        Err(Error::Denied(text)) => assert!(text.contains("`/proc/[0-9]*/stat`"), "{text}"),
        other => panic!("{other:?}"),
    }
    let mut other = sandbox("1.00", None).file("/proc/9/stat", "9 (x) S");
    assert!(matches!(other.run(Top::collect), Err(Error::Internal(text)) if text.contains("`/proc/9/stat`")));
    let mut empty = Sandbox::new().file("/proc/self/stat", "");
    assert!(matches!(empty.run(Top::collect), Err(Error::Unavailable(_))));
    for wrong in ["0", "21", "\"5\"", "-1", "1.5"] {
        let error = sandbox("1.00", None).config_json("count", wrong).run(Top::collect).unwrap_err();
        assert!(matches!(&error, Error::Config(text) if text.starts_with("`count` ")), "{error:?}");
    }
}

#[test]
fn too_many_processes_are_cut_and_said_once() {
    let most = u32::try_from(look::MAX_PROCESSES).unwrap();
    let one = |ticks: u64| move |pid: u32| (pid, "x", 'S', ticks, 1, 1);
    let few = (100..100 + most - 5).map(one(0)).fold(sandbox("100.00", Some(1.0)), with);
    let mut sandbox = few;
    assert_eq!(sandbox.run(Top::collect).unwrap().points[0].name, "system.process.count");
    // New ones with lower numbers do not displace those that were looked at before.
    let mut sandbox = (50..60).map(one(9)).fold(sandbox.file("/proc/uptime", "110.00 1"), with);
    let contribution = sandbox.run(Top::collect).unwrap();
    assert!(!lines(&contribution).iter().any(|line| line.starts_with("system.")), "{:#?}", lines(&contribution));
    assert_eq!(metadata(&contribution)[0], ("top.cpu", ""));
    sandbox.run(Top::collect).unwrap();
    let said = sandbox.lines().iter().filter(|(level, _)| *level == log::Level::Warn).count();
    assert_eq!(said, 1, "{:?}", sandbox.lines());
}

#[test]
fn all_that_is_collected_is_described() {
    let description = Top::describe();
    let mut sandbox = sandbox("100.00", Some(2.0));
    sandbox.run(Top::collect).unwrap();
    let mut sandbox = with(sandbox.file("/proc/uptime", "110.00 1"), (20, "node", 'R', 1500, 500, 3000));
    let contribution = sandbox.run(Top::collect).unwrap();
    for point in &contribution.points {
        let info = description.metrics.iter().find(|info| info.name == point.name).unwrap();
        let keys: Vec<std::borrow::Cow<'static, str>> = info.keys.iter().map(|key| (*key).into()).collect();
        assert!(point.attributes.iter().all(|attribute| keys.contains(&attribute.key)), "{point:?}");
    }
    assert_eq!(contribution.metadata.len(), description.metadata.len());
}
