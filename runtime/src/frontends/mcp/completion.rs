//! Completion of arguments: ids of sessions, and languages of code.

use rmcp::{
    ErrorData,
    model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference},
};

use super::resources::not_read;
use crate::{Runtime, SessionError, frontends::http::Who};

const LANGUAGES: [&str; 16] = [
    "c",
    "cpp",
    "csharp",
    "css",
    "go",
    "html",
    "java",
    "javascript",
    "kotlin",
    "php",
    "python",
    "ruby",
    "rust",
    "sql",
    "swift",
    "typescript",
];

/// What an argument may be that begins so. Where nothing is known of it, that is nothing.
pub(super) async fn complete(
    runtime: &Runtime,
    who: &Who,
    request: &CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let begun = request.argument.value.as_str();
    let mut values = match (&request.r#ref, request.argument.name.as_str()) {
        (Reference::Resource(_), "id") => sessions(runtime, who, begun).await?,
        (Reference::Prompt(_), "language") => {
            LANGUAGES.iter().filter(|language| language.starts_with(begun)).map(|known| (*known).to_owned()).collect()
        }
        _ => Vec::new(),
    };
    let has_more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let values = CompletionInfo::with_pagination(values, None, has_more).expect("they are no more than may be");
    Ok(CompleteResult::new(values))
}

/// The ids that begin so, in their order.
async fn sessions(runtime: &Runtime, who: &Who, begun: &str) -> Result<Vec<String>, ErrorData> {
    let sessions = runtime.sessions().of(who.access());
    // The list goes on behind an id, so one that is whole is looked up by itself.
    let whole = match sessions.open(begun).await {
        Ok(_) => Some(begun.to_owned()),
        Err(SessionError::NotFound | SessionError::BadId) => None,
        Err(error) => return Err(not_read(&error)),
    };
    let after = Some(begun).filter(|begun| !begun.is_empty());
    let behind = match sessions.list(after, CompletionInfo::MAX_VALUES + 1).await {
        Ok(behind) => behind,
        // What can't be an id is the beginning of none.
        Err(SessionError::BadId) => Vec::new(),
        Err(error) => return Err(not_read(&error)),
    };
    let behind = behind.into_iter().map(|session| session.id).filter(|id| id.starts_with(begun));
    Ok(whole.into_iter().chain(behind).collect())
}
