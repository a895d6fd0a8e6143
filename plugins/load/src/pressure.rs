//! `/proc/pressure/*`, as the kernel's documentation of pressure-stall information describes it: a line per kind,
//! `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, averages in percent, the total in microseconds.

use std::time::Duration;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pressure {
    /// `some` tasks waited, or all of them (`full`).
    pub(crate) kind: &'static str,
    /// The share of the last 10 seconds, 0 to 1.
    pub(crate) average_10s: f64,
    /// Since boot.
    pub(crate) total: Duration,
}

impl Pressure {
    /// The lines that have the known form.
    pub(crate) fn parse(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::parse_line).collect()
    }

    /// Whether the figure is a measurement: for the CPU of the whole machine `full` is not defined, and the kernel
    /// writes zeros.
    pub(crate) fn means_something_of(&self, resource: &str) -> bool {
        (resource, self.kind) != ("cpu", "full")
    }

    fn parse_line(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let kind = match fields.next()? {
            "some" => "some",
            "full" => "full",
            _ => return None,
        };
        let (mut average, mut total) = (None, None);
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            match key {
                "avg10" => average = value.parse::<f64>().ok().filter(|percent| percent.is_finite()),
                "total" => total = value.parse().ok(),
                _ => {}
            }
        }
        Some(Self { kind, average_10s: average? / 100.0, total: Duration::from_micros(total?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_and_microseconds_become_a_share_and_seconds() {
        let text = "some avg10=12.50 avg60=0.23 avg300=0.34 total=29210385599\nfull avg10=0.00 total=7\n";
        let some = Pressure { kind: "some", average_10s: 0.125, total: Duration::from_micros(29_210_385_599) };
        let full = Pressure { kind: "full", average_10s: 0.0, total: Duration::from_micros(7) };
        assert_eq!(Pressure::parse(text), [some, full]);
    }

    #[test]
    fn a_line_of_another_form_is_left_out() {
        let text = "\nmost avg10=1.00 total=1\nsome avg10=x total=1\nsome avg10=1.00\nfull avg10=1.00 total=-1\n";
        assert_eq!(Pressure::parse(text), []);
    }
}
