use std::sync::mpsc::{Receiver, channel};

use greenroom_wire::{ChatError, ErrorKind};

use super::*;
use crate::{
    provider::profiles::{ProfileId, Profiles, Tier},
    store::Store,
};

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

fn keeper() -> Keeper {
    Keeper::new("lab", Some(Store::temporary("a test").unwrap()))
}

/// The records of these profiles, each marked at this second.
fn marked(ids: &[&str], second: u64) -> Records {
    let mut profiles = Profiles::new(ids.iter().map(|id| (ProfileId::from(*id), 1, Tier::Key)));
    for id in ids {
        profiles.handle_failure(id, "m", &ChatError::new(ErrorKind::Auth, "no"), false, at(second));
    }
    Records { marks: profiles.snapshot(at(second)), ..Records::default() }
}

fn asked(keeper: &mut Keeper) -> Receiver<Result<(), StoreError>> {
    let (tell, told) = channel();
    keeper.after(move |kept| tell.send(kept).unwrap());
    told
}

#[tokio::test]
async fn replies_wait_for_the_changes_that_they_show_and_for_no_others() {
    let mut keeper = keeper();
    assert_eq!(asked(&mut keeper).try_recv(), Ok(Ok(())), "nothing has changed");
    keeper.handle(Change::Minor);
    assert_eq!(asked(&mut keeper).try_recv(), Ok(Ok(())), "and nothing that shows");
    keeper.handle(Change::Marks);
    let first = asked(&mut keeper);
    assert!(keeper.is_urgent());
    let (_, version, _) = keeper.begin(marked(&["one"], 0), at(0)).unwrap();
    assert!(!keeper.is_urgent(), "one write at a time");
    keeper.handle(Change::Marks);
    let second = asked(&mut keeper);
    assert!(!keeper.is_urgent() && keeper.tick().is_none());
    assert!(first.try_recv().is_err() && second.try_recv().is_err());
    keeper.handle_written(version + 1, Ok(()));
    assert!(first.try_recv().is_err(), "no such write is under way");
    keeper.handle_written(version, Ok(()));
    assert_eq!(first.try_recv(), Ok(Ok(())));
    assert!(second.try_recv().is_err());
    assert!(keeper.is_urgent(), "what came meanwhile follows");
    let (_, version, _) = keeper.begin(marked(&["one", "two"], 0), at(1)).unwrap();
    keeper.handle_written(version, Err(StoreError::Full));
    assert_eq!(second.try_recv(), Ok(Err(StoreError::Full)));
    assert_eq!(asked(&mut keeper).try_recv(), Ok(Err(StoreError::Full)), "nobody waits for a disk that is full");
    keeper.handle_asked();
    let again = asked(&mut keeper);
    assert!(keeper.is_urgent() && again.try_recv().is_err(), "who asks has it tried once more");
    let (_, version, _) = keeper.begin(marked(&["one", "two"], 0), at(1)).unwrap();
    keeper.handle_written(version, Err(StoreError::Full));
    assert_eq!(again.try_recv(), Ok(Err(StoreError::Full)));
    assert_eq!(keeper.tick(), Some(RETRY), "it is tried again by itself");
    assert_eq!(keeper.tick(), None, "but not twice");
    assert!(keeper.handle_tick());
}

#[tokio::test]
async fn only_what_differs_is_written_and_what_is_in_doubt_is_written_again() {
    let mut keeper = keeper();
    let write = |keeper: &mut Keeper, records: Records, outcome: Result<(), StoreError>| {
        let Some((_, version, batch)) = keeper.begin(records, at(0)) else { return 0 };
        keeper.handle_written(version, outcome);
        batch.len()
    };
    assert_eq!(write(&mut keeper, marked(&["one", "two"], 0), Ok(())), 2);
    assert_eq!(write(&mut keeper, marked(&["one", "two"], 0), Ok(())), 0);
    let mut more = marked(&["one", "two"], 0);
    more.marks.profiles.extend(marked(&["three"], 1).marks.profiles);
    assert_eq!(write(&mut keeper, more.clone(), Err(StoreError::Full)), 1);
    assert_eq!(write(&mut keeper, more.clone(), Ok(())), 1);
    assert_eq!(write(&mut keeper, more, Ok(())), 0);
    assert_eq!(write(&mut keeper, marked(&["one"], 0), Err(StoreError::Slow)), 2, "two are gone");
    assert_eq!(write(&mut keeper, marked(&["one"], 0), Ok(())), 2);
    assert_eq!(write(&mut keeper, marked(&["one"], 0), Ok(())), 0);
}

#[tokio::test]
async fn a_profile_that_is_gone_keeps_its_mark_while_it_may_come_back() {
    let store = Store::temporary("a test").unwrap();
    let keeper = || Keeper::new("lab", Some(store.clone()));
    let mut first = keeper();
    let (store, version, batch) = first.begin(marked(&["one", "two"], 0), at(0)).unwrap();
    store.commit(batch).await.unwrap();
    first.handle_written(version, Ok(()));
    for (now, left) in [(at(20), 2), (at(30 + 601), 1)] {
        let mut second = keeper();
        let loaded = second.load().await;
        second.handle_found(&loaded, |id| id == "one", now);
        if let Some((store, _, batch)) = second.begin(marked(&["one"], 0), now) {
            store.commit(batch).await.unwrap();
        }
        assert_eq!(keeper().load().await.profiles.len(), left, "at {now:?}");
    }
}
