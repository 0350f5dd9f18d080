//! What is said arrives, and what cannot be said is reported.

use greenroom_wire::{
    ChatRequest, Message, Part, Role,
    chat::{Extra, MediaSource, Tool, Wire},
};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    language::conversations,
    wires::{WIRES, decode, encode},
};

/// What stands before pictures that a tool gave, on a wire whose results are text.
const FROM_TOOL: &str = "What the tool call above also gave:";

fn is_openais(wire: Wire) -> bool {
    matches!(wire, Wire::OpenaiChat | Wire::OpenaiResponses)
}

/// Whether pictures by their address are taken.
fn takes_links(wire: Wire) -> bool {
    !matches!(wire, Wire::Ollama | Wire::Gemini)
}

/// Whether a failed call has a word of its own, and no text that says so.
fn has_failures(wire: Wire) -> bool {
    matches!(wire, Wire::Anthropic | Wire::Gemini)
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Text(String),
    /// With the name of a document, or how closely to look at a picture.
    Media(MediaSource, Option<String>),
    Call(String, String, Value),
    Result(String, Vec<Item>),
}

/// What of some parts matters to the model, in order, as far as a wire can say it.
fn items(wire: Wire, role: Role, parts: &[Part]) -> Vec<Item> {
    let mut items = Vec::new();
    for part in parts {
        match part {
            Part::Text { text } => items.push(Item::Text(text.clone())),
            Part::Image { source: MediaSource::Url { .. }, .. } if !takes_links(wire) => {}
            // How closely to look is a wish that only OpenAI's wires have a word for.
            Part::Image { source, detail } => {
                items.push(Item::Media(source.clone(), detail.clone().filter(|_| is_openais(wire))));
            }
            Part::Document { source, name } if wire != Wire::Ollama => {
                items.push(Item::Media(source.clone(), name.clone().filter(|_| wire != Wire::Gemini)));
            }
            Part::Audio { source } if matches!(wire, Wire::OpenaiChat | Wire::Gemini) => {
                items.push(Item::Media(source.clone(), None))
            }
            Part::ToolCall { id, name, arguments, .. } => {
                let arguments = serde_json::from_str(arguments).expect("arguments are JSON");
                items.push(Item::Call(id.clone(), name.clone(), arguments));
            }
            // Where that the call failed has a word, it is looked at below; elsewhere the first text of its result says so.
            Part::ToolResult { id, parts, error } => {
                let mut parts = parts.clone();
                if let (true, Some(Part::Text { text })) = (*error && !has_failures(wire), parts.first_mut()) {
                    text.insert_str(0, "Error: ");
                }
                items.push(Item::Result(id.clone(), self::items(wire, Role::Tool, &parts)))
            }
            _ => {}
        }
    }
    // A message of Ollama's has one text.
    if wire == Wire::Ollama {
        let text = |item: &Item| if let Item::Text(text) = item { Some(text.clone()) } else { None };
        let texts: Vec<_> = items.iter().filter_map(text).collect();
        if !texts.is_empty() {
            items.retain(|item| text(item).is_none());
            items.insert(0, Item::Text(texts.join(if role == Role::Assistant { "" } else { "\n\n" })));
        }
    }
    items
}

/// A conversation as who says what. How it was cut into messages is the wire's own affair.
fn said(wire: Wire, messages: &[Message]) -> Vec<(Role, Item)> {
    let of = |message: &Message| {
        items(wire, message.role, &message.parts).into_iter().map(|item| (message.role, item)).collect::<Vec<_>>()
    };
    messages.iter().flat_map(of).collect()
}

/// The content of a tool message is text on OpenAI's wire: pictures come after all results of an answer, said by the
/// user.
fn with_pictures_moved(said: Vec<(Role, Item)>) -> Vec<(Role, Item)> {
    let (mut moved, mut all) = (Vec::new(), Vec::new());
    for (role, item) in said {
        match item {
            Item::Result(id, parts) => {
                let (pictures, rest) = parts.into_iter().partition(|part| matches!(part, Item::Media(..)));
                moved.extend::<Vec<Item>>(pictures);
                all.push((role, Item::Result(id, rest)));
            }
            item => {
                all.extend(moved.drain(..).map(|picture| (Role::User, picture)));
                all.push((role, item));
            }
        }
    }
    all.extend(moved.into_iter().map(|picture| (Role::User, picture)));
    all
}

/// The places of what a wire cannot say, sorted.
fn losses(wire: Wire, request: &ChatRequest) -> Vec<String> {
    let foreign = |at: &str, extras: &[Extra]| -> Vec<String> {
        extras.iter().filter(|extra| extra.wire != wire).map(|extra| format!("{at}{}", extra.path)).collect()
    };
    let mut losses = foreign("", &request.extra);
    for (index, tool) in request.tools.iter().enumerate() {
        let at = format!("tools[{index}]");
        match tool {
            Tool::Function { extra, .. } => losses.extend(foreign(&at, extra)),
            Tool::Native { wire: other, .. } if *other != wire => losses.push(at),
            Tool::Native { .. } => {}
        }
    }
    for (index, message) in request.messages.iter().enumerate() {
        let at = format!("messages[{index}]");
        losses.extend(foreign(&at, &message.extra));
        // Instructions are no message on these wires.
        if matches!(wire, Wire::Anthropic | Wire::Gemini) && message.role == Role::System {
            let own = message.extra.iter().filter(|extra| extra.wire == wire);
            losses.extend(own.map(|extra| format!("{at}{}", extra.path)));
        }
        if message.name.is_some() && wire != Wire::OpenaiChat {
            losses.push(format!("{at}.name"));
        }
        for (index, part) in message.parts.iter().enumerate() {
            let is_picture = |part: &Part| matches!(part, Part::Image { .. });
            let is_linked = |part: &Part| matches!(part, Part::Image { source: MediaSource::Url { .. }, .. });
            // Of the pictures, only those that are in the request itself have one here.
            let has_detail = |part: &Part| matches!(part, Part::Image { detail: Some(_), .. });
            let place = format!("{at}.parts[{index}]");
            let is_lost = match part {
                Part::Opaque { .. } => true,
                Part::Image { .. } => !takes_links(wire) && is_linked(part),
                Part::Document { name: Some(_), .. } if wire == Wire::Gemini => {
                    losses.push(format!("{place}.name"));
                    false
                }
                Part::Document { .. } => wire == Wire::Ollama,
                Part::Audio { .. } => !matches!(wire, Wire::OpenaiChat | Wire::Gemini),
                // Thinking without a signature does not go back where there are signatures, or what is hidden in their place.
                Part::Thinking { .. } => matches!(wire, Wire::Anthropic | Wire::Gemini | Wire::OpenaiResponses),
                Part::ToolResult { parts, error, .. } => {
                    losses.extend((*error && !has_failures(wire)).then(|| format!("{place}.error")));
                    let parts = || parts.iter().enumerate();
                    if !takes_links(wire) {
                        let linked = parts().filter(|(_, part)| is_linked(part));
                        losses.extend(linked.map(|(index, _)| format!("{place}.parts[{index}]")));
                    }
                    let details = parts().filter(|(_, part)| has_detail(part) && !is_openais(wire));
                    losses.extend(details.map(|(index, _)| format!("{place}.parts[{index}].detail")));
                    // Moved, which is reported.
                    wire == Wire::OpenaiChat && parts().any(|(_, part)| is_picture(part))
                }
                _ => false,
            };
            losses.extend((has_detail(part) && !is_openais(wire)).then(|| format!("{place}.detail")));
            losses.extend(is_lost.then_some(place));
        }
    }
    losses.sort_unstable();
    losses
}

fn thoughts(messages: &[Message]) -> Vec<&str> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    parts.filter_map(|part| if let Part::Thinking { text } = part { Some(text.as_str()) } else { None }).collect()
}

fn failures(messages: &[Message]) -> Vec<bool> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    parts.filter_map(|part| if let Part::ToolResult { error, .. } = part { Some(*error) } else { None }).collect()
}

fn names(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(|message| message.name.as_deref()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_conversation_arrives_on_each_wire(request in conversations()) {
        for wire in WIRES {
            let read = decode(wire, &encode(wire, &request, "p", "m").body);
            let (mut want, mut got) = (said(wire, &request.messages), said(wire, &read));
            if wire == Wire::OpenaiChat {
                want = with_pictures_moved(want);
                got.retain(|(_, item)| !matches!(item, Item::Text(text) if text.starts_with(FROM_TOOL)));
            }
            prop_assert_eq!(got, want, "{:?}", wire);
            if wire == Wire::OpenaiChat {
                prop_assert_eq!(names(&read), names(&request.messages));
            }
            // These take signed thinking only, and the others say a failure within the text. Responses do both.
            match wire {
                Wire::OpenaiResponses => prop_assert_eq!(thoughts(&read), Vec::<&str>::new()),
                Wire::Anthropic | Wire::Gemini => prop_assert_eq!(failures(&read), failures(&request.messages)),
                _ => prop_assert_eq!(thoughts(&read), thoughts(&request.messages), "{:?}", wire),
            }
        }
    }

    #[test]
    fn each_loss_is_reported_and_nothing_else(request in conversations()) {
        for wire in WIRES {
            let encoded = encode(wire, &request, "p", "m");
            prop_assert_eq!(encoded.places(), losses(wire, &request), "{:?}", wire);
        }
    }
}
