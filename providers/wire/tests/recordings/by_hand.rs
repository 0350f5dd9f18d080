//! What proves a feature of a provider of which no recording shows it: tests on exchanges that were written by hand, from
//! what the provider documents. A kind that shares a wire is proven by that wire's tests.

use std::{fs, path::Path};

/// What there is in place of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The provider has nothing of the kind, or nothing that is its own.
    Nothing,
    /// A test, by its file below the workspace and its name.
    Test((&'static str, &'static str)),
}

use Proof::{Nothing, Test};

const CHAT_PARTS: Proof = Test(("providers/wire/tests/openai_chat/requests.rs", "parts_are_read_and_written"));
const CHAT_FILTER: Proof = Test(("providers/wire/tests/openai_chat/streams.rs", "every_finish_reason_has_its_kind"));
const CHAT_FAILURE: Proof = Test(("providers/wire/tests/openai_chat/errors.rs", "an_error_inside_a_stream_wins"));
const EVERY_WIRE: Proof = Test(("providers/wire/tests/cross_wire/survives.rs", "a_conversation_arrives_on_each_wire"));
const GEMINI_FAILURE: Proof =
    Test(("providers/wire/tests/gemini/streams.rs", "an_error_in_the_stream_fails_and_keeps_what_came_before"));
const OPENAI_COUNT: Proof = Test(("providers/tests/openai.rs", "a_prompt_s_tokens_are_counted_where_that_is_served"));

/// By provider and feature.
const PROOFS: &[(&str, &str, Proof)] = &[
    ("anthropic", "embeddings", Nothing),
    ("openai, chat completions", "thinking", Nothing),
    ("openai, chat completions", "thinking goes back", Nothing),
    ("openai, chat completions", "errors in streams", CHAT_FAILURE),
    ("openai, chat completions", "counts of tokens", OPENAI_COUNT),
    // Of the same provider as chat completions.
    ("openai, responses", "embeddings", Nothing),
    ("openai, responses", "lists of models", Nothing),
    ("openai, responses", "counts of tokens", OPENAI_COUNT),
    ("azure", "images", CHAT_PARTS),
    ("azure", "documents", CHAT_PARTS),
    (
        "azure",
        "errors in streams",
        Test(("tests/tests/wire_azure.rs", "what_is_no_answer_is_an_error_and_the_next_request_is_answered")),
    ),
    (
        "azure",
        "lists of models",
        Test(("tests/tests/wire_azure.rs", "deployments_that_are_written_come_before_base_models")),
    ),
    ("azure", "counts of tokens", Nothing),
    ("gemini", "errors in streams", GEMINI_FAILURE),
    ("gemini", "limits", Nothing),
    (
        "vertex",
        "several at once",
        Test(("providers/wire/tests/gemini/calls.rs", "calls_come_whole_with_ids_or_without_in_one_chunk_or_several")),
    ),
    ("vertex", "images", EVERY_WIRE),
    ("vertex", "documents", EVERY_WIRE),
    ("vertex", "errors in streams", GEMINI_FAILURE),
    ("vertex", "limits", Nothing),
    (
        "vertex",
        "lists of models",
        Test(("tests/tests/wire_vertex.rs", "what_can_be_asked_for_is_listed_and_what_chats_comes_first")),
    ),
    ("bedrock", "limits", Nothing),
    ("copilot", "images", CHAT_PARTS),
    ("copilot", "documents", CHAT_PARTS),
    ("copilot", "errors in streams", CHAT_FAILURE),
    ("copilot", "counts of tokens", Nothing),
    ("openrouter", "limits", Test(("providers/wire/src/rate_limits.rs", "others_tell_of_requests_alone"))),
    ("openrouter", "counts of tokens", Nothing),
    ("ollama", "images", Test(("providers/wire/tests/ollama/requests.rs", "every_field_has_its_place"))),
    ("ollama", "documents", Nothing),
    ("ollama", "prompt caches", Nothing),
    ("ollama", "filters, refusals", Nothing),
    (
        "ollama",
        "errors in streams",
        Test(("providers/wire/tests/ollama/streams.rs", "an_error_in_the_stream_fails_and_keeps_what_came_before")),
    ),
    ("ollama", "limits", Nothing),
    ("ollama", "counts of tokens", Nothing),
    ("llamacpp", "documents", Nothing),
    ("llamacpp", "filters, refusals", Nothing),
    ("llamacpp", "errors in streams", CHAT_FAILURE),
    ("llamacpp", "limits", Nothing),
    (
        "llamacpp",
        "lists of models",
        Test(("providers/tests/llamacpp.rs", "the_one_model_has_what_the_server_was_started_with")),
    ),
    (
        "llamacpp",
        "counts of tokens",
        Test(("providers/tests/llamacpp.rs", "a_prompt_is_counted_as_its_template_makes_it")),
    ),
    ("openai-compatible", "documents", CHAT_PARTS),
    ("openai-compatible", "filters, refusals", CHAT_FILTER),
    ("openai-compatible", "errors in streams", CHAT_FAILURE),
    (
        "openai-compatible",
        "embeddings",
        Test(("tests/tests/embeddings.rs", "texts_become_vectors_in_their_order_and_are_booked")),
    ),
    (
        "openai-compatible",
        "lists of models",
        Test(("tests/tests/model_lists.rs", "an_old_list_is_renewed_behind_the_answer")),
    ),
    ("openai-compatible", "counts of tokens", Nothing),
];

/// What proves this, if anything does.
pub(crate) fn proof(provider: &str, feature: &str) -> Option<Proof> {
    let of = |known: &&(&str, &str, Proof)| known.0 == provider && known.1 == feature;
    PROOFS.iter().find(of).map(|(.., proof)| *proof)
}

#[test]
fn every_test_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (provider, feature, proof) in PROOFS {
        if let Test((file, name)) = proof {
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            assert!(text.contains(&format!("fn {name}(")), "{provider}, {feature}: {file} has no {name}");
        }
    }
}
