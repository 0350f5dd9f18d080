//! A page of the items of a response's input. Pure.

use serde_json::{Value, json};

use super::errors::Refused;

/// Items in a page, if it is not said how many, and at most.
const PAGE: usize = 20;
const MOST: usize = 100;

/// Which page is asked for, as it is written.
#[derive(Debug, Default, Clone)]
pub(super) struct Page {
    pub(super) limit: Option<String>,
    pub(super) order: Option<String>,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
}

/// A page of items, which are in their order.
///
/// # Errors
/// There is no such page.
pub(super) fn page(mut items: Vec<Value>, page: &Page) -> Result<Value, Refused> {
    let limit = match page.limit.as_deref().map(str::parse) {
        None => PAGE,
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
        Some(_) => return Err(Refused::bad("limit", format!("'limit' must be 1 to {MOST}"), "correct it")),
    };
    match page.order.as_deref() {
        Some("asc") => {}
        None | Some("desc") => items.reverse(),
        Some(_) => return Err(Refused::bad("order", "'order' must be 'asc' or 'desc'", "correct it, or leave it out")),
    }
    let place = |param: &str, id: &Option<String>| match id {
        None => Ok(None),
        Some(id) => match items.iter().position(|item| item["id"] == id.as_str()) {
            Some(at) => Ok(Some(at)),
            None => Err(Refused::bad(param, format!("'{param}' is no item of this input"), "use an id of the list")),
        },
    };
    let from = place("after", &page.after)?.map_or(0, |at| at + 1);
    let until = place("before", &page.before)?.unwrap_or(items.len()).max(from);
    // Those just before an item are the last ones of what comes before it.
    let range = if page.before.is_some() && page.after.is_none() {
        until.saturating_sub(limit).max(from)..until
    } else {
        from..until.min(from + limit)
    };
    let has_more = if page.before.is_some() && page.after.is_none() { range.start > from } else { range.end < until };
    let data: Vec<Value> = items.drain(range).collect();
    let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    let (first, last) = (id(data.first()), id(data.last()));
    Ok(json!({"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(asked: Page) -> Result<(String, bool), ()> {
        let items = (0..5).map(|at| json!({"id": format!("{at}")})).collect();
        let page = page(items, &asked).map_err(|_| ())?;
        let ids: String =
            page["data"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()).collect();
        assert_eq!(page["first_id"].as_str().unwrap_or_default(), ids.get(..1).unwrap_or_default());
        assert_eq!(
            page["last_id"].as_str().unwrap_or_default(),
            ids.chars().last().map(String::from).unwrap_or_default()
        );
        Ok((ids, page["has_more"] == true))
    }

    #[test]
    fn a_page_is_what_is_asked_for() {
        let said = |text: &str| Some(text.to_owned());
        let asc = || Page { order: said("asc"), ..Page::default() };
        let of = |ids: &str, more| Ok((ids.to_owned(), more));
        assert_eq!(ids(Page::default()), of("43210", false));
        assert_eq!(ids(asc()), of("01234", false));
        assert_eq!(ids(Page { limit: said("2"), ..asc() }), of("01", true));
        assert_eq!(ids(Page { limit: said("2"), after: said("1"), ..asc() }), of("23", true));
        assert_eq!(ids(Page { limit: said("2"), after: said("2"), ..asc() }), of("34", false));
        assert_eq!(ids(Page { limit: said("2"), after: said("3"), ..Page::default() }), of("21", true));
        assert_eq!(ids(Page { limit: said("2"), before: said("4"), ..asc() }), of("23", true));
        assert_eq!(ids(Page { before: said("1"), ..asc() }), of("0", false));
        assert_eq!(ids(Page { after: said("4"), ..asc() }), of("", false));
        assert_eq!(ids(Page { after: said("3"), before: said("1"), ..asc() }), of("", false));
        for bad in ["0", "101", "x", "-1"] {
            assert_eq!(ids(Page { limit: said(bad), ..asc() }), Err(()), "{bad}");
        }
        assert_eq!(ids(Page { order: said("up"), ..Page::default() }), Err(()));
        assert_eq!(ids(Page { after: said("9"), ..Page::default() }), Err(()));
    }
}
