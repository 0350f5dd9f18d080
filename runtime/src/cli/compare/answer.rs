//! One of the answers that are compared: what of it is to be shown, and what it took.

use std::time::Duration;

use greenroom::{
    Cost,
    event::{self, EventBody},
    wire::{Usage, event::FinishReason},
};
use serde_json::{Value, json};

use super::layout::Piece;
use crate::cli::{Exit, Failure, failure::Told, style::Paint, wrap::presentable};

/// An answer, as far as it has come.
#[derive(Debug)]
pub(super) struct Answer {
    /// The model as it was named.
    pub(super) asked: String,
    /// What is shown of it; its text alone is plain.
    pub(super) pieces: Vec<Piece>,
    audience: Audience,
    /// What the model thought, as long as no words of the answer have come.
    thinking: String,
    /// Provider and model that answered last.
    who: Option<(String, String)>,
    thinks: bool,
    refused: bool,
    calls: Vec<String>,
    /// What is told below the answer, in place of breaking into it.
    later: Vec<String>,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    failure: Option<event::Failure>,
    /// From the question to the first text.
    first: Option<Duration>,
    end: Option<End>,
}

/// For whom an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// It has the text as it came.
    Program,
    /// It is given nothing that it would act upon.
    Terminal { is_shown_thinking: bool },
}

#[derive(Debug)]
struct End {
    took: Duration,
    exit: Exit,
    told: Option<Box<Told>>,
}

impl Answer {
    pub(super) fn new(asked: &str, audience: Audience) -> Self {
        Self {
            asked: asked.to_owned(),
            pieces: Vec::new(),
            audience,
            thinking: String::new(),
            who: None,
            thinks: false,
            refused: false,
            calls: Vec::new(),
            later: Vec::new(),
            usage: None,
            finish: None,
            failure: None,
            first: None,
            end: None,
        }
    }

    /// Takes the next event, which came so long after the question.
    pub(super) fn take(&mut self, body: &EventBody, at: Duration) {
        match body {
            EventBody::Route { provider, model, .. } => self.who = Some((provider.clone(), model.clone())),
            EventBody::Text { delta } => self.hear(delta, at),
            EventBody::Refusal { delta } => {
                self.refused = true;
                self.hear(delta, at);
            }
            EventBody::Thinking { delta } => self.think(delta),
            EventBody::ToolCall { name, .. } => self.calls.push(name.clone()),
            EventBody::ToolCallDropped { .. } => {
                self.calls.pop();
            }
            EventBody::Media { media_type, .. } => {
                self.later.push(format!("the answer holds {media_type}, which --json prints"));
            }
            EventBody::Failover { from, to, kind } if self.has_text() => {
                self.later.push(format!("{from} broke off ({kind}); {to} went on"));
            }
            EventBody::Failover { from, to, kind } => {
                self.thinking.clear();
                self.push(Paint::Dim, &format!("{from} failed ({kind}); asking {to}"));
            }
            EventBody::AnswerRestarted | EventBody::Reset { .. } if self.has_text() => {
                self.calls.clear();
                self.refused = false;
                self.push(Paint::Dim, "the answer broke off; it is made anew");
            }
            EventBody::Usage(usage) => self.usage = Some(usage.clone()),
            EventBody::TurnFinished { reason } => self.finish = Some(reason.clone()),
            EventBody::TurnFailed { error } | EventBody::Error { error } => self.failure = Some(error.clone()),
            _ => {}
        }
    }

    /// It has ended, so long after the question; what is to be said of that follows it.
    pub(super) fn end(&mut self, outcome: Result<Exit, Failure>, at: Duration) {
        let (exit, told) = match outcome {
            Ok(exit) => (exit, None),
            Err(Failure::Told(told)) => (Exit::Failed, Some(told)),
            Err(_) => (Exit::Failed, None),
        };
        // Where there is no answer it is all that there is.
        let thinking = std::mem::take(&mut self.thinking);
        if !thinking.trim().is_empty() {
            self.pieces.push(Piece { paint: Paint::Dim, text: thinking.trim().to_owned() });
        }
        for later in std::mem::take(&mut self.later) {
            self.push(Paint::Dim, &later);
        }
        if exit == Exit::Done
            && let Some(told) = self.remark()
        {
            self.push(Paint::Dim, &told);
        }
        if let Some(told) = &told {
            let lines: Vec<String> = std::iter::once(format!("error: {}", told.what))
                .chain(told.attempts.iter().map(|attempt| format!("  - {attempt}")))
                .collect();
            let hint = format!("hint: {}", told.hint);
            lines.iter().for_each(|line| self.push(Paint::Red, line));
            self.push(Paint::Plain, &hint);
        }
        self.end = Some(End { took: at, exit, told });
        if !self.pieces.is_empty() {
            self.push(Paint::Plain, "");
        }
        let foot = self.foot();
        self.push(Paint::Dim, &foot);
    }

    /// How it is under way, to be shown below what there is of it; none once it has ended.
    pub(super) fn status(&self, at: Duration) -> Option<String> {
        let doing = match () {
            () if self.end.is_some() => return None,
            () if self.has_text() => "answers",
            () if self.thinks => "thinks",
            () => "waits",
        };
        Some(format!("… {doing}, {} s", at.as_secs()))
    }

    /// What the model thinks, to be shown as long as it says nothing; empty once it does, or where thinking is not shown.
    pub(super) fn thinking(&self) -> &str {
        &self.thinking
    }

    /// How it ended; none as long as it has not.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.end.as_ref().map(|end| end.exit)
    }

    /// Why there is no whole answer, if one is to be told.
    pub(super) fn told(&self) -> Option<&Told> {
        self.end.as_ref()?.told.as_deref()
    }

    /// Whether some of its text has come.
    pub(super) fn has_text(&self) -> bool {
        self.first.is_some()
    }

    /// What it took, for a program.
    pub(super) fn summary(&self) -> Value {
        let seconds = |time: Duration| time.as_secs_f64();
        let (provider, model) = self.who.clone().unzip();
        let mut summary = json!({
            "type": "compared",
            "asked": self.asked,
            "provider": provider,
            "model": model,
            "finish_reason": self.finish,
            "usage": self.usage,
            "cost_usd": self.cost().map(Cost::dollars),
            "seconds": self.end.as_ref().map(|end| seconds(end.took)),
            "first_seconds": self.first.map(seconds),
        });
        let is_cancelled = self.exit() == Some(Exit::Interrupted);
        let error = match (&self.failure, self.told()) {
            (Some(failure), _) => Some(json!(failure)),
            (None, Some(told)) => Some(json!({"message": told.what, "hint": told.hint})),
            (None, None) if is_cancelled => {
                Some(json!({"kind": "cancelled", "message": "the answer was cancelled", "hint": "ask again"}))
            }
            (None, None) => None,
        };
        if let Some(error) = error {
            summary["error"] = error;
        }
        summary
    }

    fn hear(&mut self, delta: &str, at: Duration) {
        self.first.get_or_insert(at);
        self.thinking.clear();
        let delta = self.shown(delta);
        match self.pieces.last_mut() {
            Some(piece) if piece.paint == Paint::Plain => piece.text.push_str(&delta),
            _ => self.pieces.push(Piece { paint: Paint::Plain, text: delta }),
        }
    }

    fn think(&mut self, delta: &str) {
        self.thinks = true;
        if self.audience == (Audience::Terminal { is_shown_thinking: true }) && !self.has_text() {
            self.thinking.push_str(&presentable(delta));
        }
    }

    fn push(&mut self, paint: Paint, text: &str) {
        let text = self.shown(text);
        self.pieces.push(Piece { paint, text });
    }

    fn shown(&self, text: &str) -> String {
        match self.audience {
            Audience::Terminal { .. } => presentable(text),
            Audience::Program => text.to_owned(),
        }
    }

    /// What a person may not expect of an answer that is whole.
    fn remark(&self) -> Option<String> {
        if !self.calls.is_empty() {
            return Some(format!("the model calls {}, which this command can't do", self.calls.join(", ")));
        }
        match &self.finish {
            _ if self.refused => Some("the model refused".to_owned()),
            Some(FinishReason::Stop) if !self.has_text() => Some("the answer is empty".to_owned()),
            Some(FinishReason::Length) => Some(
                "the answer was cut off: it reached the most tokens that it may have (defaults.max_tokens of the provider)"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn cost(&self) -> Option<Cost> {
        self.usage.as_ref()?.cost.map(|parts| Cost::from_parts(u128::from(parts)))
    }

    /// Time, tokens, cost, and why it ended.
    fn foot(&self) -> String {
        let Some(end) = &self.end else { return String::new() };
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let mut parts = vec![match self.first {
            Some(first) => format!("{} (first words after {})", seconds(end.took), seconds(first)),
            None => seconds(end.took),
        }];
        if let Some(usage) = &self.usage {
            parts.push(format!("{} tokens in, {} out", usage.input_total(), usage.output));
            parts.push(
                self.cost().map_or_else(|| "price not known".to_owned(), |cost| format!("${:.6}", cost.dollars())),
            );
        }
        parts.push(match (end.exit, &self.finish) {
            (Exit::Interrupted, _) => "cancelled".to_owned(),
            (Exit::Done, Some(reason)) => word(reason),
            _ => "failed".to_owned(),
        });
        if let Some((provider, model)) = &self.who {
            let who = format!("{provider}/{model}");
            if who != self.asked {
                parts.push(format!("by {who}"));
            }
        }
        parts.join(" · ")
    }
}

/// The word of a reason, as events have it.
fn word(reason: &FinishReason) -> String {
    match json!(reason) {
        Value::String(word) => word,
        other => other["other"].as_str().unwrap_or("other").to_owned(),
    }
}
