//! The tools: those that there always are, and those of the providers that are configured.

mod chat;
mod compare;
mod embed;
mod fields;
mod models;

use greenroom_config::{Kind, Settings};
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolResult, JsonObject, Tool, ToolAnnotations},
    service::RequestContext,
};
use serde_json::Value;

pub(super) use self::models::visible;
use super::{added::Added, answer, log::Log, wrong};
use crate::{Runtime, frontends::http::Who};

/// A call of a tool: who makes it, and by which request.
pub(super) struct Call<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) who: &'a Who,
    pub(super) context: &'a RequestContext<RoleServer>,
    pub(super) log: Log,
}

/// A tool as it is offered.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    pub(super) name: &'static str,
    title: &'static str,
    does: &'static str,
    work: Work,
    /// The provider that it is bound to.
    provider: Option<String>,
}

/// What a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Answers a prompt or a conversation; with or without sessions.
    Chat {
        sessions: bool,
    },
    /// Answers a conversation.
    Converse,
    /// Answers a prompt.
    Generate,
    /// Goes on with code.
    CompleteCode,
    Compare,
    Embed,
    ListModels,
}

/// A tool of one kind of provider.
struct OfKind {
    kind: Kind,
    name: &'static str,
    title: &'static str,
    does: &'static str,
    work: Work,
}

const OF_KINDS: [OfKind; 7] = [
    OfKind {
        kind: Kind::Anthropic,
        name: "ai_claude_chat",
        title: "Chat with Claude",
        does: "Asks a model of Anthropic's for the next message of a conversation.",
        work: Work::Converse,
    },
    OfKind {
        kind: Kind::OpenAi,
        name: "ai_chatgpt_query",
        title: "Ask ChatGPT",
        does: "Asks a model of OpenAI's.",
        work: Work::Chat { sessions: false },
    },
    OfKind {
        kind: Kind::Copilot,
        name: "ai_copilot_complete",
        title: "Complete code with Copilot",
        does: "Has GitHub Copilot go on with code.",
        work: Work::CompleteCode,
    },
    OfKind {
        kind: Kind::Gemini,
        name: "ai_gemini_chat",
        title: "Chat with Gemini",
        does: "Asks a model of Google's.",
        work: Work::Chat { sessions: false },
    },
    OfKind {
        kind: Kind::Ollama,
        name: "ai_ollama_generate",
        title: "Generate with Ollama",
        does: "Asks a model of the Ollama server for an answer to a prompt.",
        work: Work::Generate,
    },
    OfKind {
        kind: Kind::Ollama,
        name: "ai_ollama_chat",
        title: "Chat with Ollama",
        does: "Asks a model of the Ollama server for the next message of a conversation.",
        work: Work::Chat { sessions: false },
    },
    OfKind {
        kind: Kind::Ollama,
        name: "ai_ollama_list_models",
        title: "List Ollama's models",
        does: "Lists the models of the Ollama server.",
        work: Work::ListModels,
    },
];

/// Every tool that there is with these settings, in an order that does not change.
pub(super) fn offered(settings: &Settings) -> Vec<Offered> {
    let always = [
        (
            "ai_chat",
            "Ask a model",
            "Asks a model for an answer. If another provider has to take over, it does.",
            Work::Chat { sessions: true },
        ),
        ("ai_compare", "Compare models", "Asks several models the same, at the same time.", Work::Compare),
        ("ai_embed", "Make vectors", "Makes texts into vectors.", Work::Embed),
        (
            "ai_list_models",
            "List models",
            "Lists the models that can be named, and what is known of them.",
            Work::ListModels,
        ),
    ];
    let always = always.map(|(name, title, does, work)| Offered { name, title, does, work, provider: None });
    let of_kinds = OF_KINDS.iter().filter_map(|tool| {
        // Where several are of a kind, the first is meant, as it is where nobody names a model.
        let provider = settings.providers.iter().find(|provider| provider.kind == tool.kind)?;
        let OfKind { name, title, does, work, .. } = *tool;
        Some(Offered { name, title, does, work, provider: Some(provider.name.clone()) })
    });
    always.into_iter().chain(of_kinds).collect()
}

/// The error of a tool that there is none of this name of.
pub(super) fn unknown(name: &str, offered: &[Offered], added: &Added) -> ErrorData {
    let is_of_kind = OF_KINDS.iter().any(|tool| tool.name == name);
    let names = offered.iter().map(|tool| tool.name).chain(added.tools().map(|tool| &*tool.name));
    let names: Vec<&str> = names.collect();
    let hint = match is_of_kind {
        true => "its provider is not configured; `greenroom auth add` adds a key".to_owned(),
        false => format!("there are {}", names.join(", ")),
    };
    wrong(format!("there is no tool \"{name}\""), hint)
}

impl Offered {
    /// As clients are told of it.
    pub(super) fn definition(&self) -> Tool {
        let reads = matches!(self.work, Work::ListModels);
        // An answer changes nothing; what is said in a session is kept in it.
        let changes = self.work == Work::Chat { sessions: true };
        let annotations = ToolAnnotations::with_title(self.title)
            .read_only(!changes)
            .destructive(false)
            .idempotent(reads)
            .open_world(true);
        Tool::new(self.name, self.does, self.input())
            .with_title(self.title)
            .with_annotations(annotations)
            .with_raw_output_schema(object(self.output()).into())
    }

    /// Does it.
    ///
    /// # Errors
    /// The arguments are not those of the tool, or the client gave the call up. Whatever fails of the call itself is a
    /// result that says so.
    pub(super) async fn call(&self, call: &Call<'_>, arguments: JsonObject) -> Result<CallToolResult, ErrorData> {
        let schema = self.input();
        match self.work {
            Work::Compare => compare::call(call, &schema, arguments).await,
            Work::Embed => embed::call(call, &schema, arguments).await,
            Work::ListModels => models::call(call, &schema, arguments, self.provider.as_deref()).await,
            work => chat::call(call, &schema, arguments, work, self.provider.as_deref()).await,
        }
    }

    fn input(&self) -> JsonObject {
        match self.work {
            Work::Chat { sessions } => fields::chat(sessions),
            Work::Converse => fields::converse(),
            Work::Generate => fields::generate(),
            Work::CompleteCode => fields::complete_code(),
            Work::Compare => fields::compare(),
            Work::Embed => fields::embed(),
            Work::ListModels => fields::list_models(self.provider.is_none()),
        }
    }

    fn output(&self) -> Value {
        match self.work {
            Work::Compare => compare::schema(),
            Work::Embed => embed::schema(),
            Work::ListModels => models::schema(),
            _ => answer::schema(),
        }
    }
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        other => unreachable!("a schema is written as an object: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use greenroom_config::Provider;

    use super::*;

    fn names(kinds: &[Kind]) -> Vec<&'static str> {
        let providers = kinds.iter().enumerate().map(|(at, kind)| Provider::new(format!("p{at}"), *kind)).collect();
        offered(&Settings { providers, ..Settings::default() }).iter().map(|tool| tool.name).collect()
    }

    #[test]
    fn a_providers_tools_are_there_if_it_is() {
        let always = ["ai_chat", "ai_compare", "ai_embed", "ai_list_models"];
        assert_eq!(names(&[Kind::Demo]), always);
        let all = names(&[Kind::Ollama, Kind::Anthropic, Kind::OpenAi, Kind::Copilot, Kind::Gemini, Kind::Anthropic]);
        assert_eq!(all.len(), always.len() + OF_KINDS.len());
        assert_eq!(names(&[Kind::Anthropic])[4..], ["ai_claude_chat"]);
        let told = unknown("ai_claude_chat", &[], &Added::default()).data.unwrap();
        assert!(told["hint"].as_str().unwrap().contains("not configured"));
    }

    #[test]
    fn every_tool_has_strict_schemas_and_says_what_it_does_to_the_world() {
        let providers = OF_KINDS.iter().map(|tool| Provider::new("p", tool.kind)).collect();
        for tool in offered(&Settings { providers, ..Settings::default() }) {
            let tool = tool.definition();
            assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
            for field in tool.input_schema["properties"].as_object().unwrap().values() {
                assert!(field["description"].is_string(), "{}: {field}", tool.name);
            }
            assert_eq!(tool.output_schema.unwrap()["type"], "object");
            let hints = tool.annotations.unwrap();
            assert_eq!((hints.destructive_hint, hints.open_world_hint), (Some(false), Some(true)));
            assert_eq!(hints.read_only_hint, Some(tool.name != "ai_chat"));
        }
    }
}
