//! The store's clock: never back, whatever the system's clock does.

#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::tempdir;
use warrener_backend::Store as _;
use warrener_model::Timestamp;
use warrener_sqlite::{Options, SqliteStore};

#[tokio::test]
async fn a_clock_that_is_set_back_stands_still_until_it_has_caught_up() {
    let dir = tempdir().unwrap();
    let time = Arc::new(AtomicI64::new(1_000));
    let mut options = Options::new(dir.path());
    let clock = Arc::clone(&time);
    options.clock = Arc::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
    let store = SqliteStore::open(options).unwrap();
    for (system, expected) in [
        (1_000, 1_000),
        (5_000, 5_000),
        (2_000, 5_000),
        (5_001, 5_001),
    ] {
        time.store(system, Ordering::Relaxed);
        let now = store.now().await.unwrap();
        assert_eq!(now, Timestamp::from_millis(expected), "system at {system}");
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
