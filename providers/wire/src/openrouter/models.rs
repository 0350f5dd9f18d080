//! OpenRouter's list of models, which tells of each what it takes, gives, can do and costs.

use serde_json::Value;

use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
};

/// A page of the list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// Its models, in their order.
    pub models: Vec<ListedModel>,
    /// The query of the page after it, if there is one.
    pub next: Option<String>,
}

/// A model as OpenRouter lists it. `None` is what it does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListedModel {
    /// What it is asked for by.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// Its window, in tokens: the largest of those who serve it.
    pub context: Option<u64>,
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
    /// What it takes: "text", "image", "file", "audio", "video".
    pub input: Option<Vec<String>>,
    /// What it gives, in the same words.
    pub output: Option<Vec<String>>,
    /// The names of the parameters that it takes.
    pub parameters: Option<Vec<String>>,
    /// Whether it never answers without thinking.
    pub reasoning_mandatory: Option<bool>,
    /// The day from which on it is not served any more.
    pub expires: Option<String>,
    /// What it costs.
    pub price: Option<ModelPrice>,
}

impl ListedModel {
    /// Whether it takes a parameter, where that is known.
    #[must_use]
    pub fn takes(&self, parameter: &str) -> Option<bool> {
        self.parameters.as_ref().map(|all| all.iter().any(|one| one == parameter))
    }
}

/// What tokens of a model cost, in US dollars per million.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelPrice {
    /// Prompt.
    pub input: f64,
    /// Answer.
    pub output: f64,
    /// Prompt read from a cache.
    pub cache_read: Option<f64>,
    /// Prompt written to a cache.
    pub cache_write: Option<f64>,
    /// Prompt written to a cache for an hour.
    pub cache_write_1h: Option<f64>,
    /// What prompts of at least so many tokens cost instead, by growing bounds; their own overrides are empty.
    pub overrides: Vec<(u64, ModelPrice)>,
}

/// Reads a page of `GET /models`. Entries without an id are left out, and what of an entry is not as it should be is as
/// if it were not there.
///
/// # Errors
///
/// The body is not a list of models (`Protocol`).
pub fn decode_models(body: &[u8]) -> Result<Listed, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))?;
    let Some(data) = json.get("data").and_then(Value::as_array) else {
        return Err(ChatError::new(ErrorKind::Protocol, "the provider answered with no list of models"));
    };
    Ok(Listed { models: data.iter().filter_map(model).collect(), next: next(&json) })
}

/// The query alone: where a list goes on is said by whoever was asked, but who is asked is said by the configuration.
fn next(json: &Value) -> Option<String> {
    let next = json.pointer("/links/next")?.as_str()?;
    let (_, query) = next.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    (!query.is_empty()).then(|| query.to_owned())
}

fn model(entry: &Value) -> Option<ListedModel> {
    let text = |path: &str| entry.pointer(path)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let tokens = |path: &str| entry.pointer(path)?.as_u64().filter(|tokens| *tokens > 0);
    let words = |path: &str| {
        let list = entry.pointer(path)?.as_array()?;
        Some(list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect())
    };
    let id = text("/id")?;
    Some(ListedModel {
        name: text("/name").filter(|name| *name != id),
        context: tokens("/context_length").or_else(|| tokens("/top_provider/context_length")),
        max_output: tokens("/top_provider/max_completion_tokens"),
        input: words("/architecture/input_modalities"),
        output: words("/architecture/output_modalities"),
        parameters: words("/supported_parameters"),
        reasoning_mandatory: entry.pointer("/reasoning/mandatory").and_then(Value::as_bool),
        expires: text("/expiration_date"),
        price: entry.get("pricing").and_then(price),
        id,
    })
}

fn price(pricing: &Value) -> Option<ModelPrice> {
    let mut price = flat(pricing, None)?;
    for other in pricing.get("overrides").and_then(Value::as_array).into_iter().flatten() {
        let Some(from) = other.get("min_prompt_tokens").and_then(Value::as_u64).filter(|from| *from > 0) else {
            continue;
        };
        price.overrides.extend(flat(other, Some(&price)).map(|own| (from, own)));
    }
    price.overrides.sort_by_key(|(from, _)| *from);
    price.overrides.dedup_by_key(|(from, _)| *from);
    Some(price)
}

/// The price of a table, with what it does not say from another.
fn flat(pricing: &Value, other: Option<&ModelPrice>) -> Option<ModelPrice> {
    let of = |key: &str| per_million(pricing.get(key)?);
    Some(ModelPrice {
        input: of("prompt").or(other.map(|other| other.input))?,
        output: of("completion").or(other.map(|other| other.output))?,
        cache_read: of("input_cache_read").or(other.and_then(|other| other.cache_read)),
        cache_write: of("input_cache_write").or(other.and_then(|other| other.cache_write)),
        cache_write_1h: of("input_cache_write_1h").or(other.and_then(|other| other.cache_write_1h)),
        overrides: Vec::new(),
    })
}

/// Dollars per million tokens, of dollars per token as text: the decimal point is moved before there is a binary
/// fraction, so that nothing is rounded. A price of -1 says that it depends.
fn per_million(price: &Value) -> Option<f64> {
    let text = match price {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text.as_str(), 0),
    };
    let price = format!("{digits}e{}", exponent.checked_add(6)?).parse::<f64>().ok()?;
    (price.is_finite() && price >= 0.0).then_some(price)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(entry: Value) -> ListedModel {
        let mut list = decode_models(json!({"data": [entry]}).to_string().as_bytes()).unwrap().models;
        assert_eq!(list.len(), 1, "{list:?}");
        list.remove(0)
    }

    #[test]
    fn a_model_tells_what_it_takes_and_costs() {
        let model = one(json!({
            "id": "a/b", "name": "A: B", "context_length": 1_000_000, "expiration_date": "2027-01-31",
            "architecture": {"input_modalities": ["text", "image", "file"], "output_modalities": ["text"]},
            "pricing": {"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003",
                "web_search": "0.01", "overrides": [{"min_prompt_tokens": 200_000, "prompt": "0.000006"}]},
            "top_provider": {"context_length": 200_000, "max_completion_tokens": 64_000},
            "supported_parameters": ["tools", "reasoning"], "reasoning": {"mandatory": false},
        }));
        assert_eq!((model.id.as_str(), model.name.as_deref()), ("a/b", Some("A: B")));
        assert_eq!((model.context, model.max_output), (Some(1_000_000), Some(64_000)));
        assert_eq!(model.input.as_deref(), Some(["text", "image", "file"].map(str::to_owned).as_slice()));
        assert_eq!((model.takes("tools"), model.takes("structured_outputs")), (Some(true), Some(false)));
        assert_eq!((model.reasoning_mandatory, model.expires.as_deref()), (Some(false), Some("2027-01-31")));
        let price = model.price.unwrap();
        assert_eq!((price.input, price.output, price.cache_read), (3.0, 15.0, Some(0.3)));
        let [(from, long)] = price.overrides.as_slice() else { panic!("one override") };
        assert_eq!((*from, long.input, long.output, long.cache_read), (200_000, 6.0, 15.0, Some(0.3)));
    }

    #[test]
    fn what_is_not_said_is_not_known() {
        let bare = one(json!({"id": "a/b", "context_length": null, "pricing": {"prompt": "-1", "completion": "-1"}}));
        assert_eq!(bare, ListedModel { id: "a/b".into(), ..ListedModel::default() });
        assert_eq!(bare.takes("tools"), None);
        let odd = one(
            json!({"id": "c", "context_length": "many", "architecture": 3, "pricing": [], "supported_parameters": [1]}),
        );
        assert_eq!((odd.context, odd.price, odd.parameters), (None, None, Some(vec![])));
        for body in ["<html>", "{}", "3", r#"{"data": 3}"#] {
            assert_eq!(decode_models(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
        let some = decode_models(br#"{"data": [{"name": "no id"}, {"id": "d"}, 5]}"#).unwrap().models;
        assert_eq!(some.len(), 1);
    }

    #[test]
    fn a_price_is_not_rounded_on_the_way() {
        for (text, want) in
            [("0.0000001", Some(0.1)), ("0.00000125", Some(1.25)), ("0", Some(0.0)), ("3e-7", Some(0.3))]
        {
            assert_eq!(per_million(&json!(text)), want, "{text}");
        }
        for odd in [json!("-1"), json!("NaN"), json!("inf"), json!(""), json!(null), json!("1e400")] {
            assert_eq!(per_million(&odd), None, "{odd}");
        }
    }

    #[test]
    fn a_list_goes_on_by_its_query_alone() {
        let next = |next: Value| decode_models(json!({"data": [], "links": {"next": next}}).to_string().as_bytes());
        assert_eq!(next(json!("/api/v1/models?offset=500#x")).unwrap().next.as_deref(), Some("offset=500"));
        assert_eq!(next(json!("https://elsewhere.example/steal?page=2")).unwrap().next.as_deref(), Some("page=2"));
        for none in [json!(null), json!("/models"), json!(3), json!("/models?")] {
            assert_eq!(next(none).unwrap().next, None);
        }
    }
}
