//! Decomposition: tasks whose parts are done in their place. The parts are a run of a workflow, which a template of the
//! task's kind or the task's agent says; the task waits in state blocked, and comes to what its run comes to.
//!
//! ```text
//! ready task of a kind with a template ── divide ──▶ ┐
//! outcome of an agent, with a workflow ── answered ─▶ blocked, with its run, in one change
//! run over, or task over before it      ── settle ──▶ task over, or run cancelled
//! ```
//!
//! Whatever ends half way is found again: [`settle`] asks the store for tasks and runs that do not fit.

use crate::core::Core;
use crate::error::{Error, Result};
use crate::options::Decompose;
use crate::orchestrator::{NewRun, Orchestrator, RunMistakes, new_run, shallow};
use crate::transition::Intent;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use warrener_backend::query::{List, SortKey};
use warrener_backend::run::Parted;
use warrener_backend::store::Ending as Stored;
use warrener_model::filter::Filter;
use warrener_model::id::RunId;
use warrener_model::life::{Ending, Event, Needs};
use warrener_model::task::{Spec, Task, TaskError};
use warrener_model::{Class, Mistake, TaskId, limits};

mod next;
use next::{Next, next};

/// Tasks divided, and runs settled, before the next look.
const BATCH: usize = 256;
/// Mistakes of a workflow that its task tells.
const TOLD: usize = 20;
/// The label of a task that is done whole, whatever its kind says.
const COMPLEXITY: (&str, &str) = ("complexity", "simple");

/// Runs until told to stop.
pub(crate) async fn run(orchestrator: Orchestrator, core: Arc<Core>, stop: CancellationToken) {
    loop {
        if let Err(error) = divide(&orchestrator, &core).await {
            tracing::warn!(%error, "tasks wait to be divided");
        }
        if let Err(error) = settle(&orchestrator, &core).await {
            tracing::warn!(%error, "tasks wait for their parts");
        }
        tokio::select! {
            () = core.parts.notified() => {}
            () = tokio::time::sleep(core.options.timers.poll) => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Core {
    /// What a task is divided by; none for one that is done whole.
    pub(crate) fn decompose(&self, spec: &Spec) -> Option<&Decompose> {
        let (label, simple) = COMPLEXITY;
        let way = self.options.decompose.get(&spec.kind)?;
        (spec.labels.get(label).map(String::as_str) != Some(simple)).then_some(way)
    }

    /// Whether it goes to no agent.
    pub(crate) fn is_divided(&self, spec: &Spec) -> bool {
        matches!(self.decompose(spec), Some(Decompose::Template(_)))
    }
}

/// The run that is done in the place of a task that was granted so often: of several servers, and of several tries, one
/// makes it.
pub(crate) fn parts_of(task: TaskId, epoch: u64) -> RunId {
    let mut all = Sha256::new();
    all.update(b"parts");
    all.update(task.as_bytes());
    all.update(epoch.to_be_bytes());
    RunId::of_digest(&all.finalize().into())
}

/// Ready tasks of kinds with a template.
async fn divide(orchestrator: &Orchestrator, core: &Arc<Core>) -> Result<()> {
    let kinds = core.options.decompose.iter();
    let kinds = kinds.filter(|(_, way)| matches!(way, Decompose::Template(_)));
    let kinds: Vec<&str> = kinds.map(|(kind, _)| kind.as_str()).collect();
    if kinds.is_empty() || core.is_draining() {
        return Ok(());
    }
    let (label, simple) = COMPLEXITY;
    let text = format!(
        "state:ready kind:{} -label.{label}:{simple}",
        kinds.join(",")
    );
    let filter = Filter::parse(&text)?;
    let mut after = None;
    loop {
        let list = List {
            filter: filter.clone(),
            now: core.now().await?,
            sort: SortKey::Created,
            descending: false,
            limit: BATCH,
            after,
            bodies: true,
        };
        let tasks = core.store.list(list.clone()).await?;
        for task in tasks.iter().filter(|task| task.life.offered_at.is_none()) {
            if !core.is_paused(&task.spec.lane) {
                divide_one(orchestrator, core, task).await?;
            }
        }
        match tasks.last() {
            Some(last) if tasks.len() == BATCH => after = Some(list.place(last)),
            _ => return Ok(()),
        }
    }
}

async fn divide_one(orchestrator: &Orchestrator, core: &Arc<Core>, task: &Task) -> Result<()> {
    let Some(Decompose::Template(file)) = core.decompose(&task.spec) else {
        return Ok(());
    };
    let run = parts_of(task.id, task.life.epoch);
    let event = |sound| Event::Decompose { sound };
    let named = serde_json::json!({ "run": run });
    if core.store.run_part(run, vec![]).await?.is_some() {
        // Somebody tries the task again: what of its parts did not go well. They go on before the task waits for them:
        // one that waits for a run that is over would be over, too.
        match orchestrator.retry_failed(run, "server").await {
            Ok(_) | Err(Error::RunOver { .. }) => {}
            Err(error) => return Err(error),
        }
        let intent = Intent::new(task.id, event(true), "server").detail(named);
        return core.transition(intent).await.map(drop);
    }
    let given = known(file, &task.spec);
    let intent = match parts(core, task, run, file.clone(), &given).await? {
        Ok(new) => Intent::new(task.id, event(true), "server")
            .detail(named)
            .with(new.ops),
        Err(why) => {
            Intent::new(task.id, event(false), "server").ending(failed(Class::Invalid, &why))
        }
    };
    core.transition(intent).await.map(drop)
}

/// Whether a task can be tried again with another input: parts that began go on from the first one.
pub(crate) async fn takes_input(core: &Core, task: TaskId) -> Result<()> {
    let Some(task) = core.store.tasks(&[task]).await?.pop().flatten() else {
        return Ok(());
    };
    let run = parts_of(task.id, task.life.epoch);
    if !core.is_divided(&task.spec) || core.store.run_part(run, vec![]).await?.is_none() {
        return Ok(());
    }
    let message = format!(
        "its parts (run {run}) have begun with the first input, and those that went well are not done again: submit another task"
    );
    Err(Error::Invalid(vec![Mistake::at("/input", message)]))
}

/// What a template is given: of the task's fields and those of its input what it asks for.
fn known(file: &str, spec: &Spec) -> serde_json::Map<String, serde_json::Value> {
    let input = spec.input.value();
    let mut all = serde_json::Map::from_iter([
        ("title".to_owned(), spec.title.clone().into()),
        ("description".to_owned(), spec.description.clone().into()),
        ("priority".to_owned(), spec.priority.as_str().into()),
        ("labels".to_owned(), serde_json::json!(spec.labels)),
        ("input".to_owned(), input.clone()),
    ]);
    if let serde_json::Value::Object(fields) = input {
        all.extend(fields);
    }
    let workflow = warrener_workflow::read(file).ok();
    let asked: Vec<String> = workflow
        .map(|workflow| workflow.inputs.into_iter().map(|(name, _)| name).collect())
        .unwrap_or_default();
    all.retain(|name, _| asked.contains(name));
    all
}

/// Outcomes whose output is a workflow, of kinds whose agents may answer so: the run goes into the same change.
pub(crate) async fn answered(core: &Core, intents: &mut [Intent]) -> Result<()> {
    let by_agents = core.options.decompose.values();
    if !by_agents.into_iter().any(|way| *way == Decompose::Agent) {
        return Ok(());
    }
    for intent in intents {
        if let Some((file, given, epoch)) = workflow_of(intent)
            && let Some(task) = core.store.tasks(&[intent.task]).await?.pop().flatten()
            && core.decompose(&task.spec) == Some(&Decompose::Agent)
        {
            let run = parts_of(task.id, epoch);
            match parts(core, &task, run, file, &given).await? {
                Ok(new) => intent.decomposed(run, new.ops),
                Err(why) => intent.refuse(failed(Class::Invalid, &why)),
            }
        }
    }
    Ok(())
}

type Asked = (String, serde_json::Map<String, serde_json::Value>, u64);

/// The workflow in an outcome: `{"workflow": text or object, "inputs": {…}}`.
fn workflow_of(intent: &Intent) -> Option<Asked> {
    let Event::Outcome {
        epoch,
        ending: Ending::Succeeded,
        ..
    } = intent.event
    else {
        return None;
    };
    let output = intent.ending.as_ref()?.output.as_ref()?;
    if !output.as_str().contains("\"workflow\"") {
        return None;
    }
    let mut output = output.value();
    let file = match output.get_mut("workflow")?.take() {
        serde_json::Value::String(text) => text,
        object @ serde_json::Value::Object(_) => object.to_string(),
        _ => return None,
    };
    let given = match output.get_mut("inputs").map(serde_json::Value::take) {
        Some(serde_json::Value::Object(given)) => given,
        _ => serde_json::Map::new(),
    };
    Some((file, given, epoch))
}

/// The run of a task's parts as it begins; or why there can be none, in words.
async fn parts(
    core: &Core,
    task: &Task,
    run: RunId,
    file: String,
    given: &serde_json::Map<String, serde_json::Value>,
) -> Result<std::result::Result<NewRun, String>> {
    match shallow(core, task).await {
        Ok(()) => {}
        Err(Error::NotAllowed { what, .. }) => return Ok(Err(what)),
        Err(error) => return Err(error),
    }
    let now = core.now().await?;
    let made = new_run(core, run, file, given, Some(task.id), now).await;
    let told = |mistakes: Vec<String>| {
        let more = mistakes.len().saturating_sub(TOLD);
        let mut said: Vec<String> = mistakes.into_iter().take(TOLD).collect();
        said.extend((more > 0).then(|| format!("and {more} more")));
        format!("the workflow of its parts: {}", said.join("; "))
    };
    match made {
        Ok(new) if new.steps() > limits::PARTS => {
            let (steps, most) = (new.steps(), limits::PARTS);
            Ok(Err(format!(
                "the workflow of its parts has {steps} steps; the limit is {most}"
            )))
        }
        Ok(new) => Ok(Ok(new)),
        Err(RunMistakes::File(mistakes)) => Ok(Err(told(
            mistakes.iter().map(ToString::to_string).collect(),
        ))),
        Err(RunMistakes::Other(Error::Invalid(mistakes))) => {
            let said = mistakes
                .iter()
                .map(|one| format!("{} {}", one.pointer, one.message));
            Ok(Err(told(said.collect())))
        }
        Err(RunMistakes::Other(error)) => Err(error),
        Err(RunMistakes::KeyTaken(run)) => Ok(Err(format!("run {run} is there already"))),
    }
}

fn failed(class: Class, why: &str) -> Stored {
    let error = TaskError {
        class,
        message: crate::recorder::clip(why, limits::ERROR_MESSAGE_BYTES),
        detail: serde_json::Value::Null,
        fingerprint: String::new(),
    };
    Stored {
        error: Some(error),
        ..Stored::default()
    }
}

/// Tasks and runs that do not fit.
async fn settle(orchestrator: &Orchestrator, core: &Arc<Core>) -> Result<()> {
    for parted in core.store.runs_parted(BATCH * 16).await? {
        // A task that was granted again has other parts, and nothing to do with these.
        if parted.run.id != parts_of(parted.task, parted.epoch) {
            continue;
        }
        match next(parted.state, parted.run.state) {
            Some(Next::Over { well }) => over(core, parted, well).await?,
            Some(Next::Stop) => {
                let reason = format!("task {} is {}", parted.task, parted.state);
                match orchestrator.cancel_run(parted.run.id, &reason).await {
                    Ok(_) | Err(Error::RunOver { .. } | Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Some(Next::Again) => {
                let event = Event::Retry {
                    anew: false,
                    needs: Needs::Open,
                };
                let actor = format!("run:{}", parted.run.id);
                core.transition(Intent::new(parted.task, event, actor))
                    .await?;
            }
            None => {}
        }
    }
    Ok(())
}

async fn over(core: &Core, parted: Parted, well: bool) -> Result<()> {
    let Some(task) = core.store.tasks(&[parted.task]).await?.pop().flatten() else {
        return Ok(());
    };
    let run = parted.run;
    let mut left = if well {
        Stored {
            output: run.output,
            ..Stored::default()
        }
    } else {
        let said = run.error.unwrap_or_else(|| match run.cancel {
            Some(reason) => format!("run {} of its parts was cancelled: {reason}", run.id),
            None => format!("run {} of its parts failed", run.id),
        });
        failed(Class::Business, &said)
    };
    // What the agent that said the parts has used.
    left.usage = task.usage;
    let intent = Intent::new(
        parted.task,
        Event::PartsOver { well },
        format!("run:{}", run.id),
    );
    core.transition(intent.ending(left)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grant_of_each_task_has_parts_of_its_own() {
        let task = |n| TaskId::from_bytes([n; 16]);
        assert_eq!(parts_of(task(1), 2), parts_of(task(1), 2));
        assert_ne!(parts_of(task(1), 2), parts_of(task(1), 3));
        assert_ne!(parts_of(task(1), 2), parts_of(task(2), 2));
    }
}
