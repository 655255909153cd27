//! Runs of workflows: what the end of a task means for its run, decided here and committed with it.
//!
//! ```text
//! transition ── a task of a run ended, or is tried again ──▶ Boards::follow ──▶ operations of the same change
//!                                                             │
//!                                    Board (head, some steps) ┴ Plan (what a step becomes)
//! ```
//!
//! Every end counts in its step, wherever the others are: that needs no look at the run. The last one ends the step,
//! and begins what waited for it, guarded by the version of the run: of two that end at once, one decides again.
//!
//! Danger: a round decides on many tasks before anything is committed. What it decided is kept in its boards, so that the
//! next decision builds on it. If the first is refused by the store, the next one may stand: it does only if the counts of
//! the step are what they would have been (see `Tally`), else both are made again.

use crate::core::Core;
use crate::error::Result;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use warrener_backend::Store;
use warrener_backend::run::{Child, RunOp, Tally};
use warrener_backend::store::Op;
use warrener_model::id::{RunId, TaskId};
use warrener_model::run::{RunHead, RunState, StepRow, StepState};
use warrener_model::task::Task;
use warrener_model::{State, Timestamp, limits};
use warrener_workflow::Seen;

mod ask;
mod drive;
mod plans;
pub(crate) mod stop;
pub(crate) use ask::session_over;
pub(crate) use plans::{Known, Plans};

/// The runs that one round of decisions touches.
#[derive(Debug, Default)]
pub(crate) struct Boards(HashMap<RunId, Board>);

/// What a task's move means for its run.
#[derive(Debug)]
pub(crate) enum Follow {
    /// These go into the same change.
    Ops(Vec<Op>),
    /// The run has gone on without it: the move must not happen.
    Refused,
}

/// A run as far as a decision needs it.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) known: Arc<Known>,
    pub(crate) head: RunHead,
    pub(crate) steps: BTreeMap<u32, StepRow>,
    /// Tasks that ended in this round and are not committed.
    fresh: HashMap<TaskId, Child>,
    /// Steps that may begin.
    pub(crate) ready: VecDeque<u32>,
    /// Steps to be written.
    dirty: Vec<u32>,
    /// Whether the head is to be written.
    moved: bool,
    /// Why what was looked at cannot be seen.
    too_much: Option<String>,
}

impl Boards {
    /// What follows from this move; `before` is the task's state before it.
    pub(crate) async fn follow(
        &mut self,
        core: &Core,
        before: State,
        task: &Task,
        now: Timestamp,
    ) -> Result<Follow> {
        let over = task.life.state.is_final();
        let Some(run) = run_of(task).filter(|_| before.is_final() != over) else {
            return Ok(Follow::Ops(vec![]));
        };
        let Some(board) = self.load(core, run).await? else {
            // The run is not kept any more, and nothing waits for this task.
            return Ok(Follow::Ops(vec![]));
        };
        let step = task.spec.step.as_deref().unwrap_or_default();
        let Some(n) = board
            .known
            .plan
            .place(step)
            .and_then(|n| u32::try_from(n).ok())
        else {
            return Ok(Follow::Ops(vec![]));
        };
        board.need(&*core.store, &[n]).await?;
        if over {
            board.ended(core, n, task, now).await
        } else {
            board.again(core, n, now).await
        }
    }

    async fn load(&mut self, core: &Core, run: RunId) -> Result<Option<&mut Board>> {
        Ok(match self.0.entry(run) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => Board::load(core, run)
                .await?
                .map(|board| place.insert(board)),
        })
    }
}

/// The run of a task.
pub(crate) fn run_of(task: &Task) -> Option<RunId> {
    task.spec.run.as_deref().and_then(|run| run.parse().ok())
}

impl Board {
    pub(crate) fn new(known: Arc<Known>, head: RunHead, steps: Vec<StepRow>) -> Self {
        Board {
            known,
            head,
            steps: steps.into_iter().map(|step| (step.n, step)).collect(),
            fresh: HashMap::new(),
            ready: VecDeque::new(),
            dirty: vec![],
            moved: false,
            too_much: None,
        }
    }

    /// The run without its steps.
    pub(crate) async fn load(core: &Core, run: RunId) -> Result<Option<Board>> {
        if let Some(known) = core.plans.get(run) {
            let part = core.store.run_part(run, vec![]).await?;
            return Ok(part.map(|part| Board::new(known, part.0, part.1)));
        }
        let Some(whole) = core.store.run_whole(run).await? else {
            return Ok(None);
        };
        let (run, steps) = *whole;
        let plan = match core.plans.plan(&run.spec.file) {
            Ok(plan) => plan,
            Err(mistakes) => {
                // Of an older version that took it. Its tasks must not hold up the others.
                let first = mistakes.first().map(ToString::to_string);
                tracing::error!(run = %run.spec.id, mistake = first, "a run stands still: this version cannot read its workflow");
                return Ok(None);
            }
        };
        let known = Arc::new(Known {
            plan,
            bytes: run.spec.file.len() + run.spec.inputs.as_str().len(),
            inputs: run.spec.inputs.value(),
            parent: run.spec.parent,
        });
        core.plans.put(run.spec.id, known.clone());
        Ok(Some(Board::new(known, run.head, steps)))
    }

    /// Reads steps that were not read.
    pub(crate) async fn need(&mut self, store: &dyn Store, steps: &[u32]) -> Result<()> {
        let missing: Vec<u32> = steps
            .iter()
            .copied()
            .filter(|n| !self.steps.contains_key(n))
            .collect();
        if !missing.is_empty()
            && let Some(part) = store.run_part(self.head.id, missing).await?
        {
            self.steps
                .extend(part.1.into_iter().map(|row| (row.n, row)));
        }
        Ok(())
    }

    fn step(&mut self, n: u32) -> &mut StepRow {
        self.steps
            .get_mut(&n)
            .expect("a step is read before it is looked at")
    }

    /// A task of this step is over.
    async fn ended(&mut self, core: &Core, n: u32, task: &Task, now: Timestamp) -> Result<Follow> {
        let fine = task.life.state == State::Succeeded;
        let error = task.error.as_ref().map(|error| error.message.clone());
        let child = Child {
            task: task.id,
            state: task.life.state,
            output: task.output.clone().filter(|_| fine),
            error,
        };
        self.fresh.insert(task.id, child);
        let cancelled = self.head.cancel.is_some();
        let row = self.step(n);
        row.done += 1;
        row.failed += u32::from(!fine);
        let last = row.done == row.total;
        let failures = row.failed;
        let tally = Tally {
            run: self.head.id,
            step: n,
            done: 1,
            failed: i32::from(!fine),
            over: false,
            last: last.then_some(failures),
        };
        let mut ops = vec![Op::Run(RunOp::Count(tally))];
        if last {
            let row = self.step(n);
            let state = match (row.failed, cancelled) {
                (0, _) => StepState::Succeeded,
                (_, true) => StepState::Cancelled,
                (_, false) => StepState::Failed,
            };
            if state == StepState::Failed {
                let error = self.why(&*core.store, n).await?;
                self.step(n).error = Some(error);
            }
            self.head.active = self.head.active.saturating_sub(1);
            self.over(&*core.store, n, state).await?;
            ops.extend(self.drive(core, now).await?);
        }
        Ok(Follow::Ops(ops))
    }

    /// Why a step failed: how many of its tasks did not succeed, and what became of the first of them.
    async fn why(&mut self, store: &dyn Store, n: u32) -> Result<String> {
        let row = self.step(n).clone();
        let children = store.run_children(self.head.id, n, false).await?;
        let mut now = children
            .iter()
            .map(|child| self.fresh.get(&child.task).unwrap_or(child));
        let first = now.find(|child| child.state.is_final() && child.state != State::Succeeded);
        let said = first.map(|child| {
            let error = child.error.as_ref().map(|error| format!(": {error}"));
            let error = error.unwrap_or_default();
            format!("; task {} is {}{error}", child.task, child.state)
        });
        let (id, failed, total, said) = (&row.id, row.failed, row.total, said.unwrap_or_default());
        Ok(match total {
            1 => format!("step \"{id}\" did not succeed{said}"),
            _ => format!("step \"{id}\": {failed} of {total} tasks did not succeed{said}"),
        })
    }

    /// A task of this step that was over is tried again.
    async fn again(&mut self, core: &Core, n: u32, now: Timestamp) -> Result<Follow> {
        let place = usize::try_from(n).unwrap_or(usize::MAX);
        let (state, over) = (self.step(n).state, self.step(n).state.is_over());
        if over && !self.known.plan.holds_up(place, state) {
            return Ok(Follow::Refused);
        }
        let row = self.step(n);
        row.done = row.done.saturating_sub(1);
        row.failed = row.failed.saturating_sub(1);
        let tally = Tally {
            run: self.head.id,
            step: n,
            done: -1,
            failed: -1,
            over,
            last: None,
        };
        let mut ops = vec![Op::Run(RunOp::Count(tally))];
        if over {
            self.step(n).error = None;
            self.reopen(&*core.store, n, StepState::Running).await?;
            self.head.active += 1;
            ops.extend(self.drive(core, now).await?);
        }
        Ok(Follow::Ops(ops))
    }

    /// A step that failed before it had tasks waits to begin again.
    pub(crate) async fn put_back(&mut self, store: &dyn Store, n: u32) -> Result<()> {
        let row = self.step(n);
        (row.error, row.value) = (None, None);
        self.reopen(store, n, StepState::Pending).await?;
        if !self.ready.contains(&n) {
            self.ready.push_back(n);
        }
        Ok(())
    }

    /// A step that held up the run does not any more.
    async fn reopen(&mut self, store: &dyn Store, n: u32, to: StepState) -> Result<()> {
        self.step(n).state = to;
        self.dirty.push(n);
        self.head.failures = self.head.failures.saturating_sub(1);
        self.go_on(store).await
    }

    /// The run is not over any more, nor cancelled; what became free while it could not go on may begin, unless another
    /// step holds it up.
    pub(crate) async fn go_on(&mut self, store: &dyn Store) -> Result<()> {
        let head = &mut self.head;
        head.state = RunState::Running;
        head.finished_at = None;
        head.cancel = None;
        self.moved = true;
        if self.head.failures == 0 {
            self.head.error = None;
            let all: Vec<u32> = (0..).take(self.known.plan.workflow().steps.len()).collect();
            self.need(store, &all).await?;
            let free = |row: &&StepRow| row.left == 0 && row.state == StepState::Pending;
            let free: Vec<u32> = self.steps.values().filter(free).map(|row| row.n).collect();
            self.ready.extend(free);
        }
        Ok(())
    }

    /// This step is over: what needs only it may begin.
    async fn over(&mut self, store: &dyn Store, n: u32, state: StepState) -> Result<()> {
        let place = usize::try_from(n).unwrap_or(usize::MAX);
        let known = self.known.clone();
        let row = self.step(n);
        row.state = state;
        let error = row.error.clone();
        self.dirty.push(n);
        self.moved = true;
        if known.plan.holds_up(place, state) {
            self.head.failures += 1;
            if self.head.error.is_none() {
                self.head.error = error;
            }
            return Ok(());
        }
        let behind = known.plan.behind(place).iter();
        let behind: Vec<u32> = behind.filter_map(|n| u32::try_from(*n).ok()).collect();
        self.need(store, &behind).await?;
        for next in behind {
            let row = self.step(next);
            row.left = row.left.saturating_sub(1);
            let free = row.left == 0 && row.state == StepState::Pending;
            self.dirty.push(next);
            if free {
                self.ready.push_back(next);
            }
        }
        Ok(())
    }

    /// What later steps see of one that is over.
    async fn seen(&mut self, store: &dyn Store, n: u32) -> Result<Seen> {
        self.need(store, &[n]).await?;
        let row = self.step(n).clone();
        let outputs = match (&row.value, row.total) {
            (Some(value), _) => vec![value.value()],
            (None, 0) => vec![],
            (None, _) => {
                let bytes = store.run_output_bytes(self.head.id, n).await?;
                if bytes > limits::BATCH_BYTES as u64 {
                    let (id, most) = (&row.id, limits::BATCH_BYTES);
                    let why = format!(
                        "the outputs of step \"{id}\" have {bytes} bytes together; at most {most} can be looked at"
                    );
                    self.too_much = Some(why);
                    return Ok(Seen {
                        state: row.state,
                        error: row.error,
                        outputs: vec![],
                    });
                }
                let children = store.run_children(self.head.id, n, true).await?;
                let output = |child: &Child| {
                    let child = self.fresh.get(&child.task).unwrap_or(child);
                    let output = child
                        .output
                        .as_ref()
                        .filter(|_| child.state == State::Succeeded);
                    output.map(|output| output.value()).unwrap_or_default()
                };
                children.iter().map(output).collect()
            }
        };
        Ok(Seen {
            state: row.state,
            error: row.error,
            outputs,
        })
    }
}
