//! `/proc/net/dev`, as proc(5) describes it: two lines of headings, then 16 figures per interface.

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device<'a> {
    /// Its name, such as `eth0`.
    pub(crate) name: &'a str,
    /// What came in.
    pub(crate) received: Traffic,
    /// What went out.
    pub(crate) transmitted: Traffic,
}

/// Totals of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    pub(crate) errors: u64,
    pub(crate) dropped: u64,
}

impl<'a> Device<'a> {
    /// Nothing when any line has another form: a figure in the wrong column would be an invented one.
    pub(crate) fn parse(text: &'a str) -> Option<Vec<Self>> {
        text.lines().filter(|line| !line.contains('|')).map(Self::parse_line).collect()
    }

    fn parse_line(line: &'a str) -> Option<Self> {
        let (name, figures) = line.rsplit_once(':')?;
        let figures: Vec<u64> =
            figures.split_ascii_whitespace().map(|figure| figure.parse().ok()).collect::<Option<_>>()?;
        let [rb, rp, re, rd, _, _, _, _, tb, tp, te, td, _, _, _, _] = figures[..] else { return None };
        Some(Self {
            name: name.trim(),
            received: Traffic { bytes: rb, packets: rp, errors: re, dropped: rd },
            transmitted: Traffic { bytes: tb, packets: tp, errors: te, dropped: td },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_may_follow_the_colon_at_once() {
        let text = "x|y\n z|\neth0:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        let device = Device {
            name: "eth0",
            received: Traffic { bytes: u64::MAX, packets: 2, errors: 3, dropped: 4 },
            transmitted: Traffic { bytes: 9, packets: 10, errors: 11, dropped: 12 },
        };
        assert_eq!(Device::parse(text), Some(vec![device]));
    }

    #[test]
    fn another_number_of_columns_is_another_form() {
        for line in ["eth0", "eth0: 1 2 3", "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "eth0: a"] {
            assert_eq!(Device::parse(line), None, "{line}");
        }
        assert_eq!(Device::parse(""), Some(vec![]));
    }
}
