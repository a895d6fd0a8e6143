//! The model: each question is answered by looking at everyone.

mod purse;
mod silence;

use std::collections::BTreeMap;
use std::time::Duration;

use self::purse::Purse;
use crate::event::Kind;
use crate::liveness::{Rules, Standing};

/// What a history lets a sandbox say.
#[derive(Clone, Debug, Default)]
pub(super) struct Say {
    pub boot: Option<u8>,
    /// Its number is this far after the last one of the same start, or rather of the last report; 0 repeats it.
    pub ahead: i64,
    pub stopped: bool,
    /// In milliseconds.
    pub interval: Option<u64>,
    /// It leaves out its metadata.
    pub delta: bool,
    /// It says the interval that it was assigned.
    pub obedient: bool,
}

/// What it says.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub boot: Option<u8>,
    pub seq: u64,
    pub stopped: bool,
    pub interval: Option<u64>,
    /// A number in its metadata; `None`: as before.
    pub metadata: Option<u64>,
}

/// A sandbox.
#[derive(Clone, Debug)]
pub(super) struct Twin {
    serial: u64,
    pub standing: Standing,
    /// Since when, by the wall clock.
    since: i64,
    /// Nothing that is saved has changed since the last restart.
    restored: bool,
    /// Both as they are on disk, where that is not as they are.
    stood: Option<(Standing, i64)>,
    /// From when on it is waited for, in milliseconds.
    from: u64,
    /// Its time was over in a doubt that goes on.
    pub held: bool,
    /// A doubt ended while it was silent, or was settled while it was due.
    put_off: bool,
    /// When it was first seen to be due since it was heard.
    seen_due: Option<u64>,
    pub beat: Option<TwinBeat>,
    saved: Option<TwinBeat>,
    /// The start before the present one.
    earlier: Option<u8>,
    own: u64,
    assigned: u64,
    directed: bool,
    purse: Purse,
}

/// Its last report.
#[derive(Clone, Debug)]
pub(super) struct TwinBeat {
    /// By the wall clock.
    received: i64,
    boot: Option<u8>,
    pub seq: Option<u64>,
    stopped: bool,
    pub metadata: Option<u64>,
    missing: bool,
    /// What it said, else the default.
    interval: u64,
    assigned: u64,
}

enum Trust {
    Full,
    Doubt(u64),
    Settled,
}

/// All of them.
pub(super) struct Twins {
    rules: Rules,
    all: BTreeMap<&'static str, Twin>,
    trust: Trust,
    anew: Option<u64>,
    /// When the hub started, where its ticks begin.
    start: u64,
    /// The last time that anything was judged.
    judged: u64,
    /// The wall clock.
    pub wall: i64,
}

type Told = Vec<(Kind, Option<String>)>;

impl Said {
    pub(super) fn json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({"seq": self.seq, "status": if self.stopped { "stopped" } else { "running" },
            "intervalSecs": self.interval.map(|millis| millis as f64 / 1000.0)});
        if let Some(boot) = self.boot {
            json["bootId"] = format!("boot-{boot}").into();
        }
        match self.metadata {
            Some(n) => json["metadata"] = serde_json::json!({"n": n.to_string()}),
            None => json["unchanged"] = serde_json::json!(["metadata"]),
        }
        json
    }
}

impl Twins {
    pub(super) fn new(rules: Rules) -> Self {
        Twins { rules, all: BTreeMap::new(), trust: Trust::Full, anew: None, start: 0, judged: 0, wall: 0 }
    }

    pub(super) fn find(&self, id: &str) -> Option<&Twin> {
        self.all.get(id)
    }

    pub(super) fn serial(&self, id: &str) -> Option<u64> {
        self.find(id).map(|twin| twin.serial)
    }

    pub(super) fn doubts(&self) -> bool {
        matches!(self.trust, Trust::Doubt(_))
    }

    /// How many are silent, as of the last judgement.
    pub(super) fn silent(&self) -> usize {
        self.all.values().filter(|twin| twin.standing == Standing::Live && self.is_silent(twin, self.judged)).count()
    }

    pub(super) fn register(&mut self, id: &'static str, serial: u64, now: u64) -> bool {
        let interval = millis(self.rules.default_interval);
        let twin = Twin {
            serial,
            standing: Standing::NeverReported,
            since: 0,
            restored: false,
            stood: None,
            from: now,
            held: false,
            put_off: false,
            seen_due: None,
            beat: None,
            saved: None,
            earlier: None,
            own: interval,
            assigned: interval,
            directed: false,
            purse: Purse::new(),
        };
        let free = !self.all.contains_key(id);
        if free {
            self.all.insert(id, twin);
        }
        free
    }

    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.all.remove(id).is_some()
    }

    pub(super) fn snapshot(&mut self) {
        // What came back at the last restart is there already.
        self.all.values_mut().filter(|twin| !twin.restored).for_each(|twin| twin.saved = twin.beat.clone());
    }

    pub(super) fn lose_events(&mut self) {
        self.all.values_mut().for_each(|twin| twin.stood = Some((twin.standing, twin.since)));
    }

    pub(super) fn restart(&mut self, now: u64) -> Told {
        let default = millis(self.rules.default_interval);
        let mut told = Vec::new();
        for (id, twin) in &mut self.all {
            twin.beat = twin.saved.clone();
            (twin.standing, twin.since) = twin.stood.take().unwrap_or((twin.standing, twin.since));
            if let Some(beat) = &mut twin.beat {
                // It was said after whatever was told, so its own event was lost.
                if beat.stopped && twin.standing != Standing::Stopped && beat.received > twin.since {
                    (twin.standing, twin.since) = (Standing::Stopped, beat.received);
                    told.push((Kind::Stopped, Some((*id).to_owned())));
                }
                beat.stopped = twin.standing == Standing::Stopped;
            }
            (twin.from, twin.held, twin.earlier, twin.directed) = (now, false, None, false);
            twin.restored = true;
            (twin.put_off, twin.seen_due, twin.purse) = (false, None, Purse::new());
            (twin.own, twin.assigned) =
                twin.beat.as_ref().map_or((default, default), |beat| (beat.interval, beat.assigned));
        }
        (self.trust, self.anew, self.start, self.judged) = (Trust::Full, None, now, now);
        told
    }

    /// What a sandbox says, given what it said before.
    pub(super) fn fill(&self, id: &str, say: &Say) -> Said {
        let twin = self.find(id);
        let last = twin.and_then(|twin| twin.beat.as_ref()?.seq).unwrap_or(5);
        Said {
            boot: say.boot,
            seq: last + say.ahead as u64 - u64::from(say.ahead == 0 && last.is_multiple_of(2)),
            stopped: say.stopped,
            interval: twin.filter(|_| say.obedient).map(|twin| twin.assigned).or(say.interval),
            metadata: (!say.delta).then_some(last * 10 + say.ahead as u64),
        }
    }

    pub(super) fn keeps(&self, id: &str) -> bool {
        let beat = self.find(id).and_then(|twin| twin.beat.as_ref());
        beat.is_some_and(|beat| beat.boot.is_some() && !beat.missing)
    }

    /// What its last answer directed.
    pub(super) fn next(&self, id: &str) -> Option<Duration> {
        self.find(id).filter(|twin| twin.directed).map(|twin| Duration::from_millis(twin.assigned))
    }

    pub(super) fn has_seen(&self, id: &str, said: &Said, now: u64) -> bool {
        let Some(twin) = self.find(id) else { return false };
        let Some(beat) = &twin.beat else { return false };
        match (beat.boot, said.boot) {
            (Some(last), Some(boot)) if last == boot => Some(said.seq) <= beat.seq,
            (Some(_), Some(boot)) => twin.earlier == Some(boot) && now < twin.from + self.patience(twin),
            _ => false,
        }
    }

    pub(super) fn report(&mut self, id: &'static str, said: &Said, next: Option<Duration>, now: u64) -> Told {
        let mut told = Vec::new();
        self.judged = self.judged.max(now);
        self.look(id, now, &mut told);
        let default = millis(self.rules.default_interval);
        let second = self.second(now);
        let Some(twin) = self.all.get_mut(id) else { return told };
        let to = if said.stopped { Standing::Stopped } else { Standing::Live };
        let kind = match (twin.standing, to) {
            (from, to) if from == to => None,
            (_, Standing::Stopped) => Some(Kind::Stopped),
            (Standing::Lost, _) => Some(Kind::Recovered),
            (Standing::Stopped, _) => Some(Kind::Started),
            _ => Some(Kind::Reported),
        };
        let before = twin.beat.take();
        let last_boot = before.as_ref().and_then(|beat| beat.boot);
        let other = last_boot.zip(said.boot).is_some_and(|(last, boot)| last != boot);
        let restarted = other && before.as_ref().is_some_and(|before| !before.stopped);
        let restarted = if restarted { twin.purse.tell(Kind::Restarted, second) } else { None };
        let kind = match kind {
            Some(kind @ (Kind::Stopped | Kind::Started)) => twin.purse.tell(kind, second),
            kind => kind,
        };
        told.extend(kind.into_iter().chain(restarted).map(|kind| (kind, Some(id.to_owned()))));
        let interval = said.interval.unwrap_or(default);
        if !(twin.directed && last_boot == said.boot && interval == twin.assigned) {
            twin.own = interval;
        }
        let next = next.map(millis);
        assert!(next.is_none_or(|next| next > twin.own && next <= 600_000.min(10 * twin.own)));
        (twin.directed, twin.assigned) = (next.is_some(), next.unwrap_or(twin.own));
        if twin.standing != to {
            twin.since = self.wall;
        }
        (twin.standing, twin.from, twin.held) = (to, now, false);
        (twin.put_off, twin.seen_due) = (false, None);
        if last_boot != said.boot {
            twin.earlier = last_boot;
        }
        let known = before.filter(|before| said.boot.is_some() && before.boot == said.boot);
        let (metadata, missing) = match (said.metadata, known) {
            (Some(n), _) => (Some(n), false),
            (None, Some(before)) => (before.metadata, before.missing),
            (None, None) => (None, true),
        };
        let (boot, seq, stopped) = (said.boot, Some(said.seq), said.stopped);
        twin.restored = false;
        twin.beat = Some(TwinBeat {
            received: self.wall,
            boot,
            seq,
            stopped,
            metadata,
            missing,
            interval,
            assigned: twin.assigned,
        });
        let long = self.find(id).is_some_and(|twin| self.is_long(twin) && twin.purse.has(1) > second);
        if let Some(twin) = self.all.get_mut(id).filter(|_| long) {
            told.extend(twin.purse.tell_end().map(|kind| (kind, Some(id.to_owned()))));
        }
        told
    }

    /// Whole seconds since the hub started.
    fn second(&self, now: u64) -> u64 {
        (now - self.start) / 1000
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
