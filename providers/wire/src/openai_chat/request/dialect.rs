//! How servers differ in what they take.

/// What a server takes of this wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Under which key the bound on tokens goes.
    pub max_tokens: MaxTokensKey,
    /// Whether it knows the role `developer`; if not, that is `system`.
    pub developer_role: bool,
    /// How the wish to think is said.
    pub thinking: ThinkingForm,
    /// Under which key thinking of earlier turns goes back, unless `reasoning_details` say the same; `None` keeps it
    /// back.
    pub reasoning_key: Option<&'static str>,
    /// Whether it knows OpenRouter's `reasoning_details`, so that those of a client's history, whose origin is not
    /// known, may go to it.
    pub reasoning_details: bool,
    /// The same of Copilot's `reasoning_opaque`, together with which alone it takes thinking back.
    pub reasoning_opaque: bool,
    /// Whether it knows `refusal` in a message; if not, a refusal of earlier turns is text.
    pub refusal: bool,
    /// Whether it takes `cache_control`.
    pub cache_control: bool,
    /// Whether it takes `stream_options`.
    pub stream_options: bool,
    /// Whether JSON of any form is asked for with a schema beside it, without which it is not held to.
    pub json_object_schema: bool,
    /// Which ids of calls it takes.
    pub call_ids: CallIdForm,
}

/// The ids of calls that a server takes. Others are sent in another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallIdForm {
    /// Any of at most 64 characters: OpenAI's bound.
    AtMost64,
    /// `^[a-zA-Z0-9]{9}$`: Mistral's.
    Nine,
}

/// The key of the bound on tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTokensKey {
    /// `max_tokens`: what every server knew first.
    MaxTokens,
    /// `max_completion_tokens`: the only one that OpenAI's reasoning models take.
    MaxCompletionTokens,
}

/// The form of the wish to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingForm {
    /// `reasoning_effort: "low"`.
    Effort,
    /// OpenRouter's `reasoning: {effort, max_tokens, enabled}`.
    Object,
    /// It takes none.
    None,
}

impl Dialect {
    /// OpenAI itself, and Azure.
    pub const OPENAI: Self = Self {
        max_tokens: MaxTokensKey::MaxCompletionTokens,
        developer_role: true,
        thinking: ThinkingForm::Effort,
        reasoning_key: None,
        reasoning_details: false,
        reasoning_opaque: false,
        refusal: true,
        cache_control: false,
        stream_options: true,
        json_object_schema: false,
        call_ids: CallIdForm::AtMost64,
    };

    /// A server of which nothing is known but that it is compatible.
    pub const COMPATIBLE: Self = Self {
        max_tokens: MaxTokensKey::MaxTokens,
        developer_role: false,
        thinking: ThinkingForm::Effort,
        reasoning_key: None,
        reasoning_details: false,
        reasoning_opaque: false,
        refusal: false,
        cache_control: false,
        stream_options: true,
        json_object_schema: false,
        call_ids: CallIdForm::AtMost64,
    };

    /// OpenRouter. It takes thinking back under the name under which it gives it, for models that sign none; what is
    /// said in `reasoning_details` is not said again.
    pub const OPENROUTER: Self = Self {
        thinking: ThinkingForm::Object,
        reasoning_key: Some("reasoning"),
        reasoning_details: true,
        cache_control: true,
        developer_role: true,
        ..Self::COMPATIBLE
    };

    /// Servers that want their own thinking back as `reasoning_content` while tools are called: DeepSeek, Kimi, GLM.
    pub const REASONING_CONTENT: Self = Self { reasoning_key: Some("reasoning_content"), ..Self::COMPATIBLE };

    /// llama.cpp's own server.
    pub const LLAMACPP: Self = Self { json_object_schema: true, ..Self::REASONING_CONTENT };

    /// GitHub Copilot.
    pub const COPILOT: Self = Self { reasoning_opaque: true, ..Self::COMPATIBLE };

    /// Mistral.
    pub const MISTRAL: Self = Self { call_ids: CallIdForm::Nine, ..Self::COMPATIBLE };
}

impl Default for Dialect {
    fn default() -> Self {
        Self::COMPATIBLE
    }
}
