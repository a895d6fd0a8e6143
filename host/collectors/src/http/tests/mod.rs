//! Requests as a guest makes them, against real servers on loopback.

mod grants;
mod guest;
mod limits;
mod server;
