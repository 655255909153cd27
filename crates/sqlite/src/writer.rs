//! The one thread that writes: takes whatever waits, does it in one transaction, and answers when that is on the disk.
//!
//! ```text
//! commit() ─┐            take the first, then all that wait │ BEGIN, each change by itself, COMMIT (one flush)
//! commit() ─┼─ channel ─ ───────────────────────────────────┘ then answer everybody, then wake the watchers
//! purge()  ─┘
//! ```
//! Nothing is answered before the commit returned. When it fails, everybody hears why and nothing happened.

use crate::apply::{self, Gathered};
use crate::error::{unanswered, writing};
use crate::ledger;
use crate::os::Owner;
use crate::purge::{self, Purged};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use tokio::sync::{mpsc, oneshot, watch};
use warrener_backend::store::Purge;
use warrener_backend::{Change, Committed, Error, Result};
use warrener_model::event::Cursor;

/// Changes that share one flush.
const GROUP: usize = 512;
/// Pages in the WAL that are worth a checkpoint.
const CHECKPOINT_PAGES: i64 = 1_000;

/// What callers ask of the thread.
pub(crate) enum Request {
    /// See `Store::commit`.
    Commit(Commit),
    /// One step of `Store::purge`.
    Purge {
        /// What.
        purge: Purge,
        /// At most so many tasks.
        limit: usize,
        /// The caller.
        reply: oneshot::Sender<Result<Purged>>,
    },
    /// The last request: let go of the files, then answer.
    Close(SyncSender<()>),
}

/// A caller and its changes.
pub(crate) struct Commit {
    /// In order.
    pub(crate) changes: Vec<Change>,
    /// The caller.
    pub(crate) reply: oneshot::Sender<Result<Vec<Committed>>>,
}

/// What the thread owns.
pub(crate) struct Writer {
    /// The only connection that writes.
    db: Connection,
    /// The folder; given back last.
    owner: Owner,
    /// Who wants to know.
    changed: watch::Sender<Cursor>,
    /// The newest cursor.
    newest: u64,
    /// A write found no room since the last checkpoint.
    crowded: bool,
}

impl Writer {
    /// On this connection, from this cursor on.
    pub(crate) fn new(
        db: Connection,
        owner: Owner,
        newest: u64,
    ) -> (Self, watch::Receiver<Cursor>) {
        let (changed, watched) = watch::channel(Cursor(newest));
        let writer = Writer {
            db,
            owner,
            changed,
            newest,
            crowded: false,
        };
        (writer, watched)
    }

    /// Serves until the last handle is gone, or one asks to close.
    pub(crate) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut next = None;
        while let Some(request) = next.take().or_else(|| requests.blocking_recv()) {
            match request {
                Request::Commit(first) => {
                    let group = gather(first, &mut requests, &mut next);
                    self.commit(group);
                }
                Request::Purge {
                    purge,
                    limit,
                    reply,
                } => {
                    let done = self.transaction(|db, _| purge::step(db, &purge, limit));
                    let _ = reply.send(done);
                }
                Request::Close(reply) => {
                    self.close();
                    let _ = reply.send(());
                    return;
                }
            }
            self.changed.send_replace(Cursor(self.newest));
            self.checkpoint();
        }
        self.close();
    }

    fn commit(&mut self, group: Vec<Commit>) {
        let answers = match self.together(&group) {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(Error::Unavailable { what, reason }) => group
                .iter()
                .map(|_| Err(Error::unavailable(&what, &reason)))
                .collect(),
            // One of them may have spoilt it for all, being too large for the room that is left: each by itself.
            Err(_) if group.len() > 1 => group.iter().map(|one| self.alone(one)).collect(),
            Err(error) => vec![Err(error)],
        };
        for (commit, answer) in group.into_iter().zip(answers) {
            // Whoever does not wait any more has what it asked for.
            let _ = commit.reply.send(answer);
        }
    }

    fn alone(&mut self, commit: &Commit) -> Result<Vec<Committed>> {
        self.together(std::slice::from_ref(commit))
            .map(|answers| answers.into_iter().flatten().collect())
    }

    fn together(&mut self, group: &[Commit]) -> Result<Vec<Vec<Committed>>> {
        self.transaction(|db, gathered| {
            let each = |commit: &Commit| {
                let changes = commit.changes.iter();
                changes
                    .map(|change| apply::change(db, change, gathered))
                    .collect()
            };
            group.iter().map(each).collect()
        })
    }

    /// All of it on the disk, or nothing.
    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Connection, &mut Gathered) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut gathered = Gathered {
            newest: self.newest,
            ..Gathered::default()
        };
        let db = &self.db;
        let done = catch_unwind(AssertUnwindSafe(|| {
            apply::run(db, "BEGIN IMMEDIATE")?;
            let done = work(db, &mut gathered)?;
            gathered.tally.write(db)?;
            ledger::accepted(db, gathered.accepted)?;
            apply::run(db, "COMMIT")?;
            Ok(done)
        }));
        // SQLite may have rolled back by itself (disk full), or not have begun.
        if !db.is_autocommit()
            && let Err(error) = apply::run(db, "ROLLBACK")
        {
            tracing::error!(%error, "a transaction of the store could not be rolled back");
        }
        match done {
            Ok(Ok(done)) => {
                self.newest = gathered.newest;
                Ok(done)
            }
            Ok(Err(error)) => {
                let error = writing(&error);
                self.crowded |= matches!(error, Error::NoRoom { .. });
                Err(error)
            }
            // The panic has been reported by the hook; the thread lives on for the others.
            Err(_) => Err(unanswered("a defect stopped the write; see the log")),
        }
    }

    /// Moves the WAL into the database; after the answers, so that nobody waits for it who asked before.
    fn checkpoint(&mut self) {
        let pages = |mode: &str| {
            let sql = format!("PRAGMA wal_checkpoint({mode})");
            self.db
                .prepare_cached(&sql)?
                .query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
        };
        let done = match pages("NOOP") {
            // An emptied WAL is room that the next write may need.
            _ if std::mem::take(&mut self.crowded) => pages("TRUNCATE").map(drop),
            Ok(waiting) if waiting >= CHECKPOINT_PAGES => pages("PASSIVE").map(drop),
            other => other.map(drop),
        };
        // Nothing is lost by it: the WAL keeps what it has, and the next turn tries again.
        if let Err(error) = done {
            tracing::warn!(%error, "the store's write-ahead log could not be checkpointed");
        }
    }

    fn close(self) {
        let truncated = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = truncated {
            tracing::warn!(%error, "the store's write-ahead log stays until it is opened again");
        }
        drop(self.db);
        drop(self.owner);
    }
}

/// What waits behind the first, up to the bound; something that is no commit ends it, and is next.
fn gather(
    first: Commit,
    requests: &mut mpsc::Receiver<Request>,
    next: &mut Option<Request>,
) -> Vec<Commit> {
    let mut size = first.changes.len();
    let mut group = vec![first];
    while size < GROUP {
        match requests.try_recv() {
            Ok(Request::Commit(more)) => {
                size += more.changes.len();
                group.push(more);
            }
            Ok(other) => {
                *next = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{os, schema};
    use std::time::Duration;
    use warrener_model::Timestamp;

    fn writer(dir: &std::path::Path) -> Writer {
        let owner = os::own(dir).unwrap();
        let file = dir.join("store.db");
        let (db, _) = schema::writer(&file, Duration::ZERO, Timestamp::default()).unwrap();
        Writer::new(db, owner, 0).0
    }

    fn lanes(writer: &Writer) -> i64 {
        let sql = "SELECT count(*) FROM lane";
        writer.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_panic_takes_its_transaction_back_and_the_next_one_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path());
        let insert = "INSERT INTO lane (lane, paused) VALUES ('a', 0)";
        let defect: Result<()> = writer.transaction(|db, _| {
            apply::run(db, insert)?;
            panic!("a defect, made by a test");
        });
        assert!(matches!(defect, Err(Error::Unavailable { .. })));
        assert_eq!(lanes(&writer), 0);
        writer.transaction(|db, _| apply::run(db, insert)).unwrap();
        assert_eq!(lanes(&writer), 1);
    }

    #[test]
    fn an_error_takes_back_what_the_group_did() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path());
        let insert = "INSERT INTO lane (lane, paused) VALUES ('a', 0)";
        let twice = writer.transaction(|db, _| {
            apply::run(db, insert)?;
            apply::run(db, insert)
        });
        assert!(twice.is_err());
        assert_eq!(lanes(&writer), 0);
    }

    #[test]
    fn the_log_that_is_written_ahead_is_emptied_when_it_is_long() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path());
        let waiting = |writer: &Writer| -> i64 {
            let sql = "PRAGMA wal_checkpoint(NOOP)";
            let pages = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?);
            writer.db.query_row(sql, [], pages).unwrap()
        };
        let insert =
            "INSERT INTO meta (name, value) SELECT 'x' || count(*), zeroblob(2500000) FROM meta";
        writer.transaction(|db, _| apply::run(db, insert)).unwrap();
        assert!(waiting(&writer) < CHECKPOINT_PAGES);
        writer.checkpoint();
        assert!(waiting(&writer) > 0, "a short one is left alone");
        writer.transaction(|db, _| apply::run(db, insert)).unwrap();
        assert!(waiting(&writer) >= CHECKPOINT_PAGES);
        writer.checkpoint();
        assert_eq!(waiting(&writer), 0);
    }
}
