//! Submit: one task or a batch. Yes is said after the commit, and only then.

use super::{Orchestrator, Spawner, View};
use crate::core::Core;
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use warrener_backend::store::{Accept, Accepted, Committed, Key, Op};
use warrener_model::event::{EventKind, NewEvent};
use warrener_model::submission::check_key;
use warrener_model::task::Task;
use warrener_model::{Mistake, State, Submission, TaskId, Timestamp, limits};

/// What became of one submission.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The task.
    pub view: View,
    /// It was there before, under the same key and request.
    pub existing: bool,
}

/// Why a batch was refused; nothing of it was accepted.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// These items break rules: the index and the mistakes of each, the first 100 of them.
    #[error("{} of the items break rules", .0.len())]
    Items(Vec<(usize, Vec<Mistake>)>),
    /// The key of this item belongs to another request.
    #[error(
        "the idempotency key of item {index} belongs to another request, which made task {task}"
    )]
    KeyTaken {
        /// The item.
        index: usize,
        /// The task that has the key.
        task: TaskId,
    },
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl Orchestrator {
    /// Accepts one task. With a key, the same request is accepted once.
    ///
    /// # Errors
    /// `Invalid`, `KeyTaken`, `Overloaded`, `Draining`, `Backend`: then nothing was accepted, but for
    /// `Backend(Unavailable)`, after which it may have been: submit again with the same key.
    pub async fn submit(
        &self,
        submission: Submission,
        key: Option<String>,
        actor: &str,
    ) -> Result<Submitted> {
        self.enter(submission, key, actor, None).await
    }

    /// Accepts one task, for a run as its child.
    pub(super) async fn enter(
        &self,
        submission: Submission,
        key: Option<String>,
        actor: &str,
        by: Option<Spawner>,
    ) -> Result<Submitted> {
        self.open()?;
        let _permit = self
            .core
            .submissions
            .try_acquire()
            .map_err(|_| Error::Overloaded)?;
        let key = key.or_else(|| submission.idempotency_key.clone());
        if let Some(Err(message)) = key.as_deref().map(check_key) {
            return Err(Error::Invalid(vec![Mistake::at(
                "/idempotency_key",
                message,
            )]));
        }
        let now = self.core.now().await?;
        let id = self.core.task_id(now);
        let mut task =
            check_submission(&self.core, &submission, id, now).map_err(Error::Invalid)?;
        self.core
            .room_for(std::slice::from_ref(&submission))
            .await?;
        let session = self.core.collaborate(&mut task, &submission, now).await?;
        let accept = Accept {
            session,
            ..accept(task.clone(), key, &submission, actor, now)
        };
        let accepts = vec![Op::Accept(Box::new(accept))];
        match self.commit_accepts(accepts, by).await? {
            Committed::Done { accepted, .. } => match accepted.first() {
                Some(Accepted {
                    task: id,
                    existing: true,
                }) => Ok(Submitted {
                    view: self.task(*id).await?,
                    existing: true,
                }),
                _ => {
                    self.accepted(&task);
                    self.core.ask_begun().await;
                    Ok(Submitted {
                        view: self.view(task),
                        existing: false,
                    })
                }
            },
            Committed::KeyTaken { task, .. } => Err(Error::KeyTaken(task)),
            Committed::Conflict | Committed::Refused(_) => Err(Error::Contended(task.id)),
        }
    }

    /// Accepts all of a batch, or nothing.
    ///
    /// # Errors
    /// [`BatchError`]; nothing was accepted then (see [`Orchestrator::submit`] for `Unavailable`).
    pub async fn submit_batch(
        &self,
        submissions: Vec<Submission>,
        actor: &str,
    ) -> std::result::Result<Vec<Accepted>, BatchError> {
        self.enter_batch(submissions, actor, None).await
    }

    /// Accepts a batch, for a run as its children.
    pub(super) async fn enter_batch(
        &self,
        submissions: Vec<Submission>,
        actor: &str,
        by: Option<Spawner>,
    ) -> std::result::Result<Vec<Accepted>, BatchError> {
        self.open()?;
        let _permit = self
            .core
            .submissions
            .try_acquire()
            .map_err(|_| Error::Overloaded)?;
        if submissions.len() > limits::BATCH_ITEMS {
            let text = format!("a batch has at most {} items", limits::BATCH_ITEMS);
            return Err(Error::TooLarge(text).into());
        }
        if submissions.is_empty() {
            return Ok(vec![]);
        }
        let now = self.core.now().await?;
        let mut bad = vec![];
        let mut tasks = vec![];
        for (index, submission) in submissions.iter().enumerate() {
            let id = self.core.batch_id(now, index);
            match check_submission(&self.core, submission, id, now) {
                Ok(task) => tasks.push(task),
                Err(mistakes) if bad.len() < 100 => bad.push((index, mistakes)),
                Err(_) => {}
            }
        }
        if !bad.is_empty() {
            return Err(BatchError::Items(bad));
        }
        self.core.room_for(&submissions).await?;
        let mut ops = vec![];
        for (task, submission) in tasks.iter_mut().zip(&submissions) {
            let session = self.core.collaborate(task, submission, now).await?;
            let key = submission.idempotency_key.clone();
            ops.push(Op::Accept(Box::new(Accept {
                session,
                ..accept(task.clone(), key, submission, actor, now)
            })));
        }
        let twice = keys_twice(&ops);
        if !twice.is_empty() {
            return Err(BatchError::Items(twice));
        }
        match self.commit_accepts(ops, by).await? {
            Committed::Done { accepted, .. } => {
                for (task, accepted) in tasks.iter().zip(&accepted) {
                    if !accepted.existing {
                        self.accepted(task);
                    }
                }
                self.core.ask_begun().await;
                Ok(accepted)
            }
            Committed::KeyTaken { index, task } => Err(BatchError::KeyTaken { index, task }),
            Committed::Conflict | Committed::Refused(_) => {
                Err(Error::Contended(tasks[0].id).into())
            }
        }
    }

    pub(super) fn open(&self) -> Result<()> {
        if self.core.is_draining() {
            Err(Error::Draining)
        } else {
            Ok(())
        }
    }

    /// Wakes who hands it out, or keeps its time.
    pub(crate) fn accepted(&self, task: &Task) {
        if task.life.state == State::Ready {
            self.core.ready.notify_one();
            if self.core.is_divided(&task.spec) {
                self.core.parts.notify_one();
            }
        }
        if task.life.due_at().is_some() {
            self.core.timer.notify_one();
        }
    }
}

/// The rules of the model, and the schema of the kind.
pub(crate) fn check_submission(
    core: &Core,
    submission: &Submission,
    id: TaskId,
    now: Timestamp,
) -> std::result::Result<Task, Vec<Mistake>> {
    let task = submission.check(id, now)?;
    if let Some(schema) = core.options.schemas.get(&task.spec.kind) {
        let mistakes: Vec<Mistake> = schema
            .iter_errors(&task.spec.input.value())
            .take(20)
            .map(|error| {
                Mistake::at(
                    format!("/input{}", error.instance_path()),
                    error.to_string(),
                )
            })
            .collect();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
    }
    Ok(task)
}

/// Items whose key an item before them has for another request: neither is there yet, so no store can say which it is.
fn keys_twice(ops: &[Op]) -> Vec<(usize, Vec<Mistake>)> {
    let mut known: HashMap<&str, (usize, [u8; 32])> = HashMap::new();
    let mut twice = vec![];
    for (index, op) in ops.iter().enumerate() {
        let Op::Accept(accept) = op else { continue };
        let Some(key) = &accept.key else { continue };
        let (first, digest) = *known.entry(&key.key).or_insert((index, key.digest));
        if digest != key.digest && twice.len() < 100 {
            let message = format!("is the key of item {first}, which asks for something else");
            twice.push((index, vec![Mistake::at("/idempotency_key", message)]));
        }
    }
    twice
}

/// The row of a task, with the first one of its history.
pub(crate) fn accept(
    task: Task,
    key: Option<String>,
    submission: &Submission,
    actor: &str,
    now: Timestamp,
) -> Accept {
    let event = NewEvent {
        at: now,
        kind: EventKind::Submitted,
        state: task.life.state,
        attempt: 0,
        epoch: 0,
        agent: None,
        actor: actor.into(),
        detail: serde_json::json!({}),
    };
    let key = key.map(|key| Key {
        key,
        digest: digest(submission),
    });
    Accept {
        task,
        key,
        event,
        session: None,
    }
}

/// What makes two requests the same: every field but the key itself.
fn digest(submission: &Submission) -> [u8; 32] {
    let bare = Submission {
        idempotency_key: None,
        ..submission.clone()
    };
    let text = serde_json::to_vec(&bare).expect("a submission has string keys only");
    Sha256::digest(&text).into()
}
