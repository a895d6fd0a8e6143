//! Brings a page together from looks at bounded parts of the fleet, so that nobody waits long for its lock.
//!
//! How many match in all is known from the fleet's counters where at most one of status, liveness, `overdue`,
//! `suspect` and what fails is asked for, and nothing else; otherwise it is counted over the whole fleet. What changes between two looks may be in the page as it
//! was or as it is.

use std::sync::Arc;

use super::codec;
use super::query::{Page, Query, Snapshot};
use super::sandbox::Sandbox;
use super::{Fleet, Liveness, Standing};

/// A page on its way.
#[derive(Debug)]
pub(crate) struct Paging<'a> {
    query: &'a Query,
    /// The text that is searched for, in small letters.
    search: Option<String>,
    /// The last id that was looked at.
    last: Option<Arc<str>>,
    found: Vec<Snapshot>,
    more: bool,
    /// What matches, as far as it was counted.
    counted: usize,
    total: Total,
}

#[derive(Clone, Copy, Debug)]
enum Total {
    Unknown,
    Known(usize),
    Counted,
}

impl<'a> Paging<'a> {
    /// A page of what a query asks for.
    pub(crate) fn new(query: &'a Query) -> Self {
        let search = query.search.as_ref().map(|text| text.to_lowercase());
        Paging { query, search, last: None, found: Vec::new(), more: false, counted: 0, total: Total::Unknown }
    }

    /// Looks at `most` further sandboxes; returns whether more are to be looked at.
    pub(crate) fn step(&mut self, fleet: &Fleet, most: usize) -> bool {
        let after = self.query.after.as_deref();
        if matches!(self.total, Total::Unknown) {
            self.total = fleet.known_total(self.query).map_or(Total::Counted, Total::Known);
        }
        let counting = matches!(self.total, Total::Counted);
        let last = self.last.clone();
        let start = last.as_deref().or(after.filter(|_| !counting));
        let mut looked = 0;
        for (place, sandbox) in fleet.after(start) {
            if looked == most {
                return true;
            }
            (looked, self.last) = (looked + 1, Some(Arc::clone(&sandbox.registration.id)));
            if !self.wants(fleet, place, sandbox) {
                continue;
            }
            self.counted += 1;
            if after.is_some_and(|after| *sandbox.registration.id <= *after) {
                continue;
            }
            if self.found.len() < self.query.limit {
                self.found.push(fleet.snapshot(place, sandbox));
            } else {
                self.more = true;
                if !counting {
                    return false;
                }
            }
        }
        false
    }

    /// The page.
    pub(crate) fn finish(self) -> Page {
        let total = if let Total::Known(total) = self.total { total } else { self.counted };
        Page { sandboxes: self.found, total, more: self.more }
    }

    fn wants(&self, fleet: &Fleet, place: u32, sandbox: &Sandbox) -> bool {
        let Query { status, liveness, overdue, suspect, failing, metadata, .. } = self.query;
        let registration = &*sandbox.registration;
        let has = |(key, value): &(String, Option<String>)| {
            registration.metadata().get(key).is_some_and(|present| value.as_ref().is_none_or(|value| value == present))
        };
        let mentions = |search: &String| {
            contains(&registration.id, search)
                || contains(registration.name(), search)
                || sandbox.bytes.as_ref().is_some_and(|bytes| contains(codec::hostname(bytes), search))
        };
        status.is_none_or(|status| status == sandbox.status())
            && liveness.is_none_or(|liveness: Liveness| liveness == sandbox.standing.liveness())
            && overdue.is_none_or(|overdue| overdue == (sandbox.standing == Standing::Overdue))
            && suspect.is_none_or(|suspect| suspect == fleet.is_suspect(place))
            && failing.is_none_or(|trouble| trouble.is_in(sandbox.tally))
            && metadata.iter().all(has)
            && self.search.as_ref().is_none_or(mentions)
    }
}

/// Whether a text has a part, which is in small letters, in any case.
fn contains(text: &str, part: &str) -> bool {
    if text.is_ascii() && !part.is_empty() {
        text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
    } else {
        text.to_lowercase().contains(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_in_any_case() {
        for (text, part, found) in [
            ("Build-7", "build", true),
            ("Build-7", "d-7", true),
            ("Build-7", "8", false),
            ("", "a", false),
            ("", "", true),
            ("a", "abc", false),
            ("Größe", "GRÖSSE", false),
            ("Größe", "GRÖ", true),
            ("\u{212a}elvin", "k", true),
        ] {
            assert_eq!(contains(text, &part.to_lowercase()), found, "{text} {part}");
        }
    }
}
