//! What a run opens by its task token (contracts.md section 4): children of its own task, where its kind may, not deeper
//! than [`limits::SPAWN_DEPTH`], and only while its epoch holds.

use super::{BatchError, Orchestrator, Submitted};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::token::TaskRight;
use warrener_backend::store::{Accepted, Change, Committed, Move, Op};
use warrener_model::task::Task;
use warrener_model::{Kind, Mistake, Submission, TaskId, limits};

/// How often children are handed over again because their parent's row moved meanwhile (heartbeats do that).
const TRIES: usize = 12;
/// Items of a batch whose mistakes are told.
const TOLD: usize = 100;

/// A run that may open children; [`Orchestrator::spawner`] finds out.
#[derive(Clone, Copy, Debug)]
pub struct Spawner {
    right: TaskRight,
}

impl Orchestrator {
    /// Asks whether a run may open children.
    ///
    /// # Errors
    /// `NotAllowed` (its kind may not, or it is too deep), `AttemptOver`, `Backend`.
    pub async fn spawner(&self, right: TaskRight) -> Result<Spawner> {
        let task = self.held(right).await?;
        if !self.core.options.may_spawn.contains(&task.spec.kind) {
            return Err(Error::NotAllowed {
                what: format!("tasks of kind {} may not open children", task.spec.kind),
                hint: format!(
                    "set may_spawn = true under [kind.{}] in the server's warrener.toml",
                    key(&task.spec.kind)
                ),
            });
        }
        shallow(&self.core, &task).await?;
        Ok(Spawner { right })
    }

    /// Accepts one child, as [`Orchestrator::submit`] does a task.
    ///
    /// # Errors
    /// As there; `Invalid` for another parent, `AttemptOver` when the run is over meanwhile.
    pub async fn spawn(
        &self,
        spawner: Spawner,
        mut submission: Submission,
        key: Option<String>,
    ) -> Result<Submitted> {
        spawner
            .adopt(&mut submission)
            .map_err(|mistake| Error::Invalid(vec![mistake]))?;
        let actor = spawner.actor();
        self.enter(submission, key, &actor, Some(spawner)).await
    }

    /// Accepts a batch of children, all of it or nothing, as [`Orchestrator::submit_batch`] does.
    ///
    /// # Errors
    /// As there, and as [`Orchestrator::spawn`].
    pub async fn spawn_batch(
        &self,
        spawner: Spawner,
        mut submissions: Vec<Submission>,
    ) -> std::result::Result<Vec<Accepted>, BatchError> {
        let adopted = submissions.iter_mut().enumerate();
        let foreign = adopted.filter_map(|(index, submission)| {
            let mistake = spawner.adopt(submission).err()?;
            Some((index, vec![mistake]))
        });
        // All are adopted before any is told about.
        let foreign: Vec<(usize, Vec<Mistake>)> = foreign.collect();
        if !foreign.is_empty() {
            return Err(BatchError::Items(foreign.into_iter().take(TOLD).collect()));
        }
        let actor = spawner.actor();
        self.enter_batch(submissions, &actor, Some(spawner)).await
    }

    /// Commits what is accepted in one change; children together with a look at their parent's row, so that none is
    /// accepted after the run that opens it is over.
    pub(super) async fn commit_accepts(
        &self,
        accepts: Vec<Op>,
        by: Option<Spawner>,
    ) -> Result<Committed> {
        let Some(Spawner { right }) = by else {
            let change = Change { ops: accepts };
            let committed = self.core.store.commit(vec![change]).await?;
            return Ok(committed.into_iter().next().unwrap_or(Committed::Conflict));
        };
        for _ in 0..TRIES {
            let mut ops = vec![unmoved(self.held(right).await?)];
            ops.extend(accepts.iter().cloned());
            let committed = self.core.store.commit(vec![Change { ops }]).await?;
            match committed.into_iter().next() {
                Some(Committed::Conflict) | None => {}
                Some(committed) => return Ok(committed),
            }
        }
        Ok(Committed::Conflict)
    }
}

/// How many generations a task is below one without a parent. An ancestor that is not kept any more makes that
/// unknown: then no more are opened, since a chain that outlives its beginnings would never end.
pub(crate) async fn shallow(core: &Core, task: &Task) -> Result<()> {
    let mut above = task.spec.parent;
    for _ in 0..limits::SPAWN_DEPTH {
        let Some(id) = above else { return Ok(()) };
        let parent = core.store.tasks(&[id]).await?.pop().flatten();
        above = match parent {
            Some(parent) => parent.spec.parent,
            None => return Err(not_kept(task.id, id)),
        };
    }
    Err(Error::NotAllowed {
        what: format!(
            "task {} is {} generations below its first task; deeper ones are not opened",
            task.id,
            limits::SPAWN_DEPTH
        ),
        hint: "open the tasks higher up, or let a program with the operator's token submit".into(),
    })
}

impl Spawner {
    /// Makes a submission a child; one that names another parent is none.
    fn adopt(&self, submission: &mut Submission) -> std::result::Result<(), Mistake> {
        let own = self.right.task;
        match submission.parent_id.replace(own) {
            Some(other) if other != own => {
                let message = format!(
                    "is {other}; a task token opens children of its own task only: leave it out, or say {own}"
                );
                Err(Mistake::at("/parent_id", message))
            }
            _ => Ok(()),
        }
    }

    fn actor(&self) -> String {
        format!("task:{}", self.right.task)
    }
}

/// Writes a row as it is, if it is still the one that was read: nothing moves by that, not even the version.
fn unmoved(task: Task) -> Op {
    Op::Move(Box::new(Move {
        task: task.id,
        version: task.version,
        lease_seq: task.life.lease_seq,
        life: task.life,
        event: None,
        ending: None,
        input: None,
    }))
}

fn not_kept(task: TaskId, ancestor: TaskId) -> Error {
    Error::NotAllowed {
        what: format!(
            "task {ancestor}, above task {task}, is not kept any more, so how deep it is cannot be told"
        ),
        hint: "keep ended tasks longer with retention.finished, or let a program with the operator's token submit".into(),
    }
}

/// A kind as a key of a configuration file.
fn key(kind: &Kind) -> String {
    if kind.as_str().contains('.') {
        format!("\"{kind}\"")
    } else {
        kind.to_string()
    }
}
