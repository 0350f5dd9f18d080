//! No mark that anybody saw is lost, however often the daemon is killed while it learns.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod store_support;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use greenroom_tests::{
    Script, ScriptedProvider, client,
    harness::Daemon,
    openai::{self, CHAT},
};
use serde_json::json;
use store_support::{broken, fine, home, kill, limited, locked_out, marks, shown, to};

/// Rounds where nobody says otherwise.
const ROUNDS: usize = 15;

/// A number that looks like chance, the same each time.
fn chance(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// What each profile and model does throughout a round, so that nothing clears a mark but its end.
fn script(seed: &mut u64) -> Script {
    let mut all = Vec::new();
    for profile in ["one", "two", "three"] {
        let locked = chance(seed).is_multiple_of(5);
        for model in ["m1", "m2", "m3"] {
            let attempt = match chance(seed) % 10 {
                _ if locked => locked_out(),
                _ if model == "m3" => broken(),
                0..4 => limited(u32::try_from(2 + chance(seed) % 40).unwrap()),
                _ => fine(),
            };
            all.push(to(profile, model, attempt).always());
        }
    }
    Script::new([openai::models(["m1", "m2", "m3"]), openai::chat(all)])
}

/// Whether the daemon still answered.
async fn still_answers(daemon: &Daemon, token: &str, model: &str) -> bool {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    client::post_json(daemon.url(), CHAT, Some(token), &body).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mark_that_was_seen_is_lost() {
    let rounds = env::var("GREENROOM_KILL_ROUNDS").ok().map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let provider = ScriptedProvider::start(script(&mut seed)).await;
    // A sync of the disk makes the time longer in which a mark could be seen and not be kept.
    let home =
        home(&provider.url(), "[store]\ndurability = \"power\"\n[failover]\nmax_wait = \"200ms\"\nattempts = 4\n");
    let (mut seen_in_all, mut rounds_with_marks) = (0, 0);
    let requests = Arc::new(AtomicUsize::new(0));
    for round in 0..rounds {
        let daemon = Arc::new(home.serve(&[]).await);
        let token = daemon.token();
        let stop = Arc::new(AtomicBool::new(false));
        let askers: Vec<_> = (0..4)
            .map(|asker| {
                let (daemon, stop, requests) = (Arc::clone(&daemon), Arc::clone(&stop), Arc::clone(&requests));
                let token = token.clone();
                tokio::spawn(async move {
                    let mut at = asker;
                    while !stop.load(Ordering::SeqCst) {
                        at += 1;
                        if !still_answers(&daemon, &token, &format!("lab/m{}", at % 3 + 1)).await {
                            return;
                        }
                        requests.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        // The load goes on while it is read and killed, which is done as soon as a mark shows that was not there.
        let until = Instant::now() + Duration::from_millis(20 + chance(&mut seed) % 300);
        let mut seen = marks(&shown(&daemon).await);
        loop {
            let now = marks(&shown(&daemon).await);
            let is_new = now.iter().any(|mark| !seen.contains(mark));
            seen = now;
            if (is_new && chance(&mut seed).is_multiple_of(3)) || Instant::now() > until {
                break;
            }
        }
        daemon.signal(rustix::process::Signal::KILL);
        stop.store(true, Ordering::SeqCst);
        for asker in askers {
            asker.await.unwrap();
        }
        kill(Arc::into_inner(daemon).expect("nobody asks any more")).await;
        provider.set_script(script(&mut seed));
        let daemon = home.serve(&[]).await;
        let read_at = SystemTime::now();
        let after = marks(&shown(&daemon).await);
        kill(daemon).await;
        for mark in &seen {
            let over = humantime::parse_rfc3339(&mark.2).unwrap() <= read_at;
            assert!(over || after.contains(mark), "round {round}: {mark:?} was seen, and there is {after:?}");
        }
        seen_in_all += seen.len();
        rounds_with_marks += usize::from(!seen.is_empty());
    }
    eprintln!(
        "{rounds} rounds, {} requests, {seen_in_all} marks seen in {rounds_with_marks} of the rounds, none lost",
        requests.load(Ordering::SeqCst)
    );
    assert!(rounds_with_marks * 2 > rounds, "most rounds have marks to lose: {rounds_with_marks} of {rounds}");
}
