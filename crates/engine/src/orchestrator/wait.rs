//! Waits for tasks to end; woken by commits, never by polling alone.

use super::{Orchestrator, View};
use crate::error::{Error, Result};
use std::time::Duration;
use tokio::time::Instant;
use warrener_model::{TaskId, limits};

/// Reads at least this often while waiting, in case a wake-up was lost.
const LOOK: Duration = Duration::from_secs(5);

impl Orchestrator {
    /// Waits until all of these tasks (or one, with `any`) have ended, or the time is over. Gives back those that have
    /// ended, and the ids of those that have not.
    ///
    /// # Errors
    /// `NotFound` for an id that is none, `TooLarge` for more than a batch of ids, `Backend`.
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
        let mut changed = self.changed();
        let mut done: Vec<View> = vec![];
        let mut pending: Vec<TaskId> = ids.to_vec();
        loop {
            changed.mark_unchanged();
            let rows = self.core.store.tasks(&pending).await?;
            let mut open = vec![];
            for (id, row) in pending.iter().zip(rows) {
                let task = row.ok_or(Error::no_task(*id))?;
                if task.life.state.is_final() {
                    done.push(self.view(task));
                } else {
                    open.push(*id);
                }
            }
            pending = open;
            let enough = pending.is_empty() || (any && !done.is_empty());
            let left = until.saturating_duration_since(Instant::now());
            if enough || left.is_zero() {
                return Ok((done, pending));
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = tokio::time::sleep(left.min(LOOK)) => {}
            }
        }
    }
}
