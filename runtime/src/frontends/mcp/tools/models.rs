//! `ai_list_models`, and the same of one provider.

use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, JsonObject},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{answer::failed, arguments, cancelled},
    Call,
    chat::none_such,
};
use crate::{ChatError, ShownListing, chats, frontends::http::Who};

#[derive(Debug, Deserialize)]
struct Asked {
    provider: Option<String>,
}

/// Lists models, those that whoever asks may name.
pub(super) async fn call(
    call: &Call<'_>,
    schema: &JsonObject,
    arguments: JsonObject,
    provider: Option<&str>,
) -> Result<CallToolResult, ErrorData> {
    let asked: Asked = arguments::read(schema, arguments)?;
    let wanted = provider.or(asked.provider.as_deref());
    let settings = call.runtime.settings();
    if let Some(name) = wanted
        && settings.provider(name).is_none()
    {
        let known: Vec<&str> = settings.providers.iter().map(|known| known.name.as_str()).collect();
        let hint = format!("there are {}", known.join(", "));
        return Ok(failed(&none_such(format!("there is no provider \"{name}\""), &hint)));
    }
    let listing = async {
        match wanted {
            Some(provider) => call.runtime.fresh_models_of(provider).await,
            None => call.runtime.models().await,
        }
    };
    let listing = tokio::select! {
        listing = listing => listing,
        () = call.context.ct.cancelled() => return Err(cancelled()),
    };
    if let [(_, error), ..] = listing.failed.as_slice()
        && listing.models.is_empty()
        && listing.aliases.is_empty()
    {
        return Ok(failed(error));
    }
    let shown = visible((&listing).into(), call.who);
    let mut lines: Vec<String> = shown.aliases.iter().map(|alias| format!("{alias} (alias)")).collect();
    lines.extend(shown.models.iter().map(|model| format!("{}/{}", model.provider, model.id)));
    lines.extend(
        shown.failed.iter().map(|failed| format!("({} does not list its models: {})", failed.provider, failed.message)),
    );
    let mut result = CallToolResult::success(vec![ContentBlock::text(lines.join("\n"))]);
    result.structured_content = Some(json!(shown));
    Ok(result)
}

/// What whoever asks may name of a listing.
pub(in super::super) fn visible(mut shown: ShownListing, who: &Who) -> ShownListing {
    shown.models.retain(|model| who.may_name(&format!("{}/{}", model.provider, model.id)));
    shown.aliases.retain(|alias| who.may_name(alias));
    shown.patterns.clear();
    shown
}

/// The first model of a provider that chats, by its full name.
pub(super) async fn first_of(call: &Call<'_>, provider: &str) -> Result<String, ChatError> {
    let listing = call.runtime.fresh_models_of(provider).await;
    let mut names = listing.models.iter().filter(|model| chats(&model.info.id));
    if let Some(model) = names.find(|model| call.who.may_name(&format!("{provider}/{}", model.info.id))) {
        return Ok(format!("{provider}/{}", model.info.id));
    }
    let failed = listing.failed.into_iter().next().map(|(_, error)| error);
    let message = format!("no model was named, and {provider} lists none to take");
    Err(failed.unwrap_or_else(|| none_such(message, "say 'model'")))
}

/// What the result is.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "models": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"id": {"type": "string"}, "provider": {"type": "string"}},
                    "required": ["id", "provider"],
                },
            },
            "aliases": {"type": "array", "items": {"type": "string"}},
            "failed": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["models", "aliases", "failed"],
    })
}
