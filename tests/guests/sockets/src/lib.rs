//! A collector that uses sockets, in the way that `[config] behaviour` says: no collector is offered any.

use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use sandbeat_sdk::prelude::*;
use wasip2::clocks::monotonic_clock;

const GOOD: Gauge = Gauge::new("test.good", "1", "A good point beside the bad ones.");

struct Sockets;

impl Collector for Sockets {
    fn describe() -> Description {
        Description::new("1.0.0", "Uses sockets.").with(&GOOD)
    }

    fn collect() -> Result<Contribution, Error> {
        let address = config::get("address").ok_or_else(|| Error::config("address", "is missing"))?;
        // Beside the sockets of `std`, so that the component imports two versions of WASI, as many do.
        monotonic_clock::subscribe_duration(1).block();
        match config::get("behaviour").unwrap_or_default().as_str() {
            "connect" => drop(TcpStream::connect(address)?),
            "listen" => drop(TcpListener::bind(address)?),
            "send" => drop(UdpSocket::bind("127.0.0.1:0")?.send_to(b"loot", address)?),
            "look up" => drop(address.to_socket_addrs()?),
            other => return Err(Error::config("behaviour", format_args!("`{other}` is not known"))),
        }
        Ok(Contribution::new().with(GOOD.value(1)))
    }
}

sandbeat_sdk::export!(Sockets);
