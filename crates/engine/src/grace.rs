//! Waits the grace before a run loses its task: after a redelivered claim (row 5), and after the end of a link.

use crate::core::Core;
use crate::transition::{Intent, Moved};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warrener_backend::{Address, Inbox};
use warrener_model::TaskId;
use warrener_model::life::{Claim, Event};
use warrener_model::message;

/// A run whose holder must show itself.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) task: TaskId,
    /// `lease_seq` when the wait began: any change of it ends the wait.
    pub(crate) seen: u64,
    /// The run that wants the task; none when a link ended.
    pub(crate) claim: Option<Claim>,
}

/// Runs until told to stop.
pub(crate) async fn run(
    core: Arc<Core>,
    mut incoming: mpsc::Receiver<Waiting>,
    stop: CancellationToken,
) {
    // From the first sight: a repeat of the same question does not start the grace again.
    let mut waits: HashMap<(TaskId, u64), (Instant, Waiting)> = HashMap::new();
    let grace = core.options.timers.grace;
    loop {
        let next = waits.values().map(|(at, _)| *at).min();
        let sleep = next.map_or(Duration::from_secs(3_600), |at| {
            at.duration_since(Instant::now())
        });
        tokio::select! {
            waiting = incoming.recv() => {
                let Some(waiting) = waiting else { return };
                let key = (waiting.task, waiting.seen);
                waits.entry(key).or_insert_with(|| (Instant::now() + grace, waiting));
            }
            () = tokio::time::sleep(sleep) => {}
            () = stop.cancelled() => return,
        }
        let due: Vec<(TaskId, u64)> = waits
            .iter()
            .filter(|(_, (at, _))| *at <= Instant::now())
            .map(|(key, _)| *key)
            .collect();
        if due.is_empty() {
            continue;
        }
        // The holder's answer may be in the inbox already: read that first.
        if !caught_up(&core).await {
            let again = Instant::now() + grace.min(Duration::from_millis(100));
            for key in due {
                if let Some((at, _)) = waits.get_mut(&key) {
                    *at = again;
                }
            }
            continue;
        }
        for key in due {
            let Some((_, waiting)) = waits.remove(&key) else {
                continue;
            };
            if let Err(error) = end(&core, &waiting).await {
                tracing::warn!(%error, "a grace waits for the store");
                waits.insert(key, (Instant::now() + grace, waiting));
            }
        }
    }
}

/// Nothing that could save a lease is waiting unread.
pub(crate) async fn caught_up(core: &Core) -> bool {
    let up =
        core.lag.results_up.load(Ordering::Acquire) && core.lag.presence_up.load(Ordering::Acquire);
    if !up || core.lag.in_hand.load(Ordering::Acquire) > 0 {
        return false;
    }
    for inbox in [Inbox::Results, Inbox::Presence] {
        match core.broker.depth(&Address::Inbox(inbox)).await {
            Ok(depth) if depth.ready == 0 && depth.unsettled == 0 => {}
            _ => return false,
        }
    }
    true
}

async fn end(core: &Arc<Core>, waiting: &Waiting) -> crate::error::Result<()> {
    let event = match &waiting.claim {
        Some(claim) => Event::Supersede {
            claim: claim.clone(),
            seen: waiting.seen,
        },
        None => Event::Lost { seen: waiting.seen },
    };
    let moved = core
        .transition(Intent::new(waiting.task, event, "server"))
        .await?;
    let now = core.now().await?;
    let letters = match (&moved, &waiting.claim) {
        (Moved::Yes(moved), _) => core.letters(moved, "", now),
        (_, Some(claim)) => {
            let reason = "held".into();
            let body = message::ClaimRefused {
                task_id: waiting.task,
                claim: claim.claim,
                reason,
            };
            vec![core.letter(&claim.who, &body, now)]
        }
        (_, None) => vec![],
    };
    core.send(letters).await;
    Ok(())
}
