//! Whether an answer says what it must. Pure; the bytes of a body come in any pieces.

use std::borrow::Cow;

use serde::Deserialize;

use crate::answer::TOKEN;

/// What is wrong with the body of an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("not what an answer looks like: {1}")]
    Json(#[source] serde_json::Error, String),
    #[error("other text than the provider's at byte {at}: {got:?}")]
    Text { at: usize, got: String },
    #[error("the text ends at byte {0} of {1}")]
    Short(usize, usize),
    #[error("an error: {0}")]
    Error(String),
    #[error("no finish reason \"stop\"")]
    Reason,
    #[error("usage is not that of the answer")]
    Usage,
    #[error("no end marker")]
    End,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    usage: Option<Usage>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, alias = "delta")]
    message: Message<'a>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
}

/// Borrowed wherever nothing is escaped; a bare `Option<Cow>` would always be copied.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Usage {
    completion_tokens: usize,
}

/// One answer as it comes.
pub(crate) struct Answer<'a> {
    text: &'a str,
    stream: bool,
    at: usize,
    stopped: bool,
    counted: bool,
    ended: bool,
    /// A line without its end, or a whole answer's body.
    held: Vec<u8>,
}

impl<'a> Answer<'a> {
    /// An answer that must be `text`.
    pub(crate) fn new(text: &'a str, stream: bool) -> Self {
        Self { text, stream, at: 0, stopped: false, counted: false, ended: false, held: Vec::new() }
    }

    /// Takes the next bytes; gives how many bytes of text were in them.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<usize, Fault> {
        if !self.stream {
            self.held.extend_from_slice(bytes);
            return Ok(0);
        }
        let before = self.at;
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if self.held.is_empty() {
                self.line(&bytes[..end])?;
            } else {
                let mut line = std::mem::take(&mut self.held);
                line.extend_from_slice(&bytes[..end]);
                self.line(&line)?;
            }
            bytes = &bytes[end + 1..];
        }
        self.held.extend_from_slice(bytes);
        Ok(self.at - before)
    }

    /// The body is over; gives how many bytes of text a whole answer had.
    pub(crate) fn finish(mut self) -> Result<usize, Fault> {
        let before = self.at;
        if !self.stream {
            let body = std::mem::take(&mut self.held);
            self.json(&body)?;
            self.ended = true;
        }
        match self {
            Self { at, text, .. } if at < text.len() => Err(Fault::Short(at, text.len())),
            Self { stopped: false, .. } => Err(Fault::Reason),
            Self { counted: false, .. } => Err(Fault::Usage),
            Self { ended: false, .. } => Err(Fault::End),
            Self { at, .. } => Ok(at - before),
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        match line.trim_ascii_end().strip_prefix(b"data:").map(<[u8]>::trim_ascii_start) {
            None | Some(b"") => Ok(()),
            Some(b"[DONE]") => {
                self.ended = true;
                Ok(())
            }
            Some(data) => self.json(data),
        }
    }

    fn json(&mut self, json: &[u8]) -> Result<(), Fault> {
        let show = || String::from_utf8_lossy(&json[..json.len().min(500)]).into_owned();
        let body: Body<'_> = serde_json::from_slice(json).map_err(|error| Fault::Json(error, show()))?;
        if body.error.is_some() {
            return Err(Fault::Error(show()));
        }
        for choice in body.choices {
            if let Some(Text(delta)) = choice.message.content {
                // The rest may not be cut within the text by a delta that has other lengths than the tokens'.
                if !self.text.as_bytes()[self.at..].starts_with(delta.as_bytes()) {
                    return Err(Fault::Text { at: self.at, got: delta.into_owned() });
                }
                self.at += delta.len();
            }
            self.stopped |= choice.finish_reason.is_some_and(|Text(reason)| reason == "stop");
        }
        if let Some(usage) = body.usage {
            if usage.completion_tokens != self.text.len() / TOKEN {
                return Err(Fault::Usage);
            }
            self.counted = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0000 0001 ";

    fn stream(deltas: &[&str], rest: &str) -> String {
        let delta = |delta: &&str| {
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{delta}\"}},\"finish_reason\":null}}]}}\r\n\r\n")
        };
        let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        format!(": beat\n\n{}{finish}{rest}", deltas.iter().map(delta).collect::<String>())
    }

    const REST: &str = "data: {\"choices\":[],\"usage\":{\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";

    fn check(body: &str, piece: usize) -> Result<usize, Fault> {
        let mut answer = Answer::new(TEXT, true);
        let mut seen = 0;
        for piece in body.as_bytes().chunks(piece) {
            seen += answer.take(piece)?;
        }
        Ok(seen + answer.finish()?)
    }

    #[test]
    fn a_right_stream_is_right_however_it_is_cut_and_merged() {
        for deltas in [&["0000 ", "0001 "][..], &["0000 0001 "], &["00", "00 0001", "", " "]] {
            let body = stream(deltas, REST);
            for piece in 1..body.len() {
                assert_eq!(check(&body, piece).unwrap(), TEXT.len());
            }
        }
    }

    #[test]
    fn text_that_is_lost_doubled_or_changed_is_seen() {
        let check = |deltas: &[&str]| check(&stream(deltas, REST), 7);
        assert!(matches!(check(&["0000 "]), Err(Fault::Short(5, 10))));
        assert!(matches!(check(&["0001 "]), Err(Fault::Text { at: 0, .. })));
        assert!(matches!(check(&["0000 ", "0000 ", "0001 "]), Err(Fault::Text { at: 5, .. })));
        assert!(matches!(check(&["0000 0001 0002 "]), Err(Fault::Text { at: 0, .. })));
    }

    #[test]
    fn an_end_that_is_missing_or_false_is_seen() {
        let deltas = &["0000 0001 "];
        let done = "data: [DONE]\n\n";
        let miscounted = "data: {\"choices\":[],\"usage\":{\"completion_tokens\":3}}\n\n";
        let failed = "data: {\"error\":{\"message\":\"cut\"}}\n\n";
        assert!(matches!(check(&stream(deltas, &REST.replace(done, "")), 9), Err(Fault::End)));
        assert!(matches!(check(&stream(deltas, done), 9), Err(Fault::Usage)));
        assert!(matches!(check(&stream(deltas, miscounted), 9), Err(Fault::Usage)));
        assert!(matches!(check(&stream(deltas, failed), 9), Err(Fault::Error(_))));
        assert!(matches!(check(&stream(deltas, REST).replace("\"stop\"", "\"length\""), 9), Err(Fault::Reason)));
        assert!(matches!(check("data: {\n\n", 9), Err(Fault::Json(..))));
    }

    #[test]
    fn a_whole_answer_is_checked_alike() {
        let whole = |text: &str| {
            let mut answer = Answer::new(TEXT, false);
            let body = format!(
                "{{\"choices\":[{{\"message\":{{\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}],\
                 \"usage\":{{\"completion_tokens\":2}}}}"
            );
            assert_eq!(answer.take(body.as_bytes()).unwrap(), 0);
            answer.finish()
        };
        assert_eq!(whole(TEXT).unwrap(), TEXT.len());
        assert!(matches!(whole("0000 "), Err(Fault::Short(..))));
        assert!(matches!(whole("0000 0002 "), Err(Fault::Text { .. })));
    }
}
