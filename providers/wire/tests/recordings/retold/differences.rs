//! Where a stream that is told again differs from the one that was read.

use serde_json::{Map, Value, json};

use super::Steps;

/// A way in which the two differ that is meant.
struct Difference {
    /// Of which wires, servers, or single recordings.
    of: &'static [&'static str],
    /// What differs, and why that is meant.
    what: &'static str,
    /// Makes both alike in it.
    alike: Alike,
}

type Alike = fn(Steps) -> Steps;

const ANTHROPIC: &[&str] = &["anthropic"];
const CHAT: &[&str] = &["openai-chat"];
const RESPONSES: &[&str] = &["openai-responses"];

/// All of them.
const TABLE: &[Difference] = &[
    Difference {
        of: ANTHROPIC,
        what: "a ping says nothing, and ours come when a client has waited",
        alike: without_pings,
    },
    Difference {
        of: CHAT,
        what: "every chunk of ours has id, time and model, and one of the provider's may lack them; padding is left out",
        alike: without_heads,
    },
    Difference {
        of: &["copilot-chat"],
        what: "several choices are parts of one answer where one was asked for",
        alike: one_answer,
    },
    Difference {
        of: CHAT,
        what: "every stream of ours begins with a role and an empty text; fields that say nothing are left out",
        alike: chat_without_nothing,
    },
    Difference {
        of: CHAT,
        what: "thinking has one name, of the many that servers have, and is not said again in details",
        alike: thinking_by_one_name,
    },
    Difference { of: &["copilot-chat"], what: "annotations are told by one name of two", alike: annotations_once },
    Difference {
        of: CHAT,
        what: "what stands beside the choices, or beside what one of them says, may be told with a later chunk",
        alike: beside_last,
    },
    Difference {
        of: CHAT,
        what: "of several choices the first is the answer, which ends after the others",
        alike: ended_last,
    },
    Difference {
        of: &["copilot-chat", "azure-chat/stream-tool-noargs-toolresult-cache-read__ruby_llm"],
        what: "tokens of thinking are of the answer's, and those of a cache of the prompt's, whatever a server says",
        alike: without_usage,
    },
    Difference {
        of: &["openai-chat/stream-tool-noargs__llm"],
        what: "an answer that ends without a reason gets the one that it shows",
        alike: without_reason,
    },
    Difference {
        of: &["openai-compat/stream-partools__magentic"],
        what: "calls that their server does not number are numbered",
        alike: without_numbers,
    },
    Difference { of: RESPONSES, what: "padding is left out, and events are numbered by us", alike: without_padding },
    Difference {
        of: RESPONSES,
        what: "what a response repeats of its request is ours to say, as are its time and whether it is kept; what it repeats of \
               its items is compared where answers are served whole, and one server leaves it out",
        alike: without_echo,
    },
    Difference {
        of: RESPONSES,
        what: "some servers end with the marker of chat completions, which this wire has not",
        alike: without_marker,
    },
    Difference {
        of: RESPONSES,
        what: "the end of a call's arguments names the tool, as newer clients want",
        alike: without_name,
    },
    Difference {
        of: RESPONSES,
        what: "what signs reasoning, and what only a server knows of a call, is said at the end of the item alone",
        alike: begun_plainly,
    },
    Difference {
        of: RESPONSES,
        what: "nothing comes after an answer's end, and what stands beside its response there is told within",
        alike: ended_once,
    },
    Difference {
        of: RESPONSES,
        what: "how likely tokens are is told beside no text, and again at the end of the text, which is compared; where it is \
               repeated after that, its numbers are rounded otherwise",
        alike: logprobs_at_the_end,
    },
    Difference {
        of: &["copilot-responses"],
        what: "an answer and an item keep the ids that they began with, which this server changes in each event",
        alike: without_ids,
    },
    Difference {
        of: &["openrouter-responses"],
        what: "a message and reasoning end where another item begins, which this server lets run side by side",
        alike: item_by_item,
    },
    Difference {
        of: &["anthropic", "openai-responses"],
        what: "fields that say nothing (null, no items, no tokens) are left out, or said by us in any case",
        alike: without_nothing,
    },
    Difference {
        of: ANTHROPIC,
        what: "the end repeats what the start said of the usage, so that who reads the end alone knows all",
        alike: usage_in_all,
    },
    Difference {
        of: ANTHROPIC,
        what: "what a tool of the provider's own is asked is told once it is whole, in a delta of JSON that is written anew",
        alike: asked_by_value,
    },
];

/// What all of them are.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|one| one.what)
}

/// What makes a recorded stream and its telling alike, with what it is.
pub(super) fn of(wire: &str, api: &str, case: &str) -> impl Iterator<Item = (&'static str, Alike)> {
    let case = format!("{api}/{case}");
    let is_of = move |one: &&Difference| one.of.iter().any(|of| [wire, api, &case].contains(of));
    TABLE.iter().filter(is_of).map(|one| (one.what, one.alike))
}

fn without_pings(mut steps: Steps) -> Steps {
    steps.retain(|step| step["type"] != "ping");
    steps
}

fn without_nothing(steps: Steps) -> Steps {
    steps.into_iter().map(|step| if step.is_object() { something(step) } else { step }).collect()
}

/// A value without fields that say nothing, at any depth but in what models and tools wrote.
fn something(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let kept: Map<String, Value> = map
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| {
            let is_theirs = ["input", "content", "citation"].contains(&key.as_str());
            (key, if is_theirs { value } else { something(value) })
        })
        .filter(|(key, value)| *value != json!({}) && *value != json!([]) && (*value != json!(0) || key == "index"))
        .collect();
    Value::Object(kept)
}

fn usage_in_all(mut steps: Steps) -> Steps {
    let mut start = Map::new();
    for step in &mut steps {
        if step["type"] == "message_start" {
            start = step["message"]["usage"].as_object().cloned().unwrap_or_default();
        } else if step["type"] == "message_delta"
            && let Some(usage) = step["usage"].as_object_mut()
        {
            for (key, value) in &start {
                usage.entry(key.clone()).or_insert_with(|| value.clone());
            }
            // Of what was written to caches by time only the start may tell, and the sum of it may be newer.
            usage.shift_remove("cache_creation");
        }
    }
    steps
}

fn asked_by_value(steps: Steps) -> Steps {
    let is_theirs = |kind: &str| kind.ends_with("_tool_use") && kind != "tool_use";
    let mut theirs = Vec::new();
    let mut alike = Steps::new();
    for mut step in steps {
        if step["content_block"]["type"].as_str().is_some_and(is_theirs) {
            theirs.push(step["index"].clone());
            let asked = step["content_block"].as_object_mut().and_then(|block| block.shift_remove("input"));
            let asked = asked.filter(|asked| *asked != json!({}));
            let delta = asked.map(|asked| {
                json!({"type": "content_block_delta", "index": step["index"],
                    "delta": {"type": "input_json_delta", "partial_json": asked}})
            });
            alike.push(step);
            alike.extend(delta);
            continue;
        } else if theirs.contains(&step["index"])
            && let Some(written) = step["delta"]["partial_json"].as_str()
            && let Ok(asked) = serde_json::from_str::<Value>(written)
        {
            step["delta"]["partial_json"] = asked;
        }
        alike.push(step);
    }
    alike.retain(|step| !(step["delta"]["partial_json"] == "" && theirs.contains(&step["index"])));
    alike
}

fn without_padding(mut steps: Steps) -> Steps {
    for step in steps.iter_mut().filter_map(Value::as_object_mut) {
        for key in ["sequence_number", "obfuscation"] {
            step.shift_remove(key);
        }
    }
    steps
}

fn without_echo(mut steps: Steps) -> Steps {
    for response in steps.iter_mut().filter_map(|step| step.get_mut("response")?.as_object_mut()) {
        response
            .retain(|key, _| ["id", "status", "model", "error", "incomplete_details", "usage"].contains(&key.as_str()));
    }
    steps
}

fn without_marker(mut steps: Steps) -> Steps {
    steps.retain(|step| step != "[DONE]");
    steps
}

fn without_name(mut steps: Steps) -> Steps {
    for step in steps.iter_mut().filter(|step| step["type"] == "response.function_call_arguments.done") {
        step.as_object_mut().and_then(|step| step.shift_remove("name"));
    }
    steps
}

fn begun_plainly(mut steps: Steps) -> Steps {
    for step in steps.iter_mut().filter(|step| step["type"] == "response.output_item.added") {
        let kind = step["item"]["type"].as_str().unwrap_or_default();
        let kept: &[&str] = match kind {
            "reasoning" => &["id", "type"],
            "function_call" => &["id", "type", "status", "arguments", "call_id", "name"],
            _ => continue,
        };
        if let Some(item) = step["item"].as_object_mut() {
            item.retain(|key, _| kept.contains(&key.as_str()));
        }
    }
    steps
}

fn ended_once(mut steps: Steps) -> Steps {
    let is_end = |step: &Value| step["type"] == "response.completed" || step["type"] == "response.incomplete";
    if let Some(end) = steps.iter().position(is_end) {
        steps.truncate(end + 1);
        if let Some(end) = steps[end].as_object_mut() {
            end.retain(|key, _| ["type", "response"].contains(&key.as_str()));
        }
    }
    steps
}

fn logprobs_at_the_end(mut steps: Steps) -> Steps {
    for step in steps.iter_mut().filter(|step| step["type"] == "response.output_text.delta") {
        step.as_object_mut().and_then(|step| step.shift_remove("logprobs"));
    }
    for part in steps.iter_mut().filter_map(|step| step.get_mut("part")?.as_object_mut()) {
        part.shift_remove("logprobs");
    }
    for content in steps.iter_mut().filter_map(|step| step.pointer_mut("/item/content")?.as_array_mut()) {
        content.iter_mut().filter_map(Value::as_object_mut).for_each(|part| drop(part.shift_remove("logprobs")));
    }
    steps.retain(|step| step["type"] != "response.output_text.delta" || step["delta"] != "");
    steps
}

fn without_ids(mut steps: Steps) -> Steps {
    for step in steps.iter_mut().filter_map(Value::as_object_mut) {
        step.shift_remove("item_id");
        for key in ["item", "response"] {
            step.get_mut(key).and_then(Value::as_object_mut).and_then(|object| object.shift_remove("id"));
        }
    }
    steps
}

/// With all that is said of an item together; what is of no item comes before or after them all.
fn item_by_item(mut steps: Steps) -> Steps {
    let of_item = |step: &Value| {
        step["type"].as_str().is_some_and(|kind| kind.starts_with("response.output_"))
            || step["item_id"].is_string()
            || step["item"].is_object()
    };
    let place = |step: &Value| match step["type"].as_str() {
        Some("response.created" | "response.in_progress") => 0,
        _ if of_item(step) => 1 + step["output_index"].as_u64().unwrap_or(0),
        _ => u64::MAX,
    };
    steps.sort_by_key(place);
    steps
}

fn without_heads(mut steps: Steps) -> Steps {
    let heads = ["id", "object", "created", "model", "obfuscation", "p"];
    steps.retain(|step| step["of"] != "chunk" || !heads.contains(&step["key"].as_str().unwrap_or_default()));
    steps
}

fn chat_without_nothing(steps: Steps) -> Steps {
    let is_nothing = |value: &Value| value.is_null() || *value == "" || *value == json!({}) || *value == json!([]);
    let says = |step: &Value| {
        step["key"] != "role" && (step.get("is").or(step.get("said")).is_none_or(|value| !is_nothing(value)))
    };
    steps.into_iter().filter(says).map(|step| if step["of"] == "chunk" { something(step) } else { step }).collect()
}

fn thinking_by_one_name(mut steps: Steps) -> Steps {
    for step in &mut steps {
        if ["reasoning", "reasoning_text", "cot_summary"].iter().any(|name| step["key"] == *name) {
            step["key"] = "reasoning_content".into();
        }
    }
    steps.retain(|step| step["key"] != "reasoning_details");
    steps
}

/// With what nobody has a word for at the end, by its name: of the whole answer the last of several, and of a choice in the
/// order in which it came, what is said again once.
fn beside_last(steps: Steps) -> Steps {
    let (of_all, rest): (Steps, Steps) = steps.into_iter().partition(|step| step["of"] == "chunk");
    let words = ["content", "refusal", "reasoning_content", "arguments", "input", "call", "finish_reason"];
    let is_word = |key: &str| words.contains(&key) || key.starts_with("function_call.");
    let is_beside = |step: &Value| !step.is_string() && !is_word(step["key"].as_str().unwrap_or_default());
    let (mut beside, mut said): (Steps, Steps) = rest.into_iter().partition(is_beside);
    beside.sort_by_key(|step| step["key"].to_string());
    beside.dedup();
    let mut last = std::collections::BTreeMap::new();
    for step in of_all {
        last.insert(step["key"].as_str().unwrap_or_default().to_owned(), step);
    }
    said.extend(beside);
    said.extend(last.into_values());
    said
}

fn ended_last(steps: Steps) -> Steps {
    let (mut ends, mut said): (Steps, Steps) = steps.into_iter().partition(|step| step["key"] == "finish_reason");
    ends.sort_by_key(|step| step["of"].as_u64());
    ends.dedup();
    said.extend(ends);
    said
}

fn without_usage(mut steps: Steps) -> Steps {
    steps.retain(|step| step["key"] != "usage");
    steps
}

fn without_reason(mut steps: Steps) -> Steps {
    steps.retain(|step| step["key"] != "finish_reason");
    steps
}

fn without_numbers(mut steps: Steps) -> Steps {
    for step in steps.iter_mut().filter_map(Value::as_object_mut) {
        step.shift_remove("at");
    }
    steps
}

fn one_answer(mut steps: Steps) -> Steps {
    for step in steps.iter_mut().filter(|step| step["of"].is_u64()) {
        step["of"] = 0.into();
    }
    steps
}

fn annotations_once(mut steps: Steps) -> Steps {
    steps.retain(|step| step["key"] != "copilot_annotations");
    steps
}
