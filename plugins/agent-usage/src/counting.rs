//! Takes what is new in the logs into the books.
//!
//! Files are read in the order of their names, which for Codex is the order in which the sessions began: so the session
//! that another one was forked from is known before it. Databases come last, and of them those that could not be read so
//! far, so that these take no time from others. When the budget is spent the rest is left for the next collect.

use std::time::{Duration, SystemTime};

use memchr::memmem;
use sandbeat_sdk::files::{FileError, Reason};
use sandbeat_sdk::log;

use crate::books::Books;
use crate::claude::{self, Line};
use crate::codex::{Read, Session, Step};
use crate::index::Mark;
use crate::messages::{Origin, Verdict};
use crate::opencode;
use crate::opencode::database::Known;
use crate::opencode::snapshot::{self, Attempt};
use crate::prices::Prices;
use crate::reading::{self, Budget, Reader};
use crate::settings::Logs;
use crate::sqlite::Trouble;
use crate::usage::{Agent, Entry, fingerprint};
use crate::walk::Behind;

/// What has not been changed for so long is finished, even if it does not say so.
const SETTLED: Duration = Duration::from_secs(10);
/// A file that was changed so lately may be changed again without another time of change.
const FRESH: Duration = Duration::from_secs(2);
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// After so many collects in a row in which nothing could be read of a database, the totals do without it.
const MAX_TRIES: u8 = 5;

/// Reads files, as far as the budget goes. Returns how many bytes are left.
pub(crate) fn count(mut behind: Vec<Behind>, books: &mut Books, prices: &Prices, budget: &mut Budget) -> u64 {
    fn order(file: &Behind) -> (Logs, bool, &str, &str) {
        (file.logs, file.broken, file.path.rsplit('/').next().unwrap_or_default(), &file.path)
    }
    behind.sort_by(|a, b| order(a).cmp(&order(b)));
    let mut left = 0;
    for file in behind {
        let path = fingerprint(file.path.as_bytes());
        let mark = books.index.get(path).cloned().unwrap_or_default();
        if budget.is_spent() {
            left += rest(&file, &mark);
            books.page.round.unread += u64::from(mark.broken);
            continue;
        }
        let mut counting = Counting { books, prices };
        let read = match file.logs {
            Logs::ClaudeCode => reading::read(&file.path, file.size, &mark, budget, &mut Claude(counting)),
            Logs::Codex => counting.codex(path, &file, &mark, budget),
            Logs::Messages => counting.message_file(path, &file, budget),
            Logs::Databases => counting.database(path, &file, &mark, budget),
        };
        match read {
            Ok(mut read) => {
                left += rest(&file, &read);
                read.modified = if read.modified == AGAIN { 0 } else { file.modified };
                books.index.set(path, read);
            }
            Err(error) => {
                log::debug!("not read: {error}");
                books.page.round.unread += u64::from(error.reason != Reason::NotFound);
            }
        }
    }
    left
}

/// In the place of a time of change: look at the file again, changed or not.
const AGAIN: u64 = u64::MAX;

/// What is left of a file. A line that is not finished is not, nor is what cannot be read.
fn rest(file: &Behind, mark: &Mark) -> u64 {
    if mark.done || mark.broken { 0 } else { file.size.saturating_sub(mark.offset + mark.ahead) }
}

/// Whether a file was not changed for so long; not where that is unknown.
fn is_older(modified: u64, than: Duration) -> bool {
    if modified == 0 {
        return false;
    }
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(modified);
    SystemTime::now().duration_since(modified).is_ok_and(|age| age > than)
}

/// Where entries go.
struct Counting<'a> {
    books: &'a mut Books,
    prices: &'a Prices,
}

/// Reads a file of Claude Code.
struct Claude<'a>(Counting<'a>);

/// Reads a file of Codex.
struct Codex<'a, 'b> {
    counting: &'b mut Counting<'a>,
    session: Session,
    /// Of the session that this one was forked from.
    parent: Vec<Step>,
    /// Events that are not in the books yet.
    steps: Vec<Step>,
    /// The events in the books are of another file.
    anew: bool,
}

impl Counting<'_> {
    fn codex(&mut self, path: u64, file: &Behind, mark: &Mark, budget: &mut Budget) -> Result<Mark, FileError> {
        let session = self.books.sessions.file(path);
        let parent = session.parent().map(|parent| self.books.sessions.steps(parent)).unwrap_or_default();
        let mut codex = Codex { counting: self, session, parent, steps: Vec::new(), anew: false };
        let mut read = reading::read(&file.path, file.size, mark, budget, &mut codex)?;
        if read.offset + read.ahead >= file.size && codex.session.holds() {
            match is_older(file.modified, SETTLED) {
                true => codex.flush(),
                false => read.modified = AGAIN,
            }
        }
        let Codex { session, steps, anew, .. } = codex;
        if let Some(id) = session.id().filter(|_| anew || !steps.is_empty()) {
            self.books.sessions.add_steps(id, &steps, anew);
        }
        self.books.sessions.set_file(path, session);
        Ok(read)
    }

    fn message_file(&mut self, path: u64, file: &Behind, budget: &mut Budget) -> Result<Mark, FileError> {
        let content = budget.read_at(&file.path, 0)?;
        let abandoned = is_older(file.modified, ABANDONED);
        let done = match opencode::Content::message(&content) {
            opencode::Content::Message { id, entry, complete, .. } => {
                // One without an id is known by its file.
                self.opencode(id.unwrap_or(path), &entry, Origin::File);
                complete || abandoned
            }
            opencode::Content::Other => true,
            opencode::Content::Broken => {
                self.books.page.unreadable += u64::from(abandoned);
                abandoned
            }
        };
        Ok(Mark { ahead: file.size, done, ..Mark::default() })
    }

    fn database(&mut self, path: u64, file: &Behind, mark: &Mark, budget: &mut Budget) -> Result<Mark, FileError> {
        if !self.books.databases.has_room(path) {
            log::debug!("`{}` is not read: there are more than 256 databases", file.path);
            self.books.page.round.unread += 1;
            return Ok(Mark { ahead: file.size, modified: AGAIN, broken: true, ..Mark::default() });
        }
        let is_settled = is_older(file.modified, FRESH);
        let form = is_settled.then_some([file.size, file.modified]);
        let known = self.books.databases.get(path).of_form(form);
        let slice = match snapshot::read(&file.path, (path, &known), budget)? {
            Attempt::Read(slice) => slice,
            Attempt::Later(why) => return Ok(self.later((path, known), file, mark, why)),
        };
        for message in &slice.messages {
            self.opencode(message.id, &message.entry, message.origin);
        }
        for row in &slice.unreadable {
            self.books.page.unreadable += u64::from(self.books.seen.insert(*row));
        }
        // What the operator can mend, such as a grant or a limit, leaves no trace in the file.
        let is_mendable = matches!(slice.trouble, Some(Trouble::Failed(_)));
        let trouble = slice.trouble.map(|trouble| snapshot::explain(&file.path, trouble.why()));
        let broken = trouble.is_some();
        self.books.page.round.unread += u64::from(broken);
        self.books.databases.set(path, slice.known.with(0, trouble));
        // What cannot be read is not left to be read.
        let left = if broken { 0 } else { (file.size as f64 * slice.left).ceil() as u64 };
        let modified = if is_settled && !slice.open && !is_mendable { 0 } else { AGAIN };
        Ok(Mark { ahead: file.size.saturating_sub(left), modified, broken, ..Mark::default() })
    }

    /// Leaves a database for the next collect, and does without it where that has been so for long.
    fn later(&mut self, (path, known): (u64, Known), file: &Behind, mark: &Mark, why: &str) -> Mark {
        let tries = known.tries.saturating_add(1).min(MAX_TRIES);
        let broken = mark.broken || tries == MAX_TRIES;
        let trouble = known.trouble.clone().or_else(|| broken.then(|| snapshot::explain(&file.path, why)));
        self.books.page.round.unread += u64::from(broken);
        self.books.databases.set(path, known.with(tries, trouble));
        Mark { modified: AGAIN, broken, ..mark.clone() }
    }

    fn opencode(&mut self, message: u64, entry: &Entry, origin: Origin) {
        if entry.counts() {
            let charge = self.books.page.ledger.charge(Agent::OpenCode, entry, self.prices);
            let verdict = self.books.messages.replace(message, &charge, origin);
            self.settle(verdict, &charge);
        }
    }

    fn settle(&mut self, verdict: Verdict, charge: &crate::ledger::Charge) {
        match verdict {
            Verdict::Known => return,
            Verdict::New => {}
            Verdict::Instead(old) => self.books.page.ledger.take_out(&old),
        }
        self.books.page.ledger.add(charge);
    }

    fn message(&mut self, message: &claude::Message) {
        if !message.entry.counts() {
            return;
        }
        let charge = self.books.page.ledger.charge(Agent::ClaudeCode, &message.entry, self.prices);
        let verdict = match &message.identity {
            Some(identity) => self.books.messages.admit(identity, &charge),
            None => Verdict::New,
        };
        self.settle(verdict, &charge);
    }

    fn event(&mut self, fingerprint: u64, entry: &Entry) {
        if entry.counts() && self.books.seen.insert(fingerprint) {
            let charge = self.books.page.ledger.charge(Agent::Codex, entry, self.prices);
            self.books.page.ledger.add(&charge);
        }
    }
}

impl Reader for Claude<'_> {
    fn restart(&mut self) {}

    /// Looks for what marks a line that counts, and for lines only where that is.
    fn lines(&mut self, mut lines: &[u8]) {
        let marker = memmem::Finder::new(claude::MARKER);
        while let Some(at) = marker.find(lines) {
            let (before, after) = lines.split_at(at);
            let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
            let end = at + memchr::memchr(b'\n', after).unwrap_or(after.len());
            match Line::read(lines.get(start..end).unwrap_or_default()) {
                Line::Messages(messages) => messages.iter().for_each(|message| self.0.message(message)),
                Line::Broken => self.0.books.page.unreadable += 1,
                Line::Other => {}
            }
            lines = lines.get(end..).unwrap_or_default();
        }
    }

    fn passed_over(&mut self) {
        self.0.books.page.unreadable += 1;
    }
}

impl Codex<'_, '_> {
    fn take(&mut self, read: Read) {
        self.steps.extend(read.step);
        self.counting.books.page.unreadable += u64::from(read.broken);
        for (fingerprint, entry) in &read.entries {
            self.counting.event(*fingerprint, entry);
        }
    }

    fn flush(&mut self) {
        let held = self.session.flush();
        self.take(held);
    }
}

impl Reader for Codex<'_, '_> {
    fn restart(&mut self) {
        (self.session, self.anew) = (Session::default(), true);
        self.parent.clear();
        self.steps.clear();
    }

    fn lines(&mut self, lines: &[u8]) {
        let mut rest = lines;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let (line, after) = rest.split_at(end);
            rest = after;
            let is_first = self.session.id().is_none();
            let read = self.session.line(line, &self.parent);
            if is_first && let Some(parent) = self.session.parent() {
                self.parent = self.counting.books.sessions.steps(parent);
            }
            self.take(read);
        }
    }

    fn passed_over(&mut self) {
        self.counting.books.page.unreadable += 1;
    }
}
