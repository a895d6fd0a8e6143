//! Counts all memories and tables of a store together.
//!
//! wasmtime's own `StoreLimits` counts each memory apart, so that a component of many small memories may use many
//! times its limit (spin#3705).

use wasmtime::ResourceLimiter;

/// A table's entry is a pointer.
const TABLE_ENTRY: usize = size_of::<usize>();
/// Core instances, tables and memories of one component; a large one has some dozens. Each instance costs memory of
/// the host's, by the number of its globals and functions, that the budget does not see.
const MAX_ITEMS: usize = 100;

/// A budget for one store.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    used: usize,
    /// What the last granted growth added, in case the operating system refuses it.
    last: usize,
    refused: bool,
}

impl Memory {
    pub(crate) fn new(limit: u64) -> Self {
        Memory { limit: usize::try_from(limit).unwrap_or(usize::MAX), used: 0, last: 0, refused: false }
    }

    /// Whether more was asked for than the limit allows, at any time.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, current: usize, desired: usize, unit: usize) -> bool {
        let more = desired.saturating_sub(current).saturating_mul(unit);
        let used = self.used.saturating_add(more);
        if used > self.limit {
            self.refused = true;
            self.last = 0;
            return false;
        }
        self.used = used;
        self.last = more;
        true
    }

    fn undo(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last));
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, 1))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, TABLE_ENTRY))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn instances(&self) -> usize {
        MAX_ITEMS
    }

    fn tables(&self) -> usize {
        MAX_ITEMS
    }

    fn memories(&self) -> usize {
        MAX_ITEMS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_budget() {
        let mut memory = Memory::new(1000);
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.table_growing(0, 10, None).unwrap());
        assert!(!memory.refused());
        assert!(!memory.memory_growing(400, 600, None).unwrap());
        assert!(memory.refused());
    }

    #[test]
    fn a_growth_that_the_system_refused_is_given_back() {
        let mut memory = Memory::new(1000);
        assert!(memory.memory_growing(0, 900, None).unwrap());
        memory.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(memory.memory_growing(0, 900, None).unwrap());
    }
}
