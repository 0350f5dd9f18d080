//! What a request asks, read from its `params`. Fields that are not known are passed over; one of a wrong type is told.

use greenroom_config::{Kind, Settings};
use greenroom_wire::{
    ChatRequest,
    chat::ThinkingRequest,
    openai_chat::{self, ServedRequest},
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{envelope::Action, words::Refusal};

/// What is asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// The models of this provider, else of all.
    Models { provider: Option<String> },
    /// An answer, with its thinking if that is wanted.
    Chat { request: Box<ChatRequest>, thinking: bool },
    /// The tokens of a prompt, for a model of this provider if the request names none.
    Tokens { request: Box<ChatRequest>, of: Option<String> },
    /// A key to be added.
    Key { provider: String, key: SecretString },
    /// A login by a code.
    Login { provider: String },
}

impl Asked {
    /// Reads a whole line.
    ///
    /// # Errors
    /// What is wrong with it. Nothing that it holds is repeated, since that may be a key.
    pub(super) fn read(line: &[u8], settings: &Settings) -> Result<Self, Refusal> {
        let text = str::from_utf8(line).unwrap_or_default().trim_start_matches('\u{feff}');
        let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
            return Err(Refusal::bad("the line can't be read as JSON", "is it nested deeper than 100 levels?"));
        };
        let Some(Value::String(action)) = fields.get("action") else {
            return Err(Refusal::bad("action must be a string", "say what is to be done"));
        };
        let action = Action::named(action)?;
        let named = match fields.get("provider") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(_) => return Err(Refusal::bad("provider must be a string", "name one that is configured")),
        };
        let params = match fields.shift_remove("params") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(Refusal::bad("params must be an object", "leave it out where there are none")),
        };
        if action == Action::Authenticate {
            let hint = "name one that is configured, or a kind such as anthropic";
            let named = named.ok_or_else(|| Refusal::bad("provider is missing", hint))?;
            // One that is not configured may be known all the same, by what is added for it.
            let provider = match provider(&named, settings)? {
                Some(found) => found,
                None => named,
            };
            return authenticate(provider, params);
        }
        let provider = match named {
            Some(named) => Some(provider(&named, settings)?.ok_or_else(|| unknown(&named, settings))?),
            None => None,
        };
        match action {
            Action::ListModels => Ok(Self::Models { provider }),
            Action::StreamChat => chat(provider.as_deref(), params),
            Action::CountTokens => tokens(provider, params),
            Action::Authenticate => unreachable!("it was read above"),
        }
    }
}

/// The configured provider of this name, else the only one of this kind.
fn provider(named: &str, settings: &Settings) -> Result<Option<String>, Refusal> {
    if settings.provider(named).is_some() {
        return Ok(Some(named.to_owned()));
    }
    let Some(kind) = Kind::named(named) else { return Ok(None) };
    let of_kind: Vec<&str> =
        settings.providers.iter().filter(|own| own.kind == kind).map(|own| own.name.as_str()).collect();
    match of_kind[..] {
        [] => Ok(None),
        [only] => Ok(Some(only.to_owned())),
        _ => Err(Refusal::bad("several providers are of this kind", format!("name one of {}", of_kind.join(", ")))),
    }
}

fn unknown(named: &str, settings: &Settings) -> Refusal {
    let known: Vec<&str> = settings.providers.iter().map(|known| known.name.as_str()).collect();
    Refusal::new("not_found", format!("there is no provider \"{named}\""), format!("there are {}", known.join(", ")))
}

fn authenticate(provider: String, mut params: Map<String, Value>) -> Result<Asked, Refusal> {
    match params.shift_remove("api_key") {
        None | Some(Value::Null) => Ok(Asked::Login { provider }),
        Some(Value::String(key)) => Ok(Asked::Key { provider, key: key.into() }),
        Some(_) => Err(Refusal::bad("params.api_key must be a string", "leave it out to log in by a code")),
    }
}

fn chat(provider: Option<&str>, mut params: Map<String, Value>) -> Result<Asked, Refusal> {
    let hint = "name the model: with provider its id, else an alias or PROVIDER/MODEL";
    let model = model(&params)?.ok_or_else(|| Refusal::bad("params.model is missing", hint))?;
    let options = match params.shift_remove("options") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(Refusal::bad("params.options must be an object", "leave it out where there are none")),
    };
    let thinking = match options.get("thinking") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(wanted)) => *wanted,
        Some(_) => return Err(Refusal::bad("options.thinking must be true or false", "it is false if it is not said")),
    };
    let mut request = conversation(full(provider, model), params, options)?;
    if thinking {
        request.thinking = Some(ThinkingRequest { enabled: Some(true), ..ThinkingRequest::default() });
    }
    Ok(Asked::Chat { request, thinking })
}

fn tokens(provider: Option<String>, params: Map<String, Value>) -> Result<Asked, Refusal> {
    let (model, of) = match (model(&params)?, provider) {
        (Some(model), provider) => (full(provider.as_deref(), model), None),
        (None, provider) => (String::new(), provider),
    };
    Ok(Asked::Tokens { request: conversation(model, params, Map::new())?, of })
}

fn model(params: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match params.get("model") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(model)) if !model.is_empty() => Ok(Some(model.clone())),
        Some(_) => Err(Refusal::bad("params.model must be a string", "`greenroom models` lists what there is")),
    }
}

fn full(provider: Option<&str>, model: String) -> String {
    provider.map_or_else(|| model.clone(), |provider| format!("{provider}/{model}"))
}

/// The words of this protocol, and what OpenAI's are for the same.
const OPTIONS: [(&str, &str); 3] = [("maxTokens", "max_tokens"), ("temperature", "temperature"), ("tools", "tools")];

/// A request in the chat language, by way of OpenAI's, which messages and tools are in.
fn conversation(
    model: String,
    mut params: Map<String, Value>,
    mut options: Map<String, Value>,
) -> Result<Box<ChatRequest>, Refusal> {
    let mut fields = Map::new();
    fields.insert("model".to_owned(), model.into());
    let mut messages = params.shift_remove("messages").unwrap_or_default();
    as_openai(&mut messages);
    fields.insert("messages".to_owned(), messages);
    for (ours, theirs) in OPTIONS {
        if let Some(value) = options.shift_remove(ours).filter(|value| !value.is_null()) {
            fields.insert(theirs.to_owned(), value);
        }
    }
    match openai_chat::decode_object(fields) {
        Ok(ServedRequest { request, .. }) => Ok(Box::new(request)),
        Err(error) => {
            let hint = "messages and tools are written as OpenAI's chat completions have them";
            Err(Refusal::bad(error.message.replace("max_tokens", "maxTokens"), hint))
        }
    }
}

/// Calls that a client gives back as it was told them, made into OpenAI's.
fn as_openai(messages: &mut Value) {
    let all = messages.as_array_mut().into_iter().flatten();
    for call in all.filter_map(|message| message.get_mut("tool_calls")?.as_array_mut()).flatten() {
        let Some(told) = call.as_object().filter(|told| told.contains_key("name") && !told.contains_key("function"))
        else {
            continue;
        };
        let arguments = match told.get("arguments") {
            Some(Value::Object(arguments)) => Value::Object(arguments.clone()).to_string().into(),
            other => other.cloned().unwrap_or_default(),
        };
        *call = json!({
            "id": told.get("id"), "type": "function", "function": {"name": told.get("name"), "arguments": arguments},
        });
    }
}

#[cfg(test)]
#[path = "asked_tests.rs"]
mod tests;
