//! Whether reports are made late, and when that is worth a line in the log: pure.

use std::time::Duration;

/// What an operator has to know of. Below it, the figures of `/metrics` tell.
const WORTH_TELLING: Duration = Duration::from_secs(1);
/// So many in time, one after the other, are the end of it: a machine that is on the edge would be told of all the
/// time.
const IN_TIME: u32 = 3;

/// How late the last reports were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lateness {
    trouble: Option<Trouble>,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    late: u64,
    worst: Duration,
    in_time: u32,
}

/// A change that the operator wants to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A report was made so late.
    Late(Duration),
    /// Reports are made in time again.
    InTime {
        /// How many were not.
        late: u64,
        /// How late the latest of them was.
        worst: Duration,
    },
}

impl Lateness {
    /// Notes how late a report was made. One that could not be in time, because everything stood still, is not noted.
    pub(crate) fn note(&mut self, by: Duration) -> Option<Change> {
        let is_late = by > WORTH_TELLING;
        match &mut self.trouble {
            None if is_late => {
                self.trouble = Some(Trouble { late: 1, worst: by, in_time: 0 });
                Some(Change::Late(by))
            }
            None => None,
            Some(trouble) if is_late => {
                *trouble = Trouble { late: trouble.late + 1, worst: trouble.worst.max(by), in_time: 0 };
                None
            }
            Some(trouble) => {
                trouble.in_time += 1;
                let Trouble { late, worst, in_time } = *trouble;
                (in_time >= IN_TIME).then(|| {
                    self.trouble = None;
                    Change::InTime { late, worst }
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_late_is_told_once_and_when_it_is_over() {
        let mut lateness = Lateness::default();
        let mut note = |millis| lateness.note(Duration::from_millis(millis));
        assert_eq!((note(0), note(1000)), (None, None));
        assert_eq!(note(1200), Some(Change::Late(Duration::from_millis(1200))));
        assert_eq!((note(5000), note(1), note(2), note(2000)), (None, None, None, None));
        assert_eq!((note(1), note(1)), (None, None));
        assert_eq!(note(1), Some(Change::InTime { late: 3, worst: Duration::from_secs(5) }));
        assert_eq!(note(1), None);
    }
}
