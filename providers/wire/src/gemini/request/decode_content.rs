//! A client's contents.

use serde_json::{Map, Value};

use super::{
    decode_part::{Holder, read_call, read_model, read_result, read_user},
    take_any,
};
use crate::{
    chat::{Message, Part, Role},
    error::ChatError,
    reader::{array, object, string, take, wrong},
};

/// A call that has no result yet.
struct Open {
    /// Where it stands: message and part.
    place: (usize, usize),
    id: String,
    name: String,
    /// The client gave it no id.
    nameless: bool,
}

/// Reads the instructions; no message if they say nothing.
pub(super) fn read_instructions(said: Value) -> Result<Option<Message>, ChatError> {
    const AT: &str = "systemInstruction";
    let parts = match said {
        Value::String(text) => return Ok(Some(Message::text(Role::System, text))),
        other => parts(AT, &mut object(AT, other)?)?,
    };
    let mut holder = Holder::new(Role::System);
    for (index, part) in parts.into_iter().enumerate() {
        let at = format!("{AT}.parts[{index}]");
        let mut map = object(&at, part)?;
        let text = string(&format!("{at}.text"), take(&mut map, &at, "text")?)?;
        holder.add(Part::Text { text }, map);
    }
    // What role they have means nothing.
    Ok((!holder.message.parts.is_empty()).then_some(holder.message))
}

/// The parts of a content; some clients write one part without a list.
fn parts(at: &str, content: &mut Map<String, Value>) -> Result<Vec<Value>, ChatError> {
    match take_any(content, "parts") {
        None => Ok(Vec::new()),
        Some(part @ Value::Object(_)) => Ok(vec![part]),
        Some(list) => array(&format!("{at}.parts"), list),
    }
}

/// Reads the contents; one with results of tools and more besides becomes two messages.
pub(super) fn read_contents(read: &mut Vec<Message>, contents: Vec<Value>) -> Result<(), ChatError> {
    let mut open = Vec::new();
    for (index, content) in contents.into_iter().enumerate() {
        let at = format!("contents[{index}]");
        let mut map = object(&at, content)?;
        let role = take_any(&mut map, "role").map(|role| string(&format!("{at}.role"), role)).transpose()?;
        let parts = parts(&at, &mut map)?;
        match role.as_deref() {
            Some("model") => read_answer(read, index, &at, (parts, map), &mut open)?,
            // "function" is an older name for who says the results of functions.
            None | Some("" | "user" | "function" | "tool") => read_said(read, index, &at, (parts, map), &mut open)?,
            Some(_) => return Err(wrong(&format!("{at}.role"), format!("'{at}.role' must be 'user' or 'model'"))),
        }
    }
    Ok(())
}

type Content = (Vec<Value>, Map<String, Value>);

fn read_answer(
    read: &mut Vec<Message>,
    index: usize,
    at: &str,
    (parts, map): Content,
    open: &mut Vec<Open>,
) -> Result<(), ChatError> {
    open.clear();
    let mut holder = Holder::new(Role::Assistant);
    let mut calls = 0;
    for (place, part) in parts.into_iter().enumerate() {
        let at = format!("{at}.parts[{place}]");
        let mut part = object(&at, part)?;
        let Some(call) = take_any(&mut part, "functionCall") else {
            read_model(&mut holder, &at, part)?;
            continue;
        };
        let call = object(&format!("{at}.functionCall"), call)?;
        let place = (read.len(), holder.message.parts.len());
        let (given, name) = read_call(&mut holder, &at, part, call, &format!("call_{index}_{calls}"), calls)?;
        let id = given.clone().unwrap_or_else(|| format!("call_{index}_{calls}"));
        open.push(Open { place, id, name, nameless: given.is_none() });
        calls += 1;
    }
    read.push(holder.finish(map));
    Ok(())
}

fn read_said(
    read: &mut Vec<Message>,
    index: usize,
    at: &str,
    (parts, map): Content,
    open: &mut Vec<Open>,
) -> Result<(), ChatError> {
    let (mut results, mut said) = (Holder::new(Role::Tool), Holder::new(Role::User));
    for (place, part) in parts.into_iter().enumerate() {
        let at = format!("{at}.parts[{place}]");
        let mut part = object(&at, part)?;
        let Some(result) = take_any(&mut part, "functionResponse") else {
            read_user(&mut said, &at, part)?;
            continue;
        };
        let result = object(&format!("{at}.functionResponse"), result)?;
        let made_up = format!("call_{index}_{place}");
        read_result(&mut results, &at, part, result, |given, name| match find(given, name, open, read) {
            Some(id) => id,
            None => given.map_or(made_up, str::to_owned),
        })?;
    }
    if said.is_empty() && !results.message.parts.is_empty() {
        read.push(results.finish(map));
        return Ok(());
    }
    if !results.message.parts.is_empty() {
        read.push(results.message);
    }
    read.push(said.finish(map));
    Ok(())
}

/// The id of the call that a result belongs to: by its id, else by the function's name, else in order. A call that the
/// client gave no id gets that of its result.
fn find(given: Option<&str>, name: &str, open: &mut Vec<Open>, read: &mut [Message]) -> Option<String> {
    let may_be = |call: &Open| call.nameless || given.is_none();
    let by_id = given.and_then(|id| open.iter().position(|call| call.id == id));
    let by_name = || open.iter().position(|call| may_be(call) && call.name == name);
    let call = open.remove(by_id.or_else(by_name).or_else(|| open.iter().position(may_be))?);
    let (message, part) = call.place;
    if let Some(given) = given.filter(|given| *given != call.id)
        && let Some(Part::ToolCall { id, .. }) = read[message].parts.get_mut(part)
    {
        given.clone_into(id);
        return Some(given.to_owned());
    }
    Some(call.id)
}
