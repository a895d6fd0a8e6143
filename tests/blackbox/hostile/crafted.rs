//! Components that no compiler would make: core modules written by hand behind the collector world.

use wasm_encoder::{ComponentSection, ComponentSectionId, InstanceSection, RawSection};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{ManglingAndAbi, PackageId, Resolve, WorldId};

/// Where a crafted `collect` finds its answer, if it does not make one.
pub(super) const ANSWER: u32 = 0x1000;
/// Where a crafted collector has a short text, `test.good`.
pub(super) const GOOD: (u32, u32) = (0x300, 9);

const DESCRIPTION: u32 = 0x100;
const ONE: (u32, u32) = (0x200, 1);

/// A collector that describes itself as it should, with this body of `collect: () -> i32` and more of a module around
/// it. Its answer lies at [`ANSWER`], in a memory of 256 KiB.
pub(super) fn collector(collect: &str, answer: &[u32], more: &str) -> Vec<u8> {
    module(&format!(
        r#"(module
            {more}
            (memory (export "memory") 4)
            (data (i32.const {DESCRIPTION}) "{description}")
            (data (i32.const {one}) "1")
            (data (i32.const {good}) "test.good")
            (data (i32.const {ANSWER}) "{answer}")
            (func (export "sandbeat:collector/guest@0.1.0#describe") (result i32) (i32.const {DESCRIPTION}))
            (func (export "sandbeat:collector/guest@0.1.0#collect") (result i32) {collect}))"#,
        description = data(&[0, ONE.0, ONE.1, ONE.0, ONE.1, 0, 0, 0, 0]),
        one = ONE.0,
        good = GOOD.0,
        answer = data(answer),
    ))
}

/// One that returns its answer.
pub(super) fn answers(answer: &[u32]) -> Vec<u8> {
    collector(&format!("(i32.const {ANSWER})"), answer, "")
}

/// The words of a contribution: metrics and metadata as pointer and length.
pub(super) fn contribution(metrics: (u32, u32), metadata: (u32, u32)) -> [u32; 5] {
    [0, metrics.0, metrics.1, metadata.0, metadata.1]
}

/// A component of the collector world around a module in text form.
pub(super) fn module(text: &str) -> Vec<u8> {
    let (resolve, world) = collector_world("");
    encode(wat::parse_str(text).unwrap(), &resolve, world)
}

/// A component of nothing but what the world asks for, all of whose functions trap. With `more` in the interface
/// `files` it imports what no host offers.
pub(super) fn dummy(more: &str) -> Vec<u8> {
    let (resolve, world) = collector_world(more);
    let module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync));
    encode(module, &resolve, world)
}

/// The component with more core instances of a module of its own.
pub(super) fn with_instances(mut component: Vec<u8>, module: &str, count: usize) -> Vec<u8> {
    // What `encode` makes of a module without imports holds just that one.
    let appended = 1;
    let module = wat::parse_str(module).unwrap();
    append(&mut component, &RawSection { id: ComponentSectionId::CoreModule.into(), data: &module });
    let mut instances = InstanceSection::new();
    (0..count).for_each(|_| {
        instances.instantiate::<_, &str>(appended, []);
    });
    append(&mut component, &instances);
    component
}

fn collector_world(more_files: &str) -> (Resolve, WorldId) {
    let text = include_str!("../../../wit/collector.wit");
    let text = text.replace("interface files {", &format!("interface files {{ {more_files}"));
    let mut resolve = Resolve::default();
    let package: PackageId = resolve.push_str("collector.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("collector")).unwrap();
    (resolve, world)
}

fn encode(mut module: Vec<u8>, resolve: &Resolve, world: WorldId) -> Vec<u8> {
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

/// Little-endian words as the text form escapes them.
fn data(words: &[u32]) -> String {
    words.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect()
}

fn append(component: &mut Vec<u8>, section: &impl ComponentSection) {
    component.push(section.id());
    section.encode(component);
}
