//! A store that does what a plan says.

use super::plan::broken;
use super::{Fault, Plan, point};
use crate::error::Result;
use crate::query::{Query, Rows};
use crate::store::{Change, Committed, Purge, Store};
use async_trait::async_trait;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use warrener_model::Timestamp;
use warrener_model::event::{Cursor, TaskEvent};
use warrener_model::id::{StoreId, TaskId};
use warrener_model::task::Task;

/// See the module.
#[derive(Clone, Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Plan,
}

impl FaultyStore {
    /// Puts a plan before a store.
    pub fn new(inner: Arc<dyn Store>, plan: Plan) -> Self {
        Self { inner, plan }
    }

    async fn at<T>(
        &self,
        point: &'static str,
        act: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let call = self.plan.begin(point).await?;
        if call.fault == Fault::Drop {
            return Err(broken(call));
        }
        let result = act.await;
        self.plan.end(call).await?;
        result
    }
}

#[async_trait]
impl Store for FaultyStore {
    fn id(&self) -> StoreId {
        self.inner.id()
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Committed>> {
        let call = self.plan.begin(point::COMMIT).await?;
        if call.fault == Fault::Drop {
            return Err(broken(call));
        }
        let again = (call.fault == Fault::Duplicate).then(|| changes.clone());
        let result = self.inner.commit(changes).await;
        if let Some(again) = again {
            // Whatever is guarded conflicts now; what is not must bear being done twice.
            let _ = self.inner.commit(again).await;
        }
        self.plan.end(call).await?;
        result
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>> {
        self.at(point::TASKS, self.inner.tasks(ids)).await
    }

    async fn query(&self, query: Query) -> Result<Rows> {
        self.at(point::QUERY, self.inner.query(query)).await
    }

    async fn events(
        &self,
        after: Cursor,
        task: Option<TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskEvent>> {
        let events = self.inner.events(after, task, limit);
        self.at(point::EVENTS, events).await
    }

    fn changed(&self) -> watch::Receiver<Cursor> {
        self.inner.changed()
    }

    async fn now(&self) -> Result<Timestamp> {
        self.at(point::NOW, self.inner.now()).await
    }

    async fn purge(&self, purge: Purge) -> Result<usize> {
        self.at(point::PURGE, self.inner.purge(purge)).await
    }

    async fn close(&self, within: Duration) -> Result<()> {
        self.inner.close(within).await
    }
}
