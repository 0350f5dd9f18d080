//! Sessions under everything at once: many frontends in any condition, and a daemon that is killed again and again.
//!
//! `GREENROOM_SOAK_ROUNDS` is the number of kills, `GREENROOM_SOAK_SEED` what they follow from.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod soak_support;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use greenroom_tests::client::Connection;
use soak_support::{
    Chance, LIMIT, Place,
    answers::{Question, provider},
    frontend::{Course, Figures, Frontend, Manner, read_whole},
    home,
    kills::{Counted, Generation, kill},
    log::{Event, Seen, Together},
    memory, rounds,
};
use tokio::{sync::watch, task::JoinSet};

/// Kills where nobody says otherwise.
const ROUNDS: usize = 15;
/// Kills of one set of sessions, whose conversations would otherwise grow without end.
const GENERATION: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_or_shown_is_so_however_often_the_daemon_is_killed() {
    let mut chance = Chance::of_run();
    let rounds = rounds(ROUNDS);
    let (provider, asked) = provider().await;
    // Sessions are to leave memory, too.
    let home = home(&provider.url(), "[sessions]\nhibernate_after = \"200ms\"\n");
    let counted = Counted::default();
    let mut ended = Vec::new();
    let mut left = rounds;
    while left > 0 {
        let name = format!("soak-{}", rounds - left);
        let mut generation = Generation::begin(&home, &counted, &name, chance.split()).await;
        for _ in 0..left.min(GENERATION) {
            generation.round().await;
        }
        left -= left.min(GENERATION);
        ended.extend(generation.end().await);
        asked.check();
    }
    let daemon = home.serve(&[]).await;
    let place = Place::of(&daemon);
    for (session, turns, seen) in &ended {
        let again = read_whole(&place, session, &Arc::default(), Some(*turns)).await;
        assert!(again.seen == *seen, "{session} is what it was");
    }
    kill(daemon).await;
    let Figures { events, resumes, earlier, into_new, resets } = &*counted.figures;
    eprintln!(
        "{rounds} rounds of 2 kills, {} sessions, {} messages ({} asked about again), {} events read; {} resumes, {} of \
         them from an earlier place, {} into a new epoch, {} resets; {} chats, {} of them to go on with an answer, {} \
         with one that was whole",
        ended.len(),
        counted.messages(),
        counted.repeated.load(SeqCst),
        *events.borrow(),
        resumes.load(SeqCst),
        earlier.load(SeqCst),
        into_new.load(SeqCst),
        resets.load(SeqCst),
        asked.chats.load(SeqCst),
        asked.continued.load(SeqCst),
        asked.whole.load(SeqCst),
    );
    let went_on = into_new.load(SeqCst) + resets.load(SeqCst);
    assert!(went_on > 0 && asked.continued.load(SeqCst) > 0, "kills cut answers and readers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_frontends_in_any_condition_read_the_same_bytes() {
    const FRONTENDS: usize = 100;
    const TURNS: u64 = 3;
    let mut chance = Chance::of_run();
    let (provider, asked) = provider().await;
    let home = home(&provider.url(), "");
    let daemon = home.serve(&[]).await;
    let place = Place::of(&daemon);
    place.create("one").await;
    let (together, figures) = (Arc::<Together>::default(), Arc::<Figures>::default());
    let turns = Some(Arc::new(HashMap::from([("one".to_owned(), TURNS)])));
    let (_course, course) = watch::channel(Course { place: Some(place.clone()), lives: true, turns });
    let mut frontends = JoinSet::new();
    for manner in Manner::ALL.into_iter().cycle().take(FRONTENDS) {
        let frontend = Frontend::new("one", manner, &together, &figures, chance.split());
        frontends.spawn(frontend.run(course.clone()));
    }
    for number in 0..TURNS {
        let question = Question { number, bytes: 16_000, piece: 48, pace_ms: 3 };
        let sent = place.send("one", None, &question.text()).await.unwrap();
        assert_eq!(sent.status, 200, "{}", sent.text());
    }
    let whole = read_whole(&place, "one", &together, Some(TURNS)).await;
    whole.told.check("one");
    let mut read = 0;
    while let Some(done) = frontends.join_next().await {
        let frontend = done.unwrap();
        assert!(frontend.seen == whole.seen, "as {:?} reads it", frontend.manner);
        read += 1;
    }
    assert_eq!((read, figures.resets.load(SeqCst)), (FRONTENDS, 0), "nothing was lost, so nobody begins anew");
    let (resumes, earlier) = (figures.resumes.load(SeqCst), figures.earlier.load(SeqCst));
    eprintln!("{FRONTENDS} frontends, {} events, {resumes} resumes, {earlier} from earlier", *figures.events.borrow());
    assert!(earlier > 0);
    asked.check();
    kill(daemon).await;
}

/// A frontend that takes the head of its stream, and then nothing.
async fn stalled(place: &Place, session: &str) -> Connection {
    let mut connection = Connection::open_narrow(&place.url, 4096).await.unwrap();
    let authorization = format!("Bearer {}", place.token);
    let path = format!("/api/sessions/{session}/events");
    connection.send("GET", &path, &[("authorization", &authorization)], b"").await.unwrap();
    assert_eq!(connection.head().await.unwrap().status, 200);
    connection
}

/// Has a large answer said in a session of its own, and read by somebody to its end.
async fn large_answer(place: &Place, number: u64) -> (String, Vec<Connection>, Frontend) {
    let session = format!("large-{number}");
    place.create(&session).await;
    let mut connections = Vec::new();
    // The first ones are there for comparison, without anybody who stalls.
    for _ in 0..if number < COMPARED { 0 } else { STALLED } {
        connections.push(stalled(place, &session).await);
    }
    let question = Question { number, bytes: LARGE, piece: 16 << 10, pace_ms: 0 };
    let sent = place.send(&session, None, &question.text()).await.unwrap();
    assert_eq!(sent.status, 200, "{}", sent.text());
    let whole = read_whole(place, &session, &Arc::default(), Some(1)).await;
    whole.told.check(&session);
    (session, connections, whole)
}

/// Bytes of a large answer.
const LARGE: usize = 12 << 20;
/// Answers that nobody stalls at.
const COMPARED: u64 = 2;
/// Who stalls at the last one, each with [`LARGE`] bytes that it has not read; the kernel takes some 3 MiB of them.
const STALLED: u64 = 40;
/// What each of them may cost, in bytes: some 600 KiB that HTTP holds for a connection, and its part of what the process
/// grows by itself meanwhile. Held in memory, what they have not read would be more than twice as much.
const COST: u64 = 4 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frontends_that_stop_reading_cost_little_and_delay_nobody() {
    let (provider, asked) = provider().await;
    let home = home(&provider.url(), "");
    let daemon = home.serve(&[]).await;
    let place = Place::of(&daemon);
    let mut most = 0;
    for number in 0..COMPARED {
        large_answer(&place, number).await;
        most = most.max(memory(daemon.pid()));
    }
    // That this returns is the proof that nobody waits for those who stall: they have read nothing yet.
    let (session, connections, whole) = large_answer(&place, COMPARED).await;
    let with_stalled = memory(daemon.pid());
    eprintln!(
        "{} stalled at {} MiB each: {:.1} MiB resident, {:.1} MiB at most before",
        connections.len(),
        LARGE >> 20,
        with_stalled as f64 / 1_048_576.0,
        most as f64 / 1_048_576.0
    );
    assert!(with_stalled < most + STALLED * COST, "{with_stalled} bytes, at most {most} before");
    // Two of them come to life again.
    for mut connection in connections.into_iter().take(2) {
        let mut seen = Seen::default();
        while seen.end() < whole.seen.end() {
            let event = tokio::time::timeout(LIMIT, connection.event()).await.unwrap().unwrap().unwrap();
            if event.is_comment() {
                continue;
            }
            let event = Event::parse(event.text());
            if event.kind() != "synced" {
                seen.take(&event);
            }
        }
        assert!(seen == whole.seen, "{session} as one reads it that had stalled");
    }
    asked.check();
    kill(daemon).await;
}
