//! A log as it is seen from outside, position by position, and what everybody has seen of one together.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

/// What stands at a position: a byte of a delta with its turn and type, or a whole structural event.
type Atom = u64;

/// Marks what is no byte of a delta.
const STRUCTURAL: Atom = 1 << 63;

/// An event as it was sent.
#[derive(Debug, Clone)]
pub struct Event {
    pub json: Value,
    pub position: u64,
    pub next: u64,
}

impl Event {
    /// # Panics
    /// If it is none, or has another length than its positions say.
    pub fn parse(text: &str) -> Self {
        let json: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("no event ({error}): {text}"));
        let place = |key: &str| json[key].as_u64().unwrap_or_else(|| panic!("no {key}: {json}"));
        let (position, next) = (place("position"), place("next"));
        let length = match json["delta"].as_str() {
            Some(delta) => u64::try_from(delta.len()).unwrap(),
            None => u64::from(!matches!(json["type"].as_str(), Some("synced" | "reset" | "error"))),
        };
        assert_eq!(next - position, length, "{json}");
        Self { json, position, next }
    }

    pub fn kind(&self) -> &str {
        self.json["type"].as_str().unwrap_or_default()
    }

    fn atoms(&self) -> Vec<Atom> {
        let mut hasher = DefaultHasher::new();
        let Some(delta) = self.json["delta"].as_str() else {
            let mut rest = self.json.clone();
            rest.as_object_mut().unwrap().retain(|key, _| !matches!(key.as_str(), "position" | "next"));
            rest.to_string().hash(&mut hasher);
            return vec![hasher.finish() | STRUCTURAL];
        };
        (self.kind(), self.json["turn"].as_u64(), self.json["index"].as_u64()).hash(&mut hasher);
        let stem = (hasher.finish() << 8) & !STRUCTURAL;
        delta.bytes().map(|byte| stem | Atom::from(byte)).collect()
    }
}

/// What one reader has of a log: everything up to a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen(Vec<Atom>);

impl Seen {
    pub fn end(&self) -> u64 {
        self.0.len() as u64
    }

    pub fn truncate(&mut self, position: u64) {
        self.0.truncate(usize::try_from(position).unwrap());
    }

    /// Takes an event that begins at or before its end.
    ///
    /// # Panics
    /// If it leaves a gap, or says other than what was seen there.
    pub fn take(&mut self, event: &Event) {
        assert!(event.position <= self.end(), "a gap from {} to {}", self.end(), event.json);
        let atoms = event.atoms();
        let at = usize::try_from(event.position).unwrap();
        let known = (self.0.len() - at).min(atoms.len());
        assert_eq!(self.0[at..at + known], atoms[..known], "other than was seen at {at}: {}", event.json);
        self.0.extend_from_slice(&atoms[known..]);
    }

    pub fn begins_like(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

/// What all readers of a session have seen together, by epoch: at one cursor there is only ever one text.
#[derive(Debug, Default)]
pub struct Together(Mutex<HashMap<u64, Vec<Atom>>>);

impl Together {
    /// A reader's log is so in an epoch, from `from` to its end.
    ///
    /// # Panics
    /// If another reader has seen other than that.
    pub fn handle(&self, epoch: u64, seen: &Seen, from: u64) {
        let from = usize::try_from(from).unwrap();
        let mut epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = epochs.entry(epoch).or_default();
        if known.len() < seen.0.len() {
            // What nobody has seen yet is zero, which no atom is.
            known.resize(seen.0.len(), 0);
        }
        for (at, (known, atom)) in known.iter_mut().zip(&seen.0).enumerate().skip(from) {
            assert!(*known == 0 || known == atom, "two texts at the cursor {epoch}-{at}");
            *known = *atom;
        }
    }
}

/// What a log says, turn by turn.
#[derive(Debug, Default)]
pub struct Told {
    /// Messages with where they stand and their turn.
    pub messages: Vec<(u64, u64, String)>,
    pub answers: BTreeMap<u64, String>,
    /// How each turn ended, as often as it did.
    pub ends: BTreeMap<u64, Vec<String>>,
}

impl Told {
    pub fn take(&mut self, event: &Event) {
        let turn = || event.json["turn"].as_u64().unwrap();
        match event.kind() {
            "message.user" => {
                let text = event.json["parts"][0]["text"].as_str().unwrap().to_owned();
                self.messages.push((event.position, turn(), text));
            }
            "text" => {
                self.answers.entry(turn()).or_default().push_str(event.json["delta"].as_str().unwrap());
            }
            "turn.finished" | "turn.failed" | "turn.cancelled" | "answer.restarted" => {
                self.ends.entry(turn()).or_default().push(event.json.to_string());
            }
            _ => {}
        }
    }

    /// Every message is answered, whole, once, and by what its question says.
    pub fn check(&self, session: &str) {
        for (_, turn, text) in &self.messages {
            let question = super::answers::Question::parse(text).unwrap_or_else(|| panic!("{session}: {text:?}"));
            let told = self.answers.get(turn).map_or("", String::as_str);
            let right = question.answer();
            let same = told.bytes().zip(right.bytes()).take_while(|(told, right)| told == right).count();
            assert!(
                told == right,
                "{session}, turn {turn}: {} bytes, of {} right up to {same}: …{:?}; ends {:?}",
                told.len(),
                right.len(),
                &told[told.floor_char_boundary(same.saturating_sub(40))..told.floor_char_boundary(same + 80)],
                self.ends.get(turn),
            );
            let ends = self.ends.get(turn).map_or(&[][..], Vec::as_slice);
            assert!(ends.len() == 1 && ends[0].contains("turn.finished"), "{session}, turn {turn}: {ends:?}");
        }
        assert_eq!(self.answers.len(), self.messages.len(), "{session}: as many answers as messages");
    }
}
