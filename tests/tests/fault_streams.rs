//! Answers that break, or that are written otherwise than the wires say.

mod fault_support;

use fault_support::Sees::{Breaks, Fails, GoesOn, Second};
use fault_support::http_support::{Greenroom, ask};
use fault_support::wire::{BEGUN, joined};
use fault_support::{Fault, Mark, Wire, play, server};
use greenroom_tests::Attempt;

const BROKEN: fault_support::Sees = Fails(502, "server_error", "provider_broke_off", &["protocol", "protocol"]);
const UNREACHABLE: fault_support::Sees = Fails(502, "server_error", "provider_unreachable", &["network", "network"]);

fn broken_midway(name: &'static str, plays: impl Fn(Wire) -> Attempt + Send + Sync + 'static) -> Fault {
    Fault::new(name, move |wire| wire.recovering(plays(wire))).alone(GoesOn { attempts: 2 }, 2, Mark::None).with_other(
        GoesOn { attempts: 2 },
        1,
        Mark::None,
    )
}

/// No answer, and none when it is asked once more; another is asked before that.
fn no_answer(name: &'static str, plays: impl Fn(Wire) -> Attempt + Send + Sync + 'static) -> Fault {
    Fault::always(name, plays).alone(BROKEN, 2, Mark::Model("protocol", 5, 5)).with_other(Second, 1, Mark::None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_midway_goes_on_from_there() {
    let faults = vec![
        broken_midway("it is cut", |wire| wire.begun().cut()),
        broken_midway("it is cut within an event", |wire| {
            let event = wire.delta("more");
            wire.begun().send(&event[..event.len() / 2]).cut()
        }),
        broken_midway("its body ends in good order, but not the answer", |wire| wire.begun().end()),
        broken_midway("its connection is reset", |wire| {
            wire.begun().wait(std::time::Duration::from_millis(300)).reset()
        }),
        broken_midway("an event is no JSON", |wire| wire.with_midway(Attempt::new().send("data: {oops\n\n"))),
        broken_midway("an event of a known kind has a shape that is not its own", |wire| {
            let event = match wire {
                Wire::OpenAi => "{\"choices\":7}",
                Wire::Anthropic => {
                    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":7}}"
                }
            };
            wire.with_midway(Attempt::new().send(wire.event(event)))
        }),
        broken_midway("a piece of text is no UTF-8", |wire| {
            let mut event = wire.delta("a?b").into_bytes();
            let at = event.windows(3).position(|window| window == b"a?b").unwrap_or_default() + 1;
            event[at] = 0xff;
            wire.with_midway(Attempt::new().send(event))
        }),
        broken_midway("bytes that look like nothing follow", |wire| {
            wire.begun().raw("zz\r\nno chunk at all\r\n").stall()
        }),
    ];
    play(faults, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_within_an_answer_is_gone_on_from() {
    let said = |name, status, again| {
        let fault =
            broken_midway(name, move |wire| wire.broken_by(Attempt::new().send(wire.event(&wire.error_body(status)))));
        fault.with_other(GoesOn { attempts: 2 }, again, Mark::None)
    };
    let faults = vec![
        // The next one goes on, and the one that failed is not asked before.
        said("it fails", 500, 1),
        Fault::always("an error that stays breaks the answer off", |wire| {
            wire.broken_by(Attempt::new().send(wire.event(&wire.error_body(500))))
        })
        .alone(Breaks(502, "server_error", "provider_failed", &["server", "server"]), 2, Mark::Model("server", 5, 5))
        .with_other(GoesOn { attempts: 2 }, 1, Mark::None)
        .told("it broke here"),
    ];
    play(faults, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_not_taken_for_one() {
    let json = |body: String| Attempt::new().status(200).header("content-type", "application/json").body(body);
    let events = |body: String| Attempt::new().status(200).header("content-type", "text/event-stream").send(body);
    let fails = |name, plays: Box<dyn Fn(Wire) -> Attempt + Send + Sync>| {
        Fault::always(name, plays)
            .alone(Fails(502, "server_error", "provider_failed", &["server", "server"]), 2, Mark::Model("server", 5, 5))
            .with_other(Second, 2, Mark::Model("server", 5, 5))
            .told("it broke here")
    };
    let faults = vec![
        fails("an error under status 200", Box::new(move |wire| json(wire.error_body(500)))),
        fails("an error as the only event", Box::new(move |wire| events(wire.event(&wire.error_body(500))))),
        fails(
            "an error after the prompt was counted, which is not added",
            Box::new(|wire| joined(wire.opened(), Attempt::new().send(wire.event(&wire.error_body(500))))),
        ),
        Fault::always("a limit under status 200", move |wire| json(wire.error_body(429)))
            .alone(
                Fails(429, "rate_limit_error", "rate_limit_exceeded", &["rate_limited"]),
                1,
                Mark::Model("rate_limited", 30, 30),
            )
            .with_other(Second, 1, Mark::Model("rate_limited", 30, 30)),
        no_answer("an empty body", |_| Attempt::new().status(200).header("content-type", "text/event-stream").end()),
        no_answer("an empty body of JSON", |_| Attempt::new().header("content-type", "application/json").body("")),
        no_answer("status 204", |_| Attempt::new().status(204)),
        no_answer("a page", |_| Attempt::new().header("content-type", "text/html").body("<html>Sign in</html>"))
            .told("HTML"),
        no_answer("an end marker alone", |wire| match wire {
            Wire::OpenAi => events_of("data: [DONE]\n\n"),
            Wire::Anthropic => events_of("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        }),
        Fault::always("a connection that breaks before a byte", |_| Attempt::reset_at_once())
            .alone(UNREACHABLE, 2, Mark::Model("network", 5, 5))
            .with_other(Second, 2, Mark::Model("network", 5, 5)),
        Fault::always("a connection that closes before a byte", |_| Attempt::new().cut())
            .alone(UNREACHABLE, 2, Mark::Model("network", 5, 5))
            .with_other(Second, 2, Mark::Model("network", 5, 5)),
        Fault::always("an answer in no language of HTTP", |_| Attempt::new().raw("SSH-2.0-OpenSSH_9.6\r\n").cut())
            .alone(UNREACHABLE, 2, Mark::Model("network", 5, 5))
            .with_other(Second, 2, Mark::Model("network", 5, 5)),
    ];
    play(faults, "").await;
}

fn events_of(body: &str) -> Attempt {
    Attempt::new().header("content-type", "text/event-stream").send(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_harms_nothing_is_not_noticed() {
    let under = |name, kind: Option<&'static str>| {
        Fault::always(name, move |wire| {
            let mut attempt = wire.good();
            attempt.steps.remove(0);
            let head = Attempt::new().status(200);
            joined(kind.map_or(head.clone(), |kind| head.header("content-type", kind)), attempt)
        })
    };
    let faults = vec![
        Fault::always("an answer that is fine", Wire::good),
        Fault::always("an answer that comes whole though a stream was asked for", Wire::whole),
        Fault::always("an event that nobody knows", |wire| {
            let events = "event: weather\ndata: {\"type\":\"weather\",\"sun\":true}\n\n: a comment\n\nretry: 10\n\n";
            wire.with_midway(Attempt::new().send(events))
        }),
        Fault::always("an end marker that is missing", |wire| {
            let mut attempt = wire.good();
            attempt.steps.pop();
            attempt.end()
        }),
        Fault::always("a connection that breaks once all was said", |wire| wire.good().reset()),
        Fault::always("a finish that is said twice", |wire| {
            let mut attempt = wire.good();
            // Before the usage and the end on one wire, before the end on the other.
            let finish = attempt.steps[attempt.steps.len() - if wire == Wire::OpenAi { 3 } else { 2 }].clone();
            let at = attempt.steps.len() - 1;
            attempt.steps.insert(at, finish);
            attempt
        }),
        Fault::always("text after the end", |wire| {
            wire.good().send(wire.delta("and one more thing")).send("data: {oops\n\n")
        }),
        Fault::always("text in one write with the end, after it", |wire| {
            let body = fault_support::wire::body_of(&wire.good());
            let mut body = String::from_utf8(body).unwrap_or_default();
            body.push_str(&wire.delta("and one more thing"));
            events_of(&body)
        }),
        Fault::always("responses that go before the real one", |wire| {
            let interim = Attempt::new().status(103).header("link", "</style.css>; rel=preload").status(102);
            joined(interim, wire.good())
        }),
        Fault::always("a body in pieces of a byte", |wire| wire.good().in_pieces_of(1)),
        under("a stream that is called text", Some("text/plain; charset=utf-8")),
        under("a stream that is called bytes", Some("application/octet-stream")),
        under("a stream that is called nothing", None),
        under("a stream that is called JSON", Some("application/json")),
        Fault::always("a whole answer that is called a stream", |wire| {
            let body = fault_support::wire::body_of(&wire.whole());
            Attempt::new().header("content-type", "text/event-stream").body(body)
        }),
        Fault::always("a body of HTTP/1.0, to the end of the connection", |wire| {
            let body = fault_support::wire::body_of(&wire.good());
            Attempt::new().raw("HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").raw(body)
        }),
    ];
    play(faults, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_beginning_of_an_answer_is_taken_back_where_it_is_not_taken() {
    let faults = vec![
        Fault::new("who does not take a beginning is asked in words", |wire| wire.recovering(wire.begun().cut()))
            .prefilling(Wire::refusing_prefill, 2)
            .alone(GoesOn { attempts: 2 }, 2, Mark::None)
            .with_other(GoesOn { attempts: 3 }, 1, Mark::None),
        Fault::new("who takes a beginning is given it", |wire| wire.recovering(wire.begun().cut()))
            .prefilling(
                |wire| {
                    let mut attempts = wire.refusing_prefill();
                    attempts[0].when = Some(greenroom_tests::When::body_contains(BEGUN.trim_end()));
                    attempts
                },
                1,
            )
            .alone(GoesOn { attempts: 2 }, 2, Mark::None)
            .with_other(GoesOn { attempts: 2 }, 1, Mark::None),
    ];
    play(faults, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_attempt_used_is_not_told_for_the_answer() {
    for wire in [Wire::OpenAi, Wire::Anthropic] {
        // It counts the prompt, and fails.
        let usage = Attempt::new().send(wire.event(match wire {
            Wire::OpenAi => r#"{"choices":[],"usage":{"prompt_tokens":31,"completion_tokens":7}}"#,
            Wire::Anthropic => r#"{"type":"ping"}"#,
        }));
        let error = Attempt::new().send(wire.event(&wire.error_body(529)));
        let first = server(wire, vec![joined(joined(wire.opened(), usage), error).always()]).await;
        let answer = greenroom_tests::openai::Answer::text(["Uncounted."]).without_usage();
        let second = server(Wire::OpenAi, vec![answer.stream().always()]).await;
        let sections = wire.section("first", &first.url()) + &Wire::OpenAi.section("second", &second.url());
        let config = format!("{sections}[models.aliases]\nsmart = [\"first/m1\", \"second/m1\"]\n");
        let greenroom = Greenroom::start(&config).await;
        let answer = greenroom.api.chat(&ask("smart")).await.json();
        assert_eq!(answer["choices"][0]["message"]["content"], "Uncounted.");
        assert_ne!(answer["usage"]["prompt_tokens"], 31, "{wire:?}: {answer}");
    }
}
