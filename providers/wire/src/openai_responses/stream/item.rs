//! An item of an answer, from its start to its end.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value, json, value::RawValue};

use super::shape::{Begun, CallItem, Event, ImageItem, MessageItem, Part, ReasoningItem, Str, Tag};
use crate::{
    calls::Calls,
    chat::{Extra, ToolCallKind, Wire},
    event::ChatEvent,
    names::ToolNames,
    queue::Queue,
};

/// What an event can fail for, in words fit to show; they never quote it.
pub(super) type Broken = &'static str;

const NOT_ALLOWED: Broken = "an item of the answer is not what this wire allows";
/// What stands between the parts of a summary, which are paragraphs.
const BETWEEN: &str = "\n\n";

/// An item that has begun and not ended.
#[derive(Debug)]
pub(super) enum Item {
    Message(Vec<Said>),
    Reasoning(Thought),
    Call {
        index: u32,
        /// The id by which the call is known here.
        id: String,
        has_arguments: bool,
    },
    /// What goes back as it is.
    Verbatim,
}

/// What was said of a part of a message.
#[derive(Debug, Default)]
pub(super) struct Said {
    part: u32,
    has_text: bool,
    citations: usize,
}

/// What was said of a reasoning.
#[derive(Debug, Default)]
pub(super) struct Thought {
    /// Which of its two lists speaks, its summary or its content: one of them repeats the other.
    voice: Option<&'static str>,
    part: u32,
}

/// What an item is made with.
pub(super) struct Making<'a> {
    pub(super) queue: &'a mut Queue,
    pub(super) calls: &'a mut Calls,
    pub(super) names: &'a ToolNames,
    /// How often each tool of the provider's own ran.
    pub(super) server_tools: &'a mut BTreeMap<String, u64>,
    /// The answer's id.
    pub(super) answer: &'a str,
}

impl Item {
    /// Begins an item; `at` is its index. One that goes back as it is says that it begins only where it `grows`: where its
    /// end comes later.
    ///
    /// # Errors
    ///
    /// It is of a known type, and not what that is.
    pub(super) fn begin(at: u32, raw: &RawValue, grows: bool, making: &mut Making<'_>) -> Result<Self, Broken> {
        let tag = Tag::of(raw.get()).ok_or(NOT_ALLOWED)?;
        Ok(match tag.kind() {
            "message" => {
                say_head(at, tag.kind(), raw, None, making.queue);
                Self::Message(Vec::new())
            }
            "reasoning" => {
                say_head(at, tag.kind(), raw, None, making.queue);
                Self::Reasoning(Thought::default())
            }
            "function_call" | "custom_tool_call" => {
                let call: CallItem<'_> = read(raw)?;
                let name = Str::filled(&call.name).ok_or("a tool call has no name")?;
                let name = making.names.name(name).to_owned();
                let (index, id) = making.calls.begin(Str::filled(&call.call_id), making.answer);
                let kind = kind_of(&call);
                say_head(at, tag.kind(), raw, Some(&id), making.queue);
                making.queue.push(ChatEvent::ToolCallStarted { index, id: id.clone(), name, kind });
                Self::Call { index, id, has_arguments: false }
            }
            _ => {
                if grows {
                    let path = format!("/output/{at}");
                    making.queue.push(ChatEvent::Extra(Extra { wire: Wire::OpenaiResponses, path, json: value(raw)? }));
                }
                Self::Verbatim
            }
        })
    }

    /// Takes an event that says how far a tool of the provider's own has come; `at` is the item's index.
    pub(super) fn progress(&self, kind: &str, at: u32, mut event: Map<String, Value>, queue: &mut Queue) {
        if matches!(self, Self::Verbatim) {
            // They are said anew, as whoever serves it numbers its events and items.
            for key in ["sequence_number", "output_index", "item_id", "obfuscation"] {
                event.shift_remove(key);
            }
            event.insert("type".into(), kind.into());
            let path = format!("/output/{at}/events");
            queue.push(ChatEvent::Extra(Extra { wire: Wire::OpenaiResponses, path, json: event.into() }));
        }
    }

    /// An item whose start was left out: what a delta shows it to be.
    pub(super) fn guess(event: &str) -> Option<Self> {
        Some(match event {
            "response.output_text.delta"
            | "response.output_text.done"
            | "response.output_text.annotation.added"
            | "response.refusal.delta"
            | "response.refusal.done" => Self::Message(Vec::new()),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                Self::Reasoning(Thought::default())
            }
            _ => return None,
        })
    }

    /// Takes what an event of the name `kind` adds; `at` is the item's index.
    ///
    /// # Errors
    ///
    /// The event is not of this item.
    pub(super) fn take(&mut self, kind: &str, at: u32, event: &Event<'_>, queue: &mut Queue) -> Result<(), Broken> {
        let part = event.content_index.unwrap_or(0);
        let text = |text: &Option<Str<'_>>| Str::filled(text).unwrap_or_default().to_owned();
        match (&mut *self, kind) {
            (Self::Message(parts), "response.output_text.delta") => {
                let delta = text(&event.delta);
                said(parts, part).has_text |= !delta.is_empty();
                queue.text(&delta);
                say_logprobs(at, part, event.logprobs, queue);
            }
            (Self::Message(parts), "response.refusal.delta") => {
                let delta = text(&event.delta);
                said(parts, part).has_text |= !delta.is_empty();
                queue.refusal(&delta);
            }
            (Self::Message(parts), "response.output_text.done") => {
                let said = said(parts, part);
                if !said.has_text {
                    let whole = text(&event.text);
                    said.has_text = !whole.is_empty();
                    queue.text(&whole);
                    say_logprobs(at, part, event.logprobs, queue);
                }
            }
            (Self::Message(parts), "response.refusal.done") => {
                let said = said(parts, part);
                if !said.has_text {
                    let whole = text(&event.refusal);
                    said.has_text = !whole.is_empty();
                    queue.refusal(&whole);
                }
            }
            (Self::Message(parts), "response.output_text.annotation.added") => {
                if let Some(annotation) = event.annotation {
                    said(parts, part).citations += 1;
                    cite(annotation, queue)?;
                }
            }
            (Self::Reasoning(thought), "response.reasoning_summary_text.delta") => {
                thought.say("summary", event.summary_index.unwrap_or(0), &text(&event.delta), queue);
            }
            (Self::Reasoning(thought), "response.reasoning_text.delta") => {
                thought.say("content", part, &text(&event.delta), queue);
            }
            (
                Self::Call { index, has_arguments, .. },
                "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta",
            ) => {
                let delta = text(&event.delta);
                *has_arguments |= !delta.is_empty();
                queue.arguments(*index, &delta);
            }
            (Self::Call { index, has_arguments, .. }, "response.function_call_arguments.done") => {
                say_arguments(*index, has_arguments, &event.arguments, queue);
            }
            (Self::Call { index, has_arguments, .. }, "response.custom_tool_call_input.done") => {
                say_arguments(*index, has_arguments, &event.input, queue);
            }
            // What it says is in the whole item as well.
            (Self::Verbatim, _) => {}
            _ => return Err("an event of the answer does not belong to its item"),
        }
        Ok(())
    }

    /// Ends an item as `raw` says it at its end, whole: says what was not said of it, and what goes back. Whether the
    /// model refuses in it.
    ///
    /// # Errors
    ///
    /// It is not what it began as.
    pub(super) fn finish(self, at: u32, raw: &RawValue, making: Making<'_>) -> Result<bool, Broken> {
        let tag = Tag::of(raw.get()).ok_or(NOT_ALLOWED)?;
        let queue = making.queue;
        match (self, tag.kind()) {
            (Self::Message(parts), "message") => finish_message(parts, at, &read(raw)?, queue),
            (Self::Reasoning(mut thought), "reasoning") => {
                let item: ReasoningItem<'_> = read(raw)?;
                let summary = item.summary.iter().flatten().map(|part| ("summary", part));
                let content = item.content.iter().flatten().map(|part| ("content", part));
                if thought.voice.is_none() {
                    for (voice, parts) in [("summary", summary.collect::<Vec<_>>()), ("content", content.collect())] {
                        for (index, (_, part)) in (0..).zip(parts) {
                            thought.say(voice, index, Str::filled(&part.text).unwrap_or_default(), queue);
                        }
                    }
                }
                queue.push(ChatEvent::Opaque { data: json!({"item": value(raw)?}) });
                Ok(false)
            }
            (Self::Call { index, id, mut has_arguments }, "function_call" | "custom_tool_call") => {
                let call: CallItem<'_> = read(raw)?;
                let arguments = if kind_of(&call).is_function() { &call.arguments } else { &call.input };
                say_arguments(index, &mut has_arguments, arguments, queue);
                queue.push(ChatEvent::ToolCallDone { index });
                let mut fields = fields(&call.rest);
                if !fields.is_empty() {
                    fields.shift_insert(0, "call_id".into(), id.into());
                    queue.push(ChatEvent::Opaque { data: json!({"call": fields}) });
                }
                Ok(false)
            }
            (Self::Verbatim, kind) => {
                if kind == "image_generation_call" {
                    let image: ImageItem<'_> = read(raw)?;
                    if let Some(data) = Str::filled(&image.result) {
                        let media_type = format!("image/{}", Str::filled(&image.output_format).unwrap_or("png"));
                        queue.push(ChatEvent::Media { media_type, data: data.to_owned() });
                    }
                }
                if let Some(tool) = server_tool(kind) {
                    *making.server_tools.entry(tool.to_owned()).or_default() += 1;
                }
                queue.push(ChatEvent::Opaque { data: json!({"item": value(raw)?}) });
                Ok(false)
            }
            _ => Err("an item of the answer ends as another than it began"),
        }
    }

    /// Ends an item whose end was left out.
    pub(super) fn break_off(self, queue: &mut Queue) {
        if let Self::Call { index, .. } = self {
            queue.push(ChatEvent::ToolCallDone { index });
        }
    }
}

impl Thought {
    fn say(&mut self, voice: &'static str, part: u32, text: &str, queue: &mut Queue) {
        if text.is_empty() {
            return;
        }
        match self.voice {
            Some(other) if other != voice => return,
            Some(_) if self.part != part => queue.thinking(BETWEEN),
            _ => {}
        }
        (self.voice, self.part) = (Some(voice), part);
        queue.thinking(text);
    }
}

fn finish_message(mut parts: Vec<Said>, at: u32, item: &MessageItem<'_>, queue: &mut Queue) -> Result<bool, Broken> {
    let (mut beside, mut is_said, mut refuses) = (Vec::new(), false, false);
    for (index, raw) in (0..).zip(item.content.iter().flatten()) {
        let part: Part<'_> = read(raw)?;
        let said = said(&mut parts, index);
        let (text, refusal) = (Str::filled(&part.text).unwrap_or_default(), Str::filled(&part.refusal));
        if !said.has_text {
            match refusal {
                Some(refusal) => queue.refusal(refusal),
                None => queue.text(text),
            }
            say_logprobs(at, index, part.logprobs, queue);
        }
        for annotation in part.annotations.iter().flatten().skip(said.citations) {
            cite(annotation, queue)?;
        }
        let mut rest = fields(&part.rest);
        let annotations: Vec<_> = part.annotations.iter().flatten().map(|raw| value(raw)).collect::<Result<_, _>>()?;
        if !annotations.is_empty() {
            rest.insert("annotations".into(), annotations.into());
        }
        let has_text = !text.is_empty() || refusal.is_some();
        is_said |= has_text;
        refuses |= refusal.is_some();
        if has_text {
            beside.push(Value::Object(rest));
        }
    }
    is_said |= parts.iter().any(|part| part.has_text);
    let mut fields = fields(&item.rest);
    if beside.iter().any(|part| *part != json!({})) {
        fields.insert("content".into(), beside.into());
    }
    if is_said && !fields.is_empty() {
        queue.push(ChatEvent::Opaque { data: json!({"message": fields}) });
    }
    Ok(refuses)
}

fn said(parts: &mut Vec<Said>, part: u32) -> &mut Said {
    let at = match parts.iter().rposition(|said| said.part == part) {
        Some(at) => at,
        None => {
            parts.push(Said { part, ..Said::default() });
            parts.len() - 1
        }
    };
    &mut parts[at]
}

/// Says by what an item is known from its start on: whoever serves it says so before it is known what goes back with it.
fn say_head(at: u32, kind: &str, raw: &RawValue, call: Option<&str>, queue: &mut Queue) {
    let Some(begun) = Begun::of(raw.get()) else { return };
    let Some(id) = Str::filled(&begun.id) else { return };
    let mut json = json!({"type": kind, "id": id});
    for (key, word) in [("call_id", call), ("phase", Str::filled(&begun.phase))] {
        if let Some(word) = word {
            json[key] = word.into();
        }
    }
    queue.push(ChatEvent::Extra(Extra { wire: Wire::OpenaiResponses, path: format!("/output/{at}"), json }));
}

fn say_arguments(index: u32, has_arguments: &mut bool, whole: &Option<Str<'_>>, queue: &mut Queue) {
    if let (false, Some(whole)) = (*has_arguments, Str::filled(whole)) {
        *has_arguments = true;
        queue.arguments(index, whole);
    }
}

fn cite(annotation: &RawValue, queue: &mut Queue) -> Result<(), Broken> {
    queue.push(ChatEvent::Citation { json: value(annotation)? });
    Ok(())
}

fn say_logprobs(item: u32, part: u32, logprobs: Option<&RawValue>, queue: &mut Queue) {
    // What cannot be read (a number beyond f64) is left out, which loses less than failing the answer.
    if let Some(raw) = logprobs.filter(|raw| raw.get() != "[]")
        && let Ok(json) = value(raw)
    {
        let path = format!("/output/{item}/content/{part}/logprobs");
        queue.push(ChatEvent::Extra(Extra { wire: Wire::OpenaiResponses, path, json }));
    }
}

fn kind_of(call: &CallItem<'_>) -> ToolCallKind {
    match Str::filled(&call.kind) {
        Some("custom_tool_call") => ToolCallKind::Custom,
        _ => ToolCallKind::Function,
    }
}

/// The provider's own tool that an item says to have run; others are the caller's to run.
fn server_tool(kind: &str) -> Option<&str> {
    let tool = kind.strip_suffix("_call")?;
    matches!(tool, "web_search" | "file_search" | "code_interpreter" | "image_generation" | "mcp").then_some(tool)
}

fn fields(rest: &[(Cow<'_, str>, &RawValue)]) -> Map<String, Value> {
    rest.iter().filter_map(|(key, raw)| Some((key.to_string(), value(raw).ok()?))).collect()
}

fn read<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Broken> {
    serde_json::from_str(raw.get()).map_err(|_| NOT_ALLOWED)
}

fn value(raw: &RawValue) -> Result<Value, Broken> {
    serde_json::from_str(raw.get()).map_err(|_| NOT_ALLOWED)
}
