//! Whether the hub trusts what it hears: pure counting, no sandbox by name.
//!
//! - A sandbox is *silent* when it is live and one assigned interval and the grace have passed since it was heard.
//! - The silent are *too many* when they are more than `suspect_fraction` of the live and `suspect_least` or more.
//! - **Trust**: what is due is lost. When one is due while the silent are too many, doubt begins.
//! - **Doubt**: nobody is lost. When the silent are not too many any more, trust is back, and who was silent then is
//!   waited for anew from then on. After `suspect_hold`, it is settled.
//! - **Settled**: the silence is taken for what it is, and what is due is lost, until the silent are not too many any
//!   more and trust is back. Without this, the rest of those that fell silent together would raise the doubt again.
//!
//! **The bound**: a sandbox is lost at the latest at its *limit*, its own first deadline (heard + patience, or
//! [`Wait::earliest`] where that is later) plus `suspect_hold`, whatever doubts come and go. One doubt alone keeps within
//! it: it holds no sandbox before it begins, and lasts no longer than that. So the limit is for those that a doubt which
//! is over has *put off*: they were silent when it ended by recovery, or due when it was settled. A put off sandbox is
//! lost at its limit in trust and in doubt alike, begins no doubt there, and being waited for anew does not move it.
//! Without this, sandboxes that fall silent and come back in turn, as on an uplink that comes and goes or on purpose,
//! would hide the loss of all others.
//!
//! One that was never put off has no limit. A restart forgets doubts and waits for everyone from then on, which is a
//! new first deadline. Time in which the hub itself stood still does not count ([`clock`](super::clock)): whoever is
//! waited for has as much left after it as before, whether that is the first deadline, a limit or `suspect_hold`.

use std::time::Duration;

use super::Rules;
use super::clock::{Moment, Tick};

/// Where the hub stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Suspicion {
    #[default]
    Trust,
    Doubt {
        since: Moment,
    },
    Settled,
}

/// When doubts that are over last ended, which says of each sandbox whether one has put it off.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    /// By recovery: who was silent then is waited for anew from then on.
    pub recovered: Option<Moment>,
    /// By being settled.
    pub settled: Option<Moment>,
}

/// The silence of a live sandbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// When it was heard.
    pub from: Moment,
    /// What it was assigned.
    pub interval: Duration,
    /// It is lost no sooner than this, whatever its interval: it has made too many events.
    pub earliest: Moment,
}

/// Those that should be heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub silent: usize,
    pub live: usize,
}

/// What a look at the counts changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Doubt is over: they are heard again.
    Recovered,
    /// Doubt is over: it has gone on for too long.
    Over,
}

/// What becomes of a live sandbox whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Lost,
    /// Not lost, because of a doubt that goes on.
    Held,
    /// Not lost, because doubt begins with this one.
    Doubted,
}

impl Suspicion {
    /// Whether nobody is called lost.
    pub(crate) fn doubts(self) -> bool {
        matches!(self, Suspicion::Doubt { .. })
    }

    /// The passing of time, before anything is judged.
    pub(crate) fn review(&mut self, rules: &Rules, heads: Heads, now: Moment) -> Option<Change> {
        match *self {
            Suspicion::Doubt { .. } if !heads.too_silent(rules) => {
                *self = Suspicion::Trust;
                Some(Change::Recovered)
            }
            Suspicion::Doubt { since } if now >= since.after(rules.suspect_hold) => {
                *self = Suspicion::Settled;
                Some(Change::Over)
            }
            Suspicion::Settled if !heads.too_silent(rules) => {
                *self = Suspicion::Trust;
                None
            }
            _ => None,
        }
    }

    /// A live sandbox's time is over.
    pub(crate) fn judge(&mut self, rules: &Rules, heads: Heads, now: Moment) -> Verdict {
        match self {
            Suspicion::Doubt { .. } => Verdict::Held,
            Suspicion::Trust if heads.too_silent(rules) => {
                *self = Suspicion::Doubt { since: now };
                Verdict::Doubted
            }
            Suspicion::Trust | Suspicion::Settled => Verdict::Lost,
        }
    }
}

impl Ended {
    /// When a sandbox is to be judged; `None`: never.
    pub(crate) fn deadline(self, rules: &Rules, wait: Wait) -> Option<Tick> {
        match self.recovered.filter(|end| wait.is_silent(rules, *end)) {
            Some(anew) => anew.after(rules.patience(wait.interval)).max(wait.first(rules)).min(wait.limit(rules)).due(),
            None => wait.first(rules).due(),
        }
    }

    /// Whether a sandbox is lost at `now` without a judgement: it was put off, and its limit is reached.
    pub(crate) fn is_final(self, rules: &Rules, wait: Wait, now: Moment) -> bool {
        let put_off = self.recovered.is_some_and(|end| wait.is_silent(rules, end))
            || self.settled.is_some_and(|end| has_come(wait.first(rules), end));
        put_off && has_come(wait.limit(rules), now)
    }
}

impl Wait {
    /// From when on it is silent.
    pub(crate) fn silent_from(self, rules: &Rules) -> Option<Tick> {
        self.from.after(rules.quiet(self.interval)).due()
    }

    /// Past this, no doubt that follows another keeps it from being lost.
    pub(crate) fn limit(self, rules: &Rules) -> Moment {
        self.first(rules).after(rules.suspect_hold)
    }

    /// Whether it is waited for longer than others with its interval are.
    pub(crate) fn is_long(self, rules: &Rules) -> bool {
        self.earliest > self.from.after(rules.patience(self.interval))
    }

    /// When it is lost where nobody doubts.
    fn first(self, rules: &Rules) -> Moment {
        self.from.after(rules.patience(self.interval)).max(self.earliest)
    }

    fn is_silent(self, rules: &Rules, at: Moment) -> bool {
        self.silent_from(rules).is_some_and(|from| from <= at.tick())
    }
}

fn has_come(due: Moment, now: Moment) -> bool {
    due.due().is_some_and(|due| due <= now.tick())
}

impl Heads {
    fn too_silent(self, rules: &Rules) -> bool {
        self.silent >= rules.suspect_least as usize && self.silent as f64 > rules.suspect_fraction * self.live as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOLD: Duration = Duration::from_secs(60);

    fn rules() -> Rules {
        Rules { suspect_fraction: 0.2, suspect_least: 3, suspect_hold: HOLD, ..Rules::default() }
    }

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn few_are_lost_and_many_are_doubted() {
        for (silent, live, verdict) in [
            (2, 2, Verdict::Lost),
            (3, 15, Verdict::Lost),
            (3, 14, Verdict::Doubted),
            (20, 100, Verdict::Lost),
            (21, 100, Verdict::Doubted),
        ] {
            let mut suspicion = Suspicion::default();
            assert_eq!(suspicion.judge(&rules(), Heads { silent, live }, at(0)), verdict, "{silent} of {live}");
            assert_eq!(suspicion.doubts(), verdict == Verdict::Doubted);
        }
        let never = Rules { suspect_fraction: 1.0, suspect_least: 0, ..rules() };
        assert_eq!(Suspicion::Trust.judge(&never, Heads { silent: 100, live: 100 }, at(0)), Verdict::Lost);
    }

    #[test]
    fn who_was_put_off_is_waited_for_anew_up_to_its_limit() {
        // Silent at 35, due at 95, limit at 155.
        let wait = Wait { from: at(0), interval: Duration::from_secs(30), earliest: at(0) };
        let deadline = |ended: Ended| ended.deadline(&rules(), wait);
        let is_final = |ended: Ended, now| ended.is_final(&rules(), wait, at(now));
        for (end, due) in [(34, 95), (35, 130), (59, 154), (61, 155), (154, 155)] {
            let ended = Ended { recovered: Some(at(end)), settled: None };
            assert_eq!(deadline(ended), at(due).due(), "recovered at {end}");
            assert_eq!((is_final(ended, 154), is_final(ended, 155)), (false, end >= 35));
        }
        for (end, put_off) in [(94, false), (95, true)] {
            let ended = Ended { recovered: None, settled: Some(at(end)) };
            assert_eq!((deadline(ended), is_final(ended, 154)), (at(95).due(), false));
            assert_eq!(is_final(ended, 155), put_off, "settled at {end}");
        }
        assert!(!is_final(Ended::default(), 10_000), "a doubt has yet to begin");
    }

    #[test]
    fn who_may_not_be_lost_yet_is_waited_for_as_much_longer() {
        // Silent at 35, due at 100 instead of 95, limit at 160.
        let wait = Wait { from: at(0), interval: Duration::from_secs(30), earliest: at(100) };
        assert!(wait.is_long(&rules()) && !Wait { earliest: at(95), ..wait }.is_long(&rules()));
        assert_eq!((wait.silent_from(&rules()), wait.limit(&rules())), (at(35).due(), at(160)));
        for (recovered, due) in [(None, 100), (Some(35), 130), (Some(155), 160)] {
            let ended = Ended { recovered: recovered.map(at), settled: None };
            assert_eq!(ended.deadline(&rules(), wait), at(due).due(), "{recovered:?}");
            assert_eq!(ended.is_final(&rules(), wait, at(160)), recovered.is_some());
        }
        let late = Wait { earliest: at(140), ..wait };
        assert_eq!(Ended { recovered: Some(at(35)), settled: None }.deadline(&rules(), late), at(140).due());
    }

    #[test]
    fn doubt_ends_when_they_are_heard() {
        let mut suspicion = Suspicion::Trust;
        let mut many = Heads { silent: 50, live: 100 };
        assert_eq!(suspicion.review(&rules(), many, at(0)), None, "silence alone is no doubt; a loss has to be due");
        assert_eq!(suspicion.judge(&rules(), many, at(0)), Verdict::Doubted);
        assert_eq!(suspicion.judge(&rules(), many, at(1)), Verdict::Held);
        assert_eq!(suspicion.review(&rules(), many, at(59)), None);
        many.silent = 20;
        assert_eq!(suspicion.review(&rules(), many, at(60)), Some(Change::Recovered));
        assert_eq!(suspicion.judge(&rules(), many, at(60)), Verdict::Lost);
    }

    #[test]
    fn doubt_ends_by_itself_and_does_not_begin_again_over_the_same_silence() {
        let (mut suspicion, many) = (Suspicion::Trust, Heads { silent: 50, live: 100 });
        suspicion.judge(&rules(), many, at(0));
        assert_eq!(suspicion.review(&rules(), many, at(60)), Some(Change::Over));
        assert_eq!(suspicion.judge(&rules(), many, at(60)), Verdict::Lost);
        assert_eq!(suspicion.review(&rules(), many, at(99)), None);
        assert_eq!(suspicion.judge(&rules(), many, at(99)), Verdict::Lost);
        assert_eq!(suspicion.review(&rules(), Heads { silent: 10, live: 100 }, at(100)), None);
        assert_eq!(suspicion.judge(&rules(), many, at(101)), Verdict::Doubted, "another silence");
    }
}
