//! Fetching a model: `POST /api/pull`, whose answer is a line for each step.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::decode_error_line;
use crate::{
    error::{ChatError, ErrorKind},
    frame::NdjsonFramer,
    json::put_value,
};

/// How far a pull has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PullProgress {
    /// Another step, in the server's words ("pulling manifest", "verifying sha256 digest").
    Step {
        /// The words.
        status: String,
    },
    /// A layer is being fetched.
    Layer {
        /// The layer's digest.
        digest: String,
        /// Its size in bytes; `None` before it is known.
        total: Option<u64>,
        /// The bytes of it that are there.
        completed: u64,
    },
}

/// Where a pull stands.
#[derive(Debug, Clone)]
pub enum PullState {
    /// It goes on.
    Open,
    /// The model is there.
    Done,
    /// It failed.
    Failed(ChatError),
}

/// Writes the body of `POST /api/pull`.
pub fn encode_pull_request(model: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_value(&mut out, &json!({"model": model, "stream": true}));
    out
}

/// Reads the answer of a pull as it comes.
///
/// Feed it with [`handle_bytes`](Self::handle_bytes) and [`handle_end`](Self::handle_end); after each, take all that
/// [`poll`](Self::poll) has, and then look at [`state`](Self::state).
#[derive(Debug)]
pub struct PullDecoder {
    framer: NdjsonFramer,
    ended: bool,
    state: PullState,
}

impl Default for PullDecoder {
    fn default() -> Self {
        Self { framer: NdjsonFramer::new(), ended: false, state: PullState::Open }
    }
}

impl PullDecoder {
    /// A decoder at the start of a pull.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.framer.push(bytes);
    }

    /// The body has ended. A pull that did not say that it succeeded has failed.
    pub fn handle_end(&mut self) {
        self.framer.end();
        self.ended = true;
    }

    /// The next thing that happened; `None` if nothing more is known yet.
    pub fn poll(&mut self) -> Option<PullProgress> {
        while matches!(self.state, PullState::Open) {
            match self.framer.next_line() {
                None if self.ended => self.fail("the pull was cut: the stream ended before it did"),
                None => return None,
                Some(Err(error)) => {
                    let message = error.to_string();
                    self.fail(&message);
                }
                Some(Ok(line)) => match read(line) {
                    Ok(Line::Progress(progress)) => return Some(progress),
                    Ok(Line::Success) => self.state = PullState::Done,
                    Ok(Line::Unknown) => {}
                    Err(error) => self.state = PullState::Failed(error),
                },
            }
        }
        None
    }

    /// Where it stands.
    pub fn state(&self) -> &PullState {
        &self.state
    }

    fn fail(&mut self, message: &str) {
        self.state = PullState::Failed(ChatError::new(ErrorKind::Protocol, message));
    }
}

enum Line {
    Progress(PullProgress),
    Success,
    Unknown,
}

fn read(line: &str) -> Result<Line, ChatError> {
    let broken = || ChatError::new(ErrorKind::Protocol, "a line of the pull is not JSON");
    let json: Value = serde_json::from_str(line).map_err(|_| broken())?;
    if json.get("error").is_some_and(|error| !error.is_null()) {
        return Err(decode_error_line(&json));
    }
    let Some(status) = json["status"].as_str() else { return Ok(Line::Unknown) };
    Ok(match json["digest"].as_str() {
        Some(digest) => Line::Progress(PullProgress::Layer {
            digest: digest.to_owned(),
            total: json["total"].as_u64(),
            // Absent as long as nothing is there.
            completed: json["completed"].as_u64().unwrap_or(0),
        }),
        None if status == "success" => Line::Success,
        None => Line::Progress(PullProgress::Step { status: status.to_owned() }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(pieces: &[&[u8]]) -> (Vec<PullProgress>, PullState) {
        let mut decoder = PullDecoder::new();
        let mut seen = Vec::new();
        for piece in pieces {
            decoder.handle_bytes(piece);
            seen.extend(std::iter::from_fn(|| decoder.poll()));
        }
        decoder.handle_end();
        seen.extend(std::iter::from_fn(|| decoder.poll()));
        (seen, decoder.state().clone())
    }

    const PULL: &str = concat!(
        "{\"status\":\"pulling manifest\"}\n",
        "{\"status\":\"pulling aa\",\"digest\":\"sha256:aa\",\"total\":10}\n",
        "{\"status\":\"pulling aa\",\"digest\":\"sha256:aa\",\"total\":10,\"completed\":10}\n",
        "{\"status\":\"writing manifest\"}\n{\"status\":\"success\"}\n",
    );

    #[test]
    fn each_line_is_a_step_however_it_is_cut() {
        let step = |status: &str| PullProgress::Step { status: status.into() };
        let layer = |completed| PullProgress::Layer { digest: "sha256:aa".into(), total: Some(10), completed };
        let want = [step("pulling manifest"), layer(0), layer(10), step("writing manifest")];
        for at in 0..=PULL.len() {
            let (one, two) = PULL.as_bytes().split_at(at);
            let (seen, state) = pull(&[one, two]);
            assert_eq!(seen, want, "cut at {at}");
            assert!(matches!(state, PullState::Done), "cut at {at}: {state:?}");
        }
    }

    #[test]
    fn an_error_a_cut_and_garbage_are_failures() {
        let failure = |text: &str| match pull(&[text.as_bytes()]).1 {
            PullState::Failed(error) => error.kind,
            state => panic!("{text}: {state:?}"),
        };
        assert_eq!(failure("{\"error\":\"pull model manifest: file does not exist\"}\n"), ErrorKind::NotFound);
        assert_eq!(failure("{\"error\":\"max retries exceeded\"}\n"), ErrorKind::Server);
        assert_eq!(failure(&PULL[..PULL.len() - 22]), ErrorKind::Protocol);
        assert_eq!(failure(""), ErrorKind::Protocol);
        assert_eq!(failure("<html>\n"), ErrorKind::Protocol);
        assert_eq!(failure("\u{0}"), ErrorKind::Protocol);
    }
}
