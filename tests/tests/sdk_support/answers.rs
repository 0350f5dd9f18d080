//! What the scripted providers answer to the programs of the clients, the same in each wire.

use greenroom_tests::{Attempt, When, anthropic, openai, responses};
use serde_json::json;

/// What splits lines for careless readers, and a character beyond 16 bits.
const UNICODE: [&str; 3] = ["é🌊\u{2028}", "\u{2029}\u{85}", " end"];

/// The words that choose an answer; of several that a request holds, the first. They are to stand in no text that a
/// client adds on its own.
const WORDS: [&str; 16] = [
    "round trip",
    "go on",
    "call clock",
    "greet",
    "unicode",
    "call tools",
    "call Sum",
    "call final",
    "think",
    "add up",
    "picture",
    "too long",
    "large",
    "break off",
    "refuse",
    "stall",
];

const OSLO: [&str; 2] = ["{\"city\":", "\"Oslo\"}"];
const BERGEN: [&str; 2] = ["{\"city\":", "\"Bergen\"}"];
const ROME: [&str; 2] = ["{\"city\":", "\"Rome\"}"];
const THREE: [&str; 2] = ["{\"total\"", ":3}"];

/// A provider's answers, for each of the words.
pub fn answers<A: Into<Attempt>>(of: impl Fn(&str) -> A) -> Vec<Attempt> {
    WORDS.into_iter().map(|word| of(word).into().when(When::body_contains(word)).always()).collect()
}

pub fn of_chat(word: &str) -> openai::Answer {
    use openai::Answer;
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}});
    match word {
        "round trip" => Answer::text(["It rains."]),
        "go on" => Answer::new().tool_call("call_c", "weather", ROME),
        "greet" => Answer::text(["Hello", ", ", "world"]).usage_details(usage).model("m-2026"),
        "unicode" => Answer::text(UNICODE),
        "call tools" => Answer::text(["Let me see."])
            .parallel_tool_calls([("call_a", "weather", OSLO.to_vec()), ("call_b", "weather", BERGEN.to_vec())]),
        "call clock" => Answer::new().tool_call("call_n", "clock", []),
        "call Sum" => Answer::new().tool_call("call_s", "Sum", THREE),
        "call final" => Answer::new().tool_call("call_f", "final_result", THREE),
        "think" => Answer::new().reasoning(["hm, ", "yes"]).then_text(["Yes."]),
        "add up" => Answer::text(THREE),
        "picture" => Answer::text(["A cat."]),
        "too long" => Answer::text(["On and on"]).finish("length"),
        "large" => Answer::text(["Fine."]),
        "break off" => Answer::text(["Hel", "lo"]).cut_after(1),
        "refuse" => Answer::new().refusal(["I ", "won't."]),
        _ => Answer::text(["Hel", "lo"]).stall_after(1),
    }
}

pub fn of_responses(word: &str) -> responses::Answer {
    use responses::Answer;
    let usage = json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15});
    match word {
        "round trip" => Answer::text(["It rains."]),
        "go on" => Answer::new().call("call_c", "weather", ROME),
        "greet" => Answer::text(["Hello", ", ", "world"]).usage(usage),
        "unicode" => Answer::text(UNICODE),
        "call tools" => Answer::text(["Let me see."]).call("call_a", "weather", OSLO).call("call_b", "weather", BERGEN),
        "call clock" => Answer::new().call("call_n", "clock", []),
        "call Sum" => Answer::new().call("call_s", "Sum", THREE),
        "call final" => Answer::new().call("call_f", "final_result", THREE),
        "think" => Answer::new().reasoning(["hm, ", "yes"], "hidden").then_text(["Yes."]),
        "add up" => Answer::text(THREE),
        "picture" => Answer::text(["A cat."]),
        "too long" => Answer::text(["On and on"]).incomplete("max_output_tokens"),
        "large" => Answer::text(["Fine."]),
        "break off" => Answer::text(["Hel", "lo"]).cut_after(1),
        "refuse" => Answer::new().whole_item(json!({"type": "message", "id": "msg_0", "role": "assistant",
            "status": "completed", "content": [{"type": "refusal", "refusal": "I won't."}]})),
        _ => Answer::text(["Hel", "lo"]).stall_after(1),
    }
}

pub fn of_anthropic(word: &str) -> anthropic::Answer {
    use anthropic::Answer;
    let start = json!({"input_tokens": 6, "cache_read_input_tokens": 4, "output_tokens": 1});
    match word {
        "round trip" => Answer::text(["It rains."]),
        "go on" => Answer::new().tool_use("call_c", "weather", ROME),
        "greet" => {
            Answer::text(["Hello", ", ", "world"]).usage_details(start, json!({"output_tokens": 5})).model("m-2026")
        }
        "unicode" => Answer::text(UNICODE),
        "call tools" => {
            Answer::text(["Let me see."]).tool_use("call_a", "weather", OSLO).tool_use("call_b", "weather", BERGEN)
        }
        "call clock" => Answer::new().tool_use("call_n", "clock", []),
        "call Sum" => Answer::new().tool_use("call_s", "Sum", THREE),
        "call final" => Answer::new().tool_use("call_f", "final_result", THREE),
        "think" => Answer::new().thinking(["hm, ", "yes"], "sig").then_text(["Yes."]),
        "add up" => Answer::text(THREE),
        "picture" => Answer::text(["A cat."]),
        "too long" => Answer::text(["On and on"]).stop_reason("max_tokens"),
        "large" => Answer::text(["Fine."]),
        "break off" => Answer::text(["Hel", "lo"]).cut_after(1),
        "refuse" => Answer::text(["I ", "won't."]).stop_reason("refusal"),
        _ => Answer::text(["Hel", "lo"]).stall_after(1),
    }
}
