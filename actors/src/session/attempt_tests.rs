use greenroom_wire::chat::ThinkingRequest;

use super::*;
use crate::{
    handle::Handle,
    session::{RequestDefaults, Timeouts},
};

const SECOND: Duration = Duration::from_secs(1);

fn provider() -> ProviderRef {
    let timeouts = Timeouts {
        first_token: 12 * SECOND,
        first_token_per_10k: SECOND,
        first_token_alone: 120 * SECOND,
        idle: 30 * SECOND,
        idle_reasoning: 121 * SECOND,
        silent: 119 * SECOND,
    };
    let defaults = RequestDefaults::default();
    ProviderRef { handle: Handle::new(), timeouts, local: false, queue_wait: SECOND, defaults }
}

fn asking(enabled: Option<bool>, effort: Option<&str>) -> ChatRequest {
    let thinking = ThinkingRequest { enabled, budget: None, effort: effort.map(str::to_owned) };
    ChatRequest { thinking: Some(thinking), ..ChatRequest::default() }
}

#[test]
fn one_that_may_think_is_given_the_time_to() {
    let model = |reasoning, reasoning_always| ModelInfo { reasoning, reasoning_always, ..ModelInfo::named("m") };
    let (plain, yes) = (ChatRequest::default(), Some(true));
    for (model, request, thinks) in [
        (model(None, None), &plain, false),
        (model(Some(false), None), &plain, false),
        (model(yes, None), &plain, true),
        (model(yes, yes), &asking(Some(false), None), true),
        (model(yes, Some(false)), &plain, false),
        (model(yes, Some(false)), &asking(Some(true), None), true),
        (model(yes, Some(false)), &asking(None, Some("low")), true),
        (model(yes, Some(false)), &asking(Some(false), Some("low")), false),
    ] {
        let deadlines = deadlines(&provider(), &model, request, true, 20_000);
        let expected = if thinks { (120 * SECOND, 121 * SECOND) } else { (14 * SECOND, 30 * SECOND) };
        assert_eq!((deadlines.first_content, deadlines.idle), expected, "{model:?} {:?}", request.thinking);
    }
}
