//! What several of the bundled collectors need: choosing things by name, carrying names that
//! others chose, sharing what may be reported among those who make it, and saying a trouble once.
//!
//! It belongs to the bundled collectors alone and promises nothing to others; what an author needs is in `sandbeat_sdk`.

mod filter;
mod name;
mod notice;
mod places;

pub use filter::Filter;
pub use name::{encoded, plain, plain_within};
pub use notice::Notice;
pub use places::{Places, Share};
pub use sandbeat_text::is_plain;
