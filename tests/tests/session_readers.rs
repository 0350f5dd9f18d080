//! A reader that stops reading costs bounded memory, and nobody else anything.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod session_support;

use std::fs;
use std::time::Duration;

use greenroom_tests::ScriptedProvider;
use greenroom_tests::harness::Signal;
use greenroom_tests::openai::Answer;
use http_support::{CHAT, Greenroom, provider, scripted, until};
use serde_json::json;
use session_support::Tail;
use session_support::socket::Socket;

const PIECE: usize = 64 * 1024;
const PIECES: usize = 100;
/// Far more than the sockets between have room for.
const ALL: usize = PIECE * PIECES;
/// Readers of each kind that stop reading.
const STALLED: usize = 4;
/// What so many may cost beside an answer that comes, which itself costs up to 20 MiB; a copy for each would be 50 more.
const MOST_GROWTH: usize = 64 << 20;
/// What each may cost by itself: what its connection gathers, and what one pull gave.
const MOST_EACH: usize = 1 << 20;

/// Less than the grace period, and far more than anything takes that works.
const BEFORE_GRACE: Duration = Duration::from_secs(45);

async fn large() -> ScriptedProvider {
    // No key and no type of an event has it.
    let piece = "Z".repeat(PIECE);
    scripted([Answer::text(vec![piece.as_str(); PIECES]).stream().always()]).await
}

/// Reads up to the end of a turn, and counts what was said. The events themselves are other tests' matter.
async fn said(tail: &mut Tail) -> usize {
    let (mut said, mut seen) = (0, String::new());
    while !seen.contains("turn.finished") {
        let bytes = tail.0.data().await.unwrap().expect("the stream goes on");
        said += bytes.iter().filter(|byte| **byte == b'Z').count();
        let kept = seen.len().saturating_sub(64);
        seen = format!("{}{}", &seen[kept..], String::from_utf8_lossy(&bytes));
    }
    said
}

/// The daemon's memory, in bytes.
fn resident(greenroom: &Greenroom) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", greenroom.daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Readers that have seen a session's beginning, and then read no more.
async fn stalled(greenroom: &Greenroom, id: &str) -> (Vec<Tail>, Vec<Socket>) {
    let (mut tails, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..STALLED {
        let mut tail = greenroom.api.tail(id, "").await;
        tail.until("synced").await;
        tails.push(tail);
        let mut socket = greenroom.api.socket(id, "").await;
        socket.until("synced").await;
        sockets.push(socket);
    }
    (tails, sockets)
}

/// How much is said in the turn that a socket has before it. One that has read nothing for two heartbeats is let go, and
/// comes back with its cursor.
async fn all_of(greenroom: &Greenroom, mut socket: Socket) -> usize {
    let (mut said, mut cursor) = (0, "0".to_owned());
    loop {
        match socket.next().await {
            Ok(frame) => {
                said += frame["delta"].as_str().map_or(0, str::len);
                if frame["type"] == "turn.finished" {
                    return said;
                }
                cursor = frame["cursor"].as_str().map_or(cursor, str::to_owned);
            }
            Err(_) => socket = greenroom.api.socket("s", &format!("?from={cursor}")).await,
        }
    }
}

/// Readers of a session in which much was said, which read nothing of it.
async fn stalled_at_once(greenroom: &Greenroom, id: &str) -> (Vec<Tail>, Vec<Socket>) {
    let (mut tails, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..STALLED {
        tails.push(greenroom.api.tail(id, "").await);
        sockets.push(greenroom.api.socket(id, "").await);
    }
    (tails, sockets)
}

#[tokio::test]
async fn readers_that_stop_reading_cost_little_and_delay_nobody() {
    let lab = large().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    // What the answer itself costs is there from the first one on.
    for id in ["warm-1", "warm-2"] {
        api.create(id).await;
        let mut tail = api.tail(id, "").await;
        api.say(id, "hi").await;
        assert_eq!(said(&mut tail).await, ALL);
    }
    let before = resident(&greenroom);

    api.create("s").await;
    let (mut tails, mut sockets) = stalled(&greenroom, "s").await;
    let mut reading = api.tail("s", "").await;
    api.say("s", "hi").await;
    assert_eq!(said(&mut reading).await, ALL, "the others are not waited for");
    let growth = resident(&greenroom).saturating_sub(before);
    assert!(growth < MOST_GROWTH, "{} KiB more for {} readers that stall", growth / 1024, 2 * STALLED);

    // The same of readers that come late, without an answer beside them, and once the store's cache has what they read.
    assert_eq!(said(&mut api.tail("s", "").await).await, ALL);
    let before = resident(&greenroom);
    let late = stalled_at_once(&greenroom, "s").await;
    assert_eq!(said(&mut api.tail("s", "").await).await, ALL);
    let growth = resident(&greenroom).saturating_sub(before);
    let readers = late.0.len() + late.1.len();
    assert!(growth < readers * MOST_EACH, "{} KiB more for {readers} readers that stall", growth / 1024);

    // Once they read again nothing is missing.
    assert_eq!(said(&mut tails[0]).await, ALL);
    assert_eq!(all_of(&greenroom, sockets.swap_remove(0)).await, ALL);
}

#[tokio::test]
async fn a_peer_that_only_talks_is_heard_as_far_as_it_listens() {
    let lab = large().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    let mut talking = api.socket("s", "").await;
    // Each is answered by as much as it has, and none of the answers is read.
    let reference = "r".repeat(256 * 1024);
    let frame = json!({"type": "cancel", "turn": 99, "ref": reference});
    let sent = tokio::time::timeout(Duration::from_secs(3), async {
        for _ in 0..400 {
            talking.send(&frame).await;
        }
    });
    assert!(sent.await.is_err(), "100 MiB of replies that nobody reads were taken");
    let resident = resident(&greenroom);
    assert!(resident < 120 << 20, "{} KiB", resident / 1024);
    assert_eq!(api.info("s").await["state"], "idle", "others are answered all the while");
}

#[tokio::test]
async fn nobody_who_reads_a_session_holds_up_a_stop() {
    let lab = large().await;
    let mut greenroom = Greenroom::start(&format!("[server]\ngrace = \"60s\"\n{}", provider("lab", &lab))).await;
    greenroom.api.create("s").await;
    let (mut tails, _sockets) = stalled(&greenroom, "s").await;
    let mut reading = greenroom.api.tail("s", "").await;
    reading.until("synced").await;
    greenroom.api.say("s", "hi").await;
    assert_eq!(said(&mut reading).await, ALL);
    until(&lab, |stats| stats.route(CHAT).completed == 1).await;
    greenroom.daemon.signal(Signal::TERM);
    let status = greenroom.daemon.wait(BEFORE_GRACE).await;
    assert_eq!(status.code(), Some(0), "{}", greenroom.daemon.output());
    assert!(reading.next().await.is_none(), "a stream that is read ends in good order");
    // One that is not read is cut, and can be gone on with from what came of it.
    let mut came = 0;
    let ended = loop {
        match tails[0].0.data().await {
            Ok(Some(bytes)) => came += bytes.iter().filter(|byte| **byte == b'Z').count(),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    assert!(came == ALL || !ended, "a part of a stream does not look like all of it");
}
