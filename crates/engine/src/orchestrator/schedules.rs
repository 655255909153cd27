//! Schedules: make, look at, pause, resume, run now, delete.

use super::{Orchestrator, RunMistakes, check_submission};
use crate::error::{Error, Result};
use crate::schedules::commit;
use warrener_backend::schedule::{FiringRow, ScheduleOp, ScheduleQuery};
use warrener_backend::store::Committed;
use warrener_model::name::ScheduleName;
use warrener_model::schedule::{SCHEDULES, Schedule, ScheduleRequest, Target};
use warrener_model::{Mistake, Submission, TaskId, Timestamp, limits};
use warrener_workflow::Plan;

/// Labels that the tasks of a schedule have beside those of its submission.
const OWN_LABELS: usize = 2;

impl Orchestrator {
    /// Keeps a new schedule.
    ///
    /// # Errors
    /// `Invalid`, `ScheduleExists`, `TooLarge` (there are too many), `Draining`, `Backend`.
    pub async fn create_schedule(&self, request: &ScheduleRequest) -> Result<Schedule> {
        self.open()?;
        let now = self.core.now().await?;
        let schedule = request.check(now).map_err(Error::Invalid)?;
        self.check_target(&schedule.target, now)
            .map_err(Error::Invalid)?;
        if self.schedules().await?.len() >= SCHEDULES {
            let text = format!("a store has at most {SCHEDULES} schedules");
            return Err(Error::TooLarge(text));
        }
        match commit(&self.core, ScheduleOp::Create(schedule.clone()), vec![]).await? {
            Committed::Done { .. } => {
                self.core.slots.notify_one();
                Ok(schedule)
            }
            _ => Err(Error::ScheduleExists(schedule.name.to_string())),
        }
    }

    /// What the model cannot know: the kinds of this server, and workflows.
    fn check_target(
        &self,
        target: &Target,
        now: Timestamp,
    ) -> std::result::Result<(), Vec<Mistake>> {
        match target {
            Target::Task(task) => self.check_task(task, now),
            Target::Workflow(flow) => {
                let workflow = warrener_workflow::read(&flow.file).map_err(RunMistakes::of_file)?;
                Plan::of(workflow).inputs(&flow.inputs).map(drop)
            }
        }
    }

    fn check_task(
        &self,
        task: &Submission,
        now: Timestamp,
    ) -> std::result::Result<(), Vec<Mistake>> {
        if task.labels.len() + OWN_LABELS > limits::LABELS {
            let message = "has more than 30 labels; the schedule adds two of its own";
            return Err(vec![Mistake::at("/task/labels", message)]);
        }
        let inner = |m: Mistake| Mistake::at(format!("/task{}", m.pointer), m.message);
        match check_submission(&self.core, task, TaskId::new(now, [0; 10]), now) {
            Ok(_) => Ok(()),
            Err(found) => Err(found.into_iter().map(inner).collect()),
        }
    }

    /// All schedules, by name.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn schedules(&self) -> Result<Vec<Schedule>> {
        Ok(self.core.store.schedules(ScheduleQuery::All).await?)
    }

    /// One schedule.
    ///
    /// # Errors
    /// `NotFound`, `Backend`.
    pub async fn schedule(&self, name: &ScheduleName) -> Result<Schedule> {
        let query = ScheduleQuery::One(name.clone());
        let found = self.core.store.schedules(query).await?.pop();
        found.ok_or_else(|| Error::NotFound {
            what: "schedule",
            id: name.to_string(),
        })
    }

    /// What became of its slots, newest first.
    ///
    /// # Errors
    /// `NotFound`, `Backend`.
    pub async fn firings(
        &self,
        name: &ScheduleName,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<FiringRow>> {
        self.schedule(name).await?;
        Ok(self.core.store.firings(name.clone(), before, limit).await?)
    }

    /// Nothing is started by it any more; what runs goes on.
    ///
    /// # Errors
    /// `NotFound`, `ScheduleChanged`, `Backend`.
    pub async fn pause_schedule(&self, name: &ScheduleName) -> Result<Schedule> {
        self.change_schedule(name, Schedule::pause).await
    }

    /// It starts things again. The slots of the time between are gone.
    ///
    /// # Errors
    /// `NotFound`, `ScheduleChanged`, `Backend`.
    pub async fn resume_schedule(&self, name: &ScheduleName) -> Result<Schedule> {
        self.change_schedule(name, Schedule::resume).await
    }

    /// Starts its task or run now, paused or not, as its overlap policy allows.
    ///
    /// # Errors
    /// `NotFound`, `ScheduleBusy` (it skips, and what it started last has not ended), `ScheduleChanged`, `Draining`, `Backend`.
    pub async fn run_schedule(&self, name: &ScheduleName, actor: &str) -> Result<Schedule> {
        self.open()?;
        self.fire_by_hand(name, actor).await
    }

    /// Forgets it, with its history. What it started is as it was.
    ///
    /// # Errors
    /// `NotFound`, `Backend`.
    pub async fn delete_schedule(&self, name: &ScheduleName) -> Result<Schedule> {
        let found = self.schedule(name).await?;
        commit(&self.core, ScheduleOp::Delete(name.clone()), vec![]).await?;
        Ok(found)
    }
}
