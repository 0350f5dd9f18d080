//! Lines of JSON on standard input and output: the ways in for a program that starts greenroom and talks with it.
//!
//! A request is a line `{"id"?, "action", "provider"?, "params"?, "timeout"?}`. Its answer is a line
//! `{"id"?, "success": true, "data": …}`, several of them with `"streaming": true`, or in the end
//! `{"id"?, "success": false, "error": {"code", "message", "hint"?, "retry_after"?}}`, the last in seconds. Answers come as they are
//! ready, told apart by `id`, which is a string or an integer; who gives none is answered without one. `timeout` is in milliseconds.
//!
//! | action | `params` | `data` |
//! |---|---|---|
//! | `list_models` | | `[{id, name, context_length, max_output, cost: {input, output}}]`, costs in US dollars per million tokens; with `provider` the ids are its own, without one `PROVIDER/MODEL` |
//! | `stream_chat` | `{messages, model, options?: {maxTokens, temperature, tools, thinking}}` | lines `{"type": "content", content}`, `{"type": "thinking", content}` (only with `thinking: true`), `{"type": "tool_call", tool_call: {id, name, arguments}}`, at last `{"type": "done", usage: {input_tokens, output_tokens, cost}, finish_reason}` |
//! | `count_tokens` | `{messages, model?}` | a number |
//! | `authenticate` | `{api_key}`, or `{}` to log in by a code | `true`; for a login first `{"type": "device_flow", user_code, verification_uri, expires_in}` |
//! | `cancel` | `{id}` | `true`, once nothing more comes of that request |
//!
//! `provider` is a configured name, else a kind that one provider is of; it may be left out where `model` is an alias,
//! `PROVIDER/MODEL`, or an id that one provider has. `messages` and `tools` are OpenAI's; calls in them may stand as they
//! were told here. `input_tokens` are all tokens of the prompt, cached ones included; what is not known is null.
//! `code` is an [`ErrorKind`](crate::ErrorKind), `bad_request` or `unknown_action`. Fields that are not known are passed
//! over, so that later clients are understood; one of a wrong type is a `bad_request`.
//!
//! [`serve`] is the loop of the process that has the lines; what they ask is answered where the providers are, by
//! `POST /api/ipc` of the owner's [`Door`](super::http::Door), one request for each line.

mod answer;
mod asked;
mod chat;
mod envelope;
mod flights;
mod lines;
mod serve;
mod words;

pub(crate) use self::answer::{Answering, answer};
pub use self::{
    envelope::Action,
    serve::{Asker, serve},
    words::Refusal,
};
