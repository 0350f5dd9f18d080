//! Server-sent events out of the bytes of a body, with the comments that real clients pass over.

use std::collections::VecDeque;

use serde_json::Value;

/// One block of an event stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The field `id`.
    pub id: Option<String>,
    /// The field `event`.
    pub event: Option<String>,
    /// The `data` lines, joined by `\n`; none if there was no such line.
    pub data: Option<String>,
    /// The comments of the block, without their colon.
    pub comments: Vec<String>,
}

impl Event {
    /// The data as text; empty if there is none.
    pub fn text(&self) -> &str {
        self.data.as_deref().unwrap_or_default()
    }

    /// The data as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_default()
    }

    /// Whether the block holds comments alone.
    pub fn is_comment(&self) -> bool {
        self.data.is_none() && self.event.is_none() && self.id.is_none() && !self.comments.is_empty()
    }
}

/// Finds the events in bytes that arrive in any pieces. Lines end by `\n` or `\r\n`.
#[derive(Debug, Default)]
pub struct Events {
    held: Vec<u8>,
    open: Event,
    ready: VecDeque<Event>,
}

impl Events {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        while let Some(end) = self.held.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.held.drain(..=end).collect();
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.line(&String::from_utf8_lossy(line));
        }
    }

    /// The block at the end of the body that no empty line closed, if there is one.
    pub fn finish(&mut self) -> Option<Event> {
        let rest = std::mem::take(&mut self.held);
        if !rest.is_empty() {
            self.line(&String::from_utf8_lossy(&rest));
        }
        self.line("");
        self.next()
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let block = std::mem::take(&mut self.open);
            if block != Event::default() {
                self.ready.push_back(block);
            }
            return;
        }
        if let Some(comment) = line.strip_prefix(':') {
            self.open.comments.push(comment.strip_prefix(' ').unwrap_or(comment).to_owned());
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "id" => self.open.id = Some(value),
            "event" => self.open.event = Some(value),
            "data" => match &mut self.open.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(&value);
                }
                None => self.open.data = Some(value),
            },
            _ => {}
        }
    }
}

impl Iterator for Events {
    type Item = Event;

    /// The next complete block; none until more bytes are fed.
    fn next(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Events};

    #[test]
    fn finds_the_same_events_however_the_bytes_are_torn() {
        let stream = ": beat\r\n\r\nid: 7\r\nevent: x\r\ndata: grün\r\ndata:zwei\r\n\r\ndata: last".as_bytes();
        let want = [
            Event { comments: vec!["beat".into()], ..Event::default() },
            Event {
                id: Some("7".into()),
                event: Some("x".into()),
                data: Some("grün\nzwei".into()),
                ..Event::default()
            },
            Event { data: Some("last".into()), ..Event::default() },
        ];
        for size in 1..=stream.len() {
            let mut events = Events::default();
            stream.chunks(size).for_each(|piece| events.feed(piece));
            let mut found: Vec<Event> = events.by_ref().collect();
            found.extend(events.finish());
            assert_eq!(found, want, "in pieces of {size}");
        }
    }
}
