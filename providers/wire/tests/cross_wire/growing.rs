//! A longer conversation begins as the shorter one did, byte for byte: prompt caches depend on it.

use greenroom_wire::{
    ChatRequest, Role,
    chat::{Tool, Wire},
};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    language::conversations,
    wires::{WRITTEN, encode},
};

/// The lengths at which a model is asked for its next answer.
fn asked_at(request: &ChatRequest) -> impl Iterator<Item = usize> {
    let is_answer = |at: usize| request.messages.get(at).is_none_or(|message| message.role == Role::Assistant);
    (1..=request.messages.len()).filter(move |length| is_answer(*length) && !is_answer(length - 1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_beginning_stays_the_same(request in conversations()) {
        for wire in WRITTEN {
            let mut request = request.clone();
            // Bedrock wants a tool wherever calls are: where none is offered, a first call would add one.
            if wire == Wire::Bedrock {
                let json = json!({"systemTool": {"name": "nova_grounding"}});
                request.tools.push(Tool::Native { wire, json });
            }
            let long = encode(wire, &request, "p", "m").body;
            prop_assert!(asked_at(&request).count() > 0);
            for length in asked_at(&request) {
                let short = ChatRequest { messages: request.messages[..length].to_vec(), ..request.clone() };
                let short = encode(wire, &short, "p", "m").body;
                let beginning = short.strip_suffix(b"]}").expect("a body ends with its messages");
                prop_assert!(
                    long.starts_with(beginning),
                    "{wire:?}:\n{}\n{}", String::from_utf8_lossy(&short), String::from_utf8_lossy(&long)
                );
            }
        }
    }
}
