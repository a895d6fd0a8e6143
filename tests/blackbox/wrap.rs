//! `sandbeat plugin wrap`: what a C compiler makes becomes a collector, and what cannot be one is told why.

use crate::harness::{Sandbox, bundled};

/// A collector as a core module: it describes itself as version 1.2.3, and contributes one metadata entry.
///
/// Both functions return the address of a result as the canonical ABI lays it out; zeros are `ok`, null and none.
const CORE: &str = r#"
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (i32.mul (memory.grow (i32.div_u (i32.add (local.get 3) (i32.const 65535)) (i32.const 65536))) (i32.const 65536)))
    (func (export "sandbeat:collector/guest@0.1.0#describe") (result i32) i32.const 1024)
    (data (i32.const 16) "1.2.3" "A test." "test.key" "a value")
    (data (i32.const 1028) "\10\00\00\00\05\00\00\00" "\15\00\00\00\07\00\00\00")
    (data (i32.const 1052) "\00\10\00\00\01\00\00\00")
    (data (i32.const 4096) "\1c\00\00\00\08\00\00\00" "\15\00\00\00\07\00\00\00")
    (data (i32.const 2060) "\00\0c\00\00\01\00\00\00")
    (data (i32.const 3072) "\1c\00\00\00\08\00\00\00" "\24\00\00\00\07\00\00\00")
"#;

const COLLECT: &str = r#"(func (export "sandbeat:collector/guest@0.1.0#collect") (result i32) i32.const 2048)"#;

/// The same with a call of WASI preview 1, as of a C library that prints.
const PRINTS: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (func (export "sandbeat:collector/guest@0.1.0#collect") (result i32)
      (drop (call $fd_write (i32.const 1) (i32.const 3072) (i32.const 1) (i32.const 512)))
      i32.const 2048)
"#;

/// A sandbox with the module `core.wasm` in it.
fn with(module: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("core.wasm"), module).unwrap();
    sandbox
}

fn core(parts: &[&str]) -> Vec<u8> {
    wat::parse_str(format!("(module {})", parts.concat())).unwrap()
}

fn said(sandbox: &Sandbox, arguments: &[&str]) -> (i32, String) {
    let ended = sandbox.start(arguments).ended();
    (ended.status.code().unwrap(), ended.stdout + &ended.stderr)
}

fn wrapped(sandbox: &Sandbox) -> (i32, String) {
    said(sandbox, &["plugin", "wrap", "core.wasm", "-o", "plugins/test.wasm"])
}

#[test]
fn a_core_module_becomes_a_collector() {
    for parts in [[COLLECT, CORE], [PRINTS, CORE]] {
        let sandbox = with(&core(&parts));
        let (code, told) = wrapped(&sandbox);
        assert_eq!(code, 0, "{told}");
        assert!(told.starts_with("plugins/test.wasm: "), "{told}");
        let first = std::fs::read(sandbox.plugin("test.wasm")).unwrap();

        let (code, told) = said(&sandbox, &["plugin", "check", "plugins/test.wasm"]);
        assert!(code == 0 && told.contains("1.2.3") && told.contains("A test."), "{told}");
        assert_eq!(told.contains("wasi:"), parts[0] == PRINTS, "{told}");
        let (code, told) = said(&sandbox, &["plugin", "run", "plugins/test.wasm"]);
        assert!(code == 0 && told.contains("test.key") && told.contains("a value"), "{told}");

        assert_eq!(wrapped(&sandbox).0, 0);
        assert!(first == std::fs::read(sandbox.plugin("test.wasm")).unwrap(), "the same module gives the same bytes");
    }
}

#[test]
fn debugging_information_is_left_out_and_names_stay() {
    let collect = COLLECT.replace("(func ", "(func $collect_once ");
    let sandbox = with(&core(&[&collect, CORE, r#"(@custom ".debug_line" "/home/me/collector.c")"#]));
    assert_eq!(wrapped(&sandbox).0, 0);
    let component = std::fs::read(sandbox.plugin("test.wasm")).unwrap();
    let has = |part: &str| component.windows(part.len()).any(|window| window == part.as_bytes());
    assert!(has("collect_once") && !has("/home/me") && !has(".debug_line"));
}

#[test]
fn what_cannot_become_a_collector_is_told_everything_that_is_wrong_with_it() {
    let other_version = r#"(func (export "sandbeat:collector/guest@0.2.0#collect") (result i32) i32.const 0)
        (func (export "sandbeat:collector/guest@0.1.0#describe") (result i32) i32.const 0)"#;
    let imports = r#"(import "env" "curl_easy_init" (func)) (import "sandbeat:collector/files@0.1.0" "write" (func))
        (import "wasi_snapshot_preview1" "sock_connect" (func))"#;
    let not_a_function = r#"(func (export "sandbeat:collector/guest@0.1.0#collect") (param i64))"#;
    let program = r#"(func (export "_start"))"#;
    for (module, parts) in [
        (b"int main() {}".to_vec(), vec!["not WebAssembly"]),
        (b"\0asm\x01\0\0\0\x02".to_vec(), vec!["damaged or truncated"]),
        (bundled("load").to_vec(), vec!["a component already"]),
        (core(&[]), vec!["guest@0.1.0#collect`", "guest@0.1.0#describe`"]),
        (core(&[CORE]), vec!["does not export a function with the name `sandbeat:collector/guest@0.1.0#collect`"]),
        (core(&[other_version]), vec!["guest@0.2.0#collect`, and this host wants `sandbeat:collector/guest@0.1.0#"]),
        (
            core(&[imports, COLLECT, CORE]),
            vec![
                "`curl_easy_init`, which is defined nowhere",
                "`write` from `sandbeat:collector/files@0.1.0`",
                "`sock_connect` from `wasi_snapshot_preview1`",
            ],
        ),
        (core(&[COLLECT, CORE, program]), vec!["-mexec-model=reactor"]),
        (core(&[not_a_function, CORE]), vec!["it cannot be made a collector: "]),
    ] {
        let sandbox = with(&module);
        sandbox.drop_in("test.wasm", "as before");
        let (code, told) = wrapped(&sandbox);
        assert_eq!((code, told.lines().count()), (1, parts.len()), "{told}");
        for (line, part) in told.lines().zip(&parts) {
            assert!(line.starts_with("error: ") && line.contains(part), "{part} in {line}");
        }
        assert_eq!(std::fs::read(sandbox.plugin("test.wasm")).unwrap(), b"as before");
    }
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let sandbox = with(&core(&[COLLECT, CORE]));
    for (arguments, part) in [
        (["plugin", "wrap", "none.wasm", "-o", "a.wasm"], "`none.wasm` cannot be read"),
        (["plugin", "wrap", "core.wasm", "-o", "none/a.wasm"], "`none/a.wasm` cannot be written"),
    ] {
        let (code, told) = said(&sandbox, &arguments);
        assert!(code == 1 && told.contains(part), "{told}");
    }
}

#[test]
fn a_module_that_was_cut_off_is_called_that_wherever_the_cut_is() {
    let whole = core(&[COLLECT, CORE]);
    for length in (8..whole.len()).step_by(23) {
        let (code, told) = wrapped(&with(&whole[..length]));
        assert!(code == 1 && told.starts_with("error: "), "{length}: {code} {told}");
    }
}

#[test]
fn what_a_component_says_of_itself_cannot_speak_to_the_terminal() {
    let sandbox = with(&core(&[COLLECT, &CORE.replace("1.2.3", "1\\1b[2J").replace("A test.", "A\\ntest.")]));
    assert_eq!(wrapped(&sandbox).0, 0);
    let (code, told) = said(&sandbox, &["plugin", "check", "plugins/test.wasm"]);
    assert!(code == 1 && told.contains("1\\u{1b}[2J") && told.contains("A\\ntest."), "{told}");
    assert!(!told.contains('\u{1b}') && !told.contains("A\ntest."), "{told}");
}
