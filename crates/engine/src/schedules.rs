//! Schedules: looks at the next slot, sleeps until then, and starts what is due. The row of a schedule and the task of its
//! slot are one commit, guarded by the row's version: whoever else looked at the same row gets a conflict and looks again.

use crate::core::Core;
use crate::error::{Error, Result};
use crate::orchestrator::{Orchestrator, check_submission};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::schedule::{ScheduleOp, ScheduleQuery};
use warrener_backend::store::{Change, Committed, Op};
use warrener_model::name::ScheduleName;
use warrener_model::schedule::{Decision, Schedule, Slot, Target};
use warrener_model::{Submission, TaskId, Timestamp};

/// Labels by which the tasks of a schedule are found.
const LABELS: [&str; 2] = ["schedule", "slot"];
/// How often a decision is made again because another server was faster.
const TRIES: usize = 12;

/// Runs until told to stop.
pub(crate) async fn run(orchestrator: Orchestrator, core: Arc<Core>, stop: CancellationToken) {
    let poll = core.options.timers.poll;
    while !stop.is_cancelled() {
        let sleep = match tick(&orchestrator, &core).await {
            Ok(next) => next.min(poll),
            Err(error) => {
                tracing::warn!(%error, "schedules wait");
                poll
            }
        };
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = core.slots.notified() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Starts what is due; says how long until the next slot.
async fn tick(orchestrator: &Orchestrator, core: &Arc<Core>) -> Result<Duration> {
    let now = core.now().await?;
    // A server that drains takes nothing new: slots wait for the next one, which sees them as late.
    if core.is_draining() {
        return Ok(Duration::MAX);
    }
    for row in core.store.schedules(ScheduleQuery::Due(now)).await? {
        let busy = is_busy(core, &row).await?;
        if let Some(decision) = row.look(now, busy)
            && let Err(error) = orchestrator.fire(&row, decision, now, "server").await
        {
            // Its slot stays due; the schedules behind it have theirs all the same.
            tracing::warn!(schedule = %row.name, %error, "a schedule waits");
        }
    }
    let next = core.store.next_slot().await?;
    let now = core.now().await?;
    Ok(next.map_or(Duration::MAX, |at| at.since(now)))
}

/// Whether the task that it started last has not ended.
pub(crate) async fn is_busy(core: &Core, row: &Schedule) -> Result<bool> {
    let Some(last) = row.last_task else {
        return Ok(false);
    };
    let found = core.store.tasks(&[last]).await?.pop().flatten();
    Ok(found.is_some_and(|task| !task.life.state.is_final()))
}

impl Orchestrator {
    /// Does what was decided over the row as it was read. `Conflict` when somebody else was faster.
    pub(crate) async fn fire(
        &self,
        row: &Schedule,
        decision: Decision,
        now: Timestamp,
        actor: &str,
    ) -> Result<Committed> {
        let core = self.core();
        let Some(slot) = decision.start else {
            return write(core, decision, vec![]).await;
        };
        let (id, submission) = (core.task_id(now), of_slot(row, slot));
        let task = match check_submission(core, &submission, id, now) {
            Ok(task) => task,
            Err(mistakes) => {
                let told = mistakes
                    .iter()
                    .map(|m| format!("{}: {}", m.pointer, m.message));
                let told = told.collect::<Vec<_>>().join("; ");
                return write(core, decision.refused(&told, now), vec![]).await;
            }
        };
        if let (true, Some(last)) = (decision.cancel, row.last_task) {
            // Before the commit: should this process end in between, the slot is still due, and is found again.
            self.stop_last(row, last).await?;
        }
        let accept = crate::orchestrator::accept(task.clone(), None, &submission, actor, now);
        let accept = Op::Accept(Box::new(accept));
        let done = write(core, decision.started(id, now), vec![accept]).await?;
        if matches!(done, Committed::Done { .. }) {
            self.accepted(&task);
        }
        Ok(done)
    }

    /// Cancels the task of the slot before; one that has ended meanwhile is left as it is.
    async fn stop_last(&self, row: &Schedule, last: TaskId) -> Result<()> {
        let actor = format!("schedule:{}", row.name);
        match self
            .cancel(last, "the next slot of its schedule is due", &actor)
            .await
        {
            Ok(_) | Err(Error::IllegalState { .. } | Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads a schedule, changes it, writes it; again, where somebody else was faster.
    pub(crate) async fn change_schedule(
        &self,
        name: &ScheduleName,
        change: impl Fn(&Schedule, Timestamp) -> Schedule,
    ) -> Result<Schedule> {
        for _ in 0..TRIES {
            let row = self.schedule(name).await?;
            let changed = change(&row, self.core().now().await?);
            if changed == row {
                return Ok(row);
            }
            let schedule = Schedule {
                version: row.version + 1,
                ..changed
            };
            let op = ScheduleOp::Write(schedule.clone(), vec![]);
            if let Committed::Done { .. } = commit(self.core(), op, vec![]).await? {
                self.core().slots.notify_one();
                return Ok(schedule);
            }
        }
        Err(contended(name))
    }

    /// Starts a task of the schedule now, or what its overlap policy says.
    pub(crate) async fn fire_by_hand(&self, name: &ScheduleName, actor: &str) -> Result<Schedule> {
        for _ in 0..TRIES {
            let row = self.schedule(name).await?;
            let (now, busy) = (self.core().now().await?, is_busy(self.core(), &row).await?);
            let decision = row.by_hand(now, busy).map_err(|_| Error::ScheduleBusy {
                schedule: name.to_string(),
                task: row.last_task.expect("only a last task makes it busy"),
            })?;
            if let Committed::Done { .. } = self.fire(&row, decision, now, actor).await? {
                self.core().slots.notify_one();
                return self.schedule(name).await;
            }
        }
        Err(contended(name))
    }
}

pub(crate) fn contended(name: &ScheduleName) -> Error {
    Error::ScheduleChanged(name.to_string())
}

/// The submission of one slot, with the labels that lead back to it.
fn of_slot(row: &Schedule, slot: Slot) -> Submission {
    let Target::Task(submission) = &row.target;
    let mut submission = Submission::clone(submission);
    let [schedule, at] = LABELS;
    let labels = &mut submission.labels;
    labels.insert(schedule.into(), row.name.to_string());
    labels.insert(at.into(), slot.at.to_string());
    submission
}

async fn write(core: &Core, decision: Decision, with: Vec<Op>) -> Result<Committed> {
    let op = ScheduleOp::Write(decision.schedule, decision.firings);
    commit(core, op, with).await
}

/// The row first: if it is another one, nothing else is looked at.
pub(crate) async fn commit(core: &Core, op: ScheduleOp, with: Vec<Op>) -> Result<Committed> {
    let mut ops = vec![Op::Schedule(Box::new(op))];
    ops.extend(with);
    let mut answers = core.store.commit(vec![Change { ops }]).await?;
    Ok(answers.pop().expect("one change has one answer"))
}
