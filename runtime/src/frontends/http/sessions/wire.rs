//! An event as a frontend is sent it.

use greenroom_actors::session::{
    event::{EventBody, LogEvent},
    log::Cursor,
};
use greenroom_wire::json::put_value;

/// How every event begins.
const HEAD: &[u8] = b"{\"type\":\"";

/// Writes an event as server-sent events have it: its id is the cursor to resume from.
pub(super) fn put_event(out: &mut Vec<u8>, scratch: &mut Vec<u8>, event: &LogEvent, epoch: u64) {
    scratch.clear();
    put_value(scratch, event);
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(cursor(event, epoch).as_bytes());
    out.extend_from_slice(b"\nevent: ");
    out.extend_from_slice(type_of(scratch));
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(scratch);
    out.extend_from_slice(b"\n\n");
}

/// An event as a frame of text: the same JSON, and in it the cursor to resume from.
pub(super) fn frame(event: &LogEvent, epoch: u64) -> String {
    let mut json = Vec::new();
    put_value(&mut json, event);
    // A reset tells the cursor by itself.
    if !matches!(event.body, EventBody::Reset { .. }) {
        json.pop();
        json.extend_from_slice(b",\"cursor\":\"");
        json.extend_from_slice(cursor(event, epoch).as_bytes());
        json.extend_from_slice(b"\"}");
    }
    String::from_utf8(json).expect("JSON is UTF-8")
}

/// Where to read on behind an event.
fn cursor(event: &LogEvent, epoch: u64) -> String {
    match &event.body {
        EventBody::Reset { cursor } => cursor.clone(),
        _ => Cursor { epoch, position: event.next }.to_string(),
    }
}

/// The type of an event that is written as JSON.
fn type_of(json: &[u8]) -> &[u8] {
    let rest = json.strip_prefix(HEAD).expect("an event's type comes first");
    let end = rest.iter().position(|byte| *byte == b'"').expect("an event's type is a text");
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: EventBody) -> LogEvent {
        LogEvent { body, turn: Some(2), position: 7, next: 12 }
    }

    fn sse(body: EventBody) -> String {
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        put_event(&mut out, &mut scratch, &event(body), 3);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_three_lines_whatever_it_says() {
        let said = sse(EventBody::Text { delta: "a\n\r\u{2028}\u{85}\"".into() });
        let data = r#"{"type":"text","delta":"a\n\r\u2028\u0085\"","turn":2,"position":7,"next":12}"#;
        assert_eq!(said, format!("id: 3-12\nevent: text\ndata: {data}\n\n"));
        assert!(sse(EventBody::TurnStarted).starts_with("id: 3-12\nevent: turn.started\ndata: {"));
        let reset = sse(EventBody::Reset { cursor: "4-0".into() });
        assert!(reset.starts_with("id: 4-0\nevent: reset\n"), "{reset}");
    }

    #[test]
    fn a_frame_has_the_cursor_once() {
        for body in [EventBody::Synced, EventBody::Reset { cursor: "4-0".into() }] {
            let frame = frame(&event(body.clone()), 3);
            assert_eq!(frame.matches("\"cursor\":").count(), 1, "{frame}");
            let json: serde_json::Value = serde_json::from_str(&frame).unwrap();
            assert_eq!(json["cursor"], if body == EventBody::Synced { "3-12" } else { "4-0" });
            assert_eq!(json["next"], 12);
        }
    }
}
