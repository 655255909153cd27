//! A few connections that only read, lent to blocking threads for one short transaction each.

use crate::error::{closed, reading, unanswered};
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use warrener_backend::Result;

/// The pool.
pub(crate) struct Readers {
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    count: u32,
}

impl Readers {
    /// Of these connections.
    pub(crate) fn new(connections: Vec<Connection>) -> Arc<Self> {
        Arc::new(Readers {
            permits: Arc::new(Semaphore::new(connections.len())),
            count: u32::try_from(connections.len()).expect("a handful of readers"),
            free: Mutex::new(connections),
        })
    }

    /// Reads in one transaction: everything committed before this call, and nothing half done.
    pub(crate) async fn read<T, F>(self: &Arc<Self>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        spawn_blocking(move || readers.lend(permit).transaction(work))
            .await
            .map_err(|_| unanswered("a defect stopped the read; see the log"))?
    }

    /// Waits for reads under way and closes the connections. Says whether that ended in time.
    pub(crate) async fn close(&self, within: Duration) -> bool {
        let all = timeout(within, self.permits.acquire_many(self.count)).await;
        self.permits.close();
        self.free().clear();
        all.is_ok()
    }

    fn lend(self: Arc<Self>, permit: OwnedSemaphorePermit) -> Lent {
        let db = self.free().pop();
        Lent {
            db,
            readers: self,
            _permit: permit,
        }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A list of connections is whole at every moment.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection on loan; dropping gives it back, also when the reader panics.
struct Lent {
    db: Option<Connection>,
    readers: Arc<Readers>,
    /// Given back after the connection.
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn transaction<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let db = self.db.as_ref().ok_or_else(closed)?;
        let run = |sql| crate::apply::run(db, sql).map_err(|e| reading(&e));
        run("BEGIN")?;
        let done = work(db)?;
        run("COMMIT")?;
        Ok(done)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(db) = self.db.take() else { return };
        // A connection that cannot end its transaction would keep the WAL from being reused: let it go.
        if db.is_autocommit() || crate::apply::run(&db, "ROLLBACK").is_ok() {
            self.readers.free().push(db);
        }
    }
}
