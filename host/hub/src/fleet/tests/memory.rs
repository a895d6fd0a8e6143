//! What a sandbox costs: every byte that this test's thread takes from the allocator, rounded as glibc rounds it.

#![expect(unsafe_code, reason = "an allocator that counts is an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use super::*;

/// So many sandboxes, of which so many are counted: enough that what is shared does not matter.
const SANDBOXES: usize = 6000;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's; counting touches only a number of the thread's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get().wrapping_add(chunk(layout.size())));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.set(TAKEN.get().wrapping_sub(chunk(layout.size())));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What glibc takes from the heap for so many bytes: eight more, in steps of 16, 32 at least.
fn chunk(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

/// What an agent in a container of its own reports, without collectors, with so many processes.
fn real(id: &str, n: usize, seq: usize, processes: usize) -> sandbeat_status::Report {
    let stall = |n: usize| serde_json::json!({"avg10": n as f64 / 100.0, "avg60": 1.25, "avg300": 0.4, "totalSecs": 1234.0 + n as f64 / 1e6});
    let stalls = serde_json::json!({"some": stall(n), "full": stall(n / 2)});
    let process = |p: usize| {
        let running = serde_json::json!({"status": "running", "pid": 1000 + n % 30_000, "uptimeMs": 86_400_000 + n, "restartCount": 0});
        (format!("process-{p}"), running)
    };
    let processes: serde_json::Map<_, _> = (0..processes).map(process).collect();
    let fields = serde_json::json!({
        "hostname": format!("{n:012x}"), "bootId": format!("6f1c2b0e-7d55-4b7e-9a39-{n:012x}"), "seq": seq,
        "agentVersion": "0.1.0", "intervalSecs": 30.0, "trigger": "interval", "uptimeSecs": 86_400 + n,
        "cpuPercent": 12.0 + n as f64 / 7.0 % 80.0, "memoryMB": 300 + n % 1000, "sessionCount": 1,
        "timestamp": "2026-11-20T12:00:00.123Z", "processes": processes,
        "resources": {"cpuSource": "cgroup2", "memorySource": "cgroup2", "cpuLimitCores": 2.0, "memoryLimitMB": 2048,
            "cpuTimeSecs": 12345.0 + n as f64 / 1e6, "memoryUsageBytes": 536_870_912 + n * 4096, "oomKills": 0,
            "cpuThrottling": {"periods": 86_400 + n, "throttledPeriods": n, "throttledSecs": n as f64 / 1e6},
            "pressure": {"cpu": stalls, "memory": stalls, "io": stalls},
            "pids": 40, "pidsLimit": 4096, "openFiles": 300,
            "disks": [{"path": "/workspace", "sizeBytes": 107_374_182_400_u64, "usedBytes": 21_474_836_480_u64 + n as u64 * 4096,
                "availableBytes": 85_899_345_920_u64, "inodes": 6_553_600, "inodesUsed": 123_456 + n}]},
    });
    report(id, fields)
}

fn id(n: usize) -> String {
    format!("{:08x}-7d55-4b7e-9a39-{n:012x}", n.wrapping_mul(2_654_435_761) as u32)
}

#[test]
fn a_live_sandbox_costs_less_than_a_kibibyte_in_all() {
    let mut hub = Hub::with(Settings { max_sandboxes: SANDBOXES, ..settings() });
    let start = TAKEN.get();
    for n in 0..SANDBOXES {
        hub.register(&id(n), 0).unwrap();
    }
    let each = || (TAKEN.get() - start) / SANDBOXES;
    let registered = each();
    let mut live = [0; 3];
    for (seq, live) in live.iter_mut().enumerate() {
        for n in 0..SANDBOXES {
            let sender = Sender::Known(hub.fleet.registration(&id(n)).unwrap());
            let report = real(&id(n), n, seq, seq);
            let beat = Beat { report, at: hub.at(1), received: wall(1), peer: [127, 0, 0, 1].into() }.encode();
            hub.fleet.report(&sender, beat).unwrap();
        }
        *live = each();
    }
    let [without, one, two] = live;
    let figures = format!("registered {registered} bytes, live {without}, with one process {one}, with two {two}");
    assert!(registered < 430 && without < 860 && one < 905 && two < 940, "{figures}");
}
