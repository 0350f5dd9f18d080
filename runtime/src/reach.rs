//! Where providers are, and whether somebody answers there.

use std::time::Duration;

use greenroom_config::{Kind, Provider};
use greenroom_providers::{
    anthropic::ANTHROPIC_BASE,
    gemini::GEMINI_BASE,
    llamacpp::LLAMACPP_BASE,
    ollama::OLLAMA_BASE,
    openai::OPENAI_BASE,
    openrouter::OPENROUTER_BASE,
    probe,
    transport::{self, Transport},
    vertex::{GLOBAL, vertex_base},
};
use url::Url;

pub use greenroom_providers::probe::Reached;

use crate::{ChatError, assemble::copilot_base_of};

/// The address of a provider: the one that is written, or its kind's own. `None` where it has none, or where only its SDK
/// knows.
#[must_use]
pub fn address_of(provider: &Provider) -> Option<Url> {
    if let Some(url) = &provider.base_url {
        return Some(url.clone());
    }
    let own = match provider.kind {
        Kind::Anthropic => ANTHROPIC_BASE,
        Kind::OpenAi => OPENAI_BASE,
        Kind::Gemini => GEMINI_BASE,
        Kind::OpenRouter => OPENROUTER_BASE,
        Kind::Ollama => OLLAMA_BASE,
        Kind::LlamaCpp => LLAMACPP_BASE,
        Kind::Copilot => return copilot_base_of(provider).ok(),
        Kind::Vertex => return vertex_base(provider.region.as_deref().unwrap_or(GLOBAL)).ok(),
        _ => return None,
    };
    Url::parse(own).ok()
}

/// Asks whether somebody answers HTTP at an address, whatever the answer, by the proxy that the usual variables name.
/// Nothing that lets in is sent.
///
/// # Errors
/// Nobody does within `limit`, or the proxy variables or the TLS roots can't be used.
pub async fn reach(address: &Url, limit: Duration) -> Result<Reached, ChatError> {
    probe::reach(&Transport::new(limit), address, limit).await
}

/// Whether an address is this machine's own, which no proxy is asked for.
#[must_use]
pub fn is_local(address: &Url) -> bool {
    transport::is_loopback(address)
}
