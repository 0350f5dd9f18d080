//! Whatever is in a conversation arrives, or is named among what was left out.

use std::collections::HashSet;

use greenroom_wire::{
    ChatRequest, Part, Role,
    chat::{MediaSource, Wire},
};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    wild::{ASKED, wild},
    wires::{Encoded, SERVERS, Server},
};

struct Sent<'a> {
    body: String,
    reported: HashSet<&'a str>,
}

impl<'a> Sent<'a> {
    fn new(encoded: &'a Encoded) -> Self {
        let body = String::from_utf8(encoded.body.clone()).expect("a body is text");
        Self { body, reported: encoded.places().into_iter().collect() }
    }

    fn is_said(&self, text: &str) -> bool {
        let json = Value::from(text).to_string();
        self.body.contains(&json[1..json.len() - 1])
    }

    /// Whether it is reported, or the part in which it stands.
    fn is_reported(&self, place: &str) -> bool {
        let is_around =
            |at: &&str| at.contains(".parts[") && place.strip_prefix(*at).is_some_and(|rest| rest.starts_with('.'));
        self.reported.contains(place) || self.reported.iter().any(is_around)
    }

    fn check(&self, place: &str, text: &str) -> Result<(), TestCaseError> {
        prop_assert!(self.is_said(text) || self.is_reported(place), "{place}: {text:?} is lost in {}", self.body);
        Ok(())
    }
}

/// The texts by which a part is known, as they would be written.
fn check_part(sent: &Sent<'_>, server: Server, place: &str, part: &Part) -> Result<(), TestCaseError> {
    match part {
        Part::Text { text } | Part::Refusal { text } | Part::Thinking { text } => sent.check(place, text),
        Part::Image { source, detail } => {
            let has_word = matches!(server.wire(), Wire::OpenaiChat | Wire::OpenaiResponses);
            let detail_place = format!("{place}.detail");
            prop_assert!(detail.is_none() || has_word || sent.is_reported(&detail_place), "{detail_place} is lost");
            check_source(sent, place, source)
        }
        Part::Document { source, .. } | Part::Audio { source } => check_source(sent, place, source),
        // Arguments are text on one wire and JSON on others.
        Part::ToolCall { arguments, .. } => {
            let at = arguments.find("mark").expect("arguments have a mark");
            sent.check(place, arguments[at..].trim_end_matches(['"', '}']))
        }
        Part::ToolResult { parts, error, .. } => {
            let has_word = match server {
                Server::Bedrock(id) => !id.contains("llama"),
                server => matches!(server, Server::Anthropic(_) | Server::Gemini(_)),
            };
            let error_place = format!("{place}.error");
            prop_assert!(!error || has_word || sent.is_reported(&error_place), "{error_place} is lost");
            for (number, part) in parts.iter().enumerate() {
                check_part(sent, server, &format!("{place}.parts[{number}]"), part)?;
            }
            Ok(())
        }
        Part::Opaque { data, .. } => {
            let json = data.to_string();
            let at = json.find("mark").expect("opaque data have a mark");
            sent.check(place, json[at..].split('"').next().expect("a text has a beginning"))
        }
    }
}

fn check_source(sent: &Sent<'_>, place: &str, source: &MediaSource) -> Result<(), TestCaseError> {
    match source {
        MediaSource::Base64 { data: text, .. } | MediaSource::Url { url: text } | MediaSource::File { id: text } => {
            sent.check(place, text)
        }
    }
}

fn count(body: &Value, key: &str) -> usize {
    match body {
        Value::Array(list) => list.iter().map(|value| count(value, key)).sum(),
        Value::Object(map) => {
            usize::from(map.contains_key(key)) + map.values().map(|value| count(value, key)).sum::<usize>()
        }
        _ => 0,
    }
}

/// The lengths at which a model is asked for its next answer.
fn asked_at(request: &ChatRequest) -> impl Iterator<Item = usize> {
    let is_answer = |at: usize| request.messages.get(at).is_some_and(|message| message.role == Role::Assistant);
    (1..request.messages.len()).filter(move |length| is_answer(*length) && !is_answer(length - 1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_is_lost_silently(request in wild()) {
        for server in SERVERS {
            let encoded = server.encode(&request, ASKED.0, ASKED.1);
            let sent = Sent::new(&encoded);
            let mut marks = 0;
            for (index, message) in request.messages.iter().enumerate() {
                let at = format!("messages[{index}]");
                for (number, part) in message.parts.iter().enumerate() {
                    check_part(&sent, server, &format!("{at}.parts[{number}]"), part)?;
                }
                if let Some(name) = &message.name {
                    sent.check(&format!("{at}.name"), name)?;
                }
                for extra in &message.extra {
                    let text = extra.json.as_str().expect("it is a text");
                    sent.check(&format!("{at}{}", extra.path), text)?;
                }
                marks += message.cache.len();
            }
            let reported = encoded.left_out.iter().filter(|left| left.at.contains(".cache[")).count();
            let key = if server.wire() == Wire::Bedrock { "cachePoint" } else { "cache_control" };
            prop_assert_eq!(count(&encoded.json(), key) + reported, marks, "{:?}: {}", server, sent.body);
        }
    }

    #[test]
    fn the_beginning_stays_the_same(request in wild()) {
        // Anthropic's wire, Gemini's and Bedrock's take no empty messages: what stands around one becomes one, so that its beginnings
        // stay the same only where questions and answers say something.
        let takes_empty = |server: &Server| !matches!(server.wire(), Wire::Anthropic | Wire::Gemini | Wire::Bedrock);
        for server in SERVERS.into_iter().filter(takes_empty) {
            let long = server.encode(&request, ASKED.0, ASKED.1).body;
            for length in asked_at(&request) {
                let short = ChatRequest { messages: request.messages[..length].to_vec(), ..request.clone() };
                let short = server.encode(&short, ASKED.0, ASKED.1).body;
                let beginning = short.strip_suffix(b"]}").expect("a body ends with its messages");
                prop_assert!(
                    long.starts_with(beginning),
                    "{server:?}:\n{}\n{}", String::from_utf8_lossy(&short), String::from_utf8_lossy(&long)
                );
            }
        }
    }
}
