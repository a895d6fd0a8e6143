//! The agent in this process, real sockets on loopback, and a hub that does as it is told.

#[cfg(test)]
mod api;
#[cfg(test)]
mod beats;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod delta;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod token;
