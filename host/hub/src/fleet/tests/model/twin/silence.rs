//! What silence changes in the model: who is due, who is held by a doubt, and who is lost in any case.

use super::{Told, Trust, Twin, Twins, millis};
use crate::event::Kind;
use crate::liveness::Standing;

/// How finely silence is judged, in milliseconds.
const TICK: u64 = 100;

impl Twins {
    pub(in super::super) fn expire(&mut self, now: u64) -> Told {
        let mut told = Vec::new();
        self.judged = self.judged.max(now);
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            let due = self.find(id).is_some_and(|twin| self.is_past_first(twin, now));
            if let Some(twin) = self.all.get_mut(id).filter(|_| due) {
                twin.seen_due.get_or_insert(now);
            }
        }
        self.review(now, &mut told);
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            if self.find(id).is_some_and(|twin| self.is_final(twin, now)) {
                self.look(id, now, &mut told);
            }
        }
        // Those that are lost are not silent any more.
        self.review(now, &mut told);
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            self.look(id, now, &mut told);
        }
        self.review(now, &mut told);
        told
    }

    /// That silence means something in the end: nobody is waited for longer than `suspect_hold` after it was seen that
    /// its time is over, whatever happened since.
    pub(in super::super) fn nobody_is_hidden(&self, now: u64) -> bool {
        let hold = millis(self.rules.suspect_hold);
        let hidden = |twin: &Twin| twin.standing == Standing::Live && twin.seen_due.is_some_and(|at| now >= at + hold);
        !self.all.values().any(hidden)
    }

    fn review(&mut self, now: u64, told: &mut Told) {
        match self.trust {
            Trust::Doubt(_) if !self.too_silent() => {
                (self.trust, self.anew) = (Trust::Full, Some(now));
                self.end_doubt(told, |twins, twin| twins.is_silent(twin, now));
            }
            Trust::Doubt(since) if now >= since + millis(self.rules.suspect_hold) => {
                self.trust = Trust::Settled;
                self.end_doubt(told, |twins, twin| twins.is_past_first(twin, now));
            }
            Trust::Settled if !self.too_silent() => self.trust = Trust::Full,
            _ => {}
        }
    }

    fn end_doubt(&mut self, told: &mut Told, puts_off: impl Fn(&Self, &Twin) -> bool) {
        told.push((Kind::Trusted, None));
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            let put_off = self.find(id).is_some_and(|twin| twin.put_off || puts_off(self, twin));
            if let Some(twin) = self.all.get_mut(id) {
                (twin.held, twin.put_off) = (false, put_off);
            }
        }
    }

    pub(super) fn look(&mut self, id: &'static str, now: u64, told: &mut Told) {
        let due = |twin: &Twin| !twin.held && self.is_due(twin, now);
        let Some(twin) = self.find(id).filter(|twin| due(twin) || self.is_final(twin, now)) else { return };
        let (to, kind) = match twin.standing {
            Standing::NeverReported => (Standing::Overdue, Kind::Overdue),
            _ if self.is_final(twin, now) => (Standing::Lost, Kind::Lost),
            _ if matches!(self.trust, Trust::Full) && self.too_silent() => {
                self.trust = Trust::Doubt(now);
                told.push((Kind::Suspect, None));
                return self.hold(id);
            }
            _ if self.doubts() => return self.hold(id),
            _ => (Standing::Lost, Kind::Lost),
        };
        told.push((kind, Some(id.to_owned())));
        let second = self.second(now);
        if let Some(twin) = self.all.get_mut(id) {
            if to == Standing::Lost {
                assert!(twin.purse.take(2, second), "{id} is lost, and nothing is left for its recovery");
            }
            (twin.standing, twin.since, twin.held) = (to, self.wall, false);
            twin.restored = false;
        }
    }

    fn hold(&mut self, id: &str) {
        if let Some(twin) = self.all.get_mut(id) {
            twin.held = true;
        }
    }

    fn too_silent(&self) -> bool {
        let live = self.all.values().filter(|twin| twin.standing == Standing::Live).count();
        let silent = self.silent();
        silent >= self.rules.suspect_least as usize && silent as f64 > self.rules.suspect_fraction * live as f64
    }

    fn is_due(&self, twin: &Twin, now: u64) -> bool {
        let (from, wait) = match twin.standing {
            Standing::NeverReported => (twin.from, millis(self.rules.never_reported_after)),
            Standing::Live => {
                let anew = self.anew.filter(|anew| self.is_silent(twin, *anew));
                (anew.unwrap_or(twin.from), self.patience(twin))
            }
            _ => return false,
        };
        self.has_come((from + wait).max(self.earliest(twin)), now)
    }

    /// Whether it is waited for longer than by its own interval.
    pub(super) fn is_long(&self, twin: &Twin) -> bool {
        twin.standing == Standing::Live && self.earliest(twin) > twin.from + self.patience(twin)
    }

    /// From when on it may be lost: there is room for two events.
    fn earliest(&self, twin: &Twin) -> u64 {
        if twin.standing == Standing::Live { self.start + twin.purse.has(2) * 1000 } else { 0 }
    }

    /// When it is lost where nobody doubts.
    fn first(&self, twin: &Twin) -> u64 {
        (twin.from + self.patience(twin)).max(self.earliest(twin))
    }

    /// Whether its time would be over, had there been no doubt.
    fn is_past_first(&self, twin: &Twin, now: u64) -> bool {
        twin.standing == Standing::Live && self.has_come(self.first(twin), now)
    }

    /// Whether no further doubt keeps it.
    fn is_final(&self, twin: &Twin, now: u64) -> bool {
        let limit = self.first(twin) + millis(self.rules.suspect_hold);
        twin.standing == Standing::Live && twin.put_off && self.has_come(limit, now)
    }

    pub(super) fn is_silent(&self, twin: &Twin, now: u64) -> bool {
        self.has_come(twin.from + twin.assigned + millis(self.rules.grace), now)
    }

    pub(super) fn patience(&self, twin: &Twin) -> u64 {
        twin.assigned * u64::from(self.rules.intervals) + millis(self.rules.grace)
    }

    /// Whether a moment is over, in the hub's ticks.
    fn has_come(&self, moment: u64, now: u64) -> bool {
        (moment - self.start).div_ceil(TICK) <= now.saturating_sub(self.start) / TICK
    }
}
