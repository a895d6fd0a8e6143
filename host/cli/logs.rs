//! `sandbeat logs NAME`: what a process has written, at once or as it comes.
//!
//! The bytes go where the process wrote them, unchanged: its standard error to ours, everything else to our standard
//! output. With `--follow` the command ends when the process has ended for good and all was printed, quietly on Ctrl-C,
//! and with an error when the agent goes away. Whoever stops reading our output ends it quietly as well. Times are
//! picked out here, since the agent's `since` is a sequence number.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sandbeat_status::names::short_name;
use sandbeat_status::settings::parse_duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::args::{LogsOptions, Stream};
use crate::client::{self, Refused};
use crate::sse::Events;
use crate::{config, control};

/// From when on entries are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// The last so long.
    Ago(Duration),
    Time(Timestamp),
    /// After the entry with this number.
    Sequence(u64),
}

/// An entry of a log, as the agent sends it and `--json` prints it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    sequence: u64,
    stream: String,
    timestamp_ms: i64,
    data: String,
    encoding: String,
}

/// Writes entries to standard output and standard error.
struct Printer {
    json: bool,
    timestamps: bool,
    /// Entries before are passed over.
    from: Option<Timestamp>,
    /// Whether the next byte of standard output, and of standard error, begins a line.
    line_begins: [bool; 2],
}

pub(crate) fn run(options: &LogsOptions) -> anyhow::Result<()> {
    let api = config::api(&options.file)?;
    if short_name(&options.name).is_err() {
        bail!("{}", control::unknown(&api, &options.name)?);
    }
    let from = options.since.and_then(|since| since.time(Timestamp::now()));
    let mut printer = Printer { json: options.json, timestamps: options.timestamps, from, line_begins: [true, true] };
    let path = path(options, from.is_some());
    let read = match options.follow {
        true => follow(&api, &path, &mut printer),
        false => client::get(&api, &path).and_then(|answer| printer.print_all(&answer, options.tail)),
    };
    match read {
        Err(error) if error.downcast_ref::<Refused>().is_some_and(Refused::is_unknown) => {
            bail!("{}", control::unknown(&api, &options.name)?)
        }
        // Whoever read has read enough.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(())
        }
        read => read,
    }
}

fn follow(api: &sandbeat_agent::api::Config, path: &str, printer: &mut Printer) -> anyhow::Result<()> {
    let mut events = Events::default();
    client::stream(api, path, |piece| {
        for event in events.push(piece)?.iter().filter(|event| event.name == "log") {
            let entry: Entry =
                serde_json::from_str(&event.data).context("an entry is not what this version understands")?;
            printer.print(&entry)?;
        }
        Ok(())
    })
}

/// What is asked for. With a time, the tail is taken here, after it.
fn path(options: &LogsOptions, timed: bool) -> String {
    let mut query = Vec::new();
    if let Some(Since::Sequence(sequence)) = options.since {
        query.push(format!("since={sequence}"));
    }
    if let Some(tail) = options.tail.filter(|_| !timed || options.follow) {
        query.push(format!("tail={tail}"));
    }
    match options.stream {
        Some(Stream::Stdout) => query.push("stream=stdout".to_owned()),
        Some(Stream::Stderr) => query.push("stream=stderr".to_owned()),
        None => {}
    }
    if options.follow {
        query.push("follow=true".to_owned());
    }
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/v1/processes/{}/logs{mark}{}", options.name, query.join("&"))
}

impl Since {
    /// Reads a time ago, a time, or a sequence number. A time without a zone is in UTC, as times are shown.
    ///
    /// # Errors
    /// It is none of them.
    pub(crate) fn parse(text: &str) -> Result<Since, String> {
        if let Ok(sequence) = text.parse() {
            return Ok(Since::Sequence(sequence));
        }
        time(text).map(Since::Time).or_else(|| parse_duration(text).ok().map(Since::Ago)).ok_or_else(|| {
            format!("`{text}` is not a time ago such as `10m`, a time such as `2026-11-20T12:00:00Z`, or a number")
        })
    }

    /// When that is; nothing for a sequence number.
    pub(crate) fn time(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Since::Ago(ago) => {
                let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX);
                Some(now.checked_sub(ago).unwrap_or(Timestamp::MIN))
            }
            Since::Time(time) => Some(time),
            Since::Sequence(_) => None,
        }
    }
}

fn time(text: &str) -> Option<Timestamp> {
    // The name of a zone would be passed over, and the time be another one.
    let utc = || text.parse::<DateTime>().ok().filter(|_| !text.contains('['))?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| Some(utc()?.timestamp()))
}

impl Printer {
    fn print_all(&mut self, answer: &Value, tail: Option<usize>) -> anyhow::Result<()> {
        let entries: Vec<Entry> = client::read(&answer["entries"])?;
        let mut wanted: VecDeque<&Entry> = entries.iter().filter(|entry| self.wants(entry)).collect();
        wanted.drain(..wanted.len().saturating_sub(tail.unwrap_or(usize::MAX)));
        wanted.into_iter().try_for_each(|entry| self.print(entry))
    }

    fn wants(&self, entry: &Entry) -> bool {
        self.from.is_none_or(|from| entry.timestamp_ms >= from.as_millisecond())
    }

    fn print(&mut self, entry: &Entry) -> anyhow::Result<()> {
        if !self.wants(entry) {
            return Ok(());
        }
        let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr().lock());
        if self.json {
            writeln!(stdout, "{}", serde_json::to_string(entry)?)?;
            stdout.flush()?;
            return Ok(());
        }
        let bytes = self.bytes(entry)?;
        match entry.stream.as_str() {
            "stderr" => stderr.write_all(&bytes)?,
            _ => stdout.write_all(&bytes).and_then(|()| stdout.flush())?,
        }
        Ok(())
    }

    /// What is written of an entry: its bytes, with the time before those that begin a line.
    fn bytes(&mut self, entry: &Entry) -> anyhow::Result<Vec<u8>> {
        let data = match entry.encoding.as_str() {
            "base64" => STANDARD.decode(&entry.data).ok().context("an entry is not base64")?,
            _ => entry.data.clone().into_bytes(),
        };
        if !self.timestamps {
            return Ok(data);
        }
        let begins = &mut self.line_begins[usize::from(entry.stream == "stderr")];
        let at = Timestamp::from_millisecond(entry.timestamp_ms).unwrap_or_default();
        let mut bytes = Vec::new();
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            if *begins {
                bytes.extend(format!("{at:.3} ").bytes());
            }
            bytes.extend(line);
            *begins = line.ends_with(b"\n");
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stream: &str, data: &str) -> Entry {
        Entry {
            sequence: 1,
            stream: stream.to_owned(),
            timestamp_ms: 1_795_000_000_120,
            data: STANDARD.encode(data),
            encoding: "base64".to_owned(),
        }
    }

    fn printer(timestamps: bool) -> Printer {
        Printer { json: false, timestamps, from: None, line_begins: [true, true] }
    }

    #[test]
    fn since_is_a_number_a_time_or_a_time_ago() {
        assert_eq!(Since::parse("12"), Ok(Since::Sequence(12)));
        assert_eq!(Since::parse("10m"), Ok(Since::Ago(Duration::from_secs(600))));
        let time: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        assert_eq!(Since::parse("2026-11-20T12:00:00Z"), Ok(Since::Time(time)));
        for (written, meant) in [
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T12:30", "2026-11-20T12:30:00Z"),
            ("2026-11-20 12:30:01.5", "2026-11-20T12:30:01.5Z"),
            ("2026-11-20T12:30:00+01:00", "2026-11-20T11:30:00Z"),
        ] {
            assert_eq!(Since::parse(written), Ok(Since::Time(meant.parse().unwrap())), "{written}");
        }
        assert_eq!(Since::parse("20261120"), Ok(Since::Sequence(20_261_120)));
        assert!(Since::parse("2026-11-31").is_err());
        assert!(Since::parse("2026-11-20T12:00:00[Europe/Berlin]").is_err());
        assert!(Since::parse("soon").unwrap_err().contains("`soon`"));
        let ago = Since::Ago(Duration::from_secs(60)).time(time).unwrap();
        assert_eq!(ago.to_string(), "2026-11-20T11:59:00Z");
        assert_eq!(Since::Ago(Duration::MAX).time(time), Some(Timestamp::MIN));
    }

    #[test]
    fn bytes_are_as_written_and_times_begin_lines() {
        assert_eq!(printer(false).bytes(&entry("stdout", "a\u{0}\nb")).unwrap(), b"a\0\nb");
        let mut printer = printer(true);
        let at = "2026-11-18T11:06:40.120Z";
        let text = |printer: &mut Printer, entry: &Entry| String::from_utf8(printer.bytes(entry).unwrap()).unwrap();
        assert_eq!(text(&mut printer, &entry("stdout", "a\nb")), format!("{at} a\n{at} b"));
        // A line of the other stream between the pieces of one.
        assert_eq!(text(&mut printer, &entry("stderr", "x\n")), format!("{at} x\n"));
        assert_eq!(text(&mut printer, &entry("stdout", "c\n")), "c\n");
        assert_eq!(text(&mut printer, &entry("stdout", "d\n")), format!("{at} d\n"));
    }

    #[test]
    fn entries_before_the_time_are_passed_over() {
        let mut printer = printer(false);
        printer.from = Some(Timestamp::from_millisecond(1_795_000_000_121).unwrap());
        assert!(!printer.wants(&entry("stdout", "a")));
        printer.from = Some(Timestamp::from_millisecond(1_795_000_000_120).unwrap());
        assert!(printer.wants(&entry("stdout", "a")));
    }
}
