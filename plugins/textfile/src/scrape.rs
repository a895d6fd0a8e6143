//! What all files say together.
//!
//! Owner: one collect. Files are added in order, and the first one to say something holds: of two points with the same
//! name and attributes the later one is left out, of two families of one name that with another HELP text (as by
//! node_exporter) or another type. What is left out is counted by reason; what is broken is named.
//!
//! Files share the series that there may be within an hour ([`sandbeat_common::Places`]), so that one with ever new labels
//! leaves a quarter of them to the others; a file of which a point has no place is named.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use sandbeat_common::{Places, Share, plain};
use sandbeat_sdk::{Attribute, Point, Value};

use crate::format::{Exposition, Family, Kind};
use crate::points::{self, Reason};

/// Names that are told apart; each costs memory although its points may all have to be left out.
const MAX_NAMES: usize = 5_000;
/// Points of a file without a place, after which no further one is looked at: to find out which still have one would cost
/// too much.
const MAX_WITHOUT_PLACE: u64 = 10_000;
/// What a file may have of the series.
const SHARE: Share = Share { percent: 100, owned_to_free: (3, 1) };
/// How much of a metric's name is shown, in bytes.
const MAX_SHOWN: usize = 100;

/// What was read so far.
#[derive(Debug)]
pub(crate) struct Scrape {
    pub(crate) points: Vec<Point>,
    /// When the content of each good file changed whose path can be reported.
    pub(crate) modified: Vec<(String, Duration)>,
    /// What is broken, in words.
    pub(crate) troubles: Vec<String>,
    /// Files of which a point has no place, with the first such metric's name.
    pub(crate) crowded: BTreeMap<String, String>,
    pub(crate) places: Places,
    room: Room,
    seen: BTreeSet<(String, Vec<(String, String)>)>,
    names: BTreeMap<String, Name>,
    left_out: [u64; Reason::ALL.len()],
}

/// What can still be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) points: u64,
    /// Of the answer's size, as the agent counts it.
    pub(crate) bytes: u64,
    /// Of each point.
    pub(crate) attributes: u64,
}

/// What earlier files say of a name.
#[derive(Debug)]
struct Name {
    kind: Option<Kind>,
    /// A digest of its HELP text.
    help: Option<u64>,
    /// A file had another HELP text, after which node_exporter takes no further one.
    disputed: bool,
    file: String,
}

impl Scrape {
    /// One without points, with room and places for so many, and with the troubles so far.
    pub(crate) fn new(room: Room, places: Places, troubles: &[String]) -> Self {
        Self {
            points: Vec::new(),
            modified: Vec::new(),
            troubles: troubles.to_vec(),
            crowded: BTreeMap::new(),
            places,
            room,
            seen: BTreeSet::new(),
            names: BTreeMap::new(),
            left_out: [0; Reason::ALL.len()],
        }
    }

    /// Adds what a file says.
    pub(crate) fn add(&mut self, file: &str, read: &Exposition<'_>) {
        self.left_out[Reason::Duplicate as usize] += read.duplicates;
        let without_place = self.left_out[Reason::Series as usize];
        let mut used = vec![false; read.families.len()];
        for (family, _) in read.series.keys() {
            used[*family] = true;
        }
        let refused: Vec<_> = read
            .families
            .iter()
            .zip(used)
            .map(|(family, used)| if used { self.name(file, family) } else { None })
            .collect();
        for ((family, labels), data) in &read.series {
            // Whatever else may be wrong with it: to find out would cost more than all that is reported.
            let is_hopeless = self.left_out[Reason::Series as usize] - without_place >= MAX_WITHOUT_PLACE;
            if self.room.points == 0 || is_hopeless {
                let reason = if is_hopeless { Reason::Series } else { Reason::Limit };
                self.left_out[reason as usize] += points::count(&read.families[*family], data);
                continue;
            }
            for point in points::of(&read.families[*family], labels, data, self.room.attributes) {
                match (refused[*family], point) {
                    (Some(reason), _) | (None, Err(reason)) => self.leave_out(reason),
                    (None, Ok(point)) => self.take(file, point),
                }
            }
        }
    }

    /// Adds when the content of a good file changed, which is a point of its own.
    pub(crate) fn add_modified(&mut self, file: &str, modified: Duration) {
        let shown = plain(file);
        if shown.len() > points::MAX_VALUE {
            self.leave_out(Reason::Attributes);
        } else if self.modified.iter().any(|(other, _)| *other == shown) {
            self.leave_out(Reason::Duplicate);
        } else if !self.places.admits(("modified", file), file, SHARE) {
            self.leave_out(Reason::Series);
        } else {
            self.modified.push((shown, modified));
        }
    }

    /// How many points were left out, by reason.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.left_out)
    }

    /// Whether a file was not as it has to be.
    pub(crate) fn has_errors(&self) -> bool {
        !self.troubles.is_empty()
    }

    /// Compares a family with those of its name in earlier files: why it is left out, if it is.
    fn name(&mut self, file: &str, family: &Family<'_>) -> Option<Reason> {
        let help = family.help.map(digest);
        let Some(known) = self.names.get_mut(family.name) else {
            if self.names.len() == MAX_NAMES {
                return Some(Reason::Limit);
            }
            let name = Name { kind: family.kind, help, disputed: false, file: file.to_owned() };
            self.names.insert(family.name.to_owned(), name);
            return None;
        };
        match (known.help, help) {
            (Some(first), Some(help)) if first != help => known.disputed = true,
            (None, Some(help)) => known.help = Some(help),
            _ => {}
        }
        if known.disputed {
            let shown = &family.name[..family.name.len().min(MAX_SHOWN)];
            self.troubles.push(format!("{file}: `{shown}` has another HELP than in {}", known.file));
            return Some(Reason::Help);
        }
        (known.kind != family.kind).then_some(Reason::Type)
    }

    fn take(&mut self, file: &str, point: Point) {
        let attribute = |one: &Attribute| (one.key.clone().into_owned(), one.value.clone());
        let key = (point.name.clone().into_owned(), point.attributes.iter().map(attribute).collect());
        if self.seen.contains(&key) || crate::is_own(&point.name) {
            return self.leave_out(Reason::Duplicate);
        }
        let mut room = self.room;
        if room.take(&point).is_none() {
            return self.leave_out(Reason::Limit);
        }
        if !self.places.admits(&key, file, SHARE) {
            let shown = || point.name[..point.name.len().min(MAX_SHOWN)].to_owned();
            self.crowded.entry(file.to_owned()).or_insert_with(shown);
            return self.leave_out(Reason::Series);
        }
        self.room = room;
        self.seen.insert(key);
        self.points.push(point);
    }

    fn leave_out(&mut self, reason: Reason) {
        self.left_out[reason as usize] += 1;
    }
}

impl Room {
    /// Makes room for a point; nothing when there is none left for it.
    fn take(&mut self, point: &Point) -> Option<()> {
        // Above what the agent counts for a point, an attribute and a bucket beside their texts.
        const POINT: usize = 128;
        const ATTRIBUTE: usize = 32;
        const BUCKET: usize = 16;
        let attributes = point.attributes.iter().map(|one| ATTRIBUTE + one.key.len() + one.value.len());
        let buckets = match &point.value {
            Value::Histogram(distribution) => distribution.counts.len() * BUCKET,
            Value::Gauge(_) | Value::Counter(_) => 0,
        };
        let bytes = POINT + point.name.len() + point.unit.len() + attributes.sum::<usize>() + buckets;
        let points = self.points.checked_sub(1)?;
        let bytes = self.bytes.checked_sub(bytes as u64)?;
        *self = Self { points, bytes, ..*self };
        Some(())
    }
}

fn digest(help: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    help.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use sandbeat_sdk::limits::Limits;
    use sandbeat_sdk::testing::Sandbox;

    use super::*;

    fn places(series: u64) -> Places {
        let limits = Limits { series, ..Limits::default() };
        Sandbox::new().run(|| Places::open("places", &limits, 0, Duration::ZERO))
    }

    fn scrape(points: u64, files: &[(&str, &str)]) -> Scrape {
        let mut scrape = Scrape::new(Room { points, bytes: 1_000_000, attributes: 16 }, places(2_000), &[]);
        for (file, text) in files {
            scrape.add(file, &Exposition::parse(text.as_bytes()).unwrap());
        }
        scrape
    }

    fn left_out(scrape: &Scrape) -> Vec<(Reason, u64)> {
        scrape.left_out().filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn one_name_may_come_from_several_files() {
        let text = |file: &str, help: &str| {
            format!("{help}# TYPE a counter\na{{f=\"{file}\",x=\"1\"}} 1\na{{f=\"{file}\"}} 2\n")
        };
        for (first, second) in [
            ("", ""),
            ("# HELP a A.\n", "# HELP a A.\n"),
            ("# HELP a A.\n", ""),
            ("", "# HELP a A.\n"),
            ("# HELP a \n", "# HELP a \n"),
        ] {
            let scrape = scrape(10, &[("a", &text("a", first)), ("b", &text("b", second))]);
            assert_eq!((scrape.points.len(), left_out(&scrape).len(), scrape.has_errors()), (4, 0, false));
        }
    }

    #[test]
    fn each_file_s_time_takes_a_place_of_its_own() {
        let mut scrape = Scrape::new(Room { points: 1_000, bytes: 1_000_000, attributes: 16 }, places(100), &[]);
        for n in 0..200 {
            scrape.add_modified(&format!("{n}.prom"), Duration::ZERO);
        }
        let admitted = scrape.modified.len() as u64;
        assert!((50..=100).contains(&admitted), "{admitted}");
        assert_eq!(left_out(&scrape), [(Reason::Series, 200 - admitted)]);
    }

    #[test]
    fn after_another_help_no_further_file_is_taken() {
        let text = |n: u32, help: &str| format!("# HELP a {help}\na{{n=\"{n}\"}} 1\nb{{n=\"{n}\"}} 1\n");
        let files = [text(1, "A."), text(2, "A."), text(3, "B."), text(4, "A.")];
        let files: Vec<_> =
            ["1.prom", "2.prom", "3.prom", "4.prom"].into_iter().zip(files.iter().map(String::as_str)).collect();
        let scrape = scrape(10, &files);
        let names: String = scrape.points.iter().map(|point| &*point.name).collect();
        assert_eq!((names.as_str(), left_out(&scrape)), ("ababbb", vec![(Reason::Help, 2)]));
        assert_eq!(scrape.troubles[0], "3.prom: `a` has another HELP than in 1.prom");
    }

    #[test]
    fn the_first_file_holds() {
        let scrape = scrape(
            10,
            &[
                ("1", "a 1\n# TYPE s summary\ns_sum 1\n"),
                ("2", "# TYPE a counter\na{x=\"1\"} 1\n"),
                ("3", "a 2\ns_sum 2\n"),
            ],
        );
        let values: Vec<_> = scrape.points.iter().map(|point| (&*point.name, &point.value)).collect();
        assert_eq!(values, [("a", &Value::Gauge(1.0)), ("s_sum", &Value::Counter(1.0))]);
        assert_eq!(left_out(&scrape), [(Reason::Duplicate, 2), (Reason::Type, 1)]);
        assert!(!scrape.has_errors());
    }

    #[test]
    fn what_is_over_the_limit_is_counted() {
        let summary = "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n";
        let cut = scrape(2, &[("1", "a 1\na 1\nb NaN\nb{x=\"1\"} 1\n"), ("2", "c 1\na 3\n"), ("3", summary)]);
        assert_eq!(cut.points.len(), 2);
        assert_eq!(left_out(&cut), [(Reason::Limit, 5), (Reason::Duplicate, 1), (Reason::Value, 1)]);
        let many: String = (0..MAX_NAMES + 3).map(|n| format!("_{n} 1\n")).collect();
        let cut = scrape(2, &[("1", &many)]);
        assert_eq!(left_out(&cut), [(Reason::Limit, 3), (Reason::Name, MAX_NAMES as u64)]);
    }

    #[test]
    fn a_file_with_many_series_leaves_some_to_the_others() {
        let many: String = (0..50_000).map(|n| format!("a{{n=\"{n}\"}} 1\n")).collect();
        let mut cut = Scrape::new(Room { points: 900, bytes: 1_000_000, attributes: 16 }, places(100), &[]);
        for (file, text) in [("1", &*many), ("2", "b{x=\"1\"} 1\nc 1\n"), ("3", "d 1\n")] {
            cut.add(file, &Exposition::parse(text.as_bytes()).unwrap());
            cut.add_modified(file, Duration::ZERO);
        }
        assert_eq!((cut.points.len(), left_out(&cut)), (75 + 3, vec![(Reason::Series, 50_000 - 75 + 1)]));
    }

    #[test]
    fn an_answer_has_room_for_so_many_bytes() {
        let mut cut = Scrape::new(Room { points: 100, bytes: 1_000, attributes: 16 }, places(2_000), &[]);
        let text: String = (0..4).map(|n| format!("a{{n=\"{n}{}\"}} 1\n", "x".repeat(200))).collect();
        cut.add("1", &Exposition::parse(text.as_bytes()).unwrap());
        assert_eq!((cut.points.len(), left_out(&cut)), (2, vec![(Reason::Limit, 2)]));
    }

    #[test]
    fn a_collector_s_own_metrics_are_its_own() {
        let scrape = scrape(10, &[("1", "node_textfile_scrape_error 0\nnode_textfile_mtime_seconds{file=\"x\"} 1\n")]);
        assert_eq!((scrape.points.len(), left_out(&scrape)), (0, vec![(Reason::Duplicate, 2)]));
    }
}
