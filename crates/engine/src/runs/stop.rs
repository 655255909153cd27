//! Cancels what is open of cancelled runs, tasks and sessions, also of those that a server left half done.

use crate::core::Core;
use crate::error::Result;
use crate::transition::{Intent, Moved};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use warrener_model::id::RunId;
use warrener_model::life::Event;
use warrener_model::session::{Origin, SessionState};
use warrener_model::{limits, session};

/// Tasks cancelled in one commit.
const BATCH: usize = 512;

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    loop {
        if let Err(error) = tick(&core).await {
            tracing::warn!(%error, "cancelled runs wait");
        }
        tokio::select! {
            () = core.cancelled.notified() => {}
            () = tokio::time::sleep(core.options.timers.poll) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn tick(core: &Arc<Core>) -> Result<()> {
    for head in core.store.runs_cancelling().await? {
        all_of(core, head.id, head.cancel.as_deref().unwrap_or_default()).await?;
    }
    Ok(())
}

/// Every task of a run that is not over. None comes after: the run has been told.
pub(crate) async fn all_of(core: &Arc<Core>, run: RunId, reason: &str) -> Result<()> {
    let open = core
        .store
        .sessions(Some(SessionState::Open), None, limits::SESSIONS_OPEN);
    for session in open.await? {
        if matches!(session.origin, Some(Origin::Step { run: of, .. }) if of == run) {
            let reason = reason.to_owned();
            let event = session::Event::Cancel { reason };
            core.move_session(session.id, event).await?;
        }
    }
    let actor = format!("run:{run}");
    loop {
        let open = core.store.run_open(run, BATCH).await?;
        if open.is_empty() {
            return Ok(());
        }
        let intents = open.into_iter().map(|task| {
            let detail = serde_json::json!({ "reason": reason });
            Intent::new(task, Event::Cancel, actor.clone()).detail(detail)
        });
        let moved = core.transitions(intents.collect()).await?;
        let now = core.now().await?;
        let moved = moved.iter().filter_map(|moved| match moved {
            Moved::Yes(moved) => Some(moved),
            _ => None,
        });
        let letters = moved.flat_map(|moved| core.letters(moved, reason, now));
        core.send(letters.collect()).await;
    }
}
