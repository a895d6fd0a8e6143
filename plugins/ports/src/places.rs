//! Which ports get a point of their own, so that ports and names that keep changing do not use up `limits.series`.
//!
//! Each pair of port and name is a series of its own, and so is a port without a name. They share the places that there
//! are ([`sandbeat_common::Places`]): an owner gets a new one only where more than four are free for each that he has, and
//! one without his name where more than two are. Ports that the system hands out by itself, to clients of DNS and to tests
//! above all, get no new one once half is taken, and what is new has no name once three quarters are: the same port is
//! the same series then, whatever its owner calls itself.

use std::time::{Duration, SystemTime};

use sandbeat_common::{Places, Share};
use sandbeat_sdk::limits;
use sandbeat_sdk::prelude::*;

use crate::port::Port;

/// Those of Linux (`ip_local_port_range`).
const HANDED_OUT: std::ops::RangeInclusive<u16> = 32_768..=60_999;
/// Of the counts.
const RESERVED: usize = 4;
/// For how long it is said that there were no places, in seconds.
const SAID: u64 = 3600;
const LAST: &str = "last without a place";

/// The places that there are.
pub(crate) struct Room {
    places: Places,
    now: Duration,
    is_short: bool,
}

/// How a port is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point<'a> {
    Named(&'a str),
    Nameless,
}

impl Room {
    pub(crate) fn open() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { places: Places::open("places", &limits::current(), RESERVED, now), now, is_short: false }
    }

    /// How this port of a transport gets its point; nothing where there is no place for it.
    pub(crate) fn point<'a>(&mut self, transport: &str, port: &Port, owner: Option<&'a str>) -> Option<Point<'a>> {
        let is_handed_out = HANDED_OUT.contains(&port.number);
        let mut admits = |name: Option<&str>, share: Share| {
            let series = (transport, port.scope, port.number, name);
            let percent = if is_handed_out { 50 } else { share.percent };
            self.places.admits(series, (owner, name.is_some(), is_handed_out), Share { percent, ..share })
        };
        if let Some(name) = owner.filter(|name| admits(Some(*name), Share { percent: 75, owned_to_free: (1, 4) })) {
            return Some(Point::Named(name));
        }
        let nameless = admits(None, Share { percent: 100, owned_to_free: (1, 2) }).then_some(Point::Nameless);
        self.is_short |= nameless.is_none();
        nameless
    }

    /// Keeps them for the next collect. Whether there was no place for a port, now or within the last hour.
    pub(crate) fn keep(self) -> bool {
        self.places.keep();
        let now = self.now.as_secs();
        let is_lately = |last: u64| now.checked_sub(last).is_some_and(|age| age < SAID);
        if self.is_short && state::save(LAST, &now).is_err() {
            log::debug!("there is no room in the state");
        }
        self.is_short || state::load(LAST).is_some_and(is_lately)
    }
}
