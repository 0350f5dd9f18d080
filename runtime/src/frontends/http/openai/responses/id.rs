//! Ids of responses that are kept. An id says where its response is, so that none has to be looked up. Pure.

use std::fmt;

/// Before the digits of a conversation, which is a session.
const CONVERSATION: &str = "conv_";
/// Before the digits of a response.
const RESPONSE: &str = "resp_";
/// Digits of a conversation, and of a position in its log.
const OF_CONVERSATION: usize = 32;
const OF_POSITION: usize = 16;

/// Where a response is: the turn whose message stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResponseId {
    /// The id of the session.
    pub(super) session: String,
    /// Of the message that began the turn.
    pub(super) position: u64,
}

impl ResponseId {
    /// Reads an id, if it can be one of ours.
    pub(super) fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(RESPONSE)?;
        if digits.len() != OF_CONVERSATION + OF_POSITION || !digits.bytes().all(is_digit) {
            return None;
        }
        let (conversation, position) = digits.split_at(OF_CONVERSATION);
        let position = u64::from_str_radix(position, 16).ok()?;
        Some(Self { session: format!("{CONVERSATION}{conversation}"), position })
    }

    /// What ids that are made up for the parts of the response end with.
    pub(super) fn tail(&self) -> String {
        self.to_string().split_off(RESPONSE.len())
    }
}

impl fmt::Display for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.session.strip_prefix(CONVERSATION).unwrap_or_default();
        write!(f, "{RESPONSE}{digits}{:016x}", self.position)
    }
}

/// Whether an id can be one of a conversation of responses.
pub(super) fn is_conversation(id: &str) -> bool {
    let digits = id.strip_prefix(CONVERSATION);
    digits.is_some_and(|digits| digits.len() == OF_CONVERSATION && digits.bytes().all(is_digit))
}

/// An id that no conversation has.
pub(super) fn new_conversation() -> String {
    format!("{CONVERSATION}{:032x}", rand::random::<u128>())
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_says_where_its_response_is(conversation: u128, position: u64) {
            let session = format!("conv_{conversation:032x}");
            prop_assert!(is_conversation(&session));
            let id = ResponseId { session, position };
            prop_assert_eq!(ResponseId::read(&id.to_string()), Some(id.clone()));
            prop_assert_eq!(format!("resp_{}", id.tail()), id.to_string());
        }

        #[test]
        fn what_is_no_id_is_none(text in "(resp_)?[0-9a-gA-F_+-]{0,52}") {
            if let Some(id) = ResponseId::read(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn ids_of_others_are_none_of_ours() {
        let digits = "0".repeat(48);
        assert!(ResponseId::read(&format!("resp_{digits}")).is_some());
        for bad in ["", "resp_", "resp_1", &digits, &format!("resp_{digits}0"), &format!("resp_{}G", &digits[1..])] {
            assert_eq!(ResponseId::read(bad), None, "{bad}");
        }
        assert!(ResponseId::read(&format!("resp_{}A", &digits[1..])).is_none(), "one way to write each");
        assert!(!is_conversation("conv_1") && !is_conversation("ses_00") && is_conversation(&new_conversation()));
    }
}
