//! The agent in this process, real sockets on loopback, and a hub that does as it is told.

#[cfg(test)]
mod api;
#[cfg(test)]
mod beats;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod support;
