//! The collector `load`: how busy the machine under the sandbox is.
//!
//! It reads `/proc/loadavg` and `/proc/pressure/{cpu,memory,io}`. All of it is the kernel's view of the whole machine,
//! not of the sandbox alone. Whatever cannot be read or has another form is absent from the contribution and named in
//! the log at `debug`; when that is everything, the collect ends with the reason why the load averages are not there.

mod loadavg;
mod pressure;

use loadavg::LoadAverage;
use pressure::Pressure;
use sandbeat_sdk::prelude::*;
use sandbeat_sdk::{Point, export};

// The names under which OpenTelemetry's own host metrics receiver reports them; there is no convention yet.
const LOAD_1M: Gauge = Gauge::new(
    "system.cpu.load_average.1m",
    "{thread}",
    "Threads that run, wait for a CPU or wait for a disk, averaged over about 1 minute.",
);
const LOAD_5M: Gauge = Gauge::new(
    "system.cpu.load_average.5m",
    "{thread}",
    "Threads that run, wait for a CPU or wait for a disk, averaged over about 5 minutes.",
);
const LOAD_15M: Gauge = Gauge::new(
    "system.cpu.load_average.15m",
    "{thread}",
    "Threads that run, wait for a CPU or wait for a disk, averaged over about 15 minutes.",
);
const THREADS: Gauge = Gauge::new("system.thread.count", "{thread}", "Threads that exist on the machine.");
const RUNNABLE: Gauge =
    Gauge::new("system.thread.runnable", "{thread}", "Threads of the machine that run or wait for a CPU.");

const RESOURCE: Key = Key::new("system.pressure.resource", "`cpu`, `memory` or `io`.");
const KIND: Key = Key::new("system.pressure.kind", "Who waited: `some` or all (`full`) tasks.");

// No convention, either; formed like the above, with a fraction and seconds where the kernel has percent and µs.
const PRESSURE: Gauge = Gauge::new(
    "system.pressure.average.10s",
    "1",
    "Share of the last 10 seconds in which some or all tasks waited for a resource.",
)
.with_keys(&[RESOURCE, KIND]);
const PRESSURE_TIME: Counter =
    Counter::new("system.pressure.time", "s", "Time since boot in which some or all tasks waited for a resource.")
        .with_keys(&[RESOURCE, KIND]);

struct Load;

impl Collector for Load {
    fn describe() -> Description {
        Description::new(env!("CARGO_PKG_VERSION"), "Load averages and pressure-stall figures of the machine.")
            .with(&LOAD_1M)
            .with(&LOAD_5M)
            .with(&LOAD_15M)
            .with(&THREADS)
            .with(&RUNNABLE)
            .with(&PRESSURE)
            .with(&PRESSURE_TIME)
    }

    fn collect() -> Result<Contribution, Error> {
        config::only(&[])?;
        let mut contribution = Contribution::new();
        let load = read_load();
        if let Ok(load) = &load {
            contribution.extend(load_points(load));
        }
        for resource in ["cpu", "memory", "io"] {
            contribution.extend(pressure_points(resource));
        }
        match load {
            Err(error) if contribution.points.is_empty() => Err(error),
            Err(error) => {
                log::debug!("no load averages: {error}");
                Ok(contribution)
            }
            Ok(_) => Ok(contribution),
        }
    }
}

export!(Load);

fn read_load() -> Result<LoadAverage, Error> {
    let text = files::read_to_string("/proc/loadavg")?;
    LoadAverage::parse(&text).ok_or_else(|| Error::internal(format_args!("/proc/loadavg has another form: {text:?}")))
}

fn load_points(load: &LoadAverage) -> [Point; 5] {
    let [one, five, fifteen] = load.averages;
    [
        LOAD_1M.value(one),
        LOAD_5M.value(five),
        LOAD_15M.value(fifteen),
        THREADS.value(load.threads),
        RUNNABLE.value(load.runnable),
    ]
}

fn pressure_points(resource: &str) -> Vec<Point> {
    let path = format!("/proc/pressure/{resource}");
    let text = match files::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            log::debug!("no pressure of {resource}: {error}");
            return Vec::new();
        }
    };
    let pressures = Pressure::parse(&text);
    if pressures.is_empty() {
        log::debug!("no pressure of {resource}: {path} has another form: {text:?}");
    }
    let measured = pressures.iter().filter(|pressure| pressure.means_something_of(resource));
    let with_attributes =
        |pressure: &Pressure, point: Point| point.attribute(RESOURCE, resource).attribute(KIND, pressure.kind);
    measured
        .flat_map(|pressure| {
            [PRESSURE.value(pressure.average_10s), PRESSURE_TIME.value(pressure.total)]
                .map(|point| with_attributes(pressure, point))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::testing::Sandbox;

    const LOADAVG: &str = "0.52 0.58 0.59 2/1234 5678\n";
    const STALLS: &str = "some avg10=1.50 avg60=0.23 avg300=0.34 total=2500000\n\
                          full avg10=0.25 avg60=0.00 avg300=0.00 total=1000000\n";

    fn collect(mut sandbox: Sandbox) -> Result<Vec<String>, Error> {
        sandbox.run(Load::collect).map(|contribution| contribution.points.iter().map(line).collect())
    }

    fn line(point: &Point) -> String {
        let attributes: Vec<_> = point.attributes.iter().map(|attribute| attribute.value.as_str()).collect();
        format!("{}{attributes:?} = {:?}", point.name, point.value)
    }

    #[test]
    fn load_and_pressure_are_reported() {
        let sandbox = Sandbox::new()
            .file("/proc/loadavg", LOADAVG)
            .file("/proc/pressure/cpu", STALLS)
            .file("/proc/pressure/memory", STALLS)
            .missing("/proc/pressure/io");
        let expected = [
            "system.cpu.load_average.1m[] = Gauge(0.52)",
            "system.cpu.load_average.5m[] = Gauge(0.58)",
            "system.cpu.load_average.15m[] = Gauge(0.59)",
            "system.thread.count[] = Gauge(1234.0)",
            "system.thread.runnable[] = Gauge(2.0)",
            r#"system.pressure.average.10s["cpu", "some"] = Gauge(0.015)"#,
            r#"system.pressure.time["cpu", "some"] = Counter(2.5)"#,
            r#"system.pressure.average.10s["memory", "some"] = Gauge(0.015)"#,
            r#"system.pressure.time["memory", "some"] = Counter(2.5)"#,
            r#"system.pressure.average.10s["memory", "full"] = Gauge(0.0025)"#,
            r#"system.pressure.time["memory", "full"] = Counter(1.0)"#,
        ];
        assert_eq!(collect(sandbox).unwrap(), expected);
    }

    #[test]
    fn a_kernel_without_pressure_figures_still_has_a_load() {
        assert_eq!(collect(Sandbox::new().file("/proc/loadavg", LOADAVG)).unwrap().len(), 5);
    }

    #[test]
    fn an_unreadable_load_leaves_the_pressure() {
        let sandbox = Sandbox::new().file("/proc/loadavg", "?").file("/proc/pressure/io", STALLS);
        assert_eq!(collect(sandbox).unwrap().len(), 4);
    }

    #[test]
    fn nothing_at_all_is_an_error_that_says_who_must_act() {
        assert!(matches!(collect(Sandbox::new()), Err(Error::Denied(text)) if text.contains("`/proc/loadavg`")));
        let missing = Sandbox::new().missing("/proc/loadavg");
        assert!(matches!(collect(missing), Err(Error::Unavailable(_))));
        assert!(matches!(collect(Sandbox::new().file("/proc/loadavg", "1 2")), Err(Error::Internal(_))));
    }

    #[test]
    fn all_that_is_collected_is_described() {
        let described: Vec<_> = Load::describe().metrics.iter().map(|metric| metric.name).collect();
        let mut sandbox = Sandbox::new().file("/proc/loadavg", LOADAVG).file("/proc/pressure/io", STALLS);
        for point in sandbox.run(Load::collect).unwrap().points {
            assert!(described.contains(&&*point.name), "{}", point.name);
        }
    }
}
