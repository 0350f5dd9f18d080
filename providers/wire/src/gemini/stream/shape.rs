//! The shapes of an answer's chunks. A whole answer is one chunk.

use serde_json::value::RawValue;

use crate::object::{Str, object};

object! {
    Chunk {
        candidates: Vec<Candidate<'a>>,
        usage = "usageMetadata" | "usage_metadata": &'a RawValue,
        model = "modelVersion" | "model_version": Str<'a>,
        id = "responseId" | "response_id": Str<'a>,
        feedback = "promptFeedback" | "prompt_feedback": Feedback<'a>,
        error: &'a RawValue,
    } ignore []
}

object! {
    /// What became of the prompt.
    Feedback {
        reason = "blockReason" | "block_reason": &'a RawValue,
        message = "blockReasonMessage" | "block_reason_message": Str<'a>,
    } ignore []
}

object! {
    /// One of the answers, or what a chunk adds to it.
    Candidate {
        index: u32,
        content: Content<'a>,
        finish = "finishReason" | "finish_reason": &'a RawValue,
        message = "finishMessage" | "finish_message": Str<'a>,
        citations = "citationMetadata" | "citation_metadata": Citations<'a>,
        grounding = "groundingMetadata" | "grounding_metadata": &'a RawValue,
    } ignore []
}

object! {
    Content { parts: Vec<Option<Part<'a>>> } ignore ["role"]
}

object! {
    /// A part, by whichever of its fields it has.
    Part {
        text: Str<'a>,
        thought: bool,
        signature = "thoughtSignature" | "thought_signature": Str<'a>,
        call = "functionCall" | "function_call": Call<'a>,
        inline = "inlineData" | "inline_data": Blob<'a>,
    } ignore []
}

object! {
    /// A call, whole or in pieces.
    Call {
        id: Str<'a>,
        name: Str<'a>,
        args: &'a RawValue,
        pieces = "partialArgs" | "partial_args": Vec<Piece<'a>>,
        more = "willContinue" | "will_continue": bool,
    } ignore []
}

object! {
    /// A value of a call's arguments, or a piece of a text among them.
    Piece {
        path = "jsonPath" | "json_path": Str<'a>,
        text = "stringValue" | "string_value": Str<'a>,
        number = "numberValue" | "number_value": &'a RawValue,
        boolean = "boolValue" | "bool_value": bool,
    } ignore ["nullValue", "null_value", "willContinue", "will_continue"]
}

object! {
    Blob { media_type = "mimeType" | "mime_type": Str<'a>, data: Str<'a> } ignore []
}

object! {
    /// The sources of an answer; the Gemini API and Vertex name their list differently.
    Citations { sources = "citationSources" | "citations": Vec<&'a RawValue> } ignore []
}
