//! What was measured beside what was wanted, as a Markdown table. Pure.

use std::fmt::{self, Write};

use crate::stats::Distribution;

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Of time; shown in milliseconds from a thousand on.
    Microseconds,
    /// Of memory: 10⁶ bytes.
    Megabytes,
    /// Of memory.
    Bytes,
    /// Of what is done; more is better.
    PerSecond,
}

/// What our own figure may be at most, or has to be at least.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Target {
    /// In the row's unit.
    pub at_most: Option<f64>,
    /// Of the peer's.
    pub share_of_peer: Option<f64>,
    /// Of the peer's, where more is better.
    pub least_share_of_peer: Option<f64>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In words.
    pub what: String,
    /// What the figures are measured in.
    pub unit: Unit,
    /// Ours.
    pub ours: Distribution,
    /// What does the same in the same run.
    pub peer: Option<(String, Distribution)>,
    /// None: the row is there to be compared with others.
    pub target: Target,
}

impl Row {
    /// Our median in relation to the peer's.
    pub fn ratio(&self) -> Option<f64> {
        self.peer.as_ref().map(|(_, peer)| self.ours.median() / peer.median())
    }

    /// How much our median is over the target that it misses by most: 1 and less is a pass. `None`: there is none.
    pub fn over(&self) -> Option<f64> {
        let Target { at_most, share_of_peer, least_share_of_peer } = self.target;
        let absolute = at_most.map(|most| self.ours.median() / most);
        let relative = share_of_peer.zip(self.ratio()).map(|(most, ratio)| ratio / most);
        let under = least_share_of_peer.zip(self.ratio()).map(|(least, ratio)| least / ratio);
        [absolute, relative, under].into_iter().flatten().reduce(f64::max)
    }

    fn cells(&self) -> [String; 6] {
        let peer = self.peer.as_ref().map(|(name, peer)| format!("{name}: {}", self.unit.shown(peer)));
        let wanted = [
            self.target.at_most.map(|most| format!("≤ {}", self.unit.one(most))),
            self.target.share_of_peer.map(|most| format!("≤ {most} of the peer")),
            self.target.least_share_of_peer.map(|least| format!("≥ {least} of the peer")),
        ];
        let verdict = match self.over() {
            None => String::new(),
            Some(over) if over <= 1.0 => "PASS".into(),
            Some(over) if self.target.least_share_of_peer.is_some() => format!("MISS, by {}", digits(over)),
            Some(over) => format!("MISS, {} times it", digits(over)),
        };
        [
            self.what.clone(),
            self.unit.shown(&self.ours),
            peer.unwrap_or_default(),
            self.ratio().map(digits).unwrap_or_default(),
            wanted.into_iter().flatten().collect::<Vec<_>>().join(", "),
            verdict,
        ]
    }
}

impl Unit {
    /// The median, and the quarters around it where there is more than one measurement.
    fn shown(self, distribution: &Distribution) -> String {
        let median = self.one(distribution.median());
        if distribution.count() == 1 {
            return median;
        }
        let (low, high) = (distribution.quantile(0.25), distribution.quantile(0.75));
        format!("{median} ({} to {})", self.one(low), self.one(high))
    }

    fn one(self, figure: f64) -> String {
        match self {
            Unit::Megabytes => format!("{} MB", digits(figure)),
            Unit::Bytes => format!("{} B", digits(figure)),
            Unit::PerSecond => format!("{}/s", digits(figure)),
            Unit::Microseconds if figure < 1000.0 => format!("{} µs", digits(figure)),
            Unit::Microseconds => format!("{} ms", digits(figure / 1000.0)),
        }
    }
}

/// The rows as Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    let titles = ["figure", "sandbeat", "peer", "ratio", "target", ""].map(str::to_owned);
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}|---|---|---|---|---|---|", Line(&titles));
    for row in rows {
        let _ = write!(text, "{}", Line(&row.cells()));
    }
    text
}

struct Line<'a>(&'a [String; 6]);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.0.join(" | "))
    }
}

/// Three significant digits.
fn digits(figure: f64) -> String {
    let places = match figure.abs() {
        huge if huge >= 100.0 => 0,
        large if large >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    format!("{figure:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: &[f64], peer: Option<f64>, target: Target) -> Row {
        let distribution = |all: &[f64]| Distribution::of(all.iter().copied()).unwrap();
        Row {
            what: "a call".into(),
            unit: Unit::Microseconds,
            ours: distribution(ours),
            peer: peer.map(|peer| ("other".into(), distribution(&[peer]))),
            target,
        }
    }

    #[test]
    fn a_row_passes_when_it_meets_all_of_its_targets() {
        let target = Target { at_most: Some(5.0), share_of_peer: Some(0.35), ..Target::default() };
        assert!(row(&[3.0], Some(10.0), target).over().unwrap() <= 1.0);
        assert_eq!(row(&[10.0], Some(100.0), target).over(), Some(2.0));
        assert_eq!(row(&[3.5], Some(5.0), target).over(), Some(2.0));
        assert_eq!(row(&[3.0], Some(10.0), Target::default()).over(), None);
        let unmet = Target { share_of_peer: Some(0.5), ..Target::default() };
        assert_eq!(row(&[3.0], None, unmet).over(), None);
    }

    #[test]
    fn where_more_is_better_a_row_passes_with_enough() {
        let target = Target { least_share_of_peer: Some(0.5), ..Target::default() };
        assert_eq!(row(&[60.0], Some(100.0), target).over(), Some(0.5 / 0.6));
        let text = markdown(&[row(&[25.0], Some(100.0), target)]);
        assert!(text.ends_with("| 0.250 | ≥ 0.5 of the peer | MISS, by 2.00 |\n"), "{text}");
    }

    #[test]
    fn figures_are_shown_as_people_read_them() {
        let target = Target { at_most: Some(2000.0), share_of_peer: Some(0.35), ..Target::default() };
        let spread = [700.0, 1000.0, 1234.5, 4000.0, 5000.0];
        let text = markdown(&[row(&spread, Some(52.25), target), row(&[0.5], None, Target::default())]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[2],
            "| a call | 1.23 ms (1.00 ms to 4.00 ms) | other: 52.2 µs | 23.6 | ≤ 2.00 ms, ≤ 0.35 of the peer | \
             MISS, 67.5 times it |"
        );
        assert_eq!(lines[3], "| a call | 0.500 µs |  |  |  |  |");
    }
}
