//! Which model has which vocabulary, and what is known of those that publish none.

use greenroom_wire::{ChatRequest, Message, Part, Role, chat::ResponseFormat};

use super::vocabulary::Vocabulary;

/// What there is to know of how a model counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Family {
    /// The vocabulary that texts are counted by, its own or the nearest.
    pub(super) vocabulary: Vocabulary,
    /// How texts and what stands around them are counted with it.
    pub(super) rule: Rule,
    /// How pictures are.
    pub(super) pictures: Pictures,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rule {
    /// By the vocabulary alone: what makes vectors knows no messages.
    Texts,
    /// By the vocabulary, each message in a known frame.
    Framed(Frame),
    /// By a vocabulary that is near its own.
    Near(Near),
}

/// What OpenAI's chat models see around a message ("How to count tokens with tiktoken", OpenAI's cookbook). That there is one
/// token less before the answer of a model that reasons is what all recorded requests say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    /// Around each message, beside its role.
    pub(super) message: u64,
    /// Before each name.
    pub(super) name: u64,
    /// Before the answer.
    pub(super) answer: u64,
    /// Whether the model reasons. By the chat completions API it then has instructions beside its tools, by the other none.
    pub(super) reasons: bool,
}

/// How a family's counts stand to those of OpenAI's vocabulary; measured over recorded requests whose providers said how
/// many tokens they were (`tests/tokens_recordings`), which holds the bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    /// Its tokens for one of the vocabulary's.
    pub(super) factor: f64,
    /// By what share of itself that may be wrong for one text.
    pub(super) error: f64,
    /// About what stands around a message.
    pub(super) message: u64,
    /// About what stands once in each request.
    pub(super) request: About,
    /// About what the model is told once of how tools are called.
    pub(super) tools: About,
    /// About what it is told once where it is to think.
    pub(super) thinking: u64,
    /// About what it is told of each document.
    pub(super) document: u64,
    /// Whether a schema for the answer is part of the prompt; else it only guides what is sampled.
    pub(super) is_shown_schema: bool,
}

/// So many tokens, give or take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct About {
    pub(super) tokens: u64,
    pub(super) doubt: u64,
}

/// How pictures become tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pictures {
    /// So much for the whole and for each square of 512 pixels, once it is scaled.
    Tiles { base: u64, tile: u64 },
    /// So much for each square of 32 pixels, of which there are at most so many.
    Patches { factor: f64, most: u64 },
    /// So much for each picture, as Gemini 3 does where no resolution is asked for.
    Each(u64),
    /// By area, as Anthropic does.
    Area,
    /// So much for each tile of 768 pixels, as Gemini does.
    Gemini,
    /// Nobody says.
    Unknown,
}

const FRAME: Frame = Frame { message: 3, name: 1, answer: 3, reasons: false };
const REASONING: Frame = Frame { answer: 2, reasons: true, ..FRAME };

const fn about(tokens: u64, doubt: u64) -> About {
    About { tokens, doubt }
}

/// Where nothing is known of a family.
const ANY: Near = Near {
    factor: 1.05,
    error: 0.35,
    message: 4,
    request: about(5, 8),
    tools: about(110, 90),
    thinking: 0,
    document: 0,
    is_shown_schema: true,
};
const CLAUDE: Near =
    Near { error: 0.25, request: about(4, 4), tools: about(550, 200), thinking: 25, document: 300, ..ANY };
/// Since Opus 4.7 there is another vocabulary, which makes up to a third more of the same text (Anthropic, "What's new").
const CLAUDE_NEW: Near = Near { factor: 1.2, error: 0.3, ..CLAUDE };
const GEMINI: Near = Near {
    factor: 1.0,
    error: 0.3,
    message: 0,
    request: about(1, 4),
    tools: about(5, 20),
    is_shown_schema: false,
    ..ANY
};
const DEEPSEEK: Near = Near { factor: 1.0, message: 2, request: about(2, 4), tools: about(300, 120), ..ANY };
/// xAI puts instructions of its own before a prompt.
const GROK: Near = Near { request: about(60, 70), tools: about(170, 150), ..ANY };
const MISTRAL: Near = Near { tools: about(40, 50), ..ANY };
/// Whoever serves it puts its template around, which has instructions of its own.
const GPT_OSS: Near = Near { factor: 1.0, error: 0.02, request: about(60, 20), tools: about(20, 60), ..ANY };
/// OpenAI's models that search before they answer, of which no frame is known.
const SEARCHING: Near = Near { factor: 1.0, error: 0.02, message: 2, request: about(2, 8), ..ANY };

impl Family {
    /// That of a model by its provider's id, whoever serves it.
    pub(super) fn of(model: &str) -> Self {
        let id = bare(model);
        if let Some(family) = openai(&id) {
            return family;
        }
        let has = |words: &[&str]| words.iter().any(|word| id.contains(word));
        let (near, pictures) = if has(&["claude"]) {
            let is_new = has(&["opus-4-7", "opus-4.7", "opus-4-8", "opus-4.8", "opus-5", "fable", "mythos"]);
            (if is_new { CLAUDE_NEW } else { CLAUDE }, Pictures::Area)
        } else if has(&["gemini-3"]) {
            (GEMINI, Pictures::Each(1120))
        } else if has(&["gemini", "gemma"]) {
            (GEMINI, Pictures::Gemini)
        } else if has(&["deepseek"]) {
            (DEEPSEEK, Pictures::Unknown)
        } else if has(&["grok"]) {
            (GROK, Pictures::Unknown)
        } else if has(&["mistral", "mixtral", "ministral", "codestral", "devstral", "magistral", "pixtral"]) {
            (MISTRAL, Pictures::Unknown)
        } else {
            (ANY, Pictures::Unknown)
        };
        Self { vocabulary: Vocabulary::O200k, rule: Rule::Near(near), pictures }
    }

    /// Whether it counts a request to the token.
    pub(super) fn is_exact(&self, request: &ChatRequest) -> bool {
        !matches!(self.rule, Rule::Near(_)) && Frame::holds(request)
    }
}

/// What a request may say beside its messages without a token more in its prompt.
const UNSEEN: [&str; 19] = [
    "/client_metadata",
    "/include",
    "/logit_bias",
    "/logprobs",
    "/n",
    "/prediction",
    "/prompt_cache_key",
    "/prompt_cache_retention",
    "/provider",
    "/safety_identifier",
    "/seed",
    "/service_tier",
    "/store",
    "/stream_options",
    "/text/verbosity",
    "/top_logprobs",
    "/truncation",
    "/usage",
    "/user",
];

impl Frame {
    /// Whether all of a request is said in what is published: messages of one text each, and nothing beside them.
    pub(super) fn holds(request: &ChatRequest) -> bool {
        let plain = |message: &Message| {
            matches!(message.parts[..], [Part::Text { .. }] | [])
                && message.role != Role::Tool
                && message.extra.is_empty()
        };
        let format = matches!(request.response_format, None | Some(ResponseFormat::Text));
        let unseen = request.extra.iter().all(|extra| UNSEEN.contains(&extra.path.as_str()));
        request.tools.is_empty() && format && unseen && request.messages.iter().all(plain)
    }
}

/// An id without what says who serves or made the model: `openai/gpt-4o`, `openai.gpt-oss-20b-1:0`, `ft:gpt-4o:org::id`.
fn bare(model: &str) -> String {
    let id = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    let id = id.strip_prefix("ft:").unwrap_or(&id);
    let id = id.rsplit_once("openai.").map_or(id, |(_, id)| id);
    id.to_owned()
}

fn openai(id: &str) -> Option<Family> {
    // A word ends where a version, a size or a date begins.
    let is = |names: &[&str]| {
        names.iter().any(|name| {
            id.strip_prefix(name).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
        })
    };
    let family = |vocabulary, rule, pictures| Some(Family { vocabulary, rule, pictures });
    if is(&["text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"]) {
        return family(Vocabulary::Cl100k, Rule::Texts, Pictures::Unknown);
    }
    if is(&["gpt-oss"]) {
        return family(Vocabulary::O200k, Rule::Near(GPT_OSS), Pictures::Unknown);
    }
    if is(&["gpt-4", "gpt-3.5-turbo", "gpt-35-turbo"]) && !is(&["gpt-4.1", "gpt-4.5"]) {
        return family(Vocabulary::Cl100k, Rule::Framed(FRAME), Pictures::Tiles { base: 85, tile: 170 });
    }
    let newer = [
        "gpt-4o",
        "chatgpt-4o",
        "gpt-4.1",
        "gpt-4.5",
        "gpt-5",
        "o1",
        "o3",
        "o4",
        "codex-mini",
        "gpt-realtime",
        "gpt-audio",
    ];
    if !is(&newer) {
        return None;
    }
    let reasons = is(&["gpt-5", "o1", "o3", "o4", "codex-mini"]) && !id.starts_with("gpt-5-chat");
    let rule = match (id.contains("-search"), reasons) {
        (true, _) => Rule::Near(SEARCHING),
        (_, true) => Rule::Framed(REASONING),
        (_, false) => Rule::Framed(FRAME),
    };
    family(Vocabulary::O200k, rule, pictures(id))
}

/// As OpenAI's guide "Images and vision" has it under "Calculating costs".
fn pictures(id: &str) -> Pictures {
    let begins = |names: &[&str]| names.iter().any(|name| id.starts_with(name));
    let patches = |factor| Pictures::Patches { factor, most: 1536 };
    let tiles = |base, tile| Pictures::Tiles { base, tile };
    if id.starts_with("gpt-5") && id.contains("-nano") || begins(&["gpt-4.1-nano"]) {
        patches(2.46)
    } else if id.starts_with("gpt-5") && id.contains("-mini") || begins(&["gpt-4.1-mini"]) {
        patches(1.62)
    } else if begins(&["o4-mini"]) {
        patches(1.72)
    } else if begins(&["gpt-5.2", "gpt-5.3"]) {
        patches(1.2)
    } else if begins(&["gpt-5-", "gpt-5.1"]) || id == "gpt-5" {
        tiles(70, 140)
    } else if begins(&["gpt-5"]) {
        Pictures::Patches { factor: 1.2, most: 2500 }
    } else if begins(&["gpt-4o-mini"]) {
        tiles(2833, 5667)
    } else if begins(&["o1", "o3"]) {
        tiles(75, 150)
    } else {
        tiles(85, 170)
    }
}
