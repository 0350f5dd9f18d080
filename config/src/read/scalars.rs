//! Single values.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use config::ValueKind;

use crate::ErrorKind;
use crate::SecretReference;
use crate::read::Node;
use crate::secret::BadReference;
use crate::suggest::nearest;
use crate::units;

/// What a reference to a secret looks like.
const REFERENCES: &str = "use \"env:NAME\", \"file:PATH\", \"keyring:ENTRY\" or \"command:PROGRAM ARGS\"";

/// What can be read from one value.
pub(crate) trait Read: Sized {
    /// `None` once what is wrong with it was noted.
    fn read(node: &Node<'_>) -> Option<Self>;
}

/// A length of time that isn't nothing.
pub(crate) struct Positive(pub(crate) Duration);

/// How old something that is kept may be: longer than any wait.
pub(crate) struct Age(pub(crate) Duration);

/// A number of bytes, at least 1.
pub(crate) struct Bytes(pub(crate) u64);

/// A number of bytes.
pub(crate) struct Size(pub(crate) u64);

/// Text that isn't empty.
pub(crate) struct Name(pub(crate) String);

impl Read for bool {
    fn read(node: &Node<'_>) -> Option<Self> {
        match (&node.value.kind, node.untyped()) {
            (ValueKind::Boolean(value), _) => Some(*value),
            (_, Some("true" | "1" | "yes" | "on")) => Some(true),
            (_, Some("false" | "0" | "no" | "off")) => Some(false),
            (_, Some(text)) => {
                node.bad(text, "true or false");
                None
            }
            _ => {
                node.wrong_type("true or false");
                None
            }
        }
    }
}

impl Read for i64 {
    fn read(node: &Node<'_>) -> Option<Self> {
        match (&node.value.kind, node.untyped()) {
            (ValueKind::I64(value), _) => Some(*value),
            (_, Some(text)) => {
                let number = text.parse().ok();
                if number.is_none() {
                    node.bad(text, "a whole number");
                }
                number
            }
            _ => {
                node.wrong_type("a whole number");
                None
            }
        }
    }
}

impl Read for f64 {
    fn read(node: &Node<'_>) -> Option<Self> {
        let number = match (&node.value.kind, node.untyped()) {
            (ValueKind::Float(value), _) => *value,
            (ValueKind::I64(value), _) => *value as Self,
            (_, Some(text)) => text.parse().unwrap_or(Self::NAN),
            _ => {
                node.wrong_type("a number");
                return None;
            }
        };
        if !number.is_finite() {
            node.bad_unshown("a finite number");
            return None;
        }
        Some(number)
    }
}

/// A whole number that fits the type and is at least `least`.
fn whole<T: TryFrom<i64>>(node: &Node<'_>, expected: &str) -> Option<T> {
    let number = i64::read(node)?;
    let fitting = T::try_from(number).ok();
    if fitting.is_none() {
        let kind = ErrorKind::BadValue { value: Some(number.to_string()), expected: expected.to_owned() };
        node.refuse(kind, None);
    }
    fitting
}

impl Read for u32 {
    fn read(node: &Node<'_>) -> Option<Self> {
        whole(node, "a number from 0 to 4294967295")
    }
}

/// `TryFrom<i64>` for what can't be zero, so that zero is refused like any other number that doesn't fit.
struct NotZero<T>(T);

macro_rules! not_zero {
    ($($type:ty, $plain:ty, $expected:literal;)*) => {$(
        impl TryFrom<i64> for NotZero<$type> {
            type Error = ();

            fn try_from(number: i64) -> Result<Self, ()> {
                <$plain>::try_from(number).ok().and_then(<$type>::new).map(NotZero).ok_or(())
            }
        }

        impl Read for $type {
            fn read(node: &Node<'_>) -> Option<Self> {
                whole::<NotZero<$type>>(node, $expected).map(|number| number.0)
            }
        }
    )*};
}

not_zero! {
    NonZeroU32, u32, "a number from 1 to 4294967295";
    NonZeroU64, u64, "a number of at least 1";
    NonZeroUsize, usize, "a number of at least 1";
}

impl Read for Name {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            // Not shown: several lines of text where a name belongs are likely a key that was pasted there.
            node.bad_unshown("a name");
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

impl Read for Duration {
    fn read(node: &Node<'_>) -> Option<Self> {
        duration(node, units::duration)
    }
}

impl Read for Age {
    fn read(node: &Node<'_>) -> Option<Self> {
        duration(node, units::age).map(Self)
    }
}

fn duration(node: &Node<'_>, parse: fn(&str) -> Result<Duration, &'static str>) -> Option<Duration> {
    let ValueKind::String(text) = &node.value.kind else {
        node.wrong_type("a duration in quotes, such as \"10s\"");
        return None;
    };
    parse(text).map_err(|expected| node.bad(text, expected)).ok()
}

impl Read for Positive {
    fn read(node: &Node<'_>) -> Option<Self> {
        let duration = Duration::read(node)?;
        if duration.is_zero() {
            node.bad("0s", "longer than nothing");
            return None;
        }
        Some(Self(duration))
    }
}

impl Read for Bytes {
    fn read(node: &Node<'_>) -> Option<Self> {
        size(node, 1, "a number of bytes of at least 1, such as \"32MiB\"").map(Self)
    }
}

impl Read for Size {
    fn read(node: &Node<'_>) -> Option<Self> {
        size(node, 0, "a number of bytes, such as \"10GiB\"").map(Self)
    }
}

fn size(node: &Node<'_>, least: u64, expected: &str) -> Option<u64> {
    let (text, bytes) = match &node.value.kind {
        ValueKind::I64(number) => (number.to_string(), u64::try_from(*number).ok()),
        ValueKind::String(text) => (text.clone(), units::bytes(text)),
        _ => {
            node.wrong_type("a number of bytes, such as 1048576 or \"32MiB\"");
            return None;
        }
    };
    let fitting = bytes.filter(|bytes| *bytes >= least);
    if fitting.is_none() {
        node.bad(&text, expected);
    }
    fitting
}

impl Read for SecretReference {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        let (expected, hint) = match Self::parse(text, node.origin().directory().as_deref()) {
            Ok(reference) => return Some(reference),
            Err(BadReference::UnknownScheme(meant)) => {
                ("a reference to a secret", format!("did you mean \"{meant}:\"?"))
            }
            Err(BadReference::NotACommand) => {
                ("a command", "write the program and its arguments; a quote that is opened is closed".to_owned())
            }
            Err(BadReference::Empty) => ("a reference to a secret", REFERENCES.to_owned()),
        };
        node.refuse(ErrorKind::BadValue { value: None, expected: expected.to_owned() }, Some(hint));
        None
    }
}

/// One of a few words.
pub(crate) fn word<T: Copy>(node: &Node<'_>, words: &[(&'static str, T)]) -> Option<T> {
    let text = node.text()?;
    let found = words.iter().find(|(word, _)| *word == text.trim()).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let meant = nearest(text, words.iter().map(|(word, _)| *word));
        let kind = ErrorKind::BadValue { value: Some(format!("{text:?}")), expected: names.join(" or ") };
        node.refuse(kind, meant.map(|meant| format!("did you mean \"{meant}\"?")));
    }
    found
}
