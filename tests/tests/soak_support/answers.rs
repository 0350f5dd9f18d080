//! A provider whose every answer follows from its question, so that whoever reads one knows whether it is right, and who
//! is asked to go on with one knows how.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use greenroom_tests::{
    Attempt, Script, ScriptedProvider, Step,
    openai::{self, Answer, CHAT},
};
use serde_json::Value;

use super::Chance;

const WORDS: [&str; 8] = ["river", "größer", "морской", "日本語", "\u{1f30a}\u{1f3d4}", "naïve", "ελιά", "e\u{301}té"];

/// Steps behind the last piece of an answer: the reason of its end, the usage, and the marker of the end.
const ENDING: usize = 3;

/// A question; its text holds all that its answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    pub number: u64,
    /// At least so many bytes of answer.
    pub bytes: usize,
    /// About so many in each piece of the stream.
    pub piece: usize,
    /// Between two pieces.
    pub pace_ms: u64,
}

impl Question {
    pub fn text(&self) -> String {
        let Self { number, bytes, piece, pace_ms } = self;
        format!("question {number} bytes {bytes} piece {piece} pace {pace_ms}")
    }

    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let ["question", number, "bytes", bytes, "piece", piece, "pace", pace] = words[..] else { return None };
        Some(Self {
            number: number.parse().ok()?,
            bytes: bytes.parse().ok()?,
            piece: piece.parse().ok()?,
            pace_ms: pace.parse().ok()?,
        })
    }

    /// The whole answer: numbered, so that nothing of it is like anything else of it.
    pub fn answer(&self) -> String {
        let mut chance = Chance::new(self.number + 1);
        let mut text = String::with_capacity(self.bytes + 64);
        let mut index = 0;
        while text.len() < self.bytes {
            let word = WORDS[usize::try_from(chance.below(8)).unwrap()];
            write!(text, "{}:{index:05} {word} ", self.number).unwrap();
            index += 1;
        }
        text
    }

    /// The answer from a place on, as a stream.
    fn stream(&self, text: &str) -> Attempt {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.ceil_char_boundary(self.piece.min(rest.len())));
            pieces.push(piece);
            rest = after;
        }
        let mut attempt = Answer::text(pieces).model("m1").pace(Duration::from_millis(self.pace_ms)).stream();
        if self.number % 4 == 1 {
            // Now and then there is time to be killed between the last word and the end.
            let end = attempt.steps.len() - ENDING;
            attempt.steps.insert(end, Step::Wait { ms: 400 });
        }
        attempt
    }
}

/// What a provider saw.
#[derive(Debug, Default)]
pub struct Asked {
    pub chats: AtomicUsize,
    /// Those that were to go on with an answer.
    pub continued: AtomicUsize,
    /// Those that were to go on with one that was whole already.
    pub whole: AtomicUsize,
    /// What it was shown that never was so.
    wrong: Mutex<Vec<String>>,
}

impl Asked {
    /// Fails if a model was ever shown what was not said.
    pub fn check(&self) {
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{} conversations were shown wrongly: {}", wrong.len(), wrong[0]);
    }
}

/// Starts the provider. It is held against the questions what the model is shown of earlier answers, and of one that it is
/// to go on with.
pub async fn provider() -> (ScriptedProvider, Arc<Asked>) {
    let asked = Arc::<Asked>::default();
    let seen = Arc::clone(&asked);
    let script = Script::new([openai::models(["m1"]), openai::chat([Attempt::new().always()])]);
    let provider = ScriptedProvider::start_answering(script, move |path, body| {
        (path == CHAT).then(|| {
            answer(&seen, body).unwrap_or_else(|wrong| {
                seen.wrong.lock().unwrap().push(wrong.clone());
                openai::error(400, "invalid_request_error", None, &wrong)
            })
        })
    })
    .await;
    (provider, asked)
}

fn answer(asked: &Asked, body: &[u8]) -> Result<Attempt, String> {
    let number = asked.chats.fetch_add(1, Ordering::SeqCst) as u64;
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut open: Option<Question> = None;
    let mut shown = None;
    for message in body["messages"].as_array().ok_or("no messages")? {
        let text = message["content"].as_str().ok_or("a message without text")?;
        match (message["role"].as_str(), Question::parse(text), open) {
            (Some("user"), Some(next), before) => {
                if let Some(before) = before
                    && shown.as_ref() != Some(&before.answer())
                {
                    return Err(format!("question {} has the answer {shown:?}", before.number));
                }
                (open, shown) = (Some(next), None);
            }
            (Some("assistant"), _, Some(_)) => shown = Some(text.to_owned()),
            // It is asked in words to go on.
            (Some("user"), None, Some(_)) if shown.is_some() => {}
            (role, ..) => return Err(format!("{role:?} says {text:?}")),
        }
    }
    let question = open.ok_or("no question")?;
    let whole = question.answer();
    let Some(shown) = shown else { return Ok(question.stream(&whole)) };
    let rest = whole.strip_prefix(&shown).ok_or_else(|| format!("not what {} answers: {shown:?}", question.number))?;
    asked.continued.fetch_add(1, Ordering::SeqCst);
    asked.whole.fetch_add(usize::from(rest.is_empty()), Ordering::SeqCst);
    // As models do: from there, from the start, or from a little before.
    let again = match Chance::new(number).below(3) {
        0 => rest,
        1 => &whole,
        _ => &whole[whole.floor_char_boundary(shown.len().saturating_sub(60))..],
    };
    Ok(question.stream(again))
}

#[test]
fn a_question_is_read_back_and_its_answer_is_its_own() {
    let question = Question { number: 7, bytes: 300, piece: 10, pace_ms: 0 };
    assert_eq!(Question::parse(&question.text()), Some(question));
    assert_eq!(question.answer(), question.answer());
    assert!(question.answer().starts_with("7:00000 ") && !question.answer().is_ascii());
    assert_ne!(question.answer(), Question { number: 8, ..question }.answer());
}
