//! Begins every step that may begin, and ends the run when nothing of it is open.

use super::Board;
use crate::collaboration::park;
use crate::core::Core;
use crate::error::Result;
use crate::orchestrator::check_submission;
use std::collections::BTreeMap;
use warrener_backend::run::RunOp;
use warrener_backend::session::SessionOp;
use warrener_backend::store::{Accept, Op};
use warrener_model::event::{EventKind, NewEvent};
use warrener_model::json::Json;
use warrener_model::life::Parked;
use warrener_model::run::{RunState, StepState};
use warrener_model::task::Task;
use warrener_model::{Timestamp, limits};
use warrener_workflow::{Begun, Draft, Seen};

impl Board {
    /// Until no step may begin; the operations of all of it, the head's and the steps' last.
    pub(crate) async fn drive(&mut self, core: &Core, now: Timestamp) -> Result<Vec<Op>> {
        let mut ops = self.begin_all(core, now).await?;
        ops.extend(self.written());
        Ok(ops)
    }

    /// The same for a run that is not in the store: without those of head and steps.
    pub(crate) async fn begin_all(&mut self, core: &Core, now: Timestamp) -> Result<Vec<Op>> {
        let mut ops = vec![];
        while let Some(n) = self.ready.pop_front() {
            let waits = self.step(n).state == StepState::Pending;
            if waits && self.head.goes_on() {
                ops.extend(self.begin(core, n, now).await?);
            }
        }
        if self.head.active == 0 && !self.head.state.is_final() {
            self.finish(core, now).await?;
        }
        Ok(ops)
    }

    async fn begin(&mut self, core: &Core, n: u32, now: Timestamp) -> Result<Vec<Op>> {
        let place = usize::try_from(n).unwrap_or(usize::MAX);
        let known = self.known.clone();
        let seen = self.look(core, Some(place)).await?;
        if let Some(why) = self.too_much.take() {
            let state = self.cannot(n, &why);
            self.over(&*core.store, n, state).await?;
            return Ok(vec![]);
        }
        let context = known.plan.context(&self.about(), &known.inputs, &seen);
        let begun = known.plan.begin(place, &context, &seen);
        let mut ops = vec![];
        let state = match begun {
            Begun::Skipped => StepState::Skipped,
            Begun::Value(value) => match Json::of(&value) {
                Ok(value) => {
                    self.step(n).value = Some(value);
                    StepState::Succeeded
                }
                Err(error) => self.cannot(n, &error.to_string()),
            },
            Begun::Failed(why) => self.cannot(n, &why),
            Begun::Session(request) => match self.ask(core, n, &request, now).await? {
                Ok(session) => {
                    let op = SessionOp::Open(Box::new(session.clone()));
                    ops.push(Op::Session(op));
                    if !session.state.is_final() {
                        self.runs(n);
                        core.sessions.begun(session.id);
                        return Ok(ops);
                    }
                    self.heard(n, &session)
                }
                Err(why) => self.cannot(n, &why),
            },
            Begun::Tasks(drafts) => match self.tasks(core, n, drafts, now) {
                Ok(made) if made.is_empty() => StepState::Succeeded,
                Ok(made) => {
                    let row = self.step(n);
                    row.total = u32::try_from(made.len()).unwrap_or(u32::MAX);
                    self.runs(n);
                    let tasks = made.iter().map(|accept| accept.task.id).collect();
                    let run = self.head.id;
                    ops.extend(made.into_iter().map(|accept| Op::Accept(Box::new(accept))));
                    ops.push(Op::Run(RunOp::Children {
                        run,
                        step: n,
                        tasks,
                    }));
                    return Ok(ops);
                }
                Err(why) => self.cannot(n, &why),
            },
        };
        self.over(&*core.store, n, state).await?;
        Ok(ops)
    }

    fn runs(&mut self, n: u32) {
        self.step(n).state = StepState::Running;
        self.dirty.push(n);
        self.moved = true;
        self.head.active += 1;
    }

    pub(super) fn cannot(&mut self, n: u32, why: &str) -> StepState {
        let row = self.step(n);
        row.error = Some(format!("step \"{}\": {why}", row.id));
        StepState::Failed
    }

    /// The tasks of a step, checked as if somebody had submitted them.
    fn tasks(
        &self,
        core: &Core,
        n: u32,
        drafts: Vec<Draft>,
        now: Timestamp,
    ) -> std::result::Result<Vec<Accept>, String> {
        let step = self.steps.get(&n).map(|row| row.id.clone());
        let mut bytes = 0;
        let made = drafts.into_iter().enumerate().map(|(item, draft)| {
            let id = core.batch_id(now, item);
            let mut task =
                check_submission(core, &draft.submission, id, now).map_err(|mistakes| {
                    let first = mistakes.first();
                    let said = first.map(|one| format!("{} {}", one.pointer, one.message));
                    format!("item {item} is no task: {}", said.unwrap_or_default())
                })?;
            bytes += task.spec.input.as_str().len() + task.spec.description.len();
            if bytes > limits::BATCH_BYTES {
                let most = limits::BATCH_BYTES;
                return Err(format!("its tasks have more than {most} bytes together"));
            }
            task.spec.run = Some(self.head.id.to_string());
            task.spec.step = step.clone();
            task.spec.parent = self.known.parent;
            if draft.approve {
                park(core, &mut task, Parked::Approval, now);
            }
            Ok(accept(task, self.head.id, now))
        });
        made.collect()
    }

    /// Everything that a step looks at; the run's output without one.
    async fn look(&mut self, core: &Core, step: Option<usize>) -> Result<BTreeMap<usize, Seen>> {
        let mut seen = BTreeMap::new();
        for of in self.known.clone().plan.reads(step) {
            let n = u32::try_from(of).unwrap_or(u32::MAX);
            seen.insert(of, self.seen(&*core.store, n).await?);
        }
        Ok(seen)
    }

    fn about(&self) -> serde_json::Value {
        let name = self.known.plan.workflow().name.as_str();
        serde_json::json!({ "id": self.head.id, "name": name })
    }

    async fn finish(&mut self, core: &Core, now: Timestamp) -> Result<()> {
        let state = match (&self.head.cancel, self.head.failures) {
            (Some(_), _) => RunState::Cancelled,
            (None, 0) => RunState::Succeeded,
            (None, _) => RunState::Failed,
        };
        self.head.state = state;
        self.head.finished_at = Some(now);
        self.moved = true;
        if state != RunState::Succeeded {
            return Ok(());
        }
        let known = self.known.clone();
        let seen = self.look(core, None).await?;
        if let Some(why) = self.too_much.take() {
            if known.plan.workflow().output.is_some() {
                self.without_output(why);
            }
            return Ok(());
        }
        let context = known.plan.context(&self.about(), &known.inputs, &seen);
        let output = known.plan.output(&context, &seen);
        match output.and_then(|output| Json::of(&output).map_err(|error| error.to_string())) {
            Ok(output) if output.as_str().len() <= limits::OUTPUT_BYTES => {
                self.head.output = Some(output);
            }
            // Nobody said what it leaves: the tasks have their outputs.
            Ok(_) if known.plan.workflow().output.is_none() => {}
            Ok(output) => {
                let (bytes, most) = (output.as_str().len(), limits::OUTPUT_BYTES);
                self.without_output(format!("the output has {bytes} bytes; the limit is {most}"));
            }
            Err(why) => self.without_output(why),
        }
        Ok(())
    }

    /// All steps went well, and yet there is nothing to show for it.
    fn without_output(&mut self, why: String) {
        self.head.state = RunState::Failed;
        self.head.error = Some(why);
    }

    /// The rows that changed. The board goes on from them: the next decision of this round builds on these.
    fn written(&mut self) -> Vec<Op> {
        if !std::mem::take(&mut self.moved) {
            return vec![];
        }
        self.head.version += 1;
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        let run = self.head.id;
        let rows = dirty.iter().filter_map(|n| self.steps.get(n).cloned());
        let mut ops = vec![Op::Run(RunOp::Save(Box::new(self.head.clone())))];
        ops.extend(rows.map(|row| Op::Run(RunOp::Step(run, Box::new(row)))));
        ops
    }
}

fn accept(task: Task, run: warrener_model::id::RunId, now: Timestamp) -> Accept {
    let event = NewEvent {
        at: now,
        kind: EventKind::Submitted,
        state: task.life.state,
        attempt: 0,
        epoch: 0,
        agent: None,
        actor: format!("run:{run}"),
        detail: serde_json::json!({}),
    };
    Accept {
        task,
        key: None,
        event,
        session: None,
    }
}
