//! What the sections of a core module cost the host: each instance of the module, and the module while it is loaded.
//!
//! Pure. The sizes of an instance are those of wasmtime 48 on a 64-bit machine (wasmtime-environ, `vmoffsets.rs` and
//! `vmtypes.rs`), those of what is loaded follow its descriptions of modules (wasmtime-environ, `module.rs`); both
//! are rounded up.

use wasmparser::{Element, ElementItems, ElementKind, Import, Payload, TableInit, TypeRef};

use crate::shape::Shape;

/// An instance of a core module, without what its sections add, in bytes.
pub(crate) const INSTANCE: u64 = 1024;
/// An instance of a component, without what its sections add, in bytes.
pub(crate) const COMPONENT: u64 = 4096;

/// The cost of a module's instance, or of a component's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) shape: Shape,
    pub(crate) component_instances: u32,
    /// Of something that is only known when it is instantiated.
    pub(crate) unknown: bool,
}

impl Cost {
    pub(crate) fn add(&mut self, other: &Cost) {
        let (ours, theirs) = (&mut self.shape, &other.shape);
        ours.host_bytes = ours.host_bytes.saturating_add(theirs.host_bytes);
        ours.core_instances = ours.core_instances.saturating_add(theirs.core_instances);
        ours.memories = ours.memories.saturating_add(theirs.memories);
        ours.memory_bytes = ours.memory_bytes.saturating_add(theirs.memory_bytes);
        ours.tables = ours.tables.saturating_add(theirs.tables);
        ours.table_entries = ours.table_entries.saturating_add(theirs.table_entries);
        self.component_instances = self.component_instances.saturating_add(other.component_instances);
        self.unknown |= other.unknown;
    }

    /// So many things that take so many bytes of the host's each.
    pub(crate) fn host(&mut self, count: u32, bytes_each: u64) {
        self.shape.host_bytes = self.shape.host_bytes.saturating_add(u64::from(count) * bytes_each);
    }
}

/// Adds what a section of a core module costs each instance; the answer is what it costs while it is loaded, in bytes.
pub(crate) fn section(payload: &Payload<'_>, cost: &mut Cost) -> wasmparser::Result<u64> {
    let mut loaded = 0;
    match payload {
        Payload::TypeSection(types) => loaded = u64::from(types.count()) * 640 + types.range().len() as u64 * 48,
        Payload::ImportSection(imports) => {
            for import in imports.clone().into_imports() {
                loaded += imported(&import?, cost);
            }
        }
        Payload::FunctionSection(functions) => {
            // A reference, should the function be exported, be in a table or be referred to.
            cost.host(functions.count(), 32);
            loaded = u64::from(functions.count()) * 96;
        }
        Payload::TableSection(tables) => {
            for table in tables.clone() {
                let table = table?;
                cost.shape.tables = cost.shape.tables.saturating_add(1);
                cost.shape.table_entries = cost.shape.table_entries.saturating_add(table.ty.initial);
                loaded += if matches!(table.init, TableInit::RefNull) { 256 } else { 512 };
            }
            cost.host(tables.count(), 256);
        }
        Payload::MemorySection(memories) => {
            for memory in memories.clone() {
                let memory = memory?;
                let page = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(16)).unwrap_or(u64::MAX);
                let shape = &mut cost.shape;
                shape.memories = shape.memories.saturating_add(1);
                shape.memory_bytes = shape.memory_bytes.saturating_add(memory.initial.saturating_mul(page));
            }
            cost.host(memories.count(), 512);
            loaded = u64::from(memories.count()) * 256;
        }
        Payload::TagSection(tags) => cost.host(tags.count(), 8),
        Payload::GlobalSection(globals) => {
            cost.host(globals.count(), 16);
            loaded = u64::from(globals.count()) * 160;
        }
        Payload::ExportSection(exports) => {
            loaded = u64::from(exports.count()) * 128 + exports.range().len() as u64;
        }
        Payload::ElementSection(elements) => {
            for element in elements.clone() {
                loaded += segment(&element?, cost);
            }
        }
        Payload::DataSection(segments) => {
            cost.host(segments.count(), 16);
            loaded = u64::from(segments.count()) * 64;
        }
        _ => {}
    }
    Ok(loaded)
}

fn imported(import: &Import<'_>, cost: &mut Cost) -> u64 {
    // The import, a reference to it, and the list from which the instance is made.
    let bytes = match import.ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => 96,
        _ => 48,
    };
    cost.host(1, bytes);
    160 + import.module.len() as u64 + import.name.len() as u64
}

fn segment(element: &Element<'_>, cost: &mut Cost) -> u64 {
    let (items, bytes_each) = match &element.items {
        ElementItems::Functions(items) => (items.count(), 8),
        ElementItems::Expressions(_, items) => (items.count(), 128),
    };
    if matches!(element.kind, ElementKind::Passive) {
        // Evaluated when the instance is made.
        cost.host(1, 48);
        cost.host(items, 16);
    }
    160 + u64::from(items) * bytes_each
}
