//! Parts of a client's messages and results.

use serde_json::{Map, Value};

use crate::{
    chat::{Extra, MediaSource, Part, Wire},
    error::ChatError,
    reader::{array, object, rest, string, take, take_string, wrong},
};

/// Reads content, which is a text or a list, into parts. A part that is not known is an extra in its place; `place` is
/// the pointer to the list.
pub(super) fn read_parts(
    at: &str,
    place: &str,
    content: Value,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Part>, ChatError> {
    let mut parts = Vec::new();
    match content {
        Value::String(text) => parts.push(Part::Text { text }),
        Value::Array(list) => {
            for (index, part) in list.into_iter().enumerate() {
                let at = format!("{at}[{index}]");
                parts.extend(read_part(&at, &format!("{place}/{index}"), object(&at, part)?, extras)?);
            }
        }
        other => {
            array(at, other).map_err(|_| wrong(at, format!("'{at}' must be a string or an array")))?;
        }
    }
    Ok(parts)
}

fn read_part(
    at: &str,
    place: &str,
    mut map: Map<String, Value>,
    extras: &mut Vec<Extra>,
) -> Result<Option<Part>, ChatError> {
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        _ => string(&format!("{at}.type"), take(&mut map, at, "type")?)?,
    };
    // In the form of chat completions, which programs send that speak both.
    if let Some(mut nested) = map.get("image_url").and_then(Value::as_object).cloned()
        && let Some(url) = nested.shift_remove("url").filter(Value::is_string)
    {
        map.insert("image_url".into(), url);
        if let Some(detail) = nested.shift_remove("detail") {
            map.entry("detail").or_insert(detail);
        }
    }
    let part = match kind.as_str() {
        "input_text" | "output_text" | "text" => {
            Part::Text { text: string(&format!("{at}.text"), take(&mut map, at, "text")?)? }
        }
        "input_image" | "image_url" => match source(&mut map, at, "image_url", "image_url")? {
            Some(source) => Part::Image { source, detail: take_string(&mut map, at, "detail")? },
            None => return Ok(keep(place, map, extras)),
        },
        "input_file" => match source(&mut map, at, "file_data", "file_url")? {
            Some(source) => Part::Document { source, name: take_string(&mut map, at, "filename")? },
            None => return Ok(keep(place, map, extras)),
        },
        _ => return Ok(keep(place, map, extras)),
    };
    map.shift_remove("type");
    rest(Wire::OpenaiResponses, extras, place, map);
    Ok(Some(part))
}

fn keep(place: &str, map: Map<String, Value>, extras: &mut Vec<Extra>) -> Option<Part> {
    extras.push(Extra { wire: Wire::OpenaiResponses, path: place.to_owned(), json: Value::Object(map) });
    None
}

/// Takes the source of a picture or a file out of a part; none if it has none that is known, and then nothing is taken.
fn source(
    map: &mut Map<String, Value>,
    at: &str,
    data_key: &str,
    url_key: &str,
) -> Result<Option<MediaSource>, ChatError> {
    if let Some(id) = take_string(map, at, "file_id")? {
        return Ok(Some(MediaSource::File { id }));
    }
    let Some(Value::String(text)) = map.get(data_key).filter(|value| !value.is_null()).or(map.get(url_key)) else {
        return Ok(None);
    };
    let is_data = map.get(data_key).is_some_and(Value::is_string);
    let (text, split) = (text.clone(), text.strip_prefix("data:").and_then(|text| text.split_once(";base64,")));
    let source = match split {
        Some((media_type, data)) => MediaSource::Base64 { media_type: media_type.into(), data: data.into() },
        // A file's data without their type, which has no word.
        None if is_data && data_key != url_key => return Ok(None),
        None => MediaSource::Url { url: text.clone() },
    };
    map.shift_remove(if is_data { data_key } else { url_key });
    Ok(Some(source))
}
