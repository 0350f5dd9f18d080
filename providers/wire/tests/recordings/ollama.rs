//! Ollama's own API: every recorded exchange, against a reading in plain JSON.

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, FinishReason, Part, StreamDecoder, StreamState,
    fold::{Folded, fold},
    ollama::{
        OllamaDecoder, PullDecoder, PullProgress, PullState, decode_answer, decode_embed_request, decode_embeddings,
        decode_error, decode_generate_request, decode_request, decode_show, decode_tags, encode_embed_request,
        encode_request,
    },
    openai_chat::ErrorResponse,
};
use serde_json::{Map, Value, json};

use crate::load::Recording;

type Outcome = (Vec<ChatEvent>, Option<ChatError>);

/// Checks a recording; `None` if its address has no place in greenroom.
pub(crate) fn check(recording: &Recording) -> Option<Result<(), String>> {
    let path = recording.path().split('?').next().unwrap_or_default().to_owned();
    // A recording without a request is told by the name of its case, which begins with the address.
    let place = match path.rsplit_once("/api/") {
        Some((_, place)) => place.to_owned(),
        None => recording.case.split(['-', '_']).next().unwrap_or_default().to_owned(),
    };
    Some(match place.as_str() {
        _ if recording.status >= 400 => request(recording, &place).and_then(|()| error(recording)),
        "chat" | "generate" => request(recording, &place).and_then(|()| answer(recording)),
        "embed" | "embeddings" => request(recording, &place).and_then(|()| embeddings(recording)),
        "tags" | "ps" => tags(recording),
        "show" => show(recording),
        "pull" => pull(recording),
        _ => return None,
    })
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:?}, want {want:?}")) }
}

/// What a body says, read line by line.
#[derive(Debug, Default)]
struct Reading {
    text: String,
    thinking: String,
    calls: Vec<(String, Value, String)>,
    model: String,
    last: Option<Value>,
    error: Option<String>,
    unknown: Vec<String>,
}

const WORDS: [&str; 11] = [
    "model",
    "created_at",
    "message",
    "response",
    "thinking",
    "done",
    "done_reason",
    "prompt_eval_count",
    "prompt_eval_cached_count",
    "eval_count",
    "error",
];

fn read(body: &str) -> Reading {
    let mut reading = Reading::default();
    let lines: Vec<Value> = match serde_json::from_str(body) {
        Ok(whole) => vec![whole],
        Err(_) => body
            .split('\n')
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).expect("recorded lines are JSON"))
            .collect(),
    };
    for line in lines {
        if reading.last.is_some() || reading.error.is_some() {
            break;
        }
        if let Some(error) = line["error"].as_str().or_else(|| line["error"]["message"].as_str()) {
            reading.error = Some(error.to_owned());
            break;
        }
        if reading.model.is_empty() {
            line["model"].as_str().unwrap_or_default().clone_into(&mut reading.model);
        }
        for (key, value) in line.as_object().into_iter().flatten() {
            let nothing = value.is_null() || *value == json!([]) || *value == json!({});
            if !WORDS.contains(&key.as_str()) && !nothing && !reading.unknown.contains(key) {
                reading.unknown.push(key.clone());
            }
        }
        let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        reading.text += &said(&line["response"]);
        reading.text += &said(&line["message"]["content"]);
        reading.thinking += &said(&line["thinking"]);
        reading.thinking += &said(&line["message"]["thinking"]);
        for call in line["message"]["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            reading.calls.push((said(&function["name"]), function["arguments"].clone(), said(&call["id"])));
        }
        if line["done"] == true {
            reading.last = Some(line);
        }
    }
    reading
}

fn answer(recording: &Recording) -> Result<(), String> {
    let reading = read(&recording.text());
    let body = &recording.body;
    let one = serde_json::from_slice::<Value>(body).is_ok();
    let is_stream = recording.header("content-type").is_some_and(|kind| kind.contains("ndjson"));
    if one || !is_stream {
        let outcome = match decode_answer(body) {
            Ok(events) => (events, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        compare(&outcome, &reading)?;
    }
    // A whole answer is a stream of one line, too.
    let whole = decode([&body[..]]);
    compare(&whole, &reading)?;
    let same = |outcome: Outcome, how: &str| match merged(&outcome.0) == merged(&whole.0)
        && outcome.1.as_ref().map(|error| error.kind) == whole.1.as_ref().map(|error| error.kind)
    {
        true => Ok(()),
        false => Err(format!("{how}, it reads otherwise")),
    };
    same(decode(body.chunks(1)), "byte by byte")?;
    for at in (1..body.len()).step_by(body.len().div_ceil(512).max(1)) {
        let (one, two) = body.split_at(at);
        same(decode([one, two]), &format!("cut at {at}"))?;
    }
    if let Some(lengths) = &recording.chunks {
        let mut rest = &body[..];
        let mut pieces = Vec::new();
        for length in lengths {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        same(decode(pieces), "in the network's pieces")?;
    }
    Ok(())
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = OllamaDecoder::new();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.handle_bytes(piece);
        events.extend(std::iter::from_fn(|| decoder.poll_event()));
    }
    decoder.handle_end();
    events.extend(std::iter::from_fn(|| decoder.poll_event()));
    match decoder.state() {
        StreamState::Failed(error) => (events, Some(error.clone())),
        StreamState::Done => (events, None),
        state => panic!("after the end a decoder is done or failed, not {state:?}"),
    }
}

/// With neighbouring deltas merged.
fn merged(events: &[ChatEvent]) -> Vec<ChatEvent> {
    let mut merged: Vec<ChatEvent> = Vec::new();
    for event in events {
        match (merged.last_mut(), event) {
            (Some(ChatEvent::Text { delta }), ChatEvent::Text { delta: more })
            | (Some(ChatEvent::Thinking { delta }), ChatEvent::Thinking { delta: more }) => delta.push_str(more),
            _ => merged.push(event.clone()),
        }
    }
    merged
}

fn compare((events, error): &Outcome, reading: &Reading) -> Result<(), String> {
    let folded = fold(events.iter().cloned(), "p", "m");
    match (&reading.error, &reading.last, error) {
        (Some(words), _, Some(error)) => {
            equal("error kind", &error.kind, &kind(None, words))?;
            if events.is_empty() {
                return Ok(());
            }
        }
        (None, None, Some(error)) => equal("error kind", &error.kind, &ErrorKind::Protocol)?,
        (None, Some(last), None) => complete(events, &folded, reading, last)?,
        (_, _, error) => return Err(format!("failed otherwise than it was recorded: {error:?}")),
    }
    said(&folded, reading)
}

fn complete(events: &[ChatEvent], folded: &Folded, reading: &Reading, last: &Value) -> Result<(), String> {
    let count = |test: fn(&ChatEvent) -> bool| events.iter().filter(|event| test(event)).count();
    equal("Started", &count(|event| matches!(event, ChatEvent::Started { .. })), &1)?;
    equal("Finished", &count(|event| matches!(event, ChatEvent::Finished { .. })), &1)?;
    if !matches!(events.first(), Some(ChatEvent::Started { .. }))
        || !matches!(events.last(), Some(ChatEvent::Finished { .. }))
    {
        return Err("Started is not first, or Finished not last".into());
    }
    let calls = count(|event| matches!(event, ChatEvent::ToolCallDone { .. }));
    equal("ToolCallDone", &calls, &reading.calls.len())?;
    let want = match last["done_reason"].as_str().unwrap_or_default() {
        "length" => FinishReason::Length,
        "" | "stop" | "load" | "unload" if reading.calls.is_empty() => FinishReason::Stop,
        "" | "stop" | "load" | "unload" => FinishReason::ToolCalls,
        other => FinishReason::Other(other.to_owned()),
    };
    equal("finish reason", &folded.finish, &Some(want))?;
    let number = |key: &str| last[key].as_u64();
    let (prompt, output) = (number("prompt_eval_count"), number("eval_count"));
    let cached = number("prompt_eval_cached_count").unwrap_or(0);
    let got = folded.usage.as_ref().map(|usage| (usage.input, usage.cache_read, usage.output));
    let want =
        (prompt.is_some() || output.is_some()).then(|| (prompt.unwrap_or(0) - cached, cached, output.unwrap_or(0)));
    equal("usage", &got, &want)?;
    for key in &reading.unknown {
        if !folded.extra.iter().any(|extra| extra.path == format!("/{key}")) {
            return Err(format!("the field {key:?} is lost"));
        }
    }
    Ok(())
}

/// What was said, which also of a failed answer must be right.
fn said(folded: &Folded, reading: &Reading) -> Result<(), String> {
    let parts = &folded.message.parts;
    let all = |pick: fn(&Part) -> Option<&str>| parts.iter().filter_map(pick).collect::<String>();
    equal("text", &all(|part| if let Part::Text { text } = part { Some(text) } else { None }), &reading.text)?;
    let thinking = all(|part| if let Part::Thinking { text } = part { Some(text) } else { None });
    equal("thinking", &thinking, &reading.thinking)?;
    equal("model", &folded.model, &reading.model)?;
    let calls: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall { id, name, arguments, .. } => Some((id, name, arguments)),
            _ => None,
        })
        .collect();
    equal("calls", &calls.len(), &reading.calls.len())?;
    for (at, ((id, name, arguments), (want_name, want, given))) in calls.iter().zip(&reading.calls).enumerate() {
        equal("name", *name, want_name)?;
        equal("arguments", &serde_json::from_str(arguments).unwrap_or(Value::Null), want)?;
        if id.is_empty() || calls[..at].iter().any(|(other, ..)| other == id) || !given.is_empty() && *id != given {
            return Err(format!("the id of call {at} is {id:?}, and was {given:?}"));
        }
    }
    Ok(())
}

fn error(recording: &Recording) -> Result<(), String> {
    let header = |name: &str| recording.header(name);
    let now = std::time::SystemTime::UNIX_EPOCH;
    let error = decode_error(&ErrorResponse { status: recording.status, header: &header, body: &recording.body, now });
    let json: Value = serde_json::from_slice(&recording.body).unwrap_or(Value::Null);
    let said = json["error"].as_str().or_else(|| json["error"]["message"].as_str()).unwrap_or_default();
    equal("error kind", &error.kind, &kind(Some(recording.status), said))?;
    equal("status", &error.details.status, &Some(recording.status))?;
    let first = said.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    if error.message.trim().is_empty() || !error.message.contains(&first) {
        return Err(format!("the provider's words are lost: {:?}", error.message));
    }
    Ok(())
}

/// By the protocol's rules: words first where they say more than the status.
fn kind(status: Option<u16>, words: &str) -> ErrorKind {
    let words = words.to_lowercase();
    let long =
        ["prompt too long", "exceeds the context length", "exceeded max context length", "exceeds maximum context"];
    if long.iter().any(|long| words.contains(long)) || status == Some(413) {
        return ErrorKind::ContextOverflow;
    }
    if words.contains("model") && words.contains("not found") || words.contains("file does not exist") {
        return ErrorKind::NotFound;
    }
    match status {
        _ if words.contains("does not support") => ErrorKind::InvalidRequest,
        None => ErrorKind::Server,
        Some(401) => ErrorKind::Auth,
        Some(402) => ErrorKind::Billing,
        Some(403) => ErrorKind::Permission,
        Some(404) => ErrorKind::NotFound,
        Some(429) => ErrorKind::RateLimited,
        Some(503) => ErrorKind::Overloaded,
        Some(504) => ErrorKind::Timeout,
        Some(status) if status >= 500 => ErrorKind::Server,
        Some(_) => ErrorKind::InvalidRequest,
    }
}

fn request(recording: &Recording, place: &str) -> Result<(), String> {
    let mut body = recording.request["body"].clone();
    if !body.is_object() {
        return Ok(());
    }
    let refused = |error: ChatError| match recording.status {
        // What we refuse, the server must have refused.
        400 | 422 => Ok(()),
        _ => Err(format!("the request is refused: {error}")),
    };
    let bytes = body.to_string();
    let (mut again, left_out): (Value, Vec<_>) = match place {
        "chat" | "generate" => {
            let served = match place {
                "chat" => decode_request(bytes.as_bytes()),
                _ => decode_generate_request(bytes.as_bytes()),
            };
            let served = match served {
                Ok(served) => served,
                Err(error) => return refused(error),
            };
            equal("stream", &served.stream, &body["stream"].as_bool().unwrap_or(true))?;
            let encoded = encode_request(&served.request, &served.request.model);
            let left_out = encoded.left_out.iter().map(|left| left.at.clone()).collect();
            (serde_json::from_slice(&encoded.body).expect("an encoded request is JSON"), left_out)
        }
        "embed" | "embeddings" => match decode_embed_request(bytes.as_bytes()) {
            Ok(request) => {
                let encoded = encode_embed_request(&request, &request.model).expect("these are texts");
                (serde_json::from_slice(&encoded).expect("an encoded request is JSON"), Vec::new())
            }
            Err(error) => return refused(error),
        },
        _ => return Ok(()),
    };
    let of_generate = as_chat(&mut body, place);
    equal("left out", &left_out, &of_generate)?;
    normalise(&mut body);
    normalise(&mut again);
    forget_new_ids(&body, &mut again);
    match body == again {
        true => Ok(()),
        false => Err(format!("the request became another:\n{body}\n{again}")),
    }
}

/// A body of another address as that of `/api/chat` or `/api/embed` which asks the same; gives what those cannot ask.
fn as_chat(body: &mut Value, place: &str) -> Vec<String> {
    let Value::Object(body) = body else { return Vec::new() };
    let take = |body: &mut Map<String, Value>, key: &str| {
        body.shift_remove(key).filter(|value| !(value.is_null() || *value == "" || *value == json!([])))
    };
    match place {
        "chat" => {
            let messages = take(body, "messages").unwrap_or_else(|| json!([]));
            body.insert("messages".into(), messages);
            return Vec::new();
        }
        "generate" => {}
        _ => {
            if let Some(prompt) = body.shift_remove("prompt") {
                body.insert("input".into(), json!([prompt]));
            }
            return Vec::new();
        }
    }
    let mut messages = Vec::new();
    messages.extend(take(body, "system").map(|system| json!({"role": "system", "content": system})));
    let (prompt, images) = (take(body, "prompt"), take(body, "images"));
    if prompt.is_some() || images.is_some() {
        let content = prompt.unwrap_or_else(|| "".into());
        messages.push(json!({"role": "user", "content": content, "images": images}));
    }
    body.insert("messages".into(), messages.into());
    let mut left_out = Vec::new();
    for (key, value) in body.clone() {
        if ["template", "context", "raw", "suffix"].contains(&key.as_str()) {
            body.shift_remove(&key);
            if ![json!(""), json!([]), json!(false), Value::Null].contains(&value) {
                left_out.push(format!("/{key}"));
            }
        }
    }
    left_out
}

/// What two bodies may differ in and still ask for the same.
fn normalise(body: &mut Value) {
    let Value::Object(body) = body else { return };
    // The answer is always asked for as a stream.
    body.shift_remove("stream");
    null_is_the_default(body);
    // No form and no tools are what an empty one is.
    body.retain(|key, value| !(key == "format" && *value == "" || key == "tools" && *value == json!([])));
    // One text is a list of one.
    if let Some(input @ Value::String(_)) = body.get_mut("input") {
        *input = json!([input.take()]);
    }
    if let Some(Value::Object(options)) = body.get_mut("options") {
        null_is_the_default(options);
        if let Some(stop @ Value::String(_)) = options.get_mut("stop") {
            *stop = json!([stop.take()]);
        }
        // JSON does not tell 1 from 1.0.
        for value in options.values_mut() {
            if let Some(number) = value.as_f64() {
                *value = json!(number);
            }
        }
    }
    // No options are none.
    body.retain(|key, value| !(key == "options" && *value == json!({})));
    for tool in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::Object(function)) = tool.get_mut("function") {
            null_is_the_default(function);
        }
    }
    for message in body.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(message) = message else { continue };
        null_is_the_default(message);
        // No text is an empty one; empty lists and no thinking are nothing.
        message.entry("content").or_insert_with(|| "".into());
        message.retain(|key, value| {
            !(["tool_calls", "images"].contains(&key.as_str()) && *value == json!([])
                || key == "thinking" && *value == "")
        });
        for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            let Value::Object(call) = call else { continue };
            null_is_the_default(call);
            // `function` is the only type, and a number is only for streams.
            call.retain(|key, value| !(key == "type" && *value == "function"));
            let Some(Value::Object(function)) = call.get_mut("function") else { continue };
            function.shift_remove("index");
            // Text of an object is that object, and no arguments are an empty one.
            let arguments = function.entry("arguments").or_insert_with(|| json!({}));
            if let Some(object) = arguments.as_str().and_then(|text| serde_json::from_str(text).ok()) {
                *arguments = object;
            }
        }
    }
}

/// On this wire null is the same as nothing everywhere.
fn null_is_the_default(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
}

/// Where a client gives a call or a result no id, or a result no tool, we do.
fn forget_new_ids(body: &Value, again: &mut Value) {
    let ours = again.get_mut("messages").and_then(Value::as_array_mut);
    let (Some(messages), Some(ours)) = (body["messages"].as_array(), ours) else { return };
    for (message, own) in messages.iter().zip(ours) {
        for key in ["tool_call_id", "tool_name"] {
            let empty = message.get(key).is_none_or(|id| *id == "");
            if let Some(own) = own.as_object_mut().filter(|_| empty) {
                own.shift_remove(key);
            }
        }
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        for (call, own) in calls.zip(own.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten()) {
            if call.get("id").is_none() {
                own.as_object_mut().expect("a call is an object").shift_remove("id");
            }
        }
    }
}

fn json(recording: &Recording) -> Value {
    serde_json::from_slice(&recording.body).expect("a recorded answer is JSON")
}

fn embeddings(recording: &Recording) -> Result<(), String> {
    let got = decode_embeddings(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json = json(recording);
    let lists = match json["embeddings"].as_array() {
        Some(lists) => lists.clone(),
        None => vec![json["embedding"].clone()],
    };
    let numbers = |list: &Value| -> Vec<f32> {
        list.as_array().into_iter().flatten().filter_map(Value::as_f64).map(|number| number as f32).collect()
    };
    equal("vectors", &got.vectors, &lists.iter().map(numbers).collect())?;
    if got.vectors.iter().any(Vec::is_empty) {
        return Err("a vector is empty".into());
    }
    equal("tokens", &got.tokens, &json["prompt_eval_count"].as_u64())
}

fn tags(recording: &Recording) -> Result<(), String> {
    let got = decode_tags(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json = json(recording);
    let want = json["models"].as_array().cloned().unwrap_or_default();
    equal("models", &got.len(), &want.len())?;
    for (got, want) in got.iter().zip(&want) {
        let said = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let details = &want["details"];
        equal("id", &Some(got.id.clone()), &said(&want["model"]).or_else(|| said(&want["name"])))?;
        equal("size", &got.size, &want["size"].as_u64())?;
        equal("digest", &got.digest, &said(&want["digest"]))?;
        equal("family", &got.family, &said(&details["family"]))?;
        equal("parameters", &got.parameter_size, &said(&details["parameter_size"]))?;
        equal("quantization", &got.quantization, &said(&details["quantization_level"]))?;
    }
    Ok(())
}

fn show(recording: &Recording) -> Result<(), String> {
    let got = decode_show(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json = json(recording);
    let ending = |end: &str| {
        let info = json["model_info"].as_object().into_iter().flatten();
        info.filter(|(key, _)| key.matches('.').count() == 1 && key.ends_with(end))
            .find_map(|(_, value)| value.as_u64())
    };
    equal("context", &got.context, &ending(".context_length"))?;
    equal("embedding length", &got.embedding_length, &ending(".embedding_length"))?;
    let capabilities: Option<Vec<String>> = serde_json::from_value(json["capabilities"].clone()).unwrap_or_default();
    equal("capabilities", &got.capabilities, &capabilities)?;
    equal("family", &got.family.as_deref(), &json["details"]["family"].as_str().filter(|text| !text.is_empty()))
}

fn pull(recording: &Recording) -> Result<(), String> {
    let mut want = Vec::new();
    let (mut success, mut failed) = (false, false);
    for line in recording.text().split('\n').filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line).expect("recorded lines are JSON");
        success |= line["status"] == "success";
        failed |= line["error"].is_string();
        if success || failed {
            break;
        }
        want.push((line["status"].clone(), line["digest"].clone(), line["completed"].as_u64().unwrap_or(0)));
    }
    for size in [recording.body.len().max(1), 1, 7] {
        let mut decoder = PullDecoder::new();
        let mut got = Vec::new();
        for piece in recording.body.chunks(size) {
            decoder.handle_bytes(piece);
            got.extend(std::iter::from_fn(|| decoder.poll()));
        }
        decoder.handle_end();
        got.extend(std::iter::from_fn(|| decoder.poll()));
        equal("steps", &got.len(), &want.len())?;
        for (got, (status, digest, completed)) in got.iter().zip(&want) {
            let same = match got {
                PullProgress::Step { status: got } => status == got && digest.is_null(),
                PullProgress::Layer { digest: got, completed: bytes, .. } => digest == got && bytes == completed,
            };
            if !same {
                return Err(format!("{got:?} is not {status} {digest} {completed}"));
            }
        }
        equal("done", &matches!(decoder.state(), PullState::Done), &(success && !failed))?;
    }
    Ok(())
}
