//! Dead letters: groups, requeue, discard. Requeued tasks keep their attempts and replay count.

use super::Orchestrator;
use crate::error::Result;
use crate::transition::{Intent, Moved};
use std::time::Duration;
use warrener_backend::query::{DeadGroup, List, SortKey};
use warrener_model::filter::Filter;
use warrener_model::life::Event;
use warrener_model::{State, TaskId};

/// Tasks moved in one commit.
const BATCH: usize = 500;

/// Which dead letters.
#[derive(Clone, Debug)]
pub enum Which {
    /// These.
    Ids(Vec<TaskId>),
    /// All dead ones that match.
    Filter(Filter),
}

/// How dead letters are tried again.
#[derive(Clone, Debug)]
pub struct Requeue {
    /// Which.
    pub which: Which,
    /// At most so many.
    pub limit: usize,
    /// So many a second; none is as fast as it goes.
    pub rate: Option<f64>,
    /// The retries of each class start anew.
    pub anew: bool,
    /// Only say which.
    pub dry_run: bool,
    /// Why, for the history of each.
    pub reason: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requeued {
    /// Those that match (and, without a dry run, were moved).
    pub tasks: Vec<TaskId>,
    /// Those that were asked for and are not dead (any more), with the state they are in; none if there is no such task.
    pub skipped: Vec<(TaskId, Option<State>)>,
}

impl Orchestrator {
    /// Dead letters by fingerprint, largest group first.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn dead_groups(&self, filter: Filter, limit: usize) -> Result<Vec<DeadGroup>> {
        let now = self.core.now().await?;
        Ok(self.core.store.dead_groups(filter, now, limit).await?)
    }

    /// Tries dead letters again.
    ///
    /// # Errors
    /// `Backend`; those before the error were moved.
    pub async fn requeue(&self, requeue: Requeue, actor: &str) -> Result<Requeued> {
        let event = Event::Requeue { anew: requeue.anew };
        self.move_dead(&requeue, &event, actor).await
    }

    /// Ends dead letters for good: they are cancelled, with their history kept until it is forgotten with them.
    ///
    /// # Errors
    /// `Backend`; those before the error were moved.
    pub async fn discard(&self, requeue: Requeue, actor: &str) -> Result<Requeued> {
        self.move_dead(&requeue, &Event::Discard, actor).await
    }

    async fn move_dead(&self, requeue: &Requeue, event: &Event, actor: &str) -> Result<Requeued> {
        let ids = self.dead(&requeue.which, requeue.limit).await?;
        let mut done = Requeued::default();
        if requeue.dry_run {
            let rows = self.core.store.tasks(&ids).await?;
            for (id, row) in ids.into_iter().zip(rows) {
                match row.map(|task| task.life.state) {
                    Some(State::Dead) => done.tasks.push(id),
                    state => done.skipped.push((id, state)),
                }
            }
            return Ok(done);
        }
        let chunk = if requeue.rate.is_some() { 1 } else { BATCH };
        for ids in ids.chunks(chunk) {
            let intents = ids.iter().map(|id| {
                let detail = serde_json::json!({ "reason": requeue.reason });
                Intent::new(*id, event.clone(), actor).detail(detail)
            });
            for (id, moved) in ids
                .iter()
                .zip(self.core.transitions(intents.collect()).await?)
            {
                match moved {
                    Moved::Yes(_) => done.tasks.push(*id),
                    Moved::No { task, .. } => done.skipped.push((*id, Some(task.life.state))),
                    Moved::Unknown => done.skipped.push((*id, None)),
                    Moved::Contended => done.skipped.push((*id, Some(State::Dead))),
                }
            }
            if let Some(rate) = requeue.rate.filter(|rate| *rate > 0.0) {
                tokio::time::sleep(Duration::from_secs_f64((1.0 / rate).min(60.0))).await;
            }
        }
        Ok(done)
    }

    /// The ids, frozen now: what dies meanwhile is not meant.
    async fn dead(&self, which: &Which, limit: usize) -> Result<Vec<TaskId>> {
        let filter = match which {
            Which::Ids(ids) => return Ok(ids.iter().copied().take(limit).collect()),
            Which::Filter(filter) => {
                let mut filter = filter.clone();
                let dead = Filter::parse("state:dead").expect("a constant filter");
                filter.terms.extend(dead.terms);
                filter
            }
        };
        let now = self.core.now().await?;
        let mut ids = vec![];
        let mut after = None;
        while ids.len() < limit {
            let list = List {
                filter: filter.clone(),
                now,
                sort: SortKey::Finished,
                descending: false,
                limit: BATCH.min(limit - ids.len()),
                after,
                bodies: false,
            };
            let place = list.clone();
            let rows = self.core.store.list(list).await?;
            let Some(last) = rows.last() else { break };
            after = Some(place.place(last));
            ids.extend(rows.iter().map(|task| task.id));
        }
        Ok(ids)
    }
}
