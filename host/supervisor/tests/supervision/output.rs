//! What processes write.

use std::fs;
use std::time::{Duration, Instant};

use sandbeat_supervisor::{Line, Log, Phase, Request, Stream};

use crate::harness::{DEADLINE, Sandbox, eventually, process, running};

/// What `web` has written, once its run is over and read out.
async fn all(sandbox: &Sandbox) -> Vec<Line> {
    sandbox.until(|web| web.phase == Phase::Exited).await;
    let log = sandbox.handle.log("web").unwrap();
    eventually(|| (!log.is_open()).then_some(()), || log.last()).await;
    log.after(0, usize::MAX)
}

fn of(lines: &[Line], stream: Stream) -> Vec<(String, bool)> {
    let of = lines.iter().filter(|line| line.stream == stream);
    of.map(|line| (line.bytes.escape_ascii().to_string(), line.partial)).collect()
}

#[tokio::test]
async fn both_outputs_are_kept_with_their_numbers_and_any_bytes() {
    let sandbox = Sandbox::script("echo one; echo two >&2; printf '\\377end'", "");
    let lines = all(&sandbox).await;
    assert_eq!(of(&lines, Stream::Stdout), [("one".into(), false), ("\\xffend".into(), true)]);
    assert_eq!(of(&lines, Stream::Stderr), [("two".into(), false)]);
    assert_eq!(lines.iter().map(|line| line.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(sandbox.handle.log("web").unwrap().after(1, 1)[0].sequence, 2);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_order_within_each_output_and_of_time_is_kept() {
    let script = "i=0; while [ $i -lt 500 ]; do echo $i; echo $i >&2; i=$((i+1)); done";
    let sandbox = Sandbox::script(script, "");
    let lines = all(&sandbox).await;
    let expected: Vec<_> = (0..500).map(|number| (number.to_string(), false)).collect();
    assert_eq!(of(&lines, Stream::Stdout), expected);
    assert_eq!(of(&lines, Stream::Stderr), expected);
    assert!(lines.is_sorted_by_key(|line| line.at));
    assert!(lines.iter().map(|line| line.sequence).eq(1..=1000));
    let log = sandbox.handle.log("web").unwrap();
    assert_eq!(of(&log.tail(Some(Stream::Stderr), 2), Stream::Stderr), expected[498..]);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_prompt_is_seen_before_its_line_ends() {
    let sandbox = Sandbox::script("printf 'name? '; exec sleep 1000", "");
    let log = sandbox.handle.log("web").unwrap();
    tokio::time::timeout(DEADLINE, log.changed(0)).await.unwrap();
    let lines = eventually(|| Some(log.after(0, 9)).filter(|lines| !lines.is_empty()), || "nothing").await;
    assert_eq!(of(&lines, Stream::Stdout), [("name? ".into(), true)]);
    sandbox.until(running).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_kept_in_pieces() {
    let script = "head -c 10000000 /dev/zero | tr '\\0' x; exec sleep 1000";
    let sandbox = Sandbox::script(script, "log = { memory = \"32MiB\" }");
    let log = sandbox.handle.log("web").unwrap();
    let bytes = || log.after(0, usize::MAX).iter().map(|line| line.bytes.len()).sum::<usize>();
    eventually(|| (bytes() == 10_000_000).then_some(()), bytes).await;
    assert!(log.after(0, usize::MAX).iter().all(|line| line.partial && line.bytes.len() <= 8192));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_gigabyte_neither_fills_memory_nor_holds_up_anybody() {
    let web = process("web", "head -c 1G /dev/zero | tr '\\0' x; echo; echo the end", "");
    let lines = process("lines", "yes | head -c 20M; echo the end", "");
    let before = resident();
    let sandbox = Sandbox::start(&(web + &lines + &process("other", "exec sleep 1000", "")));
    let (mut slowest, mut largest, mut restarts) = (Duration::ZERO, 0, 0);
    let ended = |name| sandbox.handle.log(name).unwrap().tail(None, 1).iter().any(|line| line.bytes == b"the end");
    let started = Instant::now();
    while !ended("web") || !ended("lines") {
        let asked = Instant::now();
        sandbox.handle.ask("other", Request::Restart, DEADLINE).await.unwrap();
        slowest = slowest.max(asked.elapsed());
        largest = largest.max(resident());
        restarts += 1;
        assert!(started.elapsed() < DEADLINE * 4, "{:?}", sandbox.handle.list());
    }
    assert!(restarts > 1 && slowest < Duration::from_secs(2), "{restarts} restarts, the slowest took {slowest:?}");
    assert!(largest < before + (100 << 10), "{largest} KiB after {before} KiB");
    let held: usize = sandbox.lines("web").iter().map(String::len).sum();
    assert!(held <= 256 * 1024, "{held}");
    sandbox.shutdown().await;
}

/// This process's resident memory, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn one_that_closes_its_outputs_and_stays_has_not_ended() {
    let sandbox = Sandbox::script("echo bye; exec sleep 1000 >&- 2>&-", "");
    sandbox.first_line("web").await;
    let log = sandbox.handle.log("web").unwrap();
    let changed = tokio::time::timeout(Duration::from_millis(500), log.changed(log.last())).await;
    assert!(changed.is_err() && log.is_open(), "the run is not over");
    sandbox.until(running).await;
    sandbox.ask(Request::Stop).await;
    tokio::time::timeout(DEADLINE, log.changed(log.last())).await.unwrap();
    assert!(!log.is_open());
    sandbox.shutdown().await;
}

#[tokio::test]
async fn who_follows_is_woken_for_every_line_until_all_is_read() {
    let sandbox = Sandbox::script("seq 1 20000", "log = { memory = \"4MiB\" }");
    let log = sandbox.handle.log("web").unwrap();
    sandbox.until(|web| web.status.pid.is_some() || web.phase == Phase::Exited).await;
    let lines = tokio::time::timeout(DEADLINE, follow(&log)).await.unwrap();
    assert!(lines.iter().map(|line| String::from_utf8_lossy(&line.bytes).parse::<u32>().unwrap()).eq(1..=20000));
    sandbox.shutdown().await;
}

async fn follow(log: &Log) -> Vec<Line> {
    let mut seen: Vec<Line> = Vec::new();
    loop {
        // Looked at first: what is written between the two is then read the next time.
        let open = log.is_open();
        let last = seen.last().map_or(0, |line| line.sequence);
        seen.extend(log.after(last, 100));
        let read = seen.last().map_or(0, |line| line.sequence);
        if read == last && !open {
            return seen;
        }
        log.changed(read).await;
    }
}

#[tokio::test]
async fn who_has_fallen_behind_sees_how_far() {
    let sandbox = Sandbox::script("seq 1 5000", "log = { memory = \"4KiB\" }");
    let lines = all(&sandbox).await;
    let first = lines[0].sequence;
    assert!(first > 4000, "{first}");
    assert!(lines.iter().all(|line| line.bytes == line.sequence.to_string().as_bytes()));
    assert_eq!(lines.last().unwrap().sequence, 5000);
    let log = sandbox.handle.log("web").unwrap();
    assert_eq!(log.after(7, 1)[0].sequence, first);
    assert_eq!(log.after(log.before(lines[0].at), 1)[0].sequence, first);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn numbers_go_on_over_runs() {
    let sandbox = Sandbox::script("echo run", "restart = \"never\"");
    all(&sandbox).await;
    sandbox.ask(Request::Start).await;
    let log = sandbox.handle.log("web").unwrap();
    eventually(|| (log.last() == 2).then_some(()), || log.last()).await;
    assert_eq!(log.after(1, 9)[0].bytes, b"run");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_output_that_somebody_else_holds_open_delays_nothing() {
    let sandbox = Sandbox::script("setsid sleep 20 & echo started; exit 0", "");
    let asked = Instant::now();
    assert_eq!(of(&all(&sandbox).await, Stream::Stdout), [("started".into(), false)]);
    sandbox.shutdown().await;
    assert!(asked.elapsed() < Duration::from_secs(15));
}
