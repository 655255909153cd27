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
use warrener_model::agent::Who;
use warrener_model::life::{Claim, Ending, Event};
use warrener_model::message;

/// A run whose holder must show itself.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) task: TaskId,
    /// `lease_seq` when the wait began: any change of it ends the wait.
    pub(crate) seen: u64,
    /// What follows if nobody does.
    pub(crate) then: Then,
}

/// What follows when the grace is over.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// The run that was delivered again takes over (row 5).
    Supersede(Claim),
    /// It is lost: its link ended without a word.
    Lose,
    /// It is given back uncounted: its agent said goodbye, so it never started.
    Release {
        /// The agent that left.
        who: Who,
        /// The grant.
        epoch: u64,
    },
}

/// One wait.
struct Wait {
    until: Instant,
    waiting: Waiting,
    /// What had to be read when the time was over.
    mark: Option<Mark>,
}

/// The loop looks at least this often, so that it notices when it was stopped itself.
const TICK: Duration = Duration::from_millis(500);
/// How often a wait looks whether everything was read.
const LOOK: Duration = Duration::from_millis(10);

/// Runs until told to stop.
pub(crate) async fn run(
    core: Arc<Core>,
    mut incoming: mpsc::Receiver<Waiting>,
    stop: CancellationToken,
) {
    // From the first sight: a repeat of the same question does not start the grace again.
    let mut waits: HashMap<(TaskId, u64), Wait> = HashMap::new();
    let grace = core.options.timers.grace;
    let mut last = Instant::now();
    loop {
        let next = waits.values().map(|wait| wait.until).min();
        let sleep = next.map_or(TICK, |at| at.duration_since(Instant::now()).min(TICK));
        tokio::select! {
            waiting = incoming.recv() => {
                let Some(waiting) = waiting else { return };
                let key = (waiting.task, waiting.seen);
                let until = Instant::now() + grace;
                waits.entry(key).or_insert(Wait { until, waiting, mark: None });
            }
            () = tokio::time::sleep(sleep) => {}
            () = stop.cancelled() => return,
        }
        let away = last.elapsed().saturating_sub(TICK * 2);
        if !away.is_zero() {
            // This process was stopped: the holders had no chance to be heard meanwhile.
            waits
                .values_mut()
                .for_each(|wait| wait.until += away + grace);
        }
        last = Instant::now();
        let over = |wait: &Wait| wait.until <= last;
        let due: Vec<(TaskId, u64)> = waits
            .iter()
            .filter(|(_, wait)| over(wait))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            if let Some(wait) = waits.get_mut(&key) {
                if !ready(&core, wait).await {
                    wait.until = Instant::now() + LOOK;
                    continue;
                }
                if let Err(error) = end(&core, &wait.waiting).await {
                    tracing::warn!(%error, "a grace waits for the store");
                    wait.until = Instant::now() + grace;
                    continue;
                }
            }
            waits.remove(&key);
        }
    }
}

/// The holder's answer may be in an inbox already: everything that was there when the time was over is read first.
async fn ready(core: &Core, wait: &mut Wait) -> bool {
    if wait.mark.is_none() {
        wait.mark = core.mark().await;
    }
    wait.mark.as_ref().is_some_and(|mark| core.passed(mark))
}

/// What the readers of the inboxes will have done once they have read what was there at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    results: u64,
    presence: u64,
}

impl Core {
    /// Everything that is in the inboxes now; `None` while a reader is away.
    pub(crate) async fn mark(&self) -> Option<Mark> {
        let mut there = [0; 2];
        for (waiting, inbox) in there.iter_mut().zip([Inbox::Results, Inbox::Presence]) {
            let depth = self.broker.depth(&Address::Inbox(inbox)).await.ok()?;
            *waiting = depth.ready + depth.unsettled;
        }
        // Counted after the depth: what was read in between is asked for twice, which only makes the mark later.
        let lag = &self.lag;
        let mark = Mark {
            results: lag.results_done.load(Ordering::Acquire) + there[0],
            presence: lag.presence_done.load(Ordering::Acquire) + there[1],
        };
        self.readers_up().then_some(mark)
    }

    /// Whether everything of that moment was read and recorded.
    pub(crate) fn passed(&self, mark: &Mark) -> bool {
        self.readers_up()
            && self.lag.results_done.load(Ordering::Acquire) >= mark.results
            && self.lag.presence_done.load(Ordering::Acquire) >= mark.presence
    }

    fn readers_up(&self) -> bool {
        self.lag.results_up.load(Ordering::Acquire) && self.lag.presence_up.load(Ordering::Acquire)
    }
}

async fn end(core: &Arc<Core>, waiting: &Waiting) -> crate::error::Result<()> {
    let event = match &waiting.then {
        Then::Supersede(claim) => Event::Supersede {
            claim: claim.clone(),
            seen: waiting.seen,
        },
        Then::Lose => Event::Lost { seen: waiting.seen },
        Then::Release { who, epoch } => Event::Outcome {
            who: who.clone(),
            epoch: *epoch,
            ending: Ending::Released,
        },
    };
    let intent = Intent::new(waiting.task, event, "server");
    let intent = match &waiting.then {
        Then::Release { .. } => intent.detail(serde_json::json!({ "reason": "its agent left" })),
        Then::Supersede(_) | Then::Lose => intent.lost("the agent is gone without a word"),
    };
    let moved = core.transition(intent).await?;
    let now = core.now().await?;
    let letters = match (&moved, &waiting.then) {
        (Moved::Yes(moved), _) => core.letters(moved, "", now),
        (_, Then::Supersede(claim)) => {
            let reason = "held".into();
            let body = message::ClaimRefused {
                task_id: waiting.task,
                claim: claim.claim,
                reason,
            };
            vec![core.letter(&claim.who, &body, now)]
        }
        (_, Then::Lose | Then::Release { .. }) => vec![],
    };
    core.send(letters).await;
    Ok(())
}
