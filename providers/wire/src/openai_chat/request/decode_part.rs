//! Parts of a client's messages.

use serde_json::{Map, Value};

use super::reader::{extra, object, rest, string, take, take_string};
use crate::{
    chat::{CacheMark, Extra, MediaSource, Message, Part},
    error::ChatError,
};

/// The MIME type and the base64 data of a `data:` URL; `None` for any other URL.
pub(in crate::openai_chat) fn split_data_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}

/// Reads an element of `content` into a message.
pub(super) fn read_part(
    message: &mut Message,
    at: &str,
    place: &str,
    mut map: Map<String, Value>,
) -> Result<(), ChatError> {
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        _ => string(&format!("{at}.type"), take(&mut map, at, "type")?)?,
    };
    let extras = &mut message.extra;
    let part = match kind.as_str() {
        "text" => {
            let (text, mark) = read_text_part(extras, at, place, map)?;
            message.cache.extend(mark.map(|ttl| CacheMark { part: message.parts.len(), ttl }));
            message.parts.push(text);
            return Ok(());
        }
        "refusal" => Part::Refusal { text: string(&format!("{at}.refusal"), take(&mut map, at, "refusal")?)? },
        "image_url" => {
            let inside = format!("{at}.image_url");
            let image = take(&mut map, at, "image_url")?;
            // Mistral takes the bare URL too.
            let mut image = match image {
                Value::String(url) => Map::from_iter([("url".into(), Value::String(url))]),
                image => object(&inside, image)?,
            };
            let url = string(&format!("{inside}.url"), take(&mut image, &inside, "url")?)?;
            let detail = take_string(&mut image, &inside, "detail")?;
            rest(extras, &format!("{place}/image_url"), image);
            Part::Image { source: source_of(url), detail }
        }
        "input_audio" => {
            let inside = format!("{at}.input_audio");
            let mut audio = object(&inside, take(&mut map, at, "input_audio")?)?;
            let data = string(&format!("{inside}.data"), take(&mut audio, &inside, "data")?)?;
            let format = string(&format!("{inside}.format"), take(&mut audio, &inside, "format")?)?;
            rest(extras, &format!("{place}/input_audio"), audio);
            let media_type = if format == "mp3" { "audio/mpeg".into() } else { format!("audio/{format}") };
            Part::Audio { source: MediaSource::Base64 { media_type, data } }
        }
        "file" => {
            let inside = format!("{at}.file");
            let mut file = object(&inside, take(&mut map, at, "file")?)?;
            let name = take_string(&mut file, &inside, "filename")?;
            let source = match (take_string(&mut file, &inside, "file_id")?, file.get("file_data")) {
                (Some(id), _) => MediaSource::File { id },
                (None, Some(Value::Null) | None) => {
                    take(&mut file, &inside, "file_data")?;
                    return Ok(());
                }
                (None, Some(_)) => {
                    source_of(string(&format!("{inside}.file_data"), take(&mut file, &inside, "file_data")?)?)
                }
            };
            rest(extras, &format!("{place}/file"), file);
            Part::Document { source, name }
        }
        _ => {
            extras.push(extra(place.to_owned(), Value::Object(map)));
            return Ok(());
        }
    };
    map.shift_remove("type");
    let mark = take_mark(&mut map);
    message.cache.extend(mark.map(|ttl| CacheMark { part: message.parts.len(), ttl }));
    rest(extras, place, map);
    message.parts.push(part);
    Ok(())
}

/// Reads a text part; with it, how long the prompt up to it is to be cached, if it is.
pub(super) fn read_text_part(
    extras: &mut Vec<Extra>,
    at: &str,
    place: &str,
    mut map: Map<String, Value>,
) -> Result<(Part, Option<Option<String>>), ChatError> {
    map.shift_remove("type");
    let text = string(&format!("{at}.text"), take(&mut map, at, "text")?)?;
    let mark = take_mark(&mut map);
    rest(extras, place, map);
    Ok((Part::Text { text }, mark))
}

/// Takes a `cache_control` of the known form out of a part.
fn take_mark(map: &mut Map<String, Value>) -> Option<Option<String>> {
    let control = map.get("cache_control")?.as_object()?;
    if control.get("type")? != "ephemeral" || control.keys().any(|key| key != "type" && key != "ttl") {
        return None;
    }
    let ttl = match control.get("ttl") {
        None | Some(Value::Null) => None,
        Some(ttl) => Some(ttl.as_str()?.to_owned()),
    };
    map.shift_remove("cache_control");
    Some(ttl)
}

fn source_of(url: String) -> MediaSource {
    match split_data_url(&url) {
        Some((media_type, data)) => MediaSource::Base64 { media_type: media_type.into(), data: data.into() },
        None => MediaSource::Url { url },
    }
}
