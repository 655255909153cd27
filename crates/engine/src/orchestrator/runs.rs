//! Runs of workflows: start, look, cancel, try again what failed.

use super::Orchestrator;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::runs::{Board, Known, stop};
use crate::transition::{Intent, Moved};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use warrener_backend::run::{RunOp, Waiting};
use warrener_backend::store::{Change, Committed, Op};
use warrener_model::id::{RunId, TaskId};
use warrener_model::json::Json;
use warrener_model::life::{Event, Needs, State};
use warrener_model::run::{Run, RunHead, RunSpec, RunState, StepRow, StepState};
use warrener_model::submission::check_key;
use warrener_model::{Mistake, Timestamp};
use warrener_workflow::Mistake as FileMistake;

/// How often a change is made again because a step ended meanwhile.
const TRIES: usize = 32;
/// How often a wait looks again, at most.
const LOOK: Duration = Duration::from_millis(100);
/// How long a wait does without any news.
const AGAIN: Duration = Duration::from_secs(1);

/// A run that was accepted.
#[derive(Clone, Debug)]
pub struct StartedRun {
    /// As it is now.
    pub view: RunView,
    /// It was there before, under the same key and request.
    pub existing: bool,
}

/// A run with its steps.
#[derive(Clone, Debug, PartialEq)]
pub struct RunView {
    /// As stored.
    pub run: Run,
    /// In the order of the file.
    pub steps: Vec<StepRow>,
    /// Its tasks that are not over.
    pub waiting: Waiting,
}

impl RunMistakes {
    /// The mistakes of a file as those of a request that has it in the field `workflow`.
    pub fn of_file(mistakes: Vec<FileMistake>) -> Vec<Mistake> {
        let told = mistakes.into_iter();
        told.map(|mistake| Mistake::at(format!("/workflow:{}", mistake.place), mistake.message))
            .collect()
    }
}

/// Why a run was refused.
#[derive(Debug, thiserror::Error)]
pub enum RunMistakes {
    /// The file has these, in its order.
    #[error("the workflow has {} mistake(s)", .0.len())]
    File(Vec<FileMistake>),
    /// The key belongs to another request.
    #[error("this idempotency key belongs to another request, which made run {0}")]
    KeyTaken(RunId),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

/// A run that is in no store: its operations are one change, whole or not at all.
pub(crate) struct NewRun {
    known: Arc<Known>,
    digest: [u8; 32],
    pub(crate) ops: Vec<Op>,
}

impl NewRun {
    /// How many steps it has.
    pub(crate) fn steps(&self) -> usize {
        self.known.plan.workflow().steps.len()
    }
}

/// A run as it begins, with the tasks of its first steps.
pub(crate) async fn new_run(
    core: &Core,
    id: RunId,
    file: String,
    given: &serde_json::Map<String, serde_json::Value>,
    parent: Option<TaskId>,
    now: Timestamp,
) -> std::result::Result<NewRun, RunMistakes> {
    let plan = core.plans.plan(&file).map_err(RunMistakes::File)?;
    let inputs = plan.inputs(given).map_err(Error::Invalid)?;
    let inputs = serde_json::Value::Object(inputs);
    let kept = Json::of(&inputs)
        .map_err(|error| Error::Invalid(vec![Mistake::at("/inputs", error.to_string())]))?;
    let digest = digest(&file, &kept);
    let bytes = file.len() + kept.as_str().len();
    let spec = RunSpec {
        id,
        name: plan.workflow().name.clone(),
        file,
        inputs: kept,
        digest,
        parent,
        created_at: now,
    };
    let known = Arc::new(Known {
        plan,
        bytes,
        inputs,
        parent,
    });
    let mut board = Board::new(known.clone(), RunHead::new(id), known.plan.rows());
    let first = board.steps.values().filter(|row| row.left == 0);
    board.ready = first.map(|row| row.n).collect();
    let mut ops = board.begin_all(core, now).await?;
    let run = Run {
        spec,
        head: board.head.clone(),
    };
    let steps = board.steps.values().cloned().collect();
    ops.insert(0, Op::Run(RunOp::Insert(Box::new(run), steps)));
    Ok(NewRun { known, digest, ops })
}

impl Orchestrator {
    /// Accepts a run and begins its first steps. With a key, the same request is accepted once.
    ///
    /// # Errors
    /// [`RunMistakes`]; nothing was accepted then, but for `Backend(Unavailable)`: ask again with the same key.
    pub async fn start_run(
        &self,
        file: String,
        given: serde_json::Map<String, serde_json::Value>,
        key: Option<String>,
    ) -> std::result::Result<StartedRun, RunMistakes> {
        self.open()?;
        let permit = self.core.submissions.try_acquire();
        let _permit = permit.map_err(|_| Error::Overloaded)?;
        if let Some(Err(message)) = key.as_deref().map(check_key) {
            let mistake = Mistake::at("/idempotency_key", message);
            return Err(Error::Invalid(vec![mistake]).into());
        }
        let now = self.core.now().await?;
        let id = key.as_deref().map_or_else(|| self.core.run_id(now), keyed);
        let NewRun { known, digest, ops } =
            new_run(&self.core, id, file, &given, None, now).await?;
        let change = Change { ops };
        let committed = self
            .core
            .store
            .commit(vec![change])
            .await
            .map_err(Error::from)?;
        match committed.into_iter().next() {
            Some(Committed::Done { .. }) => {
                self.core.plans.put(id, known);
                self.core.ready.notify_one();
                self.core.timer.notify_one();
                self.core.ask_begun().await;
                let view = self.run(id).await?;
                Ok(StartedRun {
                    view,
                    existing: false,
                })
            }
            _ => {
                let view = self.run(id).await?;
                if view.run.spec.digest != digest {
                    return Err(RunMistakes::KeyTaken(id));
                }
                Ok(StartedRun {
                    view,
                    existing: true,
                })
            }
        }
    }

    /// One run.
    ///
    /// # Errors
    /// `NotFound`, `Backend`.
    pub async fn run(&self, id: RunId) -> Result<RunView> {
        let Some(whole) = self.core.store.run_whole(id).await? else {
            return Err(no_run(id));
        };
        let (run, steps) = *whole;
        let waiting = match run.head.state.is_final() {
            true => Waiting::default(),
            false => self.core.store.run_parked(id).await?,
        };
        Ok(RunView {
            run,
            steps,
            waiting,
        })
    }

    /// One run, once it is over or something of it changed after `seen`, or after this long.
    ///
    /// # Errors
    /// `NotFound`, `Overloaded` when too many wait, `Backend`.
    pub async fn wait_run(
        &self,
        id: RunId,
        seen: Option<&RunView>,
        within: Duration,
    ) -> Result<RunView> {
        let until = tokio::time::Instant::now() + within;
        let mut changed = self.changed();
        let mut place = None;
        loop {
            changed.mark_unchanged();
            let view = self.run(id).await?;
            let news = seen.is_some_and(|seen| *seen != view);
            if view.run.head.state.is_final() || news || tokio::time::Instant::now() >= until {
                return Ok(view);
            }
            self.take_place(&mut place)?;
            // An end of a session writes no history.
            let turn = until.min(tokio::time::Instant::now() + AGAIN);
            let _ = tokio::time::timeout_at(turn, changed.changed()).await;
            tokio::time::sleep(LOOK.min(within)).await;
        }
    }

    /// Runs, newest first; without files and outputs.
    ///
    /// # Errors
    /// `Backend`.
    pub async fn runs(
        &self,
        states: Vec<RunState>,
        before: Option<(Timestamp, RunId)>,
        limit: usize,
    ) -> Result<Vec<Run>> {
        Ok(self.core.store.runs(states, before, limit).await?)
    }

    /// Cancels a run: nothing of it begins any more, and what is open is cancelled.
    ///
    /// # Errors
    /// `NotFound`, `RunOver`, `Backend`.
    pub async fn cancel_run(&self, id: RunId, reason: &str) -> Result<RunView> {
        for _ in 0..TRIES {
            let Some(part) = self.core.store.run_part(id, vec![]).await? else {
                return Err(no_run(id));
            };
            let (mut head, _) = *part;
            if head.state.is_final() {
                return Err(Error::RunOver {
                    run: id,
                    state: head.state,
                    action: "cancel",
                });
            }
            head.version += 1;
            head.cancel = Some(reason.to_owned());
            let change = Change::from(Op::Run(RunOp::Save(Box::new(head))));
            let committed = self.core.store.commit(vec![change]).await?;
            if matches!(committed.first(), Some(Committed::Done { .. })) {
                // Should this end half way, `stop` goes on.
                stop::all_of(&self.core, id, reason).await?;
                self.core.cancelled.notify_one();
                return self.run(id).await;
            }
        }
        Err(Error::Overloaded)
    }

    /// Tries again what failed or was cancelled of a run, and nothing else. Says how many steps that is.
    ///
    /// # Errors
    /// `NotFound`, `RunOver` (nothing of it failed), `Backend`.
    pub async fn retry_failed(&self, id: RunId, actor: &str) -> Result<RunView> {
        let view = self.run(id).await?;
        let Some(board) = Board::load(&self.core, id).await? else {
            return Err(no_run(id));
        };
        let held = |row: &&StepRow| {
            let place = usize::try_from(row.n).unwrap_or(usize::MAX);
            board.known.plan.holds_up(place, row.state)
        };
        let held: Vec<&StepRow> = view.steps.iter().filter(held).collect();
        if held.is_empty() && view.run.head.state == RunState::Cancelled {
            self.resume(id).await?;
            return self.run(id).await;
        }
        if held.is_empty() {
            return Err(Error::RunOver {
                run: id,
                state: view.run.head.state,
                action: "a retry, with no step that failed,",
            });
        }
        for row in held {
            if row.failed > 0 {
                self.retry_tasks(id, row.n, actor).await?;
            } else {
                self.begin_again(id, row.n).await?;
            }
        }
        self.run(id).await
    }

    /// A run that was cancelled between two steps, so that nothing of it failed, goes on.
    async fn resume(&self, id: RunId) -> Result<()> {
        for _ in 0..TRIES {
            let Some(mut board) = Board::load(&self.core, id).await? else {
                return Err(no_run(id));
            };
            if board.head.state != RunState::Cancelled {
                return Ok(());
            }
            let now = self.core.now().await?;
            board.go_on(&*self.core.store).await?;
            let change = Change {
                ops: board.drive(&self.core, now).await?,
            };
            let committed = self.core.store.commit(vec![change]).await?;
            if matches!(committed.first(), Some(Committed::Done { .. })) {
                self.core.ready.notify_one();
                self.core.timer.notify_one();
                self.core.ask_begun().await;
                return Ok(());
            }
        }
        Err(Error::Overloaded)
    }

    async fn retry_tasks(&self, id: RunId, step: u32, actor: &str) -> Result<()> {
        let children = self.core.store.run_children(id, step, false).await?;
        let over = children
            .iter()
            .filter(|child| child.state.is_final() && child.state != State::Succeeded);
        let intents = over.map(|child| {
            let needs = Needs::Met;
            Intent::new(child.task, Event::Retry { anew: true, needs }, actor)
        });
        for moved in self.core.transitions(intents.collect()).await? {
            if let Moved::Contended = moved {
                return Err(Error::Overloaded);
            }
        }
        Ok(())
    }

    /// A step that failed, or was cancelled, without tasks.
    async fn begin_again(&self, id: RunId, step: u32) -> Result<()> {
        for _ in 0..TRIES {
            let Some(mut board) = Board::load(&self.core, id).await? else {
                return Err(no_run(id));
            };
            board.need(&*self.core.store, &[step]).await?;
            let row = board.steps.get_mut(&step);
            let held = [StepState::Failed, StepState::Cancelled];
            if row.is_none_or(|row| !held.contains(&row.state)) {
                return Ok(());
            }
            let now = self.core.now().await?;
            board.put_back(&*self.core.store, step).await?;
            let change = Change {
                ops: board.drive(&self.core, now).await?,
            };
            let committed = self.core.store.commit(vec![change]).await?;
            if matches!(committed.first(), Some(Committed::Done { .. })) {
                self.core.ready.notify_one();
                self.core.timer.notify_one();
                self.core.ask_begun().await;
                return Ok(());
            }
        }
        Err(Error::Overloaded)
    }
}

fn no_run(id: RunId) -> Error {
    Error::NotFound {
        what: "run",
        id: id.to_string(),
    }
}

/// The id of the run that a key makes: the same for the same key.
fn keyed(key: &str) -> RunId {
    let digest = Sha256::digest(format!("run\0{key}"));
    RunId::of_digest(&digest.into())
}

fn digest(file: &str, inputs: &Json) -> [u8; 32] {
    let mut all = Sha256::new();
    all.update(file.len().to_be_bytes());
    all.update(file);
    all.update(inputs.as_str());
    all.finalize().into()
}
