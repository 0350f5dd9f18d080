//! Providers that say nothing, or too little: how long they are waited for, and that heartbeats are no answer.

mod fault_support;

use std::time::Duration;

use fault_support::Sees::{Breaks, Fails, First, GoesOn, Second};
use fault_support::wire::joined;
use fault_support::{Fault, Mark, Reach, Wire, play};
use greenroom_tests::Attempt;

const TIMES_OUT: fault_support::Sees = Fails(504, "timeout_error", "timeout", &["timeout"]);
/// How long a provider is waited for that will not answer.
const SHORT: &str = "400ms";
/// The time-outs of a provider that begins and then falls silent: a busy machine must not make the beginning late.
const ONCE_BEGUN: &str = "idle = \"400ms\", idle_reasoning = \"400ms\"";

/// Sends these bytes one by one, for ever.
fn dripping(bytes: &str) -> Attempt {
    let drops = bytes
        .chars()
        .fold(Attempt::new(), |attempt, byte| attempt.send(byte.to_string()).wait(Duration::from_millis(15)));
    Attempt::new().repeat(10_000, drops)
}

fn silent(name: &'static str, plays: impl Fn(Wire) -> Attempt + Send + Sync + 'static) -> Fault {
    Fault::always(name, plays)
        .waited_for(SHORT)
        .alone(TIMES_OUT, 1, Mark::None)
        .with_other(Second, 1, Mark::None)
        .told("within 0.400 s")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_begin_is_asked_once_and_handed_on() {
    let faults = vec![
        silent("no answer at all", |_| Attempt::silent()),
        silent("a head and no body", |_| {
            Attempt::new().status(200).header("content-type", "text/event-stream").stall()
        }),
        silent("an answer that is opened and never begun", |wire| wire.opened().stall()),
        silent("a body that is announced whole and does not come", |_| {
            Attempt::new().header("content-type", "application/json").header("content-length", "1000").stall()
        }),
        Fault::always("an error whose body does not come is still an error of its status", |_| {
            Attempt::new().status(500).header("content-length", "1000").stall()
        })
        // Its status is what counts, so that must have come in time on a busy machine too.
        .waited_for("3s")
        .alone(Fails(502, "server_error", "provider_failed", &["server", "server"]), 2, Mark::Model("server", 5, 5))
        .with_other(Second, 2, Mark::Model("server", 5, 5)),
        silent("a head that drips in, byte by byte", |_| {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
            let more = "x-more: and more\r\n".repeat(40);
            (head.to_owned() + &more)
                .chars()
                .fold(Attempt::new(), |attempt, byte| attempt.raw(byte.to_string()).wait(Duration::from_millis(15)))
        }),
        silent("heartbeats that drip in are no answer", |wire| joined(wire.opened(), dripping(": still here\n\n"))),
        silent("pings are no answer", |wire| {
            let ping = match wire {
                Wire::OpenAi => ": ping\n\n".to_owned(),
                Wire::Anthropic => wire.event("{\"type\":\"ping\"}"),
            };
            wire.opened().repeat(10_000, Attempt::new().send(ping).wait(Duration::from_millis(20)))
        }),
        silent("a flood of heartbeats is no answer", |wire| {
            wire.opened().repeat(u32::MAX, Attempt::new().send(": x\n\n".repeat(1000)))
        }),
        Fault::new("a slow beginning is handed on where another could answer, and else waited for", |wire| {
            vec![joined(wire.opened().wait(Duration::from_millis(1500)), {
                let mut text = wire.good();
                text.steps.drain(..wire.opened().steps.len());
                text
            })]
        })
        .reached(Reach::Far)
        .timeouts("first_token = \"400ms\"")
        .alone(First, 1, Mark::None)
        .with_other(Second, 1, Mark::None),
    ];
    play(faults, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_silent_midway_is_gone_on_for() {
    let stalls = |name, timeouts, plays: fn(Wire) -> Attempt| {
        Fault::new(name, move |wire| wire.recovering(plays(wire)))
            .timeouts(timeouts)
            .alone(GoesOn { attempts: 2 }, 2, Mark::None)
            .with_other(GoesOn { attempts: 2 }, 1, Mark::None)
    };
    let heartbeats_alone = "silent = \"600ms\"";
    let faults = vec![
        stalls("nothing more comes", ONCE_BEGUN, |wire| wire.begun().stall()),
        stalls("only heartbeats come", heartbeats_alone, |wire| joined(wire.begun(), dripping(": still here\n\n"))),
        stalls("half an event comes", ONCE_BEGUN, |wire| {
            let event = wire.delta("more");
            wire.begun().send(&event[..event.len() / 2]).stall()
        }),
        Fault::new("heartbeats keep an answer that pauses from being given up", |wire| {
            let heartbeats = Attempt::new().repeat(30, Attempt::new().send(": x\n\n").wait(Duration::from_millis(100)));
            vec![wire.with_midway(heartbeats)]
        })
        .timeouts("idle = \"2s\", idle_reasoning = \"2s\""),
        Fault::new("an end marker that does not come is not waited for", |wire| {
            let mut attempt = wire.good();
            attempt.steps.pop();
            vec![attempt.stall().always()]
        }),
    ];
    play(faults, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_silent_again_and_again_ends_in_one_error() {
    let faults = vec![
        Fault::always("what was shown stays, and the error follows it", |wire| wire.begun().stall())
            .timeouts(ONCE_BEGUN)
            .alone(Breaks(504, "timeout_error", "timeout", &["timeout", "timeout"]), 2, Mark::Model("timeout", 5, 5))
            .with_other(GoesOn { attempts: 2 }, 1, Mark::None)
            .told("nothing more within 0.400 s"),
    ];
    play(faults, "").await;
}
