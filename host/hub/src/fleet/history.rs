//! The last hour of a sandbox: its highest CPU and memory use in each minute of the hub's wall clock, in 184 bytes.
//!
//! A minute without a report is empty. The clock may be set: forward, and the minutes between are empty; back, and
//! what was noted of minutes that are the future again is forgotten, but for one, since reports that arrive together
//! may be noted in another order.

use jiff::Timestamp;

use super::query::Minute;

/// So many minutes.
const MINUTES: u32 = 60;
/// What [`History::to_bytes`] writes first.
const VERSION: u8 = 2;
/// Of twelve bits, the last.
const NONE: u16 = 0xfff;
/// 8 TiB in MiB, about: the largest [`short`] number but [`NONE`].
const MOST_SHORT: u64 = (0x100 | 0xfe) << 14;

/// The last hour.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct History {
    /// The newest minute, counted from 1970.
    newest: u32,
    /// By the minute, modulo their number.
    points: [Point; MINUTES as usize],
}

/// Twelve bits of CPU use, in tenths of a percent, and twelve of memory, as [`short`] has it; either may be [`NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point([u8; 3]);

const EMPTY: Point = Point::of(NONE, NONE);

impl Default for History {
    /// An hour with nothing in it yet.
    fn default() -> Self {
        History { newest: 0, points: [EMPTY; MINUTES as usize] }
    }
}

impl History {
    /// Notes a report.
    pub(super) fn note(&mut self, at: Timestamp, cpu_percent: Option<f64>, memory_mb: Option<u64>) {
        let minute = minute_of(at);
        if minute > self.newest {
            self.clear(self.newest.max(minute.saturating_sub(MINUTES)) + 1, minute);
            self.newest = minute;
        } else if minute + 1 < self.newest {
            self.clear(minute + 1, self.newest.min(minute + MINUTES));
            self.newest = minute;
        }
        let point = &mut self.points[(minute % MINUTES) as usize];
        let (cpu, memory) = (cpu_percent.map(tenths), memory_mb.map(short));
        *point = Point::of(highest(point.cpu(), cpu), highest(point.memory(), memory));
    }

    /// What is known of the hour before a moment, the oldest first.
    pub(super) fn minutes(&self, now: Timestamp) -> Vec<Minute> {
        let now = minute_of(now);
        let known = |minute: u32| {
            let point = self.points[(minute % MINUTES) as usize];
            let at = Timestamp::from_second(i64::from(minute) * 60).ok()?;
            let cpu_percent = (point.cpu() != NONE).then(|| f64::from(point.cpu()) / 10.0);
            let memory_mb = (point.memory() != NONE).then(|| long(point.memory()));
            (cpu_percent.is_some() || memory_mb.is_some()).then_some(Minute { at, cpu_percent, memory_mb })
        };
        let first = self.newest.max(now).saturating_sub(MINUTES - 1);
        (first..=self.newest.min(now)).filter_map(known).collect()
    }

    /// In a form that outlives the hub.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.newest.to_le_bytes());
        // From the newest back, so that a young sandbox has few.
        let minutes = (0..MINUTES).map_while(|age| self.newest.checked_sub(age));
        let back = minutes.map(|minute| self.points[(minute % MINUTES) as usize]);
        let mut known = 0;
        for (count, point) in (1..).zip(back.clone()) {
            known = if point == EMPTY { known } else { count };
        }
        back.take(known).for_each(|point| bytes.extend(point.0));
        bytes
    }

    /// Reads what [`History::to_bytes`] wrote; `None` where it is something else.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (newest, points) = bytes.strip_prefix(&[VERSION])?.split_first_chunk::<4>()?;
        let (points, []) = points.as_chunks::<3>() else { return None };
        let mut history = History { newest: u32::from_le_bytes(*newest), ..History::default() };
        if points.len() > MINUTES as usize {
            return None;
        }
        for (age, point) in (0..).zip(points) {
            let place = history.newest.checked_sub(age)? % MINUTES;
            history.points[place as usize] = Point(*point);
        }
        Some(history)
    }

    /// Forgets from one minute to another, 60 at most.
    fn clear(&mut self, from: u32, to: u32) {
        (from..=to).for_each(|minute| self.points[(minute % MINUTES) as usize] = EMPTY);
    }
}

impl Point {
    const fn of(cpu: u16, memory: u16) -> Self {
        let ([low, high], [rest, most]) = (cpu.to_le_bytes(), (memory << 4).to_le_bytes());
        Point([low, high | rest, most])
    }

    fn cpu(self) -> u16 {
        u16::from_le_bytes([self.0[0], self.0[1] & 0xf])
    }

    fn memory(self) -> u16 {
        u16::from_le_bytes([self.0[1], self.0[2]]) >> 4
    }
}

/// Minutes since 1970; the years before are its first minute.
fn minute_of(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().div_euclid(60)).unwrap_or(0)
}

fn highest(present: u16, other: Option<u16>) -> u16 {
    match other {
        Some(other) if present == NONE || other > present => other,
        _ => present,
    }
}

/// Percent in tenths, 409.4 % at most.
fn tenths(percent: f64) -> u16 {
    // A cast is bounded by its type; what is no number is 0.
    ((percent * 10.0).round() as u16).min(NONE - 1)
}

/// A number in twelve bits: exact below 512, to a fifth of a percent above, as its nine highest bits, of which the first
/// goes without saying, and how often they are doubled.
fn short(number: u64) -> u16 {
    let (mut bits, mut doublings) = (number.min(MOST_SHORT), 0_u16);
    while bits >= 512 {
        // Rounded once, by the last bit that goes.
        let last = bits < 1024;
        bits = (bits >> 1) + if last { bits & 1 } else { 0 };
        doublings += 1;
    }
    match bits {
        0..256 => bits as u16,
        _ => (doublings + 1) << 8 | bits as u16 & 0xff,
    }
}

/// The number of a [`short`] one.
fn long(short: u16) -> u64 {
    let bits = u64::from(short & 0xff);
    match short >> 8 {
        0 => bits,
        above => (0x100 | bits) << (above - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60 + 30).unwrap()
    }

    /// A history to which a minute's own number was reported as its CPU use in tenths.
    fn of(minutes: impl IntoIterator<Item = i64>) -> History {
        let mut history = History::default();
        minutes.into_iter().for_each(|minute| history.note(at(minute), Some(minute as f64 / 10.0), None));
        history
    }

    fn seen(history: &History, now: i64) -> Vec<i64> {
        history.minutes(at(now)).iter().map(|minute| minute.at.as_second() / 60).collect()
    }

    #[test]
    fn a_minute_has_its_highest_figures_and_what_was_not_reported_is_absent() {
        let mut history = of([]);
        assert_eq!(history.minutes(at(100)), []);
        history.note(at(100), Some(12.345), None);
        history.note(at(100), Some(7.0), Some(512));
        history.note(at(100), None, Some(100));
        history.note(at(101), Some(100_000.0), Some(1 << 30));
        history.note(at(102), None, None);
        let minutes = history.minutes(at(103));
        assert_eq!((minutes.len(), minutes[0].cpu_percent, minutes[0].memory_mb), (2, Some(12.3), Some(512)));
        assert_eq!((minutes[1].cpu_percent, minutes[1].memory_mb), (Some(409.4), Some(MOST_SHORT)));
    }

    #[test]
    fn an_hour_is_kept_and_gaps_are_gaps() {
        let history = of((0..200).filter(|minute| minute % 3 == 0));
        assert_eq!(seen(&history, 199), (140..200).filter(|minute| minute % 3 == 0).collect::<Vec<_>>());
        assert_eq!(seen(&history, 250), (191..200).filter(|minute| minute % 3 == 0).collect::<Vec<_>>());
        assert!(seen(&history, 400).is_empty());
        assert!(history.minutes(at(199)).iter().all(|m| m.cpu_percent == Some(m.at.as_second() as f64 / 600.0)));
    }

    #[test]
    fn a_clock_that_is_set_leaves_nothing_wrong_behind() {
        let hour = || 1000..1060;
        assert_eq!(seen(&of(hour().chain([1100])), 1100), (1041..1060).chain([1100]).collect::<Vec<_>>());
        assert_eq!(seen(&of(hour().chain([1_000_000])), 1_000_000), [1_000_000]);
        assert_eq!(seen(&of(hour().chain([1030])), 1030), (1000..=1030).collect::<Vec<_>>());
        assert_eq!(seen(&of(hour().chain([1030, 1050])), 1050), (1000..=1030).chain([1050]).collect::<Vec<_>>());
        assert_eq!(seen(&of(hour().chain([5])), 5), [5]);
        assert!(
            seen(&of(hour().chain([5])), 1059).is_empty(),
            "a clock that is right again finds none of another time"
        );
        assert_eq!(seen(&of(hour().chain([1058, 1060])), 1060), (1001..=1060).collect::<Vec<_>>(), "late by a moment");
        assert_eq!(seen(&of(hour()), 1010), (1000..=1010).collect::<Vec<_>>(), "no figures of the future");
        assert_eq!(seen(&of([-5, 3]), 3), [0, 3]);
    }

    #[test]
    fn it_outlives_the_hub() {
        for history in [of([]), of([5]), of(1000..1060), of((0..300).step_by(7)), of([1000, 1020])] {
            let bytes = history.to_bytes();
            assert!(bytes.len() <= 185);
            assert_eq!(History::from_bytes(&bytes), Some(history));
        }
        assert_eq!(of([7, 9]).to_bytes().len(), 5 + 3 * 3, "a short one is short");
        let good = of(1000..1060).to_bytes();
        for bad in
            [&[][..], &[1], &good[..1], &good[..7], &[&good[..], &[0; 3]].concat(), &[2, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2]]
        {
            assert_eq!(History::from_bytes(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn memory_is_exact_to_a_fifth_of_a_percent() {
        for number in
            (0..5000).chain((0..13).map(|shift| (1 << 10 << shift) - 1)).chain([70_001, 7_654_321, MOST_SHORT])
        {
            let (number, read) = (number as f64, long(short(number)) as f64);
            assert!((read - number).abs() <= number * 0.002, "{number} {read}");
        }
        assert_eq!((long(short(511)), long(short(513))), (511, 514));
        assert_eq!((short(u64::MAX), long(short(u64::MAX))), (NONE - 1, MOST_SHORT));
    }
}
