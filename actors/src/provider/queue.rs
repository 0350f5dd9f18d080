//! Requests that wait for a provider: bounded, and fair between sessions. Pure.

use std::collections::{HashMap, VecDeque};

/// Waiting items by their owner; owners take turns, and each owner's items keep their order.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    turns: VecDeque<String>,
    waiting: HashMap<String, VecDeque<T>>,
    len: usize,
    most: usize,
}

impl<T> FairQueue<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { turns: VecDeque::new(), waiting: HashMap::new(), len: 0, most }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_full(&self) -> bool {
        self.len >= self.most
    }

    /// Looks at every item; what `keep` doesn't give back is taken out.
    pub(super) fn sweep(&mut self, mut keep: impl FnMut(T) -> Option<T>) {
        for items in self.waiting.values_mut() {
            *items = std::mem::take(items).into_iter().filter_map(&mut keep).collect();
        }
        self.waiting.retain(|_, items| !items.is_empty());
        self.turns.retain(|owner| self.waiting.contains_key(owner));
        self.len = self.waiting.values().map(VecDeque::len).sum();
    }

    /// Adds an item, or gives it back if the queue is full.
    pub(super) fn push(&mut self, owner: &str, item: T) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        if let Some(items) = self.waiting.get_mut(owner) {
            items.push_back(item);
        } else {
            self.turns.push_back(owner.to_owned());
            self.waiting.insert(owner.to_owned(), VecDeque::from([item]));
        }
        self.len += 1;
        Ok(())
    }

    /// Offers the next item of each owner in turn, until a whole round takes none. `offer` gives back what it does not
    /// take; an owner whose item was taken goes to the back.
    pub(super) fn offer(&mut self, mut offer: impl FnMut(T) -> Option<T>) {
        let mut refused = 0;
        while refused < self.turns.len() {
            let Some(owner) = self.turns.pop_front() else { return };
            let items = self.waiting.get_mut(&owner).expect("an owner with a turn has items");
            let item = items.pop_front().expect("an owner with a turn has an item");
            match offer(item) {
                Some(item) => {
                    items.push_front(item);
                    refused += 1;
                }
                None => {
                    self.len -= 1;
                    refused = 0;
                    if items.is_empty() {
                        self.waiting.remove(&owner);
                        continue;
                    }
                }
            }
            self.turns.push_back(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_take_turns_and_keep_their_order() {
        let mut queue = FairQueue::new(10);
        for item in ["a1", "a2", "a3", "b1", "b2", "c1"] {
            queue.push(&item[..1], item).unwrap();
        }
        let mut order = Vec::new();
        queue.offer(|item| {
            order.push(item);
            None
        });
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn one_that_can_not_go_does_not_hold_up_the_others() {
        let mut queue = FairQueue::new(10);
        for item in ["a1", "b1", "a2", "b2"] {
            queue.push(&item[..1], item).unwrap();
        }
        let mut gone = Vec::new();
        queue.offer(|item| {
            if item.starts_with('a') {
                return Some(item);
            }
            gone.push(item);
            None
        });
        assert_eq!(gone, ["b1", "b2"]);
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn what_is_swept_out_makes_room_and_leaves_the_order() {
        let mut queue = FairQueue::new(5);
        for item in ["a1", "b1", "a2", "c1", "a3"] {
            queue.push(&item[..1], item).unwrap();
        }
        assert!(queue.is_full());
        queue.sweep(|item| (!["a2", "b1"].contains(&item)).then_some(item));
        assert_eq!((queue.len(), queue.is_full()), (3, false));
        queue.push("b", "b2").unwrap();
        let mut order = Vec::new();
        queue.offer(|item| {
            order.push(item);
            None
        });
        assert_eq!(order, ["a1", "c1", "b2", "a3"]);
    }

    #[test]
    fn a_full_queue_gives_the_item_back() {
        let mut queue = FairQueue::new(1);
        queue.push("a", 1).unwrap();
        assert_eq!(queue.push("b", 2), Err(2));
    }
}
