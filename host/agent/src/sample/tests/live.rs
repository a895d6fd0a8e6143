//! Every native figure against an independent source, on the machine that runs the tests: groups are made where that is
//! allowed, and the kernel's figures for single processes, or what the test itself did, is what they are held against.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sandbeat_status::{Sample, Source};

use super::super::tree::Tree;
use super::group::{Confined, sampler_of};
use super::*;

const MIB: u64 = 1 << 20;
/// Points of a percentage that busy machines and clock ticks may cost.
const POINTS: f64 = 12.0;

/// What holds wherever groups cannot be made: figures of this process's own sandbox are there, or named.
fn without_groups() {
    eprintln!("no control group can be made here; asserting what is said of this process's own sandbox");
    this_very_sandbox_can_be_measured();
}

/// A process's own CPU time in seconds.
fn cpu_secs(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn half_a_core(group: &Confined, cores: f64) {
    let quota = (cores * 100_000.0) as u64;
    let text = if group.v2 { format!("{quota} 100000") } else { quota.to_string() };
    fs::write(group.file(("cpu", "cpu.cfs_quota_us"), "cpu.max"), text).unwrap();
    // Whatever else runs, it gets its share.
    fs::write(group.file(("cpu", "cpu.shares"), "cpu.weight"), "10000").unwrap();
}

fn peek(sampler: &mut Sampler) -> Sample {
    sampler.peek(BTreeMap::new())
}

#[test]
fn one_that_burns_half_a_core_under_a_quota_of_half_a_core_uses_all_that_it_may() {
    let Some(mut group) = Confined::make("quota") else { return without_groups() };
    half_a_core(&group, 0.5);
    let shell = group.shell("while :; do :; done");
    let mut sampler = sampler_of(shell);
    let (began, before) = (Instant::now(), cpu_secs(shell));
    let first = peek(&mut sampler);
    let sample = eventually("two seconds, and throttling", || {
        let sample = peek(&mut sampler);
        let throttled = sample.cpu_throttling.unwrap().throttled_periods;
        (began.elapsed() >= Duration::from_secs(2) && throttled >= 5).then_some(sample)
    });
    let (used, wall) = (cpu_secs(shell) - before, began.elapsed().as_secs_f64());
    let said = sample.cpu_percent.unwrap();
    assert_eq!(sample.cpu_limit_cores, Some(0.5));
    assert!((said - 100.0 * used / (wall * 0.5)).abs() < POINTS, "{said} %, but {used} s in {wall} s");
    let said = sample.cpu_time_secs.unwrap() - first.cpu_time_secs.unwrap();
    assert!((said - used).abs() < 0.15, "{said} s, but {used} s");
    let throttling = sample.cpu_throttling.unwrap();
    assert!(throttling.throttled_periods <= throttling.periods && throttling.throttled_secs > 0.0, "{throttling:?}");
    assert!(throttling.periods as f64 <= wall / 0.1 + 5.0, "{throttling:?} in {wall} s");
}

#[test]
fn one_that_burns_half_the_time_uses_half_of_a_core() {
    let Some(mut group) = Confined::make("duty") else { return without_groups() };
    half_a_core(&group, 1.0);
    let shell = group.shell("while :; do :; done");
    let mut sampler = sampler_of(shell);
    let (began, before) = (Instant::now(), cpu_secs(shell));
    let process = Pid::from_raw(i32::try_from(shell).unwrap()).unwrap();
    while began.elapsed() < Duration::from_secs(2) {
        for signal in [Signal::STOP, Signal::CONT] {
            kill_process(process, signal).unwrap();
            // The load itself: nothing is waited for here.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let said = peek(&mut sampler).cpu_percent.unwrap();
    let (used, wall) = (cpu_secs(shell) - before, began.elapsed().as_secs_f64());
    assert!((said - 100.0 * used / wall).abs() < POINTS, "{said} %, but {used} s in {wall} s");
    assert!((25.0..75.0).contains(&said), "{said} %");
}

#[test]
fn the_machines_use_is_what_is_not_idle() {
    let tree = Tree::new("0::/\n");
    symlink("/proc/stat", tree.root().join("proc/stat")).unwrap();
    let mut sampler = sampler(&tree, &[]);
    let idle = || -> f64 {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let fields: Vec<u64> = stat.lines().next().unwrap().split(' ').filter_map(|field| field.parse().ok()).collect();
        (fields[3] + fields[4] + fields[7]) as f64 / rustix::param::clock_ticks_per_second() as f64
    };
    let cores = fs::read_to_string("/proc/stat").unwrap().lines().filter(|line| line.starts_with("cpu")).count() - 1;
    if peek(&mut sampler).cpu_limit_cores != Some(cores as f64) {
        return eprintln!("this process may not run on every CPU: the first line of /proc/stat is of more than it");
    }
    let (began, before) = (Instant::now(), idle());
    let mut burner = Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
    eventually("two seconds", || (began.elapsed() >= Duration::from_secs(2)).then_some(()));
    let said = peek(&mut sampler).cpu_percent;
    let (idle, could) = (idle() - before, began.elapsed().as_secs_f64() * cores as f64);
    burner.kill().unwrap();
    burner.wait().unwrap();
    let (said, used) = (said.unwrap(), 100.0 * (could - idle) / could);
    assert!((said - used).abs() < POINTS && said > 0.0, "{said} %, but {used} %");
}

#[test]
fn anonymous_memory_is_in_the_working_set_and_cached_files_are_in_the_usage_alone() {
    let Some(mut group) = Confined::make("memory") else { return without_groups() };
    fs::write(group.file(("memory", "memory.limit_in_bytes"), "memory.max"), (512 * MIB).to_string()).unwrap();
    let dir = tempfile::TempDir::new_in("/var/tmp").unwrap();
    let file = dir.path().join("cached");
    let shell = group.shell(&format!(
        "head -c {bytes} /dev/zero > {file}; sync {file}; {{ head -c {bytes} /dev/zero; read gone; }} | tail",
        bytes = 64 * MIB,
        file = file.display(),
    ));
    let anonymous = || -> u64 {
        let of = |process: &u32| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        };
        group.processes().iter().filter_map(of).sum::<u64>() * 1024
    };
    let anonymous = eventually("64 MiB are held", || Some(anonymous()).filter(|bytes| *bytes >= 64 * MIB));
    let sample = peek(&mut sampler_of(shell));
    let (working_set, usage) = (sample.memory_bytes.unwrap(), sample.memory_usage_bytes.unwrap());
    assert_eq!(fs::metadata(&file).unwrap().len(), 64 * MIB);
    assert_eq!(sample.memory_limit_bytes, Some(512 * MIB));
    assert!(working_set + 6 * MIB >= anonymous, "{working_set} of {anonymous}");
    assert!(working_set <= anonymous + 32 * MIB, "the cached file is in the working set: {working_set}");
    if !matches!(rustix::fs::statfs(&file).unwrap().f_type, 0x0102_1994) {
        assert!(usage >= working_set + 56 * MIB, "the cached file is not in the usage: {usage} and {working_set}");
    }
}

#[test]
fn who_is_killed_for_want_of_memory_is_counted() {
    let Some(mut group) = Confined::make("oom") else { return without_groups() };
    fs::write(group.file(("memory", "memory.limit_in_bytes"), "memory.max"), (32 * MIB).to_string()).unwrap();
    // Where there is swap, it is not to be used.
    let _ = fs::write(
        group.file(("memory", "memory.memsw.limit_in_bytes"), "memory.swap.max"),
        if group.v2 { "0".to_owned() } else { (32 * MIB).to_string() },
    );
    let dir = tempfile::TempDir::new().unwrap();
    let code = dir.path().join("code");
    let shell = group.shell(&format!(
        "read start; head -c {} /dev/zero | tail > /dev/null; echo $? > {}; read gone",
        256 * MIB,
        code.display()
    ));
    let mut sampler = sampler_of(shell);
    assert_eq!(peek(&mut sampler).oom_kills, Some(0));
    group.go_on();
    let ended = eventually("it has ended", || fs::read_to_string(&code).ok().filter(|code| code.ends_with('\n')));
    assert_eq!(ended.trim(), "137", "it was killed");
    assert_eq!(peek(&mut sampler).oom_kills, Some(1));
}

#[test]
fn tasks_and_descriptors_are_those_that_were_started_and_opened() {
    let Some(mut group) = Confined::make("tasks") else { return without_groups() };
    fs::write(group.file(("pids", "pids.max"), "pids.max"), "77").unwrap();
    let open = "exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null";
    let shell = group.shell(&format!(
        "read start; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do ({open}; exec sleep 600) & done; wait"
    ));
    let mut sampler = sampler_of(shell);
    let sample = settled(&mut sampler);
    assert_eq!((sample.pids, sample.pids_limit), (Some(1), Some(77)));
    let before = sample.open_files.unwrap();
    group.go_on();
    let listed = |group: &Confined| -> Option<u64> {
        let counts = group
            .processes()
            .into_iter()
            .map(|process| Some(fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64));
        counts.sum()
    };
    eventually("all have opened theirs", || {
        let names = group.processes().into_iter();
        let sleeping = names
            .filter(|process| fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name == "sleep\n"));
        (sleeping.count() == 20).then_some(())
    });
    let sample = eventually("they are counted", || {
        let sample = settled(&mut sampler);
        (sample.open_files > Some(before + 100)).then_some(sample)
    });
    assert_eq!(sample.pids, Some(21));
    assert_eq!(sample.open_files, listed(&group));
}

#[test]
fn without_the_controller_tasks_are_counted_over_the_groups_processes() {
    let Some(mut group) = Confined::make_bare("bare") else { return without_groups() };
    let shell = group.shell("sleep 600 & sleep 600 & wait");
    eventually("both run", || (group.processes().len() == 3).then_some(()));
    let file = group.dir().join("cpu.pressure");
    let total = || -> Option<f64> {
        let text = fs::read_to_string(&file).ok()?;
        Some(text.lines().next()?.rsplit_once('=')?.1.parse::<f64>().ok()? / 1e6)
    };
    let mut sampler = sampler_of(shell);
    let (least, sample, most) = (total(), settled(&mut sampler), total());
    assert_eq!(sample.pids, Some(3));
    match sample.pressure.cpu {
        Some(stalls) => assert!(least <= Some(stalls.some.total_secs) && Some(stalls.some.total_secs) <= most),
        None => assert!(named(&sampler).contains(&"resources.pressure.cpu") && least.is_none()),
    }
}

#[test]
fn the_machines_pressure_is_what_the_kernel_says() {
    let tree = Tree::new("0::/\n").namespace("cgroup", "cgroup:[4026531835]").namespace("pid", "pid:[4026531836]");
    symlink("/proc/pressure", tree.root().join("proc/pressure")).unwrap();
    let mut sampler = sampler(&tree, &[]);
    for (resource, figure) in [("cpu", "cpu"), ("memory", "memory"), ("io", "io")] {
        let total = || -> Option<f64> {
            let text = fs::read_to_string(format!("/proc/pressure/{resource}")).ok()?;
            Some(text.lines().next()?.rsplit_once('=')?.1.parse::<f64>().ok()? / 1e6)
        };
        let (least, pressure, most) = (total(), peek(&mut sampler).pressure, total());
        let stalls = match figure {
            "cpu" => pressure.cpu,
            "memory" => pressure.memory,
            _ => pressure.io,
        };
        let said = stalls.map(|stalls| stalls.some.total_secs);
        assert!(least <= said && said <= most, "{resource}: {least:?} {said:?} {most:?}");
    }
}

#[test]
fn sessions_are_the_connections_that_are_open() {
    let listeners: Vec<TcpListener> =
        ["127.0.0.1:0", "[::1]:0"].iter().filter_map(|at| TcpListener::bind(at).ok()).collect();
    assert!(listeners.len() == 2 || fs::read_to_string("/proc/net/if_inet6").unwrap_or_default().is_empty());
    let ports = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    let config = Config { sandbox_id: "s".to_owned(), session_ports: ports, disks: Vec::new() };
    let mut sampler = Sampler::new(config, Path::new("/"), Instant::now());
    let mut counted = |wanted: usize| {
        eventually("as many sessions", || {
            (settled(&mut sampler).session_count == u32::try_from(wanted).ok()).then_some(())
        });
    };
    counted(0);
    let open: Vec<(TcpStream, TcpStream)> = listeners
        .iter()
        .flat_map(|listener| std::iter::repeat_n(listener, 3))
        .map(|listener| {
            let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (near, listener.accept().unwrap().0)
        })
        .collect();
    counted(3 * listeners.len());
    drop(open);
    counted(0);
}

#[test]
fn a_group_of_ones_own_is_told_from_the_machine() {
    let Some(mut group) = Confined::make("source") else { return without_groups() };
    let shell = group.shell("read gone");
    let sample = peek(&mut sampler_of(shell));
    let wanted = Some(if group.v2 { Source::Cgroup2 } else { Source::Cgroup1 });
    assert_eq!((sample.cpu_source, sample.memory_source), (wanted, wanted));
    assert!(sample.memory_bytes < Some(32 * MIB), "a shell holds less: {:?}", sample.memory_bytes);
}
