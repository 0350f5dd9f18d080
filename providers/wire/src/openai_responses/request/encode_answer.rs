//! What the model said in an earlier turn, as the items that it was.

use serde_json::{Map, Value};

use super::{
    encode_input::{Input, SentCall},
    own,
};
use crate::{
    chat::{Message, Part, ToolCallKind},
    encode::{order::Said, words::plain_text},
    extras::Extras,
    json::{put_comma, put_key, put_str, put_value},
};

/// An item of an answer.
enum Item<'a> {
    Message {
        texts: Vec<&'a Part>,
        /// What the provider said of it besides.
        fields: Option<&'a Map<String, Value>>,
    },
    Call {
        call: &'a Part,
        fields: Option<&'a Map<String, Value>>,
    },
    /// What goes back as it is.
    Verbatim(&'a Map<String, Value>),
}

const ONLY_ITS_OWN: &str = "what only the provider that said it can read";

impl<'a> Input<'a, '_> {
    pub(super) fn put_answer(&mut self, at: &str, message: &'a Message, said: &Said<'a>) {
        let extras = own(if said.fields { &message.extra } else { &[] });
        let items = self.items(at, &said.parts);
        // What only extras say of a message that is several items stands in its last text, or else in its last call.
        let last_text = items.iter().rposition(|item| matches!(item, Item::Message { .. }));
        let last = last_text.or_else(|| items.iter().rposition(|item| matches!(item, Item::Call { .. })));
        if last.is_none() {
            self.miss_fields(at, extras);
        }
        self.open.clear();
        for (index, item) in items.into_iter().enumerate() {
            put_comma(self.out);
            let extras = if Some(index) == last { extras } else { Extras::none() };
            match item {
                Item::Verbatim(item) => put_value(self.out, item),
                Item::Message { texts, fields } => self.put_texts(&texts, fields, extras),
                Item::Call { call, fields } => self.put_call(call, fields, extras),
            }
        }
    }

    /// Sorts what an answer says into items, and reports what cannot go.
    fn items(&mut self, at: &str, parts: &[(usize, &'a Part)]) -> Vec<Item<'a>> {
        let mut items = Vec::new();
        let mut texts: Vec<&'a Part> = Vec::new();
        let mut taken = Vec::new();
        let flush = |texts: &mut Vec<&'a Part>, items: &mut Vec<Item<'a>>, fields| {
            if !texts.is_empty() {
                items.push(Item::Message { texts: std::mem::take(texts), fields });
            }
        };
        for (position, (place, part)) in parts.iter().enumerate() {
            let report = |what| (format!("{at}.parts[{place}]"), what);
            let after = &parts[position + 1..];
            let lost = match *part {
                // Of an empty text nothing is lost.
                Part::Text { text } | Part::Refusal { text } => {
                    texts.extend((!text.is_empty()).then_some(*part));
                    None
                }
                Part::Thinking { text } => {
                    let is_said = text.is_empty() || self.said_by_next(after, text);
                    (!is_said).then(|| report("thinking, which this wire takes back in its own form only"))
                }
                Part::ToolCall { id, .. } => {
                    flush(&mut texts, &mut items, None);
                    let fields = self.fields_of_call(after, id);
                    taken.extend(fields.map(|(place, _)| place));
                    items.push(Item::Call { call: part, fields: fields.map(|(_, fields)| fields) });
                    None
                }
                Part::Opaque { .. } if taken.contains(place) => None,
                Part::Opaque { .. } => match self.own_data(part) {
                    Some(("item", item)) if self.takes(item) => match self.leads_on(item, after) {
                        true => {
                            flush(&mut texts, &mut items, None);
                            items.push(Item::Verbatim(item));
                            None
                        }
                        false => Some(report("reasoning that led to nothing, which this server refuses")),
                    },
                    Some(("message", fields)) if !texts.is_empty() => {
                        flush(&mut texts, &mut items, Some(fields));
                        None
                    }
                    _ => Some(report(ONLY_ITS_OWN)),
                },
                Part::Image { .. } if self.said_by_image(after, part) => None,
                _ => Some(report("a part that no answer has on this wire")),
            };
            if let Some((at, what)) = lost {
                self.miss(at, what);
            }
        }
        flush(&mut texts, &mut items, None);
        items
    }

    /// The data of a part that may go: to whoever said them; and where that is not known (a client's history), if they
    /// have the form of this wire.
    fn own_data(&self, part: &'a Part) -> Option<(&'a str, &'a Map<String, Value>)> {
        let Part::Opaque { provider, model, data } = part else { return None };
        if !provider.is_empty() && (provider != self.provider || model != self.model) {
            return None;
        }
        let data = data.as_object().filter(|data| data.len() == 1)?;
        let (key, json) = data.iter().next()?;
        matches!(key.as_str(), "item" | "message" | "call").then_some((key.as_str(), json.as_object()?))
    }

    /// Whether an item can go back. Of reasoning that the provider did not keep, only what has all of it in itself.
    fn takes(&self, item: &Map<String, Value>) -> bool {
        let is_filled = |json: &Value| match json {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            _ => true,
        };
        let has = |key: &str| item.get(key).is_some_and(is_filled);
        !is_of(item, "reasoning") || self.stored || has("encrypted_content") || has("content")
    }

    /// Whether an item may stand before what comes after it: reasoning must lead to something where the server wants it.
    fn leads_on(&self, item: &Map<String, Value>, after: &[(usize, &'a Part)]) -> bool {
        let is_said = |part: &'a Part| match part {
            Part::Text { text } | Part::Refusal { text } => !text.is_empty(),
            Part::ToolCall { .. } => true,
            part => matches!(self.own_data(part), Some(("item", item)) if !is_of(item, "reasoning")),
        };
        !is_of(item, "reasoning") || !self.dialect.reasoning_leads || after.iter().any(|(_, part)| is_said(part))
    }

    /// Whether the reasoning after a thinking goes back, and has it in itself.
    fn said_by_next(&self, after: &[(usize, &'a Part)], text: &str) -> bool {
        let Some(next) = after.iter().position(|(_, part)| !matches!(part, Part::Thinking { .. })) else {
            return false;
        };
        match self.own_data(after[next].1) {
            Some(("item", item))
                if is_of(item, "reasoning") && self.takes(item) && self.leads_on(item, &after[next + 1..]) =>
            {
                let list = |key: &str| {
                    let parts = item.get(key).and_then(Value::as_array).into_iter().flatten();
                    parts.filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("\n\n")
                };
                list("summary").contains(text) || list("content").contains(text)
            }
            _ => false,
        }
    }

    /// Whether what comes next is how the model made a picture.
    fn said_by_image(&self, after: &[(usize, &'a Part)], part: &Part) -> bool {
        use crate::chat::MediaSource::Base64;
        let Part::Image { source: Base64 { data, .. }, .. } = part else { return false };
        let next = after.first().and_then(|(_, part)| self.own_data(part));
        next.is_some_and(|(key, item)| key == "item" && item.get("result").is_some_and(|result| result == data))
    }

    /// What the provider said of a call besides, which stands somewhere after it, and where.
    fn fields_of_call(&self, after: &[(usize, &'a Part)], id: &str) -> Option<(usize, &'a Map<String, Value>)> {
        let next =
            after.iter().take_while(|(_, part)| !matches!(part, Part::ToolCall { id: other, .. } if other == id));
        next.filter_map(|(place, part)| Some((*place, self.own_data(part)?)))
            .find(|(_, (key, fields))| *key == "call" && fields.get("call_id").is_some_and(|own| own == id))
            .map(|(place, (_, fields))| (place, fields))
    }

    fn put_texts(&mut self, texts: &[&'a Part], fields: Option<&'a Map<String, Value>>, extras: Extras<'a>) {
        let out = &mut *self.out;
        out.extend_from_slice(b"{\"type\":\"message\",\"role\":\"assistant\",\"content\":[");
        // Known of each part only while there are as many as the provider said.
        let beside = fields.and_then(|fields| fields.get("content")?.as_array());
        let beside = beside.filter(|beside| beside.len() == texts.len());
        for (index, part) in texts.iter().enumerate() {
            let text = plain_text(part).unwrap_or_default();
            put_comma(out);
            let key = match part {
                Part::Refusal { .. } => "refusal",
                _ => "text",
            };
            out.extend_from_slice(b"{\"type\":");
            put_str(out, if key == "text" { "output_text" } else { key });
            put_key(out, key);
            put_str(out, text);
            for (key, json) in beside.and_then(|beside| beside[index].as_object()).into_iter().flatten() {
                if !["type", "text", "refusal"].contains(&key.as_str()) {
                    put_key(out, key);
                    put_value(out, json);
                }
            }
            out.push(b'}');
        }
        out.push(b']');
        put_fields(out, fields, extras, &["type", "role", "content"]);
    }

    fn put_call(&mut self, call: &'a Part, fields: Option<&'a Map<String, Value>>, extras: Extras<'a>) {
        let Part::ToolCall { id, name, arguments, kind } = call else { return };
        let nth = self.open.iter().filter(|open| open.id == id).count();
        let sent = self.ids.call(id);
        let out = &mut *self.out;
        let (word, key) = match kind {
            ToolCallKind::Function => ("function_call", "arguments"),
            ToolCallKind::Custom => ("custom_tool_call", "input"),
        };
        // No arguments are an empty object for whoever parses them.
        let arguments = if arguments.is_empty() && kind.is_function() { "{}" } else { arguments };
        out.extend_from_slice(b"{\"type\":");
        put_str(out, word);
        put_key(out, "call_id");
        put_str(out, &sent);
        put_key(out, "name");
        put_str(out, self.names.name(name));
        put_key(out, key);
        put_str(out, arguments);
        put_fields(out, fields, extras, &["type", "call_id", "name", key]);
        self.open.push(SentCall { id, nth, sent, kind: *kind });
    }
}

fn is_of(item: &Map<String, Value>, kind: &str) -> bool {
    item.get("type").is_some_and(|own| own == kind)
}

/// The end of an item: what the provider said of it, and then what only extras say.
fn put_fields(out: &mut Vec<u8>, fields: Option<&Map<String, Value>>, extras: Extras<'_>, written: &[&str]) {
    let is_new = |key: &str| !written.contains(&key);
    for (key, json) in fields.into_iter().flatten().filter(|(key, _)| is_new(key)) {
        put_key(out, key);
        put_value(out, json);
    }
    let said = |key: &str| fields.is_some_and(|fields| fields.contains_key(key));
    for (key, json) in extras.keys_at("").filter(|(key, _)| is_new(key) && !said(key)) {
        put_key(out, &key);
        put_value(out, json);
    }
    out.push(b'}');
}
