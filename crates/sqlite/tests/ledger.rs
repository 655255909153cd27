//! The ledger is no sum of the rows: what somebody takes out behind the store's back is missing in it.

#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod common;

use common::{PATIENCE, close, open};
use rusqlite::Connection;
use std::sync::Arc;
use tempfile::tempdir;
use warrener_backend::Store;
use warrener_model::life::State;
use warrener_testkit::store::sample::{submit, task};

#[tokio::test]
async fn a_row_that_vanishes_is_missing_in_the_books() {
    let dir = tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(open(dir.path()));
    submit(&*store, &[task(), task(), task()]).await;
    let thief = Connection::open(dir.path().join("store.db")).unwrap();
    thief.execute("DELETE FROM task WHERE n = 2", []).unwrap();
    let ledger = store.ledger().await.unwrap();
    assert_eq!((ledger.accepted, ledger.purged), (3, 0));
    assert_eq!(ledger.found, [(State::Ready, 2)]);
    store.close(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_store_of_the_first_version_begins_its_ledger_with_what_it_has() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    submit(&store, &[task(), task()]).await;
    close(store).await;
    let file = dir.path().join("store.db");
    let older = Connection::open(&file).unwrap();
    older
        .execute_batch(
            "DROP TABLE firing; DROP TABLE schedule; \
             DROP TABLE child; DROP TABLE step; DROP TABLE run_spec; DROP TABLE run; DROP TABLE refused; DROP TABLE ledger; DROP INDEX task_kind; DROP INDEX task_out; ALTER TABLE task DROP COLUMN start; \
             PRAGMA user_version = 1",
        )
        .unwrap();
    drop(older);
    let store: Arc<dyn Store> = Arc::new(open(dir.path()));
    submit(&*store, &[task()]).await;
    let ledger = store.ledger().await.unwrap();
    assert_eq!((ledger.accepted, ledger.purged), (3, 0));
    store.close(PATIENCE).await.unwrap();
}
