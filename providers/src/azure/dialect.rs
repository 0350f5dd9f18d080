//! What Azure takes of the chat wire, which a deployment's name only hints at and an old version narrows.

use greenroom_wire::openai_chat::{Dialect, MaxTokensKey, ThinkingForm};

use super::place::Surface;

/// Since when `max_completion_tokens` and `stream_options` are taken.
const NEW_BOUND: &str = "2024-09-01";
/// Since when there are models that reason, their effort and the role `developer`.
const REASONING: &str = "2024-12-01";
/// How the names of other makers' models begin, in lower case; they know the wire as it was first.
const OTHERS: [&str; 18] = [
    "ai21",
    "codestral",
    "cohere",
    "command",
    "deepseek",
    "fw-",
    "glm",
    "grok",
    "jais",
    "kimi",
    "llama",
    "mai-",
    "meta-llama",
    "ministral",
    "mistral",
    "phi-",
    "qwen",
    "minimax",
];

/// What is taken of a request to this deployment.
pub(super) fn dialect(surface: &Surface, deployment: &str) -> Dialect {
    let name = deployment.to_ascii_lowercase();
    let is_others = matches!(surface, Surface::Inference { .. }) || OTHERS.iter().any(|start| name.starts_with(start));
    let known = if is_others { Dialect::COMPATIBLE } else { Dialect::OPENAI };
    let Surface::Dated { version } = surface else { return known };
    // Dates are compared as text, and "-preview" behind one doesn't make it older.
    let since = |first: &str| version.as_str() >= first;
    Dialect {
        max_tokens: if since(NEW_BOUND) { known.max_tokens } else { MaxTokensKey::MaxTokens },
        stream_options: since(NEW_BOUND),
        developer_role: known.developer_role && since(REASONING),
        thinking: if since(REASONING) { known.thinking } else { ThinkingForm::None },
        ..known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: Option<&str>, deployment: &str) -> Dialect {
        let surface = match version {
            Some(version) => Surface::Dated { version: version.to_owned() },
            None => Surface::V1 { version: None },
        };
        dialect(&surface, deployment)
    }

    #[test]
    fn a_deployment_of_any_name_is_openais_unless_it_is_called_like_anothers() {
        for name in ["gpt-5-mini", "o4-mini", "mine", "prod-chat"] {
            assert_eq!(of(None, name), Dialect::OPENAI, "{name}");
        }
        for name in ["deepseek-r1-0528", "DeepSeek-V3.1", "grok-4", "Llama-4-Scout-17B-16E-Instruct", "Phi-4"] {
            assert_eq!(of(None, name), Dialect::COMPATIBLE, "{name}");
        }
        let inference = Surface::Inference { version: "2024-05-01-preview".to_owned() };
        assert_eq!(dialect(&inference, "mine"), Dialect::COMPATIBLE);
    }

    #[test]
    fn an_old_version_is_not_sent_what_came_after_it() {
        let old = of(Some("2024-06-01"), "gpt-4o");
        assert_eq!((old.max_tokens, old.stream_options), (MaxTokensKey::MaxTokens, false));
        let between = of(Some("2024-10-21"), "gpt-4o");
        assert_eq!((between.max_tokens, between.stream_options), (MaxTokensKey::MaxCompletionTokens, true));
        assert_eq!((between.developer_role, between.thinking), (false, ThinkingForm::None));
        assert_eq!(of(Some("2024-12-01-preview"), "o1"), Dialect::OPENAI);
        assert_eq!(of(Some("2025-04-01-preview"), "gpt-5"), Dialect::OPENAI);
    }
}
