//! The text of a file with one setting changed, and all else in it as it was.

use std::ops::Range;

use toml_edit::{Document, DocumentMut, InlineTable, Item, Table, TableLike, TomlError, Value};

use crate::origin::join;

/// Why a setting can't be changed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The text isn't TOML.
    Syntax(TomlError),
    /// What should hold the setting is a value of its own.
    NotATable(String),
    /// There is no such setting to take out.
    NotThere,
}

/// Behind all tables that are there, so that what is written stays in its order.
const AT_THE_END: isize = isize::MAX;

/// The text with this setting, which is made if it isn't there.
pub(crate) fn set(text: &str, path: &[String], value: &Value) -> Result<String, Refused> {
    as_unix(text, |text| {
        let document = Document::parse(text).map_err(Refused::Syntax)?;
        match find(document.as_table(), path)?.and_then(|(_, item)| of_value(item)) {
            Some(place) => Ok(format!("{}{}{}", &text[..place.start], shown(value), &text[place.end..])),
            None => match joined(text, document.as_table(), path, value) {
                Some(changed) => Ok(changed),
                None => insert(document.into_mut(), path, value),
            },
        }
    })
}

/// The text with this setting behind the others of a table that is written as a value; `None` where it belongs to no such
/// table, or to an empty one.
fn joined(text: &str, root: &Table, path: &[String], value: &Value) -> Option<String> {
    let mut table: &dyn TableLike = root;
    let mut last = None;
    let mut rest = path;
    while let Some(item) = rest.first().and_then(|key| table.get(key)) {
        table = item.as_table_like()?;
        rest = &rest[1..];
        last = item.as_inline_table().and_then(|inline| inline.iter().filter_map(|(_, value)| value.span()).last());
    }
    let end = last?.end;
    let (key, within) = rest.split_first()?;
    let nested = within
        .iter()
        .rev()
        .fold(plain(value), |value, key| Value::InlineTable(std::iter::once((key.as_str(), value)).collect()));
    let key = crate::origin::written_key(key);
    Some(format!("{}, {key} = {}{}", &text[..end], shown(&nested), &text[end..]))
}

/// The text without this setting.
pub(crate) fn unset(text: &str, path: &[String]) -> Result<String, Refused> {
    as_unix(text, |text| {
        let document = Document::parse(text).map_err(Refused::Syntax)?;
        let (own_line, item) = find(document.as_table(), path)?.ok_or(Refused::NotThere)?;
        if let (Some(start), Some(place)) = (own_line, of_value(item)) {
            // The lines that it is on, and no comment above them, which may be about more than this.
            let start = text[..start].rfind('\n').map_or(0, |end| end + 1);
            let end = text[place.end..].find('\n').map_or(text.len(), |end| place.end + end + 1);
            return Ok(format!("{}{}", &text[..start], &text[end..]));
        }
        let mut document = document.into_mut();
        let (last, parents) = path.split_last().ok_or(Refused::NotThere)?;
        let mut table: &mut dyn TableLike = document.as_table_mut();
        for key in parents {
            table = table.get_mut(key).and_then(Item::as_table_like_mut).ok_or(Refused::NotThere)?;
        }
        table.remove(last).ok_or(Refused::NotThere)?;
        Ok(document.to_string())
    })
}

/// The item at this path; and where its key is, if it has a line of its own.
fn find<'a>(root: &'a Table, path: &[String]) -> Result<Option<(Option<usize>, &'a Item)>, Refused> {
    let Some((last, parents)) = path.split_last() else { return Ok(None) };
    let mut table: &dyn TableLike = root;
    let mut written = String::new();
    let mut has_lines = true;
    for key in parents {
        written = join(&written, key);
        let Some(item) = table.get(key) else { return Ok(None) };
        has_lines &= item.is_table();
        table = item.as_table_like().ok_or_else(|| Refused::NotATable(written.clone()))?;
    }
    let Some((key, item)) = table.get_key_value(last) else { return Ok(None) };
    Ok(Some((key.span().filter(|_| has_lines).map(|span| span.start), item)))
}

/// Where a value is. Tables with headers, and those that dotted keys make, are in no one place.
fn of_value(item: &Item) -> Option<Range<usize>> {
    item.as_value().and_then(Value::span)
}

/// The value without the space around it that it was typed with, so that it has the usual one.
fn plain(value: &Value) -> Value {
    let mut value = value.clone();
    value.decor_mut().clear();
    value
}

fn shown(value: &Value) -> String {
    value.clone().decorated("", "").to_string()
}

fn insert(mut document: DocumentMut, path: &[String], value: &Value) -> Result<String, Refused> {
    let Some((last, parents)) = path.split_last() else { return Err(Refused::NotThere) };
    let mut header = None;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    let mut is_inline = false;
    for (depth, key) in parents.iter().enumerate() {
        let path = &path[..=depth];
        if !table.contains_key(key) {
            is_inline |= table.is_dotted() || !is_section(path);
            let made = if is_inline { Item::Value(InlineTable::new().into()) } else { Item::Table(new_table(true)) };
            header = (!is_inline).then(|| path.to_vec()).or(header);
            table.insert(key, made);
        }
        let item = table.get_mut(key).ok_or(Refused::NotThere)?;
        is_inline |= item.is_value();
        let written = || path.iter().fold(String::new(), |above, key| join(&above, key));
        table = item.as_table_like_mut().ok_or_else(|| Refused::NotATable(written()))?;
    }
    match value {
        Value::InlineTable(whole) if !is_inline && !table.is_dotted() && is_section(path) => {
            let mut made = new_table(false);
            made.extend(whole.iter().map(|(key, value)| (key.to_owned(), plain(value))));
            // One that is there keeps its place, and what is said above it.
            match table.get(last).and_then(Item::as_table) {
                Some(there) => {
                    made.set_position(there.position());
                    *made.decor_mut() = there.decor().clone();
                }
                None => header = Some(path.to_vec()),
            }
            table.insert(last, Item::Table(made));
        }
        _ => _ = table.insert(last, Item::Value(plain(value))),
    }
    if let Some(header) = header {
        put_last(&mut document, &header);
    }
    Ok(document.to_string())
}

fn new_table(is_implicit: bool) -> Table {
    let mut table = Table::new();
    table.set_implicit(is_implicit);
    table.set_position(Some(AT_THE_END));
    table
}

/// A table that was made stands behind everything, comments at the end of the text as well.
fn put_last(document: &mut DocumentMut, header: &[String]) {
    let above = document.trailing().as_str().unwrap_or_default().to_owned();
    let is_first = document.is_empty() || (document.len() == 1 && document.to_string().trim_start().starts_with('['));
    let gap = if above.is_empty() && is_first || above.ends_with("\n\n") { "" } else { "\n" };
    let mut table: Option<&mut Table> = Some(document.as_table_mut());
    for key in header {
        table = table.and_then(|table| table.get_mut(key)).and_then(Item::as_table_mut);
    }
    if let Some(table) = table {
        table.decor_mut().set_prefix(format!("{above}{gap}"));
        document.set_trailing("");
    }
}

/// Whether a table of this path is usually written with a header of its own.
fn is_section(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path[..],
        [_] | ["providers", _]
            | ["models", "aliases"]
            | ["server", "tls"]
            | ["providers", _, "oauth" | "entra" | "models"]
    )
}

/// Line ends of another system are those of the result as well, and so is a mark of UTF-8.
fn as_unix(text: &str, change: impl FnOnce(&str) -> Result<String, Refused>) -> Result<String, Refused> {
    const MARK: char = '\u{feff}';
    let (mark, text) = text.strip_prefix(MARK).map_or(("", text), |rest| ("\u{feff}", rest));
    let windows = text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count();
    let changed = if windows { change(&text.replace("\r\n", "\n"))?.replace('\n', "\r\n") } else { change(text)? };
    Ok(format!("{mark}{changed}"))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
