//! Whose the sessions of the Model Context Protocol's transport are. They are no conversations: a client that has gone
//! begins another one, and loses nothing.

use std::{collections::HashMap, sync::Arc};

/// Most sessions of one client. Many clients of the protocol never say that they have gone.
const MOST: usize = 64;

/// Who has which session, by its id.
#[derive(Debug, Default)]
pub(super) struct Owners {
    sessions: HashMap<String, Owned>,
    /// Counts uses, so that the one that was used longest ago is known without a clock.
    uses: u64,
}

#[derive(Debug)]
struct Owned {
    client: Arc<str>,
    used: u64,
}

impl Owners {
    /// Takes a new session in. The one that its client has to give up for it, which it used longest ago.
    pub(super) fn begin(&mut self, id: &str, client: &str) -> Option<String> {
        let of_client = || self.sessions.iter().filter(|(_, owned)| &*owned.client == client);
        let given_up = match of_client().count() {
            MOST.. => of_client().min_by_key(|(_, owned)| owned.used).map(|(id, _)| id.clone()),
            _ => None,
        };
        if let Some(given_up) = &given_up {
            self.sessions.remove(given_up);
        }
        let used = self.next_use();
        self.sessions.insert(id.to_owned(), Owned { client: client.into(), used });
        given_up
    }

    /// Whether a client may use this session, which is then used.
    pub(super) fn is_of(&mut self, id: &str, client: &str) -> bool {
        let used = self.next_use();
        let owned = self.sessions.get_mut(id).filter(|owned| &*owned.client == client);
        owned.map(|owned| owned.used = used).is_some()
    }

    /// Forgets those that are no more.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.sessions.retain(|id, _| is_there(id));
    }

    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_its_clients_alone() {
        let mut owners = Owners::default();
        assert_eq!(owners.begin("a", "one"), None);
        assert!(owners.is_of("a", "one"));
        assert!(!owners.is_of("a", "two"));
        assert!(!owners.is_of("b", "one"));
        owners.keep(|id| id != "a");
        assert!(!owners.is_of("a", "one"));
    }

    #[test]
    fn who_has_too_many_gives_up_its_own_that_it_used_longest_ago() {
        let mut owners = Owners::default();
        owners.begin("other", "two");
        for number in 0..MOST {
            assert_eq!(owners.begin(&format!("s{number}"), "one"), None);
        }
        assert!(owners.is_of("s0", "one"));
        assert_eq!(owners.begin("new", "one").as_deref(), Some("s1"));
        assert!(owners.is_of("other", "two"));
        assert_eq!(owners.begin("newer", "one").as_deref(), Some("s2"));
    }
}
