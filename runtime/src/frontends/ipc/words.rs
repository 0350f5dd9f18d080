//! The lines that go out.

use greenroom_wire::{ChatError, json::put_value};
use serde::Serialize;

use super::envelope::Id;
use crate::frontends::http::whole_seconds;

/// How a line ends that is one of several.
const PIECE: &[u8] = b",\"streaming\":true}";
/// How the last of several begins.
const DONE: &[u8] = b"{\"success\":true,\"data\":{\"type\":\"done\",";

/// Why a request was not answered, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Box<Told>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Told {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Whole seconds after which it is worth to ask again, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal of this code, with one line of what to do.
    pub fn new(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let (code, message, hint) = (code.to_owned(), message.into(), Some(hint.into()));
        Self(Box::new(Told { code, message, hint, retry_after: None }))
    }

    /// The request itself is wrong.
    pub fn bad(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new("bad_request", message, hint)
    }

    /// Which kind it is of.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The line that tells it, without an id.
    pub fn line(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Line<'a> {
            success: bool,
            error: &'a Told,
        }
        line(&Line { success: false, error: &self.0 })
    }
}

impl From<&ChatError> for Refusal {
    fn from(error: &ChatError) -> Self {
        let (code, message) = (error.kind.as_str().to_owned(), error.message.clone());
        let retry_after = error.details.retry_after.map(whole_seconds);
        Self(Box::new(Told { code, message, hint: error.details.hint.clone(), retry_after }))
    }
}

impl From<ChatError> for Refusal {
    fn from(error: ChatError) -> Self {
        Self::from(&error)
    }
}

/// The line that ends an answer, without an id.
pub(super) fn last<T: Serialize + ?Sized>(data: &T) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a, T: ?Sized> {
        success: bool,
        data: &'a T,
    }
    line(&Line { success: true, data })
}

/// Appends a line of several, without an id. Of a chat, the last one has the type `done`, as its first field.
pub(super) fn put_piece<T: Serialize + ?Sized>(out: &mut Vec<u8>, data: &T) {
    #[derive(Serialize)]
    struct Line<'a, T: ?Sized> {
        success: bool,
        data: &'a T,
        // Last, since whoever passes lines on looks for it there.
        streaming: bool,
    }
    put_value(out, &Line { success: true, data, streaming: true });
    out.push(b'\n');
}

fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = Vec::new();
    put_value(&mut line, value);
    line.push(b'\n');
    line
}

/// Gives the lines of an answer its id.
#[derive(Debug)]
pub(super) struct Tagged {
    /// What each line begins with, in place of its brace.
    head: Vec<u8>,
    /// The beginning of a line that is not whole yet.
    begun: Vec<u8>,
}

impl Tagged {
    /// For the answer of this id; of a request without one, it stays without.
    pub(super) fn new(id: Option<&Id>) -> Self {
        let head = id.map_or_else(|| "{".to_owned(), |id| format!("{{\"id\":{},", id.json()));
        Self { head: head.into_bytes(), begun: Vec::new() }
    }

    /// Takes the next piece of an answer, cut anywhere. The lines that are whole, and whether the last of them ends it;
    /// what stands behind that is left out.
    pub(super) fn take(&mut self, piece: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(piece.len() + self.head.len());
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            let Some(line) = self.begun.strip_suffix(b"\n") else { continue };
            let is_last = !line.ends_with(PIECE) || line.starts_with(DONE);
            if let Some(fields) = line.strip_prefix(b"{") {
                out.extend_from_slice(&self.head);
                out.extend_from_slice(fields);
                out.push(b'\n');
            }
            self.begun.clear();
            if is_last {
                return (out, true);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::envelope, *};

    #[test]
    fn an_id_is_given_to_each_line_wherever_the_answer_is_cut() {
        let mut answer = Vec::new();
        put_piece(&mut answer, &json!({"type": "content", "content": ",\"streaming\":true}\u{2028}\n"}));
        put_piece(&mut answer, &json!({"streaming": false}));
        answer.extend(last(&json!({"streaming": true})));
        answer.extend(b"{\"left\":\"out\"}\n");
        let (id, _) = envelope::read(b"{\"id\": \"a\\\"b\"}");
        for cut in 0..answer.len() {
            let mut tagged = Tagged::new(id.as_ref());
            let (head, tail) = answer.split_at(cut);
            let (mut out, ended) = tagged.take(head);
            if !ended {
                let (more, ended) = tagged.take(tail);
                assert!(ended, "cut at {cut}");
                out.extend(more);
            }
            let text = String::from_utf8(out).unwrap();
            assert!(!text.contains('\u{2028}'));
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines.len(), 3, "cut at {cut}: {text}");
            assert!(lines.iter().all(|line| line["id"] == "a\"b" && line["success"] == true), "{text}");
            assert_eq!(lines[2], json!({"id": "a\"b", "success": true, "data": {"streaming": true}}));
        }
    }

    #[test]
    fn a_chat_ends_with_the_line_that_says_so() {
        let mut answer = Vec::new();
        put_piece(&mut answer, &json!({"type": "content", "content": "{\"type\":\"done\","}));
        assert!(!Tagged::new(None).take(&answer).1);
        put_piece(&mut answer, &json!({"type": "done", "usage": {}}));
        assert_eq!(Tagged::new(None).take(&answer), (answer, true));
    }

    #[test]
    fn who_gives_no_id_is_given_none() {
        let mut tagged = Tagged::new(None);
        let refusal = Refusal::bad("why", "what to do");
        let (line, ended) = tagged.take(&refusal.line());
        assert!(ended);
        let told: Value = serde_json::from_slice(&line).unwrap();
        let error = json!({"code": "bad_request", "message": "why", "hint": "what to do"});
        assert_eq!(told, json!({"success": false, "error": error}));
    }
}
