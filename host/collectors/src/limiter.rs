//! Counts all memories and tables of a store together, against the collector's limit and everyone's budget.
//!
//! wasmtime's own `StoreLimits` counts each memory apart, so that a component of many small memories may use many
//! times its limit (spin#3705). It sees nothing of what instances cost the host themselves (globals, references to
//! functions); the compiler's estimate of that is charged from the start.

use wasmtime::ResourceLimiter;

use crate::budget::Budget;

/// A table's entry is a pointer.
const TABLE_ENTRY: usize = size_of::<usize>();
/// Core instances, tables and memories of one component; a large one has some dozens.
const MAX_ITEMS: usize = 100;

/// A budget for one store. What it took of everyone's is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    used: usize,
    peak: usize,
    /// What the last granted growth added, in case the operating system refuses it.
    last: usize,
    refused: Option<Refusal>,
    budget: Budget,
}

/// Whose bound a growth met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `limits.memory`.
    Own,
    /// `plugins.budget.memory`.
    Everyones,
}

impl Memory {
    /// `base` bytes are used from the start.
    pub(crate) fn new(limit: u64, base: u64, budget: Budget) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut memory = Memory { limit, used: 0, peak: 0, last: 0, refused: None, budget };
        memory.grow(usize::try_from(base).unwrap_or(usize::MAX));
        memory
    }

    /// Which bound was met since this was last asked to forget.
    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.refused
    }

    /// For the next call of the same store.
    pub(crate) fn forget(&mut self) {
        self.refused = None;
    }

    /// The most that was ever used, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak as u64
    }

    /// What is used now, in bytes.
    pub(crate) fn used(&self) -> u64 {
        self.used as u64
    }

    fn grow(&mut self, more: usize) -> bool {
        self.last = 0;
        let used = self.used.saturating_add(more);
        if used > self.limit {
            self.refused = Some(Refusal::Own);
        } else if !self.budget.take_memory(more) {
            self.refused = Some(Refusal::Everyones);
        } else {
            (self.used, self.last, self.peak) = (used, more, self.peak.max(used));
            return true;
        }
        false
    }

    fn undo(&mut self) {
        let last = std::mem::take(&mut self.last);
        self.used -= last;
        self.budget.give_memory(last);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.budget.give_memory(self.used);
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ENTRY)))
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
    use crate::budget::BudgetConfig;

    fn budget(memory: u64) -> Budget {
        Budget::new(&BudgetConfig { memory, cpu: 1.0 })
    }

    #[test]
    fn memories_and_tables_share_one_budget() {
        let mut memory = Memory::new(1000, 100, budget(5000));
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.table_growing(0, 10, None).unwrap());
        assert_eq!(memory.refused(), None);
        assert!(!memory.memory_growing(400, 500, None).unwrap());
        assert_eq!(memory.refused(), Some(Refusal::Own));
        assert_eq!((memory.used(), memory.peak()), (980, 980));
    }

    #[test]
    fn a_growth_that_the_system_refused_is_given_back() {
        let mut memory = Memory::new(1000, 0, budget(1000));
        for _ in 0..3 {
            assert!(memory.memory_growing(0, 900, None).unwrap());
            memory.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        }
    }

    #[test]
    fn all_stores_share_everyones_budget() {
        let budget = budget(1000);
        let mut one = Memory::new(800, 0, budget.clone());
        let mut two = Memory::new(800, 0, budget.clone());
        assert!(one.memory_growing(0, 700, None).unwrap() && !two.memory_growing(0, 700, None).unwrap());
        assert_eq!(two.refused(), Some(Refusal::Everyones));
        drop(one);
        assert!(two.memory_growing(0, 700, None).unwrap());
        assert_eq!(Memory::new(10, 11, budget).refused(), Some(Refusal::Own));
    }
}
