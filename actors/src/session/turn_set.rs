//! A set of turns, small where they follow one another. Pure.

use serde::{Deserialize, Serialize};

/// Turns, as ranges that neither touch nor overlap, in their order; both ends are in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TurnSet(Vec<(u64, u64)>);

impl TurnSet {
    /// All turns up to and with this one; turns are counted from 1.
    pub(crate) fn up_to(last: u64) -> Self {
        Self(if last == 0 { Vec::new() } else { vec![(1, last)] })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, turn: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= turn);
        after > 0 && turn <= self.0[after - 1].1
    }

    pub(crate) fn insert(&mut self, turn: u64) {
        if self.contains(turn) {
            return;
        }
        let after = self.0.partition_point(|(first, _)| *first < turn);
        let joins_before = after > 0 && self.0[after - 1].1.checked_add(1) == Some(turn);
        let joins_after = self.0.get(after).is_some_and(|(first, _)| turn.checked_add(1) == Some(*first));
        match (joins_before, joins_after) {
            (true, true) => {
                self.0[after - 1].1 = self.0[after].1;
                self.0.remove(after);
            }
            (true, false) => self.0[after - 1].1 = turn,
            (false, true) => self.0[after].0 = turn,
            (false, false) => self.0.insert(after, (turn, turn)),
        }
    }

    /// Whether it has every turn up to and with this one.
    pub(crate) fn has_all(&self, last: u64) -> bool {
        last == 0 || self.0.first().is_some_and(|(first, end)| *first <= 1 && *end >= last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_has_what_was_put_into_it_and_no_more_ranges_than_gaps(turns in proptest::collection::vec(1_u64..20, 0..30), first in 0_u64..5) {
            let mut set = TurnSet::up_to(first);
            let mut wanted: BTreeSet<u64> = (1..=first).collect();
            for turn in turns {
                set.insert(turn);
                wanted.insert(turn);
                for one in 0..22 {
                    prop_assert_eq!(set.contains(one), wanted.contains(&one), "{} of {:?}", one, set);
                    prop_assert_eq!(set.has_all(one), (1..=one).all(|turn| wanted.contains(&turn)));
                }
                prop_assert!(set.0.windows(2).all(|two| two[0].1 + 1 < two[1].0), "{:?}", set);
            }
        }
    }
}
