//! What a request may ask whose answer is not kept.

use greenroom_wire::{
    ChatError, ErrorKind, Part,
    chat::{Extra, Role, Wire},
    openai_responses::ServedRequest,
};
use serde_json::Value;

/// The request as it is asked of a provider, which is to keep nothing either.
///
/// # Errors
/// It wants something that is kept, or asks nothing.
pub(super) fn stateless(mut served: ServedRequest) -> Result<ServedRequest, ChatError> {
    if served.store == Some(true) {
        return Err(refused("store", "answers can't be kept here", "set 'store' to false, or leave it out"));
    }
    for Extra { wire, path, json } in &served.request.extra {
        if *wire != Wire::OpenaiResponses {
            continue;
        }
        match path.as_str() {
            "/previous_response_id" if !json.is_null() => {
                let mut error = refused(
                    "previous_response_id",
                    "what is not kept can't go on with what is",
                    "leave 'store' out, or send all that was said as 'input'",
                );
                error.details.code = Some("previous_response_not_found".into());
                return Err(error);
            }
            "/conversation" if !json.is_null() => {
                let hint = "leave 'store' out, or send all that was said as 'input'";
                return Err(refused("conversation", "what is not kept can't be of a conversation", hint));
            }
            "/background" if *json == Value::Bool(true) => {
                let hint = "leave 'store' out, or have the answer streamed if it takes long";
                return Err(refused("background", "an answer in the background has to be kept", hint));
            }
            "/prompt" if !json.is_null() => {
                let hint = "send what it says as 'instructions' and 'input'";
                return Err(refused("prompt", "prompts are not kept here", hint));
            }
            _ => {}
        }
    }
    let parts = served.request.messages.iter().flat_map(|message| &message.parts);
    if parts.clone().any(is_reference) {
        let hint = "send the items themselves";
        return Err(refused("input", "what is not kept can't refer to items that are", hint));
    }
    if served.request.messages.iter().all(|message| message.role == Role::System) {
        return Err(refused("input", "the request asks nothing", "send a text or a list of items as 'input'"));
    }
    // Said so in any case: by it a provider that speaks several APIs knows which one this request is of.
    let extras = &mut served.request.extra;
    extras.retain(|extra| extra.wire != Wire::OpenaiResponses || extra.path != "/store");
    extras.push(Extra { wire: Wire::OpenaiResponses, path: "/store".into(), json: Value::Bool(false) });
    Ok(served)
}

/// Whether a part stands for an item that is kept elsewhere.
pub(super) fn is_reference(part: &Part) -> bool {
    let Part::Opaque { data, .. } = part else { return false };
    let item = &data["item"];
    // The type may be left out where there is an id.
    item["type"] == "item_reference" || item["type"].is_null() && item["id"].is_string()
}

pub(super) fn refused(param: &str, message: impl Into<String>, hint: &str) -> ChatError {
    let mut error = ChatError::new(ErrorKind::InvalidRequest, message).with_hint(hint);
    error.details.param = Some(param.to_owned());
    error
}

#[cfg(test)]
mod tests {
    use greenroom_wire::openai_responses::decode_request;
    use serde_json::json;

    use super::*;

    fn read(fields: Value) -> Result<ServedRequest, ChatError> {
        let mut body = json!({"model": "m", "input": "hi"});
        if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
            body.extend(fields);
        }
        stateless(decode_request(body.to_string().as_bytes()).expect("it is a request"))
    }

    #[test]
    fn what_is_kept_nowhere_is_refused_with_its_place() {
        let system = json!([{"role": "system", "content": "be brief"}]);
        let cases = [
            (json!({"store": true}), "store"),
            (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
            (json!({"conversation": "conv_1"}), "conversation"),
            (json!({"conversation": {"id": "conv_1"}}), "conversation"),
            (json!({"background": true}), "background"),
            (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
            (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input"),
            (json!({"input": [{"id": "msg_1"}]}), "input"),
            (json!({"input": null}), "input"),
            (json!({"input": []}), "input"),
            (json!({"input": system}), "input"),
        ];
        for (fields, param) in cases {
            let error = read(fields.clone()).expect_err("it is refused");
            assert_eq!(
                (error.kind, error.details.param.as_deref()),
                (ErrorKind::InvalidRequest, Some(param)),
                "{fields}"
            );
            assert!(error.details.hint.is_some(), "{fields}");
        }
    }

    #[test]
    fn no_provider_is_asked_to_keep_anything() {
        let odd = json!({"odd": 1, "store": false, "background": false, "conversation": null, "prompt": null});
        for fields in [json!({}), json!({"store": false}), json!({"store": null}), odd] {
            let served = read(fields).expect("it is served");
            let stores = served.request.extra.iter().filter(|extra| extra.path == "/store");
            assert_eq!(stores.map(|extra| &extra.json).collect::<Vec<_>>(), [&json!(false)]);
            assert_eq!(served.request.messages.len(), 1);
        }
        let served = read(json!({"odd": 1})).expect("it is served");
        assert_eq!(served.request.extra[0].path, "/odd", "what has no word goes on");
    }
}
