//! What a llama.cpp server says beside the wires that it shares with OpenAI: how it was started, and its tokens.

mod props;
mod tokens;

pub use props::{Props, decode_props};
pub use tokens::{decode_prompt, decode_tokens, encode_tokenize};
