//! The SQLite store: one file, one writer thread with group commit, a few readers.
//!
//! `commit` hands changes to the writer thread (`writer.rs`), which does all that wait in one transaction and answers
//! when it is on the disk (WAL, `synchronous = FULL`). Reads run on connections of their own (`readers.rs`) and never
//! wait for writes, nor lookups for lists. One process owns the folder; a second one is refused. SQLite blocks, so this crate lives on
//! threads: a `commit` must be awaited on a tokio runtime, and with a paused tokio clock timers may fire meanwhile.

mod writer;
use writer::{Commit, Request, Writer};
mod apply;
mod ledger;
mod log;
mod notice;
mod purge;
mod readers;
mod refused;
mod run;
mod schedule;
mod tally;
use readers::{Reach, Readers};
mod cells;
mod error;
mod filter;
mod list;
mod os;
mod pace;
use pace::Pace;
#[cfg(test)]
mod plans;
mod read;
mod row;
mod schema;
mod session;
mod state;
mod totals;

use async_trait::async_trait;
use error::{closed, reading, unanswered};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use warrener_backend::store::Purge;
use warrener_backend::{Change, Committed, Query, Result, Rows, Store};
use warrener_model::event::{Cursor, TaskEvent};
use warrener_model::id::{StoreId, TaskId};
use warrener_model::{Task, Timestamp};

/// Name of the database within the folder.
const FILE: &str = "store.db";
/// Callers that wait for the writer; more wait for a place.
const WAITING: usize = 1_024;

/// Readers of a lane, unless said: on one core a slow list still must not hold up the next one.
const FEWEST: usize = 2;
/// More than these share one disk and one memory bus anyway.
const MOST: usize = 8;

/// What tells the store the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where a store is and how it is opened.
#[derive(Clone)]
pub struct Options {
    /// The folder; made if it is not there. It belongs to one process at a time.
    pub dir: PathBuf,
    /// Connections for lookups, and as many again for lists; at least one.
    pub readers: usize,
    /// How long to wait for a foreign program (`sqlite3`, a backup) that holds the database.
    pub busy: Duration,
    /// The time of day; tests bring their own.
    pub clock: Clock,
}

impl Options {
    /// The store in this folder, with readers for the cores of this machine and the time of the system.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Options {
            dir: dir.into(),
            readers: std::thread::available_parallelism()
                .map_or(FEWEST, usize::from)
                .clamp(FEWEST, MOST),
            busy: Duration::from_secs(30),
            clock: Arc::new(os::clock),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("dir", &self.dir)
            .field("readers", &self.readers)
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
}

/// The store in a folder. Dropped without [`Store::close`], it finishes what was handed over and lets go soon after.
pub struct SqliteStore {
    dir: PathBuf,
    id: StoreId,
    requests: mpsc::Sender<Request>,
    readers: Readers,
    changed: watch::Receiver<Cursor>,
    clock: Clock,
    /// The system's clock, made to run forward.
    pace: Mutex<Pace>,
    closed: AtomicBool,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("dir", &self.dir)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// The id of the store in a folder, whoever has it open; nothing where there is none. It is not changed.
    ///
    /// # Errors
    /// What is there is no store of ours, or cannot be read.
    pub fn id_in(dir: &Path) -> Result<Option<StoreId>> {
        schema::peek(&dir.join(FILE), Duration::from_secs(1))
    }

    /// Opens the store in a folder, or makes it. Blocks, for milliseconds.
    ///
    /// # Errors
    /// `Taken` by another process; `NoRoom` when nothing can be written there; `Damaged` when the file is no database
    /// of ours (it is left as it is); `Invalid` for a network file system or a database of a newer version.
    pub fn open(options: Options) -> Result<Self> {
        let owner = os::own(&options.dir)?;
        let file = options.dir.join(FILE);
        let now = (options.clock)();
        let (db, id) = schema::writer(&file, options.busy, now)?;
        let newest = schema::newest(&db).map_err(|e| reading(&e))?;
        let lane = || {
            let each = 0..options.readers.max(1);
            each.map(|_| schema::reader(&file, options.busy))
                .collect::<Result<Vec<_>>>()
        };
        let (points, scans) = (lane()?, lane()?);
        let (writer, changed) = Writer::new(db, owner, newest);
        let (requests, received) = mpsc::channel(WAITING);
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(received))
            .map_err(unanswered)?;
        Ok(SqliteStore {
            dir: options.dir,
            id,
            requests,
            readers: Readers::new(points, scans),
            changed,
            clock: options.clock,
            pace: Mutex::new(Pace::new(now, Instant::now())),
            closed: AtomicBool::new(false),
        })
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request,
    ) -> Result<T> {
        self.open_still()?;
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| closed())?;
        answer
            .await
            .map_err(|_| unanswered("the writer ended before it answered"))?
    }

    fn open_still(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn id(&self) -> StoreId {
        self.id
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Committed>> {
        self.ask(|reply| Request::Commit(Commit { changes, reply }))
            .await
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>> {
        self.open_still()?;
        let ids = ids.to_vec();
        self.readers
            .read(Reach::Point, move |db| {
                read::tasks(db, &ids).map_err(|e| reading(&e))
            })
            .await
    }

    async fn query(&self, query: Query) -> Result<Rows> {
        self.open_still()?;
        let reach = read::reach(&query);
        let work = move |db: &rusqlite::Connection| read::query(db, &query);
        self.readers.read(reach, work).await
    }

    async fn events(
        &self,
        after: Cursor,
        task: Option<TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskEvent>> {
        self.open_still()?;
        self.readers
            .read(Reach::Point, move |db| {
                read::events(db, after, task, limit).map_err(|e| reading(&e))
            })
            .await
    }

    fn changed(&self) -> watch::Receiver<Cursor> {
        self.changed.clone()
    }

    async fn now(&self) -> Result<Timestamp> {
        self.open_still()?;
        let system = (self.clock)();
        Ok(self
            .pace
            .lock()
            .expect("a pace does not panic")
            .now(system, Instant::now()))
    }

    async fn purge(&self, purge: Purge) -> Result<usize> {
        let mut tasks = 0;
        loop {
            let limit = purge.limit - tasks;
            let step = |reply| Request::Purge {
                purge,
                limit,
                reply,
            };
            let done = self.ask(step).await?;
            tasks += done.tasks;
            let more = done.tasks == limit.min(purge::STEP) && tasks < purge.limit;
            if !more && done.keys < purge::STEP {
                return Ok(tasks);
            }
        }
    }

    async fn close(&self, within: Duration) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let late = || unanswered("it did not close in time");
        let read = self.readers.close(within).await;
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        self.requests
            .send(Request::Close(reply))
            .await
            .map_err(|_| closed())?;
        // A blocking wait, so that a paused tokio clock does not cut it short.
        let closed = tokio::task::spawn_blocking(move || answer.recv_timeout(within));
        match closed.await {
            Ok(Ok(())) if read => Ok(()),
            _ => Err(late()),
        }
    }
}
