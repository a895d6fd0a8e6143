//! Those that use more than they may: time, memory, stack, log lines, handles, reads.

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Fails, Suite, Works, crafted};
use crate::harness::{guest, plugin};

#[test]
fn whoever_takes_too_long_is_interrupted() {
    let patient = "[limits]\ncpu = \"50ms\"\ntimeout = \"20s\"";
    let hasty = "[limits]\ncpu = \"10s\"\ntimeout = \"200ms\"";
    let loops = "(loop (br 0)) (unreachable)";
    let returned = format!("(i32.const {})", crafted::ANSWER);
    let after =
        format!("(func (export \"cabi_post_sandbeat:collector/guest@0.1.0#collect\") (param i32) {})", "(loop (br 0))");
    Suite::new()
        .hostile("loops", "loop", patient, Fails("cpu-timeout", "limits.cpu"))
        .hostile("asks", "loop around a host call", patient, Fails("cpu-timeout", "limits.cpu"))
        .hostile("cries", "loop around standard error", hasty, Fails("wall-timeout", "limits.timeout"))
        .collector("spins", &crafted::collector(loops, &[], ""), patient, Fails("cpu-timeout", "limits.cpu"))
        .collector(
            "lingers",
            &crafted::collector(&returned, &[0; 5], &after),
            patient,
            Fails("cpu-timeout", "limits.cpu"),
        )
        .collector("stalls", &realloc("(loop (br 0)) (unreachable)"), patient, Fails("cpu-timeout", "limits.cpu"))
        .hostile("sleeps", "sleep", hasty, Fails("wall-timeout", "limits.timeout"))
        .hostile("naps", "loop around naps", hasty, Fails("wall-timeout", "limits.timeout"))
        .run()
        .end();
}

#[test]
fn whoever_wants_too_much_memory_is_refused() {
    let little = "[limits]\nmemory = \"4MiB\"";
    let grown = |grow: &str| format!("(loop (br_if 0 (i32.ne ({grow}) (i32.const -1)))) (unreachable)");
    let memories: String = (0..40).map(|n| format!("(memory $m{n} 1)")).collect();
    // Each of them within what one may have.
    let all: String = (0..40).map(|n| format!("(drop (memory.grow $m{n} (i32.const 8)))")).collect();
    let in_many = crafted::collector(&format!("{all} (unreachable)"), &[], &memories);
    let in_one = crafted::collector(&grown("memory.grow (i32.const 1)"), &[], "");
    let table = "(table 1 funcref)";
    let in_table = crafted::collector(&grown("table.grow (ref.null func) (i32.const 1000)"), &[], table);
    Suite::new()
        .hostile("hoards", "allocate", little, Fails("memory", "limits.memory"))
        .hostile("grabs", "a gigabyte", "", Fails("memory", "limits.memory"))
        .collector("grows", &in_one, little, Fails("memory", "limits.memory"))
        .collector("spreads", &in_many, little, Fails("memory", "limits.memory"))
        .collector("tables", &in_table, little, Fails("memory", "limits.memory"))
        .run()
        .end();
}

#[test]
fn whoever_nests_too_deeply_or_ends_itself_is_named() {
    let trapping = "(func (export \"cabi_post_sandbeat:collector/guest@0.1.0#collect\") (param i32) (unreachable))";
    let returned = format!("(i32.const {})", crafted::ANSWER);
    let reentering = realloc("(call $json (i32.const 0)) (i32.const 0)");
    let suite = Suite::new()
        .hostile("nests", "recurse", "", Fails("stack", "nested"))
        .collector("mutual", &crafted::collector(MUTUAL, &[], MUTUAL_PARTS), "", Fails("stack", "nested"))
        .hostile("aborts", "panic", "", Fails("trap", "wasm trap"))
        .hostile("exits", "exit", "", Fails("trap", "ended itself"))
        .collector("divides", &crafted::collector(DIVIDES, &[], ""), "", Fails("trap", "divide by zero"))
        .collector(
            "strays",
            &crafted::collector("(i32.load (i32.const -4))", &[], ""),
            "",
            Fails("trap", "out of bounds"),
        )
        .collector("after", &crafted::collector(&returned, &[0; 5], trapping), "", Fails("trap", ""))
        .collector("reenters", &reentering, "", Fails("trap", ""));
    suite.run().end();
}

const DIVIDES: &str = "(i32.div_u (i32.const 1) (i32.const 0))";
const MUTUAL: &str = "(call $odd (i32.const 1))";
const MUTUAL_PARTS: &str = "(func $odd (param i32) (result i32) (i32.add (i32.const 1) (call $even (local.get 0))))
    (func $even (param i32) (result i32) (i32.add (i32.const 1) (call $odd (local.get 0))))";

/// A collector whose memory the host has to ask for, with this body of `cabi_realloc`.
fn realloc(body: &str) -> Vec<u8> {
    crafted::collector(
        "(call $json (i32.const 0)) (unreachable)",
        &[],
        &format!(
            r#"(import "sandbeat:collector/config@0.1.0" "json" (func $json (param i32)))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {body})"#
        ),
    )
}

#[test]
fn a_flood_of_log_lines_is_cut_and_said_once() {
    let few = "[limits]\nlog_lines = 10";
    let ran = Suite::new()
        .hostile("floods", "flood the log", few, Works(&[]))
        .hostile("rings", "long log line", few, Works(&[]))
        .hostile("swells", "log megabytes", few, Fails("output", "limits.output"))
        .run();
    let calls = plugin(&ran.report, "floods")["calls"].as_u64();
    ran.hub
        .report("two more calls", |report| plugin(report, "floods")["calls"].as_u64() > calls.map(|calls| calls + 1));
    let said = ran.end();
    let count = |parts: &[&str]| said.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    assert_eq!(count(&["floods", " line "]), 10, "{said}");
    assert_eq!(count(&["floods", "limits.log_lines"]), 1, "{said}");
    assert!(count(&["rings", " line "]) > 0 && said.lines().all(|line| line.len() < 2048), "{said}");
    assert!(!said.contains('\u{7}'), "a control character in the log");
}

#[test]
fn handles_random_bytes_and_state_are_bounded() {
    Suite::new()
        .hostile("collects", "hoard handles", "", Fails("memory", "handles"))
        .hostile("gambles", "random megabytes", "", Fails("invalid", "exceeds limit"))
        .hostile("remembers", "fill the state", "", Fails("collector", "bytes"))
        .run()
        .end();
}

#[test]
fn reads_are_counted_and_their_bytes_as_well() {
    let suite = Suite::new();
    let large = suite.sandbox.path("large");
    std::fs::write(&large, vec![b'x'; 1 << 19]).unwrap();
    let large = large.display();
    let of = |limits: &str| {
        format!(
            "config.path = \"{large}\"\ngrant.read = [\"{large}\"]\n[limits]\n{limits}\ntimeout = \"20s\"\ncpu = \"10s\""
        )
    };
    suite
        .hostile("busy", "read on and on", &of("file_calls = 5"), Fails("files", "limits.file_calls"))
        .hostile("greedy", "read on and on", &of("file_bytes = \"3MiB\""), Fails("files", "limits.file_bytes"))
        .hostile("both", "read on and on", &of(""), Fails("files", "limits.file_bytes"))
        .run()
        .end();
}

#[test]
fn a_read_that_hangs_is_cut_and_holds_up_neither_the_others_nor_the_end() {
    let suite = Suite::new();
    let folder = suite.sandbox.path("folder");
    std::fs::create_dir(&folder).unwrap();
    mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let sidecar = format!(
        "config.path = \"{0}/pipe\"\ngrant.dirs = [\"{0}\"]\n[limits]\ntimeout = \"200ms\"\n[failure]\nbackoff = \"50ms\"\nbackoff_max = \"100ms\"\nquarantine_after = 100",
        folder.display()
    );
    let ran = suite.hostile("hangs", "open", &sidecar, Fails("wall-timeout", "limits.timeout")).run();
    // More often than the host has threads for its own reads.
    ran.hub.report("ten failures", |report| plugin(report, "hangs")["failures"].as_u64() > Some(10));
    ran.sandbox.drop_collector("later", guest("two"), "");
    ran.hub.report("a new collector", |report| plugin(report, "later")["calls"].as_u64() > Some(1));
    ran.end();
}
