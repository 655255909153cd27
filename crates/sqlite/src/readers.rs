//! Connections that only read, lent to blocking threads for one short transaction each.
//!
//! Two lanes, so that whoever asks for one task does not stand behind those who look through a million: points are
//! found by an index and end at once, scans may take as long as the store is large. Each lane has connections of its
//! own and a queue with an end; behind that, the answer is `Overloaded`.

use crate::error::{closed, crowded, reading, unanswered};
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use warrener_backend::Result;

/// Points that may wait: they end in microseconds, and the engine itself asks them.
const POINTS_WAIT: usize = 8_192;
/// Scans that may wait: whoever is behind them hears it at once instead of much too late.
const SCANS_WAIT: usize = 64;

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A few rows that an index finds.
    Point,
    /// Maybe all of them.
    Scan,
}

/// Both lanes.
pub(crate) struct Readers {
    points: Arc<Lane>,
    scans: Arc<Lane>,
}

impl Readers {
    /// Of these connections.
    pub(crate) fn new(points: Vec<Connection>, scans: Vec<Connection>) -> Self {
        Readers {
            points: Lane::new("lookups", points, POINTS_WAIT),
            scans: Lane::new("lists", scans, SCANS_WAIT),
        }
    }

    /// Reads in one transaction: everything committed before this call, and nothing half done.
    pub(crate) async fn read<T, F>(&self, reach: Reach, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let lane = match reach {
            Reach::Point => &self.points,
            Reach::Scan => &self.scans,
        };
        lane.read(work).await
    }

    /// Waits for reads under way and closes the connections. Says whether that ended in time.
    pub(crate) async fn close(&self, within: Duration) -> bool {
        let (points, scans) = tokio::join!(self.points.close(within), self.scans.close(within));
        points && scans
    }
}

/// Connections that stand in for each other.
struct Lane {
    /// What is asked of it, in words.
    name: &'static str,
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    /// Places of those who read and those who wait.
    places: Arc<Semaphore>,
    count: u32,
}

impl Lane {
    fn new(name: &'static str, connections: Vec<Connection>, wait: usize) -> Arc<Self> {
        Arc::new(Lane {
            name,
            permits: Arc::new(Semaphore::new(connections.len())),
            places: Arc::new(Semaphore::new(connections.len() + wait)),
            count: u32::try_from(connections.len()).expect("a handful of readers"),
            free: Mutex::new(connections),
        })
    }

    async fn read<T, F>(self: &Arc<Self>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::Closed) => return Err(closed()),
            Err(TryAcquireError::NoPermits) => return Err(crowded(self.name)),
        };
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| closed())?;
        let lane = Arc::clone(self);
        spawn_blocking(move || lane.lend([place, permit]).transaction(work))
            .await
            .map_err(|_| unanswered("a defect stopped the read; see the log"))?
    }

    async fn close(&self, within: Duration) -> bool {
        let all = timeout(within, self.permits.acquire_many(self.count)).await;
        self.places.close();
        self.permits.close();
        self.free().clear();
        all.is_ok()
    }

    fn lend(self: Arc<Self>, permits: [OwnedSemaphorePermit; 2]) -> Lent {
        let db = self.free().pop();
        Lent {
            db,
            lane: self,
            _permits: permits,
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
    lane: Arc<Lane>,
    /// Given back after the connection.
    _permits: [OwnedSemaphorePermit; 2],
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
            self.lane.free().push(db);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::task::{Context, Poll};
    use tokio::task::JoinSet;
    use warrener_backend::Error;

    fn readers(each: usize) -> Readers {
        let open = || Connection::open_in_memory().unwrap();
        let lane = || (0..each).map(|_| open()).collect();
        Readers::new(lane(), lane())
    }

    fn one(db: &Connection) -> Result<i64> {
        Ok(db.query_row("SELECT 1", [], |row| row.get(0)).unwrap())
    }

    #[tokio::test]
    async fn a_lookup_is_answered_while_every_list_stands_still() {
        let readers = Arc::new(readers(2));
        let (begun, running) = mpsc::channel();
        let mut ends = vec![];
        let mut scans = JoinSet::new();
        for _ in 0..2 + SCANS_WAIT {
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            let (readers, begun) = (Arc::clone(&readers), begun.clone());
            scans.spawn(async move {
                let work = move |db: &Connection| {
                    begun.send(()).unwrap();
                    ended.recv().unwrap();
                    one(db)
                };
                readers.read(Reach::Scan, work).await
            });
        }
        while readers.scans.places.available_permits() > 0
            || readers.scans.permits.available_permits() > 0
        {
            tokio::task::yield_now().await;
        }
        running.recv().unwrap();
        running.recv().unwrap();
        assert!(running.try_recv().is_err(), "no more than two at once");
        assert_eq!(readers.read(Reach::Point, one).await.unwrap(), 1);
        let more = readers.read(Reach::Scan, one).await;
        assert!(matches!(more, Err(Error::Overloaded(_))), "{more:?}");
        for end in ends {
            end.send(()).unwrap();
        }
        let done = scans.join_all().await;
        assert!(done.into_iter().all(|answer| answer.unwrap() == 1));
        assert_eq!(readers.read(Reach::Scan, one).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn who_goes_away_makes_room() {
        let readers = Arc::new(readers(1));
        let (end, ended) = mpsc::channel::<()>();
        let slow = {
            let readers = Arc::clone(&readers);
            tokio::spawn(async move {
                let work = move |db: &Connection| {
                    ended.recv().unwrap();
                    one(db)
                };
                readers.read(Reach::Scan, work).await
            })
        };
        while readers.scans.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let places = readers.scans.places.available_permits();
        {
            let mut waits = std::pin::pin!(readers.read(Reach::Scan, one));
            let once = |context: &mut Context<'_>| Poll::Ready(waits.as_mut().poll(context));
            assert!(poll_fn(once).await.is_pending());
            assert_eq!(readers.scans.places.available_permits(), places - 1);
        }
        assert_eq!(readers.scans.places.available_permits(), places);
        end.send(()).unwrap();
        assert_eq!(slow.await.unwrap().unwrap(), 1);
    }
}
