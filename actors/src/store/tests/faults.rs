use std::fs;

use super::*;

#[tokio::test]
async fn a_store_that_was_taken_away_says_so_and_goes_on_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    let put = |value: &'static str| {
        let store = store.clone();
        async move { store.put(&COLOURS, &owned("a"), &owned(value)).await }
    };
    put("red").await.unwrap();
    assert_eq!(store.health(), Health::Good);
    let (place, away) = (dir.path().join("store"), dir.path().join("away"));
    fs::rename(&place, &away).unwrap();
    for _ in 0..3 {
        assert_eq!(put("green").await, Err(StoreError::Gone));
        assert_eq!(store.health(), Health::Degraded(StoreError::Gone));
    }
    assert!(!place.exists(), "no new store is begun behind anyone's back");
    fs::rename(&away, &place).unwrap();
    put("blue").await.unwrap();
    assert_eq!(store.health(), Health::Good);
    fs::remove_dir_all(&place).unwrap();
    assert_eq!(put("green").await, Err(StoreError::Gone));
    // Another file in its place is not it.
    fs::create_dir(&place).unwrap();
    fs::write(place.join("db"), "something").unwrap();
    assert_eq!(put("green").await, Err(StoreError::Gone));
    let _closed = store.close().await;
    assert_eq!(fs::read(place.join("db")).unwrap(), b"something");
}

#[tokio::test]
async fn what_a_loss_of_power_must_not_take_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let args = || StoreArgs { durability: Durability::Power, ..args(dir.path()) };
    let store = Store::open(args()).await.unwrap();
    store.put(&COLOURS, &owned("a"), &owned("red")).await.unwrap();
    store.close().await.unwrap();
    let again = Store::open(args()).await.unwrap();
    assert_eq!(again.get(&COLOURS, &owned("a")).await.unwrap().as_deref(), Some("red"));
}

#[tokio::test]
async fn many_writers_share_a_flush() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    let begun = std::time::Instant::now();
    for number in 0..50 {
        store.put(&PLACES, &(owned("alone"), number), &vec![1]).await.unwrap();
    }
    let alone = begun.elapsed();
    let begun = std::time::Instant::now();
    let together = (0..2000).map(|number| {
        let store = store.clone();
        async move { store.put(&PLACES, &(owned("together"), number), &vec![1]).await }
    });
    assert!(futures::future::join_all(together).await.into_iter().all(|kept| kept.is_ok()));
    let together = begun.elapsed();
    assert!(together < alone * 40, "2000 at once took {together:?}, 50 alone {alone:?}");
    assert_eq!(store.scan(&PLACES).await.unwrap().len(), 2050);
}

#[tokio::test]
async fn a_disk_that_hangs_holds_nobody_up_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    let hanging = store.write(|_| {
        thread::sleep(SLOW + Duration::from_millis(500));
        Ok(())
    });
    assert_eq!(hanging.await, Err(StoreError::Slow));
    assert_eq!(store.health(), Health::Degraded(StoreError::Slow));
    store.put(&COLOURS, &owned("a"), &owned("red")).await.unwrap();
    assert_eq!(store.health(), Health::Good);
}
