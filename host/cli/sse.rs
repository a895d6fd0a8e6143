//! Server-sent events, out of the pieces in which they arrive. Pure.
//!
//! As the HTML standard has them, as far as agents and hubs send them: lines end with LF or CRLF, and `data` that spans lines
//! is joined. Comments and unknown fields are passed over.

use anyhow::ensure;

/// The longest event, in bytes. An entry of a log is far shorter.
const MAX_EVENT: usize = 4 << 20;

/// An event that has arrived in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; empty where it has none.
    pub(crate) name: String,
    pub(crate) data: String,
}

/// What has arrived of the next event.
#[derive(Debug, Default)]
pub(crate) struct Events {
    rest: Vec<u8>,
    next: Event,
    lines: usize,
    next_id: String,
    last_id: String,
}

impl Events {
    /// Takes a piece, and gives the events that it completes.
    ///
    /// # Errors
    /// An event is longer than any that is sent.
    pub(crate) fn push(&mut self, piece: &[u8]) -> anyhow::Result<Vec<Event>> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        let mut start = 0;
        while let Some(length) = self.rest[start..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[start..start + length]).into_owned();
            events.extend(self.line(line.strip_suffix('\r').unwrap_or(&line)));
            start += length + 1;
        }
        self.rest.drain(..start);
        let held = self.rest.len() + self.next.data.len();
        ensure!(
            held <= MAX_EVENT,
            "an event of the answer is longer than {MAX_EVENT} bytes; is that address the right one?"
        );
        Ok(events)
    }

    /// The id of the last event that had one, or that came alone to say how far the stream is; empty before.
    pub(crate) fn last_id(&self) -> &str {
        &self.last_id
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            self.last_id.clone_from(&self.next_id);
            let complete = std::mem::take(&mut self.lines) > 0;
            let event = std::mem::take(&mut self.next);
            return complete.then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.next_id),
            "event" => value.clone_into(&mut self.next.name),
            "data" => {
                if self.lines > 0 {
                    self.next.data.push('\n');
                }
                self.next.data.push_str(value);
                self.lines += 1;
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_put_together_wherever_they_were_cut() {
        let text = ": nothing new\n\nevent: log\nid: 1\ndata: {\"a\":1}\n\n\
                    event: log\r\nid: 2\r\ndata:b\r\ndata: c\u{e9}\r\n\r\ndata: d";
        let expected = [event("log", "{\"a\":1}"), event("log", "b\nc\u{e9}")];
        for cut in 0..text.len() {
            let mut events = Events::default();
            let (one, other) = text.as_bytes().split_at(cut);
            let mut found = events.push(one).unwrap();
            found.extend(events.push(other).unwrap());
            assert_eq!((found, events.last_id()), (expected.to_vec(), "2"), "{cut}");
        }
    }

    #[test]
    fn an_id_counts_when_its_event_is_there() {
        let mut events = Events::default();
        events.push(b"id: 1\n").unwrap();
        assert_eq!(events.last_id(), "");
        events.push(b"\ndata: a\n\nid: 2\n").unwrap();
        assert_eq!(events.last_id(), "1");
    }

    #[test]
    fn an_event_without_data_is_none_and_one_without_end_is_refused() {
        let mut events = Events::default();
        assert_eq!(events.push(b"event: log\n\n\n\n").unwrap(), []);
        assert!(events.push(&vec![b'x'; MAX_EVENT + 1]).is_err());
    }
}
