//! The collector `net`: traffic per network interface, from `/proc/net/dev`.
//!
//! Which interfaces it reports is configured, all but `lo` by default; a wrong configuration ends the collect with an
//! error that names the key. When the operator chose interfaces and none of them is there, that is `unavailable`; a sandbox
//! with nothing but loopback contributes nothing. More interfaces than a contribution has room for are cut in the
//! kernel's order, and the log says so once per change.

mod device;

use device::{Device, Traffic};
use sandbeat_common::{Filter, Notice};
use sandbeat_sdk::prelude::*;
use sandbeat_sdk::{Point, export};

// Names, units and attributes from OpenTelemetry's semantic conventions for system metrics.
const INTERFACE: Key = Key::new("network.interface.name", "The interface, such as `eth0`.");
const DIRECTION: Key = Key::new("network.io.direction", "`receive` or `transmit`.");
const KEYS: &[Key] = &[INTERFACE, DIRECTION];
const IO: Counter = Counter::new("system.network.io", "By", "Bytes received and transmitted.").with_keys(KEYS);
const PACKETS: Counter =
    Counter::new("system.network.packet.count", "{packet}", "Packets received and transmitted.").with_keys(KEYS);
const ERRORS: Counter =
    Counter::new("system.network.errors", "{error}", "Errors while receiving and transmitting.").with_keys(KEYS);
const DROPPED: Counter = Counter::new(
    "system.network.packet.dropped",
    "{packet}",
    "Packets that were dropped although nothing was wrong with them.",
)
.with_keys(KEYS);

/// Eight points each, of the 1,000 that a contribution may have.
const MAX_INTERFACES: usize = 125;

struct Net;

impl Collector for Net {
    fn describe() -> Description {
        Description::new(env!("CARGO_PKG_VERSION"), "Traffic, errors and drops per network interface.")
            .with(&IO)
            .with(&PACKETS)
            .with(&ERRORS)
            .with(&DROPPED)
    }

    fn collect() -> Result<Contribution, Error> {
        let filter = Filter::from_config("interfaces")?;
        let text = files::read_to_string("/proc/net/dev")?;
        let devices = Device::parse(&text)
            .ok_or_else(|| Error::internal("/proc/net/dev has another form than the one with 16 figures per line"))?;

        let mut chosen: Vec<_> =
            devices.iter().filter(|device| filter.takes(device.name, device.name != "lo")).collect();
        if chosen.is_empty() && filter.is_a_choice() {
            let names: Vec<_> = devices.iter().map(|device| device.name).collect();
            let names = names.join(", ");
            return Err(Error::unavailable(format_args!("no interface is as configured; there are: {names}")));
        }
        say_what_is_cut(chosen.len());
        chosen.truncate(MAX_INTERFACES);

        let mut contribution = Contribution::new();
        for device in chosen {
            contribution.extend(points(device.name, "receive", &device.received));
            contribution.extend(points(device.name, "transmit", &device.transmitted));
        }
        Ok(contribution)
    }
}

export!(Net);

fn points(interface: &str, direction: &str, traffic: &Traffic) -> [Point; 4] {
    [
        IO.value(traffic.bytes),
        PACKETS.value(traffic.packets),
        ERRORS.value(traffic.errors),
        DROPPED.value(traffic.dropped),
    ]
    .map(|point| point.attribute(INTERFACE, interface).attribute(DIRECTION, direction))
}

fn say_what_is_cut(interfaces: usize) {
    const CUT: Notice = Notice::new("cut");
    let line = format!("only the first {MAX_INTERFACES} interfaces are reported; choose with `interfaces`");
    CUT.warn((interfaces > MAX_INTERFACES).then_some(&line));
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::Value;
    use sandbeat_sdk::testing::Sandbox;

    const DEV: &str = "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
         lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n  \
         eth0: 9007199254740991 11 12 13 0 0 0 0 21 22 23 24 0 0 0 0\n";

    fn names(sandbox: &mut Sandbox) -> Result<Vec<String>, Error> {
        let contribution = sandbox.run(Net::collect)?;
        let mut names: Vec<_> = contribution.points.iter().map(|point| point.attributes[0].value.clone()).collect();
        names.dedup();
        Ok(names)
    }

    #[test]
    fn each_interface_has_eight_points() {
        let mut sandbox = Sandbox::new().file("/proc/net/dev", DEV);
        let points = sandbox.run(Net::collect).unwrap().points;
        let lines: Vec<_> = points
            .iter()
            .map(|point| {
                let Value::Counter(value) = point.value else { panic!("{point:?}") };
                (&*point.name, point.attributes[0].value.as_str(), point.attributes[1].value.as_str(), value)
            })
            .collect();
        let expected = [
            ("system.network.io", "eth0", "receive", 9_007_199_254_740_991.0),
            ("system.network.packet.count", "eth0", "receive", 11.0),
            ("system.network.errors", "eth0", "receive", 12.0),
            ("system.network.packet.dropped", "eth0", "receive", 13.0),
            ("system.network.io", "eth0", "transmit", 21.0),
            ("system.network.packet.count", "eth0", "transmit", 22.0),
            ("system.network.errors", "eth0", "transmit", 23.0),
            ("system.network.packet.dropped", "eth0", "transmit", 24.0),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_operator_chooses_the_interfaces() {
        let sandbox = || Sandbox::new().file("/proc/net/dev", DEV);
        assert_eq!(names(&mut sandbox().config("interfaces", "lo")).unwrap(), ["lo"]);
        assert_eq!(names(&mut sandbox().config("interfaces", "*")).unwrap(), ["lo", "eth0"]);
        assert_eq!(names(&mut sandbox().config("interfaces", r#"["l?","eth*"]"#)).unwrap(), ["lo", "eth0"]);
        assert_eq!(names(&mut sandbox().config("exclude", "eth*")).unwrap(), [""; 0]);
        let error = names(&mut sandbox().config("interfaces", "wlan*")).unwrap_err();
        assert_eq!(error, Error::Unavailable("no interface is as configured; there are: lo, eth0".into()));
    }

    #[test]
    fn a_wrong_configuration_names_its_key() {
        for (key, value) in [("interfaces", "[1]"), ("interfaces", "[]"), ("exclude", ""), ("exclude", "eth[0-9]")] {
            let mut sandbox = Sandbox::new().file("/proc/net/dev", DEV).config(key, value);
            let error = names(&mut sandbox).unwrap_err();
            assert!(matches!(&error, Error::Config(text) if text.starts_with(&format!("`{key}` "))), "{error:?}");
        }
    }

    #[test]
    fn a_missing_grant_and_another_form_are_told_apart() {
        assert!(matches!(names(&mut Sandbox::new()), Err(Error::Denied(_))));
        assert!(matches!(names(&mut Sandbox::new().file("/proc/net/dev", "eth0: 1 2\n")), Err(Error::Internal(_))));
    }

    #[test]
    fn too_many_interfaces_are_cut_and_said_once() {
        let lines: Vec<_> = (0..200).map(|n| format!("veth{n}: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")).collect();
        let mut sandbox = Sandbox::new().file("/proc/net/dev", format!("|\n|\n{}", lines.concat()));
        assert_eq!(names(&mut sandbox).unwrap().len(), MAX_INTERFACES);
        assert_eq!(names(&mut sandbox).unwrap().len(), MAX_INTERFACES);
        assert_eq!(sandbox.lines().len(), 1, "{:?}", sandbox.lines());
        let mut sandbox = sandbox.config("interfaces", "veth1?");
        assert_eq!(names(&mut sandbox).unwrap().len(), 10);
    }
}
