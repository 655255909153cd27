//! The store's decorator, around a store that only counts.

use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use warrener_backend::error::{Error, Result};
use warrener_backend::fault::{Fault, FaultyStore, Plan, point};
use warrener_backend::query::{Query, Rows};
use warrener_backend::store::{Change, Committed, Purge, Store};
use warrener_model::Timestamp;
use warrener_model::event::{Cursor, TaskEvent};
use warrener_model::id::{StoreId, TaskId};
use warrener_model::task::Task;

/// Says done to everything.
#[derive(Debug, Default)]
struct Yes {
    commits: AtomicUsize,
}

#[async_trait]
impl Store for Yes {
    fn id(&self) -> StoreId {
        StoreId::new(Timestamp::from_millis(1), [0; 10])
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Committed>> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let done = |_| Committed::Done {
            accepted: vec![],
            stated: vec![],
        };
        Ok(changes.into_iter().map(done).collect())
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>> {
        Ok(ids.iter().map(|_| None).collect())
    }

    async fn query(&self, _: Query) -> Result<Rows> {
        Ok(Rows::Count(0))
    }

    async fn events(&self, _: Cursor, _: Option<TaskId>, _: usize) -> Result<Vec<TaskEvent>> {
        Ok(vec![])
    }

    fn changed(&self) -> watch::Receiver<Cursor> {
        watch::channel(Cursor::default()).1
    }

    async fn now(&self) -> Result<Timestamp> {
        Ok(Timestamp::from_millis(1))
    }

    async fn purge(&self, _: Purge) -> Result<usize> {
        Ok(0)
    }

    async fn close(&self, _: Duration) -> Result<()> {
        Ok(())
    }
}

fn faulty() -> (FaultyStore, Arc<Yes>, Plan) {
    let inner = Arc::new(Yes::default());
    let plan = Plan::default();
    let store = FaultyStore::new(inner.clone(), plan.clone());
    (store, inner, plan)
}

#[tokio::test]
async fn a_commit_happens_or_not_as_the_plan_says() {
    let (store, inner, plan) = faulty();
    for (fault, answered, commits) in [
        (Fault::None, true, 1),
        (Fault::FailBefore, false, 0),
        (Fault::FailAfter, false, 1),
        (Fault::Duplicate, true, 2),
        // A store never says that it did what it did not.
        (Fault::Drop, false, 0),
    ] {
        inner.commits.store(0, Ordering::SeqCst);
        plan.script(point::COMMIT, [fault]);
        let result = store.commit(vec![Change::default()]).await;
        match answered {
            true => assert_eq!(result.unwrap().len(), 1, "{fault:?}"),
            false => assert!(
                matches!(result, Err(Error::Unavailable { .. })),
                "{fault:?}"
            ),
        }
        assert_eq!(inner.commits.load(Ordering::SeqCst), commits, "{fault:?}");
    }
    assert_eq!(plan.calls(point::COMMIT), 5);
}

#[tokio::test]
async fn each_question_has_its_point() {
    let (store, _, plan) = faulty();
    let purge = Purge {
        finished_before: Timestamp::from_millis(1),
        dead_before: Timestamp::from_millis(1),
        keys_before: Timestamp::from_millis(1),
        limit: 1,
    };
    for point in [
        point::TASKS,
        point::QUERY,
        point::EVENTS,
        point::NOW,
        point::PURGE,
    ] {
        plan.heal().always(point, Fault::FailBefore);
        let failed = [
            (point::TASKS, store.tasks(&[]).await.is_err()),
            (point::QUERY, store.query(Query::Lanes).await.is_err()),
            (
                point::EVENTS,
                store.events(Cursor::default(), None, 1).await.is_err(),
            ),
            (point::NOW, store.now().await.is_err()),
            (point::PURGE, store.purge(purge).await.is_err()),
        ];
        for (asked, failed) in failed {
            assert_eq!(failed, asked == point, "{asked} under {point}");
        }
    }
    assert_eq!(plan.calls(point::NOW), 5);
    store.close(Duration::ZERO).await.unwrap();
}
