use proptest::{collection::vec, prelude::*};

use super::*;

fn entry(span: u64, data: &[u8]) -> Entry {
    Entry { span, data: data.to_vec() }
}

async fn append_at(store: &Store, log: &str, position: u64, entries: Vec<Entry>) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    batch.append_at(log, position, entries);
    store.commit(batch).await
}

async fn whole(store: &Store, log: &str) -> Vec<Logged> {
    store.read(log, 0, usize::MAX).await.unwrap()
}

#[tokio::test]
async fn entries_take_the_place_of_those_from_a_position_on() {
    let (_dir, stores) = both().await;
    for store in stores {
        let large = vec![7; 3 * table::MOST];
        store.append("log", vec![entry(5, b"one"), entry(3, &large), entry(1, b"three")]).await.unwrap();
        store.append("log2", vec![entry(9, b"other")]).await.unwrap();
        for position in [3, 6, 7, 10, u64::MAX] {
            let refused = append_at(&store, "log", position, vec![entry(1, b"x")]).await;
            assert_eq!(refused, Err(StoreError::Misplaced { position }));
        }
        assert!(!is_degraded(&store), "a caller's fault is none of the store's");
        assert_eq!(whole(&store, "log").await.len(), 3);
        append_at(&store, "log", 9, vec![entry(2, b"four")]).await.unwrap();
        append_at(&store, "log", 5, vec![entry(6, b"merged")]).await.unwrap();
        let read = whole(&store, "log").await;
        assert_eq!(read.iter().map(|entry| (entry.position, entry.next)).collect::<Vec<_>>(), [(0, 5), (5, 11)]);
        assert_eq!(read[1].data, b"merged");
        append_at(&store, "log", 0, vec![]).await.unwrap();
        assert_eq!((whole(&store, "log").await, store.log_end("log").await.unwrap()), (vec![], Some(0)));
        assert_eq!((whole(&store, "log2").await.len(), store.log_end("log2").await.unwrap()), (1, Some(9)));
        assert_eq!(store.log_end("log3").await.unwrap(), None);
        append_at(&store, "log3", 0, vec![entry(4, b"new")]).await.unwrap();
        assert_eq!(store.log_end("log3").await.unwrap(), Some(4));
    }
}

fn is_degraded(store: &Store) -> bool {
    matches!(store.health(), Health::Degraded(_))
}

#[tokio::test]
async fn a_position_that_is_refused_undoes_the_whole_batch() {
    let (_dir, stores) = both().await;
    for store in stores {
        let mut batch = Batch::default();
        batch.put(&COLOURS, &owned("a"), &owned("red")).unwrap();
        batch.append("log", entry(4, b"hello"));
        batch.append_at("log", 4, vec![entry(1, b"!")]);
        batch.append_at("log", 0, vec![entry(2, b"hi"), entry(1, b"?")]);
        batch.append_at("log", 2, vec![entry(1, b"!")]);
        store.commit(batch).await.unwrap();
        let mut batch = Batch::default();
        batch.remove(&COLOURS, &owned("a"));
        batch.append_at("log", 2, vec![]);
        batch.append_at("log", 3, vec![]);
        assert_eq!(store.commit(batch).await, Err(StoreError::Misplaced { position: 3 }));
        assert_eq!(store.get(&COLOURS, &owned("a")).await.unwrap().as_deref(), Some("red"));
        let read = whole(&store, "log").await;
        assert_eq!(read.iter().map(|entry| entry.data.as_slice()).collect::<Vec<_>>(), [&b"hi"[..], b"!"]);
    }
}

#[tokio::test]
async fn a_log_is_removed_entry_by_entry_with_its_end_at_last() {
    let (_dir, stores) = both().await;
    for store in stores {
        let large = vec![7; 5 * table::MOST];
        let entries = vec![entry(1, b"a"), entry(1, b"b"), entry(9, &large), entry(1, b"c"), entry(1, b"d")];
        store.append("log", entries).await.unwrap();
        store.append("log\0", vec![entry(1, b"near")]).await.unwrap();
        let mut left = Vec::new();
        while !store.remove_log("log", 3).await.unwrap() {
            assert_eq!(store.log_end("log").await.unwrap(), Some(13));
            left.push(whole(&store, "log").await.iter().map(|entry| entry.position).collect::<Vec<_>>());
        }
        assert_eq!(left, [vec![2, 11, 12], vec![11, 12]], "an entry of more pieces goes whole");
        assert_eq!((whole(&store, "log").await, store.log_end("log").await.unwrap()), (vec![], None));
        assert!(store.remove_log("log", 3).await.unwrap());
        assert!(store.remove_log("never was", 0).await.unwrap());
        assert_eq!(whole(&store, "log\0").await.len(), 1);
        assert_eq!(store.append("log", vec![entry(1, b"new")]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn an_entry_is_read_from_wherever_it_spans_and_nothing_past_the_end() {
    let (_dir, stores) = both().await;
    for store in stores {
        let large: Vec<u8> = (0..200_000u32).map(|number| (number % 251) as u8).collect();
        store.append("log", vec![entry(10, &large), entry(10, &large)]).await.unwrap();
        for (from, wanted) in [(0, Some(0)), (9, Some(0)), (10, Some(10)), (19, Some(10)), (20, None), (99, None)] {
            for most in [0, 1, 64 << 10] {
                let read = store.read("log", from, most).await.unwrap();
                assert_eq!(read.first().map(|entry| entry.position), wanted, "from {from}");
                assert!(read.iter().all(|entry| entry.data == large));
            }
        }
        assert!(!is_degraded(&store));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_sees_a_log_before_or_after_it_is_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    let old = |number: u8| (0..40).map(move |_| entry(1, &vec![number; 2000])).collect::<Vec<_>>();
    let merged = |number: u8| vec![entry(20, &vec![number; 150_000]), entry(20, &vec![number; 150_000])];
    store.append("log", old(0)).await.unwrap();
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 1..60 {
                let entries = if number % 2 == 0 { old(number) } else { merged(number) };
                append_at(&store, "log", 0, entries).await.unwrap();
            }
        }
    });
    while !writing.is_finished() {
        for most in [1, 5000, usize::MAX] {
            let read = store.read("log", 0, most).await.unwrap();
            let mut position = 0;
            for entry in &read {
                assert_eq!((entry.position, entry.data[0]), (position, read[0].data[0]));
                assert!(entry.data.iter().all(|byte| *byte == entry.data[0]), "a mixture");
                position = entry.next;
            }
            assert!(!read.is_empty() && (most < usize::MAX || position == 40));
        }
    }
    writing.await.unwrap();
    assert_eq!(store.health(), Health::Good);
}

#[tokio::test]
async fn a_table_is_paged_through_in_the_order_of_its_keys() {
    let (_dir, stores) = both().await;
    for store in stores {
        let keys: Vec<_> = ["la", "lab", "lab\0", "lac"]
            .iter()
            .flat_map(|name| [0, 1, 255, 256, u64::MAX].map(|number| (owned(name), number)))
            .collect();
        let mut batch = Batch::default();
        for key in &keys {
            batch.put(&PLACES, key, &vec![1]).unwrap();
        }
        batch.put(&COLOURS, &owned("z"), &owned("red")).unwrap();
        store.commit(batch).await.unwrap();
        for most in [1, 3, 5, 100] {
            let mut found: Vec<(String, u64)> = Vec::new();
            loop {
                let page = store.scan_page(&PLACES, found.last(), most).await.unwrap();
                assert!(page.len() <= most);
                if page.is_empty() {
                    break;
                }
                found.extend(page.into_iter().map(|(key, _)| key));
            }
            assert_eq!(found, keys);
        }
        let of = async |first: &str, after: Option<(String, u64)>, most| {
            let page = store.scan_page_of(&PLACES, &owned(first), after.as_ref(), most).await.unwrap();
            page.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(of("lab", None, 100).await, keys[5..10]);
        assert_eq!(of("lab", Some((owned("lab"), 1)), 2).await, keys[7..9]);
        assert_eq!(of("lab", Some((owned("lab"), 2)), 100).await, keys[7..10], "one that isn't there is a place too");
        assert_eq!(of("lab", Some((owned("a"), 2)), 1).await, keys[5..6]);
        assert_eq!(of("lab", Some((owned("lab"), u64::MAX)), 100).await, []);
        assert_eq!(of("lab", Some((owned("z"), 0)), 100).await, []);
        assert_eq!(of("lab", None, 0).await, []);
    }
}

#[derive(Debug, Clone)]
enum Doing {
    Append(Vec<(u64, u16)>),
    /// Where the entry of this index begins, or the end.
    Rewrite(usize, Vec<(u64, u16)>),
    /// Wherever that is.
    RewriteAt(u64, Vec<(u64, u16)>),
    Remove(usize),
}

fn doing() -> impl Strategy<Value = Doing> {
    // Sizes such that some have several pieces: hundreds of bytes times a thousand.
    let entries = || vec((0u64..20, prop_oneof![4 => 0u16..20, 1 => 60u16..200]), 0..4);
    prop_oneof![
        3 => entries().prop_map(Doing::Append),
        3 => (0usize..8, entries()).prop_map(|(index, entries)| Doing::Rewrite(index, entries)),
        1 => (0u64..60, entries()).prop_map(|(position, entries)| Doing::RewriteAt(position, entries)),
        1 => (0usize..6).prop_map(Doing::Remove),
    ]
}

/// What a log should have: `None` if there is none.
#[derive(Debug, Default)]
struct Model {
    end: Option<u64>,
    entries: Vec<Logged>,
}

impl Model {
    fn append(&mut self, entries: &[Entry]) {
        for Entry { span, data } in entries {
            let position = self.end.unwrap_or(0);
            let next = position + (*span).max(1);
            self.entries.push(Logged { position, next, data: data.clone() });
            self.end = Some(next);
        }
    }

    fn append_at(&mut self, position: u64, entries: &[Entry]) -> Result<(), StoreError> {
        if position != self.end.unwrap_or(0) {
            let at = self.entries.iter().position(|entry| entry.position == position);
            self.entries.truncate(at.ok_or(StoreError::Misplaced { position })?);
            self.end = Some(position);
        }
        self.append(entries);
        Ok(())
    }

    fn remove(&mut self, most: usize) -> bool {
        let pieces = |entry: &Logged| entry.data.len().div_ceil(log::PIECE).max(1);
        let mut room = most.max(1);
        let mut fitting = 0;
        for entry in &self.entries {
            match room.checked_sub(pieces(entry)) {
                Some(left) => room = left,
                None => break,
            }
            fitting += 1;
        }
        if fitting == self.entries.len() {
            *self = Self::default();
            return true;
        }
        self.entries.drain(..fitting.max(1));
        false
    }
}

fn made(entries: &[(u64, u16)]) -> Vec<Entry> {
    let data = |size: u16| (0..u32::from(size) * 1000).map(|number| (number % 251) as u8).collect();
    entries.iter().map(|(span, size)| Entry { span: *span, data: data(*size) }).collect()
}

/// Does several things at once, so that the writer makes groups of them, and compares what became of each.
async fn run(store: &Store, model: &mut Model, doings: Vec<Doing>) -> Result<(), TestCaseError> {
    let mut asked: Vec<futures::future::BoxFuture<'_, Result<bool, StoreError>>> = Vec::new();
    let mut wanted = Vec::new();
    for doing in doings {
        let position = match &doing {
            Doing::Rewrite(index, _) => {
                model.entries.get(*index).map_or(model.end.unwrap_or(0), |entry| entry.position)
            }
            Doing::RewriteAt(position, _) => *position,
            _ => 0,
        };
        match doing {
            Doing::Append(entries) => {
                let entries = made(&entries);
                model.append(&entries);
                wanted.push(Ok(false));
                asked.push(Box::pin(async move { store.append("log", entries).await.map(|_| false) }));
            }
            Doing::Rewrite(_, entries) | Doing::RewriteAt(_, entries) => {
                let entries = made(&entries);
                wanted.push(model.append_at(position, &entries).map(|()| false));
                asked.push(Box::pin(async move { append_at(store, "log", position, entries).await.map(|()| false) }));
            }
            Doing::Remove(most) => {
                wanted.push(Ok(model.remove(most)));
                asked.push(Box::pin(store.remove_log("log", most)));
            }
        }
    }
    prop_assert_eq!(futures::future::join_all(asked).await, wanted);
    prop_assert_eq!(store.log_end("log").await.unwrap(), model.end);
    for (from, most) in [(0, usize::MAX), (7, 1), (20, 100_000)] {
        let read = store.read("log", from, most).await.unwrap();
        let left: Vec<_> = model.entries.iter().filter(|entry| entry.next > from).cloned().collect();
        prop_assert!(left.starts_with(&read) && read.is_empty() == left.is_empty());
        prop_assert!(most < usize::MAX || read.len() == left.len());
    }
    Ok(())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_log_in_memory_is_what_was_done_to_it(all in vec(vec(doing(), 1..6), 1..8)) {
        runtime().block_on(async {
            let store = Store::temporary("a test").unwrap();
            store.append("log\0", vec![entry(1, b"near")]).await.unwrap();
            let mut model = Model::default();
            for doings in all {
                run(&store, &mut model, doings).await?;
            }
            prop_assert_eq!(whole(&store, "log\0").await.len(), 1);
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_log_on_disk_is_what_was_done_to_it_also_when_opened_again(all in vec(vec(doing(), 1..6), 1..5)) {
        runtime().block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let mut model = Model::default();
            for doings in all {
                let store = opened(&dir).await;
                prop_assert_eq!(&whole(&store, "log").await, &model.entries);
                run(&store, &mut model, doings).await?;
                store.close().await.unwrap();
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn no_page_of_large_entries_lies_in_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    for number in 0..8_u8 {
        let entries = (0..16).map(|_| Entry { span: 1, data: vec![number; 32 << 10] });
        store.append("large", entries.collect()).await.unwrap();
    }
    let read = store.read("large", 100, 1).await.unwrap();
    assert_eq!((read[0].position, read[0].data.len()), (100, 32 << 10));
    store.close().await.unwrap();
    let files = std::fs::read_dir(dir.path().join("store").join("blobs")).unwrap().count();
    assert_eq!(files, 0, "sled neither syncs nor counts what lies there");
}
