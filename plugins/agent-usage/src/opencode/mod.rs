//! OpenCode: messages in files before 1.2, since then in an SQLite database.
//!
//! - `storage/message/SESSION/MESSAGE.json`, a file for each message, rewritten while it streams;
//! - `opencode.db`, and `opencode-CHANNEL.db` of other channels than the stable one: the tables `message` and, since 2,
//!   `session_message`.
//!
//! `message` says what either means, `database` goes through the tables, `open` knows which rows are looked at again,
//! `snapshot` sees to it that what is read is of one time.

pub(crate) mod database;
mod message;
mod open;
pub(crate) mod snapshot;
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests;

pub(crate) use message::Content;
