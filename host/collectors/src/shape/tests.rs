use super::*;

fn shape(text: &str) -> Shape {
    of(&wat::parse_str(text).unwrap()).unwrap()
}

fn too_large(text: &str) -> String {
    match of(&wat::parse_str(text).unwrap()) {
        Err(ShapeError::TooLarge(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_component_costs_itself() {
    let shape = shape("(component)");
    assert_eq!(shape, Shape { host_bytes: cost::COMPONENT, loaded_bytes: 2048, ..Shape::default() });
}

#[test]
fn what_is_only_defined_costs_no_instance() {
    let defined = shape("(component (core module (memory 1) (func)))");
    assert_eq!((defined.host_bytes, defined.core_instances, defined.memories), (cost::COMPONENT, 0, 0));
    assert!(defined.loaded_bytes > 2 * 2048);
}

#[test]
fn each_instance_of_a_module_costs_again() {
    let module = r#"(core module $m
        (import "host" "f" (func))
        (func) (func) (global i32 (i32.const 0)) (memory 2) (table 10 funcref))"#;
    let of_instances = |count: usize| {
        let instances = r#"(core instance (instantiate $m (with "host" (instance (export "f" (func $f))))))"#;
        let host = r#"(core module $h (func (export "f")))
            (core instance $h (instantiate $h)) (alias core export $h "f" (core func $f))"#;
        shape(&format!("(component {host} {module} {})", instances.repeat(count)))
    };
    let (one, three) = (of_instances(1), of_instances(3));
    let each = cost::INSTANCE + 96 + 2 * 32 + 16 + 512 + 256;
    assert_eq!(three.host_bytes - one.host_bytes, 2 * each);
    assert_eq!((three.core_instances, three.memories, three.tables), (4, 3, 3));
    assert_eq!((three.memory_bytes, three.table_entries), (3 * 2 * 65536, 30));
}

#[test]
fn passive_elements_are_charged_and_active_ones_are_the_tables() {
    let of_elements = |kind: &str| {
        shape(&format!(
            "(component (core module $m (table 9 funcref) (func $f) (elem {kind} {}))
                (core instance (instantiate $m)))",
            "$f ".repeat(9)
        ))
    };
    assert_eq!(of_elements("func").host_bytes - of_elements("(i32.const 0) func").host_bytes, 48 + 9 * 16);
}

#[test]
fn nested_components_count_as_often_as_they_are_instantiated() {
    let shape = shape(
        "(component
            (component $outer
                (component $inner
                    (core module $m (memory 1)) (core instance (instantiate $m)) (core instance (instantiate $m)))
                (instance (instantiate $inner)) (instance (instantiate $inner)))
            (instance (instantiate $outer)) (instance (instantiate $outer)) (instance (instantiate $outer)))",
    );
    assert_eq!((shape.core_instances, shape.memories), (12, 12));
    let inner = cost::COMPONENT + 2 * (cost::INSTANCE + 512);
    assert_eq!(shape.host_bytes, cost::COMPONENT + 3 * (cost::COMPONENT + 2 * inner));
}

#[test]
fn a_module_of_the_component_around_is_known_and_an_imported_one_is_the_costliest() {
    let outer = shape(
        "(component (core module $m (memory 1))
            (component $c (alias outer 1 $m (core module $n)) (core instance (instantiate $n)))
            (instance (instantiate $c)))",
    );
    assert_eq!((outer.core_instances, outer.memories), (1, 1));
    let imported = shape(
        r#"(component (core module $m (memory 1))
            (component $c (import "m" (core module $n)) (core instance (instantiate $n)))
            (instance (instantiate $c (with "m" (core module $m)))))"#,
    );
    assert_eq!(imported.core_instances, MAX_CORE_INSTANCES);
    assert!(imported.host_bytes > u64::from(MAX_CORE_INSTANCES) * (cost::INSTANCE + 512));
}

#[test]
fn absurd_shapes_are_refused_by_name() {
    let nested = |depth: usize| format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
    assert!(of(&wat::parse_str(nested(MAX_NESTING)).unwrap()).is_ok());
    assert!(too_large(&nested(MAX_NESTING + 1)).contains("16 deep"));
    let modules = |count| format!("(component {})", "(core module)".repeat(count));
    assert!(too_large(&modules(1001)).contains("1000 core modules"));
    let instances = format!("(component (core module $m) {})", "(core instance (instantiate $m))".repeat(101));
    assert!(too_large(&instances).contains("100 times"));
    // Twice as many on each level, without any module.
    let mut doubling = "(component $c0)".to_owned();
    for level in 1..14 {
        let below = level - 1;
        let twice = format!("(instance (instantiate $c{below}))").repeat(2);
        doubling = format!("(component $c{level} {doubling} {twice})");
    }
    assert!(too_large(&doubling).contains("1000 times"));
}

#[test]
fn what_many_declarations_take_is_refused() {
    let types = "(type (func))".repeat(240_000);
    assert!(too_large(&format!("(component (core module {types}))")).contains("more than 64 MiB"));
    let globals = "(global i32 (i32.const 0))".repeat(200_000);
    let instances = "(core instance (instantiate $m))".repeat(100);
    let reason = too_large(&format!("(component (core module $m {globals}) {instances})"));
    assert!(reason.contains("more than 256 MiB"), "{reason}");
}

#[test]
fn what_cannot_be_read_is_no_component() {
    let whole = wat::parse_str("(component (core module (func)) (component))").unwrap();
    for cut in 0..whole.len() {
        let unreadable = of(&whole[..cut]);
        // A file that ends between two sections is whole.
        assert!(matches!(unreadable, Err(ShapeError::Unreadable(_)) | Ok(_)), "{cut}: {unreadable:?}");
    }
    let Err(ShapeError::Unreadable(reason)) = of(&whole[..whole.len() - 1]) else { panic!() };
    assert!(reason.contains("unexpected end"), "{reason}");
    assert!(matches!(of(b"\0asm\x01\0\0\0"), Err(ShapeError::Unreadable(_))));
}
