//! What a request asks of a server that keeps answers: whether its own is kept, and what it goes on with. Pure.

use greenroom_wire::{
    ChatError, ErrorKind, Part, Role,
    chat::{Extra, Wire},
    openai_responses::ServedRequest,
};
use serde_json::Value;

use super::{
    id::{ResponseId, is_conversation},
    stateless::{is_reference, refused, stateless},
};

/// How deep the body of a request may be that is kept: it is kept within a few levels more, and what is deeper than 128
/// could not be read again.
const DEEPEST: usize = 100;

/// What is done with a request.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Nothing is kept of it.
    Stateless(Box<ServedRequest>),
    /// It is kept, with its answer.
    Kept(Box<Keeping>),
}

/// A request that is kept.
#[derive(Debug)]
pub(super) struct Keeping {
    /// As it is asked of a provider, which is to keep nothing of it.
    pub(super) served: ServedRequest,
    pub(super) background: bool,
    pub(super) behind: Behind,
}

/// What a request goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing: it begins a conversation.
    Nothing,
    /// Whatever was said last in this conversation.
    Conversation(String),
    /// This response.
    Response(ResponseId),
}

/// Reads what a request asks. `can_keep` is whether anything can be kept here at all.
///
/// # Errors
/// It asks what can't be, or asks nothing.
pub(super) fn wanted(mut served: ServedRequest, can_keep: bool) -> Result<Wanted, ChatError> {
    let field = |key: &str| {
        let mut own = served.request.extra.iter().filter(|extra| extra.wire == Wire::OpenaiResponses);
        own.find(|extra| extra.path.strip_prefix('/') == Some(key))
            .map(|extra| &extra.json)
            .filter(|json| !json.is_null())
    };
    for key in ["store", "background"] {
        if field(key).is_some_and(|value| !value.is_boolean()) {
            return Err(refused(key, format!("'{key}' must be true or false"), "correct it, or leave it out"));
        }
    }
    if served.store == Some(false) || !can_keep {
        return stateless(served).map(|served| Wanted::Stateless(Box::new(served)));
    }
    let background = field("background") == Some(&Value::Bool(true));
    let behind = match (field("previous_response_id"), field("conversation")) {
        (None, None) => Behind::Nothing,
        (Some(_), Some(_)) => {
            let what = "a request goes on with a response or with a conversation, and not with both";
            return Err(refused("previous_response_id", what, "leave one of them out"));
        }
        (Some(Value::String(id)), None) => Behind::Response(ResponseId::read(id).ok_or_else(|| no_previous(id))?),
        (Some(_), None) => {
            let what = "'previous_response_id' must be a string";
            return Err(refused("previous_response_id", what, "send the id that a response has"));
        }
        (None, Some(named)) => match named.as_str().or_else(|| named.get("id")?.as_str()) {
            Some(id) if is_conversation(id) => Behind::Conversation(id.to_owned()),
            Some(id) => return Err(no_conversation(id)),
            None => {
                let what = "'conversation' must be an id, or an object with one";
                return Err(refused("conversation", what, "send the id that a response says of its conversation"));
            }
        },
    };
    if field("prompt").is_some() {
        return Err(refused("prompt", "prompts are not kept here", "send what it says as 'instructions' and 'input'"));
    }
    let request = &mut served.request;
    if request.messages.iter().flat_map(|message| &message.parts).any(is_reference) {
        let hint = "send the item itself, or go on with its response by 'previous_response_id'";
        return Err(refused("input", "an item can't be referred to here", hint));
    }
    if request.messages.iter().all(|message| message.role == Role::System) {
        return Err(refused("input", "the request asks nothing", "send a text or a list of items as 'input'"));
    }
    let said_here = ["/store", "/background", "/previous_response_id", "/conversation", "/prompt"];
    let is_said_here = |extra: &Extra| extra.wire == Wire::OpenaiResponses && said_here.contains(&extra.path.as_str());
    request.extra.retain(|extra| !is_said_here(extra));
    // By it a provider that speaks several APIs knows which one this request is of.
    request.extra.push(Extra { wire: Wire::OpenaiResponses, path: "/store".into(), json: Value::Bool(false) });
    Ok(Wanted::Kept(Box::new(Keeping { served, background, behind })))
}

/// What those are shown of an input who show the session: what its users say, without data that stands there already.
pub(super) fn shown(served: &ServedRequest) -> Vec<Part> {
    let users = served.request.messages.iter().filter(|message| message.role == Role::User);
    users.flat_map(|message| &message.parts).filter(|part| matches!(part, Part::Text { .. })).cloned().collect()
}

/// Whether the body of a request is too deep to be kept.
///
/// # Errors
/// It is.
pub(super) fn check_depth(body: &[u8]) -> Result<(), ChatError> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > DEEPEST {
                    let what = format!("the body is nested deeper than the {DEEPEST} levels that can be kept");
                    let error = ChatError::new(ErrorKind::InvalidRequest, what);
                    return Err(error.with_hint("nest it less, or set 'store' to false"));
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// There is no such response to go on with, or it is another client's.
pub(super) fn no_previous(id: &str) -> ChatError {
    let mut error = refused(
        "previous_response_id",
        format!("there is no response \"{id}\" to go on with"),
        "it may be deleted, or was not kept; send all that was said as 'input'",
    );
    error.details.code = Some("previous_response_not_found".into());
    error
}

/// There is no such conversation, or it is another client's.
pub(super) fn no_conversation(id: &str) -> ChatError {
    let mut error = ChatError::new(ErrorKind::NotFound, format!("there is no conversation \"{id}\""));
    error.details.param = Some("conversation".to_owned());
    error.with_hint("leave it out to begin one; its id is conv_ and the first 32 digits of its responses' ids")
}

#[cfg(test)]
mod tests {
    use greenroom_wire::openai_responses::decode_request;
    use serde_json::json;

    use super::*;

    fn read(fields: Value, can_keep: bool) -> Result<Wanted, ChatError> {
        let mut body = json!({"model": "m", "input": "hi"});
        if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
            body.extend(fields);
        }
        wanted(decode_request(body.to_string().as_bytes()).expect("it is a request"), can_keep)
    }

    fn conversation() -> String {
        format!("conv_{:032x}", 7)
    }

    fn response() -> String {
        format!("resp_{:032x}{:016x}", 7, 1)
    }

    #[test]
    fn an_answer_is_kept_unless_the_request_says_otherwise_or_nothing_can_be() {
        for fields in [json!({}), json!({"store": true}), json!({"store": null})] {
            assert!(matches!(read(fields, true), Ok(Wanted::Kept(_))));
        }
        assert!(matches!(read(json!({"store": false}), true), Ok(Wanted::Stateless(_))));
        assert!(matches!(read(json!({}), false), Ok(Wanted::Stateless(_))));
        for fields in [json!({"store": true}), json!({"background": true}), json!({"previous_response_id": response()})]
        {
            read(fields.clone(), false).expect_err("nothing can be kept");
            let mut with = fields;
            with["store"] = if with["store"] == json!(true) { json!("yes") } else { json!(false) };
            read(with, true).expect_err("it contradicts itself, or is no word");
        }
    }

    #[test]
    fn what_a_request_goes_on_with_is_read() {
        let of = |fields: Value| match read(fields, true) {
            Ok(Wanted::Kept(keeping)) => keeping.behind,
            other => panic!("{other:?}"),
        };
        let id = ResponseId { session: conversation(), position: 1 };
        assert_eq!(of(json!({})), Behind::Nothing);
        assert_eq!(of(json!({"conversation": null, "previous_response_id": null})), Behind::Nothing);
        assert_eq!(of(json!({"previous_response_id": response()})), Behind::Response(id));
        assert_eq!(of(json!({"conversation": conversation()})), Behind::Conversation(conversation()));
        assert_eq!(of(json!({"conversation": {"id": conversation()}})), Behind::Conversation(conversation()));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let bad = ErrorKind::InvalidRequest;
        let cases = [
            (json!({"previous_response_id": "resp_1"}), bad, "previous_response_id"),
            (json!({"previous_response_id": 7}), bad, "previous_response_id"),
            (json!({"previous_response_id": response(), "conversation": conversation()}), bad, "previous_response_id"),
            (json!({"conversation": "conv_1"}), ErrorKind::NotFound, "conversation"),
            (json!({"conversation": 7}), bad, "conversation"),
            (json!({"conversation": {}}), bad, "conversation"),
            (json!({"background": "yes"}), bad, "background"),
            (json!({"store": "yes"}), bad, "store"),
            (json!({"prompt": {"id": "pmpt_1"}}), bad, "prompt"),
            (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), bad, "input"),
            (json!({"input": []}), bad, "input"),
            (json!({"input": [{"role": "system", "content": "be brief"}]}), bad, "input"),
        ];
        for (fields, kind, param) in cases {
            let error = read(fields.clone(), true).expect_err("it is refused");
            assert_eq!((error.kind, error.details.param.as_deref()), (kind, Some(param)), "{fields}");
            assert!(error.details.hint.is_some(), "{fields}");
        }
    }

    #[test]
    fn a_provider_is_asked_to_keep_nothing_and_told_nothing_of_what_is_kept_here() {
        let fields = json!({"background": true, "previous_response_id": response(), "odd": 1, "conversation": null});
        let Ok(Wanted::Kept(keeping)) = read(fields, true) else { panic!("it is kept") };
        let extras: Vec<_> =
            keeping.served.request.extra.iter().map(|extra| (extra.path.as_str(), &extra.json)).collect();
        assert_eq!(extras, [("/odd", &json!(1)), ("/store", &json!(false))]);
        assert!(keeping.background);
    }

    #[test]
    fn what_is_too_deep_to_be_read_again_is_not_kept() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        check_depth(nested(DEEPEST).as_bytes()).expect("it is just as deep as it may be");
        check_depth(nested(DEEPEST + 1).as_bytes()).expect_err("it is too deep");
        let text = json!({"text": format!("\"\\{}", "[".repeat(500)), "more": [[], []]}).to_string();
        check_depth(text.as_bytes()).expect("what stands in a text is no level");
    }
}
