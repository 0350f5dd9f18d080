//! What only the provider and model that said it can read goes back to them and to nobody else.

use greenroom_wire::{ChatRequest, Part, Role, chat::Wire};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{
    language::{conversations, opaque},
    wires::{WRITTEN, encode},
};

/// Those who may have said it. Another model of a provider, and the same model at another provider, are others.
const ORIGINS: [(&str, &str); 3] = [("a", "m1"), ("a", "m2"), ("b", "m1")];

/// Opaque data as a provider of this wire says it, with its secret.
fn data(wire: Wire, secret: &str) -> Value {
    match wire {
        Wire::OpenaiChat => json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": secret}]}),
        Wire::OpenaiResponses => json!({"item": {"type": "reasoning", "encrypted_content": secret}}),
        Wire::Gemini => json!({"text": "", "thoughtSignature": secret}),
        Wire::Bedrock => json!({"reasoningContent": {"redactedContent": secret}}),
        _ => json!({"type": "redacted_thinking", "data": secret}),
    }
}

fn origin(part: &Part) -> Option<(&str, &str)> {
    match part {
        Part::Opaque { provider, model, .. } => Some((provider, model)),
        _ => None,
    }
}

/// The conversation with something opaque at the beginning of each answer.
fn with_opaques(request: &ChatRequest, wire: Wire, origins: &[(&str, &str)]) -> (ChatRequest, Vec<(usize, String)>) {
    let (mut request, mut secrets) = (request.clone(), Vec::new());
    let answers = request.messages.iter_mut().filter(|message| message.role == Role::Assistant);
    for (number, message) in answers.enumerate() {
        let at = number % origins.len();
        let secret = format!("secret-{number}-");
        message.parts.insert(0, opaque(origins[at].0, origins[at].1, data(wire, &secret)));
        secrets.push((at, secret));
    }
    (request, secrets)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn another_model_or_provider_does_not_get_it(
        request in conversations(), origins in vec(select(ORIGINS.to_vec()), 1..6),
    ) {
        for wire in WRITTEN {
            let (request, secrets) = with_opaques(&request, wire, &origins);
            for (provider, model) in ORIGINS {
                let encoded = encode(wire, &request, provider, model);
                // Ollama's wire has no word for any.
                let goes = |part: &Part| {
                    origin(part).is_none_or(|origin| origin == (provider, model) && wire != Wire::Ollama)
                };
                let body = String::from_utf8_lossy(&encoded.body);
                for (at, secret) in &secrets {
                    let own = origins[*at] == (provider, model) && wire != Wire::Ollama;
                    prop_assert_eq!(body.matches(secret.as_str()).count(), usize::from(own), "{:?}: {}", wire, body);
                }

                let mut lost = Vec::new();
                let mut without = request.clone();
                for (index, message) in without.messages.iter_mut().enumerate() {
                    let places = message.parts.iter().enumerate().filter(|(_, part)| !goes(part));
                    lost.extend(places.map(|(place, _)| format!("messages[{index}].parts[{place}]")));
                    message.parts.retain(goes);
                }
                let without = encode(wire, &without, provider, model);
                prop_assert_eq!(&encoded.json(), &without.json(), "{:?}", wire);
                let reported = encoded.places();
                prop_assert!(lost.iter().all(|place| reported.contains(&place.as_str())), "{wire:?}: {reported:?}");
                prop_assert_eq!(reported.len(), without.left_out.len() + lost.len());
            }
        }
    }
}
