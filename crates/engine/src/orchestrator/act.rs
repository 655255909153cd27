//! Acts of people: cancel, retry, reassign, approve, reject, answer.

use super::{Orchestrator, View};
use crate::error::{Error, Result};
use crate::parts;
use crate::transition::{Intent, Moved, Transition};
use warrener_model::json::Json;
use warrener_model::life::{Effect, Event, Needs, Parked};
use warrener_model::{AgentId, Mistake, TaskId, limits};

/// A task that was cancelled.
#[derive(Clone, Debug)]
pub struct Cancelled {
    /// The task.
    pub view: View,
    /// A run that was granted before is being stopped.
    pub stopping: bool,
}

impl Orchestrator {
    /// Cancels a task in any state that is not final. Once this returns nothing is granted any more.
    ///
    /// # Errors
    /// `NotFound`, `IllegalState` (final), `Backend`.
    pub async fn cancel(&self, task: TaskId, reason: &str, actor: &str) -> Result<Cancelled> {
        let detail = serde_json::json!({ "reason": reason });
        let intent = Intent::new(task, Event::Cancel, actor).detail(detail);
        let moved = self.act(intent, "cancel", reason).await?;
        let stopping = moved
            .effects
            .iter()
            .any(|e| matches!(e, Effect::Revoke { .. }));
        Ok(Cancelled {
            view: self.view(moved.task),
            stopping,
        })
    }

    /// Tries a task again that failed, is dead, was cancelled or expired. `anew` forgets the retries used so far.
    ///
    /// # Errors
    /// `NotFound`, `IllegalState`, `Invalid` (the input is over a limit), `Backend`.
    pub async fn retry(
        &self,
        task: TaskId,
        input: Option<Json>,
        anew: bool,
        actor: &str,
    ) -> Result<View> {
        if let Some(input) = &input {
            check_input(input)?;
            parts::takes_input(&self.core, task).await?;
        }
        let input = match input {
            Some(input) => Some(input),
            None => self.core.missed_decision(task).await?,
        };
        // No task of this version depends on others; where one does, the store has to say it here.
        let needs = Needs::Met;
        let intent = Intent {
            input,
            ..Intent::new(task, Event::Retry { anew, needs }, actor)
        };
        Ok(self.view(self.act(intent, "retry", "").await?.task))
    }

    /// Wants this agent to do it; a run elsewhere is stopped.
    ///
    /// # Errors
    /// `NotFound` (the task, or the agent), `IllegalState` (final), `Backend`.
    pub async fn reassign(&self, task: TaskId, to: AgentId, actor: &str) -> Result<View> {
        let known = self.core.registry.views();
        if !known.iter().any(|view| view.agent.card.who.agent_id == to) {
            return Err(Error::NotFound {
                what: "agent",
                id: to.to_string(),
            });
        }
        let detail = serde_json::json!({ "to": to });
        let intent = Intent::new(task, Event::Reassign { to }, actor).detail(detail);
        Ok(self.view(self.act(intent, "reassign", "reassigned").await?.task))
    }

    /// Says yes to a task that waits for an approval.
    ///
    /// # Errors
    /// `NotFound`, `NotWaiting`, `Backend`.
    pub async fn approve(&self, task: TaskId, reason: &str, actor: &str) -> Result<View> {
        let detail = serde_json::json!({ "reason": reason });
        let event = Event::Unpark(Parked::Approval);
        self.decide_parked(Intent::new(task, event, actor).detail(detail))
            .await
    }

    /// Says no to a task that waits for an approval: it failed.
    ///
    /// # Errors
    /// `NotFound`, `NotWaiting`, `Backend`.
    pub async fn reject(&self, task: TaskId, reason: &str, actor: &str) -> Result<View> {
        self.decide_parked(Intent::new(task, Event::Reject, actor).rejected(reason))
            .await
    }

    /// Gives a task the input that it waits for.
    ///
    /// # Errors
    /// `NotFound`, `NotWaiting`, `Invalid`, `Backend`.
    pub async fn answer(&self, task: TaskId, input: Json, actor: &str) -> Result<View> {
        check_input(&input)?;
        let intent = Intent {
            input: Some(input),
            ..Intent::new(task, Event::Unpark(Parked::Input), actor)
        };
        self.decide_parked(intent).await
    }

    async fn decide_parked(&self, intent: Intent) -> Result<View> {
        let task = intent.task;
        match self.act(intent, "an answer", "").await {
            Ok(moved) => Ok(self.view(moved.task)),
            Err(Error::IllegalState { state, .. }) => Err(Error::NotWaiting { task, state }),
            Err(other) => Err(other),
        }
    }

    async fn act(&self, intent: Intent, action: &'static str, reason: &str) -> Result<Transition> {
        let id = intent.task;
        match self.core.transition(intent).await? {
            Moved::Yes(moved) => {
                let now = self.core.now().await?;
                self.core.send(self.core.letters(&moved, reason, now)).await;
                Ok(*moved)
            }
            Moved::No { task, .. } => {
                let state = task.life.state;
                Err(Error::IllegalState {
                    task: id,
                    state,
                    action,
                })
            }
            Moved::Unknown => Err(Error::no_task(id)),
            Moved::Contended => Err(Error::Contended(id)),
        }
    }
}

fn check_input(input: &Json) -> Result<()> {
    let mut mistakes = vec![];
    if input.as_str().len() > limits::INPUT_BYTES {
        let message = format!("has more than {} bytes", limits::INPUT_BYTES);
        mistakes.push(Mistake::at("/input", message));
    }
    if input.depth() > limits::JSON_DEPTH {
        let message = format!("has more than {} levels of nesting", limits::JSON_DEPTH);
        mistakes.push(Mistake::at("/input", message));
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(mistakes))
    }
}
