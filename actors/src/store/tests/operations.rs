use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use proptest::{collection::vec, prelude::*};

use super::*;

#[tokio::test]
async fn values_are_set_removed_and_listed_in_order() {
    let (_dir, stores) = both().await;
    for store in stores {
        for (key, value) in [("b", "blue"), ("a", "amber"), ("c", "cyan"), ("a", "azure")] {
            store.put(&COLOURS, &owned(key), &owned(value)).await.unwrap();
        }
        store.remove(&COLOURS, &owned("b")).await.unwrap();
        store.remove(&COLOURS, &owned("nothing")).await.unwrap();
        assert_eq!(store.get(&COLOURS, &owned("a")).await.unwrap().as_deref(), Some("azure"));
        assert_eq!(store.get(&COLOURS, &owned("b")).await.unwrap(), None);
        let listed = [(owned("a"), owned("azure")), (owned("c"), owned("cyan"))];
        assert_eq!(store.scan(&COLOURS).await.unwrap(), listed);
    }
}

#[tokio::test]
async fn a_scan_sees_its_own_keys_alone() {
    let (_dir, stores) = both().await;
    for store in stores {
        for key in [("lab", 1), ("lab", u64::MAX), ("lab\0", 1), ("lab\u{1}", 1), ("la", 1), ("lab2", 1)] {
            store.put(&PLACES, &(owned(key.0), key.1), &vec![1]).await.unwrap();
        }
        let found = store.scan_settled(&PLACES, &owned("lab")).await.unwrap();
        let keys: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [(owned("lab"), 1), (owned("lab"), u64::MAX)]);
        assert_eq!(store.scan(&COLOURS).await.unwrap(), []);
        assert_eq!(store.scan(&PLACES).await.unwrap().len(), 6);
    }
}

#[tokio::test]
async fn only_the_expected_value_is_replaced() {
    let (_dir, stores) = both().await;
    for store in stores {
        let key = owned("k");
        let set = |expected: Option<&str>, new: Option<&str>| {
            let (expected, new) = (expected.map(owned), new.map(owned));
            let (store, key) = (store.clone(), key.clone());
            async move { store.compare_and_set(&COLOURS, &key, expected, new).await.unwrap() }
        };
        assert_eq!(set(Some("x"), Some("a")).await, Err(None));
        assert_eq!(set(None, Some("a")).await, Ok(()));
        assert_eq!(set(None, Some("b")).await, Err(Some(owned("a"))));
        assert_eq!(set(Some("a"), Some("b")).await, Ok(()));
        assert_eq!(set(Some("b"), None).await, Ok(()));
        assert_eq!(store.get(&COLOURS, &key).await.unwrap(), None);
        // Of many at once, one wins each round.
        for round in 0..20 {
            let before = store.get(&COLOURS, &key).await.unwrap();
            let tries = (0..8).map(|number| set(before.as_deref(), Some(["p", "q"][round % 2])).map_ok(number));
            let won = futures::future::join_all(tries).await.into_iter().flatten().count();
            assert_eq!(won, 1);
        }
    }
}

/// Names the winner.
trait MapOk: Future<Output = Result<(), Option<String>>> + Sized {
    async fn map_ok(self, number: usize) -> Result<usize, Option<String>> {
        self.await.map(|()| number)
    }
}

impl<F: Future<Output = Result<(), Option<String>>>> MapOk for F {}

#[tokio::test]
async fn a_batch_is_made_whole_or_not_at_all() {
    let (_dir, stores) = both().await;
    for store in stores {
        let mut good = Batch::default();
        good.put(&COLOURS, &owned("a"), &owned("red")).unwrap();
        good.append("log", Entry { span: 5, data: b"hello".to_vec() });
        good.append("log", Entry { span: 1, data: b"!".to_vec() });
        good.add("usage", "day", BTreeMap::from([(owned("tokens"), i64::MAX)]));
        store.commit(good).await.unwrap();
        let mut bad = Batch::default();
        bad.put(&COLOURS, &owned("a"), &owned("green")).unwrap();
        bad.remove(&COLOURS, &owned("a"));
        bad.append("log", Entry { span: 1, data: b"?".to_vec() });
        bad.add("usage", "day", BTreeMap::from([(owned("tokens"), 1)]));
        assert_eq!(store.commit(bad).await, Err(StoreError::Overflow));
        assert_eq!(store.get(&COLOURS, &owned("a")).await.unwrap().as_deref(), Some("red"));
        assert_eq!(store.read("log", 0, 100).await.unwrap().len(), 2);
        let sums = store.sums("usage").await.unwrap();
        assert_eq!(sums, [(owned("day"), BTreeMap::from([(owned("tokens"), i64::MAX)]))]);
        assert_eq!(store.sums("usage2").await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused() {
    let (_dir, [store, _]) = both().await;
    let large = "x".repeat(table::MOST);
    let refused = store.put(&COLOURS, &owned("a"), &large).await;
    assert_eq!(refused, Err(StoreError::TooLarge { bytes: table::MOST + 2, most: table::MOST }));
}

#[tokio::test]
async fn ledgers_sum_up_what_is_added_at_once() {
    let (_dir, stores) = both().await;
    for store in stores {
        let amounts = |tokens: i64| BTreeMap::from([(owned("tokens"), tokens), (owned("requests"), 1)]);
        let adds =
            (1..=100).map(|tokens| store.add("usage", if tokens % 2 == 0 { "even" } else { "odd" }, amounts(tokens)));
        for added in futures::future::join_all(adds).await {
            added.unwrap();
        }
        let sums: BTreeMap<_, _> = store.sums("usage").await.unwrap().into_iter().collect();
        assert_eq!((sums["even"]["tokens"], sums["odd"]["tokens"], sums["odd"]["requests"]), (2550, 2500, 50));
    }
}

#[tokio::test]
async fn a_lease_has_one_owner_and_grows_its_fence() {
    let (_dir, stores) = both().await;
    for store in stores {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        let minute = Duration::from_secs(60);
        let take = |owner: &'static str, now| store.take_lease("session", owner, minute, now);
        let first = take("a", at(0)).await.unwrap().unwrap();
        assert_eq!((first.fence, first.until), (1, at(60)));
        assert_eq!(take("b", at(59)).await.unwrap(), Err(first.clone()));
        let renewed = store.renew_lease("session", &first, minute, at(59)).await.unwrap().unwrap();
        assert_eq!((renewed.fence, renewed.until), (1, at(119)));
        assert_eq!(take("b", at(118)).await.unwrap(), Err(renewed.clone()));
        let second = take("b", at(119)).await.unwrap().unwrap();
        assert_eq!((second.owner.as_str(), second.fence), ("b", 2));
        assert_eq!(store.renew_lease("session", &renewed, minute, at(120)).await.unwrap(), None);
        assert!(!store.release_lease("session", &renewed).await.unwrap());
        assert!(store.release_lease("session", &second).await.unwrap());
        assert_eq!(take("a", at(121)).await.unwrap().unwrap().fence, 3);
    }
}

#[tokio::test]
async fn an_entry_of_any_size_is_read_as_it_was_written() {
    let (_dir, stores) = both().await;
    for store in stores {
        let data: Vec<u8> = (0..300_000u32).map(|number| (number % 251) as u8).collect();
        let entry = |data: &[u8]| Entry { span: 7, data: data.to_vec() };
        store.append("big", vec![entry(b""), entry(&data), entry(b"end")]).await.unwrap();
        let read = store.read("big", 0, usize::MAX).await.unwrap();
        assert_eq!(read.iter().map(|entry| entry.data.len()).collect::<Vec<_>>(), [0, 300_000, 3]);
        assert_eq!(read[1].data, data);
        let one = store.read("big", 9, 1).await.unwrap();
        assert_eq!((one.len(), one[0].position, one[0].data == data), (1, 7, true));
    }
}

#[derive(Debug, Clone)]
enum Doing {
    Append(usize, Vec<(u64, Vec<u8>)>),
    Read(usize, u64, usize),
}

fn doing() -> impl Strategy<Value = Doing> {
    let entries = vec((0u64..40, vec(any::<u8>(), 0..30)), 0..4);
    prop_oneof![
        (0usize..3, entries).prop_map(|(log, entries)| Doing::Append(log, entries)),
        (0usize..3, 0u64..200, 0usize..80).prop_map(|(log, from, most)| Doing::Read(log, from, most)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A log is what was appended to it, whatever happens to those whose names are near.
    #[test]
    fn logs_read_as_they_were_written(all in vec(doing(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let store = opened(&dir).await;
            let names = ["log", "log\0", "log\u{1}x"];
            let mut model: [Vec<Logged>; 3] = Default::default();
            for doing in all {
                match doing {
                    Doing::Append(log, entries) => {
                        let end = model[log].last().map_or(0, |entry| entry.next);
                        let given = entries.iter().map(|(span, data)| Entry { span: *span, data: data.clone() });
                        prop_assert_eq!(store.append(names[log], given.collect()).await.unwrap(), end);
                        for (span, data) in entries {
                            let position = model[log].last().map_or(0, |entry| entry.next);
                            model[log].push(Logged { position, next: position + span.max(1), data });
                        }
                    }
                    Doing::Read(log, from, most) => {
                        let read = store.read(names[log], from, most).await.unwrap();
                        let wanted: Vec<_> = model[log].iter().filter(|entry| entry.next > from).cloned().collect();
                        prop_assert!(wanted.starts_with(&read), "{:?} of {:?}", read, wanted);
                        let bytes: usize = read.iter().map(|entry| entry.data.len()).sum();
                        prop_assert!(read.len() == wanted.len() || (!read.is_empty() && bytes + 12 * read.len() >= most));
                    }
                }
            }
            store.close().await.unwrap();
            let again = opened(&dir).await;
            for (name, entries) in names.iter().zip(&model) {
                prop_assert_eq!(&again.read(name, 0, usize::MAX).await.unwrap(), entries);
            }
            Ok(())
        })?;
    }
}
