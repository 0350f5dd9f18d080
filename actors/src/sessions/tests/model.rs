//! Many operations on a session, held against a model of what it must come to.
//!
//! The model knows which messages were acknowledged and which turns were cancelled. Whatever is done meanwhile (readers that
//! come, go and resume anywhere, sleep, ends in order and kills of the process), the log has each of those messages once
//! and in order, every other turn ends with exactly its answer, and every reader has seen exactly the log.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{
    lab::{Say::*, messages, text},
    *,
};

#[derive(Debug, Clone)]
enum Act {
    Send {
        again: bool,
        calls: bool,
    },
    CancelLast,
    Update,
    /// Takes what a reader can have now.
    Read(usize),
    /// A reader goes and comes back at its cursor, or so many bytes before it.
    Resume(usize, u64),
    Settle,
    Sleep,
    End,
    Kill,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(again, calls)| Act::Send { again, calls }),
        1 => Just(Act::CancelLast),
        1 => Just(Act::Update),
        6 => (0..READERS).prop_map(Act::Read),
        4 => (0..READERS, 0u64..40).prop_map(|(reader, back)| Act::Resume(reader, back)),
        3 => Just(Act::Settle),
        2 => Just(Act::Sleep),
        1 => Just(Act::End),
        1 => Just(Act::Kill),
    ];
    proptest::collection::vec(act, 1..30)
}

const READERS: usize = 3;
const SLEEPS: Duration = Duration::from_millis(1);

/// What the provider says to a question.
fn answer(question: &str) -> String {
    format!("{question}: ").chars().chain("äöü😀 und so weiter, ".chars().cycle().take(60)).collect()
}

async fn lab() -> Lab {
    Lab::start(|request, _| {
        let asked = messages(request);
        let question = asked.iter().rev().find_map(|message| message.strip_prefix("user: q")).unwrap();
        let question = format!("q{}", question.split(' ').next().unwrap());
        let at = asked.iter().rposition(|message| message.starts_with(&format!("user: {question}"))).unwrap();
        let has_result = asked[at..].iter().any(|message| message.starts_with("tool: "));
        if asked[at].ends_with(" calls") && !has_result {
            return vec![Call("c1"), Calls];
        }
        let answer: Vec<char> = answer(&question).chars().collect();
        let pieces = answer.chunks(7).map(|piece| text(&piece.iter().collect::<String>()));
        pieces.chain([Stop]).collect()
    })
    .await
}

struct World {
    dir: tempfile::TempDir,
    store: Store,
    system: System,
    lab: Lab,
    talk: SessionRef,
    readers: Vec<Seen>,
    /// The text of each message that was acknowledged, by turn.
    sent: BTreeMap<u64, String>,
    cancelled: BTreeSet<u64>,
    next: u64,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, lab) = (open(dir.path()).await, lab().await);
        let system = system_with(&lab, Some(&store), rules()).await;
        let talk = session(&system, "talk").await;
        let mut world = Self {
            dir,
            store,
            system,
            lab,
            talk,
            readers: Vec::new(),
            sent: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            next: 0,
        };
        for _ in 0..READERS {
            world.readers.push(Seen::from(&world.talk, None).await);
        }
        world
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Send { again, calls } => {
                let question = format!("q{}{}", self.next, if *calls { " calls" } else { "" });
                let message = Outgoing { key: Some(format!("k{}", self.next)), ..says(&question) };
                self.next += 1;
                let sent = self.talk.send(message.clone()).await.unwrap();
                if *again {
                    assert_eq!(self.talk.send(message).await, Ok(sent));
                }
                assert_eq!(self.sent.insert(sent.turn, question), None, "a turn is one message's");
            }
            Act::CancelLast => {
                if let Some(turn) = self.sent.keys().next_back().copied()
                    && self.talk.cancel(turn).await.unwrap() == Cancelled::Cancelled
                {
                    self.cancelled.insert(turn);
                }
            }
            Act::Update => {
                let system = Some(format!("instructions {}", self.next));
                self.talk.update(Update { system, ..Update::default() }).await.unwrap();
            }
            Act::Read(reader) => {
                let reader = &mut self.readers[*reader];
                let _nothing_yet = tokio::time::timeout(SLEEPS, reader.more()).await;
            }
            Act::Resume(reader, back) => self.resume(*reader, *back).await,
            Act::Settle => self.settle().await,
            Act::Sleep => {
                let cursors: Vec<_> = self.readers.iter().map(Seen::cursor).collect();
                // Whoever reads keeps it awake.
                let seen: Vec<_> = self.readers.drain(..).map(|reader| reader.events).collect();
                tokio::time::sleep(4 * SLEEPS).await;
                self.come_back(cursors, seen).await;
            }
            Act::End => {
                let cursors: Vec<_> = self.readers.iter().map(Seen::cursor).collect();
                let seen: Vec<_> = self.readers.drain(..).map(|reader| reader.events).collect();
                self.system.stop().await;
                self.store.close().await.unwrap();
                self.store = open(self.dir.path()).await;
                self.start_again().await;
                self.come_back(cursors, seen).await;
            }
            Act::Kill => {
                let (dir, store) = killed(self.dir.path()).await;
                let cursors: Vec<_> = self.readers.iter().map(Seen::cursor).collect();
                let seen: Vec<_> = self.readers.drain(..).map(|reader| reader.events).collect();
                // The process before it goes on a little, and nobody sees that any more.
                self.system.stop().await;
                let _unused = std::mem::replace(&mut self.store, store).close().await;
                self.dir = dir;
                self.start_again().await;
                self.come_back(cursors, seen).await;
            }
        }
    }

    async fn start_again(&mut self) {
        self.system = system_with(&self.lab, Some(&self.store), rules()).await;
        self.talk = self.system.sessions().open(&Access::Admin, "talk").await.unwrap();
    }

    async fn come_back(&mut self, cursors: Vec<Cursor>, seen: Vec<Vec<LogEvent>>) {
        for (cursor, events) in cursors.into_iter().zip(seen) {
            let mut reader = Seen::from(&self.talk, Some(cursor)).await;
            reader.events = events;
            self.readers.push(reader);
        }
    }

    async fn resume(&mut self, reader: usize, back: u64) {
        let Cursor { epoch, position } = self.readers[reader].cursor();
        let position = position.saturating_sub(back);
        let mut events = std::mem::take(&mut self.readers[reader].events);
        events.retain(|event| event.position < position);
        if let Some(last) = events.pop() {
            // Up to the start of the character that the position is in.
            events.extend(last.end_at(position));
        }
        let mut fresh = Seen::from(&self.talk, Some(Cursor { epoch, position })).await;
        fresh.events = events;
        self.readers[reader] = fresh;
    }

    /// Gives every result that is awaited, until nothing runs or waits.
    async fn settle(&mut self) {
        let done = async {
            loop {
                let info = self.talk.info().await.unwrap();
                if info.summary.state == SessionState::Idle {
                    return;
                }
                for id in info.waiting {
                    let result = CallResult { id, parts: vec![Part::text("r")], ..CallResult::default() };
                    let _cancelled_meanwhile = self.talk.result(result).await;
                }
                tokio::time::sleep(SLEEPS).await;
            }
        };
        tokio::time::timeout(20 * SECOND, done).await.expect("every turn ends");
    }

    async fn check(mut self) {
        self.settle().await;
        let log = all(&self.talk).await;
        let mut position = 0;
        for event in &log {
            assert_eq!(event.position, position, "there is no gap");
            position = event.next;
        }
        let sent: BTreeMap<u64, String> = log.iter().filter_map(message).collect();
        assert_eq!(sent, self.sent, "each message that was acknowledged, once");
        for (turn, question) in &self.sent {
            let ends: Vec<_> = log.iter().filter(|event| event.turn == Some(*turn) && event.body.ends_turn()).collect();
            assert_eq!(ends.len(), 1, "turn {turn} ends once: {log:#?}");
            let answer = answer(question.split(' ').next().unwrap());
            let said = said(&log, *turn);
            match ends[0].body {
                EventBody::TurnFinished { .. } => assert_eq!(said, answer, "turn {turn}: {log:#?}"),
                EventBody::TurnCancelled => {
                    assert!(self.cancelled.contains(turn) && answer.starts_with(&said), "turn {turn}: {log:#?}");
                }
                ref other => panic!("turn {turn}: {other:?}"),
            }
        }
        for reader in &mut self.readers {
            while reader.position < position {
                reader.more().await;
            }
            let seen: Vec<_> = reader.events.iter().filter(|event| !event.body.is_told()).cloned().collect();
            let (seen, log) = (flat(&seen), flat(&log));
            let differs =
                seen.iter().zip(&log).position(|(seen, log)| seen != log).unwrap_or(seen.len().min(log.len()));
            assert_eq!(
                seen.get(differs),
                log.get(differs),
                "a reader has seen the log {:?}",
                &seen[differs.saturating_sub(3)..]
            );
        }
        self.system.stop().await;
    }
}

fn rules() -> SessionRules {
    SessionRules { hibernate_after: SLEEPS, ..SessionRules::default() }
}

fn message(event: &LogEvent) -> Option<(u64, String)> {
    match &event.body {
        EventBody::MessageUser { parts, .. } => match &parts[..] {
            [Part::Text { text }] => Some((event.turn.unwrap(), text.clone())),
            other => panic!("{other:?}"),
        },
        _ => None,
    }
}

fn said(log: &[LogEvent], turn: u64) -> String {
    let of = log.iter().filter(|event| event.turn == Some(turn));
    of.filter_map(|event| match &event.body {
        EventBody::Text { delta } => Some(delta.as_str()),
        _ => None,
    })
    .collect()
}

/// A log without how its deltas were merged.
fn flat(log: &[LogEvent]) -> Vec<(u64, Option<u64>, String)> {
    let mut flat: Vec<(u64, Option<u64>, String)> = Vec::new();
    for event in log {
        match (&event.body, flat.last_mut()) {
            (EventBody::Text { delta }, Some((_, turn, text))) if *turn == event.turn && text.starts_with("text ") => {
                text.push_str(delta);
            }
            (EventBody::Text { delta }, _) => flat.push((event.position, event.turn, format!("text {delta}"))),
            (body, _) => flat.push((event.position, event.turn, format!("{body:?}"))),
        }
    }
    flat
}

#[test]
fn whatever_is_done_a_session_comes_to_what_it_must() {
    let cases = std::env::var("GREENROOM_MODEL_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(40);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let outcome = TestRunner::new(config).run(&acts(), |acts| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for act in &acts {
                world.act(act).await;
            }
            world.check().await;
        });
        Ok(())
    });
    outcome.unwrap();
}
