//! What several of the bundled collectors need: choosing things by name, and saying a trouble once.
//!
//! It belongs to the bundled collectors alone and promises nothing to others; what an author needs is in `sandbeat_sdk`.

mod filter;
mod notice;

pub use filter::Filter;
pub use notice::Notice;
