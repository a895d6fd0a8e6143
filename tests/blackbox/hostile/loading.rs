//! Those that do harm before their first `collect`: in a start function, in `describe`, by what they import.

use super::{Rejected, Suite, crafted};

#[test]
fn what_runs_before_the_first_collect_is_under_the_limits_too() {
    let start = |body: &str| crafted::collector("(unreachable)", &[], &format!("(func $s {body}) (start $s)"));
    let grown = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
    let nested = crafted::collector("(unreachable)", &[], "(func $s (call $s) (call $s)) (start $s)");
    let large = crafted::module(
        r#"(module (memory (export "memory") 600)
            (func (export "sandbeat:collector/guest@0.1.0#describe") (result i32) (unreachable))
            (func (export "sandbeat:collector/guest@0.1.0#collect") (result i32) (unreachable)))"#,
    );
    let one = crafted::collector("(unreachable)", &[], "");
    let many = crafted::with_instances(one.clone(), "(module (memory 16))", 60);
    let tables = crafted::with_instances(one.clone(), "(module (table 100000 funcref))", 60);
    let cpu = "[limits]\ncpu = \"50ms\"\ntimeout = \"20s\"";
    Suite::new()
        .collector("traps-at-start", &start("(unreachable)"), "", Rejected("trap", "unreachable"))
        .collector("loops-at-start", &start("(loop (br 0))"), cpu, Rejected("cpu-timeout", "limits.cpu"))
        .collector("grows-at-start", &start(grown), "", Rejected("memory", "limits.memory"))
        .collector("nests-at-start", &nested, "", Rejected("stack", "nested"))
        .collector("is-large", &large, "", Rejected("memory", "limits.memory"))
        .collector("many-memories", &many, "", Rejected("memory", "limits.memory"))
        .collector("many-tables", &tables, "", Rejected("memory", "limits.memory"))
        .hostile("traps", "trap in describe", "", Rejected("trap", "describe"))
        .hostile("loops", "loop in describe", cpu, Rejected("cpu-timeout", "describe"))
        .hostile("talks", "megabytes in describe", "", Rejected("output", "describe"))
        .hostile("rings", "control characters in describe", "", Rejected("invalid", "control character"))
        .run()
        .end();
}

#[test]
fn an_import_that_the_host_does_not_have_is_named() {
    let function = crafted::dummy("delete: func(path: string) -> bool;");
    let interface = wat::parse_str(
        r#"(component (import "acme:gpu/device@1.0.0" (instance)) (instance $i)
            (export "sandbeat:collector/guest@0.1.0" (instance $i)))"#,
    );
    let other_wasi = wat::parse_str(
        r#"(component (import "wasi:nn/graph@0.2.0" (instance (export "load" (func)))) (instance $i)
            (export "sandbeat:collector/guest@0.1.0" (instance $i)))"#,
    );
    Suite::new()
        .collector("function", &function, "", Rejected("invalid", "delete"))
        .collector("interface", &interface.unwrap(), "", Rejected("invalid", "acme:gpu/device@1.0.0"))
        .collector("other-wasi", &other_wasi.unwrap(), "", Rejected("invalid", "wasi:nn/graph"))
        .run()
        .end();
}
