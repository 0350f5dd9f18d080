use greenroom_providers::{ModelInfo, Price};
use greenroom_wire::{
    Usage,
    chat::{Extra, Wire},
};
use serde_json::json;

use super::*;

fn candidate(provider: &str) -> Candidate {
    Candidate { provider: provider.into(), model: ModelInfo::named("m") }
}

fn text(delta: &str) -> ChatEvent {
    ChatEvent::Text { delta: delta.to_owned() }
}

fn call(index: u32) -> ChatEvent {
    ChatEvent::ToolCallStarted { index, id: format!("c{index}"), name: "f".into(), kind: Default::default() }
}

fn finished() -> ChatEvent {
    ChatEvent::Finished { reason: FinishReason::Stop }
}

/// An answer of which one attempt has shown these and was cut; the next is asked to go on.
fn cut_after(log: &Arc<OpenLog>, room: usize, events: impl IntoIterator<Item = ChatEvent>) -> Answering {
    let mut answering = Answering::new(Arc::clone(log), 1, room);
    answering.begin(attempt(&candidate("a"), 1, None));
    assert_eq!(take(&mut answering, events), ControlFlow::Continue(()));
    answering.cut();
    answering.drop_half_made();
    answering.begin(attempt(&candidate("b"), 2, Some(GoesOn { how: How::Asked, more: 400 })));
    answering
}

fn attempt(candidate: &Candidate, count: u32, goes_on: Option<GoesOn>) -> Begin<'_> {
    Begin { candidate, profile: "p".into(), count, goes_on }
}

/// What the attempt that began last says.
fn take(answering: &mut Answering, events: impl IntoIterator<Item = ChatEvent>) -> SinkState {
    let lane = answering.attempts.last().unwrap().lane;
    take_of(answering, lane, events)
}

fn take_of(answering: &mut Answering, lane: Lane, events: impl IntoIterator<Item = ChatEvent>) -> SinkState {
    answering.take(lane, &mut events.into_iter().collect())
}

/// The log in short, without what was used.
fn told(log: &OpenLog) -> Vec<String> {
    log.with(|log| {
        let short = log.iter().filter_map(|(_, body)| match body {
            EventBody::Route { provider, .. } => Some(format!("by {provider}")),
            EventBody::ToolCall { index, id, .. } => Some(format!("call {index} {id}")),
            EventBody::ToolCallDropped { index } => Some(format!("dropped {index}")),
            EventBody::TurnFinished { reason } => Some(format!("{reason:?}")),
            EventBody::Failover { from, to, .. } => Some(format!("{from} -> {to}")),
            EventBody::Extra(extra) => Some(extra.path.clone()),
            body => body.delta().cloned(),
        });
        short.collect()
    })
}

const SHOWN: &str = "It stands on the hill above the old harbour. ";

#[test]
fn what_is_held_back_of_a_text_comes_before_the_call_that_follows_it() {
    let log = OpenLog::new();
    let mut answering = cut_after(&log, 1000, [text(SHOWN)]);
    // It may be the beginning of a repeat until the call says that it is none.
    assert_eq!(take(&mut answering, [text("It stands")]), ControlFlow::Continue(()));
    assert_eq!(told(&log), ["by a", SHOWN]);
    assert_eq!(take(&mut answering, [call(0)]), ControlFlow::Continue(()));
    assert_eq!(told(&log), ["by a", SHOWN, "by b", "It stands", "call 0 c0"]);
}

#[test]
fn calls_of_a_later_attempt_are_numbered_after_those_before() {
    let log = OpenLog::new();
    let mut answering = cut_after(&log, 1000, [text(SHOWN), call(0), call(1)]);
    let _more = take(&mut answering, [call(0), ChatEvent::ToolCallArgs { index: 0, delta: "{}".into() }]);
    let want = ["by a", SHOWN, "call 0 c0", "call 1 c1", "dropped 0", "dropped 1", "by b", "call 2 c0", "{}"];
    assert_eq!(told(&log), want);
}

#[test]
fn one_that_does_not_fit_leaves_nothing_and_asks_to_stop() {
    let log = OpenLog::new();
    let mut answering = cut_after(&log, 1000, [text(SHOWN)]);
    assert_eq!(take(&mut answering, [text("It stands on the hill above the sea")]), ControlFlow::Break(()));
    assert!(answering.diverged());
    assert_eq!(told(&log), ["by a", SHOWN]);
    let mut answering = cut_after(&OpenLog::new(), 1000, [text(SHOWN)]);
    assert_eq!(take(&mut answering, [text(&SHOWN[..30]), finished()]), ControlFlow::Break(()), "or ends too early");
}

#[test]
fn the_bound_is_of_the_whole_answer() {
    let log = OpenLog::new();
    let mut answering = cut_after(&log, SHOWN.len() + 5, [text(SHOWN)]);
    assert_eq!(take(&mut answering, [text("Zwölf")]), ControlFlow::Break(()));
    assert!(!answering.diverged());
    let last = EventBody::TurnFinished { reason: answering.reason() };
    answering.end(matches!(last, EventBody::TurnFinished { .. }), Some(last));
    assert_eq!(told(&log), ["by a", SHOWN, "by b", "Zwöl", "Length"]);
}

#[test]
fn an_attempt_that_never_spoke_leaves_nothing() {
    let log = OpenLog::new();
    let mut answering = cut_after(&log, 1000, [text(SHOWN)]);
    let extra = Extra { wire: Wire::OpenaiChat, path: "/x".into(), json: json!(1) };
    let usage = Usage { input: 1, output: 1, ..Usage::default() };
    let _more = take(&mut answering, [ChatEvent::Extra(extra), ChatEvent::Usage(usage)]);
    answering.cut();
    answering.begin(attempt(&candidate("c"), 3, Some(GoesOn { how: How::Asked, more: 400 })));
    let usage = Usage { input: 300, output: 7, ..Usage::default() };
    let _end = take(&mut answering, [text("Yes."), ChatEvent::Usage(usage), finished()]);
    let last = EventBody::TurnFinished { reason: answering.reason() };
    answering.end(matches!(last, EventBody::TurnFinished { .. }), Some(last));
    assert_eq!(told(&log), ["by a", SHOWN, "by c", "Yes.", "Stop"]);
    let used = log.with(|log| {
        log.iter().find_map(|(_, body)| match body {
            EventBody::Usage(usage) => Some(usage.clone()),
            _ => None,
        })
    });
    let shown = SHOWN.len().div_ceil(4) as u64;
    assert_eq!(used, Some(Usage { input: 200, output: 7 + shown, ..Usage::default() }));
}

#[test]
fn what_was_used_says_its_cost_by_the_price_unless_the_provider_did() {
    let cost = |price: Option<Price>, told: Option<u64>| {
        let log = OpenLog::new();
        let mut answering = Answering::new(Arc::clone(&log), 1, 1000);
        let candidate = Candidate { provider: "a".into(), model: ModelInfo { price, ..ModelInfo::named("m") } };
        answering.begin(attempt(&candidate, 1, None));
        let usage = Usage { input: 1000, output: 500, cost: told, ..Usage::default() };
        let _end = take(&mut answering, [text("Yes."), ChatEvent::Usage(usage), finished()]);
        answering.end(true, None);
        log.with(|log| {
            log.iter().find_map(|(_, body)| match body {
                EventBody::Usage(usage) => Some(usage.cost),
                _ => None,
            })
        })
    };
    assert_eq!(cost(Some(Price::flat(1.0, 2.0)), None), Some(Some(2_000_000_000)), "$0.002");
    assert_eq!(cost(Some(Price::flat(1.0, 2.0)), Some(7)), Some(Some(7)));
    assert_eq!(cost(Some(Price::flat(0.0, 0.0)), None), Some(Some(0)), "what is free costs nothing");
    assert_eq!(cost(None, None), Some(None), "an unknown price is not nothing");
}

fn extra(path: &str) -> ChatEvent {
    ChatEvent::Extra(Extra { wire: Wire::OpenaiChat, path: path.into(), json: json!(1) })
}

#[test]
fn of_two_that_race_the_first_to_speak_gives_the_answer_and_the_other_none_of_it() {
    for first_wins in [true, false] {
        let log = OpenLog::new();
        let mut answering = Answering::new(Arc::clone(&log), 1, 1000);
        let first = answering.begin(attempt(&candidate("a"), 1, None));
        let handed_on =
            EventBody::Failover { from: "a".into(), to: "b".into(), kind: greenroom_wire::ErrorKind::Timeout };
        let beside = answering.begin_beside(attempt(&candidate("b"), 2, None), handed_on);
        for (lane, path) in [(first, "/a"), (beside, "/b")] {
            assert_eq!(take_of(&mut answering, lane, [extra(path)]), ControlFlow::Continue(()));
        }
        assert_eq!((answering.decided(), told(&log)), (None, vec![]));
        let (winner, loser) = if first_wins { (first, beside) } else { (beside, first) };
        let go_on = ControlFlow::Continue(());
        assert_eq!(take_of(&mut answering, winner, [text("yes")]), go_on);
        assert_eq!(answering.decided(), Some(winner));
        assert_eq!(take_of(&mut answering, loser, [extra("/late")]), go_on);
        assert_eq!(take_of(&mut answering, loser, [text("no")]), ControlFlow::Break(()));
        assert_eq!(take_of(&mut answering, winner, [text("!"), finished()]), go_on);
        let last = EventBody::TurnFinished { reason: answering.reason() };
        answering.end(matches!(last, EventBody::TurnFinished { .. }), Some(last));
        let want = if first_wins {
            ["by a", "/a", "yes", "!", "Stop"].to_vec()
        } else {
            ["a -> b", "by b", "/b", "yes", "!", "Stop"].to_vec()
        };
        assert_eq!(told(&log).concat(), want.concat());
    }
}

#[test]
fn one_that_outlives_its_race_says_nothing_in_a_later_attempt() {
    let log = OpenLog::new();
    let mut answering = Answering::new(Arc::clone(&log), 1, 1000);
    let old = answering.begin(attempt(&candidate("a"), 1, None));
    answering.begin(attempt(&candidate("b"), 2, None));
    assert_eq!(take_of(&mut answering, old, [extra("/old")]), ControlFlow::Continue(()));
    assert_eq!(take_of(&mut answering, old, [text("old")]), ControlFlow::Break(()));
    assert_eq!((told(&log), answering.decided()), (vec![], None));
}

#[test]
fn the_route_says_what_is_known_of_the_prompt_and_the_end_what_was_used_in_all() {
    let used = |input, output| Usage { input, output, ..Usage::default() };
    let log = OpenLog::new();
    let mut answering = cut_after(&log, 1000, [ChatEvent::Usage(used(5, 1)), text(SHOWN)]);
    let _more =
        take(&mut answering, [ChatEvent::Usage(used(90, 1)), text("And"), ChatEvent::Usage(used(90, 3)), finished()]);
    answering.end(true, Some(EventBody::TurnFinished { reason: FinishReason::Stop }));
    let (mut prompts, mut usages) = (Vec::new(), Vec::new());
    log.with(|log| {
        for (_, body) in log.iter() {
            match body {
                EventBody::Route { prompt, .. } => prompts.push(prompt.clone()),
                EventBody::Usage(usage) => usages.push(usage.input),
                _ => {}
            }
        }
    });
    assert_eq!(prompts, [used(5, 1), Usage::default()], "the prompt of one that goes on is not the answer's");
    assert_eq!(usages, [5], "what is used is said once");
}
