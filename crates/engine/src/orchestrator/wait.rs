//! Waits for tasks to end; woken by the commits that end them, and reading only what has ended.

use super::{Orchestrator, View};
use crate::error::{Error, Result};
use crate::waits::Waiter;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::{TaskId, limits};

/// Reads all that is waited for at least this often: another server may have ended it, or a wake-up may have been lost.
const LOOK: Duration = Duration::from_secs(5);

impl Orchestrator {
    /// Waits until all of these tasks (or one, with `any`) have ended, or the time is over. Gives back those that have
    /// ended, and the ids of those that have not.
    ///
    /// # Errors
    /// `NotFound` for an id that is none, `TooLarge` for more than a batch of ids, `Overloaded` when too many wait,
    /// `Backend`.
    pub async fn wait(
        &self,
        ids: &[TaskId],
        any: bool,
        within: Duration,
    ) -> Result<(Vec<View>, Vec<TaskId>)> {
        if ids.len() > limits::BATCH_ITEMS {
            return Err(Error::TooLarge(format!(
                "at most {} ids at once",
                limits::BATCH_ITEMS
            )));
        }
        let until = Instant::now() + within.min(limits::WAIT);
        let waiter = self.core.waits.enter(ids).ok_or(Error::Overloaded)?;
        let mut done: Vec<View> = vec![];
        let mut pending: Vec<TaskId> = ids.to_vec();
        let mut look = pending.clone();
        loop {
            let rows = self.core.store.tasks(&look).await?;
            let mut over = HashSet::new();
            for (id, row) in look.iter().zip(rows) {
                let task = row.ok_or(Error::no_task(*id))?;
                if task.life.state.is_final() {
                    done.push(self.view(task));
                    over.insert(*id);
                }
            }
            pending.retain(|id| !over.contains(id));
            let enough = pending.is_empty() || (any && !done.is_empty());
            let left = until.saturating_duration_since(Instant::now());
            if enough || left.is_zero() {
                return Ok((done, pending));
            }
            tokio::select! {
                ended = waiter.ended() => {
                    look = pending.iter().filter(|id| ended.contains(id)).copied().collect();
                }
                () = tokio::time::sleep(left.min(LOOK)) => look.clone_from(&pending),
            }
        }
    }

    /// A place for somebody who is about to wait for what is no task; one that is held already is kept.
    pub(super) fn take_place<'a>(&'a self, place: &mut Option<Waiter<'a>>) -> Result<()> {
        if place.is_none() {
            *place = Some(self.core.waits.enter(&[]).ok_or(Error::Overloaded)?);
        }
        Ok(())
    }
}
