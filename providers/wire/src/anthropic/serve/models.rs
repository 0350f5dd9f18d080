//! Lists of models, as a client reads them.

use serde_json::{Value, json};

/// Says that it is not known when a model came about, as the API itself does.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A model as a client is told of it; what is not known is `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServedModel<'a> {
    /// What a request names it by.
    pub id: &'a str,
    /// Its name for people; the id where there is none.
    pub name: Option<&'a str>,
    /// The longest prompt, in tokens.
    pub context: Option<u64>,
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
    /// Whether it takes pictures.
    pub images: Option<bool>,
    /// Whether it takes PDFs.
    pub documents: Option<bool>,
    /// Whether it holds an answer to a schema.
    pub json_schema: Option<bool>,
    /// Whether it can think before it answers.
    pub thinking: Option<bool>,
    /// Whether its provider is about to serve it no more.
    pub deprecated: bool,
}

/// One model in this wire's shape.
pub fn model_json(model: &ServedModel<'_>) -> Value {
    let mut json = json!({
        "type": "model", "id": model.id, "display_name": model.name.unwrap_or(model.id), "created_at": CREATED,
        "lifecycle": if model.deprecated { "deprecated" } else { "active" },
        "max_input_tokens": model.context, "max_tokens": model.max_output,
    });
    let known = [
        ("image_input", model.images),
        ("pdf_input", model.documents),
        ("structured_outputs", model.json_schema),
        ("thinking", model.thinking),
    ];
    for (key, supported) in known.into_iter().filter_map(|(key, supported)| Some((key, supported?))) {
        json["capabilities"][key] = json!({"supported": supported});
    }
    json
}

/// Which models a client wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// Those after the model of this id.
    pub after_id: Option<String>,
    /// Those before the model of this id.
    pub before_id: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A page of a list. An id that the list does not have, such as one of a model that is gone, leaves the page empty.
pub fn encode_models(models: &[ServedModel<'_>], query: &PageQuery) -> Value {
    let place = |id: &str| models.iter().position(|model| model.id == id).unwrap_or(models.len());
    let from = query.after_id.as_deref().map_or(0, |id| (place(id) + 1).min(models.len()));
    let to = query.before_id.as_deref().map_or(models.len(), place).max(from);
    // Towards the beginning, the page is the one just before.
    let (page, has_more) = match query.before_id.is_some() && query.after_id.is_none() {
        true => (&models[to.saturating_sub(query.limit).max(from)..to], to - from > query.limit),
        false => (&models[from..to.min(from.saturating_add(query.limit))], to - from > query.limit),
    };
    let data: Vec<Value> = page.iter().map(model_json).collect();
    json!({
        "data": data, "has_more": has_more,
        "first_id": page.first().map(|model| model.id), "last_id": page.last().map(|model| model.id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anthropic::decode_models;

    fn page(after: Option<&str>, before: Option<&str>, limit: usize) -> (Vec<String>, bool) {
        let models = ["a", "b", "c", "d"].map(|id| ServedModel { id, ..ServedModel::default() });
        let query = PageQuery { after_id: after.map(str::to_owned), before_id: before.map(str::to_owned), limit };
        let list = encode_models(&models, &query);
        let ids: Vec<String> =
            list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect();
        let ends = (list["first_id"].as_str(), list["last_id"].as_str());
        assert_eq!(ends, (ids.first().map(String::as_str), ids.last().map(String::as_str)));
        (ids, list["has_more"] == true)
    }

    #[test]
    fn a_list_is_read_page_by_page_in_both_directions() {
        let of = |ids: &[&str], more: bool| (ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), more);
        assert_eq!(page(None, None, 9), of(&["a", "b", "c", "d"], false));
        assert_eq!(page(None, None, 4), of(&["a", "b", "c", "d"], false));
        assert_eq!(page(None, None, 3), of(&["a", "b", "c"], true));
        assert_eq!(page(Some("b"), None, 1), of(&["c"], true));
        assert_eq!(page(Some("d"), None, 1), of(&[], false));
        assert_eq!(page(None, Some("d"), 2), of(&["b", "c"], true));
        assert_eq!(page(None, Some("b"), 2), of(&["a"], false));
        assert_eq!(page(Some("gone"), None, 2), of(&[], false));
    }

    #[test]
    fn what_is_served_reads_back() {
        let model = ServedModel {
            id: "m",
            name: Some("M"),
            context: Some(9),
            max_output: Some(3),
            thinking: Some(true),
            ..ServedModel::default()
        };
        let list = encode_models(&[model], &PageQuery { limit: 5, ..PageQuery::default() });
        let read = decode_models(list.to_string().as_bytes()).unwrap();
        let entry = &read.models[0];
        assert_eq!((entry.id.as_str(), entry.name.as_deref()), ("m", Some("M")));
        assert_eq!((entry.context, entry.max_output, entry.thinking), (Some(9), Some(3), Some(true)));
    }
}
