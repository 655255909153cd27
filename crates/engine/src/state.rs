//! Values of shared state that are over: each becomes a tombstone soon after its time, never before.

mod asked;

use crate::core::Core;
use crate::error::Result;
use crate::vigil::back;
pub(crate) use asked::{Asked, answer};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::state::{StateOp, Stated};
use warrener_backend::store::{Committed, Op};
use warrener_model::Timestamp;

/// Tombstones, and looks at old versions, of one commit.
const BATCH: usize = 500;

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let poll = core.options.timers.poll;
    while !stop.is_cancelled() {
        let sleep = match tick(&core).await {
            Ok(next) => next.min(poll),
            Err(error) => {
                tracing::warn!(%error, "shared state that is over waits");
                poll
            }
        };
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = core.over.notified() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Makes the tombstones that are due; says how long until the next one.
async fn tick(core: &Core) -> Result<Duration> {
    loop {
        let Some(next) = core.store.state_next_over().await? else {
            return Ok(Duration::MAX);
        };
        let now = core.now().await?;
        if next > now {
            return Ok(next.since(now));
        }
        core.many(StateOp::Expire { now, limit: BATCH }).await?;
    }
}

impl Core {
    /// Forgets versions that were replaced before this.
    pub(crate) async fn forget_versions(&self, now: Timestamp, kept: Duration) -> Result<()> {
        let before = back(now, kept);
        let forget = StateOp::Forget {
            before,
            limit: BATCH,
        };
        while self.many(forget.clone()).await? >= BATCH {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Does what nothing stored refuses; says how many it was about.
    async fn many(&self, op: StateOp) -> Result<usize> {
        let committed = self.store.commit(vec![Op::State(op).into()]).await?;
        let count = |one: &Stated| match one {
            Stated::Many(count) => *count,
            Stated::Written { .. } | Stated::Lock(_) => 0,
        };
        Ok(committed.first().map_or(0, |committed| match committed {
            Committed::Done { stated, .. } => stated.iter().map(count).sum(),
            _ => 0,
        }))
    }
}
