//! Who waits for which tasks to end. The commit that ends a task wakes those who wait for it, and nobody else.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use warrener_model::TaskId;

/// Tasks that one place has room for; who waits for more takes more places.
const TASKS: usize = 100;

/// Everybody who waits.
#[derive(Debug)]
pub(crate) struct Waits {
    by_task: Mutex<HashMap<TaskId, Vec<Numbered>>>,
    next: AtomicU64,
    places: Semaphore,
}

/// A waiter, and how to wake it.
type Numbered = (u64, Arc<Bell>);

/// What one waiter has not looked at yet.
#[derive(Debug, Default)]
struct Bell {
    ended: Mutex<BTreeSet<TaskId>>,
    rang: Notify,
}

impl Waits {
    /// With so many places.
    pub(crate) fn new(places: usize) -> Self {
        Waits {
            by_task: Mutex::default(),
            next: AtomicU64::default(),
            places: Semaphore::new(places),
        }
    }

    /// From now on no end of these tasks is missed; `None` when there is no place.
    pub(crate) fn enter(&self, ids: &[TaskId]) -> Option<Waiter<'_>> {
        let places = u32::try_from(ids.len().div_ceil(TASKS).max(1)).ok()?;
        let place = self.places.try_acquire_many(places).ok()?;
        let (number, bell) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::default());
        let ids: BTreeSet<TaskId> = ids.iter().copied().collect();
        let mut by_task = self.by_task.lock().expect("a map does not panic");
        for id in &ids {
            let waiters = by_task.entry(*id).or_default();
            waiters.push((number, Arc::clone(&bell)));
        }
        Some(Waiter {
            waits: self,
            number,
            ids,
            bell,
            _place: place,
        })
    }

    /// A task has ended, and that is durable.
    pub(crate) fn ended(&self, id: TaskId) {
        let by_task = self.by_task.lock().expect("a map does not panic");
        for (_, bell) in by_task.get(&id).into_iter().flatten() {
            let mut ended = bell.ended.lock().expect("a set does not panic");
            ended.insert(id);
            bell.rang.notify_one();
        }
    }
}

/// One who waits; gone when dropped.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    waits: &'a Waits,
    number: u64,
    ids: BTreeSet<TaskId>,
    bell: Arc<Bell>,
    _place: SemaphorePermit<'a>,
}

impl Waiter<'_> {
    /// Those that have ended since the last call, as soon as there is one. Nothing is lost when it is dropped.
    pub(crate) async fn ended(&self) -> BTreeSet<TaskId> {
        loop {
            let rang = self.bell.rang.notified();
            let ended = std::mem::take(&mut *self.bell.ended.lock().expect("a set does not panic"));
            if !ended.is_empty() {
                return ended;
            }
            rang.await;
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut by_task = self.waits.by_task.lock().expect("a map does not panic");
        for id in &self.ids {
            if let Some(waiters) = by_task.get_mut(id) {
                waiters.retain(|(number, _)| *number != self.number);
                if waiters.is_empty() {
                    by_task.remove(id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warrener_model::Timestamp;

    fn id(n: u8) -> TaskId {
        TaskId::new(Timestamp::default(), [n; 10])
    }

    #[tokio::test]
    async fn an_end_wakes_those_who_wait_for_it_and_is_never_missed() {
        let waits = Waits::new(9);
        let one = waits.enter(&[id(1), id(2), id(1)]).unwrap();
        let other = waits.enter(&[id(2)]).unwrap();
        waits.ended(id(1));
        waits.ended(id(7));
        assert_eq!(one.ended().await, [id(1)].into());
        assert!(other.bell.ended.lock().unwrap().is_empty());
        let (ended, ()) = tokio::join!(other.ended(), async { waits.ended(id(2)) });
        assert_eq!((ended, one.ended().await), ([id(2)].into(), [id(2)].into()));
        drop((one, other));
        assert!(waits.by_task.lock().unwrap().is_empty());
    }

    #[test]
    fn places_are_counted_by_tasks_and_given_back() {
        let waits = Waits::new(3);
        let ids: Vec<TaskId> = (0..=200).map(id).collect();
        let all = waits.enter(&ids).unwrap();
        assert!(waits.enter(&[id(1)]).is_none());
        drop(all);
        let two = waits.enter(&ids[..200]).unwrap();
        let third = waits.enter(&[]).unwrap();
        assert!(waits.enter(&[]).is_none());
        drop((two, third));
        assert_eq!(waits.places.available_permits(), 3);
    }
}
