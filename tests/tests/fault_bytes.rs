//! Bodies that are compressed, and answers without end: nothing of them is believed or kept without bound.

mod fault_support;

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use fault_support::Sees::{Fails, GoesOn, Length, Second};
use fault_support::http_support::Greenroom;
use fault_support::wire::{body_of, joined};
use fault_support::{Fault, Mark, Wire, play};
use flate2::Compression;
use flate2::write::GzEncoder;
use greenroom_tests::{Attempt, Step};

const BROKEN: fault_support::Sees = Fails(502, "server_error", "provider_broke_off", &["protocol", "protocol"]);
const UNREACHABLE: fault_support::Sees = Fails(502, "server_error", "provider_unreachable", &["network", "network"]);

/// Between pieces of what has no end and no bound in bytes: a machine with two cores has more to do.
const PACE: Duration = Duration::from_millis(10);

/// The answer's body compressed, each piece of it flushed, as a server does that streams.
fn gzipped(attempt: &Attempt) -> Attempt {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut compressed = Attempt::new();
    for step in &attempt.steps {
        let (Step::Send(piece) | Step::Body(piece)) = step else {
            compressed = compressed.step(step.clone());
            continue;
        };
        encoder.write_all(piece.as_bytes()).expect("memory takes all");
        encoder.flush().expect("memory takes all");
        compressed = compressed.send(std::mem::take(encoder.get_mut()));
    }
    compressed.header("content-encoding", "gzip").send(encoder.finish().expect("memory takes all"))
}

fn gzip_head(kind: &str) -> Attempt {
    Attempt::new().header("content-type", kind).header("content-encoding", "gzip")
}

/// The most memory that the daemon ever had, in MiB, where the system tells.
fn most_memory(greenroom: &Greenroom) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", greenroom.daemon.pid())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_answer_is_read_and_a_broken_one_is_gone_on_from() {
    let no_answer = |name, plays: fn(Wire) -> Attempt| {
        Fault::always(name, plays).alone(BROKEN, 2, Mark::Model("protocol", 5, 5)).with_other(Second, 1, Mark::None)
    };
    let faults = vec![
        Fault::always("a stream that is compressed", |wire| gzipped(&wire.good())),
        Fault::always("a stream that is compressed, byte by byte", |wire| gzipped(&wire.good()).in_pieces_of(1)),
        Fault::always("a whole answer that is compressed", |wire| gzipped(&wire.whole())),
        Fault::new("a compressed stream that is cut", |wire| {
            let mut begun = gzipped(&wire.begun());
            // What ends the compression.
            begun.steps.pop();
            wire.recovering(begun.cut())
        })
        .alone(GoesOn { attempts: 2 }, 2, Mark::None)
        .with_other(GoesOn { attempts: 2 }, 1, Mark::None),
        Fault::new("a compressed stream that is damaged midway", |wire| {
            let mut begun = gzipped(&wire.begun());
            begun.steps.pop();
            wire.recovering(begun.garbage(2000, 7))
        })
        .alone(GoesOn { attempts: 2 }, 2, Mark::None)
        .with_other(GoesOn { attempts: 2 }, 1, Mark::None),
        no_answer("a stream that is called compressed and is not", |wire| {
            gzip_head("text/event-stream").send(body_of(&wire.good()))
        }),
        no_answer("a whole answer whose compression is cut", |wire| {
            let body = body_of(&gzipped(&wire.whole()));
            gzip_head("application/json").body(&body[..body.len() / 2])
        })
        .told("cut"),
        no_answer("a whole answer that is shorter than was announced", |wire| {
            let body = body_of(&wire.whole());
            let length = (body.len() + 10).to_string();
            Attempt::new().header("content-type", "application/json").header("content-length", &length).send(body).cut()
        })
        .told("cut"),
        no_answer("a compression that nobody asked for", |_| {
            Attempt::new().header("content-type", "text/event-stream").header("content-encoding", "br").garbage(500, 3)
        }),
        Fault::always("an error that is compressed is read", |wire| gzipped(&wire.error(429)))
            .alone(
                Fails(429, "rate_limit_error", "rate_limit_exceeded", &["rate_limited"]),
                1,
                Mark::Model("rate_limited", 30, 30),
            )
            .with_other(Second, 1, Mark::Model("rate_limited", 30, 30))
            .told("slow down"),
        Fault::always("an error whose compression is broken is one of its status", |_| {
            gzip_head_of(500).garbage(300, 5)
        })
        .alone(Fails(502, "server_error", "provider_failed", &["server", "server"]), 2, Mark::Model("server", 5, 5))
        .with_other(Second, 2, Mark::Model("server", 5, 5)),
    ];
    play(faults, "").await;
}

fn gzip_head_of(status: u16) -> Attempt {
    Attempt::new().status(status).header("content-type", "application/json").header("content-encoding", "gzip")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_ends_at_its_bound() {
    let faults = vec![
        Fault::always("an answer without end", |wire| {
            let words = wire.delta("word after word after word ").repeat(20);
            joined(wire.opened(), Attempt::new().repeat(u32::MAX, Attempt::new().send(words)))
        })
        .either_way(Length("word after word"), 1, Mark::None),
        Fault::always("an error without end is one of its status", |wire| {
            let mut error = wire.error(503);
            error.steps.pop();
            error.repeat(u32::MAX, Attempt::new().send("x".repeat(8192)))
        })
        .alone(
            Fails(503, "overloaded_error", "overloaded", &["overloaded", "overloaded"]),
            2,
            Mark::Model("overloaded", 5, 5),
        )
        .with_other(Second, 2, Mark::Model("overloaded", 5, 5)),
        Fault::always("a head without end", |_| {
            let head = Attempt::new().raw("HTTP/1.1 200 OK\r\nx-endless: ");
            head.repeat(u32::MAX, Attempt::new().raw("a".repeat(8192)))
        })
        .alone(UNREACHABLE, 2, Mark::Model("network", 5, 5))
        .with_other(Second, 2, Mark::Model("network", 5, 5)),
        Fault::always("headers without end", |_| {
            let head = Attempt::new().raw("HTTP/1.1 200 OK\r\n");
            head.repeat(u32::MAX, Attempt::new().raw("x-more: and more\r\n".repeat(100)))
        })
        .alone(UNREACHABLE, 2, Mark::Model("network", 5, 5))
        .with_other(Second, 2, Mark::Model("network", 5, 5)),
        Fault::always("interim responses without end", |_| {
            Attempt::new().repeat(u32::MAX, Attempt::new().raw("HTTP/1.1 103 Early Hints\r\n\r\n").wait(PACE))
        })
        .waited_for("1s")
        .alone(Fails(504, "timeout_error", "timeout", &["timeout"]), 1, Mark::None)
        .with_other(Second, 1, Mark::None),
        Fault::always("a header of 100 kB harms nothing", |wire| wire.good().header("x-large", &"a".repeat(100_000))),
    ];
    let greenroom = play(faults, "[sessions]\nmax_turn_bytes = \"64KiB\"\n").await;
    if let Some(most) = most_memory(&greenroom) {
        assert!(most < 250, "{most} MiB for answers of 64 KiB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_end_is_none() {
    let faults = vec![
        Fault::always("an event without end", |wire| {
            let opened = wire.opened().send("data: {\"");
            opened.repeat(u32::MAX, Attempt::new().send("a".repeat(256 * 1024)))
        })
        .alone(BROKEN, 2, Mark::Model("protocol", 5, 5))
        .with_other(Second, 1, Mark::None)
        .told("larger than"),
    ];
    let greenroom = play(faults, "").await;
    if let Some(most) = most_memory(&greenroom) {
        // Eight at once, each kept up to 16 MiB in a buffer that doubles as it grows.
        assert!(most < 700, "{most} MiB");
    }
}
