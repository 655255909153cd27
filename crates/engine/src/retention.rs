//! What goes by itself: old tasks and agents that are gone are forgotten, dead letters are tried again by rule.

use crate::core::Core;
use crate::error::Result;
use crate::options::AutoRequeue;
use crate::transition::Intent;
use crate::vigil::back;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use warrener_backend::query::{List, SortKey};
use warrener_backend::store::Purge;
use warrener_model::filter::Filter;
use warrener_model::life::Event;
use warrener_model::{Timestamp, limits};

/// Tasks looked at in one go.
const BATCH: usize = 500;

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    loop {
        if let Err(error) = tick(&core).await {
            tracing::warn!(%error, "retention waits");
        }
        tokio::select! {
            () = tokio::time::sleep(core.options.retention.every) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn tick(core: &Arc<Core>) -> Result<()> {
    let now = core.now().await?;
    if let Some(rule) = &core.options.auto_requeue {
        requeue(core, rule, now).await?;
    }
    let retention = &core.options.retention;
    let purge = Purge {
        finished_before: back(now, retention.finished),
        dead_before: back(now, retention.dead),
        keys_before: back(now, retention.keys.max(limits::IDEMPOTENCY_KEEP)),
        limit: BATCH,
    };
    core.forget_versions(now, retention.finished).await?;
    core.forget_agents(back(now, retention.agents)).await?;
    while core.store.purge(purge).await? >= BATCH {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The rule of `[dead] auto_requeue`.
async fn requeue(core: &Arc<Core>, rule: &AutoRequeue, now: Timestamp) -> Result<()> {
    let since = back(now, rule.younger);
    let text = format!("state:dead class:{} finished:>{since}", rule.class);
    let mut list = List {
        filter: Filter::parse(&text).expect("the rule makes a filter"),
        now,
        sort: SortKey::Finished,
        descending: false,
        limit: BATCH,
        after: None,
        bodies: false,
    };
    loop {
        let dead = core.store.list(list.clone()).await?;
        let intents = dead
            .iter()
            .filter(|task| task.life.replays < rule.times)
            .map(|task| Intent::new(task.id, Event::Requeue { anew: true }, "rule:auto_requeue"));
        core.transitions(intents.collect()).await?;
        let Some(last) = dead.last().filter(|_| dead.len() == BATCH) else {
            return Ok(());
        };
        // Those that the rule leaves alone stay where they are: the next page begins behind them.
        list.after = Some(list.place(last));
    }
}
