//! Answers, as a client reads them.

mod around;
mod blocks;
mod call;
mod error_body;
mod models;
mod sink;
mod usage;
mod waiting;
mod whole;
mod writer;

pub use error_body::{error_body, error_json, error_type};
pub use models::{PageQuery, ServedModel, encode_models, model_json};
pub use whole::whole_answer;
pub use writer::StreamWriter;

use serde_json::Value;

/// The call that this opaque data says more of, if it is that and of this wire: what other wires say of a call, in
/// keys of their own, is not.
pub fn field_of_call(data: &Value) -> Option<u32> {
    let block = data.as_object()?;
    let foreign = ["thoughtSignature", "extra_content"].iter().any(|key| block.contains_key(*key));
    let call = block.get("tool_call")?.as_u64().filter(|_| !foreign)?;
    u32::try_from(call).ok()
}
