//! What the hub costs: reports per second beside a server that only parses them, memory for each sandbox, and how soon
//! a loss is noticed.
//!
//! The hub is the released binary in a process of its own, with its data on disk and a token for each sandbox; what
//! reports to it is the load generator of `tests/load`, in this process, with the agent's own reports.

mod bare;
mod loss;
mod process;
mod rate;
mod size;

pub use self::bare::{BARE, bare};
pub use self::rate::Beside;
use crate::agent::Binary;
use crate::table::Row;

/// Adds all of it to `rows`, with fleets of these sizes for what depends on the size, and `beside` a server that runs
/// already.
///
/// # Errors
/// A hub does not run, or does not take what it should; what was measured until then is there.
pub fn measure(binary: &Binary, sizes: &[u32], beside: Option<&Beside>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    rows.extend(rate::measure(binary, beside)?);
    for size in sizes {
        size::measure(binary, *size, rows)?;
    }
    Ok(())
}
