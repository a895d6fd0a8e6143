//! What a component costs the host beside its linear memories and tables, judged before it is compiled.
//!
//! wasmtime's limiter sees memories and tables grow. It does not see what each instance takes of the host's own
//! memory, by the number of its functions, globals and imports, nor what a loaded component's descriptions take. Both
//! are bounded here from the component's own sections, so that a small file which declares a million functions and
//! instantiates them a hundred times is charged for that, or refused.
//!
//! Pure. The sizes are those of wasmtime 48 on a 64-bit machine (wasmtime-environ, `vmoffsets.rs`, `vmtypes.rs`),
//! rounded up. Where the text of a component leaves open which module is instantiated (an import, an export of
//! another instance), the costliest is taken, as often as the limiter would let it.

use serde::{Deserialize, Serialize};
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Encoding,
    Instance, Parser, Payload,
};

use crate::cost::{self, Cost};

/// Core instances of one component; the limiter lets no more be made.
pub(crate) const MAX_CORE_INSTANCES: u32 = 100;
/// Components within components within …; composed ones have three or four.
const MAX_NESTING: usize = 16;
/// Core modules, and components, in one file.
const MAX_DEFINED: usize = 1000;
/// Instances of components in one component.
const MAX_COMPONENT_INSTANCES: u32 = 1000;
/// What one instantiation may cost the host beside memories and tables, in bytes.
const MAX_HOST_BYTES: u64 = 256 << 20;
/// What the descriptions of a loaded component may take, in bytes.
const MAX_LOADED_BYTES: u64 = 64 << 20;

/// What one instantiation of a component, with all that is nested in it, costs at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    /// The host's memory for instances, without linear memories and tables' entries, in bytes.
    pub(crate) host_bytes: u64,
    /// The host's memory for descriptions while the component is loaded, in bytes, however many instances there are.
    pub(crate) loaded_bytes: u64,
    /// Core instances that it makes.
    pub(crate) core_instances: u32,
    /// Linear memories that they have.
    pub(crate) memories: u32,
    /// What those have from the start, in bytes.
    pub(crate) memory_bytes: u64,
    /// Tables that they have.
    pub(crate) tables: u32,
    /// Entries that those have from the start.
    pub(crate) table_entries: u64,
    /// Functions to compile, instantiated or not. Nobody asks any more once there is an artifact.
    #[serde(skip)]
    pub(crate) functions: u64,
}

/// Why a component is not compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ShapeError {
    /// It cannot be read that far: the parser's words, and where.
    Unreadable(String),
    /// Compiling or running it would take too much; a sentence for its author.
    TooLarge(String),
}

/// Judges a component's binary form.
///
/// # Errors
/// Its sections cannot be read, or what they declare is beyond what is bearable. A component that passes is not thereby
/// valid.
pub(crate) fn of(component: &[u8]) -> Result<Shape, ShapeError> {
    let mut walk = Walk::default();
    for payload in Parser::new(0).parse_all(component) {
        walk.take(&payload?)?;
        if let Some(root) = walk.root {
            return walk.shape(root);
        }
    }
    Err(ShapeError::Unreadable("unexpected end: it has no last section".into()))
}

/// A component whose sections are being read: what its indices stand for.
#[derive(Debug, Default)]
struct Frame {
    /// `None`: known only when it is instantiated.
    modules: Vec<Option<Cost>>,
    components: Vec<Option<Cost>>,
    cost: Cost,
}

#[derive(Default)]
struct Walk {
    /// The components around the place that is read, the outermost first.
    frames: Vec<Frame>,
    /// The module that is read.
    module: Option<Cost>,
    modules: usize,
    components: usize,
    /// The costliest of each, for what is not known.
    costliest_module: u64,
    costliest_component: u64,
    loaded_bytes: u64,
    functions: u64,
    root: Option<Cost>,
}

impl Walk {
    fn take(&mut self, payload: &Payload<'_>) -> Result<(), ShapeError> {
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => self.begin_module(),
            Payload::Version { encoding: Encoding::Component, .. } => self.begin_component(),
            Payload::End(_) => {
                self.end();
                Ok(())
            }
            _ => match &mut self.module {
                Some(cost) => {
                    if let Payload::CodeSectionStart { count, .. } = payload {
                        self.functions += u64::from(*count);
                    }
                    let loaded = cost::section(payload, cost)?;
                    self.load(loaded)
                }
                None => self.in_component(payload),
            },
        }
    }

    fn begin_module(&mut self) -> Result<(), ShapeError> {
        if self.frames.is_empty() {
            return Err(ShapeError::Unreadable("it is a core module".into()));
        }
        self.modules += 1;
        if self.modules > MAX_DEFINED {
            return Err(ShapeError::TooLarge(format!("it has more than {MAX_DEFINED} core modules")));
        }
        let mut cost = Cost::default();
        cost.host(1, cost::INSTANCE);
        cost.shape.core_instances = 1;
        self.module = Some(cost);
        self.load(2048)
    }

    fn begin_component(&mut self) -> Result<(), ShapeError> {
        self.components += 1;
        if self.components > MAX_DEFINED {
            return Err(ShapeError::TooLarge(format!("it has more than {MAX_DEFINED} components in it")));
        }
        if self.frames.len() == MAX_NESTING {
            return Err(ShapeError::TooLarge(format!("it nests components more than {MAX_NESTING} deep")));
        }
        let mut frame = Frame::default();
        frame.cost.host(1, cost::COMPONENT);
        frame.cost.component_instances = 1;
        self.frames.push(frame);
        self.load(2048)
    }

    fn end(&mut self) {
        if let Some(cost) = self.module.take() {
            self.costliest_module = self.costliest_module.max(cost.shape.host_bytes);
            if let Some(frame) = self.frames.last_mut() {
                frame.modules.push(Some(cost));
            }
        } else if let Some(Frame { cost, .. }) = self.frames.pop() {
            self.costliest_component = self.costliest_component.max(cost.shape.host_bytes);
            match self.frames.last_mut() {
                Some(frame) => frame.components.push(Some(cost)),
                None => self.root = Some(cost),
            }
        }
    }

    fn in_component(&mut self, payload: &Payload<'_>) -> Result<(), ShapeError> {
        let loaded = match payload {
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    self.core_instance(&instance?)?;
                }
                u64::from(instances.count()) * 256
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    self.instance(&instance?)?;
                }
                u64::from(instances.count()) * 256
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    self.alias(&alias?);
                }
                0
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    match import?.ty {
                        ComponentTypeRef::Module(_) => self.define(|frame| &mut frame.modules, None),
                        ComponentTypeRef::Component(_) => self.define(|frame| &mut frame.components, None),
                        _ => {}
                    }
                }
                u64::from(imports.count()) * 512
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    // An export is an index of its own for what it exports.
                    self.copy(export.kind, 0, export.index);
                }
                u64::from(exports.count()) * 512
            }
            Payload::ComponentCanonicalSection(functions) => {
                if let Some(frame) = self.frames.last_mut() {
                    // A trampoline, a lowering, and what an adapter between two components imports.
                    frame.cost.host(functions.count(), 512);
                }
                u64::from(functions.count()) * 512
            }
            Payload::ComponentTypeSection(types) => u64::from(types.count()) * 256 + types.range().len() as u64 * 16,
            Payload::CoreTypeSection(types) => u64::from(types.count()) * 256 + types.range().len() as u64 * 16,
            _ => 0,
        };
        self.load(loaded)
    }

    fn core_instance(&mut self, instance: &Instance<'_>) -> Result<(), ShapeError> {
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        if let Instance::Instantiate { module_index, .. } = instance {
            match frame.modules.get(*module_index as usize).copied().flatten() {
                Some(cost) => frame.cost.add(&cost),
                None => frame.cost.unknown = true,
            }
        }
        bearable(&frame.cost)
    }

    fn instance(&mut self, instance: &ComponentInstance<'_>) -> Result<(), ShapeError> {
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        if let ComponentInstance::Instantiate { component_index, .. } = instance {
            match frame.components.get(*component_index as usize).copied().flatten() {
                Some(cost) => frame.cost.add(&cost),
                None => frame.cost.unknown = true,
            }
        }
        bearable(&frame.cost)
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => {
                self.define(|frame| &mut frame.modules, None);
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                self.define(|frame| &mut frame.components, None);
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index } => {
                self.copy(ComponentExternalKind::Module, count, index);
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                self.copy(ComponentExternalKind::Component, count, index);
            }
            _ => {}
        }
    }

    /// Gives something of the component `outward` around the present one an index in the present one.
    fn copy(&mut self, kind: ComponentExternalKind, outward: u32, index: u32) {
        let from = self.frames.iter().rev().nth(outward as usize);
        let found = |of: fn(&Frame) -> &Vec<Option<Cost>>| from.and_then(|frame| *of(frame).get(index as usize)?);
        match kind {
            ComponentExternalKind::Module => {
                let cost = found(|frame| &frame.modules);
                self.define(|frame| &mut frame.modules, cost);
            }
            ComponentExternalKind::Component => {
                let cost = found(|frame| &frame.components);
                self.define(|frame| &mut frame.components, cost);
            }
            _ => {}
        }
    }

    fn define(&mut self, of: fn(&mut Frame) -> &mut Vec<Option<Cost>>, cost: Option<Cost>) {
        // Of more than so many the validator refuses the component.
        if let Some(frame) = self.frames.last_mut()
            && of(frame).len() <= MAX_DEFINED
        {
            of(frame).push(cost);
        }
    }

    fn load(&mut self, bytes: u64) -> Result<(), ShapeError> {
        self.loaded_bytes = self.loaded_bytes.saturating_add(bytes);
        if self.loaded_bytes > MAX_LOADED_BYTES {
            return Err(ShapeError::TooLarge(format!(
                "it declares so many types, functions, imports and exports that loading it would take more than {} MiB",
                MAX_LOADED_BYTES >> 20
            )));
        }
        Ok(())
    }

    fn shape(&self, root: Cost) -> Result<Shape, ShapeError> {
        let mut shape = Shape { loaded_bytes: self.loaded_bytes, functions: self.functions, ..root.shape };
        if root.unknown {
            let each = self.costliest_module.saturating_add(self.costliest_component);
            shape.host_bytes = shape.host_bytes.saturating_add(each.saturating_mul(u64::from(MAX_CORE_INSTANCES)));
            shape.core_instances = MAX_CORE_INSTANCES;
        }
        if shape.host_bytes > MAX_HOST_BYTES {
            return Err(ShapeError::TooLarge(format!(
                "its instances would take more than {} MiB of the host's memory beside their own",
                MAX_HOST_BYTES >> 20
            )));
        }
        Ok(shape)
    }
}

impl From<wasmparser::BinaryReaderError> for ShapeError {
    fn from(e: wasmparser::BinaryReaderError) -> Self {
        ShapeError::Unreadable(format!("{} at byte {}", e.message(), e.offset()))
    }
}

fn bearable(cost: &Cost) -> Result<(), ShapeError> {
    if cost.shape.core_instances > MAX_CORE_INSTANCES {
        Err(ShapeError::TooLarge(format!("it instantiates core modules more than {MAX_CORE_INSTANCES} times")))
    } else if cost.component_instances > MAX_COMPONENT_INSTANCES {
        Err(ShapeError::TooLarge(format!("it instantiates components more than {MAX_COMPONENT_INSTANCES} times")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
