//! The store's conformance suite on SQLite.

#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Mutex;
use warrener_backend::Store;
use warrener_sqlite::{Options, SqliteStore};
use warrener_testkit::store::Harness;

struct SqliteHarness {
    dir: TempDir,
    open: Mutex<Option<Arc<SqliteStore>>>,
}

#[async_trait]
impl Harness for SqliteHarness {
    async fn start() -> Self {
        SqliteHarness {
            dir: tempfile::tempdir().unwrap(),
            open: Mutex::default(),
        }
    }

    async fn open(&self) -> Arc<dyn Store> {
        let mut open = self.open.lock().await;
        let make = || Arc::new(SqliteStore::open(Options::new(self.dir.path())).unwrap());
        open.get_or_insert_with(make).clone()
    }

    async fn reopen(&self) -> Arc<dyn Store> {
        if let Some(store) = self.open.lock().await.take() {
            store.close(Duration::from_secs(30)).await.unwrap();
        }
        self.open().await
    }
}

warrener_testkit::store_suite!(SqliteHarness);
