//! Models, as Anthropic's clients read them.

use axum::{http::StatusCode, response::Response};
use greenroom_wire::{
    ChatError, ErrorKind,
    anthropic::{PageQuery, ServedModel, encode_models, model_json},
};

use super::super::{
    errors::{failed_to_anthropic, json_response},
    models::Named,
    site::RequestId,
};

/// Most models on a page, as at Anthropic; and so many if nothing is said, since there a first page has all.
const MOST: usize = 1000;

/// A page of the list of these, by the query of the request.
///
/// # Errors
/// The query can't be read.
pub(in super::super) fn models(named: &[Named<'_>], query: Option<&str>) -> Result<Response, ChatError> {
    let query = page_query(query.unwrap_or_default())?;
    let models: Vec<_> = named.iter().map(served).collect();
    Ok(json_response(StatusCode::OK, encode_models(&models, &query).to_string()))
}

/// One of them.
pub(in super::super) fn model(found: Result<Named<'_>, ChatError>, id: Option<&RequestId>) -> Response {
    match found {
        Ok(named) => json_response(StatusCode::OK, model_json(&served(&named)).to_string()),
        Err(error) => failed_to_anthropic(&error, id),
    }
}

fn served<'a>(named: &'a Named<'_>) -> ServedModel<'a> {
    let Some(model) = named.model else { return ServedModel { id: &named.id, ..ServedModel::default() } };
    let info = &model.info;
    ServedModel {
        id: &named.id,
        name: info.name.as_deref(),
        context: info.longest_prompt(),
        max_output: info.max_output,
        images: info.takes.images,
        documents: info.takes.documents,
        json_schema: info.json_schema,
        thinking: info.reasoning,
        deprecated: info.deprecated.is_some(),
    }
}

fn page_query(query: &str) -> Result<PageQuery, ChatError> {
    let mut page = PageQuery { limit: MOST, ..PageQuery::default() };
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "after_id" => page.after_id = Some(value.into_owned()),
            "before_id" => page.before_id = Some(value.into_owned()),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                page.limit = limit.ok_or_else(|| {
                    ChatError::new(ErrorKind::InvalidRequest, format!("'limit' must be between 1 and {MOST}"))
                })?;
            }
            _ => {}
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_which_page_is_wanted() {
        let page = page_query("limit=3&after_id=lab%2Fm1&beta=true").unwrap();
        assert_eq!(page, PageQuery { after_id: Some("lab/m1".into()), before_id: None, limit: 3 });
        assert_eq!(page_query("").unwrap().limit, MOST);
        for query in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit="] {
            assert_eq!(page_query(query).unwrap_err().kind, ErrorKind::InvalidRequest, "{query}");
        }
    }
}
