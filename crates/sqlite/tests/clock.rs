//! The store's clock: never back, whatever the system's clock does.

#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::tempdir;
use warrener_backend::Store as _;
use warrener_model::Timestamp;
use warrener_sqlite::{Options, SqliteStore};

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_take_the_store_back_and_does_not_stop_it() {
    let dir = tempdir().unwrap();
    let time = Arc::new(AtomicI64::new(1_000));
    let mut options = Options::new(dir.path());
    let clock = Arc::clone(&time);
    options.clock = Arc::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
    let store = SqliteStore::open(options).unwrap();
    time.store(5_000_000, Ordering::Relaxed);
    assert_eq!(
        store.now().await.unwrap(),
        Timestamp::from_millis(5_000_000)
    );
    time.store(2_000, Ordering::Relaxed);
    let back = store.now().await.unwrap();
    assert!(back >= Timestamp::from_millis(5_000_000));
    while store.now().await.unwrap() <= back {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn the_clock_of_the_system_is_the_default() {
    let dir = tempdir().unwrap();
    let store = SqliteStore::open(Options::new(dir.path())).unwrap();
    // Later than the day this was written: not the beginning of time, not seconds for milliseconds.
    let now = store.now().await.unwrap();
    assert!(now > "2025-01-01T00:00:00Z".parse().unwrap(), "{now}");
    assert!(now < "2200-01-01T00:00:00Z".parse().unwrap(), "{now}");
}
