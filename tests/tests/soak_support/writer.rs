//! Who says things: each message under a key of its own, again and again until it is acknowledged.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use greenroom_tests::client::ClientError;
use tokio::sync::watch;

use super::{
    Chance, Place,
    answers::Question,
    frontend::{Course, Figures},
    log::Told,
};

/// What a daemon said to have taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    pub key: String,
    pub text: String,
    pub turn: u64,
    pub position: u64,
}

/// The acknowledged messages of a session.
#[derive(Debug, Default)]
pub struct Acks(Mutex<Vec<Ack>>);

impl Acks {
    pub fn all(&self) -> Vec<Ack> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, ack: Ack) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ack);
    }
}

/// Each of these is in the log where it was said to be, and none twice.
pub fn check(acks: &[Ack], told: &Told, session: &str) {
    for ack in acks {
        let found: Vec<_> = told.messages.iter().filter(|(.., text)| *text == ack.text).collect();
        let right = [&(ack.position, ack.turn, ack.text.clone())];
        assert_eq!(found, right, "{session}: {ack:?} was acknowledged, and once");
    }
}

pub struct Writer {
    pub session: String,
    pub name: String,
    pub acks: Arc<Acks>,
    pub numbers: Arc<AtomicU64>,
    /// Messages that were acknowledged, and were asked about again.
    pub repeated: Arc<AtomicU64>,
    pub figures: Arc<Figures>,
    pub chance: Chance,
}

/// Messages that a session may have waiting before its writers say more.
const QUEUED: usize = 4;
/// Messages of a writer to one daemon.
const MOST: u64 = 4;

impl Writer {
    /// Says something to one daemon after another, until the end is set; ends once everything is acknowledged.
    pub async fn run(mut self, mut course: watch::Receiver<Course>) {
        let mut pending: Option<(String, String)> = None;
        let mut said = 0;
        loop {
            let now = course.borrow_and_update().clone();
            let is_last = now.turns.is_some();
            match &now.place {
                _ if is_last && pending.is_none() => return,
                Some(place) if pending.is_some() || (said < MOST && now.lives) => {
                    match self.say(place, &mut pending, &mut said).await {
                        Ok(()) => {
                            tokio::time::sleep(Duration::from_millis(self.chance.below(50))).await;
                            continue;
                        }
                        Err(error) => {
                            assert!(!course.borrow().lives, "{}: the daemon lives, and yet: {error:?}", self.session);
                            _ = course.wait_for(|next| next.place != now.place).await;
                        }
                    }
                }
                _ => _ = course.changed().await,
            }
            said = 0;
        }
    }

    async fn say(
        &mut self,
        place: &Place,
        pending: &mut Option<(String, String)>,
        said: &mut u64,
    ) -> Result<(), ClientError> {
        if pending.is_none() {
            let known = self.acks.all();
            if !known.is_empty() && self.chance.one_in(4) {
                let any = usize::try_from(self.chance.below(known.len() as u64)).unwrap();
                return self.ask_again(place, &known[any]).await;
            }
            if place.info(&self.session).await?["queued"].as_array().map_or(0, Vec::len) >= QUEUED {
                return Ok(());
            }
            let number = self.numbers.fetch_add(1, SeqCst);
            let bytes = 200 + usize::try_from(self.chance.below(4000)).unwrap();
            let piece = 16 + usize::try_from(self.chance.below(80)).unwrap();
            let question = Question { number, bytes, piece, pace_ms: 1 + self.chance.below(4) };
            *pending = Some((format!("{}-{number}", self.name), question.text()));
        }
        let Some((key, text)) = pending.clone() else { return Ok(()) };
        let response = place.send(&self.session, Some(&key), &text).await?;
        assert_eq!(response.status, 200, "{}: {}", self.session, response.text());
        let sent = response.json();
        let (turn, position) = (sent["turn"].as_u64().unwrap(), sent["position"].as_u64().unwrap());
        self.acks.push(Ack { key, text, turn, position });
        *pending = None;
        *said += 1;
        self.figures.events.send_modify(|events| *events += 1);
        Ok(())
    }

    /// The same answer to the same message, and a refusal of another under its key.
    async fn ask_again(&mut self, place: &Place, ack: &Ack) -> Result<(), ClientError> {
        if self.chance.one_in(4) {
            let refused = place.send(&self.session, Some(&ack.key), "something else").await?;
            assert_eq!(refused.status, 409, "{}", refused.text());
            return Ok(());
        }
        let again = place.send(&self.session, Some(&ack.key), &ack.text).await?;
        assert_eq!(again.status, 200, "{}", again.text());
        let sent = again.json();
        assert_eq!((&sent["turn"], &sent["position"]), (&ack.turn.into(), &ack.position.into()), "{ack:?}");
        self.repeated.fetch_add(1, SeqCst);
        Ok(())
    }
}
