//! A call's arguments that come in pieces, each with its path in the whole.

use serde_json::{Map, Value};

use super::shape::Piece;
use crate::{frame::sse::MAX_FRAME, object::Str};

/// What a piece can fail for, in words fit to show.
pub(super) type Broken = &'static str;

const NO_PATH: Broken = "a piece of a call's arguments has no path that can be read";
/// How deep arguments may be.
const DEEPEST: usize = 64;

/// Arguments in the making.
#[derive(Debug)]
pub(super) struct Pieces {
    root: Value,
    /// The bytes of all that was added, which bounds what is kept.
    size: usize,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { root: Value::Object(Map::new()), size: 0 }
    }
}

impl Pieces {
    /// Adds a piece. A text goes on where one stands; any other value takes the place of what stood there.
    ///
    /// # Errors
    ///
    /// It has no path, or one that leads nowhere, or there are too many.
    pub(super) fn add(&mut self, piece: &Piece<'_>) -> Result<(), Broken> {
        let path = Str::filled(&piece.path).ok_or(NO_PATH)?;
        let text = piece.text.as_ref().map(|text| &*text.0);
        self.size = self.size.saturating_add(path.len() + text.map_or(16, str::len));
        if self.size > MAX_FRAME {
            return Err("the arguments of a call are too large");
        }
        let mut at = &mut self.root;
        for step in steps(path)? {
            at = match step {
                Step::Key(key) => match at {
                    Value::Object(map) => map.entry(key).or_insert(Value::Null),
                    Value::Null => {
                        *at = Value::Object(Map::new());
                        at.as_object_mut().expect("it was made one").entry(key).or_insert(Value::Null)
                    }
                    _ => return Err(NO_PATH),
                },
                Step::Index(index) => {
                    if at.is_null() {
                        *at = Value::Array(Vec::new());
                    }
                    let list = at.as_array_mut().ok_or(NO_PATH)?;
                    // Lists grow by one: a number from afar must not fill the memory.
                    if index == list.len() {
                        list.push(Value::Null);
                    }
                    list.get_mut(index).ok_or(NO_PATH)?
                }
            };
        }
        match (at, text) {
            (Value::String(before), Some(text)) => before.push_str(text),
            (at, Some(text)) => *at = text.into(),
            (at, None) => {
                *at = match (piece.boolean, piece.number) {
                    (Some(value), _) => value.into(),
                    (None, Some(raw)) => serde_json::from_str(raw.get()).map_err(|_| NO_PATH)?,
                    (None, None) => Value::Null,
                }
            }
        }
        Ok(())
    }

    /// The arguments as text.
    pub(super) fn finish(self) -> String {
        self.root.to_string()
    }
}

enum Step {
    Key(String),
    Index(usize),
}

/// The steps of a path such as `$.a.b[0]['a key']`.
fn steps(path: &str) -> Result<Vec<Step>, Broken> {
    let mut rest = path.strip_prefix('$').ok_or(NO_PATH)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() >= DEEPEST {
            return Err(NO_PATH);
        }
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, after) = after.split_at(end);
            if key.is_empty() {
                return Err(NO_PATH);
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else {
            let after = rest.strip_prefix('[').ok_or(NO_PATH)?;
            let (step, after) = match after.chars().next() {
                Some(quote @ ('\'' | '"')) => {
                    let (key, after) = quoted(&after[1..], quote).ok_or(NO_PATH)?;
                    (Step::Key(key), after.strip_prefix(']').ok_or(NO_PATH)?)
                }
                _ => {
                    let (index, after) = after.split_once(']').ok_or(NO_PATH)?;
                    (Step::Index(index.parse().map_err(|_| NO_PATH)?), after)
                }
            };
            steps.push(step);
            rest = after;
        }
    }
    // Arguments are an object, which no piece replaces.
    if matches!(steps.first(), Some(Step::Key(_))) { Ok(steps) } else { Err(NO_PATH) }
}

/// A key up to its closing quote, and what comes after that.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => key.push(letters.next()?.1),
            letter if letter == quote => return Some((key, &text[at + letter.len_utf8()..])),
            letter => key.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(pieces: &[&str]) -> Result<String, Broken> {
        let mut made = Pieces::default();
        for json in pieces {
            made.add(&serde_json::from_str(json).unwrap())?;
        }
        Ok(made.finish())
    }

    #[test]
    fn values_find_their_places() {
        let pieces = [
            r#"{"jsonPath": "$.city", "stringValue": "San ", "willContinue": true}"#,
            r#"{"jsonPath": "$.city", "stringValue": "José"}"#,
            r#"{"jsonPath": "$.city", "stringValue": ""}"#,
            r#"{"jsonPath": "$.days[0].n", "numberValue": 1.50}"#,
            r#"{"jsonPath": "$.days[1].n", "numberValue": 2}"#,
            r#"{"jsonPath": "$.days[0]['a.b\\'c']", "boolValue": false}"#,
            r#"{"jsonPath": "$[\"x y\"]", "nullValue": null}"#,
            r#"{"jsonPath": "$.z", "nullValue": "NULL_VALUE"}"#,
        ];
        let want = r#"{"city":"San José","days":[{"n":1.5,"a.b'c":false},{"n":2}],"x y":null,"z":null}"#;
        assert_eq!(made(&pieces).unwrap(), want);
        assert_eq!(made(&[]).unwrap(), "{}");
    }

    #[test]
    fn paths_that_lead_nowhere_are_refused() {
        for path in ["", "$", "city", "$.", "$..a", "$.a[", "$.a[x]", "$.a[9]", "$[0]", "$['a", "$['a'x]"] {
            let piece = serde_json::json!({"jsonPath": path, "boolValue": true}).to_string();
            assert!(made(&[&piece]).is_err(), "{path}");
        }
        let within = [r#"{"jsonPath":"$.a","boolValue":true}"#, r#"{"jsonPath":"$.a.b","boolValue":true}"#];
        assert!(made(&within).is_err());
        let deep = serde_json::json!({"jsonPath": format!("${}", ".a".repeat(1000)), "boolValue": true}).to_string();
        assert!(made(&[&deep]).is_err());
    }
}
