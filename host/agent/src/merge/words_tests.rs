use std::time::Duration;

use jiff::Timestamp;
use sandbeat_status::{
    Compiling, Durations, Failure, LastError, LastReload, PluginState, ProcessPhase, ProcessState, ReloadResult,
};

use super::*;

/// What servers take of a text for a person, in bytes.
const TAKEN: usize = 8192;

fn process(url: usize, error: usize) -> ProcessStatus {
    ProcessStatus {
        status: ProcessState::Running,
        base_url: Some(format!("http://h/{}", "x".repeat(url))),
        pid: Some(4_194_304),
        uptime_ms: Some(Duration::from_secs(100 * 365 * 86_400).as_millis() as u64),
        restart_count: u32::MAX,
        last_error: Some("\"".repeat(error)),
        phase: Some(ProcessPhase::BackingOff),
        exit_code: None,
        exit_signal: Some("SIGRTMAX-14".to_owned()),
        out_of_memory: true,
        next_restart_ms: None,
    }
}

fn plugin(name: &str) -> PluginStatus {
    let all = [
        Failure::CpuTimeout,
        Failure::WallTimeout,
        Failure::Memory,
        Failure::Stack,
        Failure::Output,
        Failure::Trap,
        Failure::Denied,
        Failure::Files,
        Failure::Http,
        Failure::Invalid,
        Failure::Collector,
    ];
    let at = Timestamp::UNIX_EPOCH;
    PluginStatus {
        version: Some("\"".repeat(64)),
        digest: Some(format!("sha256:{}", "0".repeat(64))),
        world: Some("sandbeat:collector@0.1.0".to_owned()),
        state: PluginState::Quarantined,
        compiling: Some(Compiling { compiled: 1 << 24, functions: Some(1 << 24), elapsed_ms: Some(1 << 24) }),
        failure: Some(Failure::WallTimeout),
        reason: Some("\"".repeat(1024)),
        grants: vec!["read /proc/stat".repeat(50)],
        calls: u64::from(u32::MAX),
        failures: u64::from(u32::MAX),
        failures_by_name: all.into_iter().map(|failure| (failure, u64::from(u32::MAX))).collect(),
        duration_ms: Some(Durations { last: 1.234_567, p50: 1.234_567, p99: 1.234_567 }),
        peak_memory_bytes: Some(1 << 32),
        points_rejected: u64::from(u32::MAX),
        rests_for_ms: Some(640_000),
        last_error: Some(LastError { failure: Failure::WallTimeout, reason: "\"".repeat(1024), at }),
        last_reload: Some(LastReload { result: ReloadResult::Unchanged, at }),
        ..PluginStatus::found(name)
    }
}

/// As many as there can be, configured and created, each with as many words as it can have.
pub(crate) fn worst_processes() -> BTreeMap<String, ProcessStatus> {
    let configured = (0..256).map(|n| (format!("{n:064}"), process(2039, 8000)));
    let created = (0..256).map(|n| (format!("proc_{n:019}"), ProcessStatus { base_url: None, ..process(0, 8000) }));
    configured.chain(created).collect()
}

/// As many as there can be, and files with unusable names.
pub(crate) fn worst_plugins() -> Vec<PluginStatus> {
    let found = (0..256).map(|n| plugin(&format!("{n:064}")));
    found.chain((0..32).map(|n| plugin(&format!("{n:02}{}", "\"".repeat(78))))).collect()
}

#[test]
fn few_words_stay_as_they_are() {
    let few: BTreeMap<_, _> = [("web".to_owned(), process(2039, 1000)), ("db".to_owned(), process(0, 0))].into();
    assert_eq!(processes(few.clone()), few);
    let few = vec![plugin("a"), plugin("b")];
    assert_eq!(plugins(few.clone()), few);
}

#[test]
fn of_many_words_errors_become_short_first_then_urls_go() {
    let many = |count, url, error| (0..count).map(|n| (format!("p{n}"), process(url, error))).collect();
    let short = processes(many(100, 10, 2000));
    assert!(short.values().all(|p| p.base_url.is_some() && p.last_error.as_ref().is_some_and(|e| e.len() < 130)));
    let without_urls = processes(many(256, 2039, 30));
    assert!(
        without_urls.values().all(|p| p.base_url.is_none() && p.last_error.as_ref().is_some_and(|e| e.len() == 30))
    );
    assert!(encoded_len(&without_urls) <= MAX_PROCESSES_BYTES);
    let none = processes(worst_processes());
    assert!(none.values().all(|p| p.base_url.is_none() && p.last_error.is_none() && p.pid.is_some()));
    assert!(encoded_len(&none) <= MAX_PROCESSES_BYTES * 5 / 4, "{}", encoded_len(&none));
}

#[test]
fn plugins_in_trouble_stay_within_their_bound() {
    let trouble = |n: usize| PluginStatus {
        reason: Some("\"".repeat(1024)),
        grants: vec!["read /proc/stat".repeat(50)],
        ..PluginStatus::found(format!("p{n:03}"))
    };
    let brief = plugins((0..256).map(trouble).collect());
    assert!(brief.iter().all(|plugin| plugin.reason.as_ref().is_some_and(|reason| reason.len() <= 130)));
    assert!(encoded_len(&brief) <= MAX_PLUGINS_BYTES);
    let bare = plugins(worst_plugins());
    assert_eq!(bare.len(), 288);
    assert!(bare.iter().all(|plugin| plugin.digest.is_some() && plugin.reason.is_none()));
    assert!(encoded_len(&bare) <= MAX_PLUGINS_BYTES, "{}", encoded_len(&bare));
}

#[test]
fn no_text_and_no_list_is_longer_than_servers_take() {
    let long = "x\n".repeat(TAKEN);
    let mut loud = plugin("loud");
    loud.reason = Some(long.clone());
    loud.last_error = Some(LastError { failure: Failure::Trap, reason: long.clone(), at: Timestamp::UNIX_EPOCH });
    loud.grants = vec![long.clone()];
    let loud = plugins(vec![loud]).remove(0);
    for text in [&loud.reason.unwrap(), &loud.last_error.unwrap().reason, &loud.grants[0]] {
        assert!((1000..TAKEN).contains(&text.len()), "{}", text.len());
    }
    let many = PluginStatus { grants: vec!["read /a".to_owned(); 2500], ..PluginStatus::found("many") };
    let many = plugins(vec![many]).remove(0);
    assert_eq!((many.grants.len(), many.grants[MAX_GRANTS].as_str()), (1001, "and 1500 more"));
    let failed = ProcessStatus { last_error: Some(long), ..process(0, 0) };
    let failed = processes([("web".to_owned(), failed)].into()).remove("web").unwrap();
    assert!(failed.last_error.unwrap().len() < TAKEN);
    assert_eq!(hostname("box\u{7}"), "box\\u{7}");
    assert!((200..=255).contains(&hostname(&"\u{1}".repeat(64)).len()));
}
