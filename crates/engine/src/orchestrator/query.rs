//! Queries: one task, lists, history, logs, the books.

use super::{Orchestrator, View};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use warrener_backend::query::{List, LogRow};
use warrener_backend::refused::RefusedRow;
use warrener_model::event::{Cursor, TaskEvent};
use warrener_model::filter::Filter;
use warrener_model::{State, TaskId, Timestamp};

/// A page of tasks.
#[derive(Clone, Debug)]
pub struct Page {
    /// The tasks.
    pub items: Vec<View>,
    /// Where the next page begins, if there may be one.
    pub next: Option<(i64, TaskId)>,
}

/// How the tasks that were accepted ended, or where they are. What was accepted and purged is counted by the commits that
/// did it, and states from the rows themselves, so `lost` can be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// All that were ever accepted.
    pub accepted: u64,
    /// Those that ended and were purged since.
    pub purged: u64,
    /// By state.
    pub states: BTreeMap<State, u64>,
    /// Not final.
    pub open: u64,
    /// Accepted, not purged, and in no state.
    pub lost: u64,
}

impl Books {
    /// How many are in this state.
    pub fn of(&self, state: State) -> u64 {
        self.states.get(&state).copied().unwrap_or(0)
    }
}

impl Orchestrator {
    /// The store's clock.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn now(&self) -> Result<Timestamp> {
        self.core.now().await
    }

    /// One task.
    ///
    /// # Errors
    /// `NotFound`, `Backend`.
    pub async fn task(&self, id: TaskId) -> Result<View> {
        let task = self.core.store.tasks(&[id]).await?.pop().flatten();
        task.map(|task| self.view(task)).ok_or(Error::no_task(id))
    }

    /// A page of tasks; `list.now` is set here.
    ///
    /// # Errors
    /// `Cursor`, `Backend`.
    pub async fn list(&self, mut list: List) -> Result<Page> {
        list.now = self.core.now().await?;
        let limit = list.limit;
        let place = list.clone();
        let tasks = self.core.store.list(list).await?;
        let full = tasks.len() == limit;
        let next = tasks.last().filter(|_| full).map(|task| place.place(task));
        Ok(Page {
            items: tasks.into_iter().map(|task| self.view(task)).collect(),
            next,
        })
    }

    /// How many tasks match, counted up to a limit.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn count(&self, filter: Filter, limit: u64) -> Result<u64> {
        let now = self.core.now().await?;
        Ok(self.core.store.count_where(filter, now, limit).await?)
    }

    /// History after a cursor, of one task or of all.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn events(
        &self,
        after: Cursor,
        task: Option<TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskEvent>> {
        Ok(self.core.store.events(after, task, limit).await?)
    }

    /// The log of a task after a place.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn logs(
        &self,
        task: TaskId,
        attempt: Option<u32>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LogRow>> {
        Ok(self.core.store.logs(task, attempt, after, limit).await?)
    }

    /// Messages that were refused, newest first; before a place, and with their bodies only if asked.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn refused(
        &self,
        before: Option<u64>,
        limit: usize,
        bodies: bool,
    ) -> Result<Vec<RefusedRow>> {
        self.core.kept(before, limit, bodies).await
    }

    /// The books.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn books(&self) -> Result<Books> {
        let ledger = self.core.store.ledger().await?;
        let found: u64 = ledger.found.iter().map(|(_, count)| count).sum();
        let open = ledger.found.iter().filter(|(state, _)| !state.is_final());
        Ok(Books {
            accepted: ledger.accepted,
            purged: ledger.purged,
            open: open.map(|(_, count)| count).sum(),
            lost: ledger.accepted.saturating_sub(ledger.purged + found),
            states: ledger.found.into_iter().collect(),
        })
    }
}
