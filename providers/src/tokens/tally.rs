//! Adding up a prompt, and what may be wrong with the sum.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom_wire::{
    ChatRequest, Message, Part, Role,
    chat::{MediaSource, ResponseFormat, Tool},
};

use super::{
    TokenCount,
    family::{About, Family, Frame, Near, Rule},
    picture, tools,
};

/// A page of a document, as text and picture. How many it has isn't known.
const DOCUMENT: f64 = 2000.0;
/// How the kinds of a schema are written isn't published: by what share of themselves tools are in doubt, and by how many tokens.
const TOOL_ERROR: f64 = 0.15;
const TOOLS_DOUBT: f64 = 14.0;
const TOOLS_DOUBT_REASONING: f64 = 100.0;
/// What ends the declarations of tools.
const TOOLS_END: u64 = 4;
/// By what share of itself a schema for the answer is in doubt, and by how many tokens.
const FORMAT_ERROR: f64 = 0.6;
const FORMAT_DOUBT: f64 = 20.0;
/// What a request says of what isn't in it.
const REFERENCES: [&str; 8] = [
    "/prompt",
    "/previous_response_id",
    "/conversation",
    "/cachedContent",
    "/mcp_servers",
    "/container",
    "/context_management",
    "/plugins",
];
/// What stands around calls and their results isn't published.
const CALL_DOUBT: f64 = 8.0;
const AROUND_CALL: u64 = 6;
/// Bytes that a token has where a text isn't one (an encrypted one, say).
const BYTES_PER_TOKEN: f64 = 4.0;

/// A sum of tokens.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    family: &'a Family,
    /// Counted by a vocabulary that is the model's own.
    tokens: u64,
    /// Estimated beside.
    about: f64,
    /// By how many tokens it may be wrong, all together.
    doubt: f64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(family: &'a Family) -> Self {
        Self { family, tokens: 0, about: 0.0, doubt: 0.0 }
    }

    pub(super) fn sum(&self) -> TokenCount {
        let tokens = self.tokens.saturating_add(self.about.round() as u64);
        // Half a token is lost in rounding.
        let error = (self.doubt > 0.0).then(|| (self.doubt + 0.5) / (tokens.max(1) as f64));
        TokenCount { tokens, error }
    }

    pub(super) fn request(&mut self, request: &ChatRequest) {
        match self.family.rule {
            Rule::Texts => {}
            Rule::Framed(frame) => {
                self.known(frame.answer);
                if !self.family.is_exact(request) {
                    self.doubt += 1.0;
                }
            }
            Rule::Near(near) => self.about(near.request),
        }
        if let Some(true) = request.thinking.as_ref().and_then(|thinking| thinking.enabled)
            && let Rule::Near(near) = self.family.rule
        {
            self.guess(near.thinking as f64, near.thinking as f64 / 2.0);
        }
        for message in &request.messages {
            self.message(message);
        }
        self.tools(&request.tools);
        self.format(request.response_format.as_ref());
        if brings_more(request) {
            self.doubt += self.mark();
        }
    }

    fn message(&mut self, message: &Message) {
        match self.family.rule {
            Rule::Texts => {}
            Rule::Framed(Frame { message: around, name, .. }) => {
                self.known(around);
                self.text(match message.role {
                    Role::System => "system",
                    Role::Developer => "developer",
                    Role::User => "user",
                    Role::Assistant => "assistant",
                    Role::Tool => "tool",
                });
                if let Some(called) = &message.name {
                    self.known(name);
                    self.text(called);
                }
            }
            Rule::Near(Near { message: around, .. }) => self.guess(around as f64, around as f64 / 2.0),
        }
        let texts = message.parts.iter().filter(|part| matches!(part, Part::Text { .. })).count();
        if texts > 1 {
            // They are joined, by what isn't said; at each joint two tokens may become one.
            self.doubt += (texts - 1) as f64 * 2.0;
        }
        message.parts.iter().for_each(|part| self.part(part));
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Text { text } | Part::Refusal { text } => self.text(text),
            Part::Thinking { text } => {
                // Whether earlier thinking is shown to the model again is for its provider to decide.
                let before = self.mark();
                self.text(text);
                self.doubt_since(before, 1.0, 0.0);
            }
            Part::ToolCall { name, arguments, .. } => {
                self.guess(AROUND_CALL as f64, CALL_DOUBT);
                self.text(name);
                self.text(arguments);
            }
            Part::ToolResult { parts, .. } => {
                self.guess(0.0, CALL_DOUBT);
                parts.iter().for_each(|part| self.part(part));
            }
            Part::Image { source, detail } => {
                let picture = picture::tokens(self.family.pictures, source, detail.as_deref());
                self.guess(picture.tokens, picture.doubt);
            }
            Part::Document { source: MediaSource::Base64 { media_type, data }, .. }
                if media_type.starts_with("text/") =>
            {
                match STANDARD.decode(data).map(String::from_utf8) {
                    Ok(Ok(text)) => {
                        self.guess(10.0, 20.0);
                        self.text(&text);
                    }
                    _ => self.guess(DOCUMENT, DOCUMENT),
                }
                self.around_document();
            }
            Part::Document { .. } => {
                self.guess(DOCUMENT, DOCUMENT);
                self.around_document();
            }
            Part::Audio { .. } => self.guess(DOCUMENT, DOCUMENT),
            Part::Opaque { data, .. } => {
                let about = data.to_string().len() as f64 / BYTES_PER_TOKEN;
                self.guess(about / 2.0, about / 2.0);
            }
        }
    }

    fn around_document(&mut self) {
        if let Rule::Near(near) = self.family.rule {
            self.guess(near.document as f64, near.document as f64);
        }
    }

    fn tools(&mut self, tools: &[Tool]) {
        if tools.is_empty() {
            return;
        }
        let before = self.mark();
        match self.family.rule {
            Rule::Texts => {}
            Rule::Framed(frame) => {
                self.text(&tools::declared(tools));
                self.known(TOOLS_END);
                self.doubt_since(before, TOOL_ERROR, if frame.reasons { TOOLS_DOUBT_REASONING } else { TOOLS_DOUBT });
            }
            Rule::Near(near) => {
                self.text(&tools::listed(tools));
                self.doubt_since(before, TOOL_ERROR, 0.0);
                self.about(near.tools);
            }
        }
    }

    /// The form that the answer must have; how that is shown to a model isn't published.
    fn format(&mut self, format: Option<&ResponseFormat>) {
        let Some(ResponseFormat::JsonSchema { name, description, schema, .. }) = format else { return };
        if let Rule::Near(Near { is_shown_schema: false, .. }) = self.family.rule {
            self.doubt += FORMAT_DOUBT;
            return;
        }
        let schema = schema.as_ref().map(ToString::to_string).unwrap_or_default();
        let before = self.mark();
        self.text(&format!("{name}{}{schema}", description.as_deref().unwrap_or_default()));
        self.doubt_since(before, FORMAT_ERROR, FORMAT_DOUBT);
    }

    /// A text, by the vocabulary.
    pub(super) fn text(&mut self, text: &str) {
        let length = self.family.vocabulary.count(text);
        match self.family.rule {
            Rule::Texts | Rule::Framed(_) => {
                self.known(length.tokens);
                if !length.exact {
                    self.doubt += length.tokens as f64 * 0.01;
                }
            }
            Rule::Near(near) => {
                let about = length.tokens as f64 * near.factor;
                self.guess(about, about * near.error);
            }
        }
    }

    pub(super) fn known(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    fn about(&mut self, about: About) {
        self.guess(about.tokens as f64, about.doubt as f64);
    }

    fn guess(&mut self, about: f64, doubt: f64) {
        self.about += about;
        self.doubt += doubt;
    }

    fn mark(&self) -> f64 {
        self.tokens as f64 + self.about
    }

    /// What was counted since is in doubt by a share of it and so many tokens.
    fn doubt_since(&mut self, before: f64, share: f64, tokens: f64) {
        self.doubt += (self.mark() - before) * share + tokens;
    }
}

/// Whether a model is shown what isn't in the request: what a tool of the provider's own finds, what it keeps.
fn brings_more(request: &ChatRequest) -> bool {
    request.tools.iter().any(|tool| matches!(tool, Tool::Native { .. }))
        || request.extra.iter().any(|extra| REFERENCES.contains(&extra.path.as_str()))
}
