//! How many tokens a prompt has: as its provider counts them, else an estimate that says so.

use std::{sync::Arc, time::Duration};

use greenroom_providers::{ChatCall, Deadlines};
use greenroom_wire::{ChatError, ChatRequest, ErrorKind, Part};

use crate::{
    direct::{acquire, of, told, unknown},
    router::{Candidate, plan::Needs},
    session::{Shared, plan},
    system::Caller,
};

/// A provider that takes longer to count is not waited for: an estimate now is worth more.
const COUNT_WAIT: Duration = Duration::from_secs(10);
/// About how many bytes of text are a token: English prose has 4 to 5, source code 3, other scripts 2 to 4.
const BYTES_PER_TOKEN: u64 = 4;
/// About what stands around a message: its role, and where it begins and ends.
const AROUND_MESSAGE: u64 = 4;
/// A picture of usual size: OpenAI counts some 800 for one of 1024×1024, Anthropic up to 1,600, Gemini 258 a tile.
const PICTURE: u64 = 1000;
/// A page of a document, as text and picture. How many it has isn't known.
const DOCUMENT: u64 = 2000;
/// By how much of itself an estimate may be wrong, either way, for text.
const ERROR: f64 = 0.35;

/// A count of a prompt's tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenCount {
    /// How many.
    pub tokens: u64,
    /// By what share of itself it may be wrong; `None` if the provider counted.
    pub error: Option<f64>,
}

/// Has the model's provider count, where it can and is reached; who is asked would be asked first for an answer, too.
pub(crate) async fn count(
    shared: &Shared,
    request: &ChatRequest,
    caller: &Caller,
) -> Result<(Candidate, TokenCount), ChatError> {
    let candidates = plan(shared, &request.model, Needs::default()).await?.candidates;
    let candidate = candidates.into_iter().next().ok_or_else(|| unknown(&request.model))?;
    let counted = ask(shared, &candidate, request, &caller.owner).await;
    let count = match counted {
        Ok(tokens) => TokenCount { tokens, error: None },
        Err(error) if can_estimate(&error) => TokenCount { tokens: estimate(request), error: Some(ERROR) },
        Err(error) => return Err(error),
    };
    Ok((candidate, count))
}

async fn ask(
    shared: &Shared,
    candidate: &Candidate,
    request: &ChatRequest,
    owner: &Arc<str>,
) -> Result<u64, ChatError> {
    let (actor, name) = (of(shared, &candidate.provider)?, &candidate.provider);
    // What is counted is not answered: it takes nothing of what answers may.
    let permit = acquire(&actor, name, &candidate.model.id, (owner, 0)).await?;
    let (provider, profile) = (permit.provider.clone(), permit.profile.clone());
    let credential = permit.credential.clone();
    drop(permit);
    let deadlines = Deadlines { first_content: COUNT_WAIT, idle: COUNT_WAIT, silent: COUNT_WAIT, finish: COUNT_WAIT };
    let call = ChatCall {
        request,
        model: &candidate.model.id,
        info: &candidate.model,
        provider: name,
        credential: &credential,
        deadlines: &deadlines,
    };
    match tokio::time::timeout(COUNT_WAIT, provider.count_tokens(call)).await {
        Ok(counted) => counted.map_err(|error| told(error, name, &candidate.model.id, &profile)),
        Err(_) => Err(ChatError::new(ErrorKind::Timeout, "the provider did not count the tokens in time")),
    }
}

/// Whether an estimate is of use in place of a count: the provider has no way to count, or can't be reached now. What is
/// wrong with the request, the model or the key is told.
fn can_estimate(error: &ChatError) -> bool {
    match error.kind {
        ErrorKind::InvalidRequest => error.details.status.is_none(),
        ErrorKind::Network
        | ErrorKind::Timeout
        | ErrorKind::Overloaded
        | ErrorKind::RateLimited
        | ErrorKind::Server
        | ErrorKind::Protocol
        | ErrorKind::Exhausted => true,
        _ => false,
    }
}

/// About how many tokens a prompt has, tools and pictures included. Nobody is asked.
pub fn estimate(request: &ChatRequest) -> u64 {
    let tools = request.tools.iter().map(|tool| serde_json::to_string(tool).map_or(0, |json| bytes(json.len())));
    let tools: u64 = tools.map(|bytes| bytes.div_ceil(BYTES_PER_TOKEN)).sum();
    let messages = request
        .messages
        .iter()
        .map(|message| AROUND_MESSAGE.saturating_add(message.parts.iter().map(part).fold(0, u64::saturating_add)));
    messages.fold(tools, u64::saturating_add)
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text { text } | Part::Refusal { text } | Part::Thinking { text } => {
            bytes(text.len()).div_ceil(BYTES_PER_TOKEN)
        }
        Part::ToolCall { name, arguments, .. } => bytes(name.len() + arguments.len()).div_ceil(BYTES_PER_TOKEN),
        Part::ToolResult { parts, .. } => parts.iter().map(self::part).fold(AROUND_MESSAGE, u64::saturating_add),
        Part::Image { .. } => PICTURE,
        Part::Document { .. } | Part::Audio { .. } => DOCUMENT,
        Part::Opaque { data, .. } => bytes(data.to_string().len()).div_ceil(BYTES_PER_TOKEN),
    }
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use greenroom_wire::Message;

    use super::*;

    #[test]
    fn an_estimate_counts_all_that_a_model_is_shown() {
        let of = |messages| estimate(&ChatRequest { messages, ..ChatRequest::default() });
        assert_eq!(of(vec![]), 0);
        let text = "word ".repeat(400);
        let short = of(vec![Message::user("word")]);
        assert_eq!((short, of(vec![Message::user(text.as_str())])), (5, 504));
        assert_eq!(of(vec![Message::user("word"), Message::user("word")]), 2 * short);
    }

    #[test]
    fn only_what_will_pass_or_can_t_be_is_estimated() {
        let with_status = |kind, status| {
            let mut error = ChatError::new(kind, "no");
            error.details.status = status;
            can_estimate(&error)
        };
        assert!(with_status(ErrorKind::InvalidRequest, None), "the provider has no way to count");
        assert!(!with_status(ErrorKind::InvalidRequest, Some(400)), "it says what is wrong");
        assert!(with_status(ErrorKind::Overloaded, Some(529)) && with_status(ErrorKind::Network, None));
        assert!(!with_status(ErrorKind::Auth, Some(401)) && !with_status(ErrorKind::NotFound, Some(404)));
    }
}
