//! Schedules: looks at the next slot, sleeps until then, and starts what is due. The row of a schedule and what its slot
//! starts are one commit, guarded by the row's version: whoever else looked at the same row gets a conflict and looks again.

use crate::core::Core;
use crate::error::{Error, Result};
use crate::orchestrator::{Orchestrator, RunMistakes, accept, check_submission, new_run};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::schedule::{ScheduleOp, ScheduleQuery};
use warrener_backend::store::{Accept, Change, Committed, Op};
use warrener_model::name::ScheduleName;
use warrener_model::schedule::{Decision, Schedule, Slot, Target, Work};
use warrener_model::{Mistake, Submission, Timestamp};

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
    let mut least = Duration::ZERO;
    for row in core.store.schedules(ScheduleQuery::Due(now)).await? {
        let busy = is_busy(core, &row).await?;
        if let Some(decision) = row.look(now, busy)
            && let Err(error) = orchestrator.fire(&row, decision, now, "server").await
        {
            // Its slot stays due; the schedules behind it have theirs all the same.
            tracing::warn!(schedule = %row.name, %error, "a schedule waits");
            least = core.options.timers.poll;
        }
    }
    let next = core.store.next_slot().await?;
    let now = core.now().await?;
    Ok(next.map_or(Duration::MAX, |at| at.since(now)).max(least))
}

/// Whether what it started last has not ended.
pub(crate) async fn is_busy(core: &Core, row: &Schedule) -> Result<bool> {
    Ok(match row.last {
        None => false,
        Some(Work::Task(id)) => {
            let found = core.store.tasks(&[id]).await?.pop().flatten();
            found.is_some_and(|task| !task.life.state.is_final())
        }
        Some(Work::Run(id)) => {
            let found = core.store.run_part(id, vec![]).await?;
            found.is_some_and(|part| !part.0.state.is_final())
        }
    })
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
        let (work, ops) = match begin(core, row, slot, now, actor).await? {
            Ok(begun) => begun,
            Err(mistakes) => {
                let told = mistakes
                    .iter()
                    .map(|m| format!("{}: {}", m.pointer, m.message));
                let told = told.collect::<Vec<_>>().join("; ");
                return write(core, decision.refused(&told, now), vec![]).await;
            }
        };
        if let (true, Some(last)) = (decision.cancel, row.last) {
            // Before the commit: should this process end in between, the slot is still due, and is found again.
            self.stop_last(row, last).await?;
        }
        let done = write(core, decision.started(work, now), ops).await?;
        if matches!(done, Committed::Done { .. }) {
            core.ready.notify_one();
            core.timer.notify_one();
        }
        Ok(done)
    }

    /// Cancels what the slot before started; what has ended meanwhile is left as it is.
    async fn stop_last(&self, row: &Schedule, last: Work) -> Result<()> {
        let reason = "the next slot of its schedule is due";
        let stopped = match last {
            Work::Task(id) => {
                let actor = format!("schedule:{}", row.name);
                self.cancel(id, reason, &actor).await.map(drop)
            }
            Work::Run(id) => self.cancel_run(id, reason).await.map(drop),
        };
        match stopped {
            Err(Error::IllegalState { .. } | Error::RunOver { .. } | Error::NotFound { .. }) => {
                Ok(())
            }
            other => other,
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

    /// Starts what the schedule is for now, or what its overlap policy says.
    pub(crate) async fn fire_by_hand(&self, name: &ScheduleName, actor: &str) -> Result<Schedule> {
        for _ in 0..TRIES {
            let row = self.schedule(name).await?;
            let (now, busy) = (self.core().now().await?, is_busy(self.core(), &row).await?);
            let decision = row.by_hand(now, busy).map_err(|_| Error::ScheduleBusy {
                schedule: name.to_string(),
                work: row.last.expect("only what was started makes it busy"),
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

/// What one slot starts, and the operations that do; or why it cannot.
async fn begin(
    core: &Core,
    row: &Schedule,
    slot: Slot,
    now: Timestamp,
    actor: &str,
) -> Result<std::result::Result<(Work, Vec<Op>), Vec<Mistake>>> {
    match &row.target {
        Target::Task(submission) => {
            let (id, submission) = (core.task_id(now), labelled(submission, row, slot));
            let mut task = match check_submission(core, &submission, id, now) {
                Ok(task) => task,
                Err(mistakes) => return Ok(Err(mistakes)),
            };
            core.room_for(std::slice::from_ref(&submission)).await?;
            let session = match core.collaborate(&mut task, &submission, now).await {
                Ok(session) => session,
                Err(Error::Invalid(mistakes)) => return Ok(Err(mistakes)),
                Err(error) => return Err(error),
            };
            let accept = Box::new(Accept {
                session,
                ..accept(task, None, &submission, actor, now)
            });
            Ok(Ok((Work::Task(id), vec![Op::Accept(accept)])))
        }
        Target::Workflow(flow) => {
            let id = core.run_id(now);
            match new_run(core, id, flow.file.clone(), &flow.inputs, None, now).await {
                Ok(new) => Ok(Ok((Work::Run(id), new.ops))),
                Err(RunMistakes::File(mistakes)) => Ok(Err(RunMistakes::of_file(mistakes))),
                Err(RunMistakes::Other(Error::Invalid(mistakes))) => Ok(Err(mistakes)),
                Err(RunMistakes::Other(error)) => Err(error),
                Err(RunMistakes::KeyTaken(_)) => unreachable!("no key was given"),
            }
        }
    }
}

/// The submission of one slot, with the labels that lead back to it.
fn labelled(submission: &Submission, row: &Schedule, slot: Slot) -> Submission {
    let mut submission = submission.clone();
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
    core.ask_begun().await;
    Ok(answers.pop().expect("one change has one answer"))
}
