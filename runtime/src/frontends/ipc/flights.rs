//! The requests in flight, by their ids.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::{envelope::Id, words::Refusal};

/// How many there may be at once.
pub(super) const MOST: usize = 1024;

/// All requests that are not answered to their end.
#[derive(Debug, Default)]
pub(super) struct Flights {
    open: Arc<Mutex<Open>>,
    /// Cancelled once all that is left is to end.
    ending: CancellationToken,
}

#[derive(Debug, Default)]
struct Open {
    count: usize,
    by_id: HashMap<Id, Ends>,
}

/// The ends of one request: the one that is asked for, and the one that has come.
#[derive(Debug, Clone)]
struct Ends {
    asked: CancellationToken,
    come: CancellationToken,
}

/// A request in flight, until this is dropped.
#[derive(Debug)]
pub(super) struct Flight {
    open: Arc<Mutex<Open>>,
    id: Option<Id>,
    ends: Ends,
    ending: CancellationToken,
}

/// Why a request in flight is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Cancelled,
    ShuttingDown,
}

impl Flights {
    /// Lets a request in.
    ///
    /// # Errors
    /// Another of its id is in flight, or too many are.
    pub(super) fn begin(&self, id: Option<Id>) -> Result<Flight, Refusal> {
        self.check(id.as_ref())?;
        let ends = Ends { asked: CancellationToken::new(), come: CancellationToken::new() };
        let mut open = lock(&self.open);
        if open.count == MOST {
            let message = format!("{MOST} requests are in flight, which is as many as there may be");
            return Err(Refusal::new("overloaded", message, "ask again once one of them is answered"));
        }
        open.count += 1;
        if let Some(id) = &id {
            open.by_id.insert(id.clone(), ends.clone());
        }
        Ok(Flight { open: Arc::clone(&self.open), id, ends, ending: self.ending.clone() })
    }

    /// Whether an id may be used.
    ///
    /// # Errors
    /// It is in flight.
    pub(super) fn check(&self, id: Option<&Id>) -> Result<(), Refusal> {
        match id {
            Some(id) if lock(&self.open).by_id.contains_key(id) => {
                Err(Refusal::bad("another request of this id is in flight", "give each request an id of its own"))
            }
            _ => Ok(()),
        }
    }

    /// Cancels a request. What this gives is cancelled once nothing more comes of it; nothing if it is not in flight.
    pub(super) fn cancel(&self, id: &Id) -> Option<CancellationToken> {
        let ends = lock(&self.open).by_id.get(id).cloned()?;
        ends.asked.cancel();
        Some(ends.come)
    }

    /// Has every request end, those that come later as well.
    pub(super) fn end_all(&self) {
        self.ending.cancel();
    }
}

impl Flight {
    pub(super) fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }

    /// Waits until it is to end.
    pub(super) async fn ended(&self) -> Ended {
        tokio::select! {
            () = self.ends.asked.cancelled() => Ended::Cancelled,
            () = self.ending.cancelled() => Ended::ShuttingDown,
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.count -= 1;
        if let Some(id) = &self.id {
            open.by_id.remove(id);
        }
        self.ends.come.cancel();
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::{super::envelope, *};

    fn id(number: usize) -> Option<Id> {
        envelope::read(format!("{{\"id\":{number}}}").as_bytes()).0
    }

    #[test]
    fn an_id_is_free_again_once_its_request_is_over() {
        let flights = Flights::default();
        let first = flights.begin(id(1)).unwrap();
        assert_eq!(flights.begin(id(1)).unwrap_err().code(), "bad_request");
        assert!(flights.begin(None).is_ok() && flights.begin(None).is_ok());
        let over = flights.cancel(first.id().unwrap()).unwrap();
        assert_eq!(first.ended().now_or_never(), Some(Ended::Cancelled));
        assert!(!over.is_cancelled());
        drop(first);
        assert!(over.is_cancelled());
        assert!(flights.cancel(&id(1).unwrap()).is_none());
        let again = flights.begin(id(1)).unwrap();
        assert_eq!(again.ended().now_or_never(), None);
        flights.end_all();
        assert_eq!(again.ended().now_or_never(), Some(Ended::ShuttingDown));
    }

    #[test]
    fn there_are_so_many_at_most() {
        let flights = Flights::default();
        let mut all: Vec<Flight> = (0..MOST).map(|number| flights.begin(id(number)).unwrap()).collect();
        assert_eq!(flights.begin(id(MOST)).unwrap_err().code(), "overloaded");
        assert_eq!(flights.begin(None).unwrap_err().code(), "overloaded");
        all.pop();
        assert!(flights.begin(None).is_ok());
    }
}
