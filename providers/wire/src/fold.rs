//! From the events of an answer to the answer as a whole.

use serde_json::Value;

use crate::{
    chat::{Extra, MediaSource, Message, Part, Role},
    event::{ChatEvent, FinishReason, Usage},
};

/// An answer as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// The provider's id of the answer; empty where it gives none.
    pub id: String,
    /// The model that answered, in the provider's words; empty where it does not say.
    pub model: String,
    /// What it said, as the next turn of the conversation.
    pub message: Message,
    /// The tokens, where they were told.
    pub usage: Option<Usage>,
    /// Why it ended; `None` if the events end before it did.
    pub finish: Option<FinishReason>,
    /// The sources, in the provider's words.
    pub citations: Vec<Value>,
    /// What the chat language has no word for, with paths relative to the answer.
    pub extra: Vec<Extra>,
}

/// Folds events one by one.
#[derive(Debug)]
pub struct Fold {
    provider: String,
    asked: String,
    folded: Folded,
    /// Which part each tool call is, by the call's index.
    calls: Vec<(u32, usize)>,
}

impl Fold {
    /// A fold of an answer of this provider and model: the names under which its [`Part::Opaque`]s are kept, and by
    /// which an encoder later knows that they may go back.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            asked: model.into(),
            folded: Folded {
                id: String::new(),
                model: String::new(),
                message: Message::new(Role::Assistant, Vec::new()),
                usage: None,
                finish: None,
                citations: Vec::new(),
                extra: Vec::new(),
            },
            calls: Vec::new(),
        }
    }

    /// What comes next is said by this provider and model, who go on with the answer; see [`Fold::new`].
    pub fn said_by(&mut self, provider: &str, model: &str) {
        provider.clone_into(&mut self.provider);
        model.clone_into(&mut self.asked);
    }

    /// Takes the next event.
    pub fn push(&mut self, event: ChatEvent) {
        let parts = &mut self.folded.message.parts;
        match event {
            ChatEvent::Started { id, model } => (self.folded.id, self.folded.model) = (id, model),
            ChatEvent::Text { delta } => match parts.last_mut() {
                Some(Part::Text { text }) => text.push_str(&delta),
                _ => parts.push(Part::Text { text: delta }),
            },
            ChatEvent::Refusal { delta } => match parts.last_mut() {
                Some(Part::Refusal { text }) => text.push_str(&delta),
                _ => parts.push(Part::Refusal { text: delta }),
            },
            ChatEvent::Thinking { delta } => match parts.last_mut() {
                Some(Part::Thinking { text }) => text.push_str(&delta),
                _ => parts.push(Part::Thinking { text: delta }),
            },
            ChatEvent::ToolCallStarted { index, id, name, kind } => {
                self.calls.push((index, parts.len()));
                parts.push(Part::ToolCall { id, name, arguments: String::new(), kind });
            }
            ChatEvent::ToolCallArgs { index, delta } => {
                let part = self.calls.iter().rev().find(|(call, _)| *call == index).map(|(_, part)| *part);
                if let Some(Part::ToolCall { arguments, .. }) = part.and_then(|part| parts.get_mut(part)) {
                    arguments.push_str(&delta);
                }
            }
            ChatEvent::ToolCallDone { .. } => {}
            ChatEvent::Opaque { data } => {
                parts.push(Part::Opaque { provider: self.provider.clone(), model: self.asked.clone(), data });
            }
            ChatEvent::Citation { json } => self.folded.citations.push(json),
            ChatEvent::Media { media_type, data } => parts.push(media(media_type, data)),
            ChatEvent::Extra(extra) => self.folded.extra.push(extra),
            ChatEvent::Usage(usage) => self.folded.usage = Some(usage),
            ChatEvent::Finished { reason } => self.folded.finish = Some(reason),
        }
    }

    /// The answer so far.
    pub fn finish(self) -> Folded {
        self.folded
    }
}

/// Folds a whole answer; see [`Fold::new`] for the names.
pub fn fold(events: impl IntoIterator<Item = ChatEvent>, provider: &str, model: &str) -> Folded {
    let mut fold = Fold::new(provider, model);
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

fn media(media_type: String, data: String) -> Part {
    let kind = media_type.split('/').next().unwrap_or_default().to_owned();
    let source = MediaSource::Base64 { media_type, data };
    match kind.as_str() {
        "audio" => Part::Audio { source },
        "image" => Part::Image { source, detail: None },
        _ => Part::Document { source, name: None },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::ToolCallKind;

    #[test]
    fn parts_keep_their_places() {
        let text = |delta: &str| ChatEvent::Text { delta: delta.into() };
        let call = |index, id: &str| ChatEvent::ToolCallStarted {
            index,
            id: id.into(),
            name: "f".into(),
            kind: ToolCallKind::Function,
        };
        let args = |index, delta: &str| ChatEvent::ToolCallArgs { index, delta: delta.into() };
        let folded = fold(
            [
                ChatEvent::Started { id: "a".into(), model: "m-1".into() },
                ChatEvent::Thinking { delta: "hm".into() },
                ChatEvent::Opaque { data: json!({"signature": "s"}) },
                text("one "),
                text("two"),
                call(0, "c0"),
                args(0, "{"),
                call(1, "c1"),
                args(1, "["),
                args(0, "}"),
                args(1, "]"),
                ChatEvent::ToolCallDone { index: 0 },
                ChatEvent::ToolCallDone { index: 1 },
                ChatEvent::Usage(Usage { output: 1, ..Usage::default() }),
                ChatEvent::Usage(Usage { output: 3, ..Usage::default() }),
                ChatEvent::Finished { reason: FinishReason::ToolCalls },
            ],
            "p",
            "m",
        );
        let tool = |id: &str, arguments: &str| Part::ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: arguments.into(),
            kind: ToolCallKind::Function,
        };
        assert_eq!(
            folded.message.parts,
            [
                Part::Thinking { text: "hm".into() },
                Part::Opaque { provider: "p".into(), model: "m".into(), data: json!({"signature": "s"}) },
                Part::text("one two"),
                tool("c0", "{}"),
                tool("c1", "[]"),
            ]
        );
        assert_eq!((folded.id.as_str(), folded.model.as_str()), ("a", "m-1"));
        assert_eq!(folded.usage.unwrap().output, 3);
        assert_eq!(folded.finish, Some(FinishReason::ToolCalls));
    }
}
