//! The provider that serves when there is no other: it says plainly what it is, and how to add a real one.

use std::time::Duration;

use futures::future::BoxFuture;
use greenroom_wire::{ChatError, ChatEvent, FinishReason, Part, Role, Usage};

use crate::{Capabilities, ChatCall, Credential, ModelInfo, Provider, Sink};

/// Its only model.
pub const MODEL: &str = "demo";
/// Between two words, so that an answer is seen to stream.
const PACE: Duration = Duration::from_millis(12);
/// Most of the prompt that is quoted back, in characters.
const QUOTE: usize = 60;

/// Answers without any model behind it.
#[derive(Debug, Default)]
pub struct Demo;

impl Provider for Demo {
    fn kind(&self) -> &'static str {
        "demo"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            tools: false,
            images: false,
            documents: false,
            audio: false,
            json_schema: false,
            local: true,
            responses: Some(false),
        }
    }

    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(async move {
            let prompt = last_user_text(&call);
            let answer = answer(&prompt);
            let usage = Usage { input: words(&prompt), output: words(&answer), ..Usage::default() };
            let started = ChatEvent::Started { id: String::new(), model: MODEL.to_owned() };
            if sink.take(&mut vec![started]).is_break() {
                return Ok(());
            }
            for word in answer.split_inclusive(' ') {
                if sink.take(&mut vec![ChatEvent::Text { delta: word.to_owned() }]).is_break() {
                    return Ok(());
                }
                tokio::time::sleep(PACE).await;
            }
            let end = &mut vec![ChatEvent::Usage(usage), ChatEvent::Finished { reason: FinishReason::Stop }];
            let _complete = sink.take(end);
            Ok(())
        })
    }

    fn models<'a>(&'a self, _: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(async {
            let name = Some("Built-in demo: not a language model".to_owned());
            Ok(vec![ModelInfo { name, ..ModelInfo::named(MODEL) }])
        })
    }
}

fn answer(prompt: &str) -> String {
    let quote: String = prompt.chars().take(QUOTE).collect();
    let heard = match (quote.trim(), prompt.chars().count() > QUOTE) {
        ("", _) => String::new(),
        (quote, true) => format!("You said \"{quote}…\". "),
        (quote, false) => format!("You said \"{quote}\". "),
    };
    format!(
        "Hello from greenroom! {heard}This is the built-in demo provider: no language model is behind it, and this text \
         streamed to you through the same actors that a real answer takes.\n\nTo talk to a real model, set \
         ANTHROPIC_API_KEY, GEMINI_API_KEY, or OPENAI_API_KEY (with OPENAI_BASE_URL for any OpenAI-compatible server), or \
         start Ollama, and run this again; or name a provider in the file that `greenroom config path` prints.\n"
    )
}

fn last_user_text(call: &ChatCall<'_>) -> String {
    let messages = &call.request.messages;
    let parts = messages.iter().rfind(|message| message.role == Role::User).map_or(&[][..], |message| &message.parts);
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// Stands in for tokens, which only a model has.
fn words(text: &str) -> u64 {
    u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX)
}
