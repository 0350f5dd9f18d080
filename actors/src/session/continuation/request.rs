//! What is asked of a model that is to go on with an answer.

use greenroom_providers::ModelInfo;
use greenroom_wire::{
    ChatRequest, Message, Part, Role,
    chat::{Extra, ResponseFormat},
};

use super::{How, tokens_of};

/// What a model is told that can't be given the beginning of its answer.
const GO_ON: &str = "Your answer above was cut off by a technical fault; it stands there exactly as far as it came. \
Go on from its very last character. Write only what comes next, without repeating any of it, without an introduction, \
an apology or a comment, in the same language and format. If it breaks off within a word, a sentence or a block of \
code, end that first; begin with a space only if the next character is one.";

/// How this model is made to go on.
pub(crate) fn how_to_go_on(model: &ModelInfo, thinks: bool, prefill_refused: bool) -> How {
    // A model that thinks begins its answer with thinking, and so can't be given the beginning.
    if model.prefill == Some(true) && !thinks && !prefill_refused { How::Prefilled } else { How::Asked }
}

/// Whether the answer can't be continued, whatever was shown: there are several at once.
pub(crate) fn must_stay_whole(request: &ChatRequest) -> bool {
    request.extra.iter().any(|extra| extra.path == "/n" && extra.json.as_u64().is_none_or(|n| n > 1))
}

/// Whether the answer is to be JSON as a whole.
pub(crate) fn is_json_asked(request: &ChatRequest) -> bool {
    matches!(request.response_format, Some(ResponseFormat::JsonObject | ResponseFormat::JsonSchema { .. }))
}

/// The request that has a model go on after `shown`; with it, about how many bytes more the prompt has.
///
/// The form of the answer is left out: what comes next is no whole of that form. The bound on tokens is less by what was
/// shown. All before stays the same, so that prompt caches hit.
pub(crate) fn continuing(request: &ChatRequest, shown: &str, how: How) -> (ChatRequest, usize) {
    let mut request = request.clone();
    request.response_format = None;
    request.extra.retain(|Extra { path, .. }| !path.starts_with("/response_format"));
    request.max_tokens = request.max_tokens.map(|most| most.saturating_sub(tokens_of(shown.len())).max(1));
    let shown = match how {
        How::Prefilled => shown.trim_end(),
        How::Asked => shown,
    };
    let mut more = shown.len();
    match request.messages.last_mut() {
        // The caller had given the beginning of the answer already.
        Some(last) if last.role == Role::Assistant => match last.parts.last_mut() {
            Some(Part::Text { text }) => text.push_str(shown),
            _ => last.parts.push(Part::text(shown)),
        },
        _ => request.messages.push(Message::text(Role::Assistant, shown)),
    }
    if how == How::Asked {
        request.messages.push(Message::user(GO_ON));
        more += GO_ON.len();
    }
    (request, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ChatRequest {
        ChatRequest {
            messages: vec![Message::user("Count.")],
            response_format: Some(ResponseFormat::JsonObject),
            max_tokens: Some(100),
            ..ChatRequest::default()
        }
    }

    #[test]
    fn a_prefill_ends_in_no_whitespace_and_a_question_shows_all() {
        let (prefilled, _) = continuing(&request(), "one, two, ", How::Prefilled);
        assert_eq!(prefilled.messages[1..], [Message::text(Role::Assistant, "one, two,")]);
        let (asked, more) = continuing(&request(), "one, two, ", How::Asked);
        assert_eq!(asked.messages[1], Message::text(Role::Assistant, "one, two, "));
        assert_eq!((asked.messages[2].role, asked.messages.len()), (Role::User, 3));
        assert!(more > 10);
        for continued in [prefilled, asked] {
            assert_eq!((continued.response_format, continued.max_tokens), (None, Some(97)));
            assert_eq!(continued.messages[0], Message::user("Count."), "the prefix stays");
        }
    }

    #[test]
    fn the_beginning_that_the_caller_gave_stays_one_message() {
        let mut begun = request();
        begun.messages.push(Message::text(Role::Assistant, "{\"a\":"));
        let (continued, _) = continuing(&begun, " 1", How::Prefilled);
        assert_eq!(continued.messages[1..], [Message::text(Role::Assistant, "{\"a\": 1")]);
    }

    #[test]
    fn several_answers_at_once_stay_whole() {
        let asking = |json| {
            let n = Extra { wire: greenroom_wire::chat::Wire::OpenaiChat, path: "/n".into(), json };
            must_stay_whole(&ChatRequest { extra: vec![n], ..request() })
        };
        assert!(asking(2.into()) && !asking(1.into()) && !must_stay_whole(&request()));
    }

    #[test]
    fn one_that_thinks_or_refused_it_is_asked() {
        let model = |prefill| ModelInfo { prefill, ..ModelInfo::named("m") };
        assert_eq!(how_to_go_on(&model(Some(true)), false, false), How::Prefilled);
        assert_eq!(how_to_go_on(&model(Some(true)), true, false), How::Asked);
        assert_eq!(how_to_go_on(&model(Some(true)), false, true), How::Asked);
        assert_eq!(how_to_go_on(&model(None), false, false), How::Asked);
    }
}
