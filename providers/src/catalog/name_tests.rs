use proptest::prelude::*;

use super::*;

fn text(id: &str) -> Option<String> {
    Name::parse(id).map(|name| name.to_string())
}

#[test]
fn the_same_model_has_one_name_wherever_it_is_served() {
    for id in [
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4.5@2025-09-29",
        "anthropic/claude-sonnet-4.5-20250929",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "anthropic.claude-sonnet-4-5-20250929-v1:0:200k",
        "publishers/anthropic/models/claude-sonnet-4-5@20250929",
        "projects/p/locations/europe-west1/publishers/anthropic/models/claude-sonnet-4-5@20250929",
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "Claude-Sonnet-4-5-20250929",
    ] {
        assert_eq!(text(id).as_deref(), Some("anthropic/claude-sonnet-4-5@2025-09-29"), "{id}");
    }
}

#[test]
fn what_a_name_carries_beside_the_model_is_kept_apart() {
    for (id, name) in [
        ("us.anthropic.claude-opus-4-6-v1", "us.anthropic.claude-opus-4-6"),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-5",
            "eu.anthropic.claude-opus-5",
        ),
        ("us-gov.anthropic.claude-opus-5", "us-gov.anthropic.claude-opus-5"),
        ("ft:gpt-4.1-mini-2025-04-14:acme:support:9xYz", "ft:openai/gpt-4-1-mini@2025-04-14"),
        ("openai/gpt-5.1:free", "openai/gpt-5-1:free"),
        ("models/gemini-2.5-pro", "google/gemini-2-5-pro"),
        ("claude-sonnet-4-5-latest", "anthropic/claude-sonnet-4-5"),
        ("claude-opus-5@default", "anthropic/claude-opus-5"),
        ("llama3.1:8b", "llama3-1:8b"),
        ("llama3.1:latest", "llama3-1"),
        ("meta.llama3-1-8b-instruct-v1:0", "meta/llama3-1-8b-instruct-v1:0"),
        ("accounts/fireworks/models/qwen3", "accounts/fireworks/qwen3"),
    ] {
        assert_eq!(text(id).as_deref(), Some(name), "{id}");
    }
}

#[test]
fn versions_are_no_decoration() {
    for id in [
        "claude-v2:1",
        "claude-instant-v1",
        "amazon.titan-embed-text-v1",
        "amazon.titan-embed-text-v2:0",
        "mistral.mistral-7b-instruct-v0:2",
        "gpt-4-0613",
        "gpt-4-1106-preview",
        "gemini-2.5-flash-preview-09-2025",
        "gemini-embedding-001",
        "gemini-flash-latest",
        "text-embedding-004",
        "claude-3-5-sonnet-99999999",
    ] {
        let name = Name::parse(id).unwrap();
        let kept: String = name.model.clone() + &name.flavour.map(|flavour| format!(":{flavour}")).unwrap_or_default();
        let bare = id.trim_start_matches("amazon.").trim_start_matches("mistral.").replace('.', "-");
        assert_eq!((kept, name.date), (bare, None), "{id}");
    }
}

#[test]
fn what_names_no_model_has_no_name() {
    for id in [
        "",
        " ",
        "a b",
        "modèle",
        "x/",
        "/x",
        "~",
        "~anthropic/claude-sonnet-latest",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdef",
        "arn:aws:bedrock",
        "projects/p/locations/l/endpoints/123",
        "endpoints/123",
        "tunedModels/mine",
        &"x".repeat(257),
    ] {
        assert_eq!(text(id), None, "{id}");
    }
}

/// Pieces that ids are made of, so that decoration meets decoration.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z0-9./:@~-]{1,4}",
        proptest::sample::select(vec![
            "claude-",
            "gpt-",
            "gemini-",
            "o1",
            "anthropic",
            "openai.",
            "us.",
            "us-gov.",
            "models/",
            "/models/",
            "publishers/",
            "arn:a:b:c:d:inference-profile/",
            "ft:",
            "-latest",
            "@default",
            ":latest",
            "@latest",
            "-20250929",
            "@20250929",
            "-2025-09-29",
            "-v1",
            "-v2:0",
            ":0",
            ":200k",
            ":free",
            "meta.",
            ".",
            "-",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 1..9).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_name_names_itself(id in pieces()) {
        if let Some(name) = Name::parse(&id) {
            prop_assert_eq!(Name::parse(&name.to_string()), Some(name.clone()), "{} -> {}", id, name);
        }
    }

    #[test]
    fn no_id_is_too_odd(id in "\\PC{0,40}") {
        if let Some(name) = Name::parse(&id) {
            prop_assert_eq!(Name::parse(&name.to_string()), Some(name.clone()), "{} -> {}", id, name);
        }
    }

    /// Whatever is put behind a model's name makes it another, unless it is decoration.
    #[test]
    fn another_version_is_another_model(
        base in proptest::sample::select(vec!["gpt-5", "gpt-5.1", "o1", "claude-3-5-sonnet", "claude-sonnet-4", "gemini-2.5-pro"]),
        more in "(-mini|-pro|-nano|-[0-9]|\\.[0-9]|[0-9]|-preview|-fast|-v[0-9]x|-2025|-[0-9]{4}|-[a-z]{2,8}[0-9])",
    ) {
        let (one, other) = (Name::parse(base).unwrap(), Name::parse(&format!("{base}{more}")).unwrap());
        prop_assert_ne!(one.key(), other.key());
    }
}
